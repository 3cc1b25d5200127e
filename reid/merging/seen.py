"""What was seen of T tracklets, and the rules by which they are merged."""

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
"""Similarity of two tracklets' rows → P(same person) by looks alone, before time and place. It rises."""

LogOdds = Callable[[NDArray[np.floating]], NDArray[np.float64]]

_SURE = 1e-6  # no look is surer than this: the odds of any two embeddings stay finite
_CHUNK = 2**14  # embeddings that are checked at once
_STEPS = 4096  # of the table that stands for a calibration


class MergeError(ValueError):
    """What was seen or said contradicts itself. The message says which tracklets, and what to do."""


def _no_pairs() -> NDArray[np.int64]:
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class Seen:
    """T tracklets. Pairs are rows, not ids. Raises MergeError where the arrays do not fit or corrections clash."""

    ids: NDArray[np.int64]
    """(T,) unique. They settle ties, and new labels are given in their order."""
    camera: NDArray[np.int64]  # (T,) any numbers
    start: NDArray[np.float64]
    """(T,) UTC s of the first box. NaN: unknown, then time rules nothing out and proves nothing."""
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
        parts = (self.embedding[first : first + _CHUNK] for first in range(0, count, _CHUNK))
        # NaN is no length of 1, either.
        wrong = sum(int((~(np.abs(np.linalg.norm(part, axis=1) - 1) < 1e-3)).sum()) for part in parts)
        if wrong:
            raise MergeError(f"{wrong} embeddings are not of length 1")
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
        """(T,) equal for tracklets that must-links join, directly or through others."""
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
        """The same in the order of ids, and that order (T,). So results do not depend on the order of the rows."""
        order = np.argsort(self.ids)
        if (order[1:] > order[:-1]).all():  # as a site has them: no copy
            return self, order
        new_row = np.empty_like(order)
        new_row[order] = np.arange(len(order))
        changes: dict[str, Any] = {}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            pairs = name in ("cannot_link", "must_link", "apart")
            changes[name] = None if value is None else new_row[value] if pairs else value[order]
        return replace(self, **changes), order


@dataclass(frozen=True, slots=True)
class MergeRules:
    """When tracklets are joined."""

    certainty: float = 0.5
    """Posterior probability, 0…1, above which two groups are joined."""
    within: float = 0.86
    """Similarity (of `contextual` rows) at which looks are undecided within a camera, in full company (`company`)."""
    across: float = 0.55
    """The same across cameras. Of an encoder that has adapted it is another one: see `same_share`."""
    neighbours: int = 30
    """How many look-alikes of each tracklet are considered. It bounds the memory."""
    passes: int = 3
    """Over the cameras. Transit times learned in one count in the next."""

    def __post_init__(self) -> None:
        if not 0 < self.certainty < 1:
            raise MergeError(f"certainty is a probability between 0 and 1, not {self.certainty}")
        for name, similarity in (("within", self.within), ("across", self.across)):
            if not -1 <= similarity <= 1:
                raise MergeError(f"{name} is a similarity between -1 and 1, not {similarity}")
        if min(self.neighbours, self.passes) < 1:
            raise MergeError("neighbours and passes are at least 1")


SURE = MergeRules(certainty=0.97)  # joins only what it is nearly certain of


def logit(probability: float) -> float:
    """Log-odds of a probability between 0 and 1."""
    return float(np.log(probability / (1 - probability)))


def tabulated(probability: Probability) -> LogOdds:
    """The calibration as log-odds, from a table: it is called a million times, and may be slow or have steps."""
    similarity = np.linspace(-1.0, 1.0, _STEPS + 1)
    value = np.clip(np.asarray(probability(similarity), np.float64), _SURE, 1 - _SURE)
    if value.shape != similarity.shape or not np.isfinite(value).all():
        raise MergeError("the calibration gives no probability for some similarities")
    odds = np.maximum.accumulate(np.log(value / (1 - value)))
    return lambda similarities: np.interp(similarities, similarity, odds)


def components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,) equal for rows that `pairs` (P, 2) connect, numbered in the order of their first row."""
    edges = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def distinct(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(P, 2) each pair of `count` rows once, the lower row first, in rising order."""
    return pairs_of_keys(pairs.min(axis=1) * count + pairs.max(axis=1), count)


def pairs_of_keys(keys: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(P, 2) distinct pairs of `count` rows in rising order, of keys, lower · count + higher. The keys get sorted."""
    keys.sort()  # a tenth of the time of `np.unique` along an axis
    keys = keys[np.diff(keys, prepend=-1) > 0]
    pairs = np.empty((len(keys), 2), np.int64)
    np.divmod(keys, max(count, 1), out=(pairs[:, 0], pairs[:, 1]))
    return pairs


def renamed(label: NDArray[np.int64], previous: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Gives groups the numbers that they had before.

    Every number goes to the group that shares most members with it, of equals to that of the first member. Groups that
    keep none are numbered on from the largest there was, in the order of their first members.

    Args:
        label: (T,) equal within a group.
        previous: (T,) the numbers before, −1 where there was none.

    Returns:
        (T,) the numbers now.
    """
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    number = np.full(len(first), -1, np.int64)
    free = 0
    if previous is not None:
        if previous.shape != label.shape:
            raise MergeError(f"previous labels have the shape {previous.shape}, where {label.shape} is needed")
        was_labelled = previous >= 0
        free = int(previous.max(initial=-1)) + 1
        shared, count = np.unique(np.stack([group[was_labelled], previous[was_labelled]]), axis=1, return_counts=True)
        taken: set[int] = set()
        for k in np.lexsort((shared[1], first[shared[0]], -count)):
            group_number, old_number = int(shared[0, k]), int(shared[1, k])
            if number[group_number] < 0 and old_number not in taken:
                number[group_number] = old_number
                taken.add(old_number)
    new = np.nonzero(number < 0)[0]
    number[new[np.argsort(first[new])]] = np.arange(free, free + len(new))
    return number[group]
