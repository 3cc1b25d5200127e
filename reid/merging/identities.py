"""Across cameras: trajectories that show one person, joined to identities."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from reid.merging.clustering import GroupSums, agglomerate, mean_similarities
from reid.merging.look_alikes import look_alikes
from reid.merging.motion import CLOCK_SLACK, Motion
from reid.merging.seen import (
    LogOdds,
    MergeError,
    MergeRules,
    Probability,
    Seen,
    components,
    logit,
    renamed,
    tabulated,
)
from reid.merging.transit import NOTHING, Transits, TransitTime, Visits, learned
from reid.neighbours import CELLS
from reid.spread import Spread

_AWAY = 5.0  # s out of a camera's sight after which it is another visit
_MOST_EVIDENCE = 4.0  # log-odds of a transit time, about what the sharpest density gives
_RECIPROCITY = 5.0  # by how much the odds rise where two are each other's nearest of all that two cameras saw
_CONFIDENT = 0.9  # posterior probability above which a match across cameras teaches transit times and shared views
_FEWEST_SHARED = 5  # simultaneous matches from which on two views may overlap
_CHUNK = 2**20  # pairs at once
_CHANCE = 0.001  # that so many are simultaneous though the matches have nothing to do with time


@dataclass(frozen=True, eq=False)
class Identities:
    """Who is who, and what was learned of the site's cameras on the way."""

    labels: NDArray[np.int64]  # (T,) equal where tracklets show one person
    transit: tuple[TransitTime, ...]  # by origin and destination
    overlapping: tuple[tuple[int, int], ...]  # cameras a < b whose views overlap


def identities(
    seen: Seen,
    trajectory: NDArray[np.int64],
    rules: MergeRules,
    probability: Probability,
    previous: NDArray[np.int64] | None = None,
    spread: Spread | None = None,
) -> Identities:
    """Joins trajectories to identities.

    The first pass is strict and knows no times. What it is sure of teaches which cameras share a view and how long
    people take from one to another. Later passes use that, `rules.passes` in all. Nobody is in a camera twice at once,
    nor in two cameras that share no view.

    Args:
        seen: T tracklets.
        trajectory: (T,) labels as `trajectories` gives them.
        rules: When trajectories are joined.
        probability: Of one person, by similarity across cameras.
        previous: (T,) labels of an earlier run, −1 for new tracklets. Identities keep their numbers.
        spread: Where look-alikes are looked for.

    Returns:
        The identities.

    Raises:
        MergeError: A trajectory is of several cameras, or joins tracklets that are said to be two people.
    """
    ordered, order = seen.by_id()
    merging = _Merging(ordered, np.asarray(trajectory, np.int64)[order], rules, tabulated(probability), spread)
    names = np.unique(seen.camera)
    shared = merging.shared_views()
    transits, label = NOTHING, merging.unit
    for number in range(rules.passes):
        certainty = rules.certainty if number == rules.passes - 1 else max(rules.certainty, _CONFIDENT)
        label = merging.joined(shared, transits, certainty)
        if number < rules.passes - 1:
            transits = learned(merging.visits, *merging.matches(label))
    labels = np.empty_like(label)
    labels[order] = renamed(label, None if previous is None else np.asarray(previous, np.int64)[order])
    times = tuple(
        replace(t, origin=int(names[t.origin]), destination=int(names[t.destination])) for t in transits.times
    )
    overlapping = tuple((int(names[a]), int(names[b])) for a, b in np.argwhere(np.triu(shared, 1)))
    return Identities(labels, times, overlapping)


class _Merging:
    """What all passes over one set of tracklets, in the order of their ids, have in common."""

    def __init__(
        self,
        seen: Seen,
        trajectory: NDArray[np.int64],
        rules: MergeRules,
        log_odds: LogOdds,
        spread: Spread | None,
    ) -> None:
        self.seen, self.rules, self.log_odds = seen, rules, log_odds
        self.motion = Motion.of(seen)
        self.cameras = int(self.motion.camera.max(initial=-1)) + 1
        _, first, trajectory_index = np.unique(trajectory, return_index=True, return_inverse=True)
        if (self.motion.camera != self.motion.camera[first][trajectory_index]).any():
            raise MergeError("a trajectory holds tracklets of several cameras")
        # Must-links join whole trajectories. Tracklets of one unit are never taken apart.
        chain = np.stack([np.arange(len(seen)), first[trajectory_index]], axis=1)
        self.unit = components(len(seen), np.concatenate([chain, seen.must_link]))
        seen.check(self.unit)
        visit = _stays(trajectory_index, seen.start, seen.end)
        _, self.head, self.visit = np.unique(visit, return_index=True, return_inverse=True)
        count = len(self.head)
        start, end = np.full(count, np.inf), np.full(count, -np.inf)
        with np.errstate(invalid="ignore"):
            np.minimum.at(start, self.visit, seen.start)  # NaN stays NaN
            np.maximum.at(end, self.visit, seen.end)
        self.visits = Visits(self.motion.camera[self.head], start, end)
        self.size = np.bincount(self.visit, minlength=count).astype(np.float64)
        visit_sums = GroupSums(seen.embedding, self.visit)
        found = look_alikes(visit_sums, self.visits.camera, rules.neighbours, spread)
        self.pairs, self.mutual = found.pairs, found.mutual
        self.looks, self.mutual_looks = (
            log_odds(mean_similarities(visit_sums, self.size, pairs)) for pairs in (self.pairs, self.mutual)
        )
        unit_size = np.bincount(self.unit).astype(np.float64)
        self.alike = mean_similarities(
            GroupSums(seen.embedding, self.unit), unit_size, self.unit[self.head[self.pairs]]
        )

    def shared_views(self) -> NDArray[np.bool_]:
        """(C, C) which cameras' views overlap: their matches are simultaneous far more often than by chance.

        Matches are mutually nearest, confident and blind to time. Take cameras that share no view. Their right matches
        are never simultaneous. Their wrong ones are as often as any pair.
        """
        sure = logit(max(self.rules.certainty, _CONFIDENT))
        matches = self.mutual[self.mutual_looks + np.log(_RECIPROCITY) > sure]
        shared = np.eye(self.cameras, dtype=bool)
        for a in range(self.cameras):
            for b in range(a + 1, self.cameras):
                between = matches[
                    (self.visits.camera[matches] == [a, b]).all(1) | (self.visits.camera[matches] == [b, a]).all(1)
                ]
                at_once = int(self._at_once(*between.T).sum())
                if at_once >= _FEWEST_SHARED:
                    stays = [np.nonzero(self.visits.camera == c)[0] for c in (a, b)]
                    thin = [stay[:: 1 + len(stay) // 1000] for stay in stays]
                    by_chance = float(self._at_once(thin[0][:, None], thin[1]).mean())
                    # As scipy.stats.binom.sf, whose import takes a second.
                    at_least = bdtrc(at_once - 1, len(between), by_chance)
                    shared[a, b] = shared[b, a] = at_least < _CHANCE
        return shared

    def joined(self, shared: NDArray[np.bool_], transits: Transits, certainty: float) -> NDArray[np.int64]:
        """(T,) labels of one pass."""
        motion = replace(self.motion, shared=shared)
        feasible = self._feasible(shared)
        pairs, looks = self.pairs[feasible], self.looks[feasible]
        evidence = np.zeros(len(pairs))
        for part in _parts(len(pairs)):
            a, b = pairs[part].T
            across = self.visits.camera[a] != self.visits.camera[b]
            evidence[part] = np.minimum(transits.evidence(self.visits, a, b), _MOST_EVIDENCE) * across
        evidence += np.log(_RECIPROCITY) * self._mutual(pairs, looks + evidence)
        least = logit(certainty)
        hopeful = looks + _MOST_EVIDENCE + np.log(_RECIPROCITY) > least
        facts = np.concatenate([self.seen.cannot_link, self.seen.apart])
        facts = facts[motion.possible(*facts.T)]  # else time or place keeps them apart anyway
        return agglomerate(
            embedding=self.seen.embedding,
            group=self.unit,
            pairs=self.head[pairs[hopeful]],
            similarity=self.alike[feasible][hopeful],
            evidence=evidence[hopeful],
            cannot_link=facts,
            together=motion.together,
            log_odds=self.log_odds,
            least=least,
        )

    def _feasible(self, shared: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(P,) whether two visits may be one person's, as far as cameras without a shared view decide it."""
        camera, feasible = self.visits.camera, np.empty(len(self.pairs), bool)
        for part in _parts(len(self.pairs)):
            a, b = self.pairs[part].T
            feasible[part] = shared[camera[a], camera[b]] | ~self._at_once(a, b)
        return feasible

    def _mutual(self, pairs: NDArray[np.int64], odds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(P,) whether visits of two cameras are each other's best of all that time allows."""
        camera, ways = self.visits.camera, (pairs.T, pairs.T[::-1])
        mutual: NDArray[np.bool_] = camera[pairs[:, 0]] != camera[pairs[:, 1]]
        step = max(1, CELLS // max(1, self.cameras))
        for first in range(0, len(self.head), step):
            best = np.full((step, self.cameras), -np.inf)
            here = [np.flatnonzero((own >= first) & (own < first + step)) for own, _ in ways]
            for (own, other), some in zip(ways, here):
                np.maximum.at(best, (own[some] - first, camera[other[some]]), odds[some])
            for (own, other), some in zip(ways, here):
                mutual[some] &= odds[some] == best[own[some] - first, camera[other[some]]]
        return mutual

    def matches(self, label: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Visits of one person right after each other in different cameras: earlier and later, both (M,)."""
        person = label[self.head]
        order = np.lexsort((self.visits.end, self.visits.start, person))
        order = order[np.isfinite(self.visits.start[order]) & np.isfinite(self.visits.end[order])]
        first, second = order[:-1], order[1:]
        kept = (person[first] == person[second]) & (self.visits.camera[first] != self.visits.camera[second])
        return first[kept], second[kept]

    def _at_once(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        start, end = self.visits.start, self.visits.end
        return np.maximum(start[a], start[b]) - np.minimum(end[a], end[b]) < -CLOCK_SLACK


def _parts(count: int) -> list[slice]:
    """All of so many pairs, in parts."""
    return [slice(first, first + _CHUNK) for first in range(0, count, _CHUNK)]


def _stays(trajectory: NDArray[np.int64], start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.int64]:
    """(T,) numbers of visits: a trajectory is another one after a longer absence, as who went may have been away."""
    order = np.lexsort((end, start, trajectory))
    left = np.full(len(order), -np.inf)  # when the latest so far ended
    same = np.diff(trajectory[order], prepend=-1) == 0
    for k in range(1, len(order)):
        if same[k]:
            left[k] = np.fmax(left[k - 1], end[order[k - 1]])
    with np.errstate(invalid="ignore"):
        new = ~same | (start[order] - left > _AWAY) & np.isfinite(left)
    visit = np.empty(len(order), np.int64)
    visit[order] = np.cumsum(new)
    return visit
