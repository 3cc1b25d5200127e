import math
from itertools import pairwise

import numpy as np
import pytest

from sample_videos.world.cameras import Camera, project
from sample_videos.world.materials import Surface
from sample_videos.world.places import Footprints, Light, Place, Shape, Solid, View, free_spot, in_sight
from sample_videos.world.random_places import random_view
from sample_videos.world.scenes import SITES, VIEWS
from sample_videos.world.things import bench, wall

DARK = Light((0, 1, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0))
PLACES = {view.place.name: view.place for view in VIEWS.values()}


def along(way, step=0.2):
    """(N, 2) points on a way, `step` m apart."""
    points = [np.array(way[-1], float)[None]]
    for a, b in pairwise(way):
        shares = np.arange(0, 1, step / math.dist(a, b))[:, None]
        points.append(np.array(a) + shares * (np.array(b) - np.array(a)))
    return np.concatenate(points)


def lifted(points, height):
    return np.insert(np.asarray(points, float), 1, height, axis=1)


def box_place(*solids):
    return Place("box", solids, DARK, ())


def test_there_are_two_sites_and_one_pair_of_views_of_one_place():
    assert len(SITES) == 2
    assert len(VIEWS) == sum(map(len, SITES.values())) >= 8
    assert len(PLACES) >= 7
    pairs = [(a, b) for a in VIEWS.values() for b in VIEWS.values() if a.name < b.name and a.place is b.place]
    shared = [{a.name, b.name} for a, b in pairs]
    assert shared == [{"plaza", "plaza-west"}]
    for view in VIEWS.values():
        assert 2.5 <= view.camera.eye[1] <= 6
        assert 50 <= view.camera.field_of_view <= 75
        assert view.says


def test_the_overlapping_views_share_ground():
    spots = np.array([(x, 1.0, z) for x in np.arange(-8, 8) for z in np.arange(-16, 0)], float)
    shared = in_sight(VIEWS["plaza"], spots) & in_sight(VIEWS["plaza-west"], spots)
    assert shared.mean() > 0.2


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_ways_are_free_and_end_out_of_sight(place):
    views = [view for view in VIEWS.values() if view.place is place]
    footprints = Footprints(place.solids)
    assert len(place.ways) >= 4
    for way in place.ways:
        points = along(way)
        assert footprints.nearest(points)[0].min() > 0.4, way
        seen = [in_sight(view, lifted(points, 1.2)).mean() for view in views]
        assert max(seen) > 0.3, way
        for end in (way[0], way[-1]):
            body = [(end[0] + x, y, end[1] + z) for x in (-0.3, 0.3) for z in (-0.3, 0.3) for y in (0.1, 0.9, 1.7)]
            assert not any(in_sight(view, np.array(body)).any() for view in views), end


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_rests_can_be_reached_and_most_are_seen(place):
    views = [view for view in VIEWS.values() if view.place is place]
    spots = []
    for rest in place.rests:
        reach = 0.5 if rest.seat else 0.0
        x, z = rest.position
        spots.append((x + reach * math.sin(rest.heading), z + reach * math.cos(rest.heading)))
    assert Footprints(place.solids).nearest(np.array(spots))[0].min() > 0.25
    seen = np.any([in_sight(view, lifted(spots, 1.3)) for view in views], axis=0)
    assert seen.mean() > 0.6


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_people_are_neither_tiny_nor_huge(view):
    heights = []
    for way in view.place.ways:
        points = along(way, 0.5)
        points = points[in_sight(view, lifted(points, 0.1)) & in_sight(view, lifted(points, 1.6))]
        feet, heads = project(view.camera, lifted(points, 0.0)), project(view.camera, lifted(points, 1.7))
        heights += (feet[:, 1] - heads[:, 1]).tolist()
    assert np.percentile(heights, 5) > 35
    assert 70 < np.median(heights) < 220
    assert np.percentile(heights, 95) < 350


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
    view = View("box", box_place(thing), Camera((0, 1, 0), (0, 1, -5), 60))
    points = np.array([(0, 1, -3), (0, 1, -8), (2.5, 1, -8), (0, 1, 3), (9, 1, -5)], float)
    assert in_sight(view, points).tolist() == [True, False, True, False, False]


def test_walls_have_gaps_and_benches_seats():
    pieces = wall("x", -4, (-10, 10), 3, Surface.BRICK, gaps=((1, 2), (-3, -2)))
    ground = np.array([(x, -4 + 0.1) for x in (-5, -2.5, 0, 1.5, 5)])
    assert (Footprints(pieces).nearest(ground)[0] < 0).tolist() == [True, False, True, False, True]
    _, seats = bench(0, 0, math.pi / 2, 2)
    assert [seat.position for seat in seats] == [pytest.approx((0, 0.31)), pytest.approx((0, -0.31))]
    assert {(seat.heading, seat.seat) for seat in seats} == {(math.pi / 2, 0.45)}


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


def test_a_view_without_room_says_so():
    shut = View(
        "shut", box_place(Solid(Shape.BOX, (-5, 0, -2), (5, 9, -1), Surface.PAINT)), Camera((0, 3, 0), (0, 1, -5))
    )
    with pytest.raises(ValueError, match="nobody could stand"):
        free_spot(shut, np.random.default_rng(1))
