"""The nearest rows equal what a loop over the whole matrix finds, in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest

from reid import neighbours
from reid.neighbours import best_columns, mutual_pairs, nearest_rows


def some_rows(count: int, seed: int = 0) -> np.ndarray:
    """(count, 6) of any length."""
    return np.random.default_rng([seed, count]).normal(size=(count, 6)).astype(np.float32)


def cosines(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """(N, M) float64."""
    a, b = queries.astype(np.float64), gallery.astype(np.float64)
    return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


def nearest_by_sorting(similarity: np.ndarray, k: int) -> list[list[int]]:
    """Pairs of each row with its k best columns, the best first."""
    return [[row, int(column)] for row, values in enumerate(similarity) for column in np.argsort(-values)[:k]]


@pytest.mark.parametrize("cells", [1, 100, 2**22])
@pytest.mark.parametrize("k", [1, 4])
def test_nearest_rows_are_those_of_sorting(k: int, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CELLS", cells)  # small: a few queries at once
    queries, gallery = some_rows(23), some_rows(31, seed=1)
    expected = nearest_by_sorting(cosines(queries, gallery), k)
    assert nearest_rows(queries, gallery, k).tolist() == expected


@pytest.mark.parametrize("cells", [1, 100, 2**22])
def test_no_row_is_its_own_neighbour(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CELLS", cells)
    rows = some_rows(31)
    similarity = cosines(rows, rows)
    np.fill_diagonal(similarity, -np.inf)
    assert nearest_rows(rows, rows, 3, same=True).tolist() == nearest_by_sorting(similarity, 3)


@pytest.mark.parametrize("same", [False, True])
def test_more_neighbours_than_rows_are_all_rows(same: bool) -> None:
    rows = some_rows(5)
    similarity = cosines(rows, rows)
    if same:
        np.fill_diagonal(similarity, -np.inf)
    assert nearest_rows(rows, rows, 40, same=same).tolist() == nearest_by_sorting(similarity, 5 - same)


@pytest.mark.parametrize(("queries", "gallery", "same"), [(0, 4, False), (4, 0, False), (0, 0, True), (1, 1, True)])
def test_nothing_has_no_neighbours(queries: int, gallery: int, same: bool) -> None:
    pairs = nearest_rows(some_rows(queries), some_rows(gallery), 3, same=same)
    assert pairs.shape == (0, 2) and pairs.dtype == np.int64


@pytest.mark.parametrize("cells", [1, 2**22])
def test_mutual_pairs_are_those_of_a_loop(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CELLS", cells)
    rows, camera = some_rows(60), np.random.default_rng(2).choice([3, 5, 9], 60)
    similarity = cosines(rows, rows)
    nearest = {
        (row, number): max(np.flatnonzero(camera == number), key=lambda column, row=row: similarity[row, column])
        for row in range(60)
        for number in (3, 5, 9)
    }
    expected = {
        (a, b)
        for a in range(60)
        for b in range(a + 1, 60)
        if camera[a] != camera[b] and nearest[a, camera[b]] == b and nearest[b, camera[a]] == a
    }
    pairs = mutual_pairs(rows, camera)
    assert len(pairs) == len(expected) > 10
    assert {tuple(pair) for pair in pairs.tolist()} == expected


@pytest.mark.parametrize("count", [0, 1, 6])
def test_one_camera_has_no_mutual_pairs(count: int) -> None:
    assert mutual_pairs(some_rows(count), np.zeros(count, np.int64)).shape == (0, 2)


def test_best_columns_come_best_first() -> None:
    similarity = some_rows(9)
    for k in (1, 3, 6):
        assert best_columns(similarity, k).tolist() == np.argsort(-similarity, axis=1)[:, :k].tolist()
