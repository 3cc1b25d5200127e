"""Who crossed a line, when, and which way.

A crossing counts once feet were SURE heights of the person away from the line, went over it, and are as far away again.
Back and forth in between is none, and so is a way around an end of the line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.areas import Area
from app.movement.edges import SURE, distances, pieces
from app.movement.paths import JOINED, Paths


@dataclass(frozen=True, eq=False, slots=True)
class Crossings:
    """C crossings of some lines."""

    person: NDArray[np.int64]  # (C,)
    line: NDArray[np.int64]  # (C,) place among the lines
    time: NDArray[np.float64]  # (C,) UTC seconds
    to_right: NDArray[np.bool_]  # (C,) from the left hand of who goes along the line to the right hand, or back

    def __len__(self) -> int:
        return len(self.person)

    @classmethod
    def joined(cls, parts: list[Crossings]) -> Crossings:
        """Of several pages. One person who crosses a line the same way twice within JOINED seconds crossed it once.

        Two tracklets of one person at a time would else count twice.
        """
        person, line, time, to_right = (
            np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, kind)])
            for name, kind in (("person", np.int64), ("line", np.int64), ("time", np.float64), ("to_right", np.bool_))
        )
        order = np.lexsort((time, to_right, person, line))
        person, line, time, to_right = person[order], line[order], time[order], to_right[order]
        new = np.ones(len(order), bool)
        new[1:] = (person[1:] != person[:-1]) | (line[1:] != line[:-1]) | (to_right[1:] != to_right[:-1])
        new[1:] |= time[1:] - time[:-1] > JOINED
        return cls(person[new], line[new], time[new], to_right[new])


def crossings(paths: Paths, line: Area, number: int = 0) -> Crossings:
    """The crossings of one line. number: its place among the lines."""
    steps = _steps(paths, line)  # (N,) net times that a step to the next point goes over it, to the right
    far = distances(paths, list(zip(line.points, line.points[1:]))) > SURE
    group = np.cumsum(far)  # steps between two far points have the same number
    over = np.flatnonzero(steps)
    groups, place = np.unique(group[over], return_inverse=True)
    net = np.zeros(len(groups), np.int64)
    np.add.at(net, place, steps[over])
    last_step = np.zeros(len(groups), np.int64)
    np.maximum.at(last_step, place, over)
    # The far point before, and the one after, which both must be of the same path.
    far_rows = np.append(np.flatnonzero(far), 0)
    before, after = far_rows[np.maximum(groups - 1, 0)], far_rows[np.minimum(groups, len(far_rows) - 1)]
    path = paths.path[last_step] if len(groups) else np.zeros(0, np.int64)
    sure = (groups > 0) & (groups < len(far_rows) - 1) & (net != 0)
    sure &= (paths.path[before] == path) & (paths.path[after] == path) if len(groups) else False
    rows = last_step[sure]
    return Crossings(
        person=paths.person[paths.path[rows]],
        line=np.full(len(rows), number, np.int64),
        time=paths.time[rows + 1],
        to_right=net[sure] > 0,
    )


def _steps(paths: Paths, line: Area) -> NDArray[np.int64]:
    """How often the step from each point to the next of its path goes over the line to the right, less to the left."""
    ends = np.array(line.points, np.float64)
    a, b = ends[:-1], ends[1:]  # (S, 2)
    total = np.zeros(len(paths.time), np.int64)
    follows = np.flatnonzero(paths.path[1:] == paths.path[:-1])
    for part in pieces(len(follows)):
        rows = follows[part]
        p, q = paths.feet[rows][:, None], paths.feet[rows + 1][:, None]  # (n, 1, 2)
        right_before, right_after = _cross(b - a, p - a) > 0, _cross(b - a, q - a) > 0
        step = q - p
        along = _cross(step, b - a)
        share = _cross(step, p - a) / np.where(along == 0, 1.0, along)  # of the line's piece at which they meet
        share = np.where(along == 0, -1.0, share)
        met = (right_before != right_after) & (share >= 0) & (share < 1)
        total[rows] = np.where(met, np.where(right_after, 1, -1), 0).sum(1)
    return total


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
