"""Files that somebody sends to a site, piece by piece: footage, and encoders.

Each has a folder in `uploads/`, for its owner's eyes only, with a name that is made here. What its sender calls it is
a label, and is never part of a path. A file that has come in part goes on where it stopped, also after the server died.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from app.errors import Busy, FootageError, SiteError, StorageError, no_more
from app.record.database import Database
from app.record.private_files import make_folder, wipe, write_private
from app.record.schema import cameras
from reid.whole_file import sync_folder

FOLDER = "uploads"
MOST_BYTES = 64 * 2**30  # of one file
MOST_OPEN = 20  # of one sender, that have not come whole
KEPT_FREE = 2**30  # bytes of the disk that uploads leave to the site
STALE = 24 * 3600.0  # s after which what has not come whole, or was no good, is removed
_PART, _ABOUT, _WHOLE, _CAMERA = "part", "upload.json", "whole", "camera"
_LETTERS = "bcdfghjklmnpqrstvwxz"  # no digits, which could be read as a time, and no words
_ID = re.compile(f"[{_LETTERS}]{{20}}")
_PIECE = 2**20  # bytes read at once
_PATTERN = "{camera}/*"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to send."""

    camera: str  # that filmed it. Empty for an encoder
    label: str  # what its sender calls the file
    size: int  # bytes
    suffix: str  # one of those that are known, with its dot
    start: float | None = None  # UTC seconds, where its sender knows when it began
    modified: float | None = None  # UTC seconds: when the file was last written where it comes from
    sha256: str | None = None  # hexadecimal, where its sender knows it


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that comes, or has come."""

    id: str
    wish: Wish
    who: str
    made: float  # UTC seconds
    received: int  # bytes
    is_whole: bool  # it was finished


class Uploads:
    """Those of one site."""

    def __init__(self, site: Path) -> None:
        self._site = site.resolve()
        self._folder = self._site / FOLDER

    def begin(self, wish: Wish, *, who: str) -> Upload:
        """Makes room for a file. Raises SiteError where it can't come, StorageError where the disk has no room."""
        if not 0 < wish.size <= MOST_BYTES:
            raise SiteError(f"{wish.label} has {wish.size:,} bytes: a file may have 1 to {MOST_BYTES:,}.")
        coming = [upload for upload in self.all() if not upload.is_whole]
        if sum(upload.who == who for upload in coming) >= MOST_OPEN:
            raise SiteError(f"{who} is sending {MOST_OPEN} files already: finish or remove one of them first.")
        promised = sum(upload.wish.size - upload.received for upload in coming)
        free = shutil.disk_usage(self._site).free - promised - KEPT_FREE
        if wish.size > free:
            raise StorageError(
                f"{wish.label} has {wish.size:,} bytes, and the site's disk has room for {max(0, free):,}: make room, "
                "or send a shorter film."
            )
        number = "".join(secrets.choice(_LETTERS) for _ in range(20))
        folder = self._folder / number
        try:
            make_folder(folder)
            os.close(os.open(folder / _PART, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise no_more(self._site, error.strerror or str(error)) from error
        about = {"wish": asdict(wish), "who": who, "made": time.time()}
        write_private(folder / _ABOUT, json.dumps(about).encode())
        return self._read(number)

    def all(self) -> list[Upload]:
        """All of them, the oldest first."""
        numbers = [path.name for path in self._folder.glob("*") if _ID.fullmatch(path.name)]
        found = [upload for number in numbers if (upload := self.get(number)) is not None]
        return sorted(found, key=lambda upload: (upload.made, upload.id))

    def get(self, number: str) -> Upload | None:
        """One of them, None where there is none."""
        if not _ID.fullmatch(number):
            return None
        try:
            return self._read(number)
        except (OSError, ValueError, KeyError, TypeError):  # it is being made or removed
            return None

    def _read(self, number: str) -> Upload:
        folder = self._folder / number
        about = json.loads((folder / _ABOUT).read_text("utf-8"))
        wish = Wish(**about["wish"])
        whole = self._whole_path(number, wish)
        is_whole = whole.is_file()
        received = (whole if is_whole else folder / _PART).stat().st_size
        return Upload(number, wish, about["who"], about["made"], received, is_whole)

    def append(self, upload: Upload, offset: int, data: bytes) -> int:
        """Adds bytes. Returns how many have come now.

        Nothing is added where not just `offset` bytes had come, or where there would be more than the file has. Raises
        Busy where another request adds to it, StorageError where the disk takes no more.
        """
        with self._part(upload) as part:
            here = os.fstat(part).st_size
            if here != offset or here + len(data) > upload.wish.size:
                return here
            try:
                os.lseek(part, 0, os.SEEK_END)
                view = memoryview(data)
                while view:
                    view = view[os.write(part, view) :]
                os.fsync(part)
            except OSError as error:
                os.ftruncate(part, here)
                raise no_more(self._site, error.strerror or str(error)) from error
            return here + len(data)

    def finish(self, upload: Upload, check: Callable[[Path, Wish], None]) -> Path:
        """Takes a file that has come whole, and returns where it now is. It is removed where it is not as it should be.

        check: raises FootageError or SiteError where its content is not what was announced, with no path in its words.
        Raises SiteError where bytes are missing, or where its SHA-256 is another one.
        """
        whole = self._whole_path(upload.id, upload.wish)
        if upload.is_whole:
            return whole
        with self._part(upload) as part:
            size = os.fstat(part).st_size
            if size != upload.wish.size:
                raise SiteError(
                    f"{upload.wish.label} has {upload.wish.size:,} bytes, and {size:,} have come: send the rest."
                )
            try:
                if upload.wish.sha256 is not None and _digest(part) != upload.wish.sha256.lower():
                    raise SiteError(f"{upload.wish.label} came with another SHA-256 than was said: send it again.")
                check(self._folder / upload.id / _PART, upload.wish)
            except (SiteError, FootageError):
                self.remove(upload)
                raise
            if upload.wish.modified is not None:
                os.utime(part, (upload.wish.modified, upload.wish.modified))
            make_folder(whole.parent)
            os.fsync(part)
            (self._folder / upload.id / _PART).rename(whole)
            sync_folder(whole.parent)
        return whole

    def remove(self, upload: Upload) -> None:
        """Removes a file, its bytes too."""
        wipe(self._folder / upload.id)

    def path(self, upload: Upload) -> Path:
        """Where a file is that has come whole."""
        return self._whole_path(upload.id, upload.wish)

    def owner(self, path: Path) -> Upload | None:
        """Which of them a path is of, None where it is of none."""
        try:
            return self.get(path.relative_to(self._folder).parts[0])
        except (ValueError, IndexError):
            return None

    def for_ingest(self, upload: Upload, database: Database) -> Path:
        """The folder that ingest takes as footage of the upload's camera, with a `site.toml` that says so.

        What a camera had before it keeps: its mask, its zone of time, the least height of people.
        """
        folder = self.path(upload).parents[1]
        row = database.first(select(cameras).where(cameras.c.name == upload.wish.camera))
        lines = [
            "[site]",
            f"cameras = {_toml(_PATTERN)}",
            f"[cameras.{_CAMERA}]",
            f"name = {_toml(upload.wish.camera)}",
        ]
        if upload.wish.start is not None:
            lines.append(f"start = {datetime.fromtimestamp(upload.wish.start, UTC).isoformat()}")
        if row is not None:
            lines.append(f"mask = {row.mask}")
            lines += [] if row.min_height is None else [f"min_person_height = {row.min_height}"]
            lines += [] if row.time_zone is None else [f"time_zone = {_toml(row.time_zone)}"]
        write_private(folder / "site.toml", "\n".join([*lines, ""]).encode())
        return folder

    def _whole_path(self, number: str, wish: Wish) -> Path:
        return self._folder / number / _WHOLE / _CAMERA / f"{number}{wish.suffix}"

    @contextmanager
    def _part(self, upload: Upload) -> Iterator[int]:
        """The file as far as it has come, for this request alone."""
        try:
            part = os.open(self._folder / upload.id / _PART, os.O_RDWR)
        except FileNotFoundError as error:
            raise SiteError(f"{upload.wish.label} has come whole already, or was removed.") from error
        try:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(f"Another request sends {upload.wish.label} just now: wait until it is done.") from error
            yield part
        finally:
            os.close(part)


def _digest(part: int) -> str:
    """The SHA-256 of an open file."""
    sha256, at = hashlib.sha256(), 0
    while piece := os.pread(part, _PIECE, at):
        sha256.update(piece)
        at += len(piece)
    return sha256.hexdigest()


def _toml(text: str) -> str:
    """A text in quotes, as TOML has it."""
    return json.dumps(text, ensure_ascii=False)
