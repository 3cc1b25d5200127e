"""How far a command is: bars on a terminal, a plain line now and then elsewhere; always on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from app.terminal import errors

LINE_SECONDS = 10.0


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar, or a line now and then, for one count: call what this gives with how many are done, and of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Bars(*columns, console=errors, disable=not errors.is_terminal, transient=True)
    task = bars.add_task(what, total=None)
    next_line = time.monotonic() + LINE_SECONDS

    def show(done: int, total: int) -> None:
        nonlocal next_line
        bars.update(task, completed=done, total=total)
        if bars.disable and time.monotonic() >= next_line:
            next_line = time.monotonic() + LINE_SECONDS
            errors.print(f"{done:,} of {total:,} {what}", markup=False, soft_wrap=True)

    with bars:
        yield show


class Progress:
    """Counts frames by camera; any thread may tell it what to expect."""

    def __init__(self, cameras: list[str]) -> None:
        self.frames = dict.fromkeys(cameras, 0)
        self.seconds: dict[str, float] = dict.fromkeys(cameras, 0.0)  # from a camera's start to its latest frame
        self._began: dict[str, float] = {}
        self._expected: dict[str, int | None] = {}
        self._lock = threading.Lock()
        self._next_line = time.monotonic() + LINE_SECONDS
        self._bars = (
            Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=errors,
            )
            if errors.is_terminal
            else None
        )
        self._tasks = (
            {camera: self._bars.add_task(camera, total=None, rate="", visible=False) for camera in cameras}
            if self._bars
            else {}
        )

    def expect(self, camera: str, frames: int | None) -> None:
        """This many more frames of a camera will come; None when nobody knows."""
        with self._lock:
            self._began.setdefault(camera, time.monotonic())
            known = self._expected.get(camera, 0)
            self._expected[camera] = None if frames is None or known is None else known + frames
            if self._bars:
                self._bars.update(self._tasks[camera], total=self._expected[camera], visible=True)

    def advance(self, camera: str) -> None:
        """One more frame is done."""
        now = time.monotonic()
        self.frames[camera] += 1
        self.seconds[camera] = now - self._began[camera]
        if self._bars:
            self._bars.update(self._tasks[camera], advance=1, rate=f"{self._rate(camera):.0f} frames/s")
        elif now >= self._next_line:
            self._next_line = now + LINE_SECONDS
            for name in self._began:
                errors.print(self._line(name), markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def _rate(self, camera: str) -> float:
        return self.frames[camera] / max(self.seconds[camera], 1e-6)

    def _line(self, camera: str) -> str:
        expected, rate = self._expected[camera], self._rate(camera)
        if expected is None or not rate:
            return f"{camera}: {self.frames[camera]:,} frames, {rate:.0f} frames/s"
        left = max(0, expected - self.frames[camera]) / rate
        return f"{camera}: {self.frames[camera]:,} of {expected:,} frames, {rate:.0f} frames/s, {left:.0f} s left"
