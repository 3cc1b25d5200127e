"""Time and memory, taken alike by every benchmark."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

MIB = 2**20

Result = TypeVar("Result")
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Timed(Generic[Result]):
    """What work returned, and what it cost."""

    result: Result
    seconds: float
    """By the clock on the wall."""
    cpu_seconds: float
    """Of the processor, all threads of this process together."""


def timed(work: Callable[[], Result], clock: Callable[[], float] = time.perf_counter) -> Timed[Result]:
    """Does the work once."""
    began, cpu_began = clock(), time.process_time()
    result = work()
    return Timed(result=result, seconds=clock() - began, cpu_seconds=time.process_time() - cpu_began)


def best_of(
    rounds: int,
    works: Mapping[Name, Callable[[], Result]],
    *,
    warm_up: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Name, Timed[Result]]:
    """Does all works in turn, several rounds, so that other work on the machine slows all alike.

    Args:
        rounds: How often each is done.
        works: By name.
        warm_up: Whether one more round comes first, which is not counted.
        clock: Seconds.

    Returns:
        By name the least seconds and the least CPU seconds of all rounds, with the last round's result.
    """
    if warm_up:
        for work in works.values():
            work()
    best: dict[Name, Timed[Result]] = {}
    for _ in range(rounds):
        for name, work in works.items():
            run = timed(work, clock)
            before = best.get(name, run)
            best[name] = Timed(
                result=run.result,
                seconds=min(before.seconds, run.seconds),
                cpu_seconds=min(before.cpu_seconds, run.cpu_seconds),
            )
    return best


@dataclass(frozen=True, slots=True)
class Machine:
    """What a measurement runs on. Made before it begins, as the measurement adds to the load."""

    processor: str
    cpus: int
    load: float
    """Processes that ran or waited, the mean of the last minute."""
    threads: int
    """What the measured work may use."""
    busy: bool
    """Whether others take cores that the work wants.

    A thread that waits for another one spins, which costs clock and processor. So on a busy machine only figures of
    one thread mean anything.
    """

    @classmethod
    def now(cls, threads: int | None = None) -> Self:
        """The machine at this moment. Without `threads` the work may use all cores."""
        cpus, load = os.cpu_count() or 1, os.getloadavg()[0]
        threads = cpus if threads is None else threads
        processor = platform.processor() or platform.machine()
        return cls(processor=processor, cpus=cpus, load=load, threads=threads, busy=load + threads > cpus + 0.5)


def peak_memory(process: int | None = None) -> int:
    """The most bytes that a process, or this one, held since its last `reset_peak_memory`, or ever (Linux).

    Raises:
        OSError: The process is gone.
    """
    status = Path(f"/proc/{process or 'self'}/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def reset_peak_memory() -> None:
    """Lets `peak_memory` count anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
