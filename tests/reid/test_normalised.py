"""Rows of length 1, in NumPy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from reid.normalised import normalised


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(8,), (5, 8), (5, 2, 8), (0, 8)])
def test_rows_get_length_1_along_the_last_axis(shape: tuple[int, ...], kind: type[np.floating]) -> None:
    rows = np.random.default_rng(0).standard_normal(shape).astype(kind)
    before = rows.copy()
    unit_rows = normalised(rows)
    assert unit_rows.dtype == np.float32 and unit_rows.shape == shape
    expected = functional.normalize(torch.from_numpy(rows.astype(np.float64)), dim=-1).numpy()
    np.testing.assert_allclose(unit_rows, expected, atol=1e-6)
    np.testing.assert_array_equal(rows, before)


def test_zeros_stay_zeros() -> None:
    rows = np.array([[0, 0], [3, 4]], np.float32)
    np.testing.assert_allclose(normalised(rows), [[0, 0], [0.6, 0.8]], rtol=1e-6)


def test_squares_of_half_precision_do_not_overflow() -> None:
    np.testing.assert_allclose(normalised(np.array([[3000, 4000]], np.float16)), [[0.6, 0.8]], rtol=1e-6)


def test_it_needs_no_torch() -> None:
    code = "import sys, reid.normalised; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
