"""At which similarity looks are undecided, for an encoder that has adapted.

Adapting moves similarities: whom it took for one person it has learned to find alike, rightly or not. At the old point
more would be joined, and more of it wrongly. Pairs of trajectories in two cameras stay the same, and so does the share
of them that show one person. So the new point is where as large a share is alike as at the old one before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reid.merging.company import among
from reid.merging.context import contextual, probability
from reid.merging.seen import MergeRules, Seen
from reid.merging.trajectories import trajectories

MOST = 3000  # trajectories that are compared with each other, drawn at random where there are more
FEWEST = 30  # pairs that must be alike before, or the share says nothing


def same_share(before: Seen, after: Seen, rules: MergeRules) -> MergeRules:
    """The rules for an encoder that has adapted.

    Args:
        before: T tracklets as an earlier encoder sees them.
        after: The same tracklets, or nearly so, as the new one does.
        rules: Of the earlier encoder.

    Returns:
        The same with another `across`, or as they were where too few pairs are alike.
    """
    old, new = _similarities(before, rules), _similarities(after, rules)
    alike = old > among(rules, before.camera).across
    if alike.sum() < FEWEST or not len(new):
        return rules
    moved = np.quantile(new, 1 - alike.mean()) - np.quantile(old, 1 - alike.mean())
    return replace(rules, across=float(np.clip(rules.across + moved, -1, 1)))


def _similarities(seen: Seen, rules: MergeRules) -> NDArray[np.float32]:
    """(P,) mean similarities of trajectories of two cameras each."""
    around = replace(seen, embedding=contextual(seen.embedding, seen.camera))
    rules = among(rules, seen.camera)
    label = trajectories(around, rules, probability(rules.within))
    names, trajectory = np.unique(label, return_inverse=True)
    total = np.zeros((len(names), around.embedding.shape[1]), np.float32)
    np.add.at(total, trajectory, around.embedding)
    camera = np.zeros(len(names), np.int64)
    camera[trajectory] = seen.camera
    np.divide(total, np.bincount(trajectory)[:, None], out=total, casting="same_kind")
    if len(total) > MOST:
        drawn = np.random.default_rng(0).choice(len(total), MOST, replace=False)
        total, camera = total[drawn], camera[drawn]
    first, second = np.triu_indices(len(total), 1)
    similarity: NDArray[np.float32] = (total @ total.T)[first, second]
    return similarity[camera[first] != camera[second]]
