"""How many of the others a redacted clip leaves to be seen, by the exact truth of the sample films.

Clips of randomly chosen tracklets of a site are made as an export of a case makes them. In each frame every true box of
somebody else, that does not overlap the chosen person's, is looked at: how much of it is blurred, and of its upper
fifth, where the head is. Boxes of the truth hold what is behind things, too, which nobody can see.

    python -m app.ingest sample_videos/films --site S
    python -m bench.redaction sample_videos/films --site S
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from app.footage import open_footage
from app.record import Site
from app.record.rows import SegmentRecord
from app.report.clip import filmed
from app.report.motchallenge import read_files, truth_files
from app.report.redacted import FPS, Redacted, redacted, span_of
from app.terminal import SITE, JsonOption, SiteOption, print_json
from bench.measuring import Machine
from bench.terminal import print_table, run
from trackers.detections import intersection, whole_pixels
from trackers.motchallenge import BOX, FRAME, VISIBILITY, Rows
from trackers.segments import Kind

COVERED = 0.9  # share of a box that is blurred, from which it counts as such
HEAD = 0.2  # of a box's height
VISIBLE = 0.5  # of a person, from which they count as visible
LEAST = 20  # boxes of a tracklet that is chosen


@dataclass(frozen=True, slots=True)
class Shares:
    """Of true boxes of others, 0…1."""

    boxes: int
    blurred: float  # at least nine tenths of the box
    head_blurred: float  # at least nine tenths of its upper fifth
    untouched: int  # boxes of which less than a tenth is blurred

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> Shares:
        """rows: `(n, 2)` how much of each box and of its upper fifth is blurred."""
        whole, head = rows[:, 0], rows[:, 1]
        count = max(1, len(rows))
        return cls(len(rows), sum(whole >= COVERED) / count, sum(head >= COVERED) / count, int(sum(whole < 0.1)))


@dataclass(frozen=True, slots=True)
class CameraRedaction:
    """Clips of one camera."""

    camera: str
    clips: int
    frames: int
    all: Shares
    visible: Shares  # of people of whom at least half can be seen
    chosen_kept: float  # share of the chosen person's boxes that is not blurred
    ms_a_frame: float


@dataclass(frozen=True, slots=True)
class RedactionReport:
    """By camera."""

    machine: Machine
    cameras: list[CameraRedaction]


def measure(site: Site, truth: Path, clips: int, seed: int) -> RedactionReport:
    """Makes clips, and compares each of their frames with the truth."""
    machine = Machine.now()
    rng = np.random.default_rng(seed)
    rows, _ = read_files(truth_files(truth), "truth")
    cameras = []
    for camera in [name for name in site.camera_names() if name in rows]:
        pieces = [piece for piece in site.segments(camera, kind=Kind.TRACKLET) if piece.length >= LEAST]
        chosen = rng.choice(len(pieces), min(clips, len(pieces)), replace=False)
        cameras.append(_measured(site, camera, [pieces[k] for k in chosen], rows[camera]))
    return RedactionReport(machine, cameras)


def _measured(site: Site, camera: str, pieces: list[SegmentRecord], truth: Rows) -> CameraRedaction:
    began = time.perf_counter()
    shares, visible, kept, frames = [np.zeros((0, 2))], [np.zeros(0, bool)], [], 0
    for piece in pieces:
        begin, end = span_of(piece)
        footage = filmed(site.footage_record(piece.footage_id), piece.start)
        with open_footage(footage, begin=begin, end=end, fps=FPS) as decoder:
            for shown in redacted(site, piece, decoder):
                people = truth[truth[:, FRAME] == shown.index + 1]
                share, counted = _blurred(shown, people[:, BOX])
                shares.append(share)
                visible.append(people[counted, VISIBILITY] >= VISIBLE)
                kept += [1 - shown.hidden[box].mean() for box in _slices(shown.chosen * shown.scale, shown)]
                frames += 1
    seconds = time.perf_counter() - began
    every, seen = np.concatenate(shares), np.concatenate(visible)
    own, each = float(np.mean(kept or [0.0])), 1000 * seconds / max(1, frames)
    return CameraRedaction(camera, len(pieces), frames, Shares.of(every), Shares.of(every[seen]), own, each)


def _blurred(shown: Redacted, boxes: Rows) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """How much of others and of their heads is blurred `(n, 2)`, and which of the true boxes they are.

    boxes: `(N, 4)` left top width height px of the frame.
    """
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    height, width = (side / shown.scale for side in shown.hidden.shape)
    inside = (corners[:, 2] > 0) & (corners[:, 3] > 0) & (corners[:, 0] < width) & (corners[:, 1] < height)
    counted = np.flatnonzero(inside & (intersection(corners, shown.chosen.astype(float)).sum(axis=1) == 0))
    whole = corners[counted] * shown.scale
    heads = whole.copy()
    heads[:, 3] = whole[:, 1] + HEAD * (whole[:, 3] - whole[:, 1])
    parts = [[shown.hidden[box].mean() for box in _slices(part, shown)] for part in (whole, heads)]
    return np.array(parts).T.reshape(-1, 2), counted


def _slices(boxes: NDArray[np.floating], shown: Redacted) -> Iterable[tuple[slice, slice]]:
    """What of a picture boxes of its px hold."""
    for x1, y1, x2, y2 in whole_pixels(boxes.astype(np.float32), shown.hidden.shape).tolist():
        yield slice(y1, y2), slice(x1, x2)


def command(
    truth: Annotated[Path, typer.Argument(help="A folder with <camera>/gt/gt.txt, as sample_videos/films.")],
    site: SiteOption = SITE,
    clips: Annotated[int, typer.Option(help="Of each camera.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Of the choice of tracklets.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Count the true people whom redacted clips leave to be seen."""
    with Site.open(site) as opened:
        report = measure(opened, truth, clips, seed)
    if as_json:
        print_json(report)
        return
    heads = ["camera", "clips", "frames", "others", "blurred", "heads", "untouched"]
    rows = []
    for row in report.cameras:
        for name, shares in ((row.camera, row.all), (f"{row.camera}, visible", row.visible)):
            percents = [f"{100 * shares.blurred:.1f} %", f"{100 * shares.head_blurred:.1f} %"]
            rows.append([name, str(row.clips), str(row.frames), f"{shares.boxes:,}", *percents, str(shares.untouched)])
    print_table(heads, rows)
    print_table(
        ["camera", "chosen person unblurred", "ms a frame"],
        [[row.camera, f"{100 * row.chosen_kept:.0f} %", f"{row.ms_a_frame:.0f}"] for row in report.cameras],
    )


if __name__ == "__main__":
    run(command)
