"""Rows with a checksum: what a failing disk changed is seen, also where the database takes it for sound.

A checksum is the CRC-32 of all other columns of a row. It tells damage, not forgery. Rows are written here only.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Double, LargeBinary, Table, Text, bindparam, insert, select, tuple_, update

from app.record.database import Database, Values

COLUMN = "checksum"
_AT_ONCE = 2000  # rows in memory


@cache
def _layout(table: Table) -> tuple[Callable[..., bytes], list[str], list[str]]:
    """How the numbers of a row are packed, their columns, and those of texts and bytes."""
    columns = [column for column in table.columns if column.name != COLUMN]
    long = [column.name for column in columns if isinstance(column.type, Text | LargeBinary)]
    numbers = [column for column in columns if column.name not in long]
    kinds = "".join("d" if isinstance(column.type, Double) else "q" for column in numbers)
    return struct.Struct(f"<{kinds}").pack, [column.name for column in numbers], long


def checksum(table: Table, row: Mapping[Any, Any]) -> int:
    """Of all columns but itself. Raises ValueError where a value is not of its column's type."""
    pack, numbers, long = _layout(table)
    try:
        # NaN stands for NULL, as neither database stores one.
        total = zlib.crc32(pack(*[math.nan if row[name] is None else row[name] for name in numbers]))
        for name in long:
            value = row[name]
            data = b"\0" if value is None else b"\1" + (value.encode() if isinstance(value, str) else bytes(value))
            total = zlib.crc32(data, zlib.crc32(struct.pack("<q", len(data)), total))
    except (struct.error, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise ValueError(f"a value of {table.name} is of another type ({error})") from error
    return total


def is_sound(table: Table, row: Mapping[Any, Any]) -> bool:
    """Whether a stored row is as it was written."""
    try:
        return bool(checksum(table, row) == row[COLUMN])
    except ValueError:
        return False


def insert_rows(database: Database, table: Table, rows: Sequence[Values]) -> None:
    """Adds rows, each with all its columns, in the caller's transaction."""
    if rows:
        for row in rows:
            row[COLUMN] = checksum(table, row)
        database.execute(_inserting(table), rows)


def update_row(database: Database, table: Table, number: int, values: Values) -> None:
    """Changes a row, in the caller's transaction. Nothing is done where there is none.

    A damaged row stays one: what of it does not change is still not what was written.
    """
    row = database.first(_by_number(table), number=number)
    if row is not None:
        total = checksum(table, {**row._mapping, **values}) ^ (not is_sound(table, row._mapping))
        database.execute(_changing(table, frozenset(values)), {**values, COLUMN: total, "number": number})


def pages(table: Table, fetch: Callable[[Any], Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """All rows by their key, some at once. fetch: runs a statement. What has no key comes as a whole."""
    key = list(table.primary_key.columns)
    if not key:
        yield fetch(select(table))
        return
    page = select(table).order_by(*key).limit(_AT_ONCE)
    rows = fetch(page)
    while rows:
        yield rows
        rows = fetch(page.where(tuple_(*key) > tuple_(*(getattr(rows[-1], column.name) for column in key))))


# Statements that run often are made once.
@cache
def _inserting(table: Table) -> Any:
    return insert(table)


@cache
def _by_number(table: Table) -> Any:
    return select(table).where(table.c.id == bindparam("number"))


@cache
def _changing(table: Table, changed: frozenset[str]) -> Any:
    names = sorted(changed | {COLUMN})
    return update(table).where(table.c.id == bindparam("number")).values({name: bindparam(name) for name in names})
