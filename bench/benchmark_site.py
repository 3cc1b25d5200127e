"""A benchmark's unlabelled training tracklets as a site.

So adapting and merging can be measured on real people where no footage is to be had. Every camera of the benchmark is a
camera of the site. Its tracklets are those of `--protocol`. Crops are the benchmark's own pictures. With `--truth` the
people are written beside it, in the columns that `python -m app.evaluate site` reads.

    python -m bench.benchmark_site market1501:DIR --site S --truth T
    python -m app.adapt --site S
    python -m app.evaluate reid market1501:DIR --model S/models/v1    # on its test part, which the site never saw
    python -m app.merge --site S && python -m app.evaluate site --site S --truth T
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from app.encoders.versions import bring_up_to_date, with_base
from app.errors import SiteError
from app.footage import Camera, Footage
from app.record import Site
from app.record.rows import Chunk, Crop, FootageRecord
from bench.terminal import run, say
from reid.benchmarks import open_benchmark
from reid.benchmarks.parts import PROTOCOLS, RAW, BenchmarkError
from reid.tracklets import DatasetError, Tracklet, overlapping
from trackers.segments import Cut, Kind, Segment

# Where people were is not known, yet truth must tell those apart who are there at once. So each tracklet gets one of
# PLACES, next ones far from each other. All lie so near together that nobody is too far away to have walked there.
PLACES = 100
APART = 20.0  # px from a place to the next
STEP = 37  # places from a tracklet to the next
WIDTH, HEIGHT = 16, 128  # px of every box

Box = tuple[float, float, float, float]  # x1 y1 x2 y2 px


def write_site(data: str, protocol: str, path: Path, truth: Path | None) -> int:
    """Writes the training part of a benchmark as a new site.

    Args:
        data: `SET:FOLDER`.
        protocol: One of PROTOCOLS.
        path: The site's folder. It must not be there.
        truth: A folder for `CAMERA/gt/gt.txt`.

    Returns:
        How many tracklets the site has.

    Raises:
        SiteError: The folder is there already.
        BenchmarkError: The benchmark can't be read.
    """
    if path.exists():
        raise SiteError(f"{path} is there already: name a new folder.")
    benchmark = open_benchmark(data, protocol)
    people = benchmark.truth.train.people.tolist() if benchmark.truth is not None else None
    by_camera: dict[str, list[tuple[int, Tracklet]]] = defaultdict(list)
    for number, tracklet in enumerate(benchmark.train.tracklets):
        by_camera[tracklet.camera].append((number, tracklet))
    count = 0
    with Site.create(path) as site:
        with_base(site)
        for camera, numbered in sorted(by_camera.items()):
            numbered.sort(key=lambda entry: float(entry[1].times[0]))
            numbers, tracklets = [number for number, _ in numbered], [tracklet for _, tracklet in numbered]
            frame_times = np.unique(np.concatenate([tracklet.times for tracklet in tracklets]))  # a frame each
            _write_camera(site, camera, f"{data} {protocol} {camera}", tracklets, frame_times)
            count += len(tracklets)
            if truth is not None:
                shown = [people[number] for number in numbers] if people is not None else None
                file = truth / camera / "gt" / "gt.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("".join(_truth_rows(tracklets, shown, frame_times)), encoding="utf-8")
        bring_up_to_date(site)
    return count


def _write_camera(
    site: Site, camera: str, fingerprint: str, tracklets: list[Tracklet], frame_times: NDArray[np.float64]
) -> None:
    """Commits a camera's tracklets, in the order of time, as one piece of footage."""
    record = _begin_footage(site, camera, fingerprint)
    first, last = (np.array([tracklet.times[end] for tracklet in tracklets]) for end in (0, -1))
    earlier_at_once: dict[int, list[int]] = defaultdict(list)  # by tracklet
    for earlier, later in overlapping(np.zeros(len(tracklets), np.int64), first, last).tolist():
        earlier_at_once[later].append(earlier)
    segments: list[Segment] = []
    crops: dict[int, list[Crop]] = {}
    for k, tracklet in enumerate(tracklets):
        number, box = record.first_segment + k, _box(k)
        frames = np.searchsorted(frame_times, tracklet.times)
        segments.append(
            Segment(
                number=number,
                track=record.first_track + k,
                kind=Kind.TRACKLET,
                cut=Cut.GAP,
                frames=frames,
                times=tracklet.times,
                boxes=np.tile(np.array(box, np.float32), (len(frames), 1)),
                scores=np.ones(len(frames), np.float32),
                cannot_link=np.array([record.first_segment + earlier for earlier in earlier_at_once[k]], np.int64),
            )
        )
        crops[number] = [
            Crop(
                frame=frame,
                time=time,
                box=box,
                score=1.0,
                overlap=0.0,
                border=0.0,
                sharpness=50.0,
                height_ratio=1.0,
                jpeg=jpeg_of(picture),
            )
            for frame, time, picture in zip(frames.tolist(), tracklet.times.tolist(), tracklet.pictures, strict=True)
        ]
    chunk = Chunk(
        segments=segments,
        crops=crops,
        checkpoint=b"",
        source_frames=len(frame_times),
        frames=len(frame_times),
        detections=sum(len(segment.frames) for segment in segments),
        seconds=float(frame_times[-1] - frame_times[0]),
    )
    site.intake.commit(record, chunk, done=True)


def _begin_footage(site: Site, camera: str, fingerprint: str) -> FootageRecord:
    footage = Footage(
        camera=camera,
        path=Path(f"{camera}.mp4"),
        name=f"{camera}.mp4",
        start=0.0,
        start_source="name",
        size=1,
        fingerprint=fingerprint,
    )
    settings = {"detector": "the benchmark's", "sha256": None}
    ((record, _),) = site.intake.register([Camera(camera, (footage,))], {camera: settings}, who="bench")[0]
    return site.intake.begin(record, settings)


def _box(k: int) -> Box:
    """Where a camera's k-th tracklet stands."""
    left = APART * (STEP * k % PLACES)
    return left, 0.0, left + WIDTH, float(HEIGHT)


def _truth_rows(tracklets: list[Tracklet], people: list[int] | None, frame_times: NDArray[np.float64]) -> list[str]:
    """Lines of a camera's `gt.txt`, by frame. There are none where the people are not known."""
    rows: list[tuple[int, str]] = []
    for k, (tracklet, person) in enumerate(zip(tracklets, people or [])):
        for frame in np.searchsorted(frame_times, tracklet.times).tolist():
            rows.append((frame, f"{frame + 1},{person},{_box(k)[0]},0,{WIDTH},{HEIGHT},1,1,1\n"))
    return [line for _, line in sorted(rows, key=lambda row: row[0])]


def jpeg_of(picture: object) -> bytes:
    """A picture's bytes if it is a JPEG. Other files are encoded as one."""
    assert isinstance(picture, str | os.PathLike)
    data = Path(picture).read_bytes()
    if data.startswith(b"\xff\xd8"):
        return data
    pixels = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def command(
    data: Annotated[str, typer.Argument(help="SET:FOLDER, as market1501:DIR.")],
    site: Annotated[Path, typer.Option(help="A new folder.")],
    protocol: Annotated[str, typer.Option(help=f"{' or '.join(PROTOCOLS)}.")] = RAW,
    truth: Annotated[Path | None, typer.Option(help="Also write the people here.")] = None,
) -> None:
    """Write a benchmark's unlabelled training tracklets as a site."""
    count = write_site(data, protocol, site, truth)
    say(f"{count:,} tracklets in {site}")


if __name__ == "__main__":
    run(command, BenchmarkError, DatasetError)
