"""What is a site, what is not, and what stands in the way of reading or writing it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.errors import SiteError, StorageError
from app.record import Site
from app.record.database import FILE, STORE, Database
from app.record.leases import FOLDER
from app.record.looking import patterns_in
from app.record.rows import AuditEntry
from app.record.schema import FORMAT, audit, models
from app.record.verify import damage
from tests.app.records import on_postgres, run_sql, site_in

NOTE = {"time": 1.0, "who": "me", "action": "query", "details": "{}"}
NEWER = str(int(FORMAT) + 1)


def count(database: Database) -> int:
    row = database.first(select(func.count()).select_from(audit))
    assert row is not None
    return int(row[0])


# --- on either record


def test_what_one_writes_the_other_reads(empty: Path) -> None:
    with Database.open(empty, write=True) as writer, Database.open(empty) as reader:
        with writer.transaction():
            writer.execute(insert(audit), NOTE)
            assert count(reader) == 0
        assert count(reader) == 1


def test_a_site_is_for_the_owners_eyes_only(tmp_path: Path) -> None:
    Database.create(tmp_path / "a" / "site").close()
    assert (tmp_path / "a" / "site").stat().st_mode & 0o077 == 0
    assert (tmp_path / "a" / "site" / FILE).stat().st_mode & 0o077 == 0


def test_a_reader_cannot_write(empty: Path) -> None:
    with Database.open(empty) as reader, pytest.raises(DBAPIError, match=r"readonly|read-only"):
        reader.execute(insert(audit), NOTE)


def twice(database: Database) -> None:
    with database.transaction():
        database.execute(insert(audit), NOTE)
        for number in (1, 2):
            row = {"id": number, "name": "the same", "made": 1, "sha256": "", "status": "", "reason": "", "summary": ""}
            database.execute(insert(models), row)


def interrupted(database: Database) -> None:
    with database.transaction():
        database.execute(insert(audit), NOTE)
        raise KeyboardInterrupt


def test_a_transaction_is_whole_or_not_at_all(empty: Path) -> None:
    with Database.open(empty, write=True) as database:
        with pytest.raises(IntegrityError):
            twice(database)
        assert count(database) == 0
        with pytest.raises(KeyboardInterrupt):
            interrupted(database)
        assert count(database) == 0
        with database.transaction():
            database.execute(insert(audit), [NOTE, NOTE])
        assert count(database) == 2


def test_transactions_of_two_processes_wait_for_each_other(empty: Path) -> None:
    order: list[str] = []
    with Database.open(empty, write=True) as first_connection, Database.open(empty, write=True) as second_connection:

        def second() -> None:
            with second_connection.transaction():
                order.append("second")
                second_connection.execute(insert(audit), NOTE)

        with first_connection.transaction():
            first_connection.execute(insert(audit), NOTE)
            waiting = threading.Thread(target=second)
            waiting.start()
            waiting.join(0.3)
            order.append("first")
        waiting.join(10)
        assert order == ["first", "second"]
        assert count(first_connection) == 2


def test_who_waited_too_long_for_others_is_told_so(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not that the disk is full."""
    monkeypatch.setattr("app.record.database._WAIT", 1.0)
    with Database.open(empty, write=True) as holder, Database.open(empty, write=True) as other, holder.transaction():
        with pytest.raises(StorageError, match="Another process has been writing"), other.transaction():
            pass
        if not on_postgres():
            with pytest.raises(SiteError, match=r"Another process has been writing .* wait until it is done"):
                Database.open(empty, write=True)


def test_threads_share_a_connection(empty: Path) -> None:
    with Database.open(empty, write=True) as database:

        def work() -> None:
            for _ in range(20):
                with database.transaction(alone=False):
                    database.execute(insert(audit), NOTE)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert count(database) == 80


def test_a_long_read_holds_no_writer_up(empty: Path) -> None:
    url = (empty / STORE).read_text(encoding="utf-8").split('"')[1] if on_postgres() else None
    reader: Any = psycopg.connect(url) if url else sqlite3.connect(empty / FILE, isolation_level=None)
    with closing(reader), Database.open(empty, write=True) as database:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM audit").fetchone() == (0,)
        began = time.monotonic()
        for _ in range(5):
            with database.transaction():
                database.execute(insert(audit), NOTE)
        assert time.monotonic() - began < 2
        assert count(database) == 5


def test_a_newer_format_is_refused_with_what_to_do(empty: Path) -> None:
    said = "PRAGMA user_version = %s" if not on_postgres() else "UPDATE alembic_version SET version_num = '%s'"
    run_sql(empty, said % NEWER)
    for opening in (Database.open, Database.create):
        with pytest.raises(SiteError, match=f"has format {NEWER}, this program reads {FORMAT}: use the version"):
            opening(empty)
    run_sql(empty, said % FORMAT)
    Database.open(empty, write=True).close()  # nothing was held back


def test_a_site_opens_through_the_same_door(empty: Path) -> None:
    with Site.create(empty) as site, Site.create(empty) as second_site:
        assert site.cameras() == [] == second_site.cameras() and site.footage() == []
    with Site.open(empty) as site:
        assert list(damage(site)) == []


def test_many_make_one_site_at_once(record: str, tmp_path: Path) -> None:
    site, made = site_in(tmp_path), []
    threads = [threading.Thread(target=lambda: made.append(Database.create(site))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    for database in made:
        assert count(database) == 0
        database.close()


# --- SQLite's file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Database.create(tmp_path / "site").close()
    return tmp_path / "site"


def test_it_is_durable_and_forgets_what_is_deleted(file: Path) -> None:
    with Database.open(file, write=True) as database:
        names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        assert [database.run(f"PRAGMA {name}")[0][0] for name in names] == ["wal", 2, 1, 1]


def made_again(path: Path) -> None:
    Database.create(path).close()


def looked_through(path: Path) -> None:
    assert patterns_in(path / FILE, {b"Database" * 2, b"SQLite format 3\0"}) == {b"SQLite format 3\0"}


@pytest.mark.parametrize("other", [made_again, looked_through])
def test_a_process_keeps_its_locks_whatever_else_it_opens(file: Path, other: Callable[[Path], None]) -> None:
    """Else another process deletes the log as if it were the last one, and all that is written to it after that."""
    opening = f"with Site.open_to_write(Path({str(file)!r})) as site: print(site.audit())"
    asking = f"from pathlib import Path; from app.record import Site\n{opening}"
    with Site.open_to_write(file) as site:
        site.note(AuditEntry(0.0, "test", "before", {}))
        other(file)
        for moment in ("after", "later"):
            told = subprocess.run([sys.executable, "-c", asking], check=True, capture_output=True, text=True).stdout
            assert told.count("who='test'") == len(site.audit())
            site.note(AuditEntry(0.0, "test", moment, {}))
        assert (file / f"{FILE}-wal").exists()


def test_where_there_is_no_site_none_is_read(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"There is no site at .*/nowhere .*app\.ingest.*--site"):
        Database.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_no_site(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a file")
    with pytest.raises(SiteError, match="is a file, not a site folder"):
        Database.create(tmp_path / "site")
    with pytest.raises(SiteError, match="There is no site"):
        Database.open(tmp_path / "site")
    assert (tmp_path / "site").read_text() == "a file"


def test_a_folder_below_a_file_is_no_site(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(SiteError, match="can't be written"):
        Database.create(tmp_path / "file" / "site")


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    with pytest.raises(SiteError, match="holds other files and is no site"):
        Database.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_an_empty_folder_becomes_a_site(tmp_path: Path) -> None:
    Database.create(tmp_path).close()
    assert {FILE, FOLDER} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("version", [0, 1])
def test_a_database_of_another_program_is_not_touched(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as recipes:
        recipes.executescript(f"CREATE TABLE recipes (name TEXT); PRAGMA user_version = {version}")
    for opening in (Database.open, Database.create):
        with pytest.raises(SiteError, match=r"site\.db was not made by Sightline"):
            opening(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as recipes:
        assert [row[0] for row in recipes.execute("SELECT name FROM sqlite_master")] == ["recipes"]


def test_something_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is not a database at all, but it is long enough to be looked at" * 40)
    for opening in (Database.open, Database.create):
        with pytest.raises(SiteError, match=r"can't be read|is damaged \(file is not a database\)"):
            opening(tmp_path)


def test_damage_is_told_as_such(file: Path) -> None:
    with Database.open(file, write=True) as database:
        page = database.run("SELECT rootpage FROM sqlite_master WHERE name = 'audit'")[0][0]
        size = database.run("PRAGMA page_size")[0][0]
        database.forget_deleted()
    with (file / FILE).open("r+b") as stored:
        stored.seek((page - 1) * size)
        stored.write(b"\xff" * 100)
    with Database.open(file) as reader, pytest.raises(SiteError, match=r"site\.db is damaged .*backup"):
        reader.all(select(audit))


def test_a_site_that_was_never_begun_is_told_from_one_of_others(tmp_path: Path) -> None:
    """Killed before the first commit: an empty database file."""
    (tmp_path / FILE).touch()
    with pytest.raises(SiteError, match="was never begun"):
        Database.open(tmp_path)
    Database.create(tmp_path).close()
    Database.open(tmp_path).close()


# --- PostgreSQL


@pytest.mark.parametrize(
    "content",
    ["", "record = 3\n", 'record = "sqlite:///x"\n', 'record = "postgresql://h/d"\nmore = 1\n', "record ="],
)
def test_what_store_toml_must_say_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / STORE).write_text(content)
    with pytest.raises(SiteError, match=r"store\.toml must say where the record is.*postgresql://USER@HOST/DATABASE"):
        Database.create(tmp_path)


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    (tmp_path / STORE).write_text(f'record = "postgresql://me:secret@/none?host={tmp_path}"\n')
    with pytest.raises(SiteError, match=r"can't be written .*check the server and what .*store\.toml says") as raised:
        Database.create(tmp_path)
    assert "secret" not in str(raised.value)


def test_tables_of_another_program_are_not_touched(tmp_path: Path, postgres: str) -> None:
    schema = f"foreign_{os.getpid()}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.recipes (name text)")
    (tmp_path / STORE).write_text(f'record = "{postgres}&options=-csearch_path%3D{schema}"\n')
    with pytest.raises(SiteError, match="holds tables of another program"):
        Database.create(tmp_path)


def cut_off(database: Database, postgres: str) -> None:
    with database.transaction():
        (pid,) = database.run("SELECT pg_backend_pid()")[0]
        database.execute(insert(audit), NOTE)
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        database.execute(insert(audit), NOTE)


def test_a_session_that_ends_takes_nothing_half_along(record: str, tmp_path: Path, postgres: str) -> None:
    if not on_postgres():
        pytest.skip("of PostgreSQL alone")
    message = r"can't be reached any more.*run the same command again"
    with Database.create(site_in(tmp_path)) as database, pytest.raises(StorageError, match=message):
        cut_off(database, postgres)
    with Database.open(site_in(tmp_path)) as database:
        assert count(database) == 0
