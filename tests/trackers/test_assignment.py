from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from trackers.assignment import assign


def total(similarity: np.ndarray, threshold: float, rows: np.ndarray, columns: np.ndarray) -> float:
    return float((similarity[rows, columns] - threshold).sum())


def best_total(similarity: np.ndarray, threshold: float) -> float:
    gain = np.where(similarity >= threshold, similarity - threshold, 0.0)
    return float(gain[linear_sum_assignment(-gain)].sum())


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.2, 0.5, 0.9])
def test_total_is_the_greatest_possible(threshold: float) -> None:
    rng = np.random.default_rng(int(100 * abs(threshold)))
    for _ in range(300):
        shape = rng.integers(1, 13, 2)
        similarity = rng.random(shape) * (rng.random(shape) < rng.random())  # from nearly empty to full
        if rng.random() < 0.3:
            similarity = similarity.round(1)  # ties
        before = similarity.copy()
        rows, columns = assign(similarity, threshold)
        assert (similarity == before).all()
        assert (np.diff(rows) > 0).all()
        assert len(set(columns)) == len(columns)
        assert (similarity[rows, columns] >= threshold).all()
        assert total(similarity, threshold, rows, columns) == pytest.approx(best_total(similarity, threshold), abs=1e-9)
        again = assign(similarity.copy(), threshold)
        assert (again[0] == rows).all()
        assert (again[1] == columns).all()


def test_a_pair_at_the_threshold_is_a_pair() -> None:
    rows, columns = assign(np.array([[0.5, 0.0], [0.0, 0.4]]), 0.5)
    assert rows.tolist() == [0]
    assert columns.tolist() == [0]


def test_two_moderate_pairs_beat_one_good_pair() -> None:
    rows, columns = assign(np.array([[0.9, 0.8], [0.8, 0.0]]), 0.1)
    assert list(zip(rows, columns)) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 2)])
def test_nothing_to_assign(shape: tuple[int, int]) -> None:
    rows, columns = assign(np.zeros(shape), 0.5)
    assert len(rows) == len(columns) == 0
    assert rows.dtype == columns.dtype == np.intp


def test_not_a_number_is_not_a_pair() -> None:
    rows, columns = assign(np.array([[np.nan, 0.6], [np.nan, 0.7], [0.1, np.nan]], np.float32), 0.5)
    assert rows.tolist() == [1]
    assert columns.tolist() == [1]
