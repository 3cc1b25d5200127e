"""Accuracy of the trackers on simulated detections: `python -m bench.tracking_accuracy --truth DIR [--json]`.

DIR holds sequences `*/gt/gt.txt` in MOTChallenge's format, with `seqinfo.ini` where the frame rate is not `--rate`.
Detections are simulated from the truth (see `trackers/simulate.py`), once a seed; figures are over all sequences
together, mean ± standard deviation over seeds. A track with a single box was tentative and is dropped, for all alike.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trackers import make_tracker
from trackers.detections import Detections
from trackers.evaluate import combine, evaluate_sequence
from trackers.motchallenge import FRAME, ID, Rows, read_rows, read_sequence_info, to_rows
from trackers.simulate import simulate_detections
from trackers.timing import Timing

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
    sequences = []
    for path in sorted(folder.glob("*/gt/gt.txt")):
        info = path.parent.parent / "seqinfo.ini"
        own_rate = read_sequence_info(info).frame_rate if info.exists() else rate
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


def measure(sequences: list[Sequence], contenders: dict[str, tuple[str, dict]], seeds: int) -> dict[str, np.ndarray]:
    """Contender → `(seeds, len(FIGURES))`, figures as fractions and counts."""
    figures: dict[str, list] = {label: [] for label in contenders}
    for seed in range(seeds):
        streams = [simulate_detections(sequence.truth, seed=seed) for sequence in sequences]
        for label, (name, options) in contenders.items():
            total = combine([
                evaluate_sequence(sequence.truth, track(name, options, stream, sequence.rate))
                for sequence, stream in zip(sequences, streams)
            ])
            figures[label].append([getattr(total, figure) for figure in FIGURES])
    return {label: np.array(rows) for label, rows in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, required=True, help="folder of sequences */gt/gt.txt")
    parser.add_argument("--seeds", type=int, default=5, help="how often detections are simulated (default 5)")
    parser.add_argument("--rate", type=float, default=30.0, help="frames/s without a seqinfo.ini (default 30)")
    parser.add_argument("--every", type=int, default=1, help="take every n-th frame only (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    sequences = [sequence.every(arguments.every) for sequence in read_sequences(arguments.truth, arguments.rate)]
    figures = measure(sequences, CONTENDERS, arguments.seeds)
    if arguments.json:
        listed = {label: dict(zip(FIGURES, values.T.tolist())) for label, values in figures.items()}
        print(json.dumps({"sequences": [s.name for s in sequences], "seeds": arguments.seeds, "figures": listed}))
        return
    print("| tracker | " + " | ".join(figure.upper() for figure in FIGURES) + " |")
    print("|---|" + "---|" * len(FIGURES))
    for label, values in figures.items():
        scale = np.where(np.array(FIGURES) == "idsw", 1, 100)
        mean, spread = (values * scale).mean(axis=0), (values * scale).std(axis=0)
        print(f"| {label} | " + " | ".join(f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread)) + " |")


if __name__ == "__main__":
    main()
