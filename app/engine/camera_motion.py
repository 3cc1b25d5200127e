"""How a camera moves, so that trackers expect people where they are in the scene.

Pictures are made small and grey, and compared with an earlier one by phase correlation (Kuglin & Hines, 1975). Only
shifts are found: pans, tilts, shaking. Zoom and roll are not. A shift is believed where it explains both halves of the
picture, as whoever walks there seldom does. A picture that stands still gives no shift at all, so trackers of still
cameras see the very boxes that were detected.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

WIDTH = 160  # px, of the small pictures
TALLEST = 640  # px, however narrow a picture is
MOVED = 1.25  # px of a small picture, by which it has moved at least: people who walk make up to one
SURE = 0.2  # a shift's share of the correlation, below which it is not believed
EXPLAINS = 0.95  # of the difference between two pictures is left at most, in each half, once one is shifted
FAR = 0.1  # of the picture's width, a shift from which on another picture is compared with


class CameraMotion:
    """How far the picture of one camera has moved over its scene, in all."""

    def __init__(self) -> None:
        self.offset = np.zeros(2, np.float32)  # px x y. A box plus this is where it is in the scene
        self._keys: list[tuple[Grey, NDArray[np.float32]]] = []  # small pictures to compare with, and their offsets

    def update(self, image: NDArray[np.uint8]) -> None:
        """Takes the next picture `(H, W, 3)` RGB."""
        height, width = image.shape[:2]
        size = (WIDTH, min(max(2, round(WIDTH * height / width)), TALLEST))
        grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2GRAY)
        small = grey.astype(np.float32)
        if self._keys and self._keys[0][0].shape != small.shape:
            self._keys = []
        for key, offset in self._keys:
            shift = _shift(key, small)
            if shift is not None:
                self.offset = offset - (shift * (width / size[0], height / size[1])).astype(np.float32)
                far = np.abs(shift).max() >= FAR * WIDTH
                self._keys = [(small if far else key, self.offset if far else offset), (small, self.offset)]
                return
        self._keys = [(small, self.offset)]

    def in_scene(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where boxes `(N, 4)` x1 y1 x2 y2 of the newest picture are in the scene."""
        return boxes + np.tile(self.offset, 2) if self.offset.any() else boxes

    def state(self) -> dict[str, NDArray]:
        """How far it has moved, as plain arrays, and no picture."""
        return {"offset": self.offset.copy()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Goes on where the one stood whose `state` this is. What earlier versions kept is empty."""
        self.offset = np.array(state.get("offset", np.zeros(2)), np.float32)

    def forget(self) -> None:
        """Keeps no picture. The next one is taken to be where this one was."""
        self._keys = []


def _shift(key: Grey, small: Grey) -> NDArray[np.float64] | None:
    """By how many px `(2,)` x y the content moved from one picture to another, 0 if hardly. None where nobody knows."""
    found, share = cv2.phaseCorrelate(key, small)
    shift = np.array(found)
    if share < SURE:
        return None
    if np.hypot(*shift) < MOVED:
        return np.zeros(2)
    return shift if _explains(key, small, shift) else None


def _explains(key: Grey, small: Grey, shift: NDArray[np.float64]) -> bool:
    """Whether a shift makes two pictures alike, on the left and on the right."""
    (height, width), (x, y) = key.shape, np.rint(shift).astype(int)
    if abs(x) >= width // 2 or abs(y) >= height:
        return False
    there = slice(max(y, 0), height + min(y, 0)), slice(max(x, 0), width + min(x, 0))
    origin = slice(max(-y, 0), height + min(-y, 0)), slice(max(-x, 0), width + min(-x, 0))
    shifted, still = np.abs(small[there] - key[origin]), np.abs(small[there] - key[there])
    half = shifted.shape[1] // 2
    return all(shifted[:, side].sum() < EXPLAINS * still[:, side].sum() for side in (slice(half), slice(half, None)))
