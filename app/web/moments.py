"""The moment of a tracklet: its footage from shortly before to shortly after, with the person's box drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel

from app.footage.played import browsers_type, played
from app.record import Site
from app.record.films import film_of, is_as_taken_in
from app.record.rows import FootageRecord, SegmentRecord
from app.report.clip import Picture, cut_clip, fitted
from app.report.outlined import outline
from deploy.detectors import Frame

BEFORE, AFTER = 3.0, 2.0  # s
LONGEST = 30.0  # s of a clip
ROUNDING = 1e-3  # s, of containers' stamps
_NEAR = 0.5  # s from a box to a frame that still shows it


class FilmMoment(BaseModel):
    """A moment as it stands in a film that browsers play as it is. Times are seconds on the film's own clock."""

    begin: float
    end: float
    width: int  # px of the pictures that boxes are on
    height: int
    boxes: list[tuple[float, float, float, float, float]]  # the time, then x1 y1 x2 y2 px
    near: float = _NEAR  # s from a box to a frame that still shows it


def moment_in_film(site: Site, piece: SegmentRecord) -> FilmMoment | None:
    """A tracklet's moment in its film, None where a clip has to be cut of it.

    That is where browsers do not play the film, where it is not just what was taken in, and where it is of a live
    camera. Raises FootageError where it can't be read.
    """
    record = site.footage_record(piece.footage_id)
    film = film_of(record, piece.start)
    if film is None or not is_as_taken_in(record):
        return None
    shown = played(film, piece.start - BEFORE)
    if shown is None:
        return None
    boxes = site.boxes(piece.id)
    end = min(piece.end + AFTER - film.start, shown.begin + LONGEST)
    times = boxes.times - film.start
    kept = times <= end
    rows = np.column_stack([times[kept].round(4), boxes.boxes[kept].astype(float).round(1)]).tolist()
    return FilmMoment(begin=shown.begin, end=end, width=shown.width, height=shown.height, boxes=rows)


def film_type(record: FootageRecord) -> str | None:
    """The media type of footage's file, None where it is none for browsers, or not what was taken in."""
    return browsers_type(record.path) if is_as_taken_in(record) else None


def cut_moment(site: Site, piece: SegmentRecord) -> bytes:
    """An MP4 of a tracklet's moment. Raises FootageError where its footage is not where it was, or can't be read."""
    boxes = site.boxes(piece.id)
    begin = piece.start - BEFORE

    def drawn(frames: Iterator[Frame]) -> Iterator[tuple[float, Picture]]:
        for frame in frames:
            picture, scale = fitted(frame.image)
            nearest = int(np.abs(boxes.times - frame.time).argmin())
            inside = boxes.times[0] - ROUNDING <= frame.time <= boxes.times[-1] + ROUNDING
            if inside and abs(boxes.times[nearest] - frame.time) <= _NEAR:
                outline(picture, (boxes.boxes[nearest] * scale).tolist())
            yield frame.time, picture

    end = min(piece.end + AFTER, begin + LONGEST)
    return cut_clip(site.footage_record(piece.footage_id), begin, end, drawn)
