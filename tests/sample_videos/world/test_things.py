"""What stands in places has its size, and seats, gaps and lamps are where they are said to be."""

import math

import numpy as np
import pytest

from sample_videos.world.materials import Surface
from sample_videos.world.places import Footprints, Shape, Solid
from sample_videos.world.things import (
    bench,
    bollards,
    box,
    car,
    ceiling_lamps,
    flat,
    hedge,
    kiosk,
    lamp_post,
    litter_bin,
    panes,
    planter,
    shelf,
    talk,
    tree,
    van,
    wall,
)


def extent(solids: list[Solid]) -> np.ndarray:
    """(3, 2) least and greatest x, y, z of all."""
    return np.stack([np.min([s.low for s in solids], axis=0), np.max([s.high for s in solids], axis=0)], axis=1)


def test_walls_have_gaps_and_benches_seats():
    pieces = wall("x", -4, (-10, 10), 3, Surface.BRICK, gaps=((1, 2), (-3, -2)))
    ground = np.array([(x, -4 + 0.1) for x in (-5, -2.5, 0, 1.5, 5)])
    assert (Footprints(pieces).nearest(ground)[0] < 0).tolist() == [True, False, True, False, True]
    _, seats = bench(0, 0, math.pi / 2, 2)
    assert [seat.position for seat in seats] == [pytest.approx((0, 0.31)), pytest.approx((0, -0.31))]
    assert {(seat.heading, seat.seat) for seat in seats} == {(math.pi / 2, 0.45)}


def test_a_box_takes_its_ends_in_any_order():
    assert box((2, 1), (0, 3), (-1, -4), Surface.PAINT) == Solid(Shape.BOX, (1, 0, -4), (2, 3, -1), Surface.PAINT)


def test_flat_ground_is_walked_on_and_layers_lie_on_each_other():
    strips = [flat((0, 4), (0, 4), Surface.PAINT, layer=layer) for layer in (1, 2, 3)]
    assert [strip.high[1] for strip in strips] == pytest.approx([0.003, 0.006, 0.009])
    assert np.isinf(Footprints(strips).nearest(np.array([(2.0, 2.0)]))[0]).all()


@pytest.mark.parametrize(("build", "length", "height"), [(car, 4.3, 1.5), (van, 5.1, 2.25)])
def test_vehicles_stand_on_the_ground_and_turn_with_their_axis(build, length, height):
    along_x, along_z = (extent(build(3.0, -7.0, axis, (0.5, 0.1, 0.1))) for axis in ("x", "z"))
    assert np.ptp(along_x[0]) == pytest.approx(length, abs=0.1)
    assert along_x[1].tolist() == pytest.approx([0, height])
    assert np.ptp(along_x[2]) < 2.1
    np.testing.assert_allclose(along_z[[2, 1, 0]] - [[-7], [0], [3]], along_x - [[3], [0], [-7]])


@pytest.mark.parametrize(
    ("solids", "height"),
    [
        (hedge((0, 3), (0, 1), 1.4), 1.4),
        (bollards([(1, 2), (3, 4)]), 0.9),
        (lamp_post(1, 2, 5.0), 5.25),
        (litter_bin(1, 2), 0.92),
        (kiosk((0, 3), (0, 2), (0.5, 0.5, 0.5)), 2.75),
        (kiosk((0, 3), (0, 2), (0.5, 0.5, 0.5), "x-"), 2.75),
        (shelf((0, 4), (0, 0.5), 1.6), 1.64),
    ],
)
def test_things_stand_on_the_ground_as_high_as_they_are_said_to_be(solids, height):
    assert extent(solids)[1].tolist() == pytest.approx([0, height])


def test_a_trees_crown_is_over_its_trunk_and_as_wide_as_asked():
    trunk, *crown = tree(2.0, -3.0, 6.0, crown=1.5)
    assert trunk.shape is Shape.CYLINDER and trunk.low[1] == 0
    assert all(ball.shape is Shape.ELLIPSOID and ball.surface is Surface.LEAVES for ball in crown)
    assert extent(crown)[1, 0] < trunk.high[1] < extent(crown)[1, 1]
    assert crown[0].high[0] - crown[0].low[0] == pytest.approx(3.0)


def test_bushes_fill_a_planter_along_its_longer_side():
    trough, *bushes = planter((0, 4), (0, 1))
    assert (trough.low, trough.high) == ((0, 0, 0), (4, 0.55, 1))
    middles = [((bush.low[0] + bush.high[0]) / 2, (bush.low[2] + bush.high[2]) / 2) for bush in bushes]
    assert middles == [pytest.approx((x, 0.5)) for x in (0.5, 1.5, 2.5, 3.5)]


@pytest.mark.parametrize("people", [2, 3])
def test_people_who_talk_face_the_middle_of_their_ring(people):
    rests = talk(1.0, -2.0, people, apart=1.2)
    assert len(rests) == people
    for rest in rests:
        x, z = rest.position
        assert math.hypot(x - 1, z + 2) == pytest.approx(0.6)
        assert (math.sin(rest.heading), math.cos(rest.heading)) == pytest.approx(((1 - x) / 0.6, (-2 - z) / 0.6))
        assert rest.seat == 0


def test_ceiling_lamps_shine_from_under_their_panels():
    panels, lamps = ceiling_lamps([(0, -3), (2, -6)], 3.0, 1.5, (1.0, 0.9, 0.8), size=(1.0, 0.4))
    assert [lamp.position for lamp in lamps] == [pytest.approx((0, 2.85, -3)), pytest.approx((2, 2.85, -6))]
    assert {(lamp.strength, lamp.colour) for lamp in lamps} == {(1.5, (1.0, 0.9, 0.8))}
    assert all(panel.surface is Surface.GLOW and panel.high[1] == 3.0 for panel in panels)
    assert extent(panels[:1]) == pytest.approx(np.array([(-0.5, 0.5), (2.96, 3.0), (-3.2, -2.8)]))


@pytest.mark.parametrize(("along", "axis"), [("x", 2), ("z", 0)])
def test_panes_stick_out_of_the_wall_that_they_are_on(along, axis):
    panels = panes(along, -4.0, [(0, 1), (2, 3)], (1.0, 2.0), depth=-0.05)
    assert len(panels) == 2
    for panel, start in zip(panels, (0, 2)):
        assert (panel.low[axis], panel.high[axis]) == pytest.approx((-4.05, -4.0))
        assert (panel.low[2 - axis], panel.high[2 - axis]) == (start, start + 1)
