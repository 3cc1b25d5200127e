"""Who did what with the site's pictures of people. Rows are only ever added, and each vouches for those before.

A row's hash is the SHA-256 of its content and of the hash before. So no row can be changed, removed or moved without
changing all hashes after it, those in reports that were written included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select

from app.asking import this_session
from app.record.database import Database
from app.record.rows import AuditEntry
from app.record.schema import audit

_HASHED = ("id", "time", "who", "action", "details", "session")


def add_entry(database: Database, entry: AuditEntry) -> str:
    """Adds a row, in the caller's transaction: so what was done and its row are there together, or neither.

    Returns its hash.
    """
    database.take_turns("audit")
    last = database.first(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1))
    number, before = (1, "") if last is None else (last.id + 1, last.hash)
    values = {"id": number, "time": float(entry.time), "who": entry.who, "action": entry.action}
    values |= {"details": json.dumps(entry.details), "session": entry.session or this_session()}
    values["hash"] = hash_of(values, before)
    database.execute(insert(audit).values(values))
    return str(values["hash"])


def hash_of(row: Mapping[Any, Any], before: str) -> str:
    """A row's hash. before: the hash of the row before, empty for the first."""
    return hashlib.sha256(json.dumps([before, *(row[name] for name in _HASHED)]).encode()).hexdigest()


def head(database: Database) -> str:
    """The latest hash, empty where nothing was noted: who keeps it can tell later whether a row before is missing."""
    row = database.first(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1))
    return "" if row is None else str(row[0])


def entries(database: Database) -> list[AuditEntry]:
    """All rows, oldest first."""
    rows = database.all(select(audit).order_by(audit.c.id))
    return [
        AuditEntry(row.time, row.who, row.action, database.json(row.details, "audit"), row.session, row.hash)
        for row in rows
    ]
