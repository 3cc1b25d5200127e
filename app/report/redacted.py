"""Footage around one person, with everybody else blurred.

Who is blurred: all other pieces of tracks that the record has, between their boxes too, whom the shipped detector finds
in a frame or in those beside it, and all that moves before the backdrop. Each reaches where another misses somebody.

The chosen person is left as they are inside of their box. Where somebody else is in front of or behind them, the other
one's part of that box is blurred as well: nobody can tell whose pixels it shows. Somebody close behind whom neither the
record nor the detector knows can be seen inside of the box. Where the chosen person has no box, as before and after
their tracklet, they are blurred like anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from app.record import Site
from app.record.beside import tracks_between
from app.record.rows import Boxes, SegmentRecord
from app.report.backdrop import Backdrop
from app.report.blurred import block_of, coarse, hide_box
from app.report.clip import Picture, cut_clip, fitted
from app.report.outlined import outline
from deploy.detectors import Detector, Frame
from deploy.detectors.load import load_detector
from trackers.detections import intersection, iou, whole_pixels

BEFORE, AFTER = 1.0, 1.0  # s of a clip around its tracklet
LONGEST = 20.0  # s of a clip
FPS = 15.0  # at most
SCORE = 0.05  # of the weakest detection that is blurred. A false one costs nothing
_SURE = 0.3  # score from which a detection inside the chosen person's box is somebody else
_OWN = 0.5  # IoU with the chosen person's box from which a detection is of them
_INSIDE = 0.75  # share of a weak detection that lies in the chosen person's box, from which it is a part of them
_PADDING = (0.2, 0.35, 0.2, 0.12)  # left, above, right, below: shares of a box's sides. Boxes may lack the head
_LEAST_PADDING = 4.0  # px
_REACH = 0.5  # s before a piece's first box and after its last one, in which the person may still be in sight
_GAP = 1.0  # s between two boxes of the chosen person, beyond which nobody knows where they are

Rectangles = NDArray[np.float32]  # (M, 4) x1 y1 x2 y2 px
NOWHERE: Rectangles = np.zeros((0, 4), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Redacted:
    """One frame of a clip."""

    index: int  # of the frame in its footage
    time: float  # UTC seconds
    picture: Picture  # with everybody else blurred, and the chosen person outlined
    hidden: NDArray[np.bool_]  # (H, W) where it is blurred
    chosen: Rectangles  # (1, 4), or (0, 4) where the chosen person has no box
    scale: float  # px of the picture, of one of the frame


def cut_redacted(site: Site, piece: SegmentRecord) -> bytes:
    """An MP4 of a tracklet and shortly around it, with everybody else blurred.

    Raises FootageError where its footage is not where it was, or can't be read.
    """
    begin, end = span_of(piece)

    def drawn(frames: Iterator[Frame]) -> Iterator[tuple[float, Picture]]:
        for frame in redacted(site, piece, frames):
            yield frame.time, frame.picture

    return cut_clip(site.footage_record(piece.footage_id), begin, end, drawn, fps=FPS)


def span_of(piece: SegmentRecord) -> tuple[float, float]:
    """From when to when a tracklet's clip goes, UTC seconds."""
    begin = piece.start - BEFORE
    return begin, min(piece.end + AFTER, begin + LONGEST)


def redacted(site: Site, piece: SegmentRecord, frames: Iterable[Frame]) -> Iterator[Redacted]:
    """Frames of a tracklet's footage, all within `span_of` it, with everybody else blurred."""
    begin, end = span_of(piece)
    chosen = site.boxes(piece.id)
    others = tracks_between(site, piece.camera, begin - _REACH, end + _REACH, without=piece.id)
    rest = others.pop(piece.track, None)
    backdrop = Backdrop.of(site.footage_record(piece.footage_id), begin, end)
    before: _Seen | None = None
    for seen, after in _with_next(_seen(frame, chosen, rest, list(others.values())) for frame in frames):
        beside = [other.detected for other in (before, after) if other is not None]
        yield _drawn(seen, np.concatenate([seen.detected, *beside]), backdrop, piece.height)
        before = seen


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Who is in a frame, px of the frame."""

    frame: Frame
    chosen: Rectangles  # (1, 4) or (0, 4)
    recorded: Rectangles  # of others
    detected: Rectangles  # of others
    within: Rectangles  # of those that are surely others, where they overlap the chosen person


def _seen(frame: Frame, chosen: Boxes, rest: Boxes | None, others: list[Boxes]) -> _Seen:
    """rest: other pieces of the chosen person's track. They may show somebody else."""
    own = box_at(chosen, frame.time, gap=_GAP)
    if rest is not None and _distance(rest, frame.time) < _distance(chosen, frame.time):
        own = NOWHERE
    if rest is not None and not len(own):
        others = [*others, rest]
    found = _detector().detect([frame])[0]
    is_other = ~_is_own(found.boxes, found.scores, own)
    within = [box_at(other, frame.time) for other in others]
    recorded = [box_at(other, frame.time, reach=_REACH) for other in others]
    return _Seen(
        frame,
        own,
        np.concatenate([NOWHERE, *recorded]),
        found.boxes[is_other],
        np.concatenate([found.boxes[is_other & (found.scores >= _SURE)], *within]),
    )


def _distance(boxes: Boxes, time: float) -> float:
    """To the nearest box, s."""
    return float(np.abs(boxes.times - time).min())


def _is_own(boxes: Rectangles, scores: NDArray[np.float32], own: Rectangles) -> NDArray[np.bool_]:
    """Which detections `(M,)` show the chosen person, or a part of them."""
    is_own = np.zeros(len(boxes), bool)
    if not len(own) or not len(boxes):
        return is_own
    alike = iou(boxes, own)[:, 0]
    is_own[alike.argmax()] = alike.max() >= _OWN
    areas = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1.0)
    return is_own | ((scores < _SURE) & (intersection(boxes, own)[:, 0] / areas >= _INSIDE))


def box_at(boxes: Boxes, time: float, *, reach: float = 0.0, gap: float = np.inf) -> Rectangles:
    """Where a piece of a track is at a time: `(1, 4)`, between the boxes before and after, else `(0, 4)`.

    reach: s before the first box and after the last one, in which that box stands for it.
    gap: s between two boxes, beyond which it is nowhere.
    """
    rounding = 1e-3  # s, of containers' stamps
    if not boxes.times[0] - reach - rounding <= time <= boxes.times[-1] + reach + rounding:
        return NOWHERE
    after = int(np.searchsorted(boxes.times, time))
    before = max(0, after - 1)
    after = min(after, len(boxes.times) - 1)
    if boxes.times[after] - boxes.times[before] > gap:
        return NOWHERE
    return np.array(
        [[np.interp(time, boxes.times[[before, after]], boxes.boxes[[before, after], k]) for k in range(4)]], np.float32
    )


def _drawn(seen: _Seen, detected: Rectangles, backdrop: Backdrop, height: float) -> Redacted:
    """detected: in the frames beside, too. height: of somebody whom nobody found but who moves, px of the frame."""
    picture, scale = fitted(seen.frame.image)
    hidden = backdrop.moving(picture)
    blurred = coarse(picture, block_of(height * scale))
    people: Rectangles = np.concatenate([seen.recorded, detected]) * np.float32(scale)
    for box, whole in zip(whole_pixels(_padded(people), picture.shape), people, strict=True):
        hide_box(blurred, box, block_of(whole[3] - whole[1]))
        _fill(hidden, box, True)
    chosen = whole_pixels(seen.chosen * scale, picture.shape)
    for own in chosen:
        _fill(hidden, own, False)
        for other in whole_pixels(seen.within * scale, picture.shape):
            _fill(hidden, shared(own, other), True)
    picture = np.where(hidden[:, :, None], blurred, picture)
    for own in chosen:
        outline(picture, own.tolist())
    return Redacted(seen.frame.index, seen.frame.time, picture, hidden, seen.chosen, scale)


def shared(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The box that two boxes of whole pixels share. It has no width or height where they share nothing."""
    return np.concatenate([np.maximum(a[:2], b[:2]), np.maximum(np.minimum(a[2:], b[2:]), np.maximum(a[:2], b[:2]))])


def _padded(boxes: Rectangles) -> Rectangles:
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2) * np.array(_PADDING, np.float32)
    return boxes + np.maximum(sides, _LEAST_PADDING) * np.array([-1, -1, 1, 1], np.float32)


def _fill(mask: NDArray[np.bool_], box: NDArray[np.int64], value: bool) -> None:
    x1, y1, x2, y2 = box.tolist()
    mask[y1:y2, x1:x2] = value


def _with_next(items: Iterable[_Seen]) -> Iterator[tuple[_Seen, _Seen | None]]:
    """Each with the one after it."""
    last: _Seen | None = None
    for item in items:
        if last is not None:
            yield last, item
        last = item
    if last is not None:
        yield last, None


@cache
def _detector() -> Detector:
    return load_detector("shipped", score=SCORE)
