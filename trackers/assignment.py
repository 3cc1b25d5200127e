"""One-to-one assignment of tracks to detections."""

from __future__ import annotations

import lap
import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]


def assign(similarity: NDArray[np.floating], threshold: float) -> tuple[Index, Index]:
    """The best one-to-one pairs of tracks and detections.

    Most pairs in a frame have no rival: each is the other's only candidate. These are right as they stand. The cubic
    solver gets only the rest, mostly a few rows and columns.

    Args:
        similarity: `(T, D)`, NaN where a pair is impossible.
        threshold: Least similarity of a pair.

    Returns:
        Rows and columns `(K,)` of the pairs, ascending by row. No other one-to-one pairs of at least `threshold` have a
        greater sum of (similarity − threshold). The same input gives the same pairs.
    """
    candidate = similarity >= threshold
    rows, columns = candidate.nonzero()
    if len(rows) == 0:
        return rows, columns
    rivals = np.bincount(rows)[rows] + np.bincount(columns)[columns]
    alone = rivals == 2
    if alone.all():
        return rows, columns
    solved_rows, solved_columns = _solve(similarity, threshold, rows[~alone], columns[~alone])
    rows, columns = np.concatenate((rows[alone], solved_rows)), np.concatenate((columns[alone], solved_columns))
    order = rows.argsort()
    return rows[order], columns[order]


def _solve(similarity: NDArray[np.floating], threshold: float, rows: Index, columns: Index) -> tuple[Index, Index]:
    """The best pairs among the rows and columns that occur in the candidate pairs `(rows[k], columns[k])`."""
    rows, columns = np.bincount(rows).nonzero()[0], np.bincount(columns).nonzero()[0]  # each once, ascending
    block = similarity[rows[:, None], columns]
    possible = block >= threshold
    # Squared by hand with zeros, the price of staying alone. On matrices this small it is five times faster than lap's
    # extend_cost. Its cost_limit doubles the matrix and splits the limit between row and column.
    side = max(len(rows), len(columns))
    cost = np.zeros((side, side))
    np.subtract(threshold, block, out=cost[: len(rows), : len(columns)], where=possible)
    column_of = lap.lapjv(cost, return_cost=False)[0][: len(rows)]
    row = (column_of < len(columns)).nonzero()[0]
    column = column_of[row]
    paired = possible[row, column]
    return rows[row[paired]], columns[column[paired]]
