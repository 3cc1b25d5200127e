"""What a place is, where one can be in it, and what its cameras see of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sample_videos.world.cameras import Camera, project
from sample_videos.world.materials import Surface

Point = tuple[float, float]  # x, z on the ground, m
Colour = tuple[float, float, float]  # linear R, G, B, of which light may exceed 1


class Shape(IntEnum):
    """The form of a solid inside its bounds."""

    BOX = 0
    CYLINDER = 1  # upright
    ELLIPSOID = 2


@dataclass(frozen=True)
class Solid:
    """A thing that stands in a place and hides what is behind it."""

    shape: Shape
    low: tuple[float, float, float]  # m, the lower corner of its bounds
    high: tuple[float, float, float]  # m
    surface: Surface
    tint: Colour = (1.0, 1.0, 1.0)  # multiplies the surface's colour


@dataclass(frozen=True)
class Lamp:
    """A light that shines to all sides."""

    position: tuple[float, float, float]  # m
    strength: float
    colour: Colour


@dataclass(frozen=True)
class Light:
    """All the light of a place."""

    sun: tuple[float, float, float]  # direction towards it, need not be unit
    sun_colour: Colour  # (0, 0, 0): no sun, no hard shadows
    sky: Colour  # ambient from above
    ground: Colour  # ambient from below
    background: Colour  # seen where there is nothing
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True)
class Rest:
    """A spot where someone stands or sits."""

    position: Point
    heading: float  # radians
    seat: float = 0.0  # m, height of the seat, 0 to stand


@dataclass(frozen=True)
class Place:
    """One stretch of ground that people cross. Several cameras may see it."""

    name: str
    solids: tuple[Solid, ...]
    light: Light
    ways: tuple[tuple[Point, ...], ...]  # each enters and leaves out of sight
    rests: tuple[Rest, ...] = ()


@dataclass(frozen=True)
class View:
    """A camera in a place: what one film shows."""

    name: str
    place: Place
    camera: Camera
    says: str = ""  # one line of description


GROUND_AXES = [0, 2]  # x and z
TALLEST_KERB = 0.03  # m, what is lower is walked on…
LOWEST_CEILING = 1.95  # m, …and what is higher is walked under


class Footprints:
    """The ground that the solids of a place cover."""

    def __init__(self, solids: Sequence[Solid]) -> None:
        standing = [s for s in solids if s.low[1] < LOWEST_CEILING and s.high[1] > TALLEST_KERB]
        self.low = np.array([s.low for s in standing], np.float64).reshape(-1, 3)[:, GROUND_AXES]  # (S, 2)
        self.high = np.array([s.high for s in standing], np.float64).reshape(-1, 3)[:, GROUND_AXES]
        self.round = np.array([s.shape != Shape.BOX for s in standing], bool)

    def nearest(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of ground points (N, 2): metres to the nearest solid (N,), negative inside, and the way out (N, 2), unit."""
        if not len(self.low) or not len(points):
            return np.full(len(points), np.inf), np.zeros((len(points), 2))
        centres, halves = (self.low + self.high) / 2, (self.high - self.low) / 2
        offset = points[:, None] - centres  # (N, S, 2)
        # A round thing is a rectangle without length, grown by its radius. An oval one is rounded at its ends.
        radius = np.where(self.round, halves.min(axis=1), 0.0)
        beyond = np.abs(offset) - (halves - radius[:, None])
        outside = np.maximum(beyond, 0.0)
        gap = np.linalg.norm(outside, axis=2) + np.minimum(beyond.max(axis=2), 0.0) - radius
        which = gap.argmin(axis=1)
        rows = np.arange(len(points))
        beyond, outside, offset = beyond[rows, which], outside[rows, which], offset[rows, which]
        inside = ~outside.any(axis=1)
        outwards = np.where(inside[:, None], beyond == beyond.max(axis=1, keepdims=True), outside)
        outwards = outwards * np.where(offset < 0, -1.0, 1.0)
        return gap[rows, which], outwards / np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-12)


def in_sight(view: View, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (N, 3) are inside the frame and not behind a solid."""
    camera = view.camera
    eye = np.array(camera.eye, np.float64)
    axis = np.array(camera.target) - eye
    axis /= np.linalg.norm(axis)
    rays = points - eye
    depth = rays @ axis
    focal = camera.width / 2 / math.tan(math.radians(camera.field_of_view) / 2)
    # A barrel distortion folds what is far outside of the frame back into it: it is cut off by its angle.
    wide = 1.25 * math.hypot(camera.width, camera.height) / 2 / focal
    seen = (depth > 0.1) & (np.linalg.norm(rays - depth[:, None] * axis, axis=1) < wide * np.maximum(depth, 0.1))
    if seen.any():
        pixels = np.asarray(project(camera, points[seen]))[:, :2]
        inside = (pixels >= 0).all(axis=1) & (pixels < (camera.width, camera.height)).all(axis=1)
        seen[seen] = inside
    if seen.any():
        seen[seen] = ~_blocked(view.place.solids, eye, rays[seen])
    return seen


def _blocked(solids: Sequence[Solid], eye: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a solid lies on the way from the eye along each ray (N, 3), before its end."""
    blocked = np.zeros(len(rays), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for solid in solids:
            low, high = np.array(solid.low), np.array(solid.high)
            first, second = (low - eye) / rays, (high - eye) / rays
            near, far = np.fmin(first, second), np.fmax(first, second)  # (N, 3)
            if solid.shape is Shape.BOX:
                enter, leave = near.max(axis=1), far.min(axis=1)
            else:
                axes = GROUND_AXES if solid.shape is Shape.CYLINDER else [0, 1, 2]
                half = (high - low)[axes] / 2
                start = (eye[axes] - (low + high)[axes] / 2) / half
                step = rays[:, axes] / half
                a, b, c = (step * step).sum(axis=1), step @ start, start @ start - 1
                root = np.sqrt(b * b - a * c)  # not a number where the ray misses
                enter, leave = (-b - root) / a, (-b + root) / a
                if solid.shape is Shape.CYLINDER:
                    enter, leave = np.maximum(enter, near[:, 1]), np.minimum(leave, far[:, 1])
            blocked |= (enter < leave) & (leave > 1e-6) & (enter < 0.999)
    return blocked


def free_spot(view: View, rng: np.random.Generator) -> Point:
    """A random ground point that the camera sees and on which a person has room to stand.

    Near ones are as likely as far ones.

    Raises:
        ValueError: The view has none.
    """
    for _ in range(40):
        spots = free_spots(view, rng, 32)
        if len(spots):
            return float(spots[0, 0]), float(spots[0, 1])
    raise ValueError(f"nobody could stand in sight of the camera of {view.name!r}")


def free_spots(view: View, rng: np.random.Generator, tries: int) -> NDArray[np.float64]:
    """(N, 2) those of `tries` random ground points that are free and seen."""
    spots = random_spots(view.camera, rng, tries)
    spots = spots[Footprints(view.place.solids).nearest(spots)[0] > 0.3]
    for height in (0.15, 1.2):
        spots = spots[in_sight(view, np.insert(spots, 1, height, axis=1))]
    return spots


def random_spots(camera: Camera, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """(count, 2) ground points ahead of the camera, at distances at which a person is 40…350 px of 540 high."""
    away = np.exp(rng.uniform(math.log(3.0), math.log(26.0), count))
    half = math.radians(camera.field_of_view) / 2
    ahead = math.atan2(camera.target[0] - camera.eye[0], camera.target[2] - camera.eye[2])
    bearing = ahead + rng.uniform(-half, half, count)
    return np.column_stack([camera.eye[0] + away * np.sin(bearing), camera.eye[2] + away * np.cos(bearing)])
