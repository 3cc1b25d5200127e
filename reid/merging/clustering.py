"""Agglomerative clustering under constraints: the best pair of groups is joined first, never across a constraint.

Two groups' linkage is the log-odds of the average similarity of all their pairs. The sums of their embeddings give that
average exactly. The best evidence that one of their candidate pairs carries is added to it. Only candidates are looked
at, so the memory is that of the embeddings and the candidates, not T × T.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from reid.merging.seen import LogOdds

Together = Callable[[NDArray[np.int64], NDArray[np.int64]], bool]
_CHUNK = 2**12  # pairs whose rows are fetched at once: they fit a cache


def sums(rows: NDArray[np.float32], group: NDArray[np.int64]) -> NDArray[np.float32]:
    """(G, D) the sums of rows (T, D) by `group` (T,), numbers 0 … G − 1 that all occur. Rows are added in order."""
    order = np.argsort(group, kind="stable")
    starts, ones = np.append(0, np.cumsum(np.bincount(group))), np.ones(len(rows), np.float32)
    total: NDArray[np.float32] = csr_array((ones, order, starts), shape=(len(starts) - 1, len(rows))) @ rows
    return total


def mean_similarities(
    total: NDArray[np.float32], size: NDArray[np.float64], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(P,) average similarities of all rows of two groups each, of which `total` (G, D) and `size` (G,) are known."""
    similarity = [np.zeros(0)]
    for first in range(0, len(pairs), _CHUNK):
        a, b = pairs[first : first + _CHUNK].T
        similarity.append(np.einsum("pd,pd->p", total[a], total[b]) / (size[a] * size[b]))
    return np.concatenate(similarity)


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
    order = np.argsort(number, kind="stable")
    heads, begins = np.unique(number[order], return_index=True)
    members = dict(zip(heads.tolist(), np.split(order, begins[1:])))
    total = np.zeros_like(embedding)
    total[first] = sums(embedding, group)
    size = np.bincount(number, minlength=len(rows)).astype(np.float64)

    forbidden: dict[int, set[int]] = {}
    for a, b in number[cannot_link].tolist():
        if a != b:
            forbidden.setdefault(a, set()).add(b)
            forbidden.setdefault(b, set()).add(a)

    low, high, alike, best = _links(np.sort(number[pairs], axis=1), similarity, evidence)
    near: dict[int, dict[int, float]] = {head: {} for head in np.unique([low, high]).tolist()}
    for a, b, worth in zip(low.tolist(), high.tolist(), best.tolist()):
        near[a][b] = near[b][a] = worth

    version = [0] * len(rows)
    linkage = log_odds(alike) + best
    hopeful = linkage > least
    links = (column[hopeful].tolist() for column in (-linkage, -alike, low, high))
    # Equal links go by similarity, then by number. The last two are how often each side had grown.
    heap: list[tuple[float, float, int, int, int, int]] = [(*link, 0, 0) for link in zip(*links)]
    heapq.heapify(heap)

    def propose(a: int, partners: list[int]) -> None:
        """Queues the links of `a` to `partners` that are worth it."""
        similarity = (total[partners] @ total[a]).astype(np.float64) / (size[partners] * size[a])
        linkage = log_odds(similarity) + [near[a][b] for b in partners]
        for k in np.nonzero(linkage > least)[0].tolist():
            low, high = min(a, partners[k]), max(a, partners[k])
            entry = (-float(linkage[k]), -float(similarity[k]), low, high, version[low], version[high])
            heapq.heappush(heap, entry)

    while heap:
        _, _, a, b, *age = heapq.heappop(heap)
        if [version[a], version[b]] != age:
            continue
        if b in forbidden.get(a, ()) or not together(members[a], members[b]):
            near[a].pop(b)
            near[b].pop(a)
            continue
        total[a] += total[b]
        size[a] += size[b]
        members[a] = np.concatenate([members[a], members.pop(b)])
        version[a], version[b] = version[a] + 1, -1
        for c in forbidden.pop(b, ()):
            forbidden[c].discard(b)
            forbidden[c].add(a)
            forbidden.setdefault(a, set()).add(c)
        for c, worth in near.pop(b).items():
            near[c].pop(b)
            if c != a:
                near[a][c] = near[c][a] = max(worth, near[a].get(c, -np.inf))
        if near[a]:
            propose(a, sorted(near[a]))

    for head, cluster_rows in members.items():
        number[cluster_rows] = head
    return number


def _links(
    pairs: NDArray[np.int64], similarity: NDArray[np.float64], evidence: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Each pair of two clusters once: the lower, the higher, their similarity, and the best evidence, all (L,)."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    order = order[pairs[order, 0] != pairs[order, 1]]
    low, high = pairs[order].T
    first = np.flatnonzero((np.diff(low, prepend=-1) != 0) | (np.diff(high, prepend=-1) != 0))
    best = np.maximum.reduceat(evidence[order], first) if len(first) else np.zeros(0)
    return low[first], high[first], similarity[order[first]], best
