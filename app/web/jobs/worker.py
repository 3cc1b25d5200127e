"""`python -m app.web.jobs.worker SITE`: does the next job of a site, and ends.

The server starts it, so that no server ever loads torch, and so that a job can be stopped whatever it is at. It tells
how far it is as lines of JSON on stdout. What else comes there, or on stderr, is log.

It dies with its server: stdin is a pipe whose other end the server alone has, and its end is heard at once. The lease
JOBS is held as long as it lives, so no job runs twice at once, however many servers there are.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from app.asking import in_session
from app.errors import Busy, expected
from app.record import Site
from app.record.jobs import Job, Status, begin_next, end
from app.record.leases import JOBS
from app.web.jobs.work import do
from reid.foreign import visible

BUSY = 3  # exit code: another process has the lease
EVERY = 0.25  # s between two lines of one task

log = logging.getLogger("sightline")


class Teller:
    """A `Progress` that writes lines, from any thread."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._mutex = threading.Lock()
        self._next: dict[str, float] = {}

    def tell(self, **values: Any) -> None:
        """Writes one line."""
        with self._mutex:
            self._stream.write(json.dumps(values) + "\n")
            self._stream.flush()

    def __call__(self, task: str, done: int, total: int | None = None, /) -> None:
        """Tells how far a task is, now and then, and of its end."""
        now = time.monotonic()
        if done == total or now >= self._next.get(task, 0.0):
            self._next[task] = now + EVERY
            self.tell(task=task, done=done, total=total)


def work(path: Path, teller: Teller) -> int:
    """Does the next job of a site, if there is one. Returns the exit code."""
    with Site.open_to_write(path) as site:
        try:
            with site.lease(JOBS):
                job = begin_next(site.database)
                if job is not None:
                    teller.tell(job=job.id)
                    with in_session(job.session):
                        _do(site, job, teller)
        except Busy:
            return BUSY
    return 0


def _do(site: Site, job: Job, teller: Teller) -> None:
    """Does one job, and writes how it came out. Where it is interrupted that stays open, and it is done again."""
    log.info("%s begins, asked for by %s", job.kind, visible(job.who))
    try:
        report, problem = do(site, job, teller)
    except expected() as error:
        log.error("%s", visible(str(error)))
        end(site.database, job.id, Status.failed, problem=str(error))
    except Exception:
        log.exception("%s broke", job.kind)
        end(site.database, job.id, Status.failed, problem="Something in this work broke: its log says what.")
    else:
        log.info("%s is done", job.kind)
        end(site.database, job.id, Status.done, report=report, problem=problem)


def _die_with_server() -> None:
    """Waits for the end of stdin, and then for nothing else: what was not committed is done again."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """What the process does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the server was started in the background
    threading.Thread(target=_die_with_server, daemon=True).start()
    teller = Teller(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what libraries print is log
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("sightline").setLevel(logging.INFO)
    try:
        return work(Path(sys.argv[1]), teller)
    except KeyboardInterrupt:
        log.warning("Interrupted. What was finished is kept")
        return 130
    except expected() as error:
        log.error("%s", visible(str(error)))
        return 2


if __name__ == "__main__":
    sys.exit(main())
