"""The embedding benchmark counts as it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.embedding import Rates, measure_speeds
from bench.measuring import Timed


class Zeros:
    """An encoder that notes in what batches it was asked."""

    size = (4, 2)

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []  # crops, and crops a batch

    def embed(self, crops: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
        self.calls.append((len(crops), batch))
        return np.zeros((len(crops), 3), np.float32)


def test_crops_are_repeated_to_whole_batches() -> None:
    encoder = Zeros()
    speeds = measure_speeds({"zeros": encoder}, np.zeros((5, 4, 2, 3), np.uint8), [1, 48], rounds=1)
    assert encoder.calls == [(128, 1)] * 2 + [(96, 48)] * 2  # a round to warm up, and one that counts
    assert set(speeds) == {1, 48} and speeds[48]["zeros"].crops_per_second > 0


def test_rates_are_of_the_best_round() -> None:
    onnx, torch = Rates.of(8, Timed(None, 2.0, 1.0)), Rates.of(8, Timed(None, 4.0, 4.0))
    assert onnx == Rates(crops_per_second=4.0, crops_per_cpu_second=8.0)
    assert onnx.over(torch) == Rates(crops_per_second=2.0, crops_per_cpu_second=4.0)
