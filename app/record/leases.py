"""Leases: the right to do one kind of work on one part of a site, lost when its holder dies.

Locally a lease is a lock on a file of `leases/`. In PostgreSQL it is an advisory lock of the session that writes. The
system gives either back when its process ends, however it ends. Long work takes its lease at once or is refused.
Nobody waits for one while holding another that somebody could wait for, so there is no deadlock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.errors import Busy, no_more

FOLDER = "leases"
_PAUSE = 0.02  # s between two tries


@dataclass(frozen=True, slots=True)
class Lease:
    """What somebody may hold: `name` is unique in a site, `work` says what its holder does."""

    name: str
    work: str
    wait: float = 0.0  # s that one may have to wait for it, 0 for long work, which is refused at once


def of_camera(camera: str, wait: float = 0.0) -> Lease:
    """To take in footage of a camera. wait: seconds for those whose holder may just be dying."""
    name = f"footage-{hashlib.blake2b(camera.encode(), digest_size=8).hexdigest()}"
    return Lease(name, f"ingesting {camera}", wait)


LEARNING = Lease("learning", "adapting or adding a model")
MERGING = Lease("merging", "merging")
ERASING = Lease("erasing", "erasing or writing derived files", wait=600.0)  # held for moments, by `erase` for seconds
JOBS = Lease("jobs", "running jobs")
ALERTING = Lease("alerting", "looking for who is seen again")  # of servers one has it, as long as it runs
NAMING = Lease("naming", "changing site.toml", wait=10.0)  # held for moments
MAKING = Lease("making", "making the site or bringing it up to date", wait=60.0)


class Leases(Protocol):
    """Where leases are kept."""

    def try_to_take(self, name: str) -> Callable[[], None] | None:
        """What gives it back, or None where somebody has it, be it another thread of this process."""

    def holder(self, name: str) -> str:
        """Who has it, for a sentence."""


@contextmanager
def held(leases: Leases, lease: Lease, site: Path) -> Iterator[None]:
    """Around the work that a lease is for. Raises Busy where somebody else has it, after `wait` seconds."""
    limit = time.monotonic() + lease.wait
    while (give_back := leases.try_to_take(lease.name)) is None:
        if time.monotonic() >= limit:
            raise Busy(
                f"Another process ({leases.holder(lease.name)}) is {lease.work} at the site {site}: wait until it is "
                "done, then run the same command again."
            )
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        give_back()


class FileLeases:
    """Locks on files of a folder. The files stay, as removing one could give its lease to two."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def try_to_take(self, name: str) -> Callable[[], None] | None:
        """What gives the file's lock back, or None where somebody has it."""
        with _told(self._folder):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        with ExitStack() as closing:
            closing.callback(os.close, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            with _told(self._folder):
                os.truncate(file, 0)
                os.pwrite(file, f"process {os.getpid()}".encode(), 0)
            return closing.pop_all().close

    def holder(self, name: str) -> str:
        """What the holder wrote into the file."""
        try:
            return (self._folder / name).read_text(encoding="utf-8") or "just starting"
        except OSError:
            return "of another user"


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Raises StorageError where the disk takes no more."""
    try:
        yield
    except OSError as error:
        raise no_more(folder.parent, error.strerror or str(error)) from error


class AdvisoryLeases:
    """PostgreSQL's advisory locks, of the session that also writes: without the session there is neither."""

    def __init__(self, ask: Callable[..., object]) -> None:
        """`ask`: the first column of a query's first row, with parameters."""
        self._ask = ask
        self._held_names: set[str] = set()  # a session may take its own lock twice. Threads of one process must not
        self._mutex = threading.Lock()

    def try_to_take(self, name: str) -> Callable[[], None] | None:
        """What gives the advisory lock back, or None where somebody has it."""
        with self._mutex:
            if name in self._held_names or not self._ask(f"SELECT pg_try_advisory_lock({KEY})", name):
                return None
            self._held_names.add(name)

        def give_back() -> None:
            with self._mutex:
                self._held_names.discard(name)
                self._ask(f"SELECT pg_advisory_unlock({KEY})", name)

        return give_back

    def holder(self, name: str) -> str:
        """How the session that has the lock calls itself."""
        holder_name = self._ask(
            "SELECT application_name || coalesce(' on ' || host(client_addr), '') FROM pg_locks JOIN pg_stat_activity "
            "USING (pid) WHERE locktype = 'advisory' AND granted AND pg_locks.database = (SELECT oid FROM pg_database "
            f"WHERE datname = current_database()) AND (classid::bigint << 32) + objid::bigint = {KEY} LIMIT 1",
            name,
        )
        return str(holder_name or "just ending")


# Advisory locks are the database's, and a site is one schema of it.
KEY = "hashtextextended(current_schema() || ' sightline ' || %s, 0)"


def program() -> str:
    """How this process is called where leases are shown, at most 63 bytes."""
    return f"process {os.getpid()}, {Path(sys.argv[0]).name}"[:60]
