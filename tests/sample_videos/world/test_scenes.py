import math
from itertools import pairwise

import numpy as np
import pytest

from sample_videos.world.cameras import project
from sample_videos.world.places import Footprints, in_sight
from sample_videos.world.scenes import SITES, VIEWS

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
