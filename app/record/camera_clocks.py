"""What live cameras' own clocks said beside this machine's: kept, so that a moment can be told by either later.

Times of the record are by this machine's clock. A row says by how much the camera's was ahead then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from app.record.checksums import insert_rows
from app.record.database import Database
from app.record.schema import camera_clocks, cameras, footage, segments

CHANGED = 0.25  # s by which a clock must have moved to have a row before its time
EVERY = 600.0  # s after which a row follows in any case
COUNTS = 900.0  # s for which a row counts: nobody knows what a clock does that tells nothing
KEPT = 366 * 144  # of each camera, the latest: a year of one every ten minutes


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """What one camera's clock said at a time."""

    camera: str
    time: float  # UTC seconds by this machine's clock
    ahead: float  # s by which the camera's clock was ahead
    drift: float | None  # s a day by which its stamps ran fast, None where that was not measured yet

    def is_due(self, before: ClockRecord | None) -> bool:
        """Whether it is to be kept. before: what was kept last since the camera connected, None where nothing was."""
        # Where this machine's clock was set back, the last one lies ahead.
        return before is None or abs(self.ahead - before.ahead) > CHANGED or not 0 <= self.time - before.time < EVERY


def keep_clock(database: Database, record: ClockRecord) -> None:
    """Keeps what the clock of a camera of the site said. The oldest of that camera leave for it."""
    with database.transaction():
        row = database.first(select(cameras.c.id).where(cameras.c.name == record.camera))
        assert row is not None
        values = {"time": record.time, "ahead": record.ahead, "drift": record.drift}
        insert_rows(database, camera_clocks, [{"id": database.next_id(camera_clocks), "camera_id": row.id, **values}])
        latest = select(camera_clocks.c.id).where(camera_clocks.c.camera_id == row.id)
        old = database.ids(latest.order_by(camera_clocks.c.time.desc()).offset(KEPT)).tolist()
        database.execute(delete(camera_clocks).where(camera_clocks.c.id.in_(old)))


def drop_clocks_before(database: Database, time: float, camera: str | None = None) -> None:
    """Drops what counts for no moment from a time on, UTC seconds. camera: only of this one."""
    unwanted = delete(camera_clocks).where(camera_clocks.c.time < time - COUNTS)
    if camera is not None:
        number = select(cameras.c.id).where(cameras.c.name == camera).scalar_subquery()
        unwanted = unwanted.where(camera_clocks.c.camera_id == number)
    with database.transaction():
        database.execute(unwanted)


def clocks_of(database: Database, camera: str, *, most: int = 100) -> list[ClockRecord]:
    """The latest that are kept of a camera, the latest first."""
    columns = (camera_clocks.c.time, camera_clocks.c.ahead, camera_clocks.c.drift)
    wanted = select(*columns).join_from(camera_clocks, cameras).where(cameras.c.name == camera)
    rows = database.all(wanted.order_by(camera_clocks.c.time.desc(), camera_clocks.c.id.desc()).limit(most))
    return [ClockRecord(camera, row.time, row.ahead, row.drift) for row in rows]


def clocks_ahead(database: Database, tracklets: Sequence[int]) -> dict[int, float]:
    """Seconds by which live cameras' own clocks were ahead when tracklets began.

    The start of a tracklet and its seconds together are its start by the camera's own clock. Left out are tracklets of
    files, and those whose camera told no time in the last `COUNTS` seconds before.
    """
    then = (camera_clocks.c.time > segments.c.start - COUNTS) & (camera_clocks.c.time <= segments.c.start)
    ahead = (
        select(camera_clocks.c.ahead)
        .where(camera_clocks.c.camera_id == segments.c.camera_id, then)
        .order_by(camera_clocks.c.time.desc(), camera_clocks.c.id.desc())
        .limit(1)
        .correlate(segments)
        .scalar_subquery()
    )
    of_live = select(segments.c.id, ahead.label("ahead")).join_from(segments, footage)
    of_live = of_live.where(footage.c.start_source == "camera", segments.c.id.in_(tracklets))
    return {row.id: row.ahead for row in database.all(of_live) if row.ahead is not None}
