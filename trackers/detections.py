"""What a detector found in one frame, and the arithmetic of its boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Detections:
    """People found in one frame.

    Attributes:
        boxes: float32 `(N, 4)`, x1 y1 x2 y2 in pixels of the frame.
        scores: float32 `(N,)` in 0..1.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def empty() -> Detections:
        """Of a frame without people."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """The detections that a mask or an index array picks."""
        return Detections(self.boxes[keep], self.scores[keep])


def intersection(a: Float, b: Float) -> Float:
    """`(N, M)`, entry `(i, j)` is the area in px² that `a[i]` and `b[j]` share. Boxes are `(N, 4)` and `(M, 4)`."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.maximum(width, 0) * np.maximum(height, 0)


def area(boxes: Float) -> Float:
    """`(N,)` areas in px²."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def iou(a: Float, b: Float) -> Float:
    """`(N, M)`, entry `(i, j)` is the intersection over union of `a[i]` and `b[j]`, 0 where both are empty."""
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def coverage(a: Float, b: Float) -> Float:
    """`(N, M)`, entry `(i, j)` is intersection over the SMALLER of `a[i]` and `b[j]`.

    It is 1 where one is in the other.
    """
    shared = intersection(a, b)
    smaller = np.minimum(area(a)[:, None], area(b)[None, :])
    return np.divide(shared, smaller, out=np.zeros_like(shared), where=smaller > 0)


def whole_pixels(boxes: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """`(M, 4)` whole-pixel `x1 y1 x2 y2` inside an image of this shape.

    Each box is at least one pixel wide and high.
    """
    height, width = shape[:2]
    edges = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1).astype(np.int64)
    edges[:, 0] = edges[:, 0].clip(0, width - 1)
    edges[:, 1] = edges[:, 1].clip(0, height - 1)
    edges[:, 2] = edges[:, 2].clip(edges[:, 0] + 1, width)
    edges[:, 3] = edges[:, 3].clip(edges[:, 1] + 1, height)
    return edges
