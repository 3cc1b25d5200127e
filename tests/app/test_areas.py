"""Drawings that make sense are taken, and others are refused with what is wrong."""

from __future__ import annotations

import math

import pytest

from app.areas import Area, AreaError, AreaKind

SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))


@pytest.mark.parametrize("points", [SQUARE, SQUARE[::-1], SQUARE[:3], ((0, 0), (1, 0), (0.5, 0.2), (1, 1), (0, 1))])
def test_a_simple_polygon_is_taken(points: tuple[tuple[float, float], ...]) -> None:
    assert Area(AreaKind.zone, " hall ", points).checked() == Area(AreaKind.zone, "hall", points)


def test_a_line_may_cross_itself() -> None:
    bow = ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))
    assert Area(AreaKind.line, "x", bow).checked().points == bow
    with pytest.raises(AreaError, match="crosses itself"):
        Area(AreaKind.mask, "x", bow).checked()


@pytest.mark.parametrize(
    ("kind", "name", "points", "why"),
    [
        ("zone", "x", SQUARE[:2], "needs 3 to 50 points"),
        ("zone", "x", SQUARE * 13, "needs 3 to 50 points"),
        ("line", "x", SQUARE[:1], "needs 2 to 20 points"),
        ("line", "x", SQUARE * 6, "needs 2 to 20 points"),
        ("zone", "", SQUARE, "name of 1 to 80"),
        ("zone", "  ", SQUARE, "name of 1 to 80"),
        ("zone", "x" * 81, SQUARE, "name of 1 to 80"),
        ("zone", "a\nb", SQUARE, "can't be seen"),
        ("zone", "x", (*SQUARE[:3], (1.1, 0.5)), "outside of the picture"),
        ("zone", "x", (*SQUARE[:3], (-0.1, 0.5)), "outside of the picture"),
        ("zone", "x", (*SQUARE[:3], (math.nan, 0.5)), "outside of the picture"),
        ("zone", "x", (*SQUARE[:3], (math.inf, 0.5)), "outside of the picture"),
        ("zone", "x", (*SQUARE, SQUARE[0]), "same point twice"),
        ("line", "x", (SQUARE[0], SQUARE[0]), "same point twice"),
        ("zone", "x", ((0, 0), (0.5, 0.5), (1, 1)), "crosses itself"),
        ("zone", "x", ((0, 0), (1, 0), (0.5, 0), (0.5, 1)), "crosses itself"),  # an edge goes back on itself
        ("zone", "x", ((0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)), "crosses itself"),  # a corner touches an edge
        ("zone", "x", ((0.5, 0.5), (0.505, 0.5), (0.505, 0.505)), "covers next to nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(
    kind: str, name: str, points: tuple[tuple[float, float], ...], why: str
) -> None:
    with pytest.raises(AreaError, match=why):
        Area(AreaKind(kind), name, points).checked()
