"""What a camera sees of an empty place: where rays meet solids, and what light reaches them."""

import math

import numpy as np
import pytest

from sample_videos.world.backdrop import (
    FAR,
    GRID,
    SAMPLES,
    Backdrop,
    ambient,
    axes_across,
    cross,
    grid_of,
    lamp_table,
    meet,
    tabulate,
)
from sample_videos.world.cameras import Camera, project
from sample_videos.world.materials import Surface
from sample_videos.world.places import Lamp, Light, Place, Shape, Solid, View

GROUND = Solid(Shape.BOX, (-70, -0.1, -70), (70, 0, 70), Surface.PAINT)
SUNNY = Light(
    sun=(1.0, 1.0, 0.0),  # from the right, 45 degrees high
    sun_colour=(2.0, 2.0, 2.0),
    sky=(0.5, 0.5, 0.6),
    ground=(0.2, 0.2, 0.2),
    background=(0.7, 0.8, 1.0),
    lamps=(Lamp((0.0, 3.0, -5.0), 2.0, (1.0, 0.5, 0.25)),),
)
CAMERA = Camera((0.0, 2.0, 3.0), (0.0, 0.5, -5.0), 60, width=96, height=64)
BOUNDS = np.array([[-1.0, 0.0, -3.0, 1.0, 2.0, -1.0]])


def backdrop(*solids: Solid, light: Light = SUNNY) -> Backdrop:
    return Backdrop(View("test", Place("test", (GROUND, *solids), light, ()), CAMERA))


def pixel(x: float, y: float, z: float) -> tuple[int, int]:
    """Row and column at which the camera sees a point."""
    ((column, row),) = project(CAMERA, np.array([(x, y, z)]))
    return int(row), int(column)


def test_a_ray_crosses_a_slab_from_either_side_or_never():
    assert cross(1.0, 3.0, 0.0, 2.0) == (0.5, 1.5, -1.0)
    assert cross(1.0, 3.0, 4.0, -1.0) == (1.0, 3.0, 1.0)
    assert cross(1.0, 3.0, 2.0, 0.0) == (-FAR, FAR, 0.0)
    enter, leave, _ = cross(1.0, 3.0, 5.0, 0.0)
    assert enter > leave


@pytest.mark.parametrize("shape", Shape)
def test_a_ray_meets_a_solid_where_it_enters_and_leaves(shape):
    """The solid is 2 m wide around (0, 1, -2): along its middle all three shapes are the same."""
    assert meet(int(shape), BOUNDS, 0, 0.0, 1.0, 3.0, 0.0, 0.0, -1.0) == pytest.approx((4, 6, 0, 0, 1))
    assert meet(int(shape), BOUNDS, 0, 0.0, 5.0, -2.0, 0.0, -1.0, 0.0) == pytest.approx((3, 5, 0, 1, 0))
    assert meet(int(shape), BOUNDS, 0, -4.0, 1.0, -2.0, 2.0, 0.0, 0.0) == pytest.approx((1.5, 2.5, -1, 0, 0))
    for origin, direction in (((0, 1, 3), (0.5, 0, -1)), ((0, 2.5, 3), (0, 0, -1)), ((1.5, 9, -2), (0, -1, 0))):
        assert meet(int(shape), BOUNDS, 0, *map(float, origin), *map(float, direction))[0] == FAR


def test_round_solids_leave_their_corners_free():
    corner = (0.9, 1.0, 3.0, 0.0, 0.0, -1.0)  # 0.9 m beside the middle
    enters = [meet(int(shape), BOUNDS, 0, *corner)[0] for shape in Shape]
    assert enters == pytest.approx([4, 5 - math.sqrt(1 - 0.81), 5 - math.sqrt(1 - 0.81)])
    high = (0.9, 1.9, 3.0, 0.0, 0.0, -1.0)  # and near the top, where only the ellipsoid is narrower
    assert [meet(int(shape), BOUNDS, 0, *high)[0] < FAR for shape in Shape] == [True, True, False]


def test_tables_hold_a_places_solids_and_light():
    shapes, bounds, surfaces, tints = tabulate(Place("test", (GROUND,), SUNNY, ()))
    assert (shapes.tolist(), surfaces.tolist()) == ([Shape.BOX], [Surface.PAINT])
    assert bounds.tolist() == [[-70, -0.1, -70, 70, 0, 70]]
    assert tints.tolist() == [[1, 1, 1]]
    assert ambient(SUNNY).tolist() == [[2, 2, 2], [0.5, 0.5, 0.6], [0.2, 0.2, 0.2], [0.7, 0.8, 1.0]]
    assert lamp_table(SUNNY).tolist() == [[0, 3, -5, 2, 1, 0.5]]


@pytest.mark.parametrize("direction", [(0.0, 1.0, 0.0), (0.6, 0.8, 0.0), (-0.48, 0.6, 0.64)])
def test_the_axes_across_a_direction_are_square_to_it_and_to_each_other(direction):
    axes = axes_across(np.array(direction))
    assert axes @ axes.T == pytest.approx(np.eye(3))
    assert axes[2].tolist() == list(direction)


def test_a_grid_lists_the_rectangles_that_touch_each_cell():
    rectangles = np.array([(0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 4.0, 2.0), (1.0, 1.0, -1.0, -1.0)])  # the last is empty
    low_u, low_v, cells_u, cells_v, starts, items = grid_of(rectangles, np.array([-70.0, 70.0]))
    assert (low_u, low_v, cells_u, cells_v) == pytest.approx((0, 0, GRID / 4, GRID / 2))

    def at(u: float, v: float) -> list[int]:
        cell = int((v - low_v) * cells_v) * GRID + int((u - low_u) * cells_u)
        return items[starts[cell] : starts[cell + 1]].tolist()

    assert (at(0.2, 0.2), at(0.8, 0.8), at(3.0, 1.5), at(3.0, 0.2)) == ([0], [0, 1], [1], [])


def test_depth_and_positions_are_those_of_what_is_seen():
    wall = Solid(Shape.BOX, (-1.0, 0.0, -4.0), (1.0, 2.0, -3.0), Surface.PAINT)
    seen = backdrop(wall)
    row, column = pixel(0.0, 1.0, -3.0)
    assert seen.positions[row, column] == pytest.approx((0, 1, -3), abs=0.15)
    assert seen.normals[row, column] == pytest.approx((0, 0, 1))
    forward = np.array(CAMERA.target) - np.array(CAMERA.eye)
    depth = (np.array((0, 1, -3)) - np.array(CAMERA.eye)) @ forward / np.linalg.norm(forward)
    assert 1 / seen.inverse_depth[row * SAMPLES, column * SAMPLES] == pytest.approx(depth, abs=0.05)
    row, column = pixel(2.0, 0.0, -5.0)
    assert seen.positions[row, column] == pytest.approx((2, 0, -5), abs=0.4)
    assert seen.normals[row, column].tolist() == [0, 1, 0]


def test_a_wall_shades_the_ground_away_from_the_sun_only():
    wall = Solid(Shape.BOX, (-0.2, 0.0, -6.0), (0.2, 2.0, -4.0), Surface.PAINT)
    seen = backdrop(wall)
    sun = (seen.lit - seen.unlit)[..., 1]
    assert sun[pixel(-1.2, 0.0, -5.0)] == 0  # the shadow reaches 2 m to the left
    assert sun[pixel(1.2, 0.0, -5.0)] > 0.2
    assert sun[pixel(-3.2, 0.0, -5.0)] > 0.2
    points, out = np.array([(-1.2, 0.0, -5.0), (1.2, 0.0, -5.0), (-1.2, 1.5, -5.0)]), np.empty(3)
    seen.sunlit(points, out)
    assert out.tolist() == [0, 1, 1]


def test_without_sun_there_is_no_hard_light():
    cloudy = Light(sun=(0, 1, 0), sun_colour=(0, 0, 0), sky=(1, 1, 1), ground=(0.4, 0.4, 0.4), background=(1, 1, 1))
    seen = backdrop(light=cloudy)
    assert (seen.lit == seen.unlit).all()
    out = np.empty(1)
    seen.sunlit(np.array([(0.0, 1.0, -5.0)]), out)
    assert out.tolist() == [0]


def test_lamps_reach_what_no_solid_hides_from_them():
    roof = Solid(Shape.BOX, (-1.0, 1.5, -6.0), (1.0, 1.6, -4.0), Surface.PAINT)
    points = np.array([(0.0, 0.5, -5.0), (0.0, 2.0, -5.0), (3.0, 0.5, -5.0)])
    assert backdrop(roof).reached(points, SUNNY).tolist() == [[0], [1], [1]]


def test_nothing_is_far_away_and_has_the_backgrounds_light():
    seen = backdrop()
    assert seen.inverse_depth[0, 0] == 0
    assert (seen.positions[0, 0] > 1e5).all()
    assert seen.lit[0, 0] == pytest.approx(seen.unlit[0, 0])
    assert seen.lit[0, 0] == pytest.approx((0.8, 0.85, 1.0), abs=0.05)  # a little of its grey near the horizon
