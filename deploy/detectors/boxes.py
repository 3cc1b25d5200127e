"""Boxes and scores as networks give them: turned into corners in pixels of the network's input, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from trackers.detections import Detections

SCORE_SLACK = 1e-3  # by which rounding in half precision leaves 0..1
WHOLE_SLACK = 0.02  # by which a class number may miss a whole one, as quantised networks do
FARTHEST = 3.0  # sides of the input that a box may lie away from it
LEAST_PIXELS = 1.5  # px. Where all boxes end before, they are fractions


class Contradiction(Exception):
    """An answer can't be what a layout takes it for. The message says why."""


class BoxForm(NamedTuple):
    """How four numbers are a box."""

    corners: bool = True  # x1 y1 x2 y2, else the centre's x y, width and height
    fractions: bool = False  # of the input's sides, else its pixels
    y_first: bool = False  # y1 x1 y2 x2

    def in_pixels(self, boxes: NDArray[Any], size: Sequence[int]) -> NDArray[np.float32]:
        """`(N, 4)` as `x1 y1 x2 y2` in pixels of an input of `size` (H, W)."""
        boxes = boxes.astype(np.float32)
        if self.y_first:
            boxes = boxes[:, [1, 0, 3, 2]]
        if not self.corners:
            centres, halves = boxes[:, :2], boxes[:, 2:] / 2
            boxes = np.concatenate([centres - halves, centres + halves], axis=1)
        if self.fractions:
            boxes = boxes * np.array([size[1], size[0]] * 2, np.float32)
        return boxes

    def __str__(self) -> str:
        corners = "y1 x1 y2 x2" if self.y_first else "x1 y1 x2 y2"
        return f"{corners if self.corners else 'x y w h'} {'0..1' if self.fractions else 'in pixels'}"


def check_boxes(boxes: NDArray[np.float32], form: BoxForm, size: Sequence[int]) -> None:
    """Raises Contradiction where `(N, 4)` `x1 y1 x2 y2` in pixels can't be boxes in an input of `size` (H, W)."""
    if not len(boxes):
        return
    lowest, highest, farthest = boxes.min(), boxes.max(), FARTHEST * max(size)
    if not np.isfinite(lowest + highest):
        raise Contradiction("a box has a side that is no number")
    if lowest < -farthest or highest > farthest:
        raise Contradiction("a box lies far outside the picture")
    if not form.fractions and highest <= LEAST_PIXELS:
        raise Contradiction("all boxes in pixels lie in the first two")
    sides = boxes[:, 2:] - boxes[:, :2]
    least = sides.min()
    if least > 0:
        return
    if least < -1e-3 * max(size):
        raise Contradiction("a box ends before it begins")
    # A box that the network clipped at the border may be left without a side.
    inside = ((boxes[:, :2] > 0) & (boxes[:, 2:] < np.array([size[1], size[0]]) - 1)).all(axis=1)
    if ((sides.min(axis=1) <= 0) & inside).sum() > len(boxes) / 2:
        raise Contradiction("most boxes have no sides")


def check_scores(scores: NDArray[Any]) -> None:
    """Raises Contradiction where scores lie outside 0..1."""
    if len(scores) and not (scores.min() >= -SCORE_SLACK and scores.max() <= 1 + SCORE_SLACK):  # false for NaN, too
        raise Contradiction(f"scores go from {scores.min():.4g} to {scores.max():.4g}, not from 0 to 1")


def check_classes(labels: NDArray[Any], first: int, highest: int) -> None:
    """Raises Contradiction where class numbers are not whole or not `first..highest`."""
    if not len(labels):
        return
    if not (np.abs(labels - np.round(labels)) <= WHOLE_SLACK).all():
        raise Contradiction("class numbers are not whole")
    if np.round(labels).min() < first or np.round(labels).max() > highest:
        raise Contradiction(
            f"class numbers go from {labels.min():g} to {labels.max():g}, not from {first} to {highest} "
            "(--person-class says which is a person among others)"
        )


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> Detections:
    """Greedy non-maximum suppression, best first, by OpenCV. At 300 boxes it takes 0.2 ms where NumPy takes 0.6."""
    if len(scores) == 0:
        return Detections.empty()
    corner_and_sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    keep = np.asarray(cv2.dnn.NMSBoxes(corner_and_sides, scores, 0.0, iou), np.intp).reshape(-1)  # type: ignore[arg-type]
    return Detections(boxes[keep], scores[keep])


def best_first(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Detections:
    """All of them, best first."""
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], scores[order].astype(np.float32))
