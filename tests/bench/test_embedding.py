"""The embedding benchmark counts as it says."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.embedding import Rates, measure_speeds
from bench.measuring import Timed


class Zeros:
    """An encoder that notes in what batches it was asked."""

    size = (4, 2)

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []  # crops, and crops a batch

    def embed(self, crops: Tensor, *, batch: int = 32) -> Tensor:
        self.calls.append((len(crops), batch))
        return torch.zeros(len(crops), 3)


def test_crops_are_repeated_to_whole_batches() -> None:
    encoder = Zeros()
    speeds = measure_speeds({"zeros": encoder}, np.zeros((5, 4, 2, 3), np.uint8), [1, 48], rounds=1)
    assert encoder.calls == [(128, 1)] * 2 + [(96, 48)] * 2  # a round to warm up, and one that counts
    assert set(speeds) == {1, 48} and speeds[48]["zeros"].crops_per_second > 0


def test_rates_are_of_the_best_round() -> None:
    onnx, torch_ = Rates.of(8, Timed(None, 2.0, 1.0)), Rates.of(8, Timed(None, 4.0, 4.0))
    assert onnx == Rates(crops_per_second=4.0, crops_per_cpu_second=8.0)
    assert onnx.over(torch_) == Rates(crops_per_second=2.0, crops_per_cpu_second=4.0)
