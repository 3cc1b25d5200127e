"""How many public detections a site's tracks cover: `python -m bench.public_detections DET.txt --site S --camera NAME`.

A public detection (MOTChallenge `det.txt`, score above `--score`) is covered where a track of the camera has a box in
the same frame that it is paired with one to one at IoU ≥ 0.5.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from app.record import Site
from app.report.motchallenge import track_rows
from trackers.detections import iou
from trackers.motchallenge import CONFIDENCE, FRAME, Rows, boxes_of, read_rows


def covered(public: Rows, tracks: Rows, least_iou: float = 0.5) -> tuple[int, int]:
    """How many public rows are covered by track rows, and how many track rows their frames have."""
    hits, boxes = 0, 0
    for frame in np.unique(public[:, FRAME]):
        ours = tracks[tracks[:, FRAME] == frame]
        overlap = iou(boxes_of(public[public[:, FRAME] == frame]), boxes_of(ours))
        overlap[overlap < least_iou] = 0
        rows, columns = linear_sum_assignment(-overlap)
        hits += int((overlap[rows, columns] > 0).sum())
        boxes += len(ours)
    return hits, boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detections", type=Path, help="MOTChallenge det.txt")
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--camera", required=True)
    parser.add_argument(
        "--score", type=float, default=0.5, help="public detections above this score count (default 0.5)"
    )
    arguments = parser.parse_args()
    public = read_rows(arguments.detections)
    public = public[public[:, CONFIDENCE] > arguments.score]
    with Site.open(arguments.site) as site:
        tracks = track_rows(site, arguments.camera)
    hits, boxes = covered(public, tracks)
    result = {"public": len(public), "covered": hits, "share": round(hits / len(public), 4), "track_boxes": boxes}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
