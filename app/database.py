"""The SQLite file of a site: opened to read by anybody, to write by one process at a time."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Self

FILE, LOCK = "site.db", "lock"
VERSION = 3
_APPLICATION = 0x51_67_68_74  # marks the file as ours


class SiteError(Exception):
    """A site that can't be had, or can't be written; the message says what, where and what to do."""


class Database:
    """A connection that several threads may share."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: int | None) -> None:
        connection.row_factory = sqlite3.Row
        self._folder = folder
        self._connection = connection
        self._lock = lock
        self._mutex = threading.RLock()

    @classmethod
    def open(cls, folder: Path, *, append: bool = False) -> Self:
        """Opens an existing site's database to read; with `append` also to add rows beside a writer."""
        if not (folder / FILE).is_file():
            raise SiteError(
                f"There is no site at {folder} (no {FILE} in it): make one with `python -m app.ingest VIDEOS "
                f"--site {folder}`, or name another with --site."
            )
        uri = f"{(folder / FILE).resolve().as_uri()}?mode={'rw' if append else 'ro'}"
        try:
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=10, isolation_level=None)
            try:
                _check_ours(connection, folder)
                if append:
                    connection.execute("PRAGMA synchronous = FULL")
                    connection.execute("BEGIN IMMEDIATE")  # fails now, not after the answer
                    connection.execute("ROLLBACK")
            except sqlite3.OperationalError as error:  # a read-only disk has no room for WAL's shared memory
                connection.close()
                if append:
                    raise SiteError(
                        f"The site at {folder} can't be written ({error}), and who asks must be noted in it: make it "
                        "writable for you."
                    ) from error
                log = folder / f"{FILE}-wal"
                if log.exists() and log.stat().st_size:  # immutable would read past it
                    raise SiteError(
                        f"The site at {folder} can't be written, and its last changes still stand in {log.name}: run "
                        "`python -m app.site` once where it can be."
                    ) from None
                connection = sqlite3.connect(uri + "&immutable=1", uri=True, check_same_thread=False)
                _check_ours(connection, folder)
        except sqlite3.Error as error:
            raise SiteError(f"The site at {folder} can't be read ({error}).") from error
        return cls(folder, connection, None)

    @classmethod
    def open_for_writing(cls, folder: Path, schema: tuple[str, ...]) -> Self:
        """Opens a site's database to write, or makes a new one; refuses while another does. Raises SiteError.

        schema: what each format added, from the first on; a site of an older format gets what it lacks.
        """
        if folder.exists() and not folder.is_dir():
            raise SiteError(f"{folder} is a file, not a site folder: name a folder with --site.")
        if folder.is_dir() and any(folder.iterdir()) and not any((folder / name).exists() for name in (FILE, LOCK)):
            raise SiteError(f"{folder} holds other files and is no site: name a new folder with --site.")
        lock = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # pictures of people: for the owner's eyes only
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SiteError(
                    f"Another process is writing to the site at {folder}: wait until it is done."
                ) from error
            connection = sqlite3.connect(folder / FILE, check_same_thread=False, timeout=10, isolation_level=None)
            database = cls(folder, connection, lock)
            database._prepare(folder, schema)
        except BaseException as error:  # whatever it is, Ctrl-C too: the lock is given back
            if lock is not None:
                os.close(lock)
            if not isinstance(error, OSError | sqlite3.Error):
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SiteError(
                f"The site at {folder} can't be written ({reason}): check the disk and its permissions, "
                "or name another folder with --site."
            ) from error
        return database

    def _prepare(self, folder: Path, schema: tuple[str, ...]) -> None:
        new = self.one("SELECT count(*) FROM sqlite_master")[0] == 0
        if not new:  # before anything is changed
            _check_ours(self._connection, folder, older=True)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            self.execute(f"PRAGMA {pragma}")
        with self.transaction():  # fails here, rather than an hour later, where nothing can be written
            have = 0 if new else self.one("PRAGMA user_version")[0]
            if have < VERSION:
                for statement in chain.from_iterable(map(_statements, schema[have:])):
                    self.execute(statement)
                self.execute(f"PRAGMA application_id = {_APPLICATION}")
                self.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is written, or nothing; other threads wait."""
        with self._mutex:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:  # whatever it is, Ctrl-C too: nothing is written
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, sql: str, *values: Any) -> int:
        """Runs a statement and returns the id of the row that it inserted."""
        with self._sound():
            return self._connection.execute(sql, values).lastrowid or 0

    def execute_many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        with self._sound():
            self._connection.executemany(sql, rows)

    def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        with self._sound():
            return self._connection.execute(sql, values).fetchone()

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._sound():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """One thread at a time; a damaged file is told as such."""
        with self._mutex:
            try:
                yield
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:  # a full disk, a broken constraint
                    raise
                raise SiteError(
                    f"{self._folder / FILE} is damaged ({error}): check the disk, and bring the site back from a "
                    "backup or ingest into a new one."
                ) from error


def _check_ours(connection: sqlite3.Connection, folder: Path, *, older: bool = False) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            raise SiteError(f"The site at {folder} was never begun (its {FILE} is empty): ingest into it again.")
        raise SiteError(f"{folder / FILE} was not made by Sightline: name another folder with --site.")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < VERSION and not older:
        raise SiteError(
            f"The site at {folder} has format {version}, this program reads {VERSION}: run `python -m app.models "
            f"--site {folder}` once, which brings it up to date."
        )
    if version > VERSION:
        raise SiteError(
            f"The site at {folder} has format {version}, this program reads {VERSION}: use the version of Sightline "
            "that made it."
        )


def _statements(script: str) -> Iterator[str]:
    """One statement after the other; sqlite3's executescript would commit in between."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
