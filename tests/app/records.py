"""Sites of the tests, on the record that a test runs on: SQLite in the site's folder, or a schema of a PostgreSQL."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from pathlib import Path

import psycopg
import sqlalchemy

from app.asking import unheard
from app.record import vectors
from app.record.database import Database
from app.record.embeddings import copy_embeddings
from app.record.places import FOLDER, STORE, read_places
from app.record.schema import metadata

_server: list[str] = []  # the PostgreSQL's URL, while tests run on it
_number = itertools.count()
_schemas: list[tuple[str, str]] = []  # a server's URL and one that was made there, in their order


def use_postgres(url: str | None) -> None:
    """From now on sites are made on this PostgreSQL, or with None on SQLite."""
    _server[:] = [] if url is None else [url]


def on_postgres() -> bool:
    """Whether sites are made on PostgreSQL just now."""
    return bool(_server)


def site_in(folder: Path, name: str = "site") -> Path:
    """Where a test's site is or is going to be."""
    site = folder / name
    if _server and not (site / STORE).exists():
        if site.exists() and any(site.iterdir()):
            return site  # made otherwise, on purpose
        site.mkdir(parents=True, exist_ok=True)
        (site / STORE).write_text(f'record = "{new_schema(_server[0])}"\n', encoding="utf-8")
    return site


def new_schema(server: str) -> str:
    """The URL of a new schema of a PostgreSQL."""
    schema = f"site_{os.getpid()}_{next(_number)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    _schemas.append((server, schema))
    url = sqlalchemy.make_url(server).update_query_dict({"options": f"-csearch_path={schema}"})
    return url.render_as_string(hide_password=False)


def count_schemas() -> int:
    """How many schemas there are now, for `drop_schemas`."""
    return len(_schemas)


def drop_schemas(after: int) -> None:
    """Remove the schemas that were made after so many. One that a process still holds stays."""
    while len(_schemas) > after:
        server, schema = _schemas.pop()
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '1s'")
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                connection.execute(f"DROP SCHEMA {schema} CASCADE")


def copy_of(site: Path, folder: Path, name: str = "site") -> Path:
    """A copy of a whole site, its record included."""
    if not (site / STORE).exists():
        return Path(shutil.copytree(site, folder / name))
    copy = site_in(folder, name)
    shutil.copytree(site, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(STORE))
    with psycopg.connect(_server[0], autocommit=True) as connection:
        old, new = (_schema(folder) for folder in (site, copy))
        engine = sqlalchemy.create_engine(
            _url(copy).set(drivername="postgresql+psycopg"), poolclass=sqlalchemy.pool.NullPool
        )
        metadata.create_all(engine)
        connection.execute(f"CREATE TABLE {new}.alembic_version AS TABLE {old}.alembic_version")
        for table in metadata.sorted_tables:
            connection.execute(f"INSERT INTO {new}.{table.name} SELECT * FROM {old}.{table.name}")
            if table.autoincrement_column is not None:
                connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{new}.{table.name}', 'id'), "
                    f"coalesce((SELECT max(id) FROM {new}.{table.name}), 0) + 1, false)"
                )
    with Database.open(site) as source, Database.at(copy, read_places(copy)) as target:
        with target.transaction():
            vectors.create(target.connection)
        copy_embeddings(source, target, unheard)
    return copy


def run_sql(site: Path, statement: str) -> list[tuple]:
    """What a statement gives, past all that the program would check."""
    engine = sqlalchemy.create_engine(
        f"sqlite:///{site / 'site.db'}"
        if read_places(site).record == FOLDER
        else _url(site).set(drivername="postgresql+psycopg"),
        poolclass=sqlalchemy.pool.NullPool,
    )
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result.fetchall()] if result.returns_rows else []


def rows_of(site: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of every table of a site's record."""
    rows_by_table = {}
    for name, table in metadata.tables.items():
        columns = [column.name for column in table.columns]
        quoted = ", ".join(f'"{column}"' for column in columns)
        rows = run_sql(site, f"SELECT {quoted} FROM {name}")
        rows_by_table[name] = [dict(zip(columns, row, strict=True)) for row in rows]
    return rows_by_table


def _url(site: Path) -> sqlalchemy.URL:
    return sqlalchemy.make_url(read_places(site).record)


def _schema(site: Path) -> str:
    return str(_url(site).query["options"]).rpartition("=")[2]
