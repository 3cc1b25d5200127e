"""What merging is given: what was seen of T tracklets, and the rules it merges them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Probability = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Similarity of two tracklets' rows → P(same person) as far as looks tell it, before time and place; rising."""

LogOdds = Callable[[NDArray[np.floating]], NDArray[np.float64]]

_SURE = 1e-6  # no look is surer than this: the odds of any two embeddings stay finite
_STEPS = 4096  # of the table that stands for a calibration


class MergeError(ValueError):
    """What was seen or said contradicts itself; the message says which tracklets, and what to do."""


def _no_pairs() -> NDArray[np.int64]:
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class Seen:
    """T tracklets. Pairs are rows, not ids. Raises MergeError where the arrays do not fit or corrections clash."""

    ids: NDArray[np.int64]  # (T,) unique; they settle ties, and new labels are given in their order
    camera: NDArray[np.int64]  # (T,) any numbers
    start: NDArray[
        np.float64
    ]  # (T,) UTC s of the first box; NaN: unknown, then time rules nothing out and proves nothing
    end: NDArray[np.float64]  # (T,) UTC s of the last box
    embedding: NDArray[np.float32]  # (T, D), rows of length 1
    first_box: NDArray[np.float32] | None = None  # (T, 4) x1 y1 x2 y2 px
    last_box: NDArray[np.float32] | None = None  # (T, 4)
    cannot_link: NDArray[np.int64] = field(default_factory=_no_pairs)  # (P, 2) seen side by side: two people
    must_link: NDArray[np.int64] = field(default_factory=_no_pairs)  # (Q, 2) a user said: one person
    apart: NDArray[np.int64] = field(default_factory=_no_pairs)  # (S, 2) a user said: two people

    def __post_init__(self) -> None:
        count = len(self.ids)
        shapes = {"camera": (count,), "start": (count,), "end": (count,), "first_box": (count, 4)}
        for name, shape in (shapes | {"last_box": (count, 4)}).items():
            rows = getattr(self, name)
            if rows is not None and rows.shape != shape:
                raise MergeError(f"{name} has the shape {rows.shape}, where {count} tracklets need {shape}")
        if len(np.unique(self.ids)) != count:
            raise MergeError("two tracklets have the same id")
        if self.embedding.ndim != 2 or len(self.embedding) != count:
            raise MergeError(f"the embeddings have the shape {self.embedding.shape}, where {count} rows are needed")
        length = np.linalg.norm(self.embedding, axis=1)
        if not (np.abs(length - 1) < 1e-3).all():  # NaN fails, too
            raise MergeError(f"{int((~(np.abs(length - 1) < 1e-3)).sum())} embeddings are not of length 1")
        if (self.start > self.end).any():
            raise MergeError("a tracklet ends before it starts")
        for name in ("cannot_link", "must_link", "apart"):
            pairs = getattr(self, name)
            if pairs.ndim != 2 or pairs.shape[1] != 2:
                raise MergeError(f"{name} has the shape {pairs.shape}, and pairs are (P, 2)")
            if pairs.size and not 0 <= pairs.min() <= pairs.max() < count:
                raise MergeError(f"{name} names rows outside 0 … {count - 1}")
        self.check(self.linked)

    def __len__(self) -> int:
        """T."""
        return len(self.ids)

    @cached_property
    def linked(self) -> NDArray[np.int64]:
        """(T,) equal for those whom must-links join, directly or through others."""
        return components(len(self), self.must_link)

    def check(self, group: NDArray[np.int64]) -> None:
        """Raises MergeError if `group` (T,) holds two together of whom a user said that they are two people."""
        clash = self.apart[group[self.apart[:, 0]] == group[self.apart[:, 1]]]
        if len(clash):
            a, b = self.ids[clash[0]]
            raise MergeError(
                f"tracklets {a} and {b} were said to be two people, and joined as one, directly or through others "
                f"({len(clash)} such pairs): take one of these corrections back"
            )

    def by_id(self) -> tuple[Self, NDArray[np.int64]]:
        """The same in the order of ids, and that order (T,): what makes results independent of the order given."""
        order = np.argsort(self.ids)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        changes: dict[str, Any] = {}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            pairs = name in ("cannot_link", "must_link", "apart")
            changes[name] = None if value is None else place[value] if pairs else value[order]
        return replace(self, **changes), order


@dataclass(frozen=True, slots=True)
class MergeRules:
    """When tracklets are joined. Probabilities 0…1, times in s, lengths in body heights."""

    certainty: float = 0.5
    """Posterior probability above which two groups are joined."""
    within: float = 0.86
    """Similarity (of `contextual` rows) at which looks are undecided within a camera."""
    across: float = 0.55
    """The same across cameras; both were chosen where people are known."""
    neighbours: int = 30
    """How many look-alikes of each tracklet are considered; bounds the memory."""
    speed: float = 4.0
    """Body heights a second that nobody exceeds: a sprint, 7 m/s."""
    jitter: float = 1.0
    """Body heights that a box may be off on top of it: half-covered people have half a box."""
    continuity: float = 20.0
    """By how much the odds rise where one tracklet begins just when and where another ended."""
    continuity_seconds: float = 1.0
    """The gap after which that is worth 1/e of it."""
    crowd: int = 5
    """Of those who come into view after somebody's end, how many may be that person before the odds of each fall as one
    over their number: among all who pass in a day somebody looks alike by chance."""
    clock_slack: float = 1.0
    """Seconds by which two cameras' clocks may differ."""
    reciprocity: float = 5.0
    """By how much the odds rise where two trajectories are each other's nearest of all that two cameras saw."""
    confident: float = 0.9
    """Posterior probability above which a match across cameras teaches transit times and shared views."""
    passes: int = 3
    """Over the cameras; transit times learned in one count in the next."""

    def __post_init__(self) -> None:
        for name in ("certainty", "confident"):
            if not 0 < getattr(self, name) < 1:
                raise MergeError(f"{name} is a probability between 0 and 1, not {getattr(self, name)}")
        for name in ("within", "across"):
            if not -1 <= getattr(self, name) <= 1:
                raise MergeError(f"{name} is a similarity between -1 and 1, not {getattr(self, name)}")
        if min(self.neighbours, self.passes, self.crowd) < 1:
            raise MergeError("neighbours, passes and crowd are at least 1")
        if min(self.continuity, self.reciprocity) < 1 or self.continuity_seconds <= 0:
            raise MergeError("continuity and reciprocity are at least 1, and continuity_seconds is positive")
        if min(self.speed, self.jitter, self.clock_slack) < 0:
            raise MergeError("speed, jitter and clock_slack are not negative")


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def tabulated(probability: Probability) -> LogOdds:
    """The calibration as log-odds, from a table: it is asked a million times, and may be slow or have steps."""
    similarity = np.linspace(-1.0, 1.0, _STEPS + 1)
    value = np.clip(np.asarray(probability(similarity), np.float64), _SURE, 1 - _SURE)
    if value.shape != similarity.shape or not np.isfinite(value).all():
        raise MergeError("the calibration gives no probability for some similarities")
    odds = np.maximum.accumulate(np.log(value / (1 - value)))
    return lambda asked: np.interp(asked, similarity, odds)


def components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,) equal for those whom `pairs` (P, 2) connect, numbered in order of their first."""
    edges = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def renamed(label: NDArray[np.int64], previous: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Labels (T,) that keep the `previous` (T,) number (−1: new) of the group that shares most members with each.

    Every number goes to one group at most: to that which shares most, of equals to that of the first member. Groups
    that keep none are numbered on from the largest there was, in order of their first members.
    """
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    number = np.full(len(first), -1, np.int64)
    free = 0
    if previous is not None:
        if previous.shape != label.shape:
            raise MergeError(f"previous labels have the shape {previous.shape}, where {label.shape} is needed")
        known = previous >= 0
        free = int(previous.max(initial=-1)) + 1
        shared, count = np.unique(np.stack([group[known], previous[known]]), axis=1, return_counts=True)
        taken: set[int] = set()
        for k in np.lexsort((shared[1], first[shared[0]], -count)):
            mine, old = int(shared[0, k]), int(shared[1, k])
            if number[mine] < 0 and old not in taken:
                number[mine] = old
                taken.add(old)
    new = np.nonzero(number < 0)[0]
    number[new[np.argsort(first[new])]] = np.arange(free, free + len(new))
    return number[group]
