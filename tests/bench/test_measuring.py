"""Rounds in turn, and the most memory since a moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measuring import Machine, best_of


def work_that_takes(now: list[float], durations: list[float]) -> Callable[[], float]:
    """Work whose every turn lasts as long as the list says, by the clock `now[0]`."""
    turns = iter(durations)

    def work() -> float:
        seconds = next(turns)
        now[0] += seconds
        return seconds

    return work


def test_the_best_round_counts_and_the_warm_up_does_not() -> None:
    now = [0.0]
    works = {"a": work_that_takes(now, [0.25, 2.0, 9.0]), "b": work_that_takes(now, [5.0, 4.0, 8.0])}
    best = best_of(2, works, warm_up=True, clock=lambda: now[0])
    assert {name: run.seconds for name, run in best.items()} == {"a": 2.0, "b": 4.0}
    assert {name: run.result for name, run in best.items()} == {"a": 9.0, "b": 8.0}  # of the last round


def test_works_take_turns() -> None:
    turns: list[str] = []
    best_of(2, {name: lambda name=name: turns.append(name) for name in "abc"})
    assert turns == [*"abc", *"abc"]


def test_a_peak_is_seen_until_it_is_reset() -> None:
    """In a process of its own: one that has freed much memory before takes no more of it from the system."""
    code = """
import numpy as np
from bench.measuring import MIB, peak_memory, reset_peak_memory
reset_peak_memory()
before = peak_memory()
np.ones(64 * MIB, np.uint8)
assert peak_memory() - before > 50 * MIB
reset_peak_memory()
assert peak_memory() - before < 50 * MIB
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


def test_a_machine_is_busy_where_the_load_leaves_too_few_cores() -> None:
    machine = Machine.now(threads=10_000)
    assert machine.busy and machine.cpus >= 1
    assert machine.busy == (machine.load + machine.threads > machine.cpus + 0.5)
