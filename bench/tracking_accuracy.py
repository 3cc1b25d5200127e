"""Accuracy of the trackers on simulated detections: `python -m bench.tracking_accuracy --truth DIR [--json]`.

DIR holds sequences `*/gt/gt.txt` in MOTChallenge's format, with `seqinfo.ini` where the frame rate is not `--rate`.
Detections are simulated from the truth (see `trackers/simulate.py`), once a seed; figures are over all sequences
together, mean ± standard deviation over seeds. A track with a single box was tentative and is dropped, for all alike.

The second table cuts each contender's tracks into tracklets (without appearance: there are no pictures) and tells how
pure they are, beside the uncut tracks: `purity` of boxes, share of `mixed` tracklets, share of track boxes `kept` in
tracklets, tracklets `a_person`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trackers import make_tracker
from trackers.detections import Detections
from trackers.evaluate import PurityMetrics, combine, combine_purity, evaluate_purity, evaluate_sequence
from trackers.motchallenge import CONFIDENCE, FRAME, ID, Rows, boxes_of, read_rows, read_sequence_info, to_rows
from trackers.simulate import simulate_detections
from trackers.timing import Timing
from trackers.tracklets import CutRules, Kind, TrackletCutter

CONTENDERS: dict[str, tuple[str, dict]] = {
    "bytetrack": ("bytetrack", {}),
    "bytetrack, its paper's scores": ("bytetrack", {"strong": 0.6, "birth": 0.7}),
    "ocsort": ("ocsort", {}),
    "ocsort, scores from 0.5": ("ocsort", {"score": 0.5}),
    "sort, classic": ("sort", {}),
    "sort, same buffer": ("sort", {"timing": Timing()}),
    "sort, same buffer, all boxes": ("sort", {"timing": Timing(), "min_hits": 0}),
}
FIGURES = ("hota", "deta", "assa", "idf1", "mota", "idsw")
HOW = ("uncut", "cut", "cut, matched in each frame")  # the last: people matched afresh in every frame, stricter
PURITY = ("purity", "mixed", "kept", "a_person")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One camera's ground truth. rate: frames/s."""

    name: str
    truth: Rows
    rate: float

    def every(self, stride: int) -> Sequence:
        """Every `stride`-th frame: the same people at a lower frame rate."""
        truth = self.truth[(self.truth[:, FRAME] - 1) % stride == 0].copy()
        truth[:, FRAME] = (truth[:, FRAME] - 1) // stride + 1
        return Sequence(self.name, truth, self.rate / stride)


def read_sequences(folder: Path, rate: float) -> list[Sequence]:
    """The sequences `*/gt/gt.txt` of a folder; rate: frames a second where no seqinfo.ini tells it."""
    sequences = []
    for path in sorted(folder.glob("*/gt/gt.txt")):
        info = path.parent.parent / "seqinfo.ini"
        own_rate = float(read_sequence_info(info).frame_rate) if info.exists() else rate
        sequences.append(Sequence(path.parent.parent.name, read_rows(path), own_rate))
    if not sequences:
        raise SystemExit(f"no */gt/gt.txt in {folder}: give the folder that holds the sequences")
    return sequences


def track(name: str, options: dict, stream: list[Detections], rate: float) -> Rows:
    """Result rows of a tracker on a stream of even frame rate; tracks of one box are dropped."""
    tracker = make_tracker(name, **options)
    rows = [np.zeros((0, 7))]
    for number, detections in enumerate(stream):
        ids, index = tracker.update(number / rate, detections)
        frames = np.full(len(ids), number + 1)
        rows.append(to_rows(frames, ids, detections.boxes[index], detections.scores[index]))
    result = np.concatenate(rows)
    counts = np.bincount(result[:, ID].astype(int))
    return result[counts[result[:, ID].astype(int)] > 1]


def cut(tracks: Rows, rate: float) -> Rows:
    """The tracklets of result rows, by the rules of ingest but without appearance; ids are tracklet numbers."""
    cutter, segments = TrackletCutter(CutRules()), []
    tracks = tracks[np.lexsort((tracks[:, ID], tracks[:, FRAME]))]
    for number in range(1, int(tracks[:, FRAME].max(initial=0)) + 1):
        first, last = np.searchsorted(tracks[:, FRAME], (number, number + 1))
        here = tracks[first:last]
        ids, boxes, scores = here[:, ID].astype(np.int64), boxes_of(here), here[:, CONFIDENCE].astype(np.float32)
        segments += cutter.update(number, number / rate, ids, boxes, scores).finished
    segments += cutter.close()
    parts = [
        to_rows(s.frames, np.full(len(s.frames), s.number), s.boxes, s.scores)
        for s in segments
        if s.kind == Kind.TRACKLET
    ]
    rows = np.concatenate([np.zeros((0, 7)), *parts])
    return rows[np.argsort(rows[:, FRAME], kind="stable")]


def purity_of(parts: list[PurityMetrics], boxes: int, of: int) -> list[float]:
    """The figures of PURITY, of all sequences together."""
    total = combine_purity(parts)
    return [total.purity, total.mixed, boxes / of, total.tracklets_a_person]


def measure(
    sequences: list[Sequence], contenders: dict[str, tuple[str, dict]], seeds: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Contender → `(seeds, len(FIGURES))`, and contender with each of HOW → `(seeds, len(PURITY))`."""
    figures: dict[str, list] = {label: [] for label in contenders}
    purity: dict[str, list] = {f"{label}, {how}": [] for label in contenders for how in HOW}
    for seed in range(1, seeds + 1):  # 0 is for choosing parameters
        streams = [simulate_detections(sequence.truth, seed=seed) for sequence in sequences]
        for label, (name, options) in contenders.items():
            tracks = [track(name, options, stream, s.rate) for s, stream in zip(sequences, streams)]
            tracklets = [cut(rows, s.rate) for s, rows in zip(sequences, tracks)]
            total = combine([evaluate_sequence(s.truth, rows) for s, rows in zip(sequences, tracks)])
            figures[label].append([getattr(total, figure) for figure in FIGURES])
            for how, pieces in zip(HOW, (tracks, tracklets, tracklets), strict=True):
                strict = how == HOW[-1]
                parts = [evaluate_purity(s.truth, rows, each_frame=strict) for s, rows in zip(sequences, pieces)]
                boxes, of = sum(map(len, pieces)), sum(map(len, tracks))
                purity[f"{label}, {how}"].append(purity_of(parts, boxes, of))
    return {label: np.array(rows) for label, rows in figures.items()}, {k: np.array(rows) for k, rows in purity.items()}


def print_table(names: tuple[str, ...], rows: dict[str, np.ndarray]) -> None:
    """A Markdown table, a row a tracker."""
    print("| tracker | " + " | ".join(name.upper() for name in names) + " |")
    print("|---|" + "---|" * len(names))
    scale = np.where(np.isin(names, ("idsw", "a_person")), 1, 100)
    for label, values in rows.items():
        mean, spread = (values * scale).mean(axis=0), (values * scale).std(axis=0)
        print(f"| {label} | " + " | ".join(f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread)) + " |")


def main() -> None:
    """Reads the options, measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, required=True, help="folder of sequences */gt/gt.txt")
    parser.add_argument("--seeds", type=int, default=5, help="how often detections are simulated (default 5)")
    parser.add_argument("--rate", type=float, default=30.0, help="frames/s without a seqinfo.ini (default 30)")
    parser.add_argument("--every", type=int, default=1, help="take every n-th frame only (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    sequences = [sequence.every(arguments.every) for sequence in read_sequences(arguments.truth, arguments.rate)]
    figures, purity = measure(sequences, CONTENDERS, arguments.seeds)
    if arguments.json:
        listed = {label: dict(zip(FIGURES, values.T.tolist())) for label, values in figures.items()}
        pure = {label: dict(zip(PURITY, values.T.tolist())) for label, values in purity.items()}
        names = [s.name for s in sequences]
        print(json.dumps({"sequences": names, "seeds": arguments.seeds, "figures": listed, "purity": pure}))
        return
    print_table(FIGURES, figures)
    print()
    print_table(PURITY, purity)


if __name__ == "__main__":
    main()
