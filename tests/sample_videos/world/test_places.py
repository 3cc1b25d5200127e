"""Where one can be in a place, and what its cameras see of it."""

import math

import numpy as np
import pytest

from sample_videos.world.cameras import Camera, project
from sample_videos.world.materials import Surface
from sample_videos.world.places import (
    Footprints,
    Light,
    Place,
    Shape,
    Solid,
    View,
    free_spot,
    free_spots,
    in_sight,
    random_spots,
)

DARK = Light(sun=(0, 1, 0), sun_colour=(0, 0, 0), sky=(0, 0, 0), ground=(0, 0, 0), background=(0, 0, 0))
CAMERA = Camera((0, 3, 0), (0, 1, -5))


def view_of(*solids, camera=CAMERA):
    return View("box", Place("box", solids, DARK, ()), camera)


def test_footprints_tell_distance_and_the_way_out():
    solids = [
        Solid(Shape.BOX, (0, 0, 0), (2, 1, 1), Surface.PAINT),
        Solid(Shape.CYLINDER, (9, 0, -1), (11, 1, 1), Surface.PAINT),
        Solid(Shape.BOX, (-50, 2.5, -50), (50, 3, 50), Surface.PAINT),  # a ceiling
        Solid(Shape.BOX, (-50, -0.1, -50), (50, 0, 50), Surface.PAINT),  # the ground
    ]
    points = np.array([(-3, 0.5), (1.9, 0.5), (5, 5), (10 + 3 / math.sqrt(2), 3 / math.sqrt(2)), (10.5, 0)], float)
    gap, out = Footprints(solids).nearest(points)
    assert gap == pytest.approx([3, -0.1, 5, 2, -0.5])
    assert out == pytest.approx(
        np.array([(-1, 0), (1, 0), (0.6, 0.8), (math.sqrt(0.5), math.sqrt(0.5)), (1, 0)]), abs=1e-9
    )
    assert np.isinf(Footprints([]).nearest(points)[0]).all()


@pytest.mark.parametrize("shape", Shape)
def test_a_solid_hides_what_is_behind_it(shape):
    thing = Solid(shape, (-1, 0, -6), (1, 2, -4), Surface.PAINT)
    view = view_of(thing, camera=Camera((0, 1, 0), (0, 1, -5), 60))
    points = np.array([(0, 1, -3), (0, 1, -8), (2.5, 1, -8), (0, 1, 3), (9, 1, -5)], float)
    assert in_sight(view, points).tolist() == [True, False, True, False, False]


def test_a_wide_lens_does_not_see_what_its_distortion_folds_back():
    view = view_of(camera=Camera((0, 1, 0), (0, 1, -5), 75, distortion=-0.3))
    assert in_sight(view, np.array([(0, 1, -5), (30, 1, -5), (-30, 1, -5)], float)).tolist() == [True, False, False]


def test_random_spots_lie_ahead_at_distances_at_which_people_are_useful():
    spots = random_spots(CAMERA, np.random.default_rng(0), 2000)
    away = np.hypot(spots[:, 0], spots[:, 1])
    assert away.min() >= 3 and away.max() <= 26
    assert np.abs(np.arctan2(spots[:, 0], -spots[:, 1])).max() <= math.radians(CAMERA.field_of_view / 2)
    assert np.median(away) == pytest.approx(math.sqrt(3 * 26), rel=0.05)  # near ones as likely as far ones


def test_free_spots_are_in_sight_and_have_room_for_a_person():
    box = Solid(Shape.BOX, (-2, 0, -8), (2, 1, -6), Surface.PAINT)
    spots = free_spots(view_of(box), np.random.default_rng(0), 400)
    assert 40 < len(spots) < 400
    assert Footprints([box]).nearest(spots)[0].min() > 0.3
    for height in (0.15, 1.2):
        pixels = project(CAMERA, np.insert(spots, 1, height, axis=1))
        assert (pixels >= 0).all() and (pixels < (CAMERA.width, CAMERA.height)).all()
    assert not ((np.abs(spots[:, 0]) < 1) & (spots[:, 1] < -8) & (spots[:, 1] > -9)).any()  # feet behind the box


def test_a_view_without_room_says_so():
    shut = view_of(Solid(Shape.BOX, (-5, 0, -2), (5, 9, -1), Surface.PAINT))
    with pytest.raises(ValueError, match="nobody could stand"):
        free_spot(shut, np.random.default_rng(1))
