"""Agglomerative clustering under constraints: the best pair of groups is joined first, never across a constraint.

Two groups' linkage is the log-odds of the average similarity of all their pairs. The sums of their embeddings give that
average exactly. The best evidence that one of their candidate pairs carries is added to it. Only candidates are looked
at, so the memory is that of the candidates and of the sums of groups that have grown, not T × T.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from reid.merging.seen import LogOdds

Together = Callable[[NDArray[np.int64], NDArray[np.int64]], bool]
Rows = NDArray[np.float32]
Link = tuple[float, float, int, int, int, int]
"""Minus linkage, minus similarity, lower and higher cluster, and how often each had grown.

Equal links go by similarity, then by number."""
_CHUNK = 2**12  # pairs whose rows are fetched at once: they fit a cache
_FEW = 4  # links of a list that are made first


class Fetched(Protocol):
    """Rows that are made when they are asked for. An array is one, too."""

    def __getitem__(self, numbers: NDArray[np.int64], /) -> Rows:
        """(n, D) float32 those of `numbers` (n,)."""


def sums(rows: Rows, group: NDArray[np.int64]) -> Rows:
    """(G, D) the sums of rows (T, D) by `group` (T,), numbers 0 … G − 1 that all occur. Rows are added in order."""
    return _sums(rows, np.argsort(group, kind="stable"), np.bincount(group))


def _sums(rows: Rows, order: NDArray[np.int64], size: NDArray[np.int64]) -> Rows:
    """(G, D) the sums of the first `size` (G,) rows of `order`, the next ones, and so on."""
    starts, ones = np.append(0, np.cumsum(size)), np.ones(len(order), np.float32)
    total: Rows = csr_array((ones, order, starts), shape=(len(size), len(rows))) @ rows
    return total


class GroupSums:
    """Sums of rows by group. Those of groups of one are the rows themselves, and take no memory."""

    def __init__(self, rows: Rows, group: NDArray[np.int64]) -> None:
        """Of rows (T, D) by `group` (T,), numbers from 0. Where one does not occur, its sum is no row."""
        self._rows = rows
        size = np.bincount(group)
        several = np.flatnonzero(size > 1)
        self._slot = np.full(len(size), -1, np.int32)  # of a sum that is kept
        self._slot[several] = np.arange(len(several))
        self._first = np.full(len(size), -1, np.int64)
        self._first[group[::-1]] = np.arange(len(group))[::-1]
        order = np.argsort(group, kind="stable")
        self._kept = _sums(rows, order[size[group[order]] > 1], size[several])
        self._free: list[int] = []

    def __getitem__(self, groups: NDArray[np.int64]) -> Rows:
        """(n, D) of `groups` (n,)."""
        slot = self._slot[groups]
        kept = slot >= 0
        total = self._rows[self._first[groups]]
        total[kept] = self._kept[slot[kept]]
        return total

    def of(self, group: int) -> Rows:
        """(D,) of one group. It is a view."""
        slot = self._slot[group]
        row: Rows = self._kept[slot] if slot >= 0 else self._rows[self._first[group]]
        return row

    def join(self, a: int, b: int) -> None:
        """Adds group b to group a. There is no b from then on."""
        total = self.of(a) + self.of(b)
        slots = [slot for slot in self._slot[[a, b]].tolist() if slot >= 0]
        slot = slots[0] if slots else self._another()
        self._free += slots[1:]
        self._kept[slot] = total
        self._slot[a], self._slot[b] = slot, -1

    def _another(self) -> int:
        if not self._free:
            before = len(self._kept)
            kept = np.empty((before + before // 4 + 256, self._rows.shape[1]), np.float32)
            kept[:before] = self._kept
            self._kept, self._free = kept, list(range(len(kept) - 1, before - 1, -1))
        return self._free.pop()


def mean_similarities(total: Fetched, size: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """(P,) average similarities of all rows of two groups each, of which `total` (G, D) and `size` (G,) are known."""
    similarity = np.empty(len(pairs))
    for first in range(0, len(pairs), _CHUNK):
        a, b = pairs[first : first + _CHUNK].T
        similarity[first : first + _CHUNK] = np.einsum("pd,pd->p", total[a], total[b]) / (size[a] * size[b])
    return similarity


class _Candidates:
    """Which clusters are each other's candidates, and the best evidence of it.

    What nobody joined is read from arrays. Only what has grown has lists of its own. Names of clusters that have become
    part of others are looked up when a list is read.
    """

    def __init__(
        self,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        worth: NDArray[np.float64],
        number: NDArray[np.int64],
    ) -> None:
        """Of links (L,), sorted by the lower, then the higher.

        number: (T,) each row's cluster. Whoever joins two changes it.
        """
        self._number = number
        clusters = np.arange(len(number) + 1)
        self._low, self._high, self._worth = low.astype(np.int32), high.astype(np.int32), worth
        self._by_high = np.argsort(self._high, kind="stable").astype(np.int32)
        self._low_starts = np.searchsorted(self._low, clusters)
        self._high_starts = np.searchsorted(self._high[self._by_high], clusters)
        self._own: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def of(self, a: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """A cluster's candidates (C,) by number, and the evidence (C,)."""
        if a in self._own:
            names, worth = self._own[a]
        else:
            after = slice(self._low_starts[a], self._low_starts[a + 1])
            before = self._by_high[self._high_starts[a] : self._high_starts[a + 1]]
            names = np.concatenate([self._low[before], self._high[after]])
            worth = np.concatenate([self._worth[before], self._worth[after]])
        return self._named(a, names, worth)

    def join(self, a: int, b: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The candidates of a, of which b is a part from now on. Rows have their new number already."""
        (names, worth), (others, their_worth) = self.of(a), self.of(b)
        self._own.pop(b, None)
        self._own[a] = self._named(a, np.concatenate([names, others]), np.concatenate([worth, their_worth]))
        return self._own[a]

    def part(self, a: int, b: int) -> None:
        """These two are candidates no more."""
        for cluster, other in ((a, b), (b, a)):
            names, worth = self.of(cluster)
            kept = names != other
            self._own[cluster] = names[kept], worth[kept]

    def _named(
        self, a: int, names: NDArray[np.int64], worth: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        names = self._number[names]
        order = np.lexsort((worth, names))
        names, worth = names[order], worth[order]
        last = names != a
        last[:-1] &= names[1:] != names[:-1]  # the best evidence
        return names[last], worth[last]


class _Links:
    """Links that are worth it, the best first. Tuples take ten times the memory of arrays, so only some are made."""

    def __init__(self, linkage: NDArray[np.float64], similarity: NDArray[np.float64], *ends: NDArray[np.int64]) -> None:
        """linkage, similarity: (n,). ends: lower and higher cluster (n,), and how often each had grown."""
        order = np.lexsort((ends[1], ends[0], -similarity, -linkage))[::-1]  # the last is the best
        self._columns = [-linkage[order], -similarity[order], *(end[order] for end in ends)]
        self._left = len(order)
        self._made: list[Link] = []
        self._next = _FEW

    def best(self) -> Link | None:
        """Takes out the best one that is left."""
        if not self._made:
            if not self._left:
                return None
            part = slice(max(0, self._left - self._next), self._left)
            self._left, self._next = part.start, min(2 * self._next, _CHUNK)
            self._made = list(zip(*(column[part].tolist() for column in self._columns)))
        return self._made.pop()

    def clear(self) -> None:
        """Forgets all. They are out of date."""
        self._columns, self._made, self._left = [], [], 0


class _Queue:
    """The best links of several lists. Each list holds one place."""

    def __init__(self) -> None:
        self._heap: list[tuple[Link, int, _Links]] = []
        self._lists = 0

    def add(self, links: _Links) -> None:
        """Adds a list."""
        best = links.best()
        if best is not None:
            self._lists += 1
            heapq.heappush(self._heap, (best, self._lists, links))

    def best(self) -> Link | None:
        """Takes out the best link of all."""
        if not self._heap:
            return None
        link, place, links = self._heap[0]
        following = links.best()
        if following is None:
            heapq.heappop(self._heap)
        else:
            heapq.heapreplace(self._heap, (following, place, links))
        return link


def agglomerate(
    embedding: NDArray[np.float32],
    group: NDArray[np.int64],
    pairs: NDArray[np.int64],
    similarity: NDArray[np.float64],
    evidence: NDArray[np.float64],
    cannot_link: NDArray[np.int64],
    together: Together,
    log_odds: LogOdds,
    least: float,
) -> NDArray[np.int64]:
    """Joins rows to clusters.

    Args:
        embedding: (T, D), rows of length 1.
        group: (T,) equal for rows that belong together from the start.
        pairs: (E, 2) candidate rows.
        similarity: (E,) average similarities of their groups.
        evidence: (E,) log-odds of the candidates beside their looks.
        cannot_link: (P, 2) rows that stay apart, unless `group` joins them.
        together: Whether two groups of rows may be one. It must not become true again when either grows.
        log_odds: Of a similarity.
        least: Linkage above which groups are joined.

    Returns:
        (T,) the least row of each row's cluster.
    """
    rows = np.arange(len(group))
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    number = first[group]  # a cluster is called by its first row
    size = np.bincount(number, minlength=len(rows)).astype(np.float64)
    order = np.argsort(number, kind="stable")
    order = order[size[number[order]] > 1]
    heads, begins = np.unique(number[order], return_index=True)
    members = dict(zip(heads.tolist(), np.split(order, begins[1:])))  # of clusters of several rows
    total = GroupSums(embedding, number)

    forbidden: dict[int, set[int]] = {}
    for a, b in number[cannot_link].tolist():
        if a != b:
            forbidden.setdefault(a, set()).add(b)
            forbidden.setdefault(b, set()).add(a)

    low, high, alike, best = _links(number, pairs, similarity, evidence)
    near = _Candidates(low, high, best, number)
    age = np.zeros(len(rows), np.int64)  # how often each had grown. −1: it is part of another
    linkage = log_odds(alike) + best
    hopeful = np.flatnonzero(linkage > least)
    queue = _Queue()
    queue.add(
        _Links(linkage[hopeful], alike[hopeful], low[hopeful], high[hopeful], *np.zeros((2, len(hopeful)), np.int64))
    )
    del low, high, alike, best, linkage, hopeful
    waiting: dict[int, _Links] = {}  # by the cluster that proposed them when it last grew

    while (link := queue.best()) is not None:
        _, _, a, b, *ages = link
        if [age[a], age[b]] != ages:
            continue
        sides = [members[cluster] if cluster in members else rows[cluster : cluster + 1] for cluster in (a, b)]
        if b in forbidden.get(a, ()) or not together(*sides):
            near.part(a, b)
            continue
        total.join(a, b)
        size[a] += size[b]
        members.pop(b, None)
        members[a] = np.concatenate(sides)
        number[sides[1]] = a
        age[a], age[b] = age[a] + 1, -1
        for c in forbidden.pop(b, ()):
            forbidden[c].discard(b)
            forbidden[c].add(a)
            forbidden.setdefault(a, set()).add(c)
        partners, worth = near.join(a, b)
        for cluster in (a, b):
            if cluster in waiting:
                waiting.pop(cluster).clear()
        if len(partners):
            mean = (total[partners] @ total.of(a)).astype(np.float64) / (size[partners] * size[a])
            linkage = log_odds(mean) + worth
            kept = np.flatnonzero(linkage > least)
            ends = np.minimum(a, partners[kept]), np.maximum(a, partners[kept])
            waiting[a] = _Links(linkage[kept], mean[kept], *ends, age[ends[0]], age[ends[1]])
            queue.add(waiting[a])
    return number


def _links(
    number: NDArray[np.int64],
    pairs: NDArray[np.int64],
    similarity: NDArray[np.float64],
    evidence: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Each pair of two clusters once: the lower, the higher, their similarity, and the best evidence, all (L,)."""
    a, b = number[pairs[:, 0]], number[pairs[:, 1]]
    keys = np.minimum(a, b) * len(number) + np.maximum(a, b)
    order = np.argsort(keys, kind="stable")
    order = order[a[order] != b[order]]
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1) != 0)
    best = np.maximum.reduceat(evidence[order], first) if len(first) else np.zeros(0)
    low, high = np.divmod(keys[first], max(1, len(number)))
    return low, high, similarity[order[first]], best
