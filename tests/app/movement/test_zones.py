"""Feet are in a zone surely, or where they were: a tremble on its edge is no coming and going."""

from __future__ import annotations

import numpy as np
import pytest

from app.areas import Area, AreaKind
from app.movement.edges import SURE
from app.movement.zones import inside, spells
from tests.app.movement.walks import ASPECT, HEIGHT, SECOND, along, walks

RIGHT = Area(AreaKind.zone, "right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
MARGIN = SURE * HEIGHT / ASPECT  # share of the width


def spells_of(*feet: list[tuple[float, float]], zone: Area = RIGHT) -> list[tuple[int, float, float]]:
    person, start, end = spells(walks(*feet), zone)
    return [(p, round(a / SECOND), round(b / SECOND)) for p, a, b in zip(person.tolist(), start.tolist(), end.tolist())]


def test_who_walks_through_is_in_once() -> None:
    assert spells_of(along([0.1, 0.3, 0.6, 0.9, 0.6, 0.3])) == [(0, 2, 4)]
    assert spells_of(along([0.6, 0.3, 0.6, 0.6]), along([0.1, 0.2]), along([0.9])) == [(0, 0, 0), (0, 2, 3), (2, 0, 0)]
    assert spells_of() == []


@pytest.mark.parametrize("tremble", [0.1, 0.5, 0.99])
def test_a_tremble_on_the_edge_is_one_stay(tremble: float) -> None:
    rng = np.random.default_rng(0)
    noise = (0.5 + tremble * MARGIN * rng.uniform(-1, 1, 500)).tolist()
    assert spells_of(along([0.2, *noise, 0.2])) == []  # who is never surely in does not come
    assert spells_of(along([0.8, *noise, 0.8])) == [(0, 0, 501)]  # and who is never surely out does not go
    assert spells_of(along([0.2, *noise, 0.8, *noise, 0.2])) == [(0, 501, 1001)]


def test_who_is_surely_out_and_in_again_comes_twice() -> None:
    beyond = 1.01 * MARGIN
    assert spells_of(along([0.5 + beyond, 0.5 - beyond, 0.5 + beyond])) == [(0, 0, 0), (0, 2, 2)]


def test_who_is_never_sure_is_where_most_feet_are() -> None:
    assert spells_of(along([0.501, 0.501, 0.499])) == [(0, 0, 2)]
    assert spells_of(along([0.501, 0.499, 0.499])) == []


def test_near_people_may_tremble_more() -> None:
    paths = walks(along([0.8, 0.5 - 1.5 * MARGIN, 0.8]))
    assert len(spells(paths, RIGHT)[0]) == 2
    paths.height[:] *= 2  # nearer to the camera
    assert len(spells(paths, RIGHT)[0]) == 1


def test_nobody_crosses_the_border_of_the_picture() -> None:
    feet = [(0.6, 1.0), (0.6, 0.999), (0.6, 1.0)]  # their feet are below the picture
    assert spells_of(feet) == [(0, 0, 2)]
    whole = Area(AreaKind.zone, "all", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    assert spells_of(along([0.0, 0.5, 1.0]), zone=whole) == [(0, 0, 2)]


def test_inside_is_what_a_slow_test_says() -> None:
    polygon = ((0.1, 0.1), (0.9, 0.2), (0.5, 0.5), (0.8, 0.9), (0.2, 0.8))
    rng = np.random.default_rng(1)
    feet = rng.uniform(0, 1, (5000, 2))

    def winds(point: np.ndarray) -> bool:
        around = np.array([*polygon, polygon[0]]) - point
        angles = np.unwrap(np.arctan2(around[:, 1], around[:, 0]))
        return bool(abs(angles[-1] - angles[0]) > np.pi)

    assert inside(feet, polygon).tolist() == [winds(point) for point in feet]
