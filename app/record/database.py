"""A site's record as a database: SQLite in the site's folder, or PostgreSQL where `store.toml` there says so.

Anybody may read at any time. Every write is a short transaction, and one waits for the other. What a process has
committed survives its death at any moment.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import sqlalchemy
from numpy.typing import NDArray
from sqlalchemy import URL, Connection, CursorResult, Executable, Row, Select, Table, exc, func, select
from sqlalchemy.pool import NullPool

from app.errors import SiteError, StorageError, no_more
from app.record import leases
from app.record.places import FOLDER, STORE, Places, read_places
from app.record.schema import FORMAT, metadata, settings

FILE = "site.db"
OLD_LOCK = "lock"  # of formats 1 to 3: one writer held it for the whole of a run
_APPLICATION = 0x51_67_68_74  # marks a SQLite file as ours
_WAIT = 60.0  # s that a write waits for others' transactions, which are short
_READERS_WAIT = 10.0  # s that erasing waits for programs that read the record
# s, s, tries: within a minute a server knows that a machine is gone. By itself it keeps its leases for two hours.
_KEEPALIVES = {"tcp_keepalives_idle": 20, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
_TRY = 0.1  # s of these at once, in which nobody else can write
_PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")
CONFIG = "site.toml"  # may be in a site's folder before there is a site: it names live cameras
_OF_OLDER_FORMATS = (OLD_LOCK, "adapt/held-back.json", "index")  # what format 4 keeps in the record, or not at all

PLACE = "place of the pictures"  # a setting: a URL, or FOLDER. MOVED where the record itself is elsewhere by now
MOVED = "moved"
_WHERE = select(settings.c.value).where(settings.c.name == PLACE)

Values = dict[str, Any]
AnyRow = Row[*tuple[Any, ...]]
AnyResult = CursorResult[*tuple[Any, ...]]


class Database:
    """A connection that several threads may share."""

    def __init__(self, folder: Path, places: Places, *, write: bool) -> None:
        self.folder, self.places = folder, places
        self.moving = False  # whether it may be used though it is on its way to another place
        self._engine = engine = _engine(folder, places.url, write)
        self.connection: Connection = engine.connect()
        self._mutex = threading.RLock()
        self.postgres = engine.dialect.name == "postgresql"
        self.leases: leases.Leases = (
            leases.AdvisoryLeases(self._ask) if self.postgres else leases.FileLeases(folder / leases.FOLDER)
        )

    # --- opening

    @classmethod
    def open(cls, folder: Path, *, write: bool = False, moving: bool = False) -> Self:
        """Opens an existing record to read, or also to write. Raises SiteError where there is none, or it can't.

        moving: also where a move of the site was interrupted.
        """
        places = read_places(folder)
        if places.record == FOLDER and not (folder / FILE).is_file():
            raise SiteError(
                f"There is no site at {folder} (no {FILE} in it): make one with `python -m app.ingest VIDEOS "
                f"--site {folder}`, or name another with --site."
            )
        with _opening_errors(folder, places, "written" if write else "read"):
            database = cls(folder, places, write=write)
            database.moving = moving
            try:
                database._prepare(write, new=False)
                database.check_places()
            except BaseException:
                database.close()
                raise
        return database

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Opens a record to write, or makes a new one. Raises SiteError where it can't."""
        if folder.exists() and not folder.is_dir():
            raise SiteError(f"{folder} is a file, not a site folder: name a folder with --site.")
        ours = (FILE, STORE, OLD_LOCK, leases.FOLDER)
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if there - {CONFIG} and not there & set(ours):
            raise SiteError(f"{folder} holds other files and is no site: name a new folder with --site.")
        places = read_places(folder)
        with _opening_errors(folder, places, "written"):
            database = cls._at(folder, places)
            try:
                database._prepare(True, new=True)
                database.check_places()
            except BaseException:  # whatever it is, Ctrl-C too: the connection is given back
                database.close()
                raise
        return database

    @classmethod
    def at(cls, folder: Path, places: Places) -> Self:
        """What stands at a place where a site's record may come to be, to write. Nothing is made there or checked."""
        with _opening_errors(folder, places, "written"):
            database = cls._at(folder, places)
            database.moving = True
            try:
                database._introduce()
                for pragma in () if database.postgres else _PRAGMAS:
                    database.run(f"PRAGMA {pragma}")
            except BaseException:
                database.close()
                raise
        return database

    @classmethod
    def _at(cls, folder: Path, places: Places) -> Self:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # pictures of people: for the owner's eyes only
        if places.record == FOLDER:
            with suppress(FileExistsError):  # SQLite's locks end where their process closes the file: see `looking`
                os.close(os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return cls(folder, places, write=True)

    def _prepare(self, write: bool, *, new: bool) -> None:
        """Checks that the record is ours and of this format. Makes or upgrades it where it may be written."""
        self._introduce()
        stored = self._format()
        if stored is None and not new:
            raise SiteError(f"The site at {self.folder} was never begun (its record is empty): ingest into it again.")
        if stored is not None and int(stored) > int(FORMAT):
            raise SiteError(
                f"The site at {self.folder} has format {stored}, this program reads {FORMAT}: use the version of "
                "Sightline that made it."
            )
        if stored != FORMAT:
            if not write:
                with Database.open(self.folder, write=True):
                    pass
                return
            self._make()
        if write and not self.postgres:
            for pragma in _PRAGMAS:
                self.run(f"PRAGMA {pragma}")
            with self._transaction():  # fails here, rather than an hour later, where nothing can be written
                pass
            for name in _OF_OLDER_FORMATS:
                _remove(self.folder / name)
        elif self.postgres and not write:
            self.run("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")

    def _introduce(self) -> None:
        """Tells a server how long this waits for others, and as whom it is shown to them."""
        if self.postgres:
            self.run(f"SET lock_timeout = '{_WAIT:.0f}s'")
            for name, value in _KEEPALIVES.items():
                self.run(f"SET {name} = {value}")
            self.run("SELECT set_config('application_name', %s, false)", leases.program())

    def _make(self) -> None:
        """Makes the tables, or brings those of an older format up to date. One process at a time does so."""
        from app.record import migrations

        with self.lease(leases.MAKING), _older_writers_away(self.folder):
            if not self.postgres:
                self.run("PRAGMA journal_mode = WAL")
            with self._transaction():
                stored = self._format()  # another process may just have done it
                if stored is None:
                    self._make_tables()
                elif stored != FORMAT:
                    if not self.has("alembic_version"):
                        migrations.stamp(self.connection, stored)
                    migrations.upgrade(self.connection, self.folder)

    def _make_tables(self) -> None:
        from app.record import migrations, vectors

        metadata.create_all(self.connection)
        if self.postgres:
            vectors.create(self.connection)
        migrations.stamp(self.connection, FORMAT)
        if not self.postgres:
            self.run(f"PRAGMA application_id = {_APPLICATION}")
            self.run(f"PRAGMA user_version = {FORMAT}")

    def make_anew(self) -> None:
        """Drops all tables of a record and makes them again, empty, in the caller's transaction."""
        self.drop()
        self._make_tables()

    def drop(self) -> None:
        """Drops all tables of a record, in the caller's transaction."""
        from app.record import vectors

        metadata.drop_all(self.connection)
        if self.postgres:
            vectors.drop(self.connection)
        self.run("DROP TABLE IF EXISTS alembic_version")

    def is_begun(self) -> bool:
        """Whether there is a record. Raises SiteError where there are tables of another program."""
        return self._format() is not None

    def check_places(self) -> None:
        """Raises SiteError where the record says that it, or the site's pictures, are at another place by now."""
        if self.moving:
            return
        try:
            row = self.first(_WHERE)
            if row is None or self.json(row.value, "settings") == self.places.store:
                return
        except (SiteError, exc.SQLAlchemyError):  # of damage others tell
            return
        raise SiteError(
            f"The site at {self.folder} was moved, or is being moved, away from where its {STORE} says: give that "
            f"`python -m app.site move` again, or take {STORE} from where it was given, then start again what runs "
            "here."
        )

    def _format(self) -> str | None:
        """The record's format. None where nothing is in it. Raises SiteError where it is not ours."""
        if self.postgres:
            if self.has("alembic_version"):
                return str(self._ask("SELECT version_num FROM alembic_version"))
            if self._ask("SELECT 1 FROM pg_tables WHERE schemaname = current_schema()"):
                raise SiteError(f"The database that {self.folder / STORE} names holds tables of another program.")
            return None
        if not self._ask("SELECT count(*) FROM sqlite_master"):
            return None
        if self._ask("PRAGMA application_id") != _APPLICATION:
            raise SiteError(f"{self.folder / FILE} was not made by Sightline: name another folder with --site.")
        return str(self._ask("PRAGMA user_version"))

    def has(self, table: str) -> bool:
        """Whether there is such a table."""
        return sqlalchemy.inspect(self.connection).has_table(table)

    def differences(self) -> list[str]:
        """What of the tables is not as the schema says."""
        from app.record import migrations

        with self._sound():
            return migrations.differences(self.connection)

    def close(self) -> None:
        """Gives the connection back."""
        self.connection.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- statements

    def lease(self, lease: leases.Lease) -> Any:
        """Around the work that a lease is for. Raises Busy where somebody else has it."""
        return leases.held(self.leases, lease, self.folder)

    @contextmanager
    def transaction(self, *, alone: bool = True) -> Iterator[None]:
        """All that is written inside is written, or nothing. Raises StorageError where the disk takes no more.

        Other threads wait, and other processes' writes. In PostgreSQL those that only add rows (`alone=False`) go on
        beside each other. So what is read inside may be outdated by such.
        """
        with self._storing(), self._transaction(alone):
            self.check_places()
            yield

    @contextmanager
    def _transaction(self, alone: bool = True) -> Iterator[None]:
        with self._mutex:
            self.run("BEGIN" if self.postgres else "BEGIN IMMEDIATE")
            try:
                if self.postgres:
                    shared = "" if alone else "_shared"
                    self.run(f"SELECT pg_advisory_xact_lock{shared}({leases.KEY})", "writing")
                yield
                self.run("COMMIT")
            except BaseException:  # whatever it is, Ctrl-C too: nothing is written
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        # The database may have rolled it back by itself, or the connection is gone, and the transaction with it.
        with suppress(exc.SQLAlchemyError, SiteError):
            self.run("ROLLBACK")

    def execute(self, statement: Executable, values: Values | Sequence[Values] | None = None) -> AnyResult:
        """Runs a statement that writes, once, or for each of many rows."""
        with self._sound():
            return self.connection.execute(statement, values)

    def all(self, statement: Executable, **values: Any) -> Sequence[AnyRow]:
        """All rows. Nothing stays open behind it, so no reader holds anybody up."""
        with self._sound():
            return self.connection.execute(statement, values).fetchall()

    def columns(self, statement: Executable) -> list[tuple[Any, ...]]:
        """All rows of numbers and texts by column, in half the time. Nothing where there is no row."""
        with self._sound():
            result = self.connection.execute(statement)
            return list(zip(*result.cursor.fetchall())) if result.cursor is not None else []

    def first(self, statement: Executable, **values: Any) -> AnyRow | None:
        """The first row, or None."""
        with self._sound():
            return self.connection.execute(statement, values).fetchone()

    def ids(self, wanted: Select[Any]) -> NDArray[np.int64]:
        """The first column `(n,)` of all rows."""
        return np.array([row[0] for row in self.all(wanted)], np.int64)

    def next_id(self, table: Table) -> int:
        """The next free id of a table, in a transaction that is alone. So ids have no gaps, in both dialects."""
        row = self.first(select(func.coalesce(func.max(table.c.id), 0) + 1))
        assert row is not None
        return int(row[0])

    def take_turns(self, name: str) -> None:
        """Until this transaction ends, others that come here wait. SQLite's all take turns anyway."""
        if self.postgres:
            self.run(f"SELECT pg_advisory_xact_lock({leases.KEY})", name)

    def json(self, text: str | None, what: str) -> Any:
        """What a column holds as JSON, None where it is NULL. Raises SiteError where it is damaged."""
        try:
            return json.loads(text or "null")
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"a row of {what} is no JSON") from error

    def damaged(self, what: str) -> SiteError:
        """That a part of the record is not what was written."""
        return SiteError(
            f"The record of the site at {self.folder} is damaged ({what}): "
            f"`python -m app.site --verify --site {self.folder}` tells what to do."
        )

    def run(self, sql: str, *values: Any) -> Sequence[AnyRow]:
        """Runs what only one of the dialects knows. Returns its rows, where it has any."""
        with self._sound():
            result = self.connection.exec_driver_sql(sql, values)
            return result.fetchall() if result.returns_rows else []

    def copy_in(self, statement: str, pieces: Iterable[bytes]) -> None:
        """Runs PostgreSQL's COPY from this process, in the caller's transaction."""
        with self._copying(statement) as copy:
            for piece in pieces:
                copy.write(piece)

    def copy_out(self, statement: str) -> bytearray:
        """What PostgreSQL's COPY to this process gives."""
        with self._copying(statement) as copy:
            data = bytearray()
            for piece in copy:
                data += piece
        return data

    @contextmanager
    def _copying(self, statement: str) -> Iterator[Any]:
        driver = self.connection.connection.driver_connection
        assert driver is not None
        with self._mutex:
            try:
                with driver.cursor().copy(statement) as copy:
                    yield copy
            except self._engine.dialect.loaded_dbapi.Error as error:
                words = " ".join(str(error).split()).rstrip(".")
                raise (self._out_of_reach(words) if driver.closed else no_more(self.folder, words)) from error

    def _ask(self, sql: str, *values: Any) -> Any:
        rows = self.run(sql, *values)
        return rows[0][0] if rows else None

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """One thread at a time. A damaged file, or a server that is gone, is told as such."""
        with self._mutex:
            try:
                yield
            except exc.DBAPIError as error:
                if _is_damage(error):
                    raise self._broken(str(error.orig)) from error
                if error.connection_invalidated:
                    raise self._out_of_reach(_words(error)) from error
                raise
            except UnicodeDecodeError as error:  # names of tables that are none any more, in what SQLite says of them
                raise self._broken("it holds text that is none") from error
            except exc.PendingRollbackError as error:  # the connection was lost before
                raise self._out_of_reach("the connection was lost") from error

    def _broken(self, reason: str) -> SiteError:
        return SiteError(
            f"{self.folder / FILE} is damaged ({reason}): check the disk, and bring the site back from a backup or "
            "ingest into a new one."
        )

    def _out_of_reach(self, reason: str) -> StorageError:
        return StorageError(
            f"The record of the site at {self.folder} can't be reached any more ({reason}): all that was committed "
            "before is safe; see to the server and run the same command again."
        )

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except exc.OperationalError as error:
            if _is_busy(error):
                raise StorageError(_others_write(self.folder)) from error
            raise no_more(self.folder, _words(error)) from error

    # --- what is erased

    def forget_deleted(self, *, anew: bool = False) -> list[str]:
        """Takes the bytes of deleted rows off the disk.

        anew: writes all of SQLite's file, too. Where it moved rows from page to page, copies of them may be left.

        Returns a sentence for each place where only the server could. Raises StorageError where another program's
        reading is in the way.
        """
        if self.postgres:
            return self._rewrite()
        if anew:
            with self._storing():
                self.run("VACUUM")
        return self._truncate_log()

    def _truncate_log(self) -> list[str]:
        """SQLite overwrites deleted rows, but its write-ahead log still holds the pages as they were."""
        limit = time.monotonic() + _READERS_WAIT
        with self._storing():
            self.run(f"PRAGMA busy_timeout = {1000 * _TRY:.0f}")  # while it waits for readers, nobody can write
            try:
                while (busy := self.run("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]) and time.monotonic() < limit:
                    time.sleep(_TRY)
            finally:
                self.run(f"PRAGMA busy_timeout = {1000 * _WAIT:.0f}")
        if busy:
            raise StorageError(
                f"Another program reads {self.folder / FILE} and keeps what was erased in its log: end that program, "
                "then run the same command again."
            )
        return []

    def _rewrite(self) -> list[str]:
        """PostgreSQL keeps deleted rows in its files until a table is written anew, and in its log."""
        from app.record import vectors

        left = []
        with self._storing():
            for table in metadata.sorted_tables:
                self.run(f"VACUUM (FULL) {table.name}")
            vectors.Vectors(self).rewrite()
            try:
                self.run("SELECT pg_switch_wal()")
                for _ in range(2):  # the second one removes what the first one still needed
                    self.run("CHECKPOINT")
            except exc.ProgrammingError as error:
                left.append(f"its user may not renew the server's log ({_words(error)}), which keeps deleted rows")
        if self._ask("SHOW wal_recycle") == "on":
            left.append("the server uses its log's files again (wal_recycle = on): what they held stays until then")
        return left


def _is_damage(error: exc.DBAPIError) -> bool:
    """Whether SQLite can't make sense of its file. A full disk or a broken constraint is something else."""
    if type(error.orig) is sqlite3.DatabaseError:
        return True
    # Tables or columns that are gone, and text that is no UTF-8, which Python's own driver tells, without a code.
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return type(error.orig) is sqlite3.OperationalError and code == sqlite3.SQLITE_ERROR


def _is_busy(error: exc.DBAPIError) -> bool:
    """Whether others' transactions took too long."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_BUSY or getattr(error.orig, "sqlstate", None) == "55P03"  # lock_not_available


def _others_write(folder: Path) -> str:
    return (
        f"Another process has been writing to the site at {folder} for more than {_WAIT:.0f} s: wait until it is done, "
        "then run the same command again; all that was committed before is safe."
    )


def _engine(folder: Path, url: URL | None, write: bool) -> sqlalchemy.Engine:
    options: dict[str, Any] = {"poolclass": NullPool, "isolation_level": "AUTOCOMMIT"}  # transactions are begun by hand
    if url is not None:
        try:
            return sqlalchemy.create_engine(url, **options)
        except ModuleNotFoundError as error:
            raise SiteError(
                f"{folder / STORE} names a PostgreSQL, and psycopg is not installed: pip install '.[postgres]' in the "
                "checkout of Sightline."
            ) from error
    return sqlalchemy.create_engine("sqlite://", creator=lambda: _connect(folder, write), **options)


def _connect(folder: Path, write: bool) -> sqlite3.Connection:
    """A connection that begins no transaction by itself."""
    path = folder / FILE
    if write:
        return sqlite3.connect(path, check_same_thread=False, timeout=_WAIT, isolation_level=None)
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=_WAIT, isolation_level=None)
    try:
        connection.execute("PRAGMA application_id")
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:  # a read-only disk has no room for WAL's shared memory
        connection.close()
        log = folder / f"{FILE}-wal"
        if log.exists() and log.stat().st_size:  # immutable would read past it
            raise SiteError(
                f"The site at {folder} can't be written, and its last changes still stand in {log.name}: run "
                "`python -m app.site` once where it can be."
            ) from None
        connection = sqlite3.connect(uri + "&immutable=1", uri=True, check_same_thread=False, isolation_level=None)
    return connection


@contextmanager
def _opening_errors(folder: Path, places: Places, what: str) -> Iterator[None]:
    """What stands in the way of opening, as a sentence."""
    try:
        yield
    except (OSError, UnicodeDecodeError, exc.SQLAlchemyError, sqlite3.Error) as error:
        if isinstance(error, exc.DBAPIError) and _is_busy(error):
            raise SiteError(_others_write(folder)) from error
        if isinstance(error, exc.DBAPIError):
            reason = _words(error)
        else:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        advice = (
            "check the disk and its permissions, or name another folder with --site."
            if places.record == FOLDER
            else f"check the server and what {folder / STORE} says."
        )
        raise SiteError(f"The site at {folder} can't be {what} ({reason}): {advice}") from error


def _words(error: exc.DBAPIError) -> str:
    """What the database said, in one line and without the statement."""
    return " ".join(str(error.orig).split()).rstrip(".")


@contextmanager
def _older_writers_away(folder: Path) -> Iterator[None]:
    """Programs of formats 1 to 3 held a lock for as long as they wrote. None may be at it while the format changes."""
    path = folder / OLD_LOCK
    if not path.exists():
        yield
        return
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SiteError(
                f"An older version of Sightline is writing to the site at {folder}: wait until it is done."
            ) from error
        yield


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
