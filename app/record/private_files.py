"""Files for their owner's eyes only, as they show people."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.errors import SiteError
from reid.whole_file import check_replaceable, overwrite, whole_file

_OTHERS = 0o077  # what a file's group and all others may do


@contextmanager
def private_file(path: Path) -> Iterator[Path]:
    """A path to write to. What is written takes its place at `path` when all of it is on the disk.

    Its mode is 0600, whatever stood there before. Makes the folder where there is none. Raises SiteError where it can't
    be written, or where a device or anything but a file stands there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, private=True) as part:
            yield part
    except OSError as error:
        raise _not_written(path, error) from error


def write_private(path: Path, data: bytes) -> None:
    """As `private_file`, of these bytes."""
    with private_file(path) as part:
        part.write_bytes(data)


def check_writable(*paths: Path) -> None:
    """Before long work: raises SiteError where `private_file` could not put a file at one of the paths."""
    for path in paths:
        try:
            check_replaceable(path)
        except OSError as error:
            raise _not_written(path, error) from error


def make_private(folder: Path) -> None:
    """Takes a folder, and all that is in it, from all others' eyes. Links are left alone.

    Raises SiteError where that can't be.
    """
    try:
        _hide(folder)
        for inside, folders, files in os.walk(folder):
            for name in (*folders, *files):
                with suppress(FileNotFoundError):  # others may be at it, too
                    _hide(Path(inside, name))
    except OSError as error:
        raise SiteError(
            f"Others can read {error.filename}, and that can't be changed ({error.strerror}): let its owner run this, "
            "or move the site to a disk that keeps permissions."
        ) from error


def _hide(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) or not mode & _OTHERS:
        return
    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    if path.lstat().st_mode & _OTHERS:
        raise PermissionError(errno.EPERM, "the disk keeps no permissions", str(path))


def _not_written(path: Path, error: OSError) -> SiteError:
    return SiteError(f"{path} can't be written ({error.strerror}): check the folder and the disk.")


def make_folder(folder: Path) -> None:
    """A folder and those above it that are missing, for nobody else's eyes."""
    for missing in [f for f in (*reversed(folder.parents), folder) if not f.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)


def wipe(path: Path) -> None:
    """Overwrites a file, or all files of a folder, with zeros, then removes them.

    A process that still has one of them open, or mapped into memory, finds zeros. One that writes into the folder
    meanwhile finds it gone.
    """
    while path.exists():
        for file in [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]:
            _overwrite(file)
            file.unlink(missing_ok=True)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # somebody may just have written another file


def _overwrite(file: Path) -> None:
    try:
        handle = os.open(file, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        overwrite(handle)
    finally:
        os.close(handle)
