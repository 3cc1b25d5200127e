"""Files that appear whole or not at all.

A reader never finds half of one, whatever moment the writer was killed at.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

_PART = ".part"
_PIECE = 2**20  # bytes overwritten at once
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISLNK, "a link"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


@contextmanager
def whole_file(path: Path, *, private: bool = False, overwriting: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place if all goes well and is removed if not.

    An empty file stands there already. It may be opened by name, as exporters do. Two writers of one path never share
    it, and the last one to end wins. What a killed writer leaves is for `sweep`.

    Raises FileExistsError where a device, a link or anything but a file stands at `path`.

    private: for its owner's eyes only (mode 0600), and on the disk before this returns. Others have the usual
    permissions, and a loss of power may undo them.

    overwriting: zeros take the bytes of what stands at `path`, when nobody finds it there any more.
    """
    check_replaceable(path)
    part, handle = _new_part(path, private)
    try:
        yield part
        # An exporter may have put a file of its own there, as safetensors does.
        part.chmod(stat.S_IMODE(os.fstat(handle).st_mode))
        if private:
            _sync(part)
        with _overwritten_after(path) if overwriting else nullcontext():
            os.replace(part, path)
            if private:
                sync_folder(path.parent)
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """A text in UTF-8 as one whole file."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def check_replaceable(path: Path) -> None:
    """Raises FileExistsError where a device, a link or anything but a file stands at `path`, else nothing is wrong."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "a device")
        raise FileExistsError(errno.EEXIST, f"it is {kind}, and only a file is replaced", str(path))


def sweep(folder: Path) -> None:
    """Overwrites and removes the parts of writers that died. They may hold what has been removed since."""
    for part in folder.glob(f"*{_PART}"):
        with suppress(OSError), part.open("r+b") as file:  # BlockingIOError: its writer lives
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink == 1:  # else it still has its place, under its own name
                overwrite(file.fileno())
            part.unlink()


def overwrite(handle: int) -> None:
    """Puts zeros over all bytes of an open file, durably."""
    size = os.fstat(handle).st_size
    for start in range(0, size, _PIECE):
        os.pwrite(handle, bytes(min(_PIECE, size - start)), start)
    os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Makes what was renamed or removed in a folder durable: old bytes don't come back with the power."""
    _sync(folder)


@contextmanager
def _overwritten_after(path: Path) -> Iterator[None]:
    """What stands at a path keeps a second name while another takes its place, so that a death loses none of it.

    `sweep` overwrites what has that name alone.
    """
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PART}")
    with path.open("r+b") as leaving:
        fcntl.flock(leaving, fcntl.LOCK_EX)  # `sweep` leaves it alone
        os.link(path, aside)
        try:
            yield
        except BaseException:
            aside.unlink()
            raise
        overwrite(leaving.fileno())
        aside.unlink()


def _new_part(path: Path, private: bool) -> tuple[Path, int]:
    """A new file and its handle, whose lock tells `sweep` that the writer lives.

    It is not made by `tempfile.mkstemp`, whose mode is always 0600. A process can't learn its umask without changing it
    for all threads.
    """
    while True:
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PART}")
        try:
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if private else 0o666)
        except FileExistsError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            if private:
                os.close(handle)
                part.unlink()
                raise
        if os.fstat(handle).st_nlink:
            return part, handle
        os.close(handle)  # swept before the lock was had


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
