"""Rows with a checksum: what a failing disk changed is seen, also where the database takes it for sound.

A checksum is the CRC-32 of all other columns of a row. It tells damage, not forgery. Rows are written here only.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Double, LargeBinary, Table, Text, bindparam, insert, select, tuple_, update

from app.record.database import Database, Values

COLUMN = "checksum"
APART = ("checkpoint",)  # columns with a checksum of their own: large, and written often
_HALF = 2**31  # SQLite keeps −2³¹ … 2³¹ in four bytes: so a row keeps its length, and is overwritten in its place
_LENGTH = struct.Struct("<q")
_AT_ONCE = 2000  # rows in memory


@cache
def _sum_of(table: Table) -> Callable[[Mapping[Any, Any]], int]:
    """What takes the checksum of a row. It is made once, as it runs for every row that is written."""
    columns = [column for column in table.columns if column.name not in (COLUMN, *APART)]
    long = [column.name for column in columns if isinstance(column.type, Text | LargeBinary)]
    numbers = [column for column in columns if column.name not in long]
    pack = struct.Struct("<" + "".join("d" if isinstance(c.type, Double) else "q" for c in numbers)).pack
    # The first stands there twice, as of one name alone it would give no sequence.
    values_of = itemgetter(numbers[0].name, *(column.name for column in numbers))
    # NaN and the least whole number stand for NULL, as neither database stores the one, and no row has the other.
    nulls = [math.nan if isinstance(column.type, Double) else -(2**63) for column in numbers]
    nullable = any(column.nullable for column in numbers)

    def sum_of(row: Mapping[Any, Any]) -> int:
        values = values_of(row)[1:]
        if nullable:
            values = [null if value is None else value for value, null in zip(values, nulls)]
        total = zlib.crc32(pack(*values))
        for name in long:
            value = row[name]
            data = b"" if value is None else value.encode() if isinstance(value, str) else value
            total = zlib.crc32(data, zlib.crc32(_LENGTH.pack(-1 if value is None else len(data)), total))
        return total - _HALF

    return sum_of


def crc32(data: bytes | None) -> int:
    """Of what stands in a column that has a checksum of its own."""
    return zlib.crc32(data or b"") - _HALF


def checksum(table: Table, row: Mapping[Any, Any]) -> int:
    """Of all columns but itself. Raises ValueError where a value is not of its column's type."""
    try:
        return _sum_of(table)(row)
    except (struct.error, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise ValueError(f"a value of {table.name} is of another type ({error})") from error


def is_sound(table: Table, row: Mapping[Any, Any]) -> bool:
    """Whether a stored row is as it was written."""
    try:
        return bool(checksum(table, row) == row[COLUMN])
    except ValueError:
        return False


def insert_rows(database: Database, table: Table, rows: Sequence[Values]) -> None:
    """Adds rows, each with all its columns, in the caller's transaction."""
    if rows:
        sum_of = _sum_of(table)
        for row in rows:
            row[COLUMN] = sum_of(row)
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
    columns = [column for column in table.columns if column.name not in APART]
    return select(*columns).where(table.c.id == bindparam("number"))


@cache
def _changing(table: Table, changed: frozenset[str]) -> Any:
    names = sorted(changed | {COLUMN})
    return update(table).where(table.c.id == bindparam("number")).values({name: bindparam(name) for name in names})
