"""The thread of the server that has live cameras followed: by `python -m app.watch`, in a process that ends with it.

It is started when `site.toml` names a live camera, and again when it ends, at a pace. Where another process follows
the cameras, it says so and ends, and is tried again now and then. So no camera is ever followed twice.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from app.errors import SiteConfigError
from app.footage.site_toml import SITE_TOML, read_site_toml, stamp_of
from app.web.child import begun, has_ended, kill
from reid.foreign import visible

log = logging.getLogger("sightline")

WATCHER = (sys.executable, "-m", "app.watch", "--until-eof", "--site")
LOOK = 1.0  # s between two looks at site.toml while nothing is followed
FIRST, GROWTH, MOST = 1.0, 2.0, 60.0  # s before the next start, from one to the next, and at most
SOUND = 60.0  # s after which a process that ends counts as one that did well
GRACE = 15.0  # s to commit what is under way, before it is killed
MOST_LINES = 1000  # of a process, that the next one need not say again
_POLL = 0.2


class Watching:
    """Has the cameras of one site followed while it is started."""

    def __init__(self, site: Path, *, watcher: Sequence[str] = WATCHER, grace: float = GRACE) -> None:
        """watcher: the command that follows them, to which the site is added. grace: seconds to end in."""
        self._toml, self._watcher, self._grace = site / SITE_TOML, [*watcher, str(site)], grace
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: object = None  # the stamp of the site.toml that was read last
        self._wanted = False
        self._said: set[str] = set()  # what the process before logged

    def start(self) -> None:
        """From now on cameras are followed."""
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and the process with it. What was under way is committed."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = FIRST
        while not self._stopping.is_set():
            if not self._is_wanted():
                self._stopping.wait(LOOK)
                continue
            began, seen = time.monotonic(), self._seen
            try:
                self._follow()
            except OSError as error:  # no process can be started just now
                log.warning("Live cameras can't be followed just now: %s", error.strerror or error)
            pause = FIRST if time.monotonic() - began > SOUND else min(MOST, pause * GROWTH)
            limit = time.monotonic() + pause
            while time.monotonic() < limit and not self._stopping.wait(min(LOOK, pause)):
                if self._is_wanted() and self._seen != seen:  # somebody changed it, so another try may go better
                    break

    def _is_wanted(self) -> bool:
        """Whether site.toml names a live camera to be followed. It is read when it has changed.

        One that is gone or wrong changes nothing, as for who follows cameras already.
        """
        stamp = stamp_of(self._toml)
        if stamp is not None and stamp != self._seen:
            self._seen = stamp
            try:
                self._wanted = bool(read_site_toml(self._toml).followed)
            except SiteConfigError as error:
                if not self._wanted:
                    log.warning("No live camera is followed: %s", visible(str(error)))
        return self._wanted

    def _follow(self) -> None:
        """Starts the process and sees it to its end."""
        process = begun(self._watcher)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        said: set[str] = set()
        readers = [
            threading.Thread(target=self._keep_log, args=(stream, said), daemon=True)
            for stream in (process.stdout, process.stderr)
        ]
        for reader in readers:
            reader.start()
        try:
            while not has_ended(process) and self._is_wanted() and not self._stopping.wait(_POLL):
                pass
            process.stdin.close()  # which it hears
            limit = time.monotonic() + self._grace
            while not has_ended(process) and time.monotonic() < limit:
                time.sleep(_POLL)
        finally:
            kill(process)
            for reader in readers:
                reader.join(self._grace)
            for stream in (process.stdout, process.stderr):
                stream.close()
        self._said = said

    def _keep_log(self, stream: IO[str], said: set[str]) -> None:
        """Passes lines on to the server's log, but for those that the process before said, too."""
        for line in stream:
            line = line.rstrip()
            if line and line not in self._said:
                log.info("%s", visible(line))
            if len(said) < MOST_LINES:
                said.add(line)
