"""The film of footage, as it is opened: the file that was taken in, or what was recorded of a live camera."""

from __future__ import annotations

import stat
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.record.rows import FootageRecord

if TYPE_CHECKING:
    from app.footage import Footage


def film_of(record: FootageRecord, time: float | None = None) -> Footage | None:
    """What shows footage at a time, UTC seconds, or at its end. None where it is gone, or never was recorded."""
    from app.footage import Footage  # decoders come with it, which who only reads a site does not need
    from app.footage.recording import pieces

    path, start, size = record.path, record.start, record.size
    if record.start_source == "camera":
        until = record.start + record.seconds if time is None else time
        begun = [piece for piece in pieces(record.path) if piece.start <= until]
        if not begun:
            return None
        path, start, size = begun[-1].path, begun[-1].start, begun[-1].size
    elif not path.exists():
        return None
    return Footage(
        camera=record.camera,
        path=path,
        name=record.name,
        start=start,
        start_source=record.start_source,
        size=size,
        fingerprint=record.fingerprint,
    )


def is_as_taken_in(record: FootageRecord) -> bool:
    """Whether footage's file is just the one that was taken in.

    Folders are none, and neither are recordings of live cameras, which grow and leave.
    """
    try:
        status = record.path.stat()
    except OSError:
        return False
    if record.start_source == "camera" or not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
        return False
    return _has_fingerprint(record.path, record.size, record.fingerprint, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _has_fingerprint(path: Path, size: int, fingerprint: str, _file: int, _changed: int) -> bool:
    """Looked at again when the file is another one, or was changed."""
    from app.footage.fingerprint import grown

    return grown(path, size, fingerprint)
