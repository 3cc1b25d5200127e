"""The number of threads is the fastest one, and is tried again where something else begins or ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reid.training.threads import KEPT, REPAID, ThreadChoice

ROOT = Path(__file__).parents[3]


class Machine:
    """A step takes as long as a function of threads says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.threads = 0.0, 0
        monkeypatch.setattr(torch, "set_num_threads", lambda threads: setattr(self, "threads", threads))
        monkeypatch.setattr("reid.training.threads.time", self)

    def monotonic(self) -> float:
        return self.now

    def run(self, choice: ThreadChoice, seconds: float, step: Callable[[int], float]) -> list[int]:
        """Steps for so many seconds. Returns with how many threads each was done."""
        used, end = [], self.now + seconds
        while self.now < end:
            used.append(self.threads)
            self.now += step(self.threads)
            choice.after_step()
        return used


def alone(threads: int) -> float:
    return 1.0 / threads


def beside_others(threads: int) -> float:
    return 1.0 if threads == 1 else 4.0 * threads


def test_all_are_tried_and_the_fastest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    choice = ThreadChoice(8)
    used = machine.run(choice, 20.0, alone)
    assert used[:2] == [8, 8] and set(used[2:4]) == {4, 1} and set(used[5:]) == {8}
    assert choice.choices == [8, 4, 1] and ThreadChoice(1).choices == [1]


def test_it_is_tried_again_when_others_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    choice = ThreadChoice(2)
    assert machine.run(choice, 10.0, alone)[-1] == 2
    used = machine.run(choice, 10 * KEPT, beside_others)
    assert used[-1] == 1
    slow_seconds = sum(beside_others(threads) for threads in used if threads == 2)
    assert slow_seconds < KEPT + 10 * KEPT / REPAID + 20
    assert machine.run(choice, 20 * KEPT, alone)[-1] == 2


def test_a_hopeless_number_costs_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    choice = ThreadChoice(8)
    used = machine.run(choice, 4.0, alone)
    assert used.count(1) == 1 and used.count(4) == 1


# Imports a module, and tells what OpenMP will read when torch begins to load.
LOAD = """
import importlib, os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"))
            sys.exit()
sys.meta_path.insert(0, Finder())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("module", ["app.learning.ranks", "reid.train"])
def test_threads_soon_sleep_where_they_wait_unless_a_person_says_otherwise(module: str) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    for environment, expected in ((bare, "5000"), (bare | {"GOMP_SPINCOUNT": "7"}, "7")):
        words = [sys.executable, "-c", LOAD, module]
        told = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert told.stdout.split() == [expected]
