"""Vectors in PostgreSQL, by pgvector: one table, partitioned by what the vectors are and by day.

A *space* is all vectors of one kind that a model made of a site's tracklets. A partition of a space has those of one
day: the UTC day on which their tracklets begin. Rows are `halfvec`, a float16 each number.

- A filtered search is exact. Its rows are materialised first, so no approximate index can come between.
- An unfiltered one asks the HNSW index of each partition that has one. All others are read.

Rows come and go by COPY, which takes a twentieth of the time. They have no checksum, as PostgreSQL's pages have one.
Partitions that rows left are noted in the same transaction. `rewrite` then leaves no byte of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, exc

from app.errors import SiteError
from app.record.rows import lookup

if TYPE_CHECKING:  # which makes these tables
    from app.record.database import Database

HALVES, OWN, DRAWN = "halves", "own", "drawn"
"""Kinds: as the model made them, without what cameras add, and drawn to identities."""
LEAST_INDEXED = 1000  # rows of a partition. Fewer are read as fast as an index is
SEARCHED = 100  # candidates of a partition, pgvector's ef_search. It goes on by as many where more are wanted
LINKS, BUILT_WITH = 16, 64  # of a row in HNSW, and candidates while it is built
MEMORY = "1GB"  # that building the index of a partition may take. One that needs more is built slowly
OLDEST = (0, 8)  # pgvector that goes on where more are wanted
BESIDE = 16  # more candidates than are wanted, as the index compares in half precision
DAY = 86400
_TOAST = 8160  # bytes of a row that stay in its page: all that fit
_AT_ONCE = 50_000  # rows in memory
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # of COPY's binary format
_TRAILER = b"\xff\xff"
_INTEGER = [("bytes", ">i4"), ("value", ">i8")]

Ids = NDArray[np.int64]
Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors of one kind that one model made."""

    id: int
    model: str
    kind: str
    width: int  # numbers of a vector
    merging: int | None = None  # whose identities `drawn` was drawn to: when it was made, µs
    made_of: int = 0  # rows when all were written at once
    shift: bytes = b""  # what cameras add, of `own`
    changed: int = field(default=0, compare=False)  # rows that came or left since


@dataclass(frozen=True, slots=True)
class Ranges:
    """From which to which id `(R,)` tracklets of a day `(R,)` are."""

    days: Ids
    first: Ids
    last: Ids

    @classmethod
    def of(cls, ids: Ids, days: Ids, chosen: NDArray[np.bool_]) -> Ranges:
        """Where the chosen `(n,)` of all `(n,)` ids are. What lies between two neighbours is no tracklet."""
        order = np.lexsort((ids, days))
        ids, days, chosen = ids[order], days[order], chosen[order]
        joined = chosen[1:] & chosen[:-1] & (days[1:] == days[:-1])
        begins, ends = chosen & ~np.r_[False, joined], chosen & ~np.r_[joined, False]
        return cls(days[begins], ids[begins], ids[ends])


def create(connection: Connection) -> None:
    """Makes the tables, in the caller's transaction. Raises SiteError where the server has no pgvector, or an old one.

    It is made in `public`, as several sites of one database share it.
    """
    run = connection.exec_driver_sql
    run("SELECT pg_advisory_xact_lock(hashtextextended('sightline pgvector', 0))")  # another site may just do the same
    found = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    version = run(found).scalar()
    if version is None:
        try:
            run("CREATE EXTENSION vector SCHEMA public")
        except exc.DBAPIError as error:
            raise SiteError(
                f"The PostgreSQL server has no pgvector for this database ({str(error.orig).splitlines()[0]}): install "
                "pgvector 0.8 or newer there, then let its administrator run CREATE EXTENSION vector in the database."
            ) from error
        version = run(found).scalar()
    if tuple(int(part) for part in str(version).split(".")[:2]) < OLDEST:
        raise SiteError(
            f"The PostgreSQL server has pgvector {version}, and 0.8 or newer is needed: install it there, then let its "
            "administrator run ALTER EXTENSION vector UPDATE."
        )
    run(
        "CREATE TABLE vector_spaces (id bigint PRIMARY KEY, model text NOT NULL, kind text NOT NULL, "
        "width bigint NOT NULL, merging bigint, made_of bigint NOT NULL, shift bytea NOT NULL, "
        "changed bigint NOT NULL, UNIQUE (model, kind))"
    )
    run(
        "CREATE TABLE vectors (space bigint NOT NULL, day bigint NOT NULL, tracklet_id bigint NOT NULL, "
        f"footage_id bigint NOT NULL, vector {_schema(connection)}.halfvec NOT NULL, "
        "PRIMARY KEY (tracklet_id, day, space)) PARTITION BY LIST (space)"
    )
    run("CREATE TABLE vectors_left (partition text PRIMARY KEY)")


def drop(connection: Connection) -> None:
    """Drops the tables, in the caller's transaction. The extension stays, as others may use it."""
    for table in ("vectors", "vector_spaces", "vectors_left"):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")


def is_ours(table: str) -> bool:
    """Whether a table is one of these, or a partition. The record's schema, which both dialects have, has none."""
    return table.startswith("vector")


def _schema(connection: Connection) -> str:
    """Where the extension's type and operators are: a site's schema is the only one that is searched for names."""
    return str(
        connection.exec_driver_sql(
            "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
            "WHERE extname = 'vector'"
        ).scalar()
    )


class Vectors:
    """The vectors of a record that is a PostgreSQL. What writes runs in the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._run = database.run

    @cached_property
    def _pgvector(self) -> str:
        return _schema(self._database.connection)

    # --- spaces

    def spaces(self, model: str | None = None) -> list[Space]:
        """All spaces, or those of a model."""
        columns = "id, model, kind, width, merging, made_of, shift, changed"
        rows = self._run(f"SELECT {columns} FROM vector_spaces ORDER BY id")
        spaces = [Space(**{**row._mapping, "shift": bytes(row.shift)}) for row in rows]
        return [space for space in spaces if model in (None, space.model)]

    def space(self, model: str, kind: str) -> Space | None:
        """The space of a model's vectors of a kind, None where there is none."""
        return next((space for space in self.spaces(model) if space.kind == kind), None)

    def make(self, model: str, kind: str, width: int, **made: Any) -> Space:
        """An empty space. One that is there is emptied: its partitions are dropped. made: see `Space`."""
        if (old := self.space(model, kind)) is not None:
            self.drop(old)
            number = old.id  # so who has it open searches in the new rows
        else:
            number = self._run("SELECT coalesce(max(id), 0) + 1 FROM vector_spaces")[0][0]
        space = Space(number, model, kind, width, **made)
        self._run(
            "INSERT INTO vector_spaces VALUES (%s, %s, %s, %s, %s, %s, %s, 0)",
            *(space.id, model, kind, width, space.merging, space.made_of, space.shift),
        )
        self._run(f"CREATE TABLE {_name(space)} PARTITION OF vectors FOR VALUES IN ({number}) PARTITION BY LIST (day)")
        if kind == HALVES:
            self._run(f"CREATE INDEX {_name(space)}_by_footage ON {_name(space)} (footage_id)")
        return space

    def drop(self, space: Space) -> None:
        """Drops a space with its files."""
        self._run(f"DROP TABLE IF EXISTS {_name(space)}")
        self._run("DELETE FROM vector_spaces WHERE id = %s", space.id)

    # --- rows

    def write(self, space: Space, ids: Ids, rows: Halves) -> tuple[Ids, Ids]:
        """Adds vectors `(n, width)` of tracklets `(n,)`, none of which is in the space.

        Those that the record doesn't have, any more, are left out. Returns ids `(m,)` of the others, and their days.
        """
        known, days, footages = self.begins(ids)
        ids, rows, days, footages = ids[known], rows[known], days[known], footages[known]
        there = self._days(space)
        for day in np.unique(days).tolist():
            if day not in there:
                self._run(
                    f"CREATE TABLE {_name(space, day)} PARTITION OF {_name(space)} FOR VALUES IN ({day}) "
                    f"WITH (toast_tuple_target = {_TOAST})"
                )

        def records() -> Iterator[bytes]:
            yield _HEADER
            for start in range(0, len(ids), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                columns = {"day": days[part], "tracklet_id": ids[part], "footage_id": footages[part]}
                yield _packed(space, columns, rows[part])
            yield _TRAILER

        if len(ids):
            self._database.copy_in("COPY vectors FROM STDIN (FORMAT BINARY)", records())
        return ids, days

    def begins(self, ids: Ids) -> tuple[NDArray[np.bool_], Ids, Ids]:
        """Which tracklets `(n,)` the record has, the days on which they begin, and their footage."""
        some = "" if len(ids) > _AT_ONCE else f" WHERE id = ANY('{_array(ids)}')"
        named = f'id, footage_id, floor("start" / {DAY})::bigint'
        data = self._database.copy_out(f"COPY (SELECT {named} FROM segments{some}) TO STDOUT (FORMAT BINARY)")
        records = _unpacked(data, [("fields", ">i2"), *((name, _INTEGER) for name in ("id", "footage", "day"))])
        columns = [records[name]["value"].astype(np.int64) for name in ("id", "footage", "day")]
        order = np.argsort(columns[0], kind="stable")
        numbers, footages, days = (column[order] for column in columns)
        at, known = lookup(numbers, ids)
        return known, days[at], footages[at]

    def note_changes(self, space: int, count: int) -> None:
        """That so many rows of the space of that id came or left."""
        self._run("UPDATE vector_spaces SET changed = changed + %s WHERE id = %s", count, space)

    def ids(self, space: Space, footage: int | None = None) -> tuple[Ids, Ids]:
        """Ids `(n,)`, ascending, and days `(n,)` of all vectors of a space, or of those of a footage."""
        where = "" if footage is None else f" AND footage_id = {int(footage)}"
        data = self._database.copy_out(
            f"COPY (SELECT tracklet_id, day FROM vectors WHERE space = {space.id}{where}) TO STDOUT (FORMAT BINARY)"
        )
        records = _unpacked(data, [("fields", ">i2"), ("id", _INTEGER), ("day", _INTEGER)])
        ids, days = (records[name]["value"].astype(np.int64) for name in ("id", "day"))
        order = np.argsort(ids, kind="stable")
        return ids[order], days[order]

    def read(self, space: Space, footages: list[int] | None = None, days: Ids | None = None) -> tuple[Ids, Halves]:
        """Ids `(n,)` and vectors `(n, width)` of a space, or of those of some footages or days. In no order."""
        where = "" if footages is None else f" AND footage_id = ANY('{_array(footages)}')"
        where += "" if days is None else f" AND day = ANY('{_array(days)}')"
        return self._rows(space, where)

    def rows_of(self, space: Space, ids: Ids, days: Ids) -> tuple[Ids, Halves]:
        """Ids and vectors of those tracklets `(n,)` that the space has. days `(n,)`: on which they begin."""
        return self._rows(space, f" AND day = ANY('{_array(np.unique(days))}') AND tracklet_id = ANY('{_array(ids)}')")

    def _rows(self, space: Space, where: str) -> tuple[Ids, Halves]:
        data = self._database.copy_out(
            f"COPY (SELECT tracklet_id, vector FROM vectors WHERE space = {space.id}{where}) TO STDOUT (FORMAT BINARY)"
        )
        records = _unpacked(data, [("fields", ">i2"), ("id", _INTEGER), *_vector(space.width)])
        return records["id"]["value"].astype(np.int64), records["vector"].astype(np.float16)

    def count(self, ids: list[int]) -> int:
        """How many vectors of tracklets there are, whichever kind."""
        return int(self._run("SELECT count(*) FROM vectors WHERE tracklet_id = ANY(%s)", ids)[0][0])

    def footages(self, space: Space) -> list[int]:
        """Footages that have vectors in a space."""
        rows = self._run("SELECT DISTINCT footage_id FROM vectors WHERE space = %s ORDER BY 1", space.id)
        return [row[0] for row in rows]

    def remove(self, ids: list[int], spaces: list[Space]) -> int:
        """Removes vectors of tracklets from some spaces. Returns how many of a model's own making there were.

        Their bytes stay until `rewrite`.
        """
        halves = [space.id for space in spaces if space.kind == HALVES]
        rows = self._run(
            "WITH gone AS (DELETE FROM vectors WHERE space = ANY(%s) AND tracklet_id = ANY(%s) "
            "RETURNING tableoid, space), noted AS (INSERT INTO vectors_left SELECT DISTINCT tableoid::regclass::text "
            "FROM gone ON CONFLICT DO NOTHING) SELECT space, count(*) FROM gone GROUP BY space",
            [space.id for space in spaces],
            ids,
        )
        for number, count in rows:
            self.note_changes(number, count)
        return sum(count for number, count in rows if number in halves)

    def rewrite(self) -> None:
        """Writes partitions anew that rows left, with their indexes. No transaction may be open."""
        for (name,) in self._run("SELECT partition FROM vectors_left ORDER BY 1"):
            if self._run("SELECT to_regclass(%s)", name)[0][0] is not None:
                self._run(f"SET maintenance_work_mem = '{MEMORY}'")
                self._run(f"VACUUM (FULL) {name}")
            self._run("DELETE FROM vectors_left WHERE partition = %s", name)
        for name in ("vectors_left", "vector_spaces"):
            self._run(f"VACUUM (FULL) {name}")

    # --- searching

    def index(self, space: Space, progress: Callable[[str, int, int], None] | None = None) -> int:
        """Makes the HNSW index of each partition that is large and has none. Returns how many. It is long work."""
        days = [day for day in self._days(space) if not self._is_indexed(space, day)]
        made = 0
        self._run(f"SET maintenance_work_mem = '{MEMORY}'")
        for done, day in enumerate(days, 1):
            name = _name(space, day)
            if self._run(f"SELECT count(*) FROM {name}")[0][0] >= LEAST_INDEXED:
                self._run(
                    f"CREATE INDEX IF NOT EXISTS {name}_hnsw ON {name} USING hnsw ({self._indexed(space)} "
                    f"{self._pgvector}.halfvec_ip_ops) WITH (m = {LINKS}, ef_construction = {BUILT_WITH})"
                )
                self._run(f"ANALYZE {name}")
                made += 1
            if progress is not None:
                progress("days indexed", done, len(days))
        return made

    def nearest(
        self, space: Space, query: NDArray[np.float32], k: int, among: Ranges | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Ids and cosine similarities of the k nearest, best first, equals by id. query: `(width,)`.

        among: where those are that may be found. Then none of these is missed.
        """
        rows = self._run(*self.searching(space, query, k, among))
        return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.float32)

    def searching(
        self, space: Space, query: NDArray[np.float32], k: int, among: Ranges | None = None
    ) -> tuple[Any, ...]:
        """The statement of such a search, and its values."""
        asked, product = f"[{','.join(map(repr, query.tolist()))}]", f"OPERATOR({self._pgvector}.<#>)"
        # Both as float32: a query in half precision would swap those that are nearly as alike.
        similarity = f"-(vector::{self._pgvector}.vector {product} (%s::text)::{self._pgvector}.vector)"
        best = f"ORDER BY similarity DESC, tracklet_id LIMIT {k}"
        if among is not None:
            return (
                f"WITH allowed AS MATERIALIZED (SELECT tracklet_id, {similarity} AS similarity "
                "FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS range (day, first, last), "
                f"LATERAL (SELECT tracklet_id, vector FROM vectors WHERE space = {space.id} "
                "AND day = ANY(%s::bigint[]) AND day = range.day AND tracklet_id BETWEEN first AND last "
                "OFFSET 0) AS rows) "  # which keeps it to one range after the other
                f"SELECT tracklet_id, similarity FROM allowed {best}",
                *(asked, _array(among.days), _array(among.first), _array(among.last), _array(np.unique(among.days))),
            )
        halves = f"{self._pgvector}.halfvec({space.width})"
        return (
            f"WITH near AS MATERIALIZED (SELECT tracklet_id, vector FROM vectors WHERE space = {space.id} "
            f"ORDER BY {self._indexed(space)} {product} (%s::text)::{halves} LIMIT {k + BESIDE}) "
            f"SELECT tracklet_id, {similarity} AS similarity FROM near {best}",
            *(asked, asked),
        )

    def prepare_search(self) -> None:
        """Settles how this connection searches."""
        self._run("SELECT NULL::" + self._pgvector + ".halfvec")  # which brings pgvector's settings
        for setting in (
            f"hnsw.ef_search = {SEARCHED}",
            "hnsw.iterative_scan = strict_order",
            "jit = off",  # it takes longer to compile than to run
            "plan_cache_mode = force_custom_plan",  # which days are read depends on the values
        ):
            self._run(f"SET {setting}")

    def _indexed(self, space: Space) -> str:
        """What an index of a space is about, of which pgvector must know the width."""
        return f"(vector::{self._pgvector}.halfvec({space.width}))"

    def _is_indexed(self, space: Space, day: int) -> bool:
        return self._run("SELECT to_regclass(%s)", f"{_name(space, day)}_hnsw")[0][0] is not None

    def _days(self, space: Space) -> list[int]:
        """Days that have a partition."""
        rows = self._run(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = to_regclass(%s)",
            _name(space),
        )
        return sorted(int(name.rpartition("_")[2].replace("m", "-")) for (name,) in rows)


def _name(space: Space, day: int | None = None) -> str:
    """Of the table of a space, or of one of its partitions."""
    return f"vectors_{space.id}" + ("" if day is None else f"_{day}".replace("-", "m"))


def _array(numbers: Ids | list[int]) -> str:
    """As PostgreSQL reads it: a twentieth of what a list of parameters takes."""
    return "{" + ",".join(map(str, numbers if isinstance(numbers, list) else numbers.tolist())) + "}"


def _vector(width: int) -> list[Any]:
    return [("bytes", ">i4"), ("width", ">i2"), ("unused", ">i2"), ("vector", ">f2", (width,))]


def _packed(space: Space, columns: dict[str, Ids], rows: Halves) -> bytes:
    """Rows as COPY takes them."""
    kind = [("fields", ">i2"), ("space", _INTEGER), *((name, _INTEGER) for name in columns), *_vector(space.width)]
    records = np.zeros(len(rows), np.dtype(kind))
    records["fields"] = len(columns) + 2
    for name, values in {"space": space.id, **columns}.items():
        records[name]["bytes"], records[name]["value"] = 8, values
    records["bytes"], records["width"], records["vector"] = 4 + 2 * space.width, space.width, rows
    return records.tobytes()


def _unpacked(data: bytearray, kind: list[Any]) -> NDArray[np.void]:
    """What COPY gave, whose rows are of one length."""
    count = (len(data) - len(_HEADER) - len(_TRAILER)) // np.dtype(kind).itemsize
    return np.frombuffer(data, np.dtype(kind), count, len(_HEADER))
