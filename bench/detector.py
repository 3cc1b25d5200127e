"""Accuracy and speed of person detectors.

Films with truth are `DIR/*.mp4` or `DIR/videos/*.mp4`, with `DIR/CAMERA/gt/gt.txt` or `DIR/truth/CAMERA/gt/gt.txt`.
People of at least 60 px and visibility 0.5 are to be found, at IoU 0.5. A detection of anyone else, or of a part of
them, is neither right nor wrong. Average precision is over all scores, precision and recall are at `--score`.

Real video has no truth. With `--vtest` (PETS2009 S2.L1 view 1), a detector's boxes from `--score` up are compared with
three others:

- `--reference`'s boxes from score 0.5 up. It gives the share of ours that are among them. It also gives the share of
  them that ours has.
- `--public`, MOTChallenge detections of the same frames, those above 0.5. It gives the share of them that ours has.
- Both together, public ones above 0.5 and the reference's from 0.3 up. It gives the share of ours that are among them.
  Public detections alone miss many people, so a better detector would seem less precise.

Speed is of the whole detector on one thread, pictures already decoded.

    python -m bench.detector --films DIR --model NAME… --vtest AVI --public DET.txt --reference NAME
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from app.errors import FootageError
from app.terminal import JsonOption, print_json
from bench.terminal import print_table, run, say
from deploy.detectors import Detector, Frame
from deploy.detectors.load import load_detector
from deploy.models.evaluate import Matched, accuracy, match
from trackers.detections import Detections, iou
from trackers.motchallenge import CONFIDENCE, FRAME, HEIGHT, VISIBILITY, Rows, boxes_of, read_rows

FLOOR = 0.02  # least score kept, for average precision
LEAST_HEIGHT, LEAST_VISIBILITY = 60, 0.5  # of people to be found
FAIR, WEAK = 0.5, 0.3  # the reference's scores: boxes that should be found, boxes that may be
PUBLIC = 0.5  # public detections above this score count
BATCH = 16  # frames decoded at a time

Boxes = NDArray[np.floating]  # (N, 4) x1 y1 x2 y2 px


@dataclass(frozen=True, slots=True)
class FilmFigures:
    """Of one detector on one film with truth, or on all together."""

    detector: str
    film: str
    people: int
    average_precision: float
    precision: float
    recall: float
    frames_per_second: float | None = None
    """Of all films together only."""


@dataclass(frozen=True, slots=True)
class RealFigures:
    """Of one detector on real video, which has no truth."""

    detector: str
    boxes: int
    among_reference: float
    of_reference: float
    recall_of_public: float
    precision: float
    frames_per_second: float


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """What was measured."""

    films: list[FilmFigures]
    real: list[RealFigures]


@dataclass
class DetectorRun:
    """What one detector saw in one video."""

    detections: dict[int, Detections] = field(default_factory=dict)
    """By frame number, from 1."""
    seconds: float = 0.0

    @property
    def frames_per_second(self) -> float:
        """Of detecting alone."""
        return len(self.detections) / self.seconds


def films(folder: Path) -> list[tuple[Path, Path]]:
    """Each film with its truth."""
    pairs = []
    for video in sorted([*folder.glob("*.mp4"), *folder.glob("videos/*.mp4")]):
        for truth in (folder / video.stem, folder / "truth" / video.stem):
            if (truth / "gt" / "gt.txt").is_file():
                pairs.append((video, truth / "gt" / "gt.txt"))
    if not pairs:
        raise FootageError(f"There are no films with truth in {folder}: it needs CAMERA.mp4 and CAMERA/gt/gt.txt.")
    return pairs


def pictures(video: Path, every: int) -> Iterator[Frame]:
    """Every `every`-th frame. `index` counts from 0 over all."""
    capture, index = cv2.VideoCapture(str(video)), 0
    while capture.grab():
        if index % every == 0:
            yield Frame(video.stem, index, float(index), cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))  # type: ignore[arg-type]
        index += 1
    if index == 0:
        raise FootageError(f"{video} can't be read: give a video file.")


def detect_all(detectors: dict[str, Detector], video: Path, every: int) -> dict[str, DetectorRun]:
    """Each detector on the same frames, in turn."""
    runs = {name: DetectorRun() for name in detectors}
    frames = pictures(video, every)
    while decoded := list(islice(frames, BATCH)):
        for name, detector in detectors.items():
            began = time.perf_counter()
            for first in range(0, len(decoded), detector.batch):
                batch = decoded[first : first + detector.batch]
                for frame, detections in zip(batch, detector.detect(batch), strict=True):
                    runs[name].detections[frame.index + 1] = detections
            runs[name].seconds += time.perf_counter() - began
    return runs


def against_truth(detections: dict[int, Detections], truth: Rows) -> list[Matched]:
    """A match a frame. Detections by frame number."""
    matches = []
    for frame, in_frame in detections.items():
        rows = truth[truth[:, FRAME] == frame]
        counts = (rows[:, HEIGHT] >= LEAST_HEIGHT) & (rows[:, VISIBILITY] >= LEAST_VISIBILITY)
        matches.append(match(in_frame, boxes_of(rows), counts))
    return matches


def from_score(detections: Detections, score: float) -> Detections:
    """Those of at least that score."""
    return detections.take(detections.scores >= score)


def agreement(ours: dict[int, Detections], theirs: dict[int, Boxes]) -> tuple[float, float]:
    """Share of our boxes that are among theirs, and of theirs that are among ours.

    Pairs are one to one at IoU 0.5.
    """
    matches = [
        match(detections, theirs[frame], np.ones(len(theirs[frame]), bool)) for frame, detections in ours.items()
    ]
    shares = accuracy(matches, 0.0)
    return shares.precision, shares.recall


def together(first: Boxes, second: Boxes) -> Boxes:
    """Boxes of `first`, and those of `second` that are none of them (IoU under 0.5)."""
    new = (iou(first.astype(np.float64), second.astype(np.float64)) < 0.5).all(axis=0)
    return np.concatenate([first, second[new]])


def measure_films(detectors: dict[str, Detector], folder: Path, score: float, every: int) -> list[FilmFigures]:
    """Figures of each detector on each film and on all together."""
    matches: dict[str, dict[str, list[Matched]]] = {name: {} for name in detectors}
    frames, seconds = dict.fromkeys(detectors, 0), dict.fromkeys(detectors, 0.0)
    for video, truth in films(folder):
        for name, detected in detect_all(detectors, video, every).items():
            matches[name][video.stem] = against_truth(detected.detections, read_rows(truth))
            frames[name] += len(detected.detections)
            seconds[name] += detected.seconds

    def figures(name: str, film: str, matched: list[Matched], speed: float | None = None) -> FilmFigures:
        result = accuracy(matched, score)
        return FilmFigures(
            detector=name,
            film=film,
            people=result.people,
            average_precision=result.average_precision,
            precision=result.precision,
            recall=result.recall,
            frames_per_second=speed,
        )

    rows = []
    for name, by_film in matches.items():
        rows += [figures(name, film, matched) for film, matched in by_film.items()]
        rows.append(figures(name, "all", list(chain(*by_film.values())), frames[name] / seconds[name]))
    return rows


def measure_real(
    detectors: dict[str, Detector], video: Path, public: Path, reference: str, score: float, every: int
) -> list[RealFigures]:
    """Figures of each detector on a real video, against the detector `reference` and public detections."""
    runs = detect_all(detectors, video, every)
    of_reference = runs[reference].detections
    rows = read_rows(public)
    rows = rows[rows[:, CONFIDENCE] > PUBLIC]
    public_boxes = {frame: boxes_of(rows[rows[:, FRAME] == frame]) for frame in of_reference}
    fair_boxes = {frame: from_score(detections, FAIR).boxes for frame, detections in of_reference.items()}
    either = {
        frame: together(public_boxes[frame], from_score(detections, WEAK).boxes)
        for frame, detections in of_reference.items()
    }
    figures = []
    for name, detected in runs.items():
        ours = {frame: from_score(detections, score) for frame, detections in detected.detections.items()}
        among, shared = agreement(ours, fair_boxes)
        figures.append(
            RealFigures(
                detector=name,
                boxes=sum(map(len, ours.values())),
                among_reference=among,
                of_reference=shared,
                recall_of_public=agreement(ours, public_boxes)[1],
                precision=agreement(ours, either)[0],
                frames_per_second=detected.frames_per_second,
            )
        )
    return figures


def _print(heads: Sequence[str], figures: Sequence[FilmFigures | RealFigures]) -> None:
    rows = []
    for row in figures:
        values = astuple(row)
        rows.append(["" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v) for v in values])
    print_table(heads, rows)
    say()


def command(
    folder: Annotated[Path | None, typer.Option("--films", help="Folder of films with truth.")] = None,
    vtest: Annotated[
        Path | None, typer.Option(help="PETS2009 S2.L1 view 1 as a video; needs --public and --reference.")
    ] = None,
    public: Annotated[Path | None, typer.Option(help="MOTChallenge det.txt of its frames.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="The detector that --vtest is compared with; measured like the others.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Detectors by name or path, one or several; default: shipped.")
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    score: Annotated[float, typer.Option(help="Of precision and recall.")] = 0.5,
    every: Annotated[int, typer.Option(help="Take every n-th frame only.", min=1)] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure accuracy and speed of person detectors on films with truth and on real video."""
    if vtest is not None and (public is None or reference is None):
        raise typer.BadParameter("needs --public and --reference.", param_hint="--vtest")
    names = [*(model or ["shipped"]), *(more or [])]  # the first of several is the option's
    names += [] if reference is None else [reference]
    detectors = {name: load_detector(name, score=FLOOR, threads=1, device="cpu") for name in dict.fromkeys(names)}
    report = DetectorReport(
        films=[] if folder is None else measure_films(detectors, folder, score, every),
        real=[]
        if vtest is None or public is None or reference is None
        else measure_real(detectors, vtest, public, reference, score, every),
    )
    if as_json:
        print_json(report)
        return
    if report.films:
        _print(("detector", "film", "people", "AP", "precision", "recall", "frames/s"), report.films)
    if report.real:
        heads = ("detector", "boxes", "among reference", "of reference", "recall of public", "precision", "frames/s")
        _print(heads, report.real)


if __name__ == "__main__":
    run(command)
