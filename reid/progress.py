"""How far a long job is: a bar on a terminal, a log line now and then elsewhere, or where rich is not installed."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

log = logging.getLogger("sightline")

LINE_SECONDS = 30.0


class Bar:
    """Counts up to `total`, None if nobody knows it."""

    def __init__(self, what: str, total: int | None, done: int = 0, *, silent: bool = False) -> None:
        self._what, self._total, self._silent = what, total, silent
        self._next_line = time.monotonic() + LINE_SECONDS
        self._bars: Any = None
        if silent or not sys.stderr.isatty():
            return
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        except ImportError:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bars.add_task(what, total=total, completed=done)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, done: int, what: str | None = None) -> None:
        """So much is done; `what` from now on stands beside the bar."""
        self._what = what or self._what
        if self._bars is not None:
            self._bars.update(self._task, completed=done, description=self._what)
        elif not self._silent and time.monotonic() > self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            log.info("%s: %s of %s", self._what, f"{done:,}", f"{self._total:,}" if self._total else "?")
