"""What jobs log: a file each in the site's folder, for its owner's eyes only, of bounded length."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from app.errors import SiteError
from app.record.private_files import make_folder, wipe, write_private

FOLDER = "jobs"
MOST_BYTES = 2**18  # of one log. The older half goes when there would be more
LONGEST_LINE = 2000  # bytes


class JobLogs:
    """Those of one site."""

    def __init__(self, site: Path) -> None:
        self._folder = site.resolve() / FOLDER

    def _path(self, number: int) -> Path:
        return self._folder / f"{int(number)}.log"

    def append(self, number: int, line: str) -> None:
        """Adds a line. A disk that takes no more stops no job, so the line is lost then."""
        data = line.rstrip("\n").encode("utf-8", "replace")[:LONGEST_LINE] + b"\n"
        path = self._path(number)
        with suppress(OSError, SiteError):
            make_folder(self._folder)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(data)
                size = file.tell()
            if size > MOST_BYTES:
                kept = path.read_bytes()[-MOST_BYTES // 2 :].partition(b"\n")[2]
                write_private(path, b"[older lines were dropped]\n" + kept)

    def read(self, number: int) -> str:
        """A job's log, empty where it has none."""
        try:
            return self._path(number).read_text("utf-8", "replace")
        except OSError:
            return ""

    def remove(self, number: int) -> None:
        """Removes a log, its bytes too."""
        wipe(self._path(number))
