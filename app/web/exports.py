"""Cases that leave as a zip: one at a time, and how far each is for the session that asked for it."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import BinaryIO

from pydantic import BaseModel

from app.errors import Busy
from app.record import Site
from app.report.case_zip import CaseExport, export_case
from app.web.access import Session

MOST_KNOWN = 200  # sessions and cases


class Exporting(BaseModel):
    """How far the latest export of a case is, or how it ended."""

    began: float  # UTC seconds
    done: int = 0  # tracklets
    total: int | None = None  # None before the first of them is done
    sha256: str | None = None  # of the zip, once it is whole
    size: int = 0  # bytes of it
    without_clip: int = 0  # tracklets
    broken: bool = False  # it broke off, so what came of it is not whole


class Exports:
    """Those of one server, in its memory."""

    def __init__(self) -> None:
        self._lock = Lock()  # one export takes all cores
        self._latest: OrderedDict[tuple[str, int], Exporting] = OrderedDict()

    def state(self, session: Session, number: int) -> Exporting | None:
        """How far a session's export of a case is. None where it asked for none."""
        return self._latest.get((session.form_key, number))

    def write(self, site: Site, session: Session, number: int, out: BinaryIO) -> CaseExport:
        """Exports a case into `out`. Raises Busy while another one is exported, and what `export_case` does."""
        if not self._lock.acquire(blocking=False):
            raise Busy("Another case is exported just now: wait until it is done, then ask again.")
        now = self._latest[session.form_key, number] = Exporting(began=time.time())
        self._latest.move_to_end((session.form_key, number))
        while len(self._latest) > MOST_KNOWN:
            self._latest.popitem(last=False)

        def hear(_: str, done: int, total: int | None = None, /) -> None:
            now.done, now.total = done, total

        try:
            done = export_case(site, number, out, who=session.user, progress=hear)
            now.size, now.without_clip, now.sha256 = done.size, len(done.without), done.sha256
            return done
        finally:
            now.broken = now.sha256 is None
            self._lock.release()
