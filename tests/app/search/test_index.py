"""Search answers as NumPy does, with a filter or without, whatever its threads."""

from __future__ import annotations

import numpy as np
import pytest

from app.search import index as module
from app.search.index import FaissIndex
from reid.normalised import normalised

WIDTH = 32


def people(count: int, seed: int = 0, width: int = WIDTH) -> np.ndarray:
    """Embeddings as float32 that float16 holds exactly: ten views of each person."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 10 + 1, width))
    rows = centres[rng.integers(0, len(centres), count)] + 0.7 * rng.standard_normal((count, width))
    return normalised(rows.astype(np.float32)).astype(np.float16).astype(np.float32)


def brute(ids: np.ndarray, rows: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    similarity = queries @ rows.T
    return np.stack([ids[np.lexsort((ids, -scores))[:k]] for scores in similarity])


@pytest.mark.parametrize("threaded_from", [1, 10**6])
def test_search_is_exact(monkeypatch: pytest.MonkeyPatch, threaded_from: int) -> None:
    monkeypatch.setattr(module, "THREADED_FROM", threaded_from)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 3)
    rows, queries = people(2000), people(50, 1)
    ids = np.sort(np.random.default_rng(0).permutation(5000)[:2000]) + (7 << 32)
    matches = FaissIndex(ids, rows).search(queries, 10)
    np.testing.assert_array_equal(matches.ids, brute(ids, rows, queries, 10))
    np.testing.assert_allclose(matches.similarities, np.sort(queries @ rows.T)[:, :-11:-1], atol=1e-6)
    assert matches.ids.dtype == np.int64 and matches.similarities.dtype == np.float32


@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_a_filter_is_exact(share: float) -> None:
    rows, queries, ids = people(2000), people(20, 1), np.arange(2000) * 3
    among = np.random.default_rng(0).permutation(ids)[: int(share * 2000)]
    matches = FaissIndex(ids, rows).search(queries, 5, np.r_[among, among, -1, 1, 10**12])
    kept = np.isin(ids, among)
    np.testing.assert_array_equal(matches.ids, brute(ids[kept], rows[kept], queries, 5))


def test_equals_come_by_id_however_many_there_are() -> None:
    rows = np.repeat(people(3), [200, 5, 200], 0)
    order = np.random.default_rng(0).permutation(405)
    matches = FaissIndex(np.arange(405), rows[order]).search(rows[:1], 30)
    assert matches.ids[0].tolist() == np.flatnonzero(order < 200)[:30].tolist()
    assert len(set(matches.similarities[0].tolist())) == 1


def test_small_empty_and_wrong() -> None:
    empty = FaissIndex(np.empty(0, np.int64), np.empty((0, WIDTH), np.float16))
    assert empty.search(people(2), 3).ids.shape == (2, 0)
    rows = people(4)
    index = FaissIndex(np.arange(1, 5), rows)
    assert index.search(rows[:2], 9).ids.shape == (2, 4)
    assert index.search(rows[:0], 9).ids.shape == (0, 4)
    assert index.search(rows[:2], 9, [2, 9]).ids.tolist() == [[2], [2]]
    assert index.search(rows[:2], 9, []).similarities.shape == (2, 0)
    np.testing.assert_array_equal(index.embeddings([3, 1]), rows[[2, 0]])
    with pytest.raises(KeyError, match="7"):
        index.embeddings([1, 7])
    for wrong, message in ((rows[:, :4], "queries are"), (rows[0], "queries are"), (rows * np.nan, "finite")):
        with pytest.raises(ValueError, match=message):
            index.search(wrong, 1)
    with pytest.raises(ValueError, match="at least 1"):
        index.search(rows, 0)
