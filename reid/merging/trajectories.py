"""Within each camera: tracklets that show one person, joined to trajectories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from reid.merging.clustering import GroupSums, agglomerate, mean_similarities
from reid.merging.look_alikes import look_alikes
from reid.merging.motion import CONTINUITY, Motion
from reid.merging.seen import LogOdds, MergeError, MergeRules, Probability, Seen, distinct, logit, renamed, tabulated
from reid.spread import Spread

if TYPE_CHECKING:
    from torch import Tensor

    from reid.association import SoftLabels

UTAL_NEIGHBOURS = 4  # K of UTAL's Eq. 4
UTAL_AFFINITY = 0.5  # of tracking refinement, its §4.3
_CROWD = 5
"""Of those who come into view after somebody's end, how many may be that person at full odds.

Beyond them the odds of each fall as one over their number: among all who pass in a day somebody looks alike by chance.
"""
_CHUNK = 2**12  # pairs whose embeddings are fetched at once: they fit a cache


def trajectories(
    seen: Seen,
    rules: MergeRules,
    probability: Probability,
    method: str = "constrained",
    previous: NDArray[np.int64] | None = None,
    spread: Spread | None = None,
) -> NDArray[np.int64]:
    """Joins tracklets of one camera to trajectories.

    Args:
        seen: T tracklets.
        rules: When tracklets are joined.
        probability: Of one person, by similarity within a camera.
        method: `constrained` clusters by looks, time and position, under constraints. `utal` is the tracking refinement
            of UTAL (§4.3), which knows looks alone, neither facts nor corrections.
        previous: (T,) labels of an earlier run, −1 for new tracklets. A trajectory keeps the number of the one with
            which it shares most tracklets.
        spread: Where look-alikes are looked for.

    Returns:
        (T,) int64, equal where tracklets are one person's trajectory.

    Raises:
        MergeError: There is no such method.
    """
    ordered, order = seen.by_id()
    if method == "utal":
        label = _as_utal(ordered)
    elif method == "constrained":
        label = _constrained(ordered, rules, tabulated(probability), spread)
    else:
        raise MergeError(f"there is no method {method!r}: trajectories are made by `constrained` or `utal`")
    labels = np.empty_like(label)
    labels[order] = renamed(label, None if previous is None else np.asarray(previous, np.int64)[order])
    return labels


def _as_utal(seen: Seen) -> NDArray[np.int64]:
    """(T,) labels by UTAL's own soft labels, which learning computes with torch."""
    import torch

    from reid.association import soft_labels

    features = torch.from_numpy(seen.embedding)
    camera = torch.from_numpy(np.unique(seen.camera, return_inverse=True)[1])
    cameras = int(camera.max()) + 1 if len(camera) else 0
    return joined(soft_labels(features, camera, cameras, UTAL_NEIGHBOURS), UTAL_AFFINITY).numpy()


def joined(labels: SoftLabels, threshold: float = UTAL_AFFINITY) -> Tensor:
    """(T,) int64, equal where tracklets join into one trajectory: UTAL's tracking refinement (§4.3, Table 6).

    There are edges where the affinity (Eq. 4) exceeds `threshold`. The graph of nearest neighbours is directed. The
    paper cites an algorithm for strongly connected components, so both directions must lead back.
    """
    import torch

    row, entry = (labels.affinity > threshold).nonzero(as_tuple=True)
    column = labels.classes[row, entry]
    size = len(labels.classes)
    edges = coo_array((np.ones(len(row)), (row.cpu().numpy(), column.cpu().numpy())), shape=(size, size))
    return torch.from_numpy(connected_components(edges, connection="strong")[1]).long().to(row.device)


def _constrained(seen: Seen, rules: MergeRules, log_odds: LogOdds, spread: Spread | None) -> NDArray[np.int64]:
    motion = Motion.of(seen)
    least = logit(rules.certainty)
    alike = look_alikes(seen.embedding, motion.camera, rules.neighbours, spread, across=False).pairs
    pairs = distinct(np.concatenate([alike, motion.successors(rules.neighbours)]), len(seen))
    kept, worth = [pairs[:0]], [np.zeros(0)]
    for first in range(0, len(pairs), _CHUNK):
        part = pairs[first : first + _CHUNK]
        part = part[motion.possible(*part.T)]
        looks = log_odds(np.einsum("pd,pd->p", seen.embedding[part[:, 0]], seen.embedding[part[:, 1]]))
        part = part[looks + np.log(CONTINUITY) > least]  # no other pair can carry a join
        kept.append(part)
        passed = np.log(_CROWD / np.maximum(motion.crowd(*part.T), _CROWD))
        worth.append(motion.continuity(*part.T) + passed)
    facts = np.concatenate([seen.cannot_link, seen.apart])
    facts = facts[motion.possible(*facts.T)]  # else time or place keeps them apart anyway
    # What corrections join across cameras grows as one here, too: else two cameras could each join what is apart.
    candidates, linked = np.concatenate(kept), seen.linked
    size = np.bincount(linked).astype(np.float64)
    label = agglomerate(
        embedding=seen.embedding,
        group=linked,
        pairs=candidates,
        similarity=mean_similarities(GroupSums(seen.embedding, linked), size, linked[candidates]),
        evidence=np.concatenate(worth),
        cannot_link=facts,
        together=motion.together,
        log_odds=log_odds,
        least=least,
    )
    return np.unique(np.stack([label, motion.camera]), axis=1, return_inverse=True)[1].ravel()
