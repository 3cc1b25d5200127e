"""The two sites that are filmed: what stands in their places, the light, the ways, the rests, and the cameras."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sample_videos.world.cameras import Camera, Sensor
from sample_videos.world.materials import Surface
from sample_videos.world.places import (
    Colour,
    Lamp,
    Light,
    Place,
    Rest,
    Shape,
    View,
)
from sample_videos.world.things import (
    DARK,
    WHITE,
    bench,
    bollards,
    box,
    car,
    ceiling_lamps,
    flat,
    ground,
    hedge,
    kiosk,
    lamp_post,
    litter_bin,
    panes,
    planter,
    post,
    shelf,
    talk,
    tree,
    van,
    wall,
)

# --- site "station" ---------------------------------------------------------------------------------------------------


def _plaza() -> Place:
    solids = [
        ground(Surface.PAVING),
        *wall("x", -21, (-32, 26), 11, Surface.FACADE, gaps=((-2.7, -0.5),), lintel=2.8, thickness=-1.5),
        *wall("x", -27, (-12, 12), 3.5, Surface.PLASTER, (0.7, 0.65, 0.6)),
        *wall("z", 15, (-30, 12), 9, Surface.BRICK, gaps=((-10.8, -8.2),), lintel=2.7, thickness=1.2),
        *wall("z", 20.5, (-18, 6), 3.5, Surface.PLASTER, (0.6, 0.6, 0.6)),
        *panes("z", 15, ((-6.6, -4.4), (-3.4, -1.2), (-0.2, 2), (-14.4, -12.2)), (0.5, 2.6), depth=-0.05),
        *panes("z", 15, ((-7, 2.4),), (2.75, 3.5), Surface.POSTERS, (0.8, 0.8, 0.9), depth=-0.12),
        *panes("x", -21, ((-10.6, -8.3),), (0, 2.4), Surface.WOOD, (0.6, 0.6, 0.6), depth=0.06),
        *kiosk((7.0, 9.6), (-16.2, -13.8), (0.35, 0.5, 0.4)),
        post(3.9, -12.2, 0.62, (0, 2.9), Surface.POSTERS),
        post(3.9, -12.2, 0.72, (2.9, 3.05), Surface.STEEL),
        *bollards([(x, -16.6) for x in (-8.5, -6.5, -4.5, 1.3, 3.3)]),
        *lamp_post(4.7, -4.9),
        *lamp_post(-7.6, -15.2),
        *planter((-9.2, -7.4), (-6.9, -5.3)),
        *planter((7.2, 8.4), (-7.8, -4.6)),
        *tree(-8.8, -18.2, 5.4),
        *tree(11.6, -5.2, 6.0, (0.9, 1.05, 0.85)),
        *tree(11.2, -13.6, 5.2, (1.1, 1.05, 0.8)),
        *litter_bin(6.3, -12.6),
        flat((-60, 60), (2.6, 3.0), Surface.CONCRETE, (0.7, 0.7, 0.7)),
    ]
    rests = [*talk(1.5, -9.0), *talk(-4.2, -13.9, 3), Rest((3.0, -11.6), 2.2), Rest((8.0, -13.1), math.pi)]
    for x, z, heading in ((-4.0, -10.3, 0.0), (5.6, -6.6, -math.pi / 2)):
        parts, seats = bench(x, z, heading)
        solids += parts
        rests += seats
    light = Light(
        sun=(-0.55, 0.75, 0.45),
        sun_colour=(2.3, 2.15, 1.9),
        sky=(0.55, 0.65, 0.85),
        ground=(0.28, 0.25, 0.22),
        background=(0.8, 0.95, 1.2),
    )
    ways = (
        ((-16.5, -3.6), (-8, -3.9), (0, -4), (2.6, -1), (5.6, 9)),
        ((-16.5, -8.6), (-5.5, -8.4), (3, -7.9), (6.3, -9.2), (13.5, -9.5), (17.2, -9.5), (18.2, -5.6)),
        ((4.0, -24.6), (-1.6, -24.2), (-1.6, -19), (-0.8, -12), (0.6, -6), (3.0, 0), (5.6, 9)),
        ((-16.5, -10.2), (-9, -11.4), (-3.2, -15), (-1.7, -18.8), (-1.6, -24.2), (4.0, -24.6)),
        ((18.2, -5.6), (17.2, -9.5), (13.5, -9.5), (6.4, -10.0), (2.6, -5.2), (2.6, 0), (5.6, 9)),
        (
            (4.0, -24.6),
            (-1.6, -24.2),
            (-1.6, -19),
            (1.6, -12.2),
            (5.2, -9.4),
            (13.5, -9.5),
            (17.2, -9.5),
            (18.2, -5.6),
        ),
    )
    return Place("plaza", tuple(solids), light, ways, tuple(rests))


def _street() -> Place:
    stripes = [flat((x, x + 0.5), (-4.1, 3.5), Surface.PAINT, (0.9, 0.9, 0.88)) for x in (-1.0, 0.1, 1.2, 2.3)]
    solids = [
        ground(Surface.ASPHALT),
        flat((-70, 70), (-12, -4.6), Surface.PAVING),
        flat((-70, 70), (-4.6, -4.4), Surface.CONCRETE, layer=2),
        *stripes,
        *wall("x", -9, (-24, 15), 9, Surface.BRICK, gaps=((-3.4, -1.7),), lintel=2.4, thickness=-0.5),
        *wall("x", -9.4, (15, 50), 7, Surface.PLASTER, (0.8, 0.85, 0.8), thickness=-0.5),
        *wall("x", -12, (-12, 6), 3, Surface.PLASTER, (0.45, 0.4, 0.35)),
        *panes("x", -9, ((-7.2, -4.6), (4.2, 7.0), (10.4, 13.2)), (0.7, 2.4)),
        *panes("x", -9, ((-0.6, 2.2),), (0.5, 2.5), Surface.SHELVES, (0.6, 0.6, 0.6)),
        *panes("x", -9, ((-0.9, 2.5), (-7.4, -4.4)), (2.5, 3.1), Surface.PAINT, (0.15, 0.3, 0.25), depth=0.3),
        *panes("x", -9, ((8.2, 9.4),), (0, 2.3), Surface.WOOD, (0.7, 0.5, 0.5), depth=0.06),
        *panes("x", -9.4, ((17, 19), (22, 24)), (0.9, 2.5)),
        *[s for x in (-7, -4, 0.6, 3, 6, 11) for s in panes("x", -9, ((x, x + 1.3),), (4.2, 6.2))],
        *car(-4.6, -3.3, "x", (0.12, 0.22, 0.42)),
        *car(6.0, -3.3, "x", (0.8, 0.8, 0.8)),
        *van(12.6, -3.3, "x", (0.75, 0.73, 0.68)),
        *car(-13, -3.3, "x", (0.45, 0.1, 0.08)),
        *lamp_post(3.5, -4.9, 5),
        *tree(10.2, -5.1, 6, (0.9, 0.95, 0.85), 1.3),
        *bollards([(-1.9, -4.8), (-0.6, -4.8), (2.9, -4.8)], (0.4, 0.1, 0.08)),
        *litter_bin(-3.8, -8.6),
        box((4.6, 7.8), (2.3, 2.42), (-8.6, -7.2), Surface.STEEL),  # bus shelter
        box((4.6, 7.8), (0.3, 2.3), (-8.63, -8.58), Surface.GLASS, (1.5, 1.5, 1.5)),
        box((7.75, 7.8), (0.2, 2.1), (-8.6, -7.6), Surface.POSTERS),
        *bollards([(4.65, -7.3), (7.75, -7.3)]),
    ]
    parts, seats = bench(6.1, -8.2, 0.0, 3, Surface.STEEL)
    solids += parts
    rests = [*seats, Rest((4.0, -7.9), 0.5), Rest((1.2, -8.4), math.pi), *talk(-0.4, -7.9)]
    light = Light(
        sun=(0.3, 0.9, 0.2),
        sun_colour=(0, 0, 0),
        sky=(0.95, 1.05, 1.2),
        ground=(0.42, 0.42, 0.42),
        background=(1.1, 1.15, 1.2),
    )
    ways = (
        ((-9.5, -6.0), (0, -6.2), (8, -6.1), (20, -6.3)),
        ((20, -6.6), (10, -6.4), (1.5, -6.5), (-9.5, -7.0)),
        ((-6.4, -10.8), (-2.55, -10.8), (-2.55, -8), (0.6, -5.6), (1.4, -1), (6, 9)),
        ((20, -6.3), (9.5, -6.0), (3, -6.2), (1.0, -4.6), (0.8, 0), (6, 9)),
        ((15, -0.6), (4, -0.5), (-8, -0.2)),
        ((-9.5, -6.6), (-4.5, -7.2), (-2.55, -8), (-2.55, -10.8), (-6.4, -10.8)),
    )
    return Place("street", tuple(solids), light, ways, tuple(rests))


def _hall() -> Place:
    warm = (1.0, 0.85, 0.62)
    panels, lamps = ceiling_lamps([(0, -20), (0, -13), (0, -6), (0, 1)], 3.6, 2.2, (1.6, 1.36, 1.0), (2.4, 0.5))
    lamps = tuple(replace(lamp, colour=warm) for lamp in lamps)
    solids = [
        ground(Surface.TILES),
        box((-14, 14), (3.6, 3.7), (-24, 12), Surface.PLASTER, (0.7, 0.7, 0.7)),
        *wall("z", -7, (-24, 12), 3.6, Surface.PLASTER, gaps=((-12.6, -11.0), (-2.6, -1.2)), thickness=-0.25),
        *wall("z", -9.8, (-26, 12), 3.6, Surface.PLASTER, (0.8, 0.75, 0.7), thickness=-0.25),
        *wall("z", 7, (-24, 12), 3.6, Surface.PLASTER, gaps=((-16.8, -15.2),)),
        *wall("z", 9.8, (-26, 12), 3.6, Surface.PLASTER, (0.8, 0.75, 0.7)),
        *wall("x", -24, (-10, 10), 3.6, Surface.PLASTER, gaps=((-1.4, 1.4),), lintel=2.6, thickness=-0.25),
        box((-9, 9), (0, 5), (-30.2, -30), Surface.GLOW, (0.75, 0.8, 0.85)),
        *panes("x", -24, ((-4.6, -2.2), (2.2, 4.6)), (0.9, 2.6), Surface.GLOW, (0.6, 0.65, 0.7)),
        *panes("z", -7, ((-20, -17), (-9.2, -5.4)), (1.0, 2.4), Surface.POSTERS),
        *panes("z", -7, ((-16, -15.1),), (0, 2.1), Surface.WOOD, depth=0.06),
        *panes("z", 7, ((-22, -19),), (1.2, 2.5), Surface.POSTERS, depth=-0.05),
        post(-3.6, -8.2, 0.24, (0, 3.6), Surface.CONCRETE),
        post(2.6, -12.4, 0.24, (0, 3.6), Surface.CONCRETE),
        post(-3.6, -16.6, 0.24, (0, 3.6), Surface.CONCRETE),
        post(2.6, -4.2, 0.24, (0, 3.6), Surface.CONCRETE),
        box((5.4, 6.9), (0, 1.05), (-10.6, -7.8), Surface.WOOD),  # information desk
        box((5.3, 6.9), (1.05, 1.1), (-10.7, -7.7), Surface.STEEL, (1.5, 1.5, 1.5)),
        box((6.6, 6.95), (1.3, 2.5), (-10.4, -8), Surface.POSTERS, (0.7, 0.8, 1)),
        *[box((-6.95, -6.3), (0, 1.85), (z, z + 0.8), Surface.PAINT, (0.55, 0.12, 0.1)) for z in (-4.6, -3.7)],
        *[box((-6.3, -6.27), (0.9, 1.6), (z + 0.1, z + 0.7), Surface.GLOW, (0.3, 0.4, 0.5)) for z in (-4.6, -3.7)],
        *planter((4.2, 5.2), (-20.5, -18), 0.5),
        *litter_bin(-6.5, -10.3, (0.3, 0.3, 0.32)),
        *panels,
    ]
    rests = [
        *talk(-1.2, -10.8),
        *talk(-1.8, -19.2, 3),
        Rest((4.7, -9.2), math.pi / 2),
        Rest((-5.5, -3.3), -math.pi / 2),
    ]
    for x, z, heading in ((-6.45, -7.4, math.pi / 2), (-1.8, -13.2, 0.0)):
        parts, seats = bench(x, z, heading, 4, Surface.STEEL, (1.2, 1.2, 1.3))
        solids += parts
        rests += seats
    light = Light(
        sun=(0, 1, 0.1),
        sun_colour=(0, 0, 0),
        sky=(0.30, 0.26, 0.20),
        ground=(0.20, 0.17, 0.13),
        background=(0.7, 0.75, 0.8),
        lamps=lamps,
    )
    ways = (
        ((4.4, -26.8), (0, -26.4), (0, -22), (0.6, -14), (0.6, -6.5), (0, 0), (-0.5, 9)),
        ((-0.5, 9), (0.4, -2), (0.6, -9), (1, -18), (0, -22), (0, -26.4), (4.4, -26.8)),
        ((-8.5, -8.6), (-8.5, -11.8), (-5.5, -11.8), (-1.5, -9.2), (0.6, -4), (0, 9)),
        ((8.5, -12.6), (8.5, -16), (5.6, -16), (3.9, -12.5), (4.0, -6), (4.1, -3), (1.5, 0.5), (0, 9)),
        ((-8.5, 1.4), (-8.5, -1.9), (-5.2, -2.1), (-0.5, -6), (0.8, -11.5), (4.5, -16), (8.5, -16), (8.5, -12.6)),
        ((-8.5, -8.6), (-8.5, -11.8), (-5.3, -12.2), (-3.0, -15.0), (4.5, -16), (8.5, -16), (8.5, -12.6)),
    )
    return Place("hall", tuple(solids), light, ways, tuple(rests))


def _entrance() -> Place:
    sodium = (1.0, 0.66, 0.30)
    solids = [
        ground(Surface.ASPHALT, (1.1, 1.05, 1.0)),
        flat((-18, 18), (-13, -9.6), Surface.PAVING),
        *wall(
            "x", -13, (-18, 18), 5.2, Surface.PLASTER, (0.6, 0.58, 0.6), gaps=((-1.2, 1.4),), lintel=2.6, thickness=-0.4
        ),
        *wall("x", -17, (-9, 9), 3.2, Surface.PLASTER, (1.2, 1.1, 0.95), thickness=-0.3),
        box((-9, 9), (3.0, 3.2), (-17, -13.4), Surface.PLASTER),
        *panes(
            "x",
            -13,
            ((-5.6, -3.5), (-3.4, -1.4), (1.6, 3.6), (3.7, 5.8)),
            (0.35, 2.7),
            Surface.GLOW,
            (0.85, 0.76, 0.6),
        ),
        *panes("x", -13, ((-5.8, 6.0),), (3.1, 3.9), Surface.POSTERS, (0.6, 0.5, 0.9), depth=0.15),
        *panes("x", -13, ((8, 10.4), (11.4, 13.8), (-10, -7.6)), (1, 2.6)),
        box((-2, 2.2), (2.75, 2.9), (-13, -11.6), Surface.STEEL),
        *car(8.6, -9.6, "z", (0.08, 0.1, 0.12)),
        *car(11.4, -9.4, "z", (0.5, 0.08, 0.08)),
        *car(-8.8, -8.6, "z", (0.55, 0.56, 0.6)),
        *[flat((x, x + 0.12), (-11.6, -7.0), Surface.PAINT, (0.9, 0.9, 0.9), 2) for x in (7.2, 10, 12.8, -7.3, -10.3)],
        *bollards([(-4.6, -9.9), (-3.1, -9.9), (3.6, -9.9), (5.2, -9.9)]),
        *lamp_post(-6.8, -3.2, 4.9),
        *lamp_post(7.0, -7.6, 4.6),
        *hedge((2.6, 5.6), (-5.3, -4.5), 0.95),
        *planter((-4.9, -3.7), (-12.5, -11.6)),
        *tree(-6.2, -11.4, 4.6, (0.8, 0.9, 0.7), 1.1),
        *litter_bin(2.2, -12.5),
    ]
    parts, seats = bench(4.3, -12.3, 0.0)
    solids += parts
    rests = [*seats, *talk(-2.6, -8.4), *talk(2.6, -8.9, 3), Rest((-2.5, -12.2), 0.2), Rest((5.6, -8.2), -0.8)]
    lamps = (
        Lamp((-6.8, 4.6, -3.2), 2.2, sodium),
        Lamp((0.1, 2.6, -11.4), 2.0, (1, 0.95, 0.85)),
        Lamp((0.1, 2.7, -15.2), 2.4, (1, 0.92, 0.8)),
        Lamp((7.0, 4.4, -7.6), 1.6, sodium),
        Lamp((-1.5, 4.5, 3.5), 1.0, sodium),
    )
    light = Light(
        sun=(0.5, 0.5, 0.4),
        sun_colour=(0.25, 0.22, 0.25),
        sky=(0.16, 0.18, 0.30),
        ground=(0.12, 0.11, 0.11),
        background=(0.25, 0.28, 0.45),
        lamps=lamps,
    )
    ways = (
        ((-9.5, -4.0), (-3, -5.6), (0, -9), (0.1, -14.2), (-4.8, -15.2)),
        ((-4.8, -15.2), (0.1, -14.2), (0.3, -10), (1.2, -4), (5, 9)),
        ((14.5, -3.6), (6, -3.4), (0.5, -3.2), (-5, -2), (-10.5, -1.5)),
        ((4.5, 9), (1.2, -1.5), (-0.6, -7), (0.1, -12), (0.1, -14.2), (-4.8, -15.2)),
        ((15.5, -5.8), (7, -5.6), (2.4, -7), (0.2, -11), (0.1, -14.2), (-4.8, -15.2)),
        ((-11, -5.2), (-4.8, -6.2), (0.6, -6.4), (4.2, -6.3), (15.5, -5.8)),
    )
    return Place("entrance", tuple(solids), light, ways, tuple(rests))


def _platform() -> Place:
    doors = ((-7.4, -5.9), (-15.6, -14.1))
    windows = [(z, z + 1.6) for z in (-21, -18.4, -13, -10.6, -4.6, -2.2, 0.4)]
    solids = [
        box((-60, 60), (-1.3, -1.2), (-70, 70), Surface.CONCRETE, (0.5, 0.48, 0.45)),
        box((-4.6, 9), (-1.2, 0), (-70, 20), Surface.PAVING, (0.95, 0.95, 1.0)),
        flat((3.9, 4.1), (-70, 20), Surface.PAINT, (0.95, 0.85, 0.25)),
        flat((-4.1, -3.9), (-70, 20), Surface.PAINT, (0.95, 0.85, 0.25)),
        *wall("z", 4.7, (-60, 14), 3.4, Surface.PAINT, (0.28, 0.4, 0.55), gaps=doors, lintel=2.15, thickness=0.15),
        *wall("z", 7.2, (-60, 14), 3.4, Surface.PAINT, (0.7, 0.7, 0.65)),
        box((4.7, 7.4), (3.3, 3.45), (-60, 14), Surface.STEEL),
        *panes("z", 4.7, windows, (1.1, 2.3), depth=-0.03),
        *panes("z", 4.7, ((-60, 14),), (2.6, 2.9), Surface.PAINT, (0.85, 0.85, 0.8), depth=-0.02),
        *[box((-4.52, -4.48), (y, y + 0.06), (-40, 12), Surface.STEEL) for y in (0.5, 1.05)],
        *[post(-4.5, z, 0.04, (0, 1.1), Surface.STEEL) for z in range(-28, 10, 3)],
        *[box((-8.2 + d, -8.05 + d), (-1.2, -1.05), (-70, 30), Surface.STEEL) for d in (0, 1.5)],
        *wall("z", -11, (-70, 20), 3.0, Surface.BRICK, (0.8, 0.8, 0.8), thickness=-0.4),
        *panes("z", -11, ((-24, -20), (-14, -10), (-6, -2)), (0.8, 2.6), Surface.POSTERS),
        box((-3.6, 3.6), (4.6, 4.75), (-34, -6), Surface.STEEL, (1.4, 1.4, 1.4)),
        *[post(0, z, 0.16, (0, 4.6), Surface.STEEL) for z in (-8.2, -14.2, -20.2)],
        box((-1.7, 1.7), (0, 2.7), (-27.5, -23.5), Surface.GLASS, (1.2, 1.2, 1.2)),  # house over the stairs
        box((-1.9, 1.9), (2.7, 2.85), (-27.7, -23.3), Surface.STEEL),
        box((-1.2, 1.2), (2.75, 3.3), (-9.1, -9.0), Surface.PAINT, (0.1, 0.2, 0.5)),
        *litter_bin(-1.0, -9.4),
        box((-0.5, 0.5), (0, 1.9), (-12.3, -11.6), Surface.PAINT, (0.5, 0.1, 0.1)),
        box((-0.35, 0.35), (0.8, 1.7), (-11.6, -11.57), Surface.GLOW, (0.5, 0.55, 0.6)),
        *planter((-0.6, 0.6), (-18.4, -17.2), 0.5),
    ]
    rests = [
        *talk(-2.6, -11.5),
        Rest((2.9, -9.8), 1.5),
        Rest((2.8, -12.4), 1.2),
        Rest((-2.8, -16.4), -1.4),
        *talk(2.3, -18.6, 3),
    ]
    for x, z, heading in ((0.55, -6.2, math.pi / 2), (-0.55, -6.2, -math.pi / 2), (0.5, -15.6, math.pi / 2)):
        parts, seats = bench(x, z, heading)
        solids += parts
        rests += seats
    lamps = tuple(Lamp((x, 4.4, z), 0.9, (0.9, 0.95, 1.0)) for x in (-2, 2) for z in (-10, -18))
    light = Light(
        sun=(-0.4, 0.8, 0.3),
        sun_colour=(0, 0, 0),
        sky=(0.75, 0.82, 0.92),
        ground=(0.35, 0.35, 0.34),
        background=(0.95, 1.0, 1.1),
        lamps=lamps,
    )
    ways = (
        ((0, -29.5), (2.9, -28.4), (2.7, -18), (2.5, -10), (2.2, 0), (0, 10)),
        ((0, 10), (-2.2, 0), (-2.4, -10), (-2.7, -20), (-2.9, -28.4), (0, -29.5)),
        ((6.0, -2.6), (6.0, -6.65), (3.4, -6.65), (2.2, -1), (0, 10)),
        ((6.0, -2.6), (6.0, -6.65), (3.4, -6.65), (2.6, -13), (2.9, -28.4), (0, -29.5)),
        ((6.0, -10.6), (6.0, -14.85), (3.4, -14.85), (1.9, -10.5), (-2.0, -10.4), (-2.2, 0), (0, 10)),
        ((0, 10), (2.0, 0), (2.2, -8), (3.2, -14.85), (6.0, -14.85), (6.0, -10.6)),
    )
    return Place("platform", tuple(solids), light, ways, tuple(rests))


# --- site "campus" ----------------------------------------------------------------------------------------------------


def _shop() -> Place:
    cool = (0.95, 1.0, 1.05)
    panels, lamps = ceiling_lamps(
        [(x, z) for x in (-4, 4) for z in (-11, -5, 1)], 3.2, 1.5, (1.4, 1.45, 1.5), (0.4, 2.4)
    )
    lamps = tuple(replace(lamp, colour=cool) for lamp in lamps)
    solids = [
        ground(Surface.TILES, (1.15, 1.15, 1.12)),
        box((-12, 12), (3.2, 3.3), (-20, 8), Surface.PAINT, (0.9, 0.9, 0.9)),
        *wall("x", -16, (-12, 12), 3.2, Surface.PLASTER, gaps=((5.4, 6.9),), thickness=-0.25),
        *wall("x", -18.6, (-12, 12), 3.2, Surface.PLASTER, (0.6, 0.6, 0.6), thickness=-0.25),
        *wall("z", 8, (-18, 8), 3.2, Surface.PLASTER, gaps=((-0.9, 1.3),), lintel=2.5),
        *wall("z", 11.2, (-8, 8), 3.2, Surface.GLOW, (0.5, 0.55, 0.6)),
        *wall("z", -8, (-18, 8), 3.2, Surface.PLASTER, gaps=((-15.4, -13.8),), thickness=-0.25),
        *wall("z", -10.6, (-18, 8), 3.2, Surface.PLASTER, (0.6, 0.6, 0.6), thickness=-0.25),
        *shelf((-7.95, -7.4), (-13.4, -2.5), 1.9),
        *shelf((-7.0, 4.8), (-15.95, -15.3), 1.9),
        *shelf((7.4, 7.95), (-15.6, -2.4), 1.9),
        *[s for x in (-4.6, -0.9, 2.8) for s in shelf((x, x + 0.9), (-12.6, -3.6), 1.5)],
        *panes("z", 8, ((-14, -9), (-8, -3)), (2.1, 2.9), Surface.POSTERS, depth=-0.05),
        *panes("x", -16, ((-6.5, -2), (-1, 4)), (2.1, 2.9), Surface.POSTERS),
        *[
            s
            for z in (1.6,)
            for s in [
                box((2.0, 4.6), (0, 0.95), (z, z + 0.7), Surface.PAINT, (0.25, 0.3, 0.35)),
                box((2.0, 4.6), (0.95, 1.0), (z, z + 0.7), Surface.STEEL),
                box((2.2, 2.6), (1.0, 1.45), (z + 0.2, z + 0.5), Surface.PAINT, DARK),
            ]
        ],
        box((-0.9, 0.0), (0, 0.9), (-2.4, -1.6), Surface.WOOD),
        box((-0.8, -0.1), (0.9, 1.15), (-2.3, -1.7), Surface.SHELVES),
        *panels,
    ]
    rests = [
        Rest((-6.8, -6), -math.pi / 2),
        Rest((-5.2, -8.6), math.pi / 2),
        Rest((-3.1, -7), -math.pi / 2),
        Rest((0.6, -9.4), -math.pi / 2),
        Rest((3.2, 1.0), 0.0),
        Rest((-1.45, -1.9), math.pi / 2),
        Rest((6.8, -5.2), math.pi / 2),
        *talk(-5.6, -1.6),
    ]
    light = Light(
        sun=(0, 1, 0.1),
        sun_colour=(0, 0, 0),
        sky=(0.42, 0.43, 0.45),
        ground=(0.32, 0.31, 0.30),
        background=(0.5, 0.5, 0.5),
        lamps=lamps,
    )
    ways = (
        (
            (9.6, 4.2),
            (9.6, 0.2),
            (6.5, 0.0),
            (-0.6, -0.4),
            (-2.3, -2.8),
            (-2.3, -13.9),
            (-6.5, -14.5),
            (-9.3, -14.6),
            (-9.3, -10.8),
        ),
        ((9.6, 4.2), (9.6, 0.2), (6.5, 0.0), (1.7, -1.2), (1.4, -13.9), (6.1, -14.2), (6.1, -17.3), (2.0, -17.4)),
        ((-3, 7), (-2.8, 1.2), (-5.6, -2.8), (-5.8, -13.8), (-6.5, -14.5), (-9.3, -14.6), (-9.3, -10.8)),
        ((-3, 7), (-1.0, 0.8), (5.0, -0.7), (6.0, -6), (6.1, -14.2), (6.1, -17.3), (2.0, -17.4)),
        ((-3, 7), (-2.0, 0.9), (3.5, 0.2), (9.6, 0.2), (9.6, 4.2)),
        ((2.0, -17.4), (6.1, -17.3), (6.1, -13.9), (5.4, -3.0), (6.5, 0.0), (9.6, 0.2), (9.6, 4.2)),
    )
    return Place("shop", tuple(solids), light, ways, tuple(rests))


def _corridor() -> Place:
    panels, lamps = ceiling_lamps(
        [(0, z) for z in (-23, -18, -13, -8, -3, 2)], 2.7, 0.8, (1.35, 1.35, 1.25), (0.6, 0.6)
    )
    lamps = tuple(replace(lamp, colour=(1.0, 0.97, 0.88)) for lamp in lamps)
    solids = [
        ground(Surface.CARPET, (0.8, 0.85, 1.0)),
        box((-8, 8), (2.7, 2.8), (-27, 9), Surface.PAINT, (0.85, 0.85, 0.85)),
        *wall("z", -1.7, (-24, 9), 2.7, Surface.PLASTER, gaps=((-11.4, -10.2),), lintel=2.1, thickness=-0.2),
        *wall("z", 1.7, (-24, 9), 2.7, Surface.PLASTER, gaps=((-16.4, -15.2), (-6.0, -4.8)), lintel=2.1, thickness=0.2),
        *wall("z", -4.4, (-23.9, 9), 2.7, Surface.PLASTER, (0.7, 0.75, 0.8), thickness=-0.2),
        *wall("z", 4.4, (-23.9, 9), 2.7, Surface.PLASTER, (0.75, 0.7, 0.65)),
        *wall("x", -24, (-8, -1.7), 2.7, Surface.PLASTER, thickness=0.2),
        *wall("x", -24, (1.7, 8), 2.7, Surface.PLASTER, thickness=0.2),
        *wall("x", -26.8, (-9, 9), 2.7, Surface.PLASTER, (0.5, 0.6, 0.75)),
        *panes("x", -26.6, ((-1.2, 1.2),), (0.9, 2.2), Surface.POSTERS, depth=0.08),
        *panes(
            "z", -1.7, ((-20.6, -19.6), (-15.6, -14.6), (-6, -5), (-1.4, -0.4)), (0, 2.05), Surface.WOOD, depth=0.04
        ),
        *panes("z", 1.7, ((-21, -20), (-11.2, -10.2), (-1.6, -0.6)), (0, 2.05), Surface.WOOD, depth=-0.04),
        *panes("z", -1.7, ((-18.6, -16.4), (-9.4, -7)), (1.1, 1.9), Surface.POSTERS, depth=0.03),
        *panes("z", 1.7, ((-9.4, -7.4), (-14.2, -12.4)), (1.1, 1.9), Surface.POSTERS, depth=-0.03),
        box((1.2, 1.68), (0, 1.3), (-9.0, -8.2), Surface.PAINT, (0.85, 0.87, 0.9)),  # printer
        box((1.15, 1.68), (1.3, 1.38), (-9.05, -8.15), Surface.PAINT, DARK),
        *planter((-1.65, -1.2), (-13.6, -13.15), 0.4, 1.0),
        *planter((1.2, 1.65), (-18.9, -18.45), 0.4, 1.0),
        *panels,
    ]
    parts, seats = bench(1.42, -12.6, -math.pi / 2, 2, Surface.PAINT, (0.3, 0.4, 0.45))
    solids += parts
    rests = [
        *seats,
        Rest((0.75, -8.6), math.pi / 2),
        *talk(-0.9, -17.6),
        Rest((-1.1, -8.2), -math.pi / 2),
        *talk(-0.95, -5.0),
    ]
    light = Light(
        sun=(0, 1, 0.1),
        sun_colour=(0, 0, 0),
        sky=(0.34, 0.33, 0.31),
        ground=(0.22, 0.22, 0.23),
        background=(0.4, 0.4, 0.4),
        lamps=lamps,
    )
    ways = (
        ((-5.6, -25.3), (-0.4, -25.3), (-0.4, -14), (-0.3, -5), (-0.8, 10)),
        ((-0.8, 10), (0.3, -3), (0.4, -14), (0.3, -22.5), (0.5, -25.3), (6, -25.3)),
        ((-3.1, -7.6), (-3.1, -10.8), (-0.8, -10.8), (0, -6), (-0.8, 10)),
        ((3.1, -12.6), (3.1, -15.8), (0.9, -15.8), (0.1, -9), (-0.2, -3), (-0.8, 10)),
        ((3.1, -2.4), (3.1, -5.4), (0.7, -5.4), (-0.1, -12), (0.1, -22.5), (-0.4, -25.3), (-5.6, -25.3)),
        ((-3.1, -7.6), (-3.1, -10.8), (-0.6, -10.8), (0.3, -17), (0.3, -22.5), (0.5, -25.3), (6, -25.3)),
    )
    return Place("corridor", tuple(solids), light, ways, tuple(rests))


def _lobby() -> Place:
    panels, lamps = ceiling_lamps(
        [(x, z) for x in (-4, 3) for z in (-15, -8, -1)], 4.4, 1.3, (1.3, 1.3, 1.25), (1.0, 1.0)
    )
    lamps = (*(replace(lamp, colour=(1.0, 0.95, 0.9)) for lamp in lamps), Lamp((-7.6, 2.6, -6), 2.0, (0.85, 0.95, 1.1)))
    solids = [
        ground(Surface.TILES, (0.85, 0.83, 0.8)),
        box((-14, 14), (4.4, 4.5), (-24, 10), Surface.PAINT, (0.9, 0.9, 0.88)),
        *wall(
            "z", -8.6, (-22, 10), 4.4, Surface.STEEL, (0.7, 0.7, 0.7), gaps=((-8.2, -6.0),), lintel=2.5, thickness=-0.3
        ),
        *panes(
            "z",
            -8.6,
            [(z, z + 2.6) for z in (-21, -18.2, -15.4, -12.6, -5.6, -2.8, 0)],
            (0.2, 3.8),
            Surface.GLOW,
            (0.5, 0.58, 0.66),
        ),
        *wall("z", -12.5, (-22, 10), 6, Surface.GLOW, (0.5, 0.55, 0.6), thickness=-0.2),
        *wall("x", -20, (-14, 14), 4.4, Surface.WOOD, (1.4, 1.4, 1.4), gaps=((-1.1, 2.0),), lintel=2.5, thickness=-0.3),
        *wall("x", -23.4, (-14, 14), 4.4, Surface.PLASTER, (0.6, 0.6, 0.6), thickness=-0.3),
        *wall("z", 9, (-22, 10), 4.4, Surface.PLASTER, gaps=((-13.4, -11.6),), lintel=2.4),
        *wall("z", 12, (-22, 10), 4.4, Surface.PLASTER, (0.6, 0.6, 0.6)),
        *panes("x", -20, ((3.4, 4.8), (5.6, 7.0)), (0, 2.2), Surface.STEEL, (1.5, 1.5, 1.5)),
        *panes("x", -20, ((-5.8, -3.2),), (1.6, 3.2), Surface.POSTERS),
        box((-6.4, -3.0), (0, 1.1), (-16.6, -15.8), Surface.WOOD),  # reception
        box((-6.5, -2.9), (1.1, 1.16), (-16.7, -15.6), Surface.PAINT, (0.9, 0.9, 0.9)),
        box((-5.2, -4.7), (1.16, 1.55), (-16.4, -16.3), Surface.PAINT, DARK),
        post(-3.4, -11.0, 0.3, (0, 4.4), Surface.CONCRETE, (1.2, 1.2, 1.2)),
        post(4.6, -11.0, 0.3, (0, 4.4), Surface.CONCRETE, (1.2, 1.2, 1.2)),
        post(-3.4, -2.6, 0.3, (0, 4.4), Surface.CONCRETE, (1.2, 1.2, 1.2)),
        *[box((x, x + 0.22), (0, 1.0), (-18.4, -17.2), Surface.STEEL, (1.3, 1.3, 1.3)) for x in (-1.5, 0.2, 1.9)],
        *planter((-7.9, -7.0), (-10.6, -9.7), 0.5, 1.3),
        *planter((7.6, 8.5), (-9.6, -8.7), 0.5, 1.3),
        *planter((-7.8, -7.0), (-13.4, -12.6), 0.5, 1.3),
        flat((2.4, 7.4), (-8.4, -4.2), Surface.CARPET, (0.5, 0.6, 0.8)),
        box((4.4, 5.6), (0.3, 0.4), (-6.7, -5.9), Surface.WOOD),
        post(5.0, -6.3, 0.12, (0, 0.3), Surface.STEEL),
        *panels,
    ]
    rests = [Rest((-4.6, -15.0), math.pi), *talk(0.6, -12.6, 3), *talk(-5.9, -3.4), Rest((-2.6, -10.4), 0.4)]
    for x, z, heading in ((5.0, -7.9, 0.0), (3.1, -6.3, math.pi / 2), (6.9, -6.3, -math.pi / 2)):
        parts, seats = bench(x, z, heading, 2, Surface.PAINT, (0.25, 0.28, 0.33))
        solids += parts
        rests += seats
    light = Light(
        sun=(0.7, 0.6, 0.2),
        sun_colour=(0, 0, 0),
        sky=(0.36, 0.38, 0.42),
        ground=(0.26, 0.25, 0.24),
        background=(0.6, 0.65, 0.7),
        lamps=lamps,
    )
    ways = (
        ((-10.6, -2.6), (-10.6, -7.1), (-6.8, -7.2), (-1.0, -9), (-0.5, -15), (-0.55, -19), (0.3, -21.9), (5.2, -22)),
        ((5.2, -22), (1.0, -21.9), (1.1, -19), (1.1, -15), (1.4, -9), (1.2, -2), (2.0, 9)),
        ((10.6, -8.2), (10.6, -12.5), (7.2, -12.7), (4.4, -12.7), (2.0, -9.4), (0.2, -3), (2.0, 9)),
        (
            (10.6, -8.2),
            (10.6, -12.5),
            (7.2, -12.7),
            (4.4, -12.7),
            (1.4, -9.8),
            (-5.4, -7.3),
            (-10.6, -7.1),
            (-10.6, -2.6),
        ),
        ((-10.6, -2.6), (-10.6, -7.1), (-6.8, -7.0), (-0.8, -5.5), (1.0, 0), (2.0, 9)),
        ((2.0, 9), (0.6, -2), (-0.6, -8), (-1.9, -14.4), (-0.55, -16.6), (-0.55, -19), (0.3, -21.9), (5.2, -22)),
    )
    return Place("lobby", tuple(solids), light, ways, tuple(rests))


def _carpark() -> Place:
    paints: list[Colour] = [
        (0.7, 0.7, 0.72),
        (0.06, 0.07, 0.09),
        (0.1, 0.18, 0.4),
        (0.45, 0.06, 0.06),
        (0.3, 0.32, 0.34),
        (0.75, 0.72, 0.62),
        (0.1, 0.25, 0.15),
    ]
    bays = [
        (-10.4, -14.6),
        (-7.6, -14.4),
        (-2.0, -14.7),
        (6.4, -14.5),
        (9.2, -14.6),
        (-9.6, -5.6),
        (6.6, -5.2),
        (9.4, -5.5),
    ]
    solids = [
        ground(Surface.ASPHALT),
        *[flat((x, x + 0.1), (-17, -12.2), Surface.PAINT, (0.9, 0.9, 0.9)) for x in np.arange(-11.8, 11, 2.8).tolist()],
        *[flat((x, x + 0.1), (-7.8, -3.2), Surface.PAINT, (0.9, 0.9, 0.9)) for x in (-11, -8.2, 5.2, 8.0, 10.8)],
        *[s for n, (x, z) in enumerate(bays) for s in car(x, z, "z", paints[n % 7])],
        *van(-4.8, -14.6, "z", (0.72, 0.72, 0.7)),
        *hedge((-24, 13), (-21.6, -20.6), 1.3),
        *tree(-12.5, -23, 6.5, (0.9, 0.95, 0.7), 2.0),
        *tree(-4, -23.4, 7, (1.0, 0.95, 0.7), 2.2),
        *tree(7, -23, 6, (0.85, 0.95, 0.75), 1.9),
        *wall("x", -26, (-50, 50), 8, Surface.FACADE, (0.9, 0.9, 1.0)),
        flat((-60, 60), (-26, -20.4), Surface.GRASS),
        box((0.2, 3.2), (0, 4.2), (-18.2, -15.2), Surface.BRICK),  # head of the stairs
        box((0.0, 3.4), (4.2, 4.4), (-18.4, -15.0), Surface.STEEL),
        *panes("x", -15.2, ((0.5, 1.3),), (0, 2.1), Surface.STEEL, (0.6, 0.8, 0.7)),
        *panes("x", -15.2, ((1.6, 2.9),), (1.0, 2.2), Surface.POSTERS),
        box((-3.6, -2.9), (0, 1.7), (-7.4, -6.9), Surface.PAINT, (0.2, 0.35, 0.6)),  # ticket machine
        box((-3.5, -3.0), (1.0, 1.5), (-6.9, -6.87), Surface.GLOW, (0.4, 0.45, 0.5)),
        *lamp_post(0.4, -8.9, 5.6),
        *lamp_post(11.3, -11.9, 5.6),
        *bollards([(4.6, -3.4), (4.6, -5.4), (4.6, -7.4)], (0.8, 0.65, 0.1)),
        *hedge((-12.4, -11.2), (-7.2, -3), 0.9),
    ]
    rests = [
        Rest((-3.2, -6.2), math.pi),
        *talk(2.9, -11.8),
        *talk(-5.2, -6.2, 3),
        Rest((5.6, -9.6), 2.6),
        Rest((-6.1, -11.6), 0.2),
    ]
    light = Light(
        sun=(0.75, 0.35, 0.35),
        sun_colour=(2.2, 1.7, 1.15),
        sky=(0.42, 0.48, 0.62),
        ground=(0.22, 0.2, 0.18),
        background=(0.75, 0.8, 0.95),
    )
    ways = (
        ((-18, -10.2), (-6, -10), (3, -10.2), (17.5, -10.4)),
        ((-17, -8.8), (-4.6, -9), (-1.2, -7.4), (0.4, -3), (1.6, 12)),
        ((1.7, -19.4), (4.3, -19.3), (4.3, -15), (4.3, -11.2), (2.4, -6), (1.6, 0), (1.6, 12)),
        ((1.7, -19.4), (4.3, -19.3), (4.3, -15), (2, -12.0), (-6, -11), (-18, -10.8)),
        ((17, -2.6), (3.2, -2.4), (-4, -4.4), (-7.4, -8.6), (-15, -9)),
        ((17.5, -9.4), (8, -9.4), (3.2, -7.6), (0.2, -1), (1.2, 12)),
    )
    return Place("carpark", tuple(solids), light, ways, tuple(rests))


def _courtyard() -> Place:
    solids = [
        ground(Surface.GRASS),
        flat((-40, 40), (-7.6, -4.2), Surface.PAVING, (1.05, 1.0, 0.92)),
        flat((-1.4, 1.6), (-30, 12), Surface.PAVING, (1.05, 1.0, 0.92), 2),
        flat((-7, 8), (-19, -16), Surface.PAVING, (1.05, 1.0, 0.92)),
        *wall(
            "x", -22, (-30, 30), 10, Surface.BRICK, (1.1, 1.0, 0.95), gaps=((-1.2, 1.4),), lintel=2.6, thickness=-1.0
        ),
        *wall("x", -26, (-8, 8), 3.4, Surface.PLASTER, (0.5, 0.5, 0.5)),
        *[
            p
            for x in (-12, -8.6, -5.2, 3.0, 6.4, 9.8, 13.2)
            for y in (1.0, 4.2)
            for p in panes("x", -22, ((x, x + 1.7),), (y, y + 1.9))
        ],
        *wall("z", -14, (-24, 16), 8, Surface.FACADE, thickness=-1),
        *wall("z", 16, (-24, 16), 7, Surface.PLASTER, (0.95, 0.85, 0.7), gaps=((-7.4, -4.8),), lintel=2.6),
        *wall("z", 20, (-16, 6), 3.4, Surface.PLASTER, (0.5, 0.5, 0.5)),
        *tree(-5.4, -11.2, 6.0, WHITE, 1.9),
        *tree(4.6, -10.6, 5.4, (1.1, 1.0, 0.7), 1.6),
        *tree(8.6, -13.6, 6.4, (0.9, 1.05, 0.8), 2.0),
        *tree(-9.6, -16.4, 6.6, (0.9, 1.0, 0.8), 2.0),
        *tree(5.6, -1.6, 5.6, (1.0, 1.05, 0.85), 1.4),
        *hedge((2.2, 7.4), (-8.9, -8.2), 0.8),
        *hedge((-7.6, -2.2), (-8.9, -8.2), 0.8),
        *hedge((-9, -2.2), (-3.4, -2.7), 0.7),
        *litter_bin(1.95, -9.2),
        post(4.8, -14.2, 0.9, (0, 0.5), Surface.CONCRETE),  # fountain
        post(4.8, -14.2, 0.15, (0, 1.3), Surface.CONCRETE),
        box((4.4, 5.2), (1.2, 1.4), (-14.6, -13.8), Surface.CONCRETE, WHITE, Shape.ELLIPSOID),
    ]
    rests = [
        *talk(-0.4, -14.2, 3),
        *talk(5.6, -4.9),
        Rest((-3.0, -16.6), 0.3),
        Rest((-4.4, -10.0), 0.6),
        *talk(3.2, -13.0),
    ]
    for x, z, heading in (
        (-4.4, -7.75, 0.0),
        (4.8, -7.75, 0.0),
        (2.05, -11.6, -math.pi / 2),
        (-1.9, -12.0, math.pi / 2),
    ):
        parts, seats = bench(x, z, heading)
        solids += parts
        rests += seats
    light = Light(
        sun=(0.5, 0.8, 0.35),
        sun_colour=(2.1, 1.98, 1.75),
        sky=(0.5, 0.6, 0.78),
        ground=(0.24, 0.26, 0.18),
        background=(0.75, 0.88, 1.1),
    )
    ways = (
        ((-13.2, -5.8), (-6, -5.9), (0, -6), (7, -5.6), (14, -6.1), (18, -6.1), (18.2, -2.2)),
        ((4.2, -24.2), (0.1, -24), (0.1, -20), (0.3, -12), (0.2, -5), (2, 11)),
        ((4.2, -24.2), (0.1, -24), (0.1, -20), (0.1, -10), (3, -6.2), (14, -6.1), (18, -6.1), (18.2, -2.2)),
        ((2, 11), (0.8, 0), (-0.3, -5.2), (-6, -5.6), (-13.2, -5.8)),
        ((-13.2, -5.8), (-4.5, -6.2), (0, -8.2), (0.1, -16), (0.1, -20), (0.1, -24), (4.2, -24.2)),
        ((18.2, -2.2), (18, -6.1), (14, -6.1), (6.5, -4.8), (1.4, -2.4), (2, 11)),
    )
    return Place("courtyard", tuple(solids), light, ways, tuple(rests))


def _sites() -> dict[str, tuple[View, ...]]:
    plaza = _plaza()
    station = (
        View(
            "plaza",
            plaza,
            Camera(
                (1.5, 3.9, 5.2),
                (0, 0.6, -5),
                56,
                sensor=Sensor(
                    exposure=1.0, white_balance=(1.0, 1.0, 1.0), saturation=1.05, contrast=0.25, blur=0.45, noise=1.6
                ),
            ),
            "station square in the sun, 3.9 m high",
        ),
        View(
            "street",
            _street(),
            Camera(
                (-6, 3.4, 5.5),
                (0.5, 0.8, -5),
                56,
                distortion=-0.05,
                sensor=Sensor(
                    exposure=0.95, white_balance=(0.90, 1.0, 1.16), saturation=0.8, contrast=0.0, blur=0.7, noise=2.2
                ),
            ),
            "street with parked cars under a grey sky, 3.4 m high",
        ),
        View(
            "hall",
            _hall(),
            Camera(
                (4.6, 3.0, 4.6),
                (-0.8, 0.9, -8),
                62,
                distortion=-0.08,
                sensor=Sensor(
                    exposure=1.05, white_balance=(1.06, 1.0, 0.86), saturation=0.95, contrast=0.15, blur=0.6, noise=2.6
                ),
            ),
            "station hall under warm lamps, 3.0 m high",
        ),
        View(
            "entrance",
            _entrance(),
            Camera(
                (-3.5, 3.8, 5.8),
                (0.3, 0.7, -6),
                60,
                sensor=Sensor(
                    exposure=1.15, white_balance=(1.06, 1.0, 0.97), saturation=0.9, contrast=0.15, blur=0.8, noise=3.6
                ),
            ),
            "lit entrance at dusk, 3.8 m high",
        ),
        View(
            "plaza-west",
            plaza,
            Camera(
                (-13, 4.8, -6),
                (0.5, 0.6, -8.2),
                62,
                distortion=-0.1,
                sensor=Sensor(
                    exposure=0.9, white_balance=(1.04, 1.0, 0.93), saturation=0.9, contrast=0.15, blur=0.7, noise=2.4
                ),
            ),
            "the same square from the west, 4.8 m high; overlaps plaza",
        ),
        View(
            "platform",
            _platform(),
            Camera(
                (3.2, 4.0, 6),
                (-0.6, 0.7, -9),
                60,
                distortion=-0.05,
                sensor=Sensor(
                    exposure=1.0, white_balance=(0.97, 1.0, 1.05), saturation=0.85, contrast=0.1, blur=0.6, noise=2.0
                ),
            ),
            "platform with a train, overcast, 4.0 m high",
        ),
    )
    campus = (
        View(
            "shop",
            _shop(),
            Camera(
                (-7.2, 2.9, 4),
                (0, 0.5, -4.5),
                75,
                distortion=-0.15,
                sensor=Sensor(
                    exposure=1.0, white_balance=(0.98, 1.0, 1.02), saturation=1.0, contrast=0.1, blur=0.8, noise=2.0
                ),
            ),
            "shop floor between shelves, wide lens, 2.9 m high",
        ),
        View(
            "corridor",
            _corridor(),
            Camera(
                (0.7, 2.5, 5),
                (-0.15, 0.8, -6),
                56,
                distortion=-0.08,
                sensor=Sensor(
                    exposure=1.1, white_balance=(1.02, 1.0, 0.97), saturation=0.85, contrast=0.05, blur=0.6, noise=3.0
                ),
            ),
            "office corridor, 2.5 m high",
        ),
        View(
            "lobby",
            _lobby(),
            Camera(
                (6.5, 4.0, 5),
                (-1, 0.6, -8),
                64,
                distortion=-0.06,
                sensor=Sensor(
                    exposure=1.0, white_balance=(1.0, 1.0, 1.04), saturation=0.9, contrast=0.2, blur=0.5, noise=1.8
                ),
            ),
            "office lobby by daylight, 4.0 m high",
        ),
        View(
            "carpark",
            _carpark(),
            Camera(
                (0, 6.0, 8),
                (0.6, 0.4, -8),
                62,
                distortion=-0.1,
                sensor=Sensor(
                    exposure=0.95, white_balance=(1.05, 1.0, 0.92), saturation=0.95, contrast=0.2, blur=0.6, noise=2.2
                ),
            ),
            "car park in a low sun, 6.0 m high",
        ),
        View(
            "courtyard",
            _courtyard(),
            Camera(
                (-5, 4.5, 7),
                (0.8, 0.6, -6),
                58,
                distortion=-0.05,
                sensor=Sensor(
                    exposure=1.0, white_balance=(1.0, 1.0, 0.98), saturation=1.1, contrast=0.15, blur=0.5, noise=1.5
                ),
            ),
            "courtyard with trees and benches, sunny, 4.5 m high",
        ),
    )
    return {"station": station, "campus": campus}


SITES: dict[str, tuple[View, ...]] = _sites()  # never drawn by `random_view`, so that the films stay a fair test
VIEWS: dict[str, View] = {view.name: view for views in SITES.values() for view in views}
