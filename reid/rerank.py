"""k-reciprocal re-ranking: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017.

As the authors' code computes it, on sparse rows: nothing of the size of queries times gallery is ever kept, and of all
pairs only the nearest neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CELLS = 2**22  # entries of one block of anything


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
    """Affinities of queries to a gallery after re-ranking; what is kept is a sparse encoding of each row."""

    def __init__(self, query: Tensor, gallery: Tensor, settings: Reranking) -> None:
        """Rows (Q, D) and (G, D) of length 1."""
        rows = torch.cat([query, gallery]).float()
        self._rows, self._queries, self._weight = rows, len(query), settings.weight
        self._encoding, self._largest = _encodings(rows, settings)
        self._gallery = self._encoding.columns_from(len(query))

    def __call__(self, part: slice) -> Tensor:
        """(q, G) minus the final distance d* (Eq. 12) of some queries, a slice with both ends."""
        original = _distance(self._rows[part] @ self._rows[self._queries :].T, self._largest[part, None])
        overlap = torch.zeros_like(original)
        # Eq. 10: of the two encodings only what both hold counts, Σ min; the other sum is 2 − that, as rows sum to 1.
        for row, column, value in self._encoding.entries(part.start, part.stop, self._gallery.lengths):
            source, among = self._gallery.expand(column)
            least = torch.minimum(value[source], self._gallery.values[among])
            overlap.view(-1).index_add_(0, row[source] * overlap.shape[1] + self._gallery.indices[among], least)
        jaccard = 1 - overlap / (2 - overlap)
        return -((1 - self._weight) * jaccard + self._weight * original)


def encodings(rows: Tensor, settings: Reranking) -> Sparse:
    """(N, N) each of N rows (N, D) of length 1 as weights of its k-reciprocal neighbours, which sum to 1."""
    return _encodings(rows, settings)[0]


def _encodings(rows: Tensor, settings: Reranking) -> tuple[Sparse, Tensor]:
    """And (N,) the largest squared distance of each row."""
    nearest, largest = _neighbours(rows, min(settings.k1 + 1, len(rows)))
    encoding = _encode(rows, nearest, largest, settings.k1)
    return _averaged(encoding, nearest[:, : max(1, settings.k2)]), largest


@dataclass(frozen=True)
class Sparse:
    """A sparse matrix by rows: entries `starts[i] … starts[i + 1] - 1` are row i's, in the order of their columns."""

    starts: Tensor  # (N + 1,)
    indices: Tensor
    values: Tensor

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, rows: int, columns: int) -> Sparse:
        """keys: row · columns + column, rising."""
        ends = torch.arange(rows + 1, device=keys.device) * columns
        return cls(torch.searchsorted(keys, ends), keys % columns, values)

    @property
    def lengths(self) -> Tensor:
        return self.starts.diff()

    def expand(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """All entries of some rows, one row after the other: which of `rows` each belongs to, and which entry it is."""
        return ragged(self.starts[rows], self.lengths[rows])

    def columns_from(self, first: int) -> Sparse:
        """The transpose of the rows `first` and after, by columns."""
        count = len(self.starts) - 1
        start = int(self.starts[first])
        row = torch.repeat_interleave(torch.arange(count - first, device=self.starts.device), self.lengths[first:])
        column, order = self.indices[start:].sort(stable=True)
        edges = torch.arange(count + 1, device=self.starts.device)
        return Sparse(torch.searchsorted(column, edges), row[order], self.values[start:][order])

    def entries(self, first: int, last: int, cost: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Row (counted from `first`), column and value of rows' entries, in blocks that `cost` CELLS or so."""
        start, end = int(self.starts[first]), int(self.starts[last])
        rows = torch.repeat_interleave(torch.arange(last - first, device=self.starts.device), self.lengths[first:last])
        block = cost[self.indices[start:end]].cumsum(0) // CELLS
        for size, at in _runs(block):
            here = slice(start + at, start + at + size)
            yield rows[at : at + size], self.indices[here], self.values[here]


def ragged(starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Ranges one after the other: which range each number belongs to, and the number itself, both (Σ lengths,)."""
    which = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    within = torch.arange(len(which), device=lengths.device) - (lengths.cumsum(0) - lengths)[which]
    return which, starts[which] + within


def _runs(block: Tensor) -> list[tuple[int, int]]:
    """Length and start of runs of equal numbers."""
    _, sizes = torch.unique_consecutive(block, return_counts=True)
    return list(zip(sizes.tolist(), (sizes.cumsum(0) - sizes).tolist()))


def _distance(cosine: Tensor, largest: Tensor) -> Tensor:
    """Squared Euclidean, as a share of the row's largest."""
    return (2 - 2 * cosine).clamp(min=0) / largest


def _neighbours(rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(N, k) the nearest rows, itself first, and (N,) the largest squared distance."""
    nearest, largest = [], []
    step = max(1, CELLS // len(rows))
    for part in rows.split(step):
        cosine = part @ rows.T
        nearest.append(cosine.topk(k, 1).indices)
        largest.append(2 - 2 * cosine.amin(1))
    return torch.cat(nearest), torch.cat(largest).clamp(min=1e-12)


def _mutual(nearest: Tensor) -> Tensor:
    """(N, k) whether each of a row's neighbours has the row among its own (Eq. 3)."""
    found = []
    for own, part in _parts(nearest, nearest.shape[1] ** 2):
        found.append((nearest[part] == own[:, None, None]).any(2))
    return torch.cat(found)


def _parts(nearest: Tensor, cost: int) -> Iterator[tuple[Tensor, Tensor]]:
    numbers = torch.arange(len(nearest), device=nearest.device)
    step = max(1, CELLS // cost)
    yield from zip(numbers.split(step), nearest.split(step))


def _encode(rows: Tensor, nearest: Tensor, largest: Tensor, k1: int) -> Sparse:
    """Each row as weights of its k-reciprocal neighbours R* (Eq. 5 and 7), which sum to 1."""
    count, k = nearest.shape
    half = nearest[:, : min(k, round(k1 / 2) + 1)]
    mutual, mutual_half = _mutual(nearest), _mutual(half)
    keys = []
    for own, near in _parts(nearest, k * k * half.shape[1]):
        kept = mutual[own]
        theirs = half[near]  # n k half: what each neighbour would bring along
        valid = mutual_half[near] & kept[:, :, None]
        members = near.masked_fill(~kept, -1)
        shared = (theirs[..., None] == members[:, None, None, :]).any(3) & valid
        accepted = valid & (3 * shared.sum(2) > 2 * valid.sum(2))[:, :, None]
        base = own * count
        both = [(base[:, None] + near)[kept], (base[:, None, None] + theirs)[accepted]]
        keys.append(torch.cat(both).unique())
    key = torch.cat(keys)
    cosine = []
    for some in key.split(max(1, CELLS // rows.shape[1])):
        cosine.append((rows[some // count] * rows[some % count]).sum(1))
    row = key // count
    weight = torch.exp(-_distance(torch.cat(cosine), largest[row]))
    total = torch.zeros(count, device=rows.device).index_add_(0, row, weight)
    return Sparse.of(key, weight / total[row], count, count)


def _averaged(encoding: Sparse, nearest: Tensor) -> Sparse:
    """Each row's encoding as the mean of its nearest rows' (§3.4)."""
    count, k2 = nearest.shape
    keys, values = [], []
    longest = max(1, int(encoding.lengths.max()))
    for own, near in _parts(nearest, k2 * longest):
        source, among = encoding.expand(near.flatten())
        key, place = torch.unique(own[source // k2] * count + encoding.indices[among], return_inverse=True)
        keys.append(key)
        empty = torch.zeros(len(key), device=encoding.values.device)
        values.append(empty.index_add_(0, place, encoding.values[among] / k2))
    return Sparse.of(torch.cat(keys), torch.cat(values), count, count)
