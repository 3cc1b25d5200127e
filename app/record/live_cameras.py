"""How live cameras do, as their watcher last wrote it: for pages, metrics and terminals.

A watcher that died writes nothing more. So what is older than OLD seconds is not believed, and is as if nobody watched
the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, select

from app.record.checksums import insert_rows, update_row
from app.record.database import Database, Values
from app.record.schema import cameras, live_cameras

OLD = 30.0  # s
ENOUGH = 0.9  # of what a camera offers. Who gets less shares the cores
IN_STEP = 1.0  # s that clocks may be apart


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """One camera that is followed."""

    camera: str
    written: float  # UTC seconds, as all times
    since: float  # when it began to be followed
    frames: int = 0  # that were followed since
    skipped: int = 0  # that nobody had time for
    rate: float = 0.0  # frames a second that are followed
    offered: float = 0.0  # that the camera offers
    outages: int = 0  # since it is followed
    away: str = ""  # why it is not to be had, empty where it is
    away_since: float | None = None
    latest: float | None = None  # when its last frame was taken
    ahead: float | None = None  # s by which its clock is ahead of this machine's, None where it tells none
    drift: float | None = None  # s a day by which its stamps run fast
    width: int = 0  # px, 0 before the first frame
    height: int = 0
    decoder: str = ""  # codec, and what decodes it
    unrecorded: str = ""  # why its film isn't recorded, empty where it is or need not be

    @property
    def shares(self) -> bool:
        """Whether the machine has no time for all that the camera offers."""
        return not self.away and self.rate < ENOUGH * self.offered

    @property
    def warnings(self) -> list[str]:
        """What somebody should know, a sentence each."""
        told = []
        if self.shares:
            told.append(
                f"The machine has no time for all of it: it follows {self.rate:.1f} of {self.offered:.1f} frames a "
                "second. All cameras get the same share."
            )
        if self.ahead is not None and abs(self.ahead) > IN_STEP:
            word = "ahead of" if self.ahead > 0 else "behind"
            told.append(
                f"Its clock is {abs(self.ahead):.1f} s {word} this machine's, or its pictures come late. Journeys to "
                "other cameras may be off by as much."
            )
        if self.unrecorded:
            told.append(f"Its film is not recorded: {self.unrecorded}")
        return told


def put_live_cameras(database: Database, records: Sequence[LiveRecord]) -> None:
    """Writes how cameras of the site do, each in its own row."""
    with database.transaction(alone=False):
        numbers = {row.name: row.id for row in database.all(select(cameras.c.id, cameras.c.name))}
        there = set(database.ids(select(live_cameras.c.id)).tolist())
        for record in records:
            values: Values = asdict(record)
            number = numbers[values.pop("camera")]
            if number in there:
                update_row(database, live_cameras, number, values)
            else:
                insert_rows(database, live_cameras, [{"id": number, **values}])


def drop_live_camera(database: Database, camera: str) -> None:
    """Nobody watches it any more."""
    number = select(cameras.c.id).where(cameras.c.name == camera).scalar_subquery()
    with database.transaction():
        database.execute(delete(live_cameras).where(live_cameras.c.id == number))


def live_cameras_of(database: Database, now: float) -> dict[str, LiveRecord]:
    """Those that are watched at a time, by their names, in the order in which they came."""
    columns = [column for column in live_cameras.c if column.name not in ("id", "checksum")]
    wanted = (
        select(cameras.c.name.label("camera"), *columns)
        .join_from(live_cameras, cameras)
        .where(live_cameras.c.written > now - OLD)
        .order_by(cameras.c.id)
    )
    return {row.camera: LiveRecord(**row._mapping) for row in database.all(wanted)}


def out_of_step(records: Sequence[LiveRecord]) -> str | None:
    """A sentence where cameras' own clocks are apart, None where they are not or do not tell."""
    told = {record.camera: record.ahead for record in records if record.ahead is not None}
    if len(told) < 2:
        return None
    first, last = max(told, key=lambda name: told[name]), min(told, key=lambda name: told[name])
    apart = told[first] - told[last]
    if apart <= IN_STEP:
        return None
    return (
        f"Cameras are out of step: {first} is {apart:.1f} s ahead of {last}, by their own clocks. Journeys between "
        "them may be off by as much. Set their clocks by the same server of time (NTP)."
    )
