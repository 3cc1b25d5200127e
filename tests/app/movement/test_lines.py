"""A line is crossed where somebody was surely before it and is surely behind it."""

from __future__ import annotations

import numpy as np
import pytest

from app.areas import Area, AreaKind
from app.movement.edges import SURE
from app.movement.lines import Crossings, crossings
from app.movement.paths import JOINED
from tests.app.movement.walks import ASPECT, HEIGHT, SECOND, along, walks

# From the picture's lower edge up: who goes along it has the picture's right half at the right hand.
UP = Area(AreaKind.line, "door", ((0.5, 1.0), (0.5, 0.0)))
MARGIN = SURE * HEIGHT / ASPECT


def ways(*feet: list[tuple[float, float]], line: Area = UP) -> list[tuple[int, int, bool]]:
    found = crossings(walks(*feet), line, 3)
    assert set(found.line.tolist()) <= {3}
    return [
        (p, round(t / SECOND), r)
        for p, t, r in zip(found.person.tolist(), found.time.tolist(), found.to_right.tolist())
    ]


def test_each_way_is_told_apart() -> None:
    assert ways(along([0.1, 0.4, 0.6, 0.9])) == [(0, 2, True)]
    assert ways(along([0.9, 0.6, 0.4, 0.1])) == [(0, 2, False)]
    assert ways(along([0.1, 0.9, 0.1]), along([0.1, 0.4]), along([0.6, 0.9])) == [(0, 1, True), (0, 2, False)]
    assert ways() == []
    back = Area(AreaKind.line, "door", UP.points[::-1])
    assert ways(along([0.1, 0.9]), line=back) == [(0, 1, False)]


def test_right_is_the_right_hand_of_who_goes_along_the_line() -> None:
    to_the_right = Area(AreaKind.line, "x", ((0.0, 0.5), (1.0, 0.5)))  # the right hand is below, in a picture
    assert ways([(0.5, 0.2), (0.5, 0.8)], line=to_the_right) == [(0, 1, True)]


@pytest.mark.parametrize("tremble", [0.1, 0.5, 0.99])
def test_a_tremble_on_the_line_is_no_crossing(tremble: float) -> None:
    noise = (0.5 + tremble * MARGIN * np.random.default_rng(0).uniform(-1, 1, 500)).tolist()
    assert ways(along([0.2, *noise, 0.2])) == []
    (only,) = ways(along([0.2, *noise, 0.8]))
    assert only[2] is True
    assert ways(along(noise)) == []
    assert ways(along([0.2, *noise])) == []  # nobody knows on which side it ended


def test_who_comes_back_beyond_the_margin_crosses_again() -> None:
    beyond = 1.01 * MARGIN
    assert [way[2] for way in ways(along([0.5 - beyond, 0.5 + beyond, 0.5 - beyond]))] == [True, False]


def test_a_way_around_the_end_is_no_crossing() -> None:
    short = Area(AreaKind.line, "x", ((0.5, 1.0), (0.5, 0.5)))
    assert ways([(0.3, 0.8), (0.3, 0.3), (0.7, 0.3), (0.7, 0.8)], line=short) == []
    assert len(ways([(0.3, 0.8), (0.7, 0.8)], line=short)) == 1


def test_a_bent_line_is_crossed_as_a_whole() -> None:
    zigzag = Area(AreaKind.line, "x", ((0.2, 1.0), (0.5, 0.4), (0.8, 1.0)))
    assert ways([(0.05, 0.8), (0.5, 0.8)], line=zigzag) == [(0, 1, True)]
    assert ways([(0.05, 0.8), (0.95, 0.8)], line=zigzag) == []  # in and out at once: it is where it was
    assert [way[2] for way in ways(along([0.05, 0.5, 0.95], 0.8), line=zigzag)] == [True, False]


def test_two_tracklets_of_one_person_at_a_time_count_once() -> None:
    both = walks(along([0.1, 0.9]), along([0.1, 0.9]), along([0.1, 0.9]), people=[7, 7, 8])
    found = crossings(both, UP)
    assert len(found) == 3
    joined = Crossings.joined([found])
    assert sorted(joined.person.tolist()) == [7, 8]
    later = Crossings(found.person, found.line, found.time + JOINED + 0.1, found.to_right)
    assert len(Crossings.joined([found, later])) == 4
    assert len(Crossings.joined([])) == 0


def test_random_walks_cross_as_a_loop_says() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        x = np.clip(0.5 + np.cumsum(rng.normal(0, 0.02, 300)), 0, 1)
        side, count = 0, 0
        for each in x:
            now = 1 if each > 0.5 + MARGIN else -1 if each < 0.5 - MARGIN else side
            count += side != 0 and now != side
            side = now
        assert len(ways(along(x.tolist()))) == count
