"""Average precision of detections against ground truth, with people that count neither way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackers.detections import Detections, iou

LEAST_IOU = 0.5


class Matched(NamedTuple):
    """What became of one or several frames' detections."""

    scores: NDArray[np.float32]  # (D,) of the detections that count
    right: NDArray[np.bool_]  # (D,)
    people: int  # that were to be found


class Accuracy(NamedTuple):
    """Figures of a detector, nan where there is nothing to divide by."""

    average_precision: float
    precision: float  # at `score`
    recall: float  # at `score`
    score: float
    people: int


def match(
    detections: Detections, truth: NDArray[np.floating], counts: NDArray[np.bool_], least_iou: float = LEAST_IOU
) -> Matched:
    """One frame's detections against the people who are there.

    Each detection, best score first, takes the free person that it overlaps most. One who counts goes before one who
    does not (as COCO does). Who takes someone who does not count is neither right nor wrong. So is a further detection
    that lies to `least_iou` of its own area within such a person. Half-hidden people are often found in part.

    Args:
        detections: Of one frame.
        truth: (N, 4) `x1 y1 x2 y2` px of all people.
        counts: (N,) which of them are to be found.
        least_iou: At which a detection takes a person.
    """
    order = np.argsort(-detections.scores, kind="stable")
    overlap = iou(detections.boxes[order].astype(np.float64), truth.astype(np.float64))
    within = coverage_of_first(detections.boxes[order], truth[~counts])
    free = np.ones(len(truth), bool)
    right, ignored = np.zeros(len(order), bool), np.zeros(len(order), bool)
    for row, shared in enumerate(overlap):
        able = free & (shared >= least_iou)
        for wanted in (able & counts, able & ~counts):
            if wanted.any():
                person = int(np.argmax(np.where(wanted, shared, -1)))
                free[person] = False
                right[row], ignored[row] = counts[person], not counts[person]
                break
        else:
            ignored[row] = bool((within[row] >= least_iou).any())
    return Matched(detections.scores[order][~ignored], right[~ignored], int(counts.sum()))


def coverage_of_first(boxes: NDArray[np.floating], people: NDArray[np.floating]) -> NDArray[np.float64]:
    """`(N, M)`, entry `(i, j)` is the share of `boxes[i]` that lies in `others[j]`."""
    low = np.maximum(boxes[:, None, :2], people[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], people[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2, dtype=np.float64)
    return shared / np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float64), 1e-9)[:, None]


def accuracy(frames: Iterable[Matched], score: float) -> Accuracy:
    """Figures over all frames together. Precision and recall are of the detections that reach `score`.

    Average precision is the area under precision, made falling, over recall (all points, as VOC since 2010).
    """
    parts = list(frames)
    people = sum(part.people for part in parts)
    scores = np.concatenate([np.zeros(0, np.float32), *(part.scores for part in parts)])
    right = np.concatenate([np.zeros(0, bool), *(part.right for part in parts)])
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    hits = np.cumsum(right)
    precisions = hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precisions[::-1])[::-1]
    average = float(falling[right].sum() / people) if people else float("nan")
    kept = scores >= score
    precision = float(right[kept].mean()) if kept.any() else float("nan")
    return Accuracy(average, precision, float(right[kept].sum() / people) if people else float("nan"), score, people)
