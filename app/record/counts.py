"""How many of what a site holds, for who watches over it. Indexes answer, so asking often costs little."""

from __future__ import annotations

from sqlalchemy import func, select

from app.record.database import Database
from app.record.schema import cameras, footage, jobs, segments
from trackers.segments import SEARCHABLE


def searchable_by_camera(database: Database) -> list[tuple[str, str, int]]:
    """Cameras, kinds and how many: of tracklets and sightings."""
    names = {row.id: row.name for row in database.all(select(cameras.c.id, cameras.c.name))}
    counted = (
        select(segments.c.camera_id, segments.c.kind, func.count())
        .where(segments.c.kind.in_(map(str, SEARCHABLE)))
        .group_by(segments.c.camera_id, segments.c.kind)
        .order_by(segments.c.camera_id, segments.c.kind)
    )
    return [(names[camera], kind, count) for camera, kind, count in database.all(counted)]


def footage_by_camera(database: Database) -> list[tuple[str, str, int, float]]:
    """Cameras, statuses, how many pieces of footage, and how many seconds."""
    counted = (
        select(cameras.c.name, footage.c.status, func.count(), func.sum(footage.c.seconds))
        .join_from(footage, cameras)
        .group_by(cameras.c.name, footage.c.status)
        .order_by(cameras.c.name, footage.c.status)
    )
    return [(camera, status, count, float(seconds)) for camera, status, count, seconds in database.all(counted)]


def jobs_by_status(database: Database) -> list[tuple[str, int]]:
    """Statuses and how many jobs."""
    counted = select(jobs.c.status, func.count()).group_by(jobs.c.status).order_by(jobs.c.status)
    return [(status, count) for status, count in database.all(counted)]
