"""What the record has of a live camera that was followed without a break."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from app.engine.stretch import LENGTH
from app.record.rows import FootageRecord


def unbroken(films: Sequence[FootageRecord]) -> bool:
    """Whether stretches are all done, and only full hours part them: a test may run over one.

    Args:
        films: Of one camera, in the order of their times. Without any, nothing was followed.
    """
    hours = [film.start // LENGTH for film in films]
    return bool(films) and {film.status for film in films} == {"done"} and all(a + 1 == b for a, b in pairwise(hours))
