"""Accuracy and speed of person detectors: `python -m bench.detector --films DIR [--model NAME…] [--vtest AVI …]`.

Films with truth are `DIR/*.mp4` or `DIR/videos/*.mp4`, with `DIR/CAMERA/gt/gt.txt` or `DIR/truth/CAMERA/gt/gt.txt`.
People of at least 60 px and visibility 0.5 are to be found, at IoU 0.5; a detection of anyone else, or of a part of
them, is neither right nor wrong. Average precision is over all scores, precision and recall are at `--score`.

Real video has no truth. With `--vtest` (PETS2009 S2.L1 view 1), a detector's boxes from `--score` up are compared with

- `--reference`'s boxes from score 0.5 up: of ours the share that are among them, and of them the share that ours has;
- `--public`, MOTChallenge detections of the same frames, those above 0.5: the share that ours has;
- both together, public ones above 0.5 and the reference's from 0.3 up: the share of ours that are among them. Public
  detections alone miss many people, so that a better detector would seem less precise.

Speed is of the whole detector on one thread, pictures already decoded.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.detectors import Detector, Frame
from deploy.detectors.load import load_detector
from deploy.models.evaluate import Matched, accuracy, match
from trackers.detections import Detections, iou
from trackers.motchallenge import CONFIDENCE, FRAME, HEIGHT, VISIBILITY, Rows, boxes_of, read_rows

Row = dict[str, str | int | float]

FLOOR = 0.02  # least score kept, for average precision
LEAST_HEIGHT, LEAST_VISIBILITY = 60, 0.5  # of people to be found
FAIR, WEAK = 0.5, 0.3  # the reference's scores: boxes that should be found, boxes that may be
PUBLIC = 0.5  # public detections above this score count


@dataclass
class Runs:
    """What one detector found in one video, by frame number from 1."""

    found: dict[int, Detections] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def frames_per_second(self) -> float:
        return len(self.found) / self.seconds


def films(folder: Path) -> list[tuple[Path, Path]]:
    """Each film with its truth."""
    pairs = []
    for video in sorted([*folder.glob("*.mp4"), *folder.glob("videos/*.mp4")]):
        for truth in (folder / video.stem, folder / "truth" / video.stem):
            if (truth / "gt" / "gt.txt").is_file():
                pairs.append((video, truth / "gt" / "gt.txt"))
    if not pairs:
        raise SystemExit(f"no films with truth in {folder}: it needs CAMERA.mp4 and CAMERA/gt/gt.txt")
    return pairs


def pictures(video: Path, every: int) -> Iterator[Frame]:
    """Every `every`-th frame; `index` counts from 0 over all."""
    capture, index = cv2.VideoCapture(str(video)), 0
    while capture.grab():
        if index % every == 0:
            yield Frame(video.stem, index, float(index), cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))  # type: ignore[arg-type]
        index += 1
    if index == 0:
        raise SystemExit(f"{video} can't be read: give a video file")


def run(detectors: dict[str, Detector], video: Path, every: int) -> dict[str, Runs]:
    """Each detector on the same frames, in turn."""
    runs = {name: Runs() for name in detectors}
    frames = pictures(video, every)
    while some := list(islice(frames, 16)):
        for name, detector in detectors.items():
            begun = time.perf_counter()
            for first in range(0, len(some), detector.batch):
                part = some[first : first + detector.batch]
                for frame, found in zip(part, detector.detect(part), strict=True):
                    runs[name].found[frame.index + 1] = found
            runs[name].seconds += time.perf_counter() - begun
    return runs


def against_truth(found: dict[int, Detections], truth: Rows) -> list[Matched]:
    results = []
    for frame, detections in found.items():
        rows = truth[truth[:, FRAME] == frame]
        counts = (rows[:, HEIGHT] >= LEAST_HEIGHT) & (rows[:, VISIBILITY] >= LEAST_VISIBILITY)
        results.append(match(detections, boxes_of(rows), counts))
    return results


def from_score(found: Detections, score: float) -> Detections:
    return found.take(found.scores >= score)


def agreement(ours: dict[int, Detections], theirs: dict[int, NDArray[np.floating]]) -> tuple[float, float]:
    """Share of our boxes that are among theirs `(N, 4)`, and of theirs that are among ours, one to one at IoU 0.5."""
    parts = [match(found, theirs[frame], np.ones(len(theirs[frame]), bool)) for frame, found in ours.items()]
    result = accuracy(parts, 0.0)
    return result.precision, result.recall


def together(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Boxes of `first` `(N, 4)`, and those of `second` that are none of them (IoU under 0.5)."""
    new = (iou(first.astype(np.float64), second.astype(np.float64)) < 0.5).all(axis=0)
    return np.concatenate([first, second[new]])


def measure_films(detectors: dict[str, Detector], folder: Path, score: float, every: int) -> list[Row]:
    """Figures of each detector on each film and on all together."""
    parts: dict[str, dict[str, list[Matched]]] = {name: {} for name in detectors}
    speeds: dict[str, list[Runs]] = {name: [] for name in detectors}
    for video, truth in films(folder):
        for name, found in run(detectors, video, every).items():
            parts[name][video.stem] = against_truth(found.found, read_rows(truth))
            speeds[name].append(found)
    rows = []
    for name, cameras in parts.items():
        total = {"all": [one for camera in cameras.values() for one in camera]}
        for camera, matched in (cameras | total).items():
            result = accuracy(matched, score)
            row: Row = {"detector": name, "film": camera, "people": result.people}
            row |= {"AP": result.average_precision, "precision": result.precision, "recall": result.recall}
            rows.append(row)
        frames, seconds = sum(len(one.found) for one in speeds[name]), sum(one.seconds for one in speeds[name])
        rows[-1]["frames/s"] = frames / seconds
    return rows


def measure_real(
    detectors: dict[str, Detector], video: Path, public: Path, reference: str, score: float, every: int
) -> list[Row]:
    """Figures of each detector on a real video, against the detector `reference` and public detections."""
    rows = []
    runs = run(detectors, video, every)
    listed = read_rows(public)
    listed = listed[listed[:, CONFIDENCE] > PUBLIC]
    told = {frame: boxes_of(listed[listed[:, FRAME] == frame]) for frame in runs[reference].found}
    fair = {frame: from_score(found, FAIR).boxes for frame, found in runs[reference].found.items()}
    either = {
        frame: together(told[frame], from_score(found, WEAK).boxes) for frame, found in runs[reference].found.items()
    }
    for name, one in runs.items():
        ours = {frame: from_score(found, score) for frame, found in one.found.items()}
        among, shared = agreement(ours, fair)
        row: Row = {"detector": name, "boxes": sum(map(len, ours.values()))}
        row |= {"among reference": among, "of reference": shared, "recall of public": agreement(ours, told)[1]}
        row |= {"precision": agreement(ours, either)[0], "frames/s": one.frames_per_second}
        rows.append(row)
    return rows


def print_table(rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        values = [row.get(name, "") for name in names]
        print("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in values) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path, help="folder of films with truth")
    parser.add_argument("--vtest", type=Path, help="PETS2009 S2.L1 view 1 as a video; needs --public and --reference")
    parser.add_argument("--public", type=Path, help="MOTChallenge det.txt of its frames")
    parser.add_argument("--reference", help="detector that --vtest is compared with; measured like the others too")
    parser.add_argument("--model", nargs="+", default=["shipped"], help="detectors by name or path (default shipped)")
    parser.add_argument("--score", type=float, default=0.5, help="of precision and recall (default 0.5)")
    parser.add_argument("--every", type=int, default=5, help="take every n-th frame only (default 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    arguments = parser.parse_args()
    if arguments.vtest and not (arguments.public and arguments.reference):
        parser.error("--vtest needs --public and --reference")
    names = [*arguments.model, *([arguments.reference] if arguments.reference else [])]
    detectors = {name: load_detector(name, score=FLOOR, threads=1, device="cpu") for name in dict.fromkeys(names)}
    tables: dict[str, list[Row]] = {}
    if arguments.films:
        tables["films"] = measure_films(detectors, arguments.films, arguments.score, arguments.every)
    if arguments.vtest:
        tables["real"] = measure_real(
            detectors, arguments.vtest, arguments.public, arguments.reference, arguments.score, arguments.every
        )
    if arguments.json:
        print(json.dumps(tables))
        return
    for rows in tables.values():
        print_table(rows)
        print()


if __name__ == "__main__":
    main()
