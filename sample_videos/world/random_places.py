"""Places that exist nowhere else, to train in: layout, things, materials, light, lens and sensor are random."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sample_videos.world.cameras import Camera, Sensor
from sample_videos.world.materials import Surface
from sample_videos.world.places import (
    Colour,
    Lamp,
    Light,
    Place,
    Rest,
    Shape,
    Solid,
    View,
    free_spot,
    free_spots,
    random_spots,
)
from sample_videos.world.things import (
    Facing,
    bench,
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
    tree,
    van,
    wall,
)

OUTDOOR_GROUNDS = (Surface.ASPHALT, Surface.PAVING, Surface.GRASS, Surface.CONCRETE, Surface.TILES)
INDOOR_GROUNDS = (Surface.TILES, Surface.CARPET, Surface.WOOD, Surface.CONCRETE, Surface.PAINT)
OUTDOOR_WALLS = (Surface.BRICK, Surface.PLASTER, Surface.FACADE, Surface.CONCRETE, Surface.GLASS, Surface.WOOD)
INDOOR_WALLS = (
    Surface.PLASTER,
    Surface.PAINT,
    Surface.TILES,
    Surface.BRICK,
    Surface.WOOD,
    Surface.POSTERS,
    Surface.SHELVES,
)
EVERY_SURFACE = tuple(surface for surface in Surface if surface is not Surface.GLOW)


def random_view(rng: np.random.Generator, width: int, height: int) -> View:
    """A camera in a place that exists nowhere else. Layout, things, materials, light, lens and sensor are random.

    Its rests are free ground spots in sight, where someone could stand. Its ways join them.
    """
    while True:
        view = _draw_view(rng, width, height)
        if free_spots(view, rng, 200).shape[0] < 30:  # a pillar before the lens, or a room as full as a store
            continue
        spots = [free_spot(view, rng) for _ in range(8)]
        rests = tuple(Rest(spot, float(rng.uniform(-math.pi, math.pi))) for spot in spots)
        place = replace(view.place, ways=tuple(zip(spots[::2], spots[1::2])), rests=rests)
        return replace(view, place=place)


def _draw_view(rng: np.random.Generator, width: int, height: int) -> View:
    indoor = bool(rng.random() < 0.45)
    ceiling = float(rng.uniform(2.6, 7.2)) if indoor else math.inf
    eye_height = float(rng.uniform(2.2, min(7.0, ceiling - 0.1)))
    pitch = math.radians(8 + 38 * rng.beta(1.2, 2.0))
    reach = eye_height / math.tan(pitch)
    turn = float(rng.uniform(-0.7, 0.7))  # off the walls' direction
    eye = (float(rng.uniform(-1, 1)), eye_height, 0.0)
    target = (eye[0] + reach * math.sin(turn), 0.0, -reach * math.cos(turn))
    camera = Camera(
        eye,
        target,
        float(rng.uniform(40, 80)),
        width,
        height,
        distortion=float(rng.uniform(-0.16, 0.03)) if rng.random() < 0.6 else 0.0,
        sensor=_random_sensor(rng, width),
    )
    light, fixtures = _random_light(rng, ceiling)
    solids = [*_random_shell(rng, ceiling), *fixtures, *_random_clutter(rng, camera, ceiling)]
    return View("random", Place("random", tuple(solids), light, ()), camera)


def _random_sensor(rng: np.random.Generator, width: int) -> Sensor:
    warmth, green = rng.normal(0, 0.08), rng.normal(0, 0.03)
    return Sensor(
        exposure=float(np.exp(rng.uniform(math.log(0.6), math.log(1.6)))),
        white_balance=(float(np.exp(warmth)), float(np.exp(green)), float(np.exp(-warmth))),
        saturation=float(rng.uniform(0.5, 1.2)) if rng.random() > 0.03 else 0.0,  # some cameras are grey at night
        contrast=float(rng.uniform(-0.1, 0.4)),
        blur=float(rng.uniform(0.3, 1.6)) * width / 960,
        noise=float(np.exp(rng.uniform(math.log(0.5), math.log(8)))),
    )


def _random_tint(rng: np.random.Generator, colourful: float, brightness: float = 1.0) -> Colour:
    grey = brightness * np.exp(rng.normal(0, 0.35))
    red, green, blue = np.clip(grey * np.exp(rng.normal(0, colourful, 3)), 0.03, 1.5).tolist()
    return red, green, blue


def _random_light(rng: np.random.Generator, ceiling: float) -> tuple[Light, list[Solid]]:
    """Light, and the lit panels that belong to it."""
    warm = float(rng.normal(0.05, 0.15))
    hue = np.array([math.exp(warm), 1.0, math.exp(-1.3 * warm)])
    azimuth, height = rng.uniform(-math.pi, math.pi), rng.uniform(0.2, 1.4)
    sun = (float(math.sin(azimuth)), float(math.tan(height)), float(math.cos(azimuth)))

    def colour(strength: float, hue: NDArray[np.float64] = hue) -> Colour:
        red, green, blue = (strength * hue).tolist()
        return red, green, blue

    def light(
        sky: float,
        *,
        ground: float,
        background: float,
        sky_hue: NDArray[np.float64] = hue,
        sun_colour: Colour = (0.0, 0.0, 0.0),
        lamps: tuple[Lamp, ...] = (),
    ) -> Light:
        """With ground and background as shares of the sky."""
        return Light(
            sun=sun,
            sun_colour=sun_colour,
            sky=colour(sky, sky_hue),
            ground=colour(ground * sky),
            background=colour(background * sky, sky_hue),
            lamps=lamps,
        )

    if math.isfinite(ceiling):
        glow = float(rng.uniform(0.16, 0.6))
        across, deep = int(rng.integers(1, 4)), int(rng.integers(2, 5))
        spots = [(x, z) for x in np.linspace(-5, 5, across).tolist() for z in np.linspace(-22, 0, deep).tolist()]
        size = (float(rng.uniform(0.3, 2.4)), float(rng.uniform(0.3, 2.4)))
        panels, lamps = ceiling_lamps(spots, ceiling, float(rng.uniform(5, 16)) / len(spots) / 1.6, colour(1.4), size)
        lamps = tuple(replace(lamp, colour=colour(1.0)) for lamp in lamps)
        return light(glow, ground=0.65, background=1.0, lamps=lamps), panels
    kind = rng.choice(["sun", "grey", "dusk"], p=[0.45, 0.35, 0.2])
    blue = np.array([0.75, 0.88, 1.15])
    if kind == "sun":
        strength, sky = float(rng.uniform(1.2, 2.6)), float(rng.uniform(0.4, 0.9))
        low_sun = colour(strength, hue * np.array([1.0, 0.93, 0.82]) ** (1.6 - height))
        return light(sky, ground=0.4, background=1.3, sky_hue=blue, sun_colour=low_sun), []
    if kind == "grey":
        sky = float(rng.uniform(0.6, 1.3))
        return light(sky, ground=float(rng.uniform(0.3, 0.5)), background=1.15), []
    sky = float(rng.uniform(0.12, 0.3))
    sodium = np.array([1.0, rng.uniform(0.62, 1.0), rng.uniform(0.3, 0.95)])
    lamps = tuple(
        Lamp(
            position=(float(rng.uniform(-9, 9)), float(rng.uniform(3, 6)), float(rng.uniform(-16, 3))),
            strength=float(rng.uniform(1.5, 4)),
            colour=colour(1, sodium),
        )
        for _ in range(int(rng.integers(2, 5)))
    )
    return light(sky, ground=0.7, background=1.5, sky_hue=blue, lamps=lamps), []


def _random_shell(rng: np.random.Generator, ceiling: float) -> list[Solid]:
    """Ground, and a room or some buildings."""
    indoor = math.isfinite(ceiling)
    solids = [ground(Surface(rng.choice(INDOOR_GROUNDS if indoor else OUTDOOR_GROUNDS)), _random_tint(rng, 0.12))]
    for layer in range(int(rng.integers(0, 4))):
        surface = Surface(rng.choice(EVERY_SURFACE))
        across, deep = rng.uniform(-14, 14), rng.uniform(-20, 0)
        size = (30.0, float(rng.uniform(0.1, 3))) if rng.random() < 0.5 else (float(rng.uniform(0.1, 4)), 30.0)
        solids.append(
            flat(
                (across - size[0], across + size[0]),
                (deep - size[1], deep + size[1]),
                surface,
                _random_tint(rng, 0.15),
                layer + 1,
            )
        )
    surfaces = INDOOR_WALLS if indoor else OUTDOOR_WALLS
    height = ceiling if indoor else float(rng.uniform(3, 14))
    back, left, right = -float(rng.uniform(8, 32)), -float(rng.uniform(2.5, 14)), float(rng.uniform(2.5, 14))
    walls: list[tuple[Facing, float]] = [("x", back), ("z", left), ("z", right), ("x", 6.0)]
    for along, at in walls:
        if not indoor and rng.random() < (0.25 if along == "x" else 0.55):
            continue
        surface, tint = Surface(rng.choice(surfaces)), _random_tint(rng, 0.15)
        away = 0.3 if at > 0 else -0.3
        solids += wall(along, at, (-40, 40), height, surface, tint, thickness=away)
        for _ in range(int(rng.integers(0, 6))):  # doors, windows, posters
            middle, half = rng.uniform(-20, 4) if along == "z" else rng.uniform(-10, 10), rng.uniform(0.3, 2)
            low = 0.0 if rng.random() < 0.4 else float(rng.uniform(0.5, 1.4))
            high = min(low + float(rng.uniform(0.8, 2.4)), height)
            what = Surface(
                rng.choice([Surface.GLASS, Surface.WOOD, Surface.POSTERS, Surface.STEEL, Surface.PAINT, Surface.GLOW])
            )
            bright = 0.5 if what is Surface.GLOW else 1.0
            solids += panes(
                along,
                at,
                ((middle - half, middle + half),),
                (low, high),
                what,
                _random_tint(rng, 0.2, bright),
                depth=-away / 5,
            )
    if indoor:
        solids.append(box((-70, 70), (ceiling, ceiling + 0.1), (-70, 70), Surface.PAINT, _random_tint(rng, 0.05)))
    return solids


def _random_clutter(rng: np.random.Generator, camera: Camera, ceiling: float) -> list[Solid]:
    """10…60 solids of things, before and between which people stand."""
    solids: list[Solid] = []
    most = int(rng.integers(10, 56))
    while len(solids) < most:
        x, z = (float(value) for value in random_spots(camera, rng, 1)[0])
        kinds = ["boxes", "posts", "bench", "shelf", "bin", "planter", "stand", "people-high"]
        if not math.isfinite(ceiling):
            kinds += ["car", "car", "tree", "hedge", "lamp", "kiosk", "van"]
        tint = _random_tint(rng, 0.4, 0.6)
        match rng.choice(kinds):
            case "car":
                solids += car(x, z, "x" if rng.random() < 0.5 else "z", tint)
            case "van":
                solids += van(x, z, "x" if rng.random() < 0.5 else "z", tint)
            case "tree" if math.hypot(x - camera.eye[0], z - camera.eye[2]) > 7:  # else its crown is all one sees
                solids += tree(x, z, float(rng.uniform(3.5, 8)), _random_tint(rng, 0.2), float(rng.uniform(0.9, 2.2)))
            case "hedge":
                solids += hedge(
                    (x, x + float(rng.uniform(0.5, 5))),
                    (z, z + float(rng.uniform(0.5, 3))),
                    float(rng.uniform(0.4, 1.6)),
                )
            case "lamp":
                solids += lamp_post(x, z, float(rng.uniform(3, 6)))
            case "kiosk":
                solids += kiosk((x, x + 2.4), (z, z + 2.2), tint, "z+" if rng.random() < 0.5 else "x-")
            case "posts":
                count, step, radius = (
                    int(rng.integers(1, 6)),
                    float(rng.uniform(0.8, 3)),
                    float(rng.uniform(0.03, 0.35)),
                )
                tall = float(rng.choice([0.9, 1.1, min(ceiling, 4.0)]))
                surface = Surface(rng.choice(EVERY_SURFACE))
                solids += [post(x + n * step, z, radius, (0, tall), surface, tint) for n in range(count)]
            case "bench":
                heading = float(rng.integers(4)) * math.pi / 2
                solids += bench(
                    x,
                    z,
                    heading,
                    int(rng.integers(2, 5)),
                    Surface(rng.choice([Surface.WOOD, Surface.STEEL, Surface.PAINT])),
                    tint,
                )[0]
            case "shelf":
                size = (0.5, float(rng.uniform(1, 7))) if rng.random() < 0.5 else (float(rng.uniform(1, 7)), 0.5)
                solids += shelf((x, x + size[0]), (z, z + size[1]), float(rng.uniform(0.9, 2)))
            case "bin":
                solids += litter_bin(x, z, tint)
            case "planter":
                solids += planter(
                    (x, x + float(rng.uniform(0.4, 2))),
                    (z, z + float(rng.uniform(0.4, 2))),
                    0.5,
                    float(rng.uniform(0.4, 1.5)),
                )
            case "stand":  # a board on two legs
                half, low = float(rng.uniform(0.3, 1.2)), float(rng.uniform(0.2, 1))
                high = low + float(rng.uniform(0.5, 1.4))
                solids.append(box((x - half, x + half), (low, high), (z, z + 0.06), Surface.POSTERS, tint))
                solids += [post(x + side * half, z + 0.03, 0.03, (0, high), Surface.STEEL) for side in (-1, 1)]
            case "people-high":  # what a detector could take for a person: upright, narrow, clothed in a pattern
                radius, tall = float(rng.uniform(0.12, 0.3)), float(rng.uniform(1.2, 1.9))
                solids.append(post(x, z, radius, (0, tall), Surface(rng.choice(EVERY_SURFACE)), tint))
                if rng.random() < 0.5:
                    solids.append(
                        box(
                            (x - 0.12, x + 0.12),
                            (tall, tall + 0.26),
                            (z - 0.12, z + 0.12),
                            Surface.PAINT,
                            tint,
                            Shape.ELLIPSOID,
                        )
                    )
            case _:
                wide, high, deep = rng.uniform(0.2, 1.8, 3).tolist()
                surface = Surface(rng.choice(EVERY_SURFACE))
                for level in range(int(rng.integers(1, 3))):
                    spans = (x, x + wide), (level * high, (level + 1) * high), (z, z + deep)
                    solids.append(box(*spans, surface, _random_tint(rng, 0.3, 0.7)))
    return solids
