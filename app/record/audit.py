"""Who did what with the site's pictures of people. Rows are only ever added."""

from __future__ import annotations

import json

from sqlalchemy import insert, select

from app.record.database import Database
from app.record.rows import AuditEntry
from app.record.schema import audit


def add_entry(database: Database, entry: AuditEntry) -> None:
    """Adds a row, in the caller's transaction: so what was done and its row are there together, or neither."""
    values = {"time": entry.time, "who": entry.who, "action": entry.action, "details": json.dumps(entry.details)}
    database.execute(insert(audit).values(values))


def entries(database: Database) -> list[AuditEntry]:
    """All rows, oldest first."""
    rows = database.all(select(audit).order_by(audit.c.id))
    return [AuditEntry(row.time, row.who, row.action, json.loads(row.details)) for row in rows]
