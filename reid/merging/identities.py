"""Across cameras: trajectories that show one person, joined to identities."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from reid.merging.clustering import agglomerate, mean_similarities, sums
from reid.merging.motion import CLOCK_SLACK, Motion
from reid.merging.seen import (
    LogOdds,
    MergeError,
    MergeRules,
    Probability,
    Seen,
    components,
    distinct,
    logit,
    renamed,
    tabulated,
)
from reid.merging.transit import NOTHING, Transits, TransitTime, Visits, learned
from reid.neighbours import CELLS, best_columns, mutual_pairs
from reid.normalised import normalised

_AWAY = 5.0  # s out of a camera's sight after which it is another visit
_MOST_EVIDENCE = 4.0  # log-odds of a transit time, about what the sharpest density gives
_RECIPROCITY = 5.0  # by how much the odds rise where two are each other's nearest of all that two cameras saw
_CONFIDENT = 0.9  # posterior probability above which a match across cameras teaches transit times and shared views
_FEWEST_SHARED = 5  # simultaneous matches from which on two views may overlap
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

    Returns:
        The identities.

    Raises:
        MergeError: A trajectory is of several cameras, or joins tracklets that are said to be two people.
    """
    ordered, order = seen.by_id()
    merging = _Merging(ordered, np.asarray(trajectory, np.int64)[order], rules, tabulated(probability))
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

    def __init__(self, seen: Seen, trajectory: NDArray[np.int64], rules: MergeRules, log_odds: LogOdds) -> None:
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
        self.sums = sums(seen.embedding, self.visit)
        self.size = np.bincount(self.visit, minlength=count).astype(np.float64)
        self.pairs = self._candidates()
        self.looks = self._looks(self.pairs)
        unit_sums, unit_size = sums(seen.embedding, self.unit), np.bincount(self.unit).astype(np.float64)
        self.alike = mean_similarities(unit_sums, unit_size, self.unit[self.head[self.pairs]])

    def shared_views(self) -> NDArray[np.bool_]:
        """(C, C) which cameras' views overlap: their matches are simultaneous far more often than by chance.

        Matches are mutually nearest, confident and blind to time. Take cameras that share no view. Their right matches
        are never simultaneous. Their wrong ones are as often as any pair.
        """
        matches = mutual_pairs(self.sums, self.visits.camera)
        sure = logit(max(self.rules.certainty, _CONFIDENT))
        matches = matches[self._looks(matches) + np.log(_RECIPROCITY) > sure]
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
        a, b = pairs.T
        across = self.visits.camera[a] != self.visits.camera[b]
        evidence = np.minimum(transits.evidence(self.visits, a, b), _MOST_EVIDENCE) * across
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
        a, b = self.pairs.T
        camera = self.visits.camera
        return shared[camera[a], camera[b]] | ~self._at_once(a, b)

    def _mutual(self, pairs: NDArray[np.int64], odds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(P,) whether visits of two cameras are each other's best of all that time allows."""
        a, b = pairs.T
        camera = self.visits.camera
        best = np.full((len(self.head), self.cameras), -np.inf)
        np.maximum.at(best, (a, camera[b]), odds)
        np.maximum.at(best, (b, camera[a]), odds)
        return (camera[a] != camera[b]) & (odds == best[a, camera[b]]) & (odds == best[b, camera[a]])

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

    def _looks(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """(P,) log-odds of the average similarity of all tracklets of two visits."""
        return self.log_odds(mean_similarities(self.sums, self.size, pairs))

    def _candidates(self) -> NDArray[np.int64]:
        """(P, 2) visits a < b that look alike.

        They are, of each, the nearest in its own camera and the nearest in all others together.
        """
        pairs = [np.zeros((0, 2), np.int64)]
        rows, camera = normalised(self.sums), self.visits.camera
        step = max(1, CELLS // max(1, len(rows)))
        for number in range(self.cameras):
            inside = np.flatnonzero(camera == number)
            within = min(self.rules.neighbours, len(inside) - 1)
            across = min(self.rules.neighbours, len(rows) - len(inside))
            for first in range(0, len(inside), step):
                some = inside[first : first + step]
                similarity = rows[some] @ rows.T
                here = similarity[:, inside]
                here[np.arange(len(some)), first + np.arange(len(some))] = -np.inf  # nobody is their own look-alike
                similarity[:, inside] = -np.inf
                nearest = [inside[best_columns(here, within)], best_columns(similarity, across)]
                for columns in nearest:
                    pairs.append(np.stack([np.repeat(some, columns.shape[1]), columns.ravel()], 1))
        return distinct(np.concatenate(pairs), len(rows))


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
