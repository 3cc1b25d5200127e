"""Cosines are carried over to where the two kinds of errors are to each other as they were."""

from __future__ import annotations

import numpy as np
import pytest

from bench.cosines import carried_over, errors


def test_errors_are_pairs_on_the_wrong_side() -> None:
    cosines, same = np.array([0.1, 0.4, 0.6, 0.9], np.float32), np.array([False, True, False, True])
    assert errors(cosines, same, np.array([0.5, 0.95])).tolist() == [[0.5, 0.0], [0.5, 1.0]]


@pytest.mark.parametrize("stretch", [0.5, 0.9])
def test_an_encoder_whose_cosines_are_stretched_has_stretched_thresholds(stretch: float) -> None:
    rng = np.random.default_rng(0)
    same = rng.random(20_000) < 0.3
    before = (np.where(same, 0.6, 0.1) + 0.15 * rng.standard_normal(len(same))).astype(np.float32)
    at = np.array([0.2, 0.35, 0.5])
    assert np.allclose(carried_over(before, before * np.float32(stretch), same, at), stretch * at, atol=0.01)
