"""Who was in a zone, and from when to when.

Feet are in a zone once they are inside of its edge by SURE heights of the person. They are out once they are outside of
it by as much. In between they stay where they were. So feet that tremble on an edge neither come nor go.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.areas import Area, Point
from app.movement.edges import SURE, Edge, distances, pieces
from app.movement.paths import Paths

_INNER = 1e-6  # by which feet on the picture's border are moved into it


def inside(feet: NDArray[np.float64], polygon: Sequence[Point]) -> NDArray[np.bool_]:
    """Which of the points `(N, 2)` a polygon holds: a ray to the right meets its edges an odd number of times."""
    a = np.array(polygon, np.float64)
    b = np.roll(a, -1, axis=0)
    feet = np.clip(feet, _INNER, 1 - _INNER)
    held = np.zeros(len(feet), bool)
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])  # an edge along the ray meets no ray
    for part in pieces(len(feet)):
        x, y = feet[part, :1], feet[part, 1:]  # (n, 1)
        spans = (a[:, 1] > y) != (b[:, 1] > y)
        held[part] = (spans & (x < a[:, 0] + (y - a[:, 1]) / rise * (b[:, 0] - a[:, 0]))).sum(1) % 2 == 1
    return held


def spells(paths: Paths, zone: Area) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Who `(S,)` was in a zone, from when and to when, in UTC seconds, by path and time.

    Where a path never is surely in or out, it is where most of its feet are.
    """
    count = len(paths.time)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    held = inside(paths.feet, zone.points)
    sure = distances(paths, _crossable(zone.points)) > SURE
    first = np.flatnonzero(np.diff(paths.path, prepend=-1))  # of each path that has points
    place = np.repeat(np.arange(len(first)), np.diff(np.append(first, count)))
    row = np.arange(count)
    before = np.maximum.accumulate(np.where(sure, row, -1))
    after = np.minimum.accumulate(np.where(sure, row, count)[::-1])[::-1]
    last = np.append(first[1:], count) - 1
    most = np.add.reduceat(held.astype(np.int64), first) * 2 >= last - first + 1
    is_in = np.where(
        before >= first[place],
        held[before],
        np.where(after <= last[place], held[np.minimum(after, count - 1)], most[place]),
    )
    begins = np.flatnonzero(np.diff(place, prepend=-1).astype(bool) | (np.diff(is_in, prepend=False) != 0))
    ends = np.append(begins[1:], count) - 1
    kept = is_in[begins]
    return paths.person[paths.path[begins[kept]]], paths.time[begins[kept]], paths.time[ends[kept]]


def _crossable(polygon: Sequence[Point]) -> list[Edge]:
    """The edges that somebody in sight can cross: those along the picture's border nobody can."""
    edges = zip(polygon, [*polygon[1:], polygon[0]])
    return [(a, b) for a, b in edges if not any(a[k] == b[k] and a[k] in (0.0, 1.0) for k in (0, 1))]
