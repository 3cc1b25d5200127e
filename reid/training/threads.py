"""With how many threads a run computes on the CPU: as many as are fastest beside whatever else goes on.

Threads wait for each other several hundred times a step. Where other work has the cores, all wait for the one that has
none, and a single thread can be faster. What else goes on changes. So it is tried again and again
(`bench.beside_ingest`).
"""

from __future__ import annotations

import time

import torch

TRIED = 2  # steps with each number of threads
HOPELESS = 1.5  # times as long as the best: no second step is tried
KEPT = 30.0  # s for which a choice holds at least…
REPAID = 20.0  # …and so many times as long as trying took


class ThreadChoice:
    """Chooses by the time that steps take. The choice holds for the whole process."""

    def __init__(self, most: int) -> None:
        """most: threads."""
        self.choices = sorted({most, max(1, most // 2), 1}, reverse=True)
        self.threads, self._steps, self._step_began, self._trial_began = most, 0, 0.0, 0.0
        self._untried: list[int] = []
        self._least: dict[int, float] = {}
        self._holds_until: float | None = None
        self._try_all()

    def after_step(self) -> None:
        """A step has just been done. Others go on between two steps, which does not count where a choice holds."""
        now = time.monotonic()
        if self._holds_until is not None:
            if now >= self._holds_until:
                self._try_all()
            return
        took = now - self._step_began
        self._least[self.threads] = min(took, self._least.get(self.threads, took))
        self._steps, self._step_began = self._steps + 1, now
        if self._steps < TRIED and took < HOPELESS * min(self._least.values()):
            return
        if self._untried:
            self._use(self._untried.pop(0))
        else:
            self._use(min(self._least, key=lambda threads: self._least[threads]))
            self._holds_until = now + max(KEPT, REPAID * (now - self._trial_began))

    def _try_all(self) -> None:
        self._holds_until = None
        self._least = {}
        self._trial_began = time.monotonic()
        first, *self._untried = self.choices
        self._use(first)

    def _use(self, threads: int) -> None:
        self.threads, self._steps, self._step_began = threads, 0, time.monotonic()
        torch.set_num_threads(threads)
