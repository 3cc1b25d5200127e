"""What stands in places, built of solids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from sample_videos.world.materials import Surface
from sample_videos.world.places import Colour, Lamp, Point, Rest, Shape, Solid

Facing = Literal["x", "z"]  # the axis along which a thing is long
WHITE: Colour = (1.0, 1.0, 1.0)
DARK: Colour = (0.09, 0.09, 0.1)


def box(
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    surface: Surface,
    tint: Colour = WHITE,
    shape: Shape = Shape.BOX,
) -> Solid:
    """A solid between two ends of each axis, in any order, m."""
    return Solid(shape, (min(x), min(y), min(z)), (max(x), max(y), max(z)), surface, tint)


def post(x: float, z: float, radius: float, y: tuple[float, float], surface: Surface, tint: Colour = WHITE) -> Solid:
    """An upright cylinder around a ground point."""
    return box((x - radius, x + radius), y, (z - radius, z + radius), surface, tint, Shape.CYLINDER)


def ground(surface: Surface, tint: Colour = WHITE) -> Solid:
    """All the ground of a place."""
    return box((-70, 70), (-0.1, 0), (-70, 70), surface, tint)


def flat(
    x: tuple[float, float], z: tuple[float, float], surface: Surface, tint: Colour = WHITE, layer: int = 1
) -> Solid:
    """A strip of other ground, lines painted on it included."""
    return box(x, (-0.05, 0.003 * layer), z, surface, tint)


def wall(
    along: Facing,
    at: float,
    reach: tuple[float, float],
    height: float,
    surface: Surface,
    tint: Colour = WHITE,
    *,
    gaps: tuple[tuple[float, float], ...] = (),
    lintel: float = 2.3,
    thickness: float = 0.25,
) -> list[Solid]:
    """A wall at x or z = `at`, its thickness signed, with gaps to walk through."""
    pieces = []
    spans = [reach[0], *(edge for gap in sorted(gaps) for edge in gap), reach[1]]
    for number, (start, end) in enumerate(pairwise(spans)):
        y = (0.0, height) if number % 2 == 0 else (lintel, height)
        across = (at, at + thickness)
        x, z = ((start, end), across) if along == "x" else (across, (start, end))
        pieces.append(box(x, y, z, surface, tint))
    return pieces


def car(x: float, z: float, along: Facing, paint: Colour) -> list[Solid]:
    """A hatchback of 4.2 m."""

    def part(
        u: tuple[float, float],
        y: tuple[float, float],
        v: tuple[float, float],
        surface: Surface,
        tint: Colour,
        shape: Shape = Shape.ELLIPSOID,
    ) -> Solid:
        us, vs = (x + u[0], x + u[1]), (z + v[0], z + v[1])
        if along == "z":
            us, vs = (x + v[0], x + v[1]), (z + u[0], z + u[1])
        return box(us, y, vs, surface, tint, shape)

    glass = (0.35, 0.4, 0.45)
    parts = [
        part((-2.0, 2.0), (0.22, 0.66), (-0.82, 0.82), Surface.PAINT, paint, Shape.BOX),
        part((-2.15, 2.15), (0.2, 1.06), (-0.9, 0.9), Surface.PAINT, paint),
        part((0.7, 2.12), (0.3, 0.86), (-0.84, 0.84), Surface.PAINT, paint),  # bonnet
        part((-1.85, 1.15), (0.4, 1.5), (-0.77, 0.77), Surface.PAINT, paint),
        part((-1.82, 1.12), (0.8, 1.46), (-0.755, 0.755), Surface.GLASS, glass),  # shows as a band under the roof
        part((-2.08, 2.08), (0.3, 0.42), (-0.86, 0.86), Surface.PAINT, DARK, Shape.BOX),
    ]
    for end in (-1.3, 1.32):
        for side in (-0.82, 0.82):
            wheel = (side - 0.11, side + 0.11)
            hub = (side - 0.135, side + 0.135)
            parts.append(part((end - 0.34, end + 0.34), (0, 0.68), wheel, Surface.PAINT, DARK))
            parts.append(part((end - 0.16, end + 0.16), (0.18, 0.5), hub, Surface.STEEL, (1.6, 1.6, 1.6)))
    for side in (-0.6, 0.6):
        lamp = (side - 0.16, side + 0.16)
        parts.append(part((1.98, 2.13), (0.6, 0.74), lamp, Surface.PAINT, (1.2, 1.2, 1.1)))
        parts.append(part((-2.13, -1.98), (0.62, 0.8), lamp, Surface.PAINT, (0.5, 0.04, 0.04)))
    return parts


def van(x: float, z: float, along: Facing, paint: Colour) -> list[Solid]:
    """A box van of 5 m."""
    solids = []
    for u, y, v, surface, tint in (
        ((-2.5, 1.3), (0.35, 2.25), (-0.95, 0.95), Surface.PAINT, paint),
        ((1.3, 2.5), (0.35, 1.15), (-0.9, 0.9), Surface.PAINT, paint),
        ((1.3, 2.05), (1.15, 1.95), (-0.85, 0.85), Surface.GLASS, (0.4, 0.4, 0.45)),
        ((1.2, 1.8), (1.95, 2.1), (-0.85, 0.85), Surface.PAINT, paint),
        ((-2.52, 2.55), (0.3, 0.5), (-0.9, 0.9), Surface.PAINT, DARK),
        ((-1.9, -1.2), (0, 0.7), (-0.98, 0.98), Surface.PAINT, DARK),
        ((1.2, 1.9), (0, 0.7), (-0.98, 0.98), Surface.PAINT, DARK),
    ):
        shape = Shape.ELLIPSOID if y[0] == 0 else Shape.BOX
        x_span, z_span = ((x + u[0], x + u[1]), (z + v[0], z + v[1]))
        if along == "z":
            x_span, z_span = ((x + v[0], x + v[1]), (z + u[0], z + u[1]))
        solids.append(box(x_span, y, z_span, surface, tint, shape))
    return solids


def tree(x: float, z: float, height: float, green: Colour = WHITE, crown: float = 1.5) -> list[Solid]:
    """A trunk under a crown of four balls."""
    solids = [post(x, z, 0.13, (0, height * 0.62), Surface.WOOD, (0.7, 0.7, 0.7))]
    for dx, dy, dz, size in (
        (0, 0.8, 0, 1.0),
        (0.6, 0.66, 0.25, 0.72),
        (-0.55, 0.68, -0.3, 0.75),
        (0.1, 0.65, -0.6, 0.7),
    ):
        r, cx, cy, cz = crown * size, x + dx * crown, height * dy, z + dz * crown
        spans = (cx - r, cx + r), (cy - 0.8 * r, cy + 0.8 * r), (cz - r, cz + r)
        solids.append(box(*spans, Surface.LEAVES, green, Shape.ELLIPSOID))
    return solids


def bench(
    x: float, z: float, heading: float, seats: int = 3, surface: Surface = Surface.WOOD, tint: Colour = WHITE
) -> tuple[list[Solid], list[Rest]]:
    """A bench with a back, and the rests on it. One sits on it with a heading of 0, ±π/2 or π."""
    half, height = 0.31 * seats, 0.45
    forward = (round(math.sin(heading)), round(math.cos(heading)))
    sideways = (forward[1], -forward[0])

    def part(u: tuple[float, float], y: tuple[float, float], v: tuple[float, float]) -> Solid:
        corners = [(x + sideways[0] * a + forward[0] * b, z + sideways[1] * a + forward[1] * b) for a, b in zip(u, v)]
        return box((corners[0][0], corners[1][0]), y, (corners[0][1], corners[1][1]), surface, tint)

    solids = [
        part((-half, half), (height - 0.07, height), (-0.24, 0.2)),
        part((-half, half), (height + 0.12, height + 0.42), (-0.3, -0.24)),
        *(part((end - 0.05, end + 0.05), (0, height), (-0.2, 0.15)) for end in (-half + 0.15, half - 0.15)),
        *(part((end - 0.03, end + 0.03), (0, height + 0.42), (-0.3, -0.26)) for end in (-half + 0.15, half - 0.15)),
    ]
    rests = []
    for seat in range(seats):
        aside = (seat - (seats - 1) / 2) * 0.62
        spot = (x + sideways[0] * aside, z + sideways[1] * aside)
        rests.append(Rest(spot, heading, height))
    return solids, rests


def talk(x: float, z: float, people: int = 2, apart: float = 0.9) -> list[Rest]:
    """People who stand in a ring and face each other."""
    rests = []
    for number in range(people):
        angle = 2 * math.pi * number / people + 0.4
        spot = (x + apart / 2 * math.sin(angle), z + apart / 2 * math.cos(angle))
        rests.append(Rest(spot, math.remainder(angle + math.pi, 2 * math.pi)))
    return rests


def planter(x: tuple[float, float], z: tuple[float, float], height: float = 0.55, bush: float = 0.75) -> list[Solid]:
    """A trough of concrete with bushes in a row."""
    middle, size = ((x[0] + x[1]) / 2, (z[0] + z[1]) / 2), (x[1] - x[0], z[1] - z[0])
    solids = [box(x, (0, height), z, Surface.CONCRETE)]
    long_x = size[0] >= size[1]
    count = max(1, round(max(size) / min(size)))
    for number in range(count):
        share = (number + 0.5) / count - 0.5
        cx, cz = (middle[0] + share * size[0] * long_x, middle[1] + share * size[1] * (not long_x))
        r = min(size) * 0.5
        spans = (cx - r, cx + r), (height - bush * 0.4, height + bush * (0.9 + 0.2 * (number % 2))), (cz - r, cz + r)
        solids.append(box(*spans, Surface.LEAVES, (1.0, 1.1, 0.9), Shape.ELLIPSOID))
    return solids


def hedge(x: tuple[float, float], z: tuple[float, float], height: float = 1.1) -> list[Solid]:
    """A cut hedge."""
    return [box(x, (0, height), z, Surface.LEAVES, (0.9, 1.0, 0.8))]


def bollards(spots: Sequence[Point], tint: Colour = DARK) -> list[Solid]:
    """One at each spot."""
    return [post(x, z, 0.08, (0, 0.9), Surface.PAINT, tint) for x, z in spots]


def lamp_post(x: float, z: float, height: float = 4.6) -> list[Solid]:
    """A post with a lamp on top. It gives no light of its own: that is a Lamp."""
    return [
        post(x, z, 0.07, (0, height), Surface.STEEL, (0.6, 0.6, 0.6)),
        box(
            (x - 0.2, x + 0.2),
            (height, height + 0.25),
            (z - 0.2, z + 0.2),
            Surface.GLOW,
            (0.5, 0.5, 0.45),
            Shape.ELLIPSOID,
        ),
    ]


def litter_bin(x: float, z: float, tint: Colour = (0.25, 0.32, 0.25)) -> list[Solid]:
    """A round bin with a rim."""
    return [
        post(x, z, 0.24, (0, 0.85), Surface.PAINT, tint),
        post(x, z, 0.26, (0.85, 0.92), Surface.STEEL),
    ]


def kiosk(
    x: tuple[float, float], z: tuple[float, float], tint: Colour, counter: Literal["z+", "x-"] = "z+"
) -> list[Solid]:
    """A stall with an open counter and an awning."""
    solids = [
        box(x, (0, 2.6), z, Surface.PAINT, tint),
        box((x[0] - 0.2, x[1] + 0.2), (2.6, 2.75), (z[0] - 0.2, z[1] + 0.2), Surface.PAINT, DARK),
    ]
    if counter == "z+":
        solids += [
            box((x[0] + 0.3, x[1] - 0.3), (1.05, 2.1), (z[1], z[1] + 0.03), Surface.SHELVES),
            box((x[0] + 0.1, x[1] - 0.1), (0.95, 1.05), (z[1], z[1] + 0.3), Surface.WOOD),
            box((x[0], x[1]), (2.25, 2.33), (z[1], z[1] + 0.7), Surface.PAINT, (0.8, 0.25, 0.2)),
        ]
    else:
        solids += [
            box((x[0] - 0.03, x[0]), (1.05, 2.1), (z[0] + 0.3, z[1] - 0.3), Surface.SHELVES),
            box((x[0] - 0.3, x[0]), (0.95, 1.05), (z[0] + 0.1, z[1] - 0.1), Surface.WOOD),
            box((x[0] - 0.7, x[0]), (2.25, 2.33), z, Surface.PAINT, (0.2, 0.35, 0.6)),
        ]
    return solids


def shelf(x: tuple[float, float], z: tuple[float, float], height: float) -> list[Solid]:
    """A shelf with goods on all sides."""
    return [
        box(x, (0.12, height), z, Surface.SHELVES),
        box(x, (0, 0.12), z, Surface.PAINT, DARK),
        box(
            (x[0] - 0.02, x[1] + 0.02),
            (height, height + 0.04),
            (z[0] - 0.02, z[1] + 0.02),
            Surface.STEEL,
            (1.6, 1.6, 1.6),
        ),
    ]


def ceiling_lamps(
    spots: Sequence[Point], height: float, strength: float, colour: Colour, size: Point = (1.2, 0.5)
) -> tuple[list[Solid], tuple[Lamp, ...]]:
    """Lit panels under a ceiling, and the lamps that they are."""
    solids = []
    for x, z in spots:
        spans = (x - size[0] / 2, x + size[0] / 2), (height - 0.04, height), (z - size[1] / 2, z + size[1] / 2)
        solids.append(box(*spans, Surface.GLOW, colour))
    return solids, tuple(Lamp((x, height - 0.15, z), strength, colour) for x, z in spots)


def panes(
    along: Facing,
    at: float,
    spans: Sequence[tuple[float, float]],
    y: tuple[float, float],
    surface: Surface = Surface.GLASS,
    tint: Colour = WHITE,
    depth: float = 0.05,
) -> list[Solid]:
    """Windows, doors or pictures on a wall. They stick out by `depth`, signed."""
    across = (at, at + depth)
    return [
        box(span, y, across, surface, tint) if along == "x" else box(across, y, span, surface, tint) for span in spans
    ]
