"""All of merging: tracklets to trajectories within cameras, these to identities across cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reid.merging.context import contextual, probability
from reid.merging.identities import Identities, identities
from reid.merging.seen import MergeRules, Seen
from reid.merging.trajectories import trajectories

APART = 1e9  # s between the clocks of cameras that have none in common

Labels = NDArray[np.int64]


def merge(
    seen: Seen,
    rules: MergeRules,
    *,
    method: str = "constrained",
    shared_clock: bool = True,
    previous: tuple[Labels | None, Labels | None] = (None, None),
) -> tuple[Labels, Identities]:
    """Trajectories (T,) and identities of tracklets whose embeddings are as the encoder gave them.

    method: as for `trajectories`; UTAL's way knows looks alone. shared_clock: times of different cameras can be
    compared; then nobody is in two places at once. previous: what both were before. Raises MergeError.
    """
    if not shared_clock:
        seen = replace(seen, start=seen.start + APART * seen.camera, end=seen.end + APART * seen.camera)
    around = replace(seen, embedding=contextual(seen.embedding, seen.camera))
    looked_at = seen if method == "utal" else around
    within = trajectories(looked_at, rules, probability(rules.within), method, previous[0])
    return within, identities(around, within, rules, probability(rules.across), previous[1])
