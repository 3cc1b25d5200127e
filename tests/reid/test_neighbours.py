"""The nearest rows equal what a loop over the whole matrix finds, in blocks and tiles of any size."""

from __future__ import annotations

import numpy as np
import pytest

from reid import neighbours
from reid.neighbours import Nearest, nearest_of_all, tiles


def some_rows(count: int, seed: int = 0) -> np.ndarray:
    """(count, 6) of any length."""
    return np.random.default_rng([seed, count]).normal(size=(count, 6)).astype(np.float32)


def by_sorting(similarity: np.ndarray, k: int) -> list[list[int]]:
    """The k best columns of each row, the best first. Equal ones go by number."""
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k].tolist()


@pytest.mark.parametrize(("block", "tile"), [(2**14, 2**12), (7, 3), (10, 10), (1, 1)])
@pytest.mark.parametrize("k", [1, 4, 31])
def test_nearest_rows_are_those_of_sorting(k: int, block: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", block)
    monkeypatch.setattr(neighbours, "TILE", tile)
    rows = some_rows(31)
    nearest, least = nearest_of_all(rows, k)
    product = rows.astype(np.float64) @ rows.astype(np.float64).T
    assert nearest.tolist() == by_sorting(product, k)
    assert least == pytest.approx(product.min(1), abs=1e-5)


@pytest.mark.parametrize(("block", "tile"), [(2**14, 2**12), (5, 2)])
def test_equal_rows_go_by_number(block: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", block)
    monkeypatch.setattr(neighbours, "TILE", tile)
    nearest, _ = nearest_of_all(np.ones((13, 6), np.float32), 4)
    assert nearest.tolist() == [[0, 1, 2, 3]] * 13


@pytest.mark.parametrize("width", [1, 5, 40])
@pytest.mark.parametrize("k", [1, 6, 50])
def test_columns_may_be_offered_in_parts(width: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_FIRST_LOOK", 3)
    similarity = np.random.default_rng(4).integers(0, 9, (9, 40)).astype(np.float32)  # many are equal
    similarity[2:4, 5:] = -np.inf
    nearest = Nearest(9, k)
    for first in range(0, 40, width):
        nearest.offer(similarity[:5, first : first + width], 0, first)
        nearest.offer(similarity[5:, first : first + width], 5, first)
    for row, (columns, values) in enumerate(zip(nearest.column, nearest.similarity)):
        real = np.flatnonzero(similarity[row] > -np.inf)
        expected = real[np.argsort(-similarity[row, real], kind="stable")][:k]
        assert columns.tolist() == [*expected, *[-1] * (k - len(expected))]
        assert values[: len(expected)].tolist() == similarity[row, expected].tolist()


@pytest.mark.parametrize("itself", [True, False])
def test_tiles_are_the_product(itself: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "TILE", 4)
    a, b = some_rows(11), None if itself else some_rows(6)
    product = np.full((11, 11 if b is None else 6), np.nan)
    for row, column, part in tiles(a, b):
        product[row : row + part.shape[0], column : column + part.shape[1]] = part
        if b is None:
            product[column : column + part.shape[1], row : row + part.shape[0]] = part.T
    assert product == pytest.approx(a @ (a if b is None else b).T, abs=1e-5)
