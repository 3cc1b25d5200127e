"""Paths of feet, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.movement.paths import Paths

HEIGHT, ASPECT = 0.2, 16 / 9  # of people, as a share of the picture's height, and of the picture
SECOND = 0.1  # between two points


def walks(*feet: Sequence[tuple[float, float]], people: Sequence[int] | None = None) -> Paths:
    """A path each, of another person each, all from second 0 on in one camera."""
    lengths = [len(points) for points in feet]
    count = sum(lengths)
    return Paths(
        person=np.array(range(len(feet)) if people is None else people, np.int64),
        camera=np.zeros(len(feet), np.int64),
        path=np.repeat(np.arange(len(feet)), lengths),
        time=np.concatenate([SECOND * np.arange(length) for length in lengths] or [np.zeros(0)]),
        feet=np.array([point for points in feet for point in points], np.float64).reshape(-1, 2),
        height=np.full(count, HEIGHT),
        aspect=np.full(count, ASPECT),
    )


def along(x: Sequence[float], y: float = 0.5) -> list[tuple[float, float]]:
    """Points at one height of the picture."""
    return [(float(each), y) for each in x]
