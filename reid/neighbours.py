"""The nearest of many rows, in NumPy and bounded memory. `reid.association` is its counterpart in torch.

Rows are compared by two blocks of them at once, in both directions. Two blocks are a task (`reid.spread`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from reid.spread import Here, Spread

CELLS = 2**22  # entries of one block of anything
BLOCK = 2**14  # rows of a block: a task is worth sending, and 768 numbers of each are 50 MB
TILE = 2**11  # rows of a block that are multiplied at once: the product is 16 MB
_FIRST_LOOK = 2**8  # columns whose best bound the others, at least

Rows = NDArray[np.float32]
Integers = NDArray[np.int64]


class Nearest:
    """The best columns that N rows have been offered, the best first. Equal ones are in the order of their offer."""

    def __init__(self, count: int, most: int) -> None:
        """most: K, kept of each row."""
        self.column = np.full((count, most), -1, np.int32)  # −1: no more was offered
        self.similarity = np.full((count, most), -np.inf, np.float32)

    def offer(self, similarity: Rows, first: int, first_column: int) -> None:
        """Offers rows from `first` on consecutive columns. An entry of −inf is none.

        Args:
            similarity: (n, m).
            first: The row that the similarity's first is.
            first_column: The column that the similarity's first is. All offered before were smaller.
        """
        most = self.column.shape[1]
        if not similarity.size or not most:
            return
        rows = slice(first, first + len(similarity))
        least = self.similarity[rows, -1]
        if not np.isfinite(least).all() and similarity.shape[1] >= most:
            some = similarity[:, : max(_FIRST_LOOK, 4 * most)]
            least = np.maximum(least, np.partition(some, some.shape[1] - most, axis=1)[:, -most])
        entry = np.flatnonzero(np.ascontiguousarray(similarity >= least[:, None]))
        row, column = np.divmod(entry, similarity.shape[1])
        value = similarity[row, column]
        real = value > -np.inf
        row, column, value = row[real], column[real], value[real]
        count = np.bincount(row, minlength=len(similarity))
        if not len(row):
            return
        place = np.arange(len(row)) - (count.cumsum() - count)[row]
        columns = np.full((len(similarity), int(count.max())), -1, np.int32)
        values = np.full(columns.shape, -np.inf, np.float32)
        columns[row, place], values[row, place] = column + first_column, value
        self.take(rows, columns, values)

    def take(self, rows: slice, column: NDArray[np.int32], similarity: Rows) -> None:
        """Takes the best of some rows from further columns (n, m). All taken before were smaller."""
        if not column.size or not self.column.size:
            return
        both = np.concatenate([self.similarity[rows], similarity], axis=1)
        best = np.argsort(-both, axis=1, kind="stable")[:, : self.column.shape[1]]
        self.similarity[rows] = np.take_along_axis(both, best, 1)
        self.column[rows] = np.take_along_axis(np.concatenate([self.column[rows], column], axis=1), best, 1)


def tiles(a: Rows, b: Rows | None) -> Iterator[tuple[int, int, Rows]]:
    """Products of rows a (N, D) and b (M, D), or of a and itself, in pieces: first row, first column, (n, m).

    Of a and itself those above the diagonal are left to be transposed. Rows and columns rise.
    """
    other = a if b is None else b
    for row in range(0, len(a), TILE):
        for column in range(0 if b is not None else row, len(other), TILE):
            yield row, column, a[row : row + TILE] @ other[column : column + TILE].T


def nearest_of_all(rows: Rows, most: int, spread: Spread | None = None) -> tuple[NDArray[np.int32], Rows]:
    """Each row's nearest by dot product, itself among them.

    Args:
        rows: (N, D).
        most: K, at most N.
        spread: Where the work is done.

    Returns:
        (N, K) the nearest, the nearest first, and (N,) the smallest product with any row.
    """
    spread = spread or Here()
    nearest, least = Nearest(len(rows), most), np.full(len(rows), np.inf, np.float32)
    starts = range(0, len(rows), BLOCK)
    blocks = spread.shared(len(starts), lambda k: rows[starts[k] : starts[k] + BLOCK])
    pairs = list(combinations_with_replacement(range(len(starts)), 2))
    arguments = ((blocks[a], None if a == b else blocks[b], starts[a], starts[b], min(most, BLOCK)) for a, b in pairs)
    for pair, results in zip(pairs, spread.each(_nearest_of_two, arguments)):
        for block, (column, similarity, smallest) in zip(pair, results):
            part = slice(starts[block], starts[block] + len(column))
            nearest.take(part, column, similarity)
            least[part] = np.minimum(least[part], smallest)
    return nearest.column, least


_Found = tuple[NDArray[np.int32], Rows, Rows]  # (n, K) columns and similarities, (n,) the smallest similarity


def _nearest_of_two(a: Rows, b: Rows | None, first_a: int, first_b: int, most: int) -> list[_Found]:
    """What rows of two blocks, or of one block with itself, have in each other."""
    sides = [a] if b is None else [a, b]
    nearest = [Nearest(len(side), most) for side in sides]
    least = [np.full(len(side), np.inf, np.float32) for side in sides]

    def look(side: int, similarity: Rows, row: int, column: int) -> None:
        nearest[side].offer(similarity, row, column)
        part = slice(row, row + len(similarity))
        least[side][part] = np.minimum(least[side][part], similarity.min(1))

    for row, column, similarity in tiles(a, b):
        look(0, similarity, row, first_b + column)
        if b is not None or row != column:
            look(-1, similarity.T, column, first_a + row)
    return [(found.column, found.similarity, smallest) for found, smallest in zip(nearest, least)]
