"""EfficientNet-Lite0 pads as TensorFlow does."""

from __future__ import annotations

import pytest
import torch

from reid.encoder.lite import SameConvolution


@pytest.mark.parametrize(
    ("size", "kernel", "before", "after"),
    [(8, 3, 0, 1), (7, 3, 1, 1), (8, 5, 1, 2), (7, 5, 2, 2), (2, 5, 1, 2), (1, 3, 1, 1)],
)
def test_the_odd_zero_is_behind(size: int, kernel: int, before: int, after: int) -> None:
    convolution = SameConvolution(1, 1, kernel, 2, bias=False)
    x = torch.randn(1, 1, size, size)
    padded = torch.zeros(before + size + after, before + size + after)
    padded[before : before + size, before : before + size] = x
    expected = [
        (padded[i : i + kernel, j : j + kernel] * convolution.weight).sum().item()
        for i in range(0, size, 2)
        for j in range(0, size, 2)
    ]
    assert convolution(x).flatten().tolist() == pytest.approx(expected, abs=1e-5)
