"""k-reciprocal re-ranking: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017.

It computes as the authors' code does, on sparse rows. Nothing of the size of queries times gallery is ever kept. Of all
pairs only the nearest neighbours are kept. It needs NumPy alone, as searching and merging use it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reid.neighbours import CELLS, nearest_of_all
from reid.spread import Spread

Rows = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Reranking:
    """The paper's settings (§4.2)."""

    k1: int = 20
    """Neighbours that may be k-reciprocal."""
    k2: int = 6
    """Neighbours whose encodings are averaged: local query expansion."""
    weight: float = 0.3
    """λ, of the original distance beside the Jaccard distance."""


class Reranked:
    """Affinities of queries to a gallery after re-ranking. It keeps a sparse encoding of each row."""

    def __init__(self, query: Rows, gallery: Rows, settings: Reranking) -> None:
        """Rows (Q, D) and (G, D) of length 1."""
        rows = np.concatenate([query, gallery]).astype(np.float32, copy=False)
        self._rows, self._queries, self._weight = rows, len(query), settings.weight
        self._encoding, self._largest = _encodings(rows, settings)
        self._gallery = self._encoding.columns_from(len(query))

    def __call__(self, part: slice) -> Rows:
        """(q, G) minus the final distance d* (Eq. 12) of some queries, a slice with both ends."""
        original = _distance(self._rows[part] @ self._rows[self._queries :].T, self._largest[part, None])
        overlap = np.zeros(original.size, np.float32)
        # Eq. 10: of the two encodings only what both hold counts, Σ min. As rows sum to 1, the other sum is 2 − that.
        for row, column, value in self._encoding.entries(part.start, part.stop, self._gallery.lengths):
            source, entry = self._gallery.expand(column)
            least = np.minimum(value[source], self._gallery.values[entry])
            np.add.at(overlap, row[source] * original.shape[1] + self._gallery.indices[entry], least)
        shared = overlap.reshape(original.shape)
        jaccard = 1 - shared / (2 - shared)
        affinity: Rows = -((1 - self._weight) * jaccard + self._weight * original)
        return affinity


def encodings(rows: Rows, settings: Reranking, spread: Spread | None = None) -> Sparse:
    """(N, N) each of N rows (N, D) of length 1 as weights of its k-reciprocal neighbours.

    The weights of a row sum to 1. spread: where neighbours are looked for.
    """
    return _encodings(rows, settings, spread)[0]


def _encodings(rows: Rows, settings: Reranking, spread: Spread | None = None) -> tuple[Sparse, Rows]:
    """And (N,) the largest squared distance of each row."""
    nearest, least = nearest_of_all(rows, min(settings.k1 + 1, len(rows)), spread)
    largest = (2 - 2 * least).clip(min=1e-12)
    encoding = _encode(rows, nearest, largest, settings.k1)
    return _averaged(encoding, nearest[:, : max(1, settings.k2)]), largest


@dataclass(frozen=True)
class Sparse:
    """A sparse matrix by rows.

    Entries `starts[i] … starts[i + 1] - 1` are row i's, in the order of their columns.
    """

    starts: Integers  # (N + 1,)
    indices: Integers
    values: Rows

    @classmethod
    def of(cls, keys: Integers, values: Rows, rows: int, columns: int) -> Sparse:
        """keys: row · columns + column, rising."""
        return cls(np.searchsorted(keys, np.arange(rows + 1) * columns), keys % columns, values)

    @property
    def lengths(self) -> Integers:
        """(N,) entries of each row."""
        return np.diff(self.starts)

    def expand(self, rows: NDArray[np.integer]) -> tuple[Integers, Integers]:
        """All entries of some rows, one row after the other.

        It gives which of `rows` each belongs to, and which entry it is.
        """
        return ragged(self.starts[rows], self.lengths[rows])

    def columns_from(self, first: int) -> Sparse:
        """The transpose of the rows `first` and after, by columns."""
        count = len(self.starts) - 1
        start = int(self.starts[first])
        row = np.repeat(np.arange(count - first), self.lengths[first:])
        order = np.argsort(self.indices[start:], kind="stable")
        starts = np.searchsorted(self.indices[start:][order], np.arange(count + 1))
        return Sparse(starts, row[order], self.values[start:][order])

    def entries(self, first: int, last: int, cost: Integers) -> Iterator[tuple[Integers, Integers, Rows]]:
        """Row (counted from `first`), column and value of rows' entries, in blocks that `cost` CELLS or so."""
        start, end = int(self.starts[first]), int(self.starts[last])
        rows = np.repeat(np.arange(last - first), self.lengths[first:last])
        block = cost[self.indices[start:end]].cumsum() // CELLS
        edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(block)]
        for begin, stop in pairwise(edges):
            entry = slice(start + begin, start + stop)
            yield rows[begin:stop], self.indices[entry], self.values[entry]


def ragged(starts: Integers, lengths: Integers) -> tuple[Integers, Integers]:
    """Ranges one after the other: which range each number belongs to, and the number itself, both (Σ lengths,)."""
    which = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(which)) - (lengths.cumsum() - lengths)[which]
    return which, starts[which] + within


def _distance(cosine: Rows, largest: Rows) -> Rows:
    """Squared Euclidean, as a share of the row's largest."""
    return ((2 - 2 * cosine).clip(min=0) / largest).astype(np.float32, copy=False)


def _mutual(nearest: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(N, k) whether each of a row's neighbours has the row among its own (Eq. 3)."""
    mutual = np.empty(nearest.shape, bool)
    for own in _parts(nearest, nearest.shape[1] ** 2):
        mutual[own] = (nearest[nearest[own]] == own[:, None, None]).any(2)
    return mutual


def _parts(nearest: NDArray[np.integer], cost: int) -> Iterator[Integers]:
    """The numbers of rows that `cost` so much each, CELLS or so at once."""
    step = max(1, CELLS // cost)
    for first in range(0, len(nearest), step):
        yield np.arange(first, min(first + step, len(nearest)))


def _encode(rows: Rows, nearest: NDArray[np.integer], largest: Rows, k1: int) -> Sparse:
    """Each row as weights of its k-reciprocal neighbours R* (Eq. 5 and 7), which sum to 1."""
    count, k = nearest.shape
    half = nearest[:, : min(k, round(k1 / 2) + 1)]
    mutual, mutual_half = _mutual(nearest), _mutual(half)
    keys = []
    for own in _parts(nearest, k * k * half.shape[1]):
        near, kept = nearest[own], mutual[own]
        theirs = half[near]  # n k half: what each neighbour would bring along
        valid = mutual_half[near] & kept[:, :, None]
        members = np.where(kept, near, -1)
        shared = (theirs[..., None] == members[:, None, None, :]).any(3) & valid
        accepted = valid & (3 * shared.sum(2) > 2 * valid.sum(2))[:, :, None]
        base = own * count
        both = [(base[:, None] + near)[kept], (base[:, None, None] + theirs)[accepted]]
        keys.append(np.unique(np.concatenate(both)))
    key = np.concatenate(keys)
    row, column = key // count, key % count
    cosine = np.empty(len(key), np.float32)
    step = max(1, CELLS // rows.shape[1])
    for first in range(0, len(key), step):
        part = slice(first, first + step)
        cosine[part] = np.einsum("pd,pd->p", rows[row[part]], rows[column[part]])
    weight = np.exp(-_distance(cosine, largest[row]))
    total = np.bincount(row, weight, count).astype(np.float32)
    return Sparse.of(key, weight / total[row], count, count)


def _averaged(encoding: Sparse, nearest: NDArray[np.integer]) -> Sparse:
    """Each row's encoding as the mean of its nearest rows' (§3.4)."""
    count, k2 = nearest.shape
    keys, values = [], []
    longest = max(1, int(encoding.lengths.max()))
    for own in _parts(nearest, k2 * longest):
        source, entry = encoding.expand(nearest[own].ravel())
        key, position = np.unique(own[source // k2] * count + encoding.indices[entry], return_inverse=True)
        keys.append(key)
        values.append(np.bincount(position, encoding.values[entry] / k2, len(key)).astype(np.float32))
    return Sparse.of(np.concatenate(keys), np.concatenate(values), count, count)
