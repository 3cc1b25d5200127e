"""Nightly work becomes jobs, once for each night, however many servers of a site look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app.record.database import Database
from app.record.jobs import add_job
from app.record.settings import mark_nightly, nightly_done, read_settings

WHO = "nightly"  # who asks for it, as the audit has it


def ask_for_what_is_due(database: Database, now: float) -> list[int]:
    """Asks for the nightly work whose time came since it was last asked for. Returns the numbers of its jobs.

    Where no server ran at that time it is asked for when one next looks: once, however many nights have passed.
    now: UTC seconds.
    """
    if not _is_due(database, now):
        return []
    with database.transaction():
        if not _is_due(database, now):  # another server was faster
            return []
        nightly = read_settings(database).nightly
        wanted: list[tuple[str, dict[str, Any]]] = []
        if nightly.retention:  # first, so that nothing learns from what is to leave
            wanted.append(("retention", {}))
        if nightly.merge:
            wanted.append(("merge", {}))
        if nightly.adapt:
            wanted.append(("adapt", {"minutes": nightly.minutes}))
        mark_nightly(database, now)
        return [add_job(database, kind, options, who=WHO, session="server", now=now) for kind, options in wanted]


def _is_due(database: Database, now: float) -> bool:
    at = read_settings(database).nightly.at
    return at is not None and nightly_done(database) < _latest(at, now)


def _latest(at: str, now: float) -> float:
    """When a clock last showed a time of day, UTC seconds."""
    moment = datetime.fromtimestamp(now, UTC)
    hour, minute = map(int, at.split(":"))
    today = moment.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (today if today <= moment else today - timedelta(days=1)).timestamp()
