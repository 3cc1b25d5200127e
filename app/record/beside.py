"""Who else was there: the tracks that a camera saw during a time."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from sqlalchemy import select

from app.record import Site
from app.record.boxes import boxes_of_many
from app.record.rows import Boxes
from app.record.schema import segments


def tracks_between(site: Site, camera: str, begin: float, end: float, *, without: int) -> dict[int, Boxes]:
    """The boxes of all tracks that a camera saw from `begin` to `end`, UTC seconds, by track and in the order of time.

    Pieces of whatever kind are in them, but for the one with the id `without`. Raises SiteError where one is damaged.
    """
    lasting = [f.id for f in site.footage(camera) if f.start <= end and f.start + f.seconds >= begin]
    during = segments.c.footage_id.in_(lasting) & (segments.c.start <= end) & (segments.c.end >= begin)
    wanted = select(segments.c.id, segments.c.track).where(during, segments.c.id != without)
    rows = site.database.all(wanted)
    pieces: dict[int, list[Boxes]] = defaultdict(list)
    for row, boxes in zip(rows, boxes_of_many(site.database, [row.id for row in rows]), strict=True):
        if len(boxes.times):  # else it was erased just now
            pieces[row.track].append(boxes)
    return {track: _joined(of_track) for track, of_track in pieces.items()}


def _joined(pieces: list[Boxes]) -> Boxes:
    frames, times, boxes, scores = (
        np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("frames", "times", "boxes", "scores")
    )
    order = np.argsort(times, kind="stable")
    return Boxes(frames[order], times[order], boxes[order], scores[order])
