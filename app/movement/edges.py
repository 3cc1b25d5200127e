"""How far feet are from a zone's edge or a line, in heights of the person, so that near and far people count alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from app.areas import Point
from app.movement.paths import Paths

SURE = 0.1  # of a person's height: closer to an edge nobody knows on which side feet are, as boxes tremble
_AT_ONCE = 2**15  # points

Edge = tuple[Point, Point]


def pieces(count: int) -> Iterator[slice]:
    """0…count in slices of which the arrays of all edges fit into memory."""
    for start in range(0, count, _AT_ONCE):
        yield slice(start, start + _AT_ONCE)


def distances(paths: Paths, edges: Sequence[Edge]) -> NDArray[np.float64]:
    """From feet to the nearest of the edges `(N,)`, in heights of the person. Without edges it is endless."""
    nearest = np.full(len(paths.time), np.inf)
    if not edges:
        return nearest
    ends = np.array(edges, np.float64)  # (E, 2, 2)
    for part in pieces(len(nearest)):
        scale = np.stack([paths.aspect[part], np.ones_like(paths.aspect[part])], 1)[:, None]  # (n, 1, 2)
        a, b = ends[None, :, 0] * scale, ends[None, :, 1] * scale  # (n, E, 2)
        feet = paths.feet[part][:, None] * scale
        along = b - a
        share = np.clip(((feet - a) * along).sum(-1) / (along**2).sum(-1), 0.0, 1.0)
        away = feet - a - share[..., None] * along
        nearest[part] = np.sqrt((away**2).sum(-1).min(1))
    return nearest / paths.height
