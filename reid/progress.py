"""How far long work is. It reports to a `Progress`, and `Bars` shows that on a terminal or in the log."""

from __future__ import annotations

import logging
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from reid.foreign import visible

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger("sightline")

LINE_SECONDS = 10.0


class Progress(Protocol):
    """Hears how far work is, from any thread.

    Those here never raise. A caller's own may, to stop the work. What it raises reaches the caller of the work, and
    what was saved before stays. It must be no OSError, which work on files takes for its own.
    """

    def __call__(self, task: str, done: int, total: int | None = None, /) -> None:
        """Hears that a task has come so far.

        Args:
            task: What is counted, as "crops". The text is the same as long as it is the same work.
            done: So many. A lower number than before begins the task anew.
            total: None where nobody knows it.
        """


def unheard(task: str, done: int, total: int | None = None, /) -> None:
    """Progress that nobody watches."""


@dataclass
class _Task:
    first: int
    """How many were done at the first report."""
    began: float
    """When that was, in seconds of the monotonic clock."""
    next_line: float
    done: int = 0


class Bars:
    """A `Progress` on stderr, while the context is open.

    On a terminal it is a bar a task, elsewhere a log line now and then. A line looks like "crops: 1,000 of 5,000, 120 a
    second". Each task has one every LINE_SECONDS. Log lines appear above the bars. Without rich there are only lines.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Shows nothing before the context is open.

        Args:
            console: The one that log lines go through, if there is one. By default a new one for stderr.
        """
        self._console = console
        self._bars: Any = None  # rich.progress.Progress
        self._bar_ids: dict[str, Any] = {}
        self._tasks: dict[str, _Task] = {}
        self._lock = threading.Lock()
        self._redirected: list[tuple[logging.StreamHandler[Any], Any]] = []

    def __enter__(self) -> Self:
        if not (sys.stderr.isatty() if self._console is None else self._console.is_terminal):
            return self
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress
        except ImportError:
            return self
        text = TextColumn("{task.description}", markup=False)  # names of cameras may hold brackets
        columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bars = RichProgress(*columns, console=self._console or Console(stderr=True), transient=True)
        stderr = sys.stderr
        bars.start()  # from here on sys.stderr prints above the bars
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is stderr:
                handler.setStream(sys.stderr)
                self._redirected.append((handler, stderr))
        with self._lock:
            self._bars = bars
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            bars, self._bars = self._bars, None
        if bars is None:
            return
        for handler, stream in self._redirected:
            handler.setStream(stream)
        self._redirected.clear()
        bars.stop()

    def __call__(self, task: str, done: int, total: int | None = None, /) -> None:
        """Moves the task's bar, or logs a line where one is due."""
        now = time.monotonic()
        with self._lock:
            state = self._tasks.get(task)
            anew = state is None or done < state.done
            if state is None or anew:
                state = self._tasks[task] = _Task(done, now, now + LINE_SECONDS)
            state.done = done
            if self._bars is not None:
                self._show(task, done, total, anew)
                return
            if now < state.next_line:
                return
            state.next_line = now + LINE_SECONDS
            rate = (done - state.first) / max(now - state.began, 1e-9)
        log.info("%s", line(task, done, total, rate))

    def _show(self, task: str, done: int, total: int | None, anew: bool) -> None:
        if task not in self._bar_ids:
            self._bar_ids[task] = self._bars.add_task(visible(task), total=total, completed=done)
        elif anew:
            self._bars.reset(self._bar_ids[task], total=total, completed=done)
        else:
            self._bars.update(self._bar_ids[task], total=total, completed=done)


def line(task: str, done: int, total: int | None, rate: float) -> str:
    """How far a task is, in words. rate: so many a second."""
    of = "" if total is None else f" of {total:,}"
    return f"{task}: {done:,}{of}, {rate:,.{0 if rate >= 10 else 1}f} a second"
