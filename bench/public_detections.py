"""How many public detections a site's tracks cover.

A public detection is one of MOTChallenge's `det.txt`, with a score above `--score`. It is covered where it is paired
with a track's box, of the camera and in the same frame. Pairs are one to one, at IoU ≥ 0.5. Prints one JSON object.

    python -m bench.public_detections DET.txt --site S --camera NAME
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.optimize import linear_sum_assignment

from app.record import Site
from app.report.motchallenge import track_rows
from app.terminal import SiteOption, print_json
from bench.terminal import run
from trackers.detections import iou
from trackers.motchallenge import CONFIDENCE, FRAME, Rows, boxes_of, read_rows


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the public detections a camera's tracks cover."""

    public: int
    covered: int
    share: float
    track_boxes: int  # in the frames that have public detections


def coverage(public: Rows, tracks: Rows, least_iou: float = 0.5) -> Coverage:
    """Pairs public rows with track rows, frame by frame."""
    covered, track_boxes = 0, 0
    for frame in np.unique(public[:, FRAME]):
        in_frame = tracks[tracks[:, FRAME] == frame]
        overlap = iou(boxes_of(public[public[:, FRAME] == frame]), boxes_of(in_frame))
        overlap[overlap < least_iou] = 0
        rows, columns = linear_sum_assignment(-overlap)
        covered += int((overlap[rows, columns] > 0).sum())
        track_boxes += len(in_frame)
    share = round(covered / len(public), 4) if len(public) else 0.0
    return Coverage(public=len(public), covered=covered, share=share, track_boxes=track_boxes)


def command(
    detections: Annotated[Path, typer.Argument(help="MOTChallenge det.txt.")],
    site: SiteOption,
    camera: Annotated[str, typer.Option(help="The site's camera that saw the same frames.")],
    score: Annotated[float, typer.Option(help="Public detections above this score count.")] = 0.5,
) -> None:
    """Count the public detections that a site's tracks cover."""
    public = read_rows(detections)
    with Site.open(site) as opened:
        tracks = track_rows(opened, camera)
    print_json(coverage(public[public[:, CONFIDENCE] > score], tracks))


if __name__ == "__main__":
    run(command)
