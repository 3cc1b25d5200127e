"""The embedding benchmark counts as it says."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.embedding import best_rates, speeds


def test_the_best_round_counts_and_the_first_does_not() -> None:
    now = [0.0]
    takes = iter([0.1, 5.0, 2.0, 4.0, 9.0, 9.0])  # in turn; the first pair is not counted

    def work() -> None:
        now[0] += next(takes)

    rates = best_rates({"a": work, "b": work}, 8, 2, clock=lambda: now[0])
    assert rates["a"]["crops_per_second"] == 8 / 2.0
    assert rates["b"]["crops_per_second"] == 8 / 4.0


def test_crops_are_repeated_to_whole_batches() -> None:
    seen: list[tuple[int, int]] = []

    class Told:
        size = (4, 2)

        def embed(self, crops: Tensor, *, batch: int = 32) -> Tensor:
            seen.append((len(crops), batch))
            return torch.zeros(len(crops), 3)

    report = speeds({"told": Told()}, np.zeros((5, 4, 2, 3), np.uint8), [1, 48], rounds=1)
    assert seen == [(128, 1)] * 2 + [(96, 48)] * 2
    assert set(report) == {1, 48} and report[48]["told"]["crops_per_second"] > 0
