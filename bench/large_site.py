"""What a large site costs: whole commands at a site of many tracklets.

The site is drawn. Its embeddings are those of `bench.search`: twenty tracklets a person, over 24 cameras and 30 days,
each of a few seconds and of one small crop. People who are in a camera at once are known to be different. Each command
is a process of its own, from its start to its end, as a person waits for it. Every command runs `--rounds` times: the
first one meets files that the system may not hold in memory any more, where it lets go of them when told.

    python -m bench.large_site --tracklets 200000 --commands query verify
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from app.encoders.versions import calibrate, serving, store_of, with_base
from app.footage import Camera, Footage
from app.record import Site
from app.record.rows import Chunk, segment_id
from app.terminal import JsonOption, print_json
from bench.measuring import Machine
from bench.processes import ProcessError
from bench.record_work import crop
from bench.search import CAMERAS, DAYS, TRACKLETS, Crowd, bounds_of_footage
from bench.start import Cost, cost_of
from bench.terminal import print_table, run
from trackers.segments import Cut, Kind, Segment

HERE = Path(__file__).parents[1]
BEGAN = 1795185600.0  # 2026-11-20T14:40:00Z
DAY, OPEN = 86400.0, 36000.0  # s: of a day, and that people come in
STAY = 6.0  # s that a tracklet lasts
FRAMES = 30  # with a box in each
BOX = (10.0, 10.0, 42.0, 106.0)
DIMENSIONS = 512
COMMANDS = ("query", "merge", "verify", "site")


@dataclass(frozen=True, slots=True)
class LargeReport:
    """By command, the cost of each round."""

    machine: Machine
    tracklets: int
    costs: dict[str, list[Cost]]


def write_site(path: Path, tracklets: int) -> None:
    """Writes a site, merged by nobody, and calibrates its encoder."""
    rng = np.random.default_rng(tracklets)
    people = max(tracklets // TRACKLETS, 1)
    crowd, person = Crowd(people, DIMENSIONS), rng.integers(0, people, tracklets)
    jpeg = cv2.imencode(".jpg", rng.integers(0, 256, (8, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1))[1].tobytes()
    with Site.create(path) as site:
        model = with_base(site)
        store = store_of(site, model.name)
        names = [f"camera{number:02d}" for number in range(CAMERAS)]
        for number, (first, last) in enumerate(pairwise(bounds_of_footage(tracklets).tolist())):
            name, day = names[number % CAMERAS], number // CAMERAS
            starts = np.sort(rng.uniform(0, OPEN, last - first)) + BEGAN + DAY * day
            ids = _write_footage(
                site,
                Footage(
                    camera=name,
                    path=Path(f"{name}/{day}.mp4"),
                    name=f"{day}.mp4",
                    start=BEGAN + DAY * day,
                    start_source="name",
                    size=1,
                    fingerprint=f"{name} {day}",
                ),
                starts,
                jpeg,
            )
            store.write(number + 1, ids, crowd.halves(person[first:last]))
        site.set_calibration(model.name, calibrate(site, serving(site)).to_json())


def _write_footage(site: Site, footage: Footage, starts: np.ndarray, jpeg: bytes) -> np.ndarray:
    """Commits tracklets that begin at `starts` (n,) s, ascending. Returns their ids (n,)."""
    settings = {"detector": "drawn", "sha256": None}
    camera = Camera(footage.camera, (footage,))
    ((record, _),) = site.intake.register([camera], {footage.camera: settings}, who="bench")[0]
    record = site.intake.begin(record, settings)
    numbers = record.first_segment + np.arange(len(starts))
    boxes = np.tile(np.array(BOX, np.float32), (FRAMES, 1))
    segments, crops = [], {}
    for k, (number, start) in enumerate(zip(numbers.tolist(), starts.tolist())):
        times = start + np.linspace(0, STAY, FRAMES)
        at_once = np.searchsorted(starts, start - STAY)
        segments.append(
            Segment(
                number=number,
                track=record.first_track + k,
                kind=Kind.TRACKLET,
                cut=Cut.GAP,
                frames=np.arange(FRAMES),
                times=times,
                boxes=boxes,
                scores=np.ones(FRAMES, np.float32),
                cannot_link=numbers[at_once:k],
            )
        )
        crops[number] = [crop(jpeg)]
    chunk = Chunk(
        segments=segments,
        crops=crops,
        checkpoint=b"",
        source_frames=FRAMES,
        frames=FRAMES,
        detections=FRAMES * len(segments),
        seconds=OPEN,
    )
    site.intake.commit(record, chunk, done=True)
    return segment_id(record.camera_id, 0) + numbers


def measure(site: Path, tracklets: int, commands: list[str], rounds: int) -> LargeReport:
    """Runs the commands at a site that is written first where it is missing."""
    if not site.exists():  # elsewhere: a process's memory counts as that of those it starts
        writer = multiprocessing.get_context("spawn").Process(target=write_site, args=(site, tracklets))
        writer.start()
        writer.join()
        if writer.exitcode:
            raise ProcessError("the site could not be written, see above")
    with Site.open(site) as opened:
        ids = opened.tracklet_table().ids
    machine = Machine.now()
    words = {
        "query": ["app.query", str(int(ids[len(ids) // 2])), "--site", str(site), "--json"],
        "merge": ["app.merge", "--site", str(site), "--json"],
        "verify": ["app.site", "--verify", "--site", str(site), "--json"],
        "site": ["app.site", "--site", str(site), "--json"],
    }
    costs: dict[str, list[Cost]] = {}
    for name in commands:
        _let_go(site)
        costs[name] = [cost_of(HERE, Path(sys.executable), words[name]) for _ in range(rounds)]
    return LargeReport(machine=machine, tracklets=len(ids), costs=costs)


def _let_go(folder: Path) -> None:
    """Asks the system to forget what it holds of a folder's files in memory."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def command(
    tracklets: Annotated[int, typer.Option(help="Of the site.", min=CAMERAS * DAYS)] = 200_000,
    commands: Annotated[list[str] | None, typer.Option(help=f"Some of {', '.join(COMMANDS)}.")] = None,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    rounds: Annotated[int, typer.Option(help="Of each command.", min=1)] = 2,
    site: Annotated[Path | None, typer.Option(help="Keep the site here, or take the one that is here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure whole commands at a large site."""
    named = [*(commands or []), *(more or [])] or list(COMMANDS)
    if unknown := set(named) - set(COMMANDS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(COMMANDS)}.")
    with tempfile.TemporaryDirectory() as folder:
        report = measure(site or Path(folder) / "site", tracklets, named, rounds)
    if as_json:
        print_json(report)
        return
    print_table(
        [
            f"{report.tracklets:,} tracklets",
            *(f"{unit}, round {k + 1}" for k in range(rounds) for unit in ("s", "MiB")),
        ],
        [
            [name, *(text for cost in costs for text in (f"{cost.seconds:.2f}", f"{cost.peak_mib:.0f}"))]
            for name, costs in report.costs.items()
        ],
    )


if __name__ == "__main__":
    run(command)
