"""Numbers that people and programs keep, in notes, links and the audit. So nobody gets one that somebody else had."""

from __future__ import annotations

from sqlalchemy import Table, select

from app.record.database import Database
from app.record.schema import settings
from app.record.settings import put_setting


def new_number(database: Database, table: Table) -> int:
    """A number for a row of a table, larger than all that were given, in a transaction that is alone."""
    name = f"last of {table.name}"
    row = database.first(select(settings.c.value).where(settings.c.name == name))
    last = 0 if row is None else int(database.json(row.value, "settings"))
    number = max(database.next_id(table), last + 1)
    put_setting(database, name, number)
    return number
