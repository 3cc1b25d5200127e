"""Places to train in are all different, and people have room in them."""

import math

import numpy as np
import pytest

from sample_videos.world.materials import Surface
from sample_videos.world.places import Footprints, free_spot, in_sight
from sample_videos.world.random_places import random_view
from sample_videos.world.scenes import VIEWS

PLACES = {view.place.name for view in VIEWS.values()}


def lifted(points, height):
    return np.insert(np.asarray(points, float), 1, height, axis=1)


def test_random_views_differ_and_have_room_for_people():
    kinds = set()
    for seed in range(12):
        rng = np.random.default_rng([seed, 5])
        view = random_view(rng, 640, 360)
        assert view == random_view(np.random.default_rng([seed, 5]), 640, 360)
        assert (view.camera.width, view.camera.height) == (640, 360)
        assert 2.2 <= view.camera.eye[1] <= 7 and 40 <= view.camera.field_of_view <= 80
        assert 0.6 <= view.camera.sensor.exposure <= 1.6 and 0.5 <= view.camera.sensor.noise <= 8
        assert view.place.name not in PLACES and view.name not in VIEWS
        spots = np.array([free_spot(view, rng) for _ in range(10)])
        assert Footprints(view.place.solids).nearest(spots)[0].min() > 0.3
        assert in_sight(view, lifted(spots, 1.2)).all()
        assert Footprints(view.place.solids).nearest(np.array([r.position for r in view.place.rests]))[0].min() > 0.3
        kinds.add((view.place.light.sun_colour == (0, 0, 0), bool(view.place.light.lamps)))
    assert len(kinds) > 1


@pytest.fixture(scope="module")
def views():
    return [random_view(np.random.default_rng([seed, 9]), 640, 360) for seed in range(12)]


def test_ways_join_the_rests(views):
    for view in views:
        spots = [rest.position for rest in view.place.rests]
        assert len(spots) == 8
        assert view.place.ways == tuple(zip(spots[::2], spots[1::2]))


def test_rooms_have_a_ceiling_with_lit_panels_and_no_sun(views):
    rooms = 0
    for view in views:
        wide = [solid for solid in view.place.solids if solid.high[0] - solid.low[0] > 100 and solid.low[1] > 1]
        if not wide:
            continue
        rooms += 1
        (ceiling,) = wide
        assert view.place.light.sun_colour == (0, 0, 0)
        assert view.camera.eye[1] < ceiling.low[1]
        panels = [s for s in view.place.solids if s.surface is Surface.GLOW and s.high[1] == ceiling.low[1]]
        assert len(panels) >= len(view.place.light.lamps) > 0
        assert all(lamp.position[1] == pytest.approx(ceiling.low[1] - 0.15) for lamp in view.place.light.lamps)
    assert 0 < rooms < len(views)


def test_cameras_look_down_at_an_angle_at_which_cameras_hang(views):
    for view in views:
        (x, y, z), (target_x, _, target_z) = view.camera.eye, view.camera.target
        down = math.degrees(math.atan2(y, math.hypot(target_x - x, target_z - z)))
        assert 8 <= down <= 46
