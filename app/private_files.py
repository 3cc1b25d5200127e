"""Files for their owner's eyes only, as they show people: whole or not at all, and durable.

`reid.whole_file` is for all others: it gives a file the usual permissions, waits for no disk, and hands out a path,
which exporters want.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.database import SiteError

_PART = ".part"


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A file (mode 0600) that takes another's place when it is complete and durable, or leaves nothing behind."""
    handle, name = tempfile.mkstemp(_PART, f"{path.name}.", path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # tells `sweep` that its writer lives
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(part, path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Puts a file in its place when all of it is on the disk; mode 0600, whatever stood there before.

    Makes the folder where there is none. Raises SiteError where it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with private_file(path) as file:
            file.write(data)
    except OSError as error:
        raise SiteError(f"{path} can't be written ({error.strerror}): check the folder and the disk.") from error


def sweep(folder: Path) -> None:
    """Removes what writers left that died: it may hold what has been removed since."""
    for part in folder.glob(f"*{_PART}"):
        with suppress(OSError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


def make_folder(folder: Path) -> None:
    """A folder and those above it that are missing, for nobody else's eyes."""
    for missing in [f for f in (*reversed(folder.parents), folder) if not f.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes what was renamed or removed in a folder durable: old bytes don't come back with the power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
