"""Cameras at a glance: what can be told of each without a look at every track, so that a page of them comes at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from app.record.database import Database
from app.record.live_cameras import LiveRecord
from app.record.schema import cameras, footage, segments
from trackers.segments import Kind


@dataclass(slots=True)
class CameraLine:
    """One camera in a list."""

    camera: str
    footage: int = 0
    hours: float = 0.0
    tracklets: int = 0
    sightings: int = 0
    problems: int = 0  # pieces of footage with errors
    start: float | None = None  # of the earliest footage, UTC seconds
    end: float | None = None
    live: LiveRecord | None = None  # how it does, where it is followed just now


@dataclass(frozen=True, eq=False, slots=True)
class TrackletTimes:
    """One camera's tracklets `(T,)`, by their start."""

    ids: NDArray[np.int64]
    start: NDArray[np.float64]  # UTC seconds
    end: NDArray[np.float64]

    def within(self, begin: float, end: float) -> TrackletTimes:
        """Those that begin in `begin`…`end`, UTC seconds."""
        rows = slice(*np.searchsorted(self.start, (begin, end)).tolist())
        return TrackletTimes(self.ids[rows], self.start[rows], self.end[rows])


def camera_list(database: Database) -> list[CameraLine]:
    """Every camera that has footage, in the order in which they came."""
    names = database.all(select(cameras.c.id, cameras.c.name).order_by(cameras.c.id))
    lines = {row.id: CameraLine(row.name) for row in names}
    camera_of = {}
    spans: dict[int, list[tuple[float, float]]] = {number: [] for number in lines}  # start and seconds of footage
    columns = [footage.c[name] for name in ("id", "camera_id", "start", "seconds", "problems")]
    for number, camera_id, start, seconds, problems in database.all(select(*columns).order_by(footage.c.start)):
        line = lines[camera_id]
        camera_of[number] = line
        line.footage += 1
        line.problems += problems != "[]"
        spans[camera_id].append((start, seconds))
        line.start = start if line.start is None else min(line.start, start)
        line.end = max(line.end or start, start + seconds)
    # By footage, as an index has the rows in that order.
    counts = select(segments.c.kind, segments.c.footage_id, func.count()).group_by(
        segments.c.kind, segments.c.footage_id
    )
    for kind, name in ((Kind.TRACKLET, "tracklets"), (Kind.SIGHTING, "sightings")):
        for _, number, count in database.all(counts.where(segments.c.kind == str(kind))):
            line = camera_of[number]
            setattr(line, name, getattr(line, name) + count)
    for camera_id, line in lines.items():
        line.hours = hours(spans[camera_id])
    return [line for line in lines.values() if line.footage]


def tracklet_times(database: Database, camera: str) -> TrackletTimes:
    """When a camera's tracklets were. An index has all of it."""
    number = select(cameras.c.id).where(cameras.c.name == camera).scalar_subquery()
    wanted = select(segments.c.id, segments.c.start, segments.c.end).where(
        segments.c.kind == str(Kind.TRACKLET), segments.c.camera_id == number
    )
    ids, start, end = database.columns(wanted) or [()] * 3
    order = np.lexsort((np.array(ids, np.int64), np.array(start, np.float64)))
    return TrackletTimes(
        np.array(ids, np.int64)[order], np.array(start, np.float64)[order], np.array(end, np.float64)[order]
    )


def hours(spans: Iterable[tuple[float, float]]) -> float:
    """Hours of a camera's footage, by its start and seconds, in the order of time. A moment seen twice counts once."""
    total, until = 0.0, -float("inf")
    for start, seconds in spans:
        total += max(0.0, start + seconds - max(start, until))
        until = max(until, start + seconds)
    return total / 3600
