"""Look-alikes equal those of a loop over the whole matrix, in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from reid import neighbours
from reid.merging import look_alikes as module
from reid.merging.look_alikes import LookAlikes, look_alikes
from reid.spread import Here

COUNT = 60


def some_rows(count: int) -> np.ndarray:
    """(count, 6) of any length."""
    return np.random.default_rng(count).normal(size=(count, 6)).astype(np.float32)


def cosines(rows: np.ndarray) -> np.ndarray:
    """(N, N) float64, −inf of a row and itself."""
    wide = rows.astype(np.float64)
    similarity = wide @ wide.T / np.linalg.norm(wide, axis=1)[:, None] / np.linalg.norm(wide, axis=1)
    np.fill_diagonal(similarity, -np.inf)
    return similarity


def nearest_pairs(similarity: np.ndarray, allowed: np.ndarray, most: int) -> set[tuple[int, int]]:
    """Each row's best columns of those that are allowed."""
    pairs = set()
    for row in range(len(similarity)):
        columns = np.flatnonzero(allowed[row])
        best = columns[np.argsort(-similarity[row, columns])][:most]
        pairs |= {(min(row, column), max(row, column)) for column in best.tolist()}
    return pairs


@pytest.fixture(params=[(2**14, 2**12, 32), (9, 4, 32), (20, 7, 2), (1, 1, 1)])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of blocks and of tiles, and cameras of a block."""
    monkeypatch.setattr(module, "BLOCK", request.param[0])
    monkeypatch.setattr(neighbours, "TILE", request.param[1])
    monkeypatch.setattr(module, "_CAMERAS", request.param[2])


def found(most: int, *, across: bool = True) -> tuple[np.ndarray, np.ndarray, LookAlikes]:
    """Cosines, cameras of which one sees little and one nothing, and look-alikes."""
    camera = np.random.default_rng(2).choice([0, 1, 2, 4], COUNT, p=[0.4, 0.4, 0.15, 0.05])
    rows = some_rows(COUNT)
    return cosines(rows), camera, look_alikes(rows, camera, most, across=across)


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("most", [1, 5, 100])
def test_pairs_are_those_of_a_loop(most: int) -> None:
    similarity, camera, alike = found(most)
    same = camera[:, None] == camera
    expected = nearest_pairs(similarity, same & ~np.eye(COUNT, dtype=bool), most)
    expected |= nearest_pairs(similarity, ~same, most)
    assert alike.pairs.tolist() == sorted(map(list, expected))


@pytest.mark.usefixtures("sizes")
def test_other_cameras_can_be_left_out() -> None:
    similarity, camera, alike = found(3, across=False)
    same = (camera[:, None] == camera) & ~np.eye(COUNT, dtype=bool)
    assert alike.pairs.tolist() == sorted(map(list, nearest_pairs(similarity, same, 3)))
    assert len(alike.mutual) == 0


@pytest.mark.usefixtures("sizes")
def test_mutual_pairs_are_those_of_a_loop() -> None:
    similarity, camera, alike = found(3)
    nearest = {
        (row, number): max(np.flatnonzero(camera == number), key=lambda column, row=row: similarity[row, column])
        for row in range(COUNT)
        for number in (0, 1, 2, 4)
    }
    expected = {
        (a, b)
        for a in range(COUNT)
        for b in range(a + 1, COUNT)
        if camera[a] != camera[b] and nearest[a, camera[b]] == b and nearest[b, camera[a]] == a
    }
    assert len(alike.mutual) == len(expected) > 10
    assert {tuple(pair) for pair in alike.mutual.tolist()} == expected


@pytest.mark.parametrize("count", [0, 1, 6])
def test_one_camera_has_no_mutual_pairs(count: int) -> None:
    alike = look_alikes(some_rows(count), np.zeros(count, np.int64), 3)
    assert alike.mutual.shape == (0, 2) and alike.mutual.dtype == np.int64
    assert len(alike.pairs) == (
        0 if count < 2 else len(nearest_pairs(cosines(some_rows(6)), ~np.eye(6, dtype=bool), 3))
    )


def test_a_task_gets_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what it takes is bounded, whatever a site has."""
    monkeypatch.setattr(module, "BLOCK", 8)
    given: list[int] = []

    class Watched(Here):
        def each(self, task: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
            for a, b, *rest in arguments:
                given.append(max(len(block.rows) for block in (a, b) if block is not None))
                yield task(a, b, *rest)

    look_alikes(some_rows(COUNT), np.arange(COUNT) // 20, 3, Watched())
    assert max(given) == 8 and len(given) == 9 * 10 // 2
