"""What a site's administrators have settled: the table `settings`, a row for each field of `SiteSettings`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sqlalchemy import select

from app.errors import SiteError
from app.record.audit import add_entry
from app.record.checksums import insert_rows, update_row
from app.record.database import Database
from app.record.rows import AuditEntry
from app.record.schema import settings

LONGEST_DAYS = 36_500
FARTHEST = 100_000.0  # m
LONGEST_MINUTES = 24 * 60.0
_MARK = "nightly done"  # up to when nightly work was asked for, UTC seconds
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True)
class Nightly:
    """What is done once a day, without being asked for."""

    at: str | None = None  # HH:MM, UTC. None where nothing is
    merge: bool = True
    adapt: bool = False
    minutes: float = 30.0  # of adapting, at most
    retention: bool = True


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """All of them, each with what holds where nobody has settled it."""

    nightly: Nightly = field(default_factory=Nightly)
    retention: Mapping[str, float] = field(default_factory=dict)
    """Days after which what a camera saw is erased, by its name. What others saw is kept."""
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Where cameras stand on the plan, by their names: metres to the right and up, from anywhere."""
    reason_required: bool = False  # whether nobody searches without saying why


def read_settings(database: Database) -> SiteSettings:
    """The settings as they now are."""
    rows = database.all(select(settings.c.name, settings.c.value))
    stored = {row.name: database.json(row.value, "settings") for row in rows}
    return SiteSettings(
        nightly=Nightly(**stored.get("nightly", {})),
        retention=stored.get("retention", {}),
        positions={name: (float(x), float(y)) for name, (x, y) in stored.get("positions", {}).items()},
        reason_required=stored.get("reason_required", False),
    )


def write_settings(database: Database, new: SiteSettings, *, who: str) -> None:
    """Writes settings, and notes who changed what. Nothing is done where nothing changes. Raises SiteError.

    Nightly work whose time changes begins with the next time of that clock.
    """
    _check(new)
    with database.transaction():
        before, after = asdict(read_settings(database)), asdict(new)
        changed = {item.name: after[item.name] for item in fields(new) if after[item.name] != before[item.name]}
        for name, value in changed.items():
            put_setting(database, name, value)
        if "nightly" in changed:
            put_setting(database, _MARK, time.time())
        if changed:
            add_entry(database, AuditEntry(time.time(), who, "settings", changed))


def nightly_done(database: Database) -> float:
    """Up to when nightly work was asked for, UTC seconds."""
    row = database.first(select(settings.c.value).where(settings.c.name == _MARK))
    return 0.0 if row is None else float(database.json(row.value, "settings"))


def mark_nightly(database: Database, now: float) -> None:
    """Says that nightly work was asked for, in the caller's transaction."""
    put_setting(database, _MARK, now)


def put_setting(database: Database, name: str, value: Any) -> None:
    """Keeps a value under a name, in the caller's transaction."""
    row = database.first(select(settings.c.id).where(settings.c.name == name))
    if row is None:
        number = database.next_id(settings)
        insert_rows(database, settings, [{"id": number, "name": name, "value": json.dumps(value)}])
    else:
        update_row(database, settings, row.id, {"value": json.dumps(value)})


def _check(new: SiteSettings) -> None:
    nightly = new.nightly
    if nightly.at is not None and not _CLOCK.fullmatch(nightly.at):
        raise SiteError(f"{nightly.at!r} is no time of day: write it like 03:30, in UTC.")
    if not 0 < nightly.minutes <= LONGEST_MINUTES:
        raise SiteError(f"Adapting may take from 0 to {LONGEST_MINUTES:.0f} minutes: give a number between.")
    for camera, days in new.retention.items():
        if not 0 < days <= LONGEST_DAYS:
            raise SiteError(f"{days:g} days of {camera} can't be kept: give more than 0 and at most {LONGEST_DAYS:,}.")
    for camera, place in new.positions.items():
        if not all(abs(metres) <= FARTHEST for metres in place):
            raise SiteError(f"{camera} can't stand there: give metres to the right and up, at most {FARTHEST:,.0f}.")
