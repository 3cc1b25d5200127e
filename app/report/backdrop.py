"""What a camera shows without people: so whatever moves is told apart, also who no detector finds."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.footage import open_footage
from app.record.rows import FootageRecord
from app.report.clip import filmed, fitted, shows_nothing

_AROUND = 20.0  # s before and after a clip that are looked at, too: who stands still in it may have walked before
_MOST = 31  # frames
_SMALLER = 2  # times, than the clip's pictures
_UNLIKE = 22  # by how much a channel differs from the backdrop where something moves
_GROWN = 5  # px of the smaller picture, around what moves


class Backdrop:
    """The median of a few frames."""

    def __init__(self, frames: list[NDArray[np.uint8]]) -> None:
        middle = len(frames) // 2
        self._still = np.partition(np.stack(frames), middle, axis=0)[middle]  # np.median takes eight times the memory

    @classmethod
    def of(cls, record: FootageRecord, begin: float, end: float) -> Backdrop:
        """Of a time of footage, UTC seconds, and a while around it. Raises FootageError where it can't be read."""
        begin, end = begin - _AROUND, end + _AROUND
        with open_footage(filmed(record, (begin + end) / 2), begin=begin, end=end, fps=_MOST / (end - begin)) as frames:
            smaller = [_smaller(fitted(frame.image)[0]) for frame in frames]
        if not smaller:
            raise shows_nothing(record)
        return cls(smaller)

    def moving(self, picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where `(H, W)` a picture is unlike the backdrop, and a little around."""
        smaller = _smaller(picture)
        unlike = (cv2.absdiff(smaller, self._still).max(axis=2) > _UNLIKE).astype(np.uint8)
        unlike = cv2.morphologyEx(unlike, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))  # noise of single pixels
        grown = cv2.dilate(unlike, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _GROWN + 1,) * 2))
        size = (picture.shape[1], picture.shape[0])
        return np.asarray(cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST), bool)


def _smaller(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (picture.shape[1] // _SMALLER, picture.shape[0] // _SMALLER)
    return np.asarray(cv2.GaussianBlur(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (3, 3), 0), np.uint8)
