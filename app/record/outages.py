"""When a live camera was not to be had, and why."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select

from app.record.checksums import insert_rows, update_row
from app.record.database import Database
from app.record.schema import cameras, outages

KEPT = 1000  # of each camera, the latest


@dataclass(frozen=True, slots=True)
class OutageRecord:
    """One of them."""

    camera: str
    start: float  # UTC seconds
    end: float | None  # None while it lasts
    reason: str  # a sentence without credentials


def begin_outage(database: Database, camera: str, start: float, reason: str) -> int:
    """Notes that a camera of the site is not to be had, and returns the note's number."""
    with database.transaction():
        row = database.first(select(cameras.c.id).where(cameras.c.name == camera))
        assert row is not None
        number = database.next_id(outages)
        values = {"id": number, "camera_id": row.id, "start": start, "end": None, "reason": reason}
        insert_rows(database, outages, [values])
        kept = select(outages.c.id).where(outages.c.camera_id == row.id).order_by(outages.c.start.desc())
        old = database.ids(kept.offset(KEPT)).tolist()
        database.execute(delete(outages).where(outages.c.id.in_(old)))
    return number


def note_outage(database: Database, number: int, reason: str, end: float | None = None) -> None:
    """Notes why it is, as is known by now, and when it ended, if it did."""
    with database.transaction(alone=False):
        update_row(database, outages, number, {"end": end, "reason": reason})


def end_what_was_left(database: Database, camera: str, end: float) -> None:
    """Ends outages that nobody ended, as their program died."""
    open_ones = (
        select(outages.c.id).join_from(outages, cameras).where(cameras.c.name == camera, outages.c.end.is_(None))
    )
    with database.transaction():
        for number in database.ids(open_ones).tolist():
            update_row(database, outages, number, {"end": end})


def outages_of(database: Database, camera: str | None = None, *, most: int = 100) -> list[OutageRecord]:
    """The latest of one camera or of all, the latest first."""
    columns = (cameras.c.name, outages.c.start, outages.c.end, outages.c.reason)
    wanted = select(*columns).join_from(outages, cameras).order_by(outages.c.start.desc(), outages.c.id.desc())
    if camera is not None:
        wanted = wanted.where(cameras.c.name == camera)
    return [OutageRecord(row.name, row.start, row.end, row.reason) for row in database.all(wanted.limit(most))]
