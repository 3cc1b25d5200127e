"""Accuracy of the trackers on simulated detections.

DIR holds sequences `*/gt/gt.txt` in MOTChallenge's format, with `seqinfo.ini` where the frame rate is not `--rate`.
Detections are simulated from the truth (see `trackers/simulate.py`), once a seed. Figures are over all sequences
together, mean ± standard deviation over seeds. A track with a single box was tentative and is dropped, for all alike.

The second table cuts each contender's tracks into tracklets, without appearance, as there are no pictures. It tells how
pure they are, beside the uncut tracks. `purity` is of boxes, `mixed` is the share of mixed tracklets. `kept` is the
share of track boxes in tracklets, `a_person` the tracklets a person.

    python -m bench.tracking_accuracy --truth DIR
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from app.errors import FootageError
from app.terminal import JsonOption, print_json
from bench.terminal import print_table, run, say
from trackers import make_tracker
from trackers.detections import Detections
from trackers.evaluate import PurityMetrics, combine, combine_purity, evaluate_purity, evaluate_sequence
from trackers.motchallenge import CONFIDENCE, FRAME, ID, Rows, boxes_of, read_rows, read_sequence_info, to_rows
from trackers.segments import Kind
from trackers.simulate import simulate_detections
from trackers.timing import Timing
from trackers.tracklets import CutRules, TrackletCutter


@dataclass(frozen=True, slots=True)
class Contender:
    """A tracker with its options."""

    tracker: str
    options: dict[str, Any] = field(default_factory=dict)


CONTENDERS = {
    "bytetrack": Contender("bytetrack"),
    "bytetrack, its paper's scores": Contender("bytetrack", {"strong": 0.6, "birth": 0.7}),
    "ocsort": Contender("ocsort"),
    "ocsort, scores from 0.5": Contender("ocsort", {"score": 0.5}),
    "sort, classic": Contender("sort"),
    "sort, same buffer": Contender("sort", {"timing": Timing()}),
    "sort, same buffer, all boxes": Contender("sort", {"timing": Timing(), "min_hits": 0}),
}
NO_ROWS = np.zeros((0, 7))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of a contender's tracks with one seed. All 0…1 but the switches."""

    hota: float
    deta: float
    assa: float
    idf1: float
    mota: float
    idsw: int


@dataclass(frozen=True, slots=True)
class Purity:
    """Of a contender's tracks or tracklets with one seed."""

    purity: float
    mixed: float
    kept: float
    a_person: float


COUNTS = ("idsw", "a_person")  # all other figures are shares, which a table has in %


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """By contender, a value a seed."""

    sequences: list[str]
    seeds: int
    figures: dict[str, list[Accuracy]]
    purity: dict[str, list[Purity]]
    """Of each contender uncut, cut, and cut with people matched afresh in every frame, which is stricter."""


@dataclass(frozen=True, slots=True)
class TruthSequence:
    """One camera's ground truth."""

    name: str
    truth: Rows
    rate: float  # frames/s

    def every(self, stride: int) -> TruthSequence:
        """Every `stride`-th frame: the same people at a lower frame rate."""
        truth = self.truth[(self.truth[:, FRAME] - 1) % stride == 0].copy()
        truth[:, FRAME] = (truth[:, FRAME] - 1) // stride + 1
        return TruthSequence(name=self.name, truth=truth, rate=self.rate / stride)


def read_sequences(folder: Path, rate: float) -> list[TruthSequence]:
    """All sequences of a folder. `rate` is of those that do not tell it."""
    sequences = []
    for path in sorted(folder.glob("*/gt/gt.txt")):
        info = path.parents[1] / "seqinfo.ini"
        own_rate = float(read_sequence_info(info).frame_rate) if info.exists() else rate
        sequences.append(TruthSequence(name=path.parents[1].name, truth=read_rows(path), rate=own_rate))
    if not sequences:
        raise FootageError(f"There is no */gt/gt.txt in {folder}: give the folder that holds the sequences.")
    return sequences


def track(contender: Contender, stream: list[Detections], rate: float) -> Rows:
    """Result rows of a tracker on a stream of even frame rate. Tracks of one box are dropped."""
    tracker = make_tracker(contender.tracker, **contender.options)
    rows = [NO_ROWS]
    for number, detections in enumerate(stream):
        ids, index = tracker.update(number / rate, detections)
        frames = np.full(len(ids), number + 1)
        rows.append(to_rows(frames, ids, detections.boxes[index], detections.scores[index]))
    tracks = np.concatenate(rows)
    ids = tracks[:, ID].astype(int)
    return tracks[np.bincount(ids)[ids] > 1]


def cut(tracks: Rows, rate: float) -> Rows:
    """The tracklets of result rows, by the rules of ingest but without appearance. Ids are tracklet numbers."""
    cutter, segments = TrackletCutter(CutRules()), []
    tracks = tracks[np.lexsort((tracks[:, ID], tracks[:, FRAME]))]
    for number in range(1, int(tracks[:, FRAME].max(initial=0)) + 1):
        first, last = np.searchsorted(tracks[:, FRAME], (number, number + 1))
        in_frame = tracks[first:last]
        ids, scores = in_frame[:, ID].astype(np.int64), in_frame[:, CONFIDENCE].astype(np.float32)
        segments += cutter.update(number, number / rate, ids, boxes_of(in_frame), scores).finished
    segments += cutter.close()
    tracklets = [
        to_rows(segment.frames, np.full(len(segment.frames), segment.number), segment.boxes, segment.scores)
        for segment in segments
        if segment.kind == Kind.TRACKLET
    ]
    rows = np.concatenate([NO_ROWS, *tracklets])
    return rows[np.argsort(rows[:, FRAME], kind="stable")]


def purity_of(parts: list[PurityMetrics], boxes: int, track_boxes: int) -> Purity:
    """Of all sequences together, whose tracklets have so many of the tracks' boxes."""
    total = combine_purity(parts)
    return Purity(purity=total.purity, mixed=total.mixed, kept=boxes / track_boxes, a_person=total.tracklets_a_person)


def measure(sequences: list[TruthSequence], contenders: Mapping[str, Contender], seeds: int) -> AccuracyReport:
    """Each contender on the same simulated detections."""
    figures: dict[str, list[Accuracy]] = {label: [] for label in contenders}
    purity: dict[str, list[Purity]] = {}
    for seed in range(1, seeds + 1):  # 0 is for choosing parameters
        streams = [simulate_detections(sequence.truth, seed=seed) for sequence in sequences]
        for label, contender in contenders.items():
            tracks = [track(contender, stream, s.rate) for s, stream in zip(sequences, streams)]
            tracklets = [cut(rows, s.rate) for s, rows in zip(sequences, tracks)]
            total = combine([evaluate_sequence(s.truth, rows) for s, rows in zip(sequences, tracks)])
            figures[label].append(
                Accuracy(
                    hota=total.hota,
                    deta=total.deta,
                    assa=total.assa,
                    idf1=total.idf1,
                    mota=total.mota,
                    idsw=total.idsw,
                )
            )
            for form, pieces, each_frame in (
                ("uncut", tracks, False),
                ("cut", tracklets, False),
                ("cut, matched in each frame", tracklets, True),
            ):
                parts = [evaluate_purity(s.truth, rows, each_frame=each_frame) for s, rows in zip(sequences, pieces)]
                boxes, track_boxes = sum(map(len, pieces)), sum(map(len, tracks))
                purity.setdefault(f"{label}, {form}", []).append(purity_of(parts, boxes, track_boxes))
    names = [sequence.name for sequence in sequences]
    return AccuracyReport(sequences=names, seeds=seeds, figures=figures, purity=purity)


def _columns(seeds: Sequence[Accuracy | Purity]) -> dict[str, NDArray[np.float64]]:
    """A figure's values in a table, (seeds,)."""
    rows = [asdict(values) for values in seeds]
    return {name: np.array([row[name] for row in rows]) * (1 if name in COUNTS else 100) for name in rows[0]}


def _print(figures: Mapping[str, Sequence[Accuracy | Purity]]) -> None:
    columns = {label: _columns(seeds) for label, seeds in figures.items()}
    heads = [name.upper() for name in next(iter(columns.values()))]
    rows = [
        (label, *(f"{values.mean():.1f} ± {values.std():.1f}" for values in by_name.values()))
        for label, by_name in columns.items()
    ]
    print_table(("tracker", *heads), rows)


def command(
    truth: Annotated[Path, typer.Option(help="Folder of sequences */gt/gt.txt.")],
    seeds: Annotated[int, typer.Option(help="How often detections are simulated.", min=1)] = 5,
    rate: Annotated[float, typer.Option(help="Frames/s without a seqinfo.ini.")] = 30.0,
    every: Annotated[int, typer.Option(help="Take every n-th frame only.", min=1)] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure accuracy of the trackers on simulated detections, and purity of their tracklets."""
    sequences = [sequence.every(every) for sequence in read_sequences(truth, rate)]
    report = measure(sequences, CONTENDERS, seeds)
    if as_json:
        print_json(report)
        return
    _print(report.figures)
    say()
    _print(report.purity)


if __name__ == "__main__":
    run(command)
