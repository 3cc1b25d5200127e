"""All of merging: tracklets to trajectories within cameras, these to identities across cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reid.merging.company import among
from reid.merging.context import contextual, probability
from reid.merging.identities import Identities, identities
from reid.merging.seen import MergeRules, Seen
from reid.merging.trajectories import trajectories
from reid.spread import Spread

APART = 1e9  # s between the clocks of cameras that have none in common

Labels = NDArray[np.int64]


def merge_tracklets(
    seen: Seen,
    rules: MergeRules,
    *,
    method: str = "constrained",
    shared_clock: bool = True,
    previous: tuple[Labels | None, Labels | None] = (None, None),
    around: Seen | None = None,
    spread: Spread | None = None,
) -> tuple[Labels, Identities]:
    """Joins tracklets to trajectories and these to identities.

    Args:
        seen: T tracklets, with embeddings as the encoder gave them.
        rules: When tracklets are joined.
        method: As for `trajectories`. UTAL's way knows looks alone.
        shared_clock: Times of different cameras can be compared. Then nobody is in two places at once.
        previous: Labels (T,) of trajectories and of identities before.
        around: What `in_context` makes of `seen`, where that is known already.
        spread: Where the work is done that can be divided: look-alikes by pairs of cameras. None: in this process.

    Returns:
        Labels (T,) of trajectories, and the identities.

    Raises:
        MergeError: Corrections contradict each other, or there is no such method.
    """
    if not shared_clock:
        seen = replace(seen, start=seen.start + APART * seen.camera, end=seen.end + APART * seen.camera)
    around = replace(in_context(seen, spread) if around is None else around, start=seen.start, end=seen.end)
    looked_at = seen if method == "utal" else around
    rules = among(rules, seen.camera)
    within = trajectories(looked_at, rules, probability(rules.within), method, previous[0], spread)
    return within, identities(around, within, rules, probability(rules.across), previous[1], spread)


def in_context(seen: Seen, spread: Spread | None = None) -> Seen:
    """The same tracklets, described by their looks and their neighbours. It takes a time that grows with T²."""
    return replace(seen, embedding=contextual(seen.embedding, seen.camera, spread))
