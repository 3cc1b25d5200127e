"""Files for their owner's eyes only, as they show people."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from app.errors import SiteError
from reid.whole_file import whole_file

_PIECE = 2**20  # bytes overwritten at once


def write_private(path: Path, data: bytes) -> None:
    """Puts a file in its place when all of it is on the disk. Its mode is 0600, whatever stood there before.

    Makes the folder where there is none. Raises SiteError where it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, private=True) as part:
            part.write_bytes(data)
    except OSError as error:
        raise SiteError(f"{path} can't be written ({error.strerror}): check the folder and the disk.") from error


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
        size = os.fstat(handle).st_size
        for start in range(0, size, _PIECE):
            os.pwrite(handle, bytes(min(_PIECE, size - start)), start)
        os.fsync(handle)
    finally:
        os.close(handle)
