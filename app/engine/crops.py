"""Which pictures of a person are kept: at most 32 a tracklet, spread over its time.

Each is the best of its moment. Time is divided into moments of 0.2 s, of which at most 64 are remembered. Neighbours
are joined when a tracklet outlasts them, and moments become twice as long. A crop competes inside its moment by its
quality. So memory is bounded and no frame is looked at twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from app.record.rows import Crop
from trackers.detections import whole_pixels
from trackers.segments import Segment

MOST = 32  # crops a tracklet
MOMENT = 0.2  # seconds, at first
JPEG_QUALITY = 95
_SHARP = 100.0  # Laplacian variance at which sharpness counts half
_BORDER = 2.0  # px from the picture's edge within which a box touches it


@dataclass(slots=True)
class _Candidates:
    """The best crop of each moment of one open segment. The last moment's is not encoded while it may change."""

    first: float
    width: float
    moments: dict[int, Crop]
    current: int = -1
    raw: NDArray[np.uint8] | None = None

    def moment_of(self, time: float) -> int:
        """The moment that a time is in, which is never before the current one, as stamps may step back."""
        return max(math.floor((time - self.first) / self.width), self.current)

    def settle(self) -> None:
        """Encodes the best picture of the current moment."""
        if self.raw is not None:
            self.moments[self.current] = replace(self.moments[self.current], jpeg=as_jpeg(self.raw))
            self.raw = None

    def join(self) -> None:
        """Halves the number of moments."""
        self.settle()
        joined: dict[int, Crop] = {}
        for moment, crop in self.moments.items():
            best = joined.get(moment // 2)
            if best is None or crop_quality(crop) > crop_quality(best):
                joined[moment // 2] = crop
        self.moments, self.width, self.current = joined, self.width * 2, self.current // 2


class CropChooser:
    """Chooses the crops of all open segments of one footage."""

    def __init__(self) -> None:
        self._candidates: dict[int, _Candidates] = {}
        # What a new box must beat, one entry an open segment, by segment number.
        self._segments = np.zeros(0, np.int64)
        self._best = np.zeros(0)
        self._until = np.zeros(0)  # when its current moment ends

    def update(
        self,
        image: NDArray[np.uint8],
        frame: int,
        time: float,
        segments: NDArray[np.int64],
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        overlap: NDArray[np.float32],
        sharpness: NDArray[np.float32],
    ) -> None:
        """Offers the people of one frame: image `(H, W, 3)` RGB, the rest `(M,)` or `(M, 4)`."""
        new = segments[~np.isin(segments, self._segments)]
        if len(new):
            order = np.argsort(np.concatenate([self._segments, new]))
            self._segments = np.concatenate([self._segments, new])[order]
            self._best = np.concatenate([self._best, np.zeros(len(new))])[order]
            self._until = np.concatenate([self._until, np.full(len(new), -np.inf)])[order]
        at = np.searchsorted(self._segments, segments)
        height, width = image.shape[:2]
        border = (
            (boxes[:, :2] < _BORDER).any(axis=1) | (boxes[:, 2] > width - _BORDER) | (boxes[:, 3] > height - _BORDER)
        ).astype(np.float32)
        quality = _quality(scores, overlap, border, sharpness)
        edges = whole_pixels(boxes, image.shape)
        for i in np.flatnonzero((time >= self._until[at]) | (quality > self._best[at])):
            x1, y1, x2, y2 = edges[i]
            b = boxes[i]
            crop = Crop(
                frame=frame,
                time=time,
                box=(float(b[0]), float(b[1]), float(b[2]), float(b[3])),
                score=float(scores[i]),
                overlap=float(overlap[i]),
                border=float(border[i]),
                sharpness=float(sharpness[i]),
                height_ratio=1.0,
                jpeg=b"",
            )
            self._best[at[i]] = quality[i]
            self._until[at[i]] = self._offer(int(segments[i]), crop, image[y1:y2, x1:x2])

    def _offer(self, segment: int, crop: Crop, picture: NDArray[np.uint8]) -> float:
        """Makes a crop the best of its moment and says when that moment ends."""
        candidates = self._candidates.get(segment)
        if candidates is None:
            candidates = self._candidates[segment] = _Candidates(first=crop.time, width=MOMENT, moments={})
        moment = candidates.moment_of(crop.time)
        while moment >= 2 * MOST:
            candidates.join()
            moment = candidates.moment_of(crop.time)
        if moment != candidates.current:
            candidates.settle()
        best = candidates.moments.get(moment)
        if best is None or crop_quality(crop) >= crop_quality(best):
            candidates.moments[moment], candidates.current, candidates.raw = crop, moment, picture.copy()
        return candidates.first + (moment + 1) * candidates.width

    def finish(self, segment: Segment, *, keep: bool) -> list[Crop]:
        """Forgets a segment and, if it is to be kept, returns its crops by time."""
        at = np.searchsorted(self._segments, segment.number)
        if at < len(self._segments) and self._segments[at] == segment.number:
            self._segments, self._best = np.delete(self._segments, at), np.delete(self._best, at)
            self._until = np.delete(self._until, at)
        candidates = self._candidates.pop(segment.number, None)
        if candidates is None or not keep:
            return []
        candidates.settle()
        candidates.moments = {
            moment: replace(crop, height_ratio=(crop.box[3] - crop.box[1]) / segment.height)
            for moment, crop in candidates.moments.items()
        }
        if len(candidates.moments) > MOST:
            candidates.join()
        return [candidates.moments[moment] for moment in sorted(candidates.moments)]

    def state(self) -> dict[str, NDArray]:
        """All that a new chooser needs to go on as this one would, as plain arrays."""
        rows, pictures = [], []
        for segment, candidates in self._candidates.items():
            candidates.settle()
            for moment, crop in candidates.moments.items():
                which = (segment, candidates.first, candidates.width, candidates.current, moment)
                quality = (crop.score, crop.overlap, crop.border, crop.sharpness)
                rows.append((*which, crop.frame, crop.time, *crop.box, *quality, len(crop.jpeg)))
                pictures.append(crop.jpeg)
        return {
            "segments": self._segments.copy(),
            "best": self._best.copy(),
            "until": self._until.copy(),
            "rows": np.array(rows, np.float64).reshape(-1, 16),
            "jpeg": np.frombuffer(b"".join(pictures), np.uint8),
        }

    def restore(self, state: dict[str, NDArray]) -> None:
        """Goes on where the chooser that gave `state` stood."""
        self._segments, self._best, self._until = (state[key].copy() for key in ("segments", "best", "until"))
        self._candidates = {}
        jpeg, at = state["jpeg"].tobytes(), 0
        for row in state["rows"].tolist():
            segment, first, width, current, moment, frame, time, x1, y1, x2, y2, *quality, size = row
            score, overlap, border, sharpness = quality
            candidates = self._candidates.setdefault(int(segment), _Candidates(first, width, {}, int(current)))
            candidates.moments[int(moment)] = Crop(
                frame=int(frame),
                time=time,
                box=(x1, y1, x2, y2),
                score=score,
                overlap=overlap,
                border=border,
                sharpness=sharpness,
                height_ratio=1.0,
                jpeg=jpeg[at : at + int(size)],
            )
            at += int(size)


def crop_quality(crop: Crop) -> float:
    """How well a crop shows its person, 0..1. One of unusual height shows too little or too much."""
    likeness = min(crop.height_ratio, 1 / crop.height_ratio) if crop.height_ratio > 0 else 0.0
    return float(_quality(crop.score, crop.overlap, crop.border, crop.sharpness)) * likeness


def _quality(score, overlap, border, sharpness):
    """0..1, of one crop or of arrays: sure, uncovered, whole, sharp."""
    return score * (1 - overlap) * (1 - 0.5 * border) * (0.5 + 0.5 * sharpness / (sharpness + _SHARP))


def as_jpeg(picture: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """A picture `(H, W, 3)` RGB as the bytes of a JPEG. Raises ValueError where it can't be one."""
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of {picture.shape[1]} × {picture.shape[0]} px can't be a JPEG")
    return jpeg.tobytes()
