"""The nearest of many rows, in NumPy and bounded memory. `reid.association` is its counterpart in torch."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from reid.normalised import normalised

CELLS = 2**22  # entries of one block of anything

Rows = NDArray[np.float32]
Integers = NDArray[np.int64]


def nearest_rows(queries: Rows, gallery: Rows, k: int, *, same: bool = False) -> Integers:
    """Pairs each row of queries with the k nearest in the gallery, by cosine.

    Args:
        queries: (N, D) of any length.
        gallery: (M, D) of any length.
        k: How many. All there are, where there are fewer.
        same: Both are the same rows, of which none is its own neighbour.

    Returns:
        (P, 2) row of queries and row of gallery. A query's nearest comes first.
    """
    queries, gallery = normalised(queries), normalised(gallery)
    k = min(k, len(gallery) - same)
    if k < 1 or not len(queries):
        return np.zeros((0, 2), np.int64)
    step = max(1, CELLS // len(gallery))
    pairs = []
    for first in range(0, len(queries), step):
        similarity = queries[first : first + step] @ gallery.T
        row = np.arange(len(similarity))
        if same:
            similarity[row, first + row] = -np.inf
        column = best_columns(similarity, k)
        pairs.append(np.stack([np.repeat(first + row, k), column.ravel()], 1))
    return np.concatenate(pairs)


def mutual_pairs(rows: Rows, camera: Integers) -> Integers:
    """(P, 2) rows (N, D) of two cameras each that are each other's nearest by cosine.

    Only these two cameras count for a pair.
    """
    order = np.argsort(camera, kind="stable")
    rows = normalised(rows[order])
    edges = np.append(np.unique(camera[order], return_index=True)[1], len(camera)).tolist()
    cameras = [slice(begin, end) for begin, end in pairwise(edges)]
    pairs = [np.zeros((0, 2), np.int64)]
    for first, second in combinations(cameras, 2):
        there, back = _nearest_each_way(rows[first], rows[second])
        row = np.flatnonzero(back[there] == np.arange(len(there)))
        pairs.append(np.stack([order[first][row], order[second][there[row]]], 1))
    return np.sort(np.concatenate(pairs), axis=1)


def _nearest_each_way(first: Rows, second: Rows) -> tuple[Integers, Integers]:
    """For each row of (N, D) the nearest of (M, D), and the other way round. All have length 1."""
    there, back = np.empty(len(first), np.int64), np.zeros(len(second), np.int64)
    best = np.full(len(second), -np.inf, np.float32)
    step = max(1, CELLS // len(second))
    for begin in range(0, len(first), step):
        similarity = first[begin : begin + step] @ second.T
        there[begin : begin + step] = similarity.argmax(1)
        row = similarity.argmax(0)
        value = similarity[row, np.arange(len(second))]
        better = value > best
        back[better], best[better] = begin + row[better], value[better]
    return there, back


def best_columns(similarity: Rows, k: int) -> Integers:
    """(N, k) int64 the columns of the k largest entries of each row of (N, M).

    The largest comes first. k is at most M.
    """
    if k < 1:
        return np.zeros((len(similarity), 0), np.int64)
    if k == similarity.shape[1]:
        column = np.broadcast_to(np.arange(k), similarity.shape)
    else:
        column = np.argpartition(similarity, -k, axis=1)[:, -k:]
    value = np.take_along_axis(similarity, column, 1)
    return np.take_along_axis(column, np.argsort(-value, axis=1, kind="stable"), 1)
