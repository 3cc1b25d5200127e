"""How much one half of a tracklet tells of the other: it needs no label, and shows whether an encoder sees at all.

Both halves show one person. Among the second halves of many tracklets, the first finds its own the more surely the
better the encoder. The measure is InfoNCE's (van den Oord et al., "Representation Learning with Contrastive Predictive
Coding", 2018, Eq. 4): log N plus the log of the softmax share of its own. Similarities are in units of their spread, so
encoders of different contrast compare. It tells more from few tracklets than ranks do, which have an upper end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SURELY = 2.33  # standard errors of a mean difference: 99 % of accidents are smaller


def similarities(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, T) of first halves (T, D), the rows, and second halves (T, D), both of length 1."""
    product: NDArray[np.float32] = first @ second.T
    return product


def information(similarity: NDArray[np.floating]) -> Floats:
    """(T,) nats that the halves of each of T tracklets tell of each other, from `similarities`. log T at most.

    All are 0 where all tracklets are alike.
    """
    count = len(similarity)
    different = similarity[~np.eye(count, dtype=bool)]
    spread = float(different.std()) if len(different) else 0.0
    if spread < np.finfo(np.float32).eps:
        return np.zeros(count)
    scaled = (similarity - different.mean()).astype(np.float64) / spread
    scaled -= scaled.max()
    own, weights = np.diagonal(scaled), np.exp(scaled)
    there, back = (np.log(np.maximum(weights.sum(axis), np.finfo(float).tiny)) for axis in (1, 0))
    return own + np.log(count) - (there + back) / 2


def first_found(similarity: NDArray[np.floating]) -> float:
    """The share of tracklets whose halves find each other before any other tracklet's. Ties are lost."""
    own = np.diagonal(similarity)
    others = np.where(np.eye(len(similarity), dtype=bool), -np.inf, similarity)
    return float(((own > others.max(1)).mean() + (own > others.max(0)).mean()) / 2)


def surely_more(a: Floats, b: Floats) -> bool:
    """Whether one encoder's `information` (T,) is more than another's on the same tracklets, by more than chance."""
    gain = a - b
    return bool(gain.mean() > SURELY * gain.std(ddof=1) / np.sqrt(len(gain)))
