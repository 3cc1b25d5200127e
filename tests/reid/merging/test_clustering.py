"""Clustering equals a loop that looks at all pairs of clusters and joins the best."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.merging.clustering import GroupSums, agglomerate, mean_similarities, sums
from tests.reid.merging.sites import unit

COUNT = 24


def log_odds(similarity: NDArray[np.floating]) -> NDArray[np.float64]:
    return 8.0 * (np.asarray(similarity, np.float64) - 0.4)


def at_most_five(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """A rule that never becomes true again when a group grows."""
    return len(a) + len(b) <= 5


def clustered_by_loop(
    embedding: NDArray[np.float32],
    group: NDArray[np.int64],
    pairs: NDArray[np.int64],
    evidence: NDArray[np.float64],
    cannot_link: NDArray[np.int64],
) -> list[set[int]]:
    clusters = [set(np.flatnonzero(group == number).tolist()) for number in np.unique(group)]
    joined = group[cannot_link[:, 0]] == group[cannot_link[:, 1]]
    forbidden = {frozenset(pair) for pair in cannot_link[~joined].tolist()}
    worth: dict[frozenset[int], float] = {}
    for pair, value in zip(map(frozenset, pairs.tolist()), evidence.tolist()):
        worth[pair] = max(value, worth.get(pair, -np.inf))

    def linkage(a: set[int], b: set[int]) -> float:
        crossing = [frozenset((i, j)) for i in a for j in b]
        candidates = [worth[pair] for pair in crossing if pair in worth]
        if not candidates or forbidden & set(crossing) or len(a) + len(b) > 5:
            return -np.inf
        similarity = np.mean([embedding[i] @ embedding[j] for i in a for j in b])
        return float(log_odds(similarity)) + max(candidates)

    while len(clusters) > 1:
        best = max(combinations(range(len(clusters)), 2), key=lambda ab: linkage(clusters[ab[0]], clusters[ab[1]]))
        if linkage(clusters[best[0]], clusters[best[1]]) <= 0:
            break
        clusters[best[0]] |= clusters.pop(best[1])
    return clusters


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    embedding = unit(rng.normal(size=(6, 5))[np.arange(COUNT) % 6] + 0.6 * rng.normal(size=(COUNT, 5)))
    group = np.arange(COUNT)
    group[[7, 13]] = 1  # together from the start
    pairs = rng.integers(0, COUNT, (160, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    evidence = rng.normal(size=len(pairs))
    cannot_link = np.concatenate([rng.integers(0, COUNT, (10, 2)), [[1, 7]]])  # the last is overruled by `group`
    cannot_link = cannot_link[cannot_link[:, 0] != cannot_link[:, 1]]
    dense = np.unique(group, return_inverse=True)[1]
    label = agglomerate(
        embedding=embedding,
        group=group,
        pairs=pairs,
        similarity=mean_similarities(sums(embedding, dense), np.bincount(dense).astype(np.float64), dense[pairs]),
        evidence=evidence,
        cannot_link=cannot_link,
        together=at_most_five,
        log_odds=log_odds,
        least=0.0,
    )
    expected = clustered_by_loop(embedding, group, pairs, evidence, cannot_link)
    assert len(expected) < COUNT - 8
    for cluster in expected:
        assert set(label[list(cluster)]) == {min(cluster)}
    assert len(np.unique(label)) == len(expected)


def test_sums_of_groups_are_kept_for_those_of_several_alone() -> None:
    rng = np.random.default_rng(3)
    rows, group = rng.integers(-9, 9, (40, 5)).astype(np.float32), rng.integers(0, 30, 40)
    expected = {number: rows[group == number].sum(0) for number in np.unique(group).tolist()}
    total, left = GroupSums(rows, group), list(expected)
    for _ in range(20):
        numbers = np.array(left)
        assert np.array_equal(total[numbers], [expected[number] for number in left])
        a, b = rng.choice(left, 2, replace=False).tolist()
        total.join(a, b)
        expected[a] = expected[a] + expected.pop(b)
        left.remove(b)
        assert np.array_equal(total.of(a), expected[a])
