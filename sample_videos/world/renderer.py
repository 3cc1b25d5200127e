"""The renderer: people in a place, as a camera's frame, with what is visible of each person counted exactly.

People are triangles in a depth buffer of 2 × 2 samples a pixel. It starts with the depth of the place. A pixel is
shaded once for each layer of each person in it and mixed by samples. Nothing depends on the window that is rendered. So
a part of a frame has the same pixels alone as in the whole.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sample_videos.world.backdrop import SAMPLES, Backdrop, ambient, lamp_table
from sample_videos.world.body import Layer, Mesh
from sample_videos.world.cameras import Sensor, lens, project_points
from sample_videos.world.materials import crease, paint_cloth
from sample_videos.world.people import Figure
from sample_videos.world.places import View

CANOPY = int(Layer.CANOPY)
FACE_BITS = 24  # of a sample's number of 31 bits, the rest is the actor's
MOST_ACTORS = 1 << (31 - FACE_BITS)
SHADOW_CELL = 0.016  # m
DIM_REACH = 0.85  # m, how far a body dims the ambient light around it
# Bones and radii (m) of the balls that stand for a body where it dims the light around it.
BALLS = ((0, 0.18), (2, 0.18), (5, 0.11), (8, 0.11), (6, 0.09), (9, 0.09), (7, 0.095), (10, 0.095))
ARMS = ((11, 12, 13), (14, 15, 16))  # bones of each
BRIGHTEST = 8.0  # of linear light, white long before
TONES = 4096  # entries of the tone curve
Array = NDArray[np.float64]
Rectangle = tuple[int, int, int, int]  # x1, y1, x2, y2, px
NOWHERE: Rectangle = (0, 0, 0, 0)


@dataclass(frozen=True)
class Actor:
    """A person in a pose."""

    figure: Figure
    bones: NDArray[np.float64]  # (17, 4, 4) rest pose → world


@dataclass(frozen=True)
class Shot:
    """A rendered frame and what is true in it."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    boxes: NDArray[np.float64]  # (A, 4) x1 y1 x2 y2 px: the whole silhouette inside the frame, hidden parts too
    visibility: NDArray[np.float64]  # (A,) share of the silhouette that is seen, 0 where outside of the frame
    full: NDArray[np.float64]  # (A, 4) the same box, not cut at the frame's border


class Looks(NamedTuple):
    """What a figure looks like in any pose."""

    normals: Array  # (V, 3) rest normals, bent by folds
    hollows: Array  # (V,) share of light in hollows
    straight: Array  # (V, 2) x and y of the rest position with the arms hanging
    facing: Array  # (V,) z of the rest normal
    face_layers: NDArray[np.int8]  # (F,)
    own: NDArray[np.bool_]  # (V,) counts to the person's box
    balls: Array  # (B, 5) bone, centre at rest, radius


class Shadow(NamedTuple):
    """How far towards the sun a body reaches, on cells of `SHADOW_CELL` across the sun's direction."""

    heights: NDArray[np.float32]  # (rows, columns) m along the sun's direction
    low_u: float  # m
    low_v: float

    @property
    def high(self) -> tuple[float, float]:
        """Upper ends of u and v, m."""
        rows, columns = self.heights.shape
        return self.low_u + SHADOW_CELL * columns, self.low_v + SHADOW_CELL * rows

    def touches(self, shadow: Shadow) -> bool:
        """Whether one of the two may fall on the body of the other."""
        (high_u, high_v), (their_high_u, their_high_v) = self.high, shadow.high
        overlap_u = self.low_u < their_high_u and shadow.low_u < high_u
        return overlap_u and self.low_v < their_high_v and shadow.low_v < high_v


class Outline(NamedTuple):
    """Where an actor may leave traces in a frame."""

    shadow: Shadow | None  # where the sun shines
    full: Array  # (4,) px, the body's box
    area: Rectangle  # px, where the body may be
    shaded: Rectangle  # px, where its shadow may fall
    dimmed: Rectangle  # px, where it may dim the ambient light


class Skinned(NamedTuple):
    """The fine mesh of an actor in its pose."""

    points: Array  # (V, 3) m
    normals: Array  # (V, 3), not unit
    seen: Array  # (V, 3) px, px, 1 / m


class Stage:
    """A view with all that stands still already rendered."""

    def __init__(self, view: View) -> None:
        camera, light = view.camera, view.place.light
        self.width, self.height = camera.width, camera.height
        self.backdrop = Backdrop(view)
        self.light = light
        self.lens = lens(camera)
        self.eye = np.array(camera.eye, float)
        self.colours, self.lamps = ambient(light), lamp_table(light)
        self.sun: Array = self.backdrop.sun_grid.axes
        self.shines: bool = self.backdrop.sun_grid.shines
        self.gains, self.tones = development(camera.sensor)
        self.saturation = camera.sensor.saturation
        self.empty = np.empty((self.height, self.width, 3), np.uint8)
        develop(self.backdrop.lit, self.gains, self.saturation, self.tones, self.empty)
        size = (self.height * SAMPLES, self.width * SAMPLES)
        self.nearest = np.empty(size, np.float32)  # 1 / m
        self.faces = np.full(size, -1, np.int32)  # actor and face at each sample
        self.stamps = np.zeros(size, np.int32)  # whose silhouette was last there, whatever the depth
        self.stamp = 0
        self.people = np.zeros((self.height, self.width, 3), np.float32)  # light of people, by their share of a pixel
        self.drawn: list[Rectangle] = []  # where the last shot left traces in the two
        self.sun_share = np.empty((self.height, self.width), np.float32)  # what people's shadows leave of the sun
        self.sky_share = np.empty((self.height, self.width), np.float32)  # what people leave of the ambient light

    def shoot(self, actors: list[Actor], *, window: tuple[int, int, int, int] | None = None) -> Shot:
        """One frame before the sensor's noise.

        Args:
            actors: The people in it.
            window: x1 y1 x2 y2 px, renders only that part of it.

        Raises:
            ValueError: The window is not inside the frame, or there are too many actors.
        """
        frame = window or (0, 0, self.width, self.height)
        left, top, right, bottom = frame
        if not (0 <= left < right <= self.width and 0 <= top < bottom <= self.height):
            raise ValueError(f"window {window} is not inside the frame of {self.width} × {self.height} px")
        if len(actors) > MOST_ACTORS:
            raise ValueError(f"{len(actors)} actors in one shot: at most {MOST_ACTORS} can be told apart")
        outlines = [self.outline(actor, frame) for actor in actors]
        touched = [
            area for outline in outlines for area in (outline.shaded, outline.dimmed, outline.area) if not empty(area)
        ]
        self.clear(touched, [outline.area for outline in outlines])
        for actor, outline in zip(actors, outlines, strict=True):
            if outline.shadow is not None and not empty(outline.shaded):
                self.darken(outline.shadow, outline.shaded)
            if not empty(outline.dimmed):
                self.dim(actor, outline.dimmed)
        full = np.array([outline.full for outline in outlines]).reshape(-1, 4)
        boxes, visibility = np.zeros((len(actors), 4)), np.zeros(len(actors))
        drawn = []
        for number, (actor, outline) in enumerate(zip(actors, outlines, strict=True)):
            if empty(outline.area):
                continue
            looks = looks_of(actor.figure)
            points, normals, seen = self.pose(actor.figure.mesh, looks.normals, actor.bones)
            full[number] = self.span(seen, looks.own)[0]
            tally = np.array([0, self.width * SAMPLES, self.height * SAMPLES, -1, -1])
            self.stamp += 1
            rasterise(
                seen, actor.figure.mesh.faces, looks.face_layers, number, self.stamp, np.array(outline.area),
                self.nearest, self.faces, self.stamps, tally,
            )  # fmt: skip
            drawn.append((number, Skinned(points, normals, seen)))
            if tally[0]:
                boxes[number] = np.array([tally[1], tally[2], tally[3] + 1, tally[4] + 1]) / SAMPLES
                visibility[number] = share_inside(full[number], frame) / tally[0]  # × the visible samples, below
        shadows = [outline.shadow for outline in outlines if outline.shadow is not None]
        for number, mesh in drawn:
            own = outlines[number].shadow
            near = [shadow for shadow in shadows if own is not None and shadow.touches(own)]
            visible = self.shade(number, actors[number], mesh, outlines[number].area, near)
            visibility[number] *= visible
        image = self.empty[top:bottom, left:right].copy()
        for area in touched:
            composite(
                np.array(area), left, top, self.backdrop.lit, self.backdrop.unlit, self.people, self.faces,
                self.sun_share, self.sky_share, self.gains, self.saturation, self.tones, image,
            )  # fmt: skip
        boxes[boxes[:, 2] > 0] -= (left, top, left, top)
        full[full.any(axis=1)] -= (left, top, left, top)
        return Shot(image, boxes, np.minimum(visibility, 1.0), full)

    def outline(self, actor: Actor, frame: Rectangle) -> Outline:
        """Where an actor may leave traces in the frame, from its coarse mesh."""
        mesh = actor.figure.shadow
        points, _, seen = self.pose(mesh, mesh.normals, actor.bones)
        full, area = self.span(seen, mesh.layers != CANOPY)
        # The coarse mesh may be a little smaller than the fine one.
        area = overlap(grown(area, 4 + max(area[2] - area[0], area[3] - area[1]) // 12), frame)
        low, high = points.min(axis=0) - DIM_REACH, points.max(axis=0) + DIM_REACH
        low[1] = min(0.0, low[1] + DIM_REACH)
        corners = np.array([[(low, high)[n >> axis & 1][axis] for axis in range(3)] for n in range(8)])
        dimmed = self.seen_area(corners, frame)
        if not self.shines:
            return Outline(shadow=None, full=full, area=area, shaded=NOWHERE, dimmed=dimmed)
        across = np.empty_like(points)
        fallen = np.empty_like(points)
        fall(points, self.sun, across, fallen)
        low_u, low_v = across[:, 0].min() - 2 * SHADOW_CELL, across[:, 1].min() - 2 * SHADOW_CELL
        size = ((across[:, :2].max(axis=0) - (low_u, low_v)) / SHADOW_CELL).astype(int) + 4
        heights = np.full((size[1], size[0]), -1e9, np.float32)
        raise_shadow(across, mesh.faces, low_u, low_v, heights)
        shaded = overlap(self.seen_area(np.concatenate([points, fallen]), frame), frame)
        shadow = Shadow(heights, float(low_u), float(low_v))
        return Outline(shadow=shadow, full=full, area=area, shaded=shaded, dimmed=dimmed)

    def pose(self, mesh: Mesh, normals: Array, bones: Array) -> tuple[Array, Array, Array]:
        """Points and normals (V, 3) of a mesh in the world, and where the camera sees them."""
        points, turned, seen = np.empty((3, *mesh.vertices.shape))
        skin(mesh.vertices, normals, mesh.bones, mesh.weights, np.ascontiguousarray(bones, np.float64), points, turned)
        project_points(points, *self.lens, seen)
        return points, turned, seen

    def span(self, seen: Array, own: NDArray[np.bool_]) -> tuple[Array, Rectangle]:
        """The box (4,) around points that are `own`, and the pixels around all of them. Zeros if all are behind."""
        box, every = np.empty((2, 4))
        bound(seen, own, box, every)
        limit = 4 * max(self.width, self.height)
        cut = [math.floor(max(-limit, min(limit, v))) for v in every.tolist()]
        return box, (cut[0], cut[1], cut[2] + 1, cut[3] + 1) if every.any() else NOWHERE

    def seen_area(self, points: Array, frame: Rectangle) -> Rectangle:
        """The pixels of the frame that points (N, 3) span, all of it if only some lie behind the camera."""
        seen = np.empty((len(points), 3))
        project_points(points, *self.lens, seen)
        if seen[:, 2].min() > 0:
            return overlap(grown(self.span(seen, np.ones(len(seen), bool))[1], 2), frame)
        return frame if seen[:, 2].max() > 0 else NOWHERE

    def clear(self, touched: list[Rectangle], areas: list[Rectangle]) -> None:
        """Makes the buffers ready where people may leave traces and where they are drawn."""
        for x1, y1, x2, y2 in self.drawn:  # by the last shot
            self.faces[y1 * SAMPLES : y2 * SAMPLES, x1 * SAMPLES : x2 * SAMPLES] = -1
            self.people[y1:y2, x1:x2] = 0
        self.drawn = [area for area in areas if not empty(area)]
        for x1, y1, x2, y2 in self.drawn:
            samples = np.s_[y1 * SAMPLES : y2 * SAMPLES, x1 * SAMPLES : x2 * SAMPLES]
            self.nearest[samples] = self.backdrop.inverse_depth[samples]
        for x1, y1, x2, y2 in touched:
            self.sun_share[y1:y2, x1:x2] = 1
            self.sky_share[y1:y2, x1:x2] = 1

    def darken(self, shadow: Shadow, area: Rectangle) -> None:
        """Takes the sun from where the shadow falls on the place."""
        darken(np.array(area), self.backdrop.positions, self.backdrop.lit, self.backdrop.unlit, self.sun, *shadow,
               self.sun_share)  # fmt: skip

    def dim(self, actor: Actor, area: Rectangle) -> None:
        """Takes ambient light from what is close to the body: the ground at its feet, a bench, a wall."""
        balls = looks_of(actor.figure).balls
        placed = np.empty((len(balls), 4))
        for row, (bone, x, y, z, radius) in zip(placed, balls, strict=True):
            matrix = actor.bones[int(bone)]
            row[:3] = matrix[:3, 0] * x + matrix[:3, 1] * y + matrix[:3, 2] * z + matrix[:3, 3]
            row[3] = radius
        if len(placed):
            dim(np.array(area), self.backdrop.positions, self.backdrop.normals, placed, self.sky_share)

    def shade(self, number: int, actor: Actor, mesh: Skinned, area: Rectangle, shadows: list[Shadow]) -> int:
        """Adds the actor's light to `people`. Returns how many samples of the body itself are seen."""
        figure, looks = actor.figure, looks_of(actor.figure)
        bounds = np.array(area)
        samples, own = count(bounds, self.faces, number, looks.face_layers)
        if samples == 0:
            return 0
        pixels, layers = np.empty((samples, 3), np.int32), np.empty(samples, np.int8)
        points, normals, rest, paint = (np.empty((samples, size)) for size in (3, 3, 3, 4))
        straight, more = np.empty((samples, 2)), np.empty((3, samples))
        facing, hollows, sizes = more
        number_of = gather(
            bounds, self.faces, number, figure.mesh.faces, *mesh, figure.mesh.vertices, looks.straight, looks.facing,
            looks.hollows, looks.face_layers, self.lens[2], pixels, layers, points, normals, rest, straight, facing,
            hollows, sizes,
        )  # fmt: skip
        kept = np.s_[:number_of]
        paint_cloth(
            layers[kept], rest[kept], straight[kept], facing[kept], sizes[kept], figure.materials, figure.opening,
            figure.texture, paint[kept],
        )  # fmt: skip
        sunny = np.zeros(number_of)
        if self.shines:
            self.backdrop.sunlit(points[kept], sunny)
            for shadow in shadows:
                block(points[kept], normals[kept], self.sun, *shadow, sunny)
        illuminate(
            pixels[kept], points[kept], normals[kept], paint[kept], hollows[kept], sunny, self.sun[2], self.colours,
            self.lamps_at(mesh.points), self.eye, self.people,
        )  # fmt: skip
        return own

    def lamps_at(self, points: Array) -> Array:
        """The lamps (L, 6) that matter to a body, dimmed by the share of it that solids hide from them."""
        if not len(self.lamps):
            return self.lamps
        middle, low, high = points.mean(axis=0), points[:, 1].min(), points[:, 1].max()
        probes = np.array([(middle[0], low + share * (high - low), middle[2]) for share in (0.2, 0.55, 0.9)])
        lamps = self.lamps.copy()
        lamps[:, 3:] *= self.backdrop.reached(probes, self.light).mean(axis=0)[:, None]
        square = ((lamps[:, :3] - middle) ** 2).sum(axis=1)
        return lamps[lamps[:, 3:].max(axis=1) / (1 + 0.06 * square) > 0.004]


def overlap(a: Rectangle, b: Rectangle) -> Rectangle:
    """What two rectangles share, which may be empty."""
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def grown(area: Rectangle, margin: int) -> Rectangle:
    """A rectangle with a margin of so many px around it, if it is not empty."""
    if empty(area):
        return area
    return area[0] - margin, area[1] - margin, area[2] + margin, area[3] + margin


def empty(area: Rectangle) -> bool:
    """Whether a rectangle holds no pixel."""
    return area[2] <= area[0] or area[3] <= area[1]


def share_inside(box: Array, frame: Rectangle) -> float:
    """The share of a box's area that is in the frame."""
    size = np.maximum(box[2:] - box[:2], 1e-9)
    inside = np.minimum(box[2:], frame[2:]) - np.maximum(box[:2], frame[:2])
    return float(np.prod(np.clip(inside / size, 0, 1)))


looks_of_figures: dict[int, tuple[weakref.ref[Figure], Looks]] = {}


def looks_of(figure: Figure) -> Looks:
    """The looks of a figure, made when it is first seen and kept as long as it lives."""
    reference, looks = looks_of_figures.get(id(figure), (None, None))
    if reference is not None and looks is not None and reference() is figure:
        return looks
    mesh = figure.mesh
    bent, hollows = np.empty_like(mesh.normals), np.empty(len(mesh.vertices))
    crease(mesh.vertices, mesh.normals, mesh.layers, figure.texture, bent, hollows)
    looks = Looks(
        normals=bent,
        hollows=hollows,
        straight=hang_arms(mesh),
        facing=np.ascontiguousarray(mesh.normals[:, 2]),
        face_layers=np.ascontiguousarray(mesh.layers[mesh.faces[:, 0]]),
        own=mesh.layers != CANOPY,
        balls=balls_of(figure.shadow),
    )
    key = id(figure)
    looks_of_figures[key] = (weakref.ref(figure, lambda _: looks_of_figures.pop(key, None)), looks)
    return looks


def strongest_bones(mesh: Mesh) -> NDArray[np.int32]:
    """(V,) the bone that moves each vertex most."""
    return mesh.bones[np.arange(len(mesh.bones)), mesh.weights.argmax(axis=1)]


def balls_of(mesh: Mesh) -> Array:
    """(B, 5) bone, centre at rest and radius of the balls that stand for a body."""
    strongest = strongest_bones(mesh)
    rows = [
        (bone, *mesh.vertices[strongest == bone].mean(axis=0), radius)
        for bone, radius in BALLS
        if (strongest == bone).any()
    ]
    return np.array(rows, float).reshape(-1, 5)


def hang_arms(mesh: Mesh) -> Array:
    """(V, 2) x and y at rest after the arms are turned to hang, so that stripes go around sleeves."""
    strongest = strongest_bones(mesh)
    straight = mesh.vertices[:, :2].copy()
    for upper, lower, hand in ARMS:
        if not (strongest == upper).any() or not (strongest == lower).any():
            continue
        middle = mesh.vertices[strongest == upper, :2].mean(axis=0)
        along = mesh.vertices[strongest == lower, :2].mean(axis=0) - middle
        sine, cosine = np.array([along[0], -along[1]]) / math.sqrt((along**2).sum())
        shoulder = middle - 0.5 * along
        x, y = (mesh.vertices[:, :2] - shoulder).T
        turned = np.stack([x * cosine + y * sine, y * cosine - x * sine], axis=1) + shoulder
        share = (mesh.weights * np.isin(mesh.bones, (upper, lower, hand))).sum(axis=1)
        straight += share[:, None] * (turned - mesh.vertices[:, :2])
    return straight


def development(sensor: Sensor) -> tuple[Array, NDArray[np.uint8]]:
    """Gains (3,) of linear light, and the tone curve (`TONES`,) over the square root of light up to `BRIGHTEST`."""
    light = BRIGHTEST * (np.arange(TONES) / (TONES - 1)) ** 2
    grey = np.minimum(1.0, (light * (1 + 0.12 * light) / (1 + 0.85 * light)) ** (1 / 2.2))
    grey = grey + sensor.contrast * (grey * grey * (3 - 2 * grey) - grey)
    gains = sensor.exposure * np.array(sensor.white_balance, float)
    return gains, np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)


@njit(cache=True, nogil=True, error_model="numpy")
def skin(vertices, normals, bones, weights, matrices, points, turned):
    """Moves vertices and normals (V, 3) by their up to four bones each. The normals' length is not kept."""
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        px = py = pz = qx = qy = qz = 0.0
        for k in range(4):
            w = weights[i, k]
            if w == 0.0:
                continue
            m = matrices[bones[i, k]]
            px += w * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
            py += w * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
            pz += w * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
            qx += w * (m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz)
            qy += w * (m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz)
            qz += w * (m[2, 0] * nx + m[2, 1] * ny + m[2, 2] * nz)
        points[i, 0], points[i, 1], points[i, 2] = px, py, pz
        turned[i, 0], turned[i, 1], turned[i, 2] = qx, qy, qz


@njit(cache=True, nogil=True, error_model="numpy")
def bound(seen, own, box, every):
    """Fills box and every (4,) with least and greatest x, y of points in front.

    `box` is of those `own`, and `every` of all.
    """
    box[:2], box[2:], every[:2], every[2:] = 1e30, -1e30, 1e30, -1e30
    for i in range(seen.shape[0]):
        if seen[i, 2] <= 0:
            continue
        x, y = seen[i, 0], seen[i, 1]
        every[0], every[1], every[2], every[3] = min(every[0], x), min(every[1], y), max(every[2], x), max(every[3], y)
        if own[i]:
            box[0], box[1], box[2], box[3] = min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)
    if box[0] > box[2]:
        box[:] = 0.0
    if every[0] > every[2]:
        every[:] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def fall(points, axes, across, fallen):
    """Fills across (V, 3) with points along the sun's axes, fallen (V, 3) with where their shadows meet the ground."""
    sx, sy, sz = axes[2, 0], axes[2, 1], axes[2, 2]
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for k in range(3):
            across[i, k] = axes[k, 0] * x + axes[k, 1] * y + axes[k, 2] * z
        far = min(40.0, max(0.0, y) / sy)
        fallen[i, 0], fallen[i, 1], fallen[i, 2] = x - far * sx, y - far * sy, z - far * sz


@njit(cache=True, nogil=True, error_model="numpy")
def raise_shadow(across, faces, low_u, low_v, heights):
    """Draws the faces that look away from the sun into heights, so that the sunny ones never shade themselves."""
    rows, columns = heights.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = (across[a, 0] - low_u) / SHADOW_CELL - 0.5, (across[a, 1] - low_v) / SHADOW_CELL - 0.5
        x1, y1 = (across[b, 0] - low_u) / SHADOW_CELL - 0.5, (across[b, 1] - low_v) / SHADOW_CELL - 0.5
        x2, y2 = (across[c, 0] - low_u) / SHADOW_CELL - 0.5, (across[c, 1] - low_v) / SHADOW_CELL - 0.5
        double = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if double >= 0.0:
            continue
        left, right = max(0, math.ceil(min(x0, x1, x2))), min(columns - 1, math.floor(max(x0, x1, x2)))
        top, bottom = max(0, math.ceil(min(y0, y1, y2))), min(rows - 1, math.floor(max(y0, y1, y2)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / double
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / double
                w0 = 1.0 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                height = w0 * across[a, 2] + w1 * across[b, 2] + w2 * across[c, 2]
                if height > heights[y, x]:
                    heights[y, x] = height


@njit(cache=True, nogil=True, error_model="numpy")
def unshaded(u, v, height, heights, low_u, low_v):
    """0…1, the share of the sun that a body's shadow leaves at a point along the sun's axes."""
    rows, columns = heights.shape
    x, y = (u - low_u) / SHADOW_CELL - 0.5, (v - low_v) / SHADOW_CELL - 0.5
    column, row = math.floor(x), math.floor(y)
    if column < -2 or row < -2 or column > columns or row > rows:
        return 1.0
    x -= column
    y -= row
    total = 0.0
    for j in range(-1, 3):  # a box of 3 × 3 cells around the point, with soft sides
        share_y = 1.0 - y if j == -1 else (y if j == 2 else 1.0)
        for i in range(-1, 3):
            p, q = row + j, column + i
            if 0 <= p < rows and 0 <= q < columns and heights[p, q] > height:
                total += share_y * (1.0 - x if i == -1 else (x if i == 2 else 1.0))
    return 1.0 - total / 9.0


@njit(cache=True, nogil=True, error_model="numpy")
def darken(area, positions, lit, unlit, axes, heights, low_u, low_v, sun_share):
    """Takes the sun from where a body's shadow falls on the place."""
    high_u, high_v = low_u + SHADOW_CELL * heights.shape[1], low_v + SHADOW_CELL * heights.shape[0]
    for y in range(area[1], area[3]):
        for x in range(area[0], area[2]):
            px, py, pz = positions[y, x, 0], positions[y, x, 1], positions[y, x, 2]
            u = axes[0, 0] * px + axes[0, 1] * py + axes[0, 2] * pz
            if u < low_u or u > high_u:
                continue
            v = axes[1, 0] * px + axes[1, 1] * py + axes[1, 2] * pz
            if v < low_v or v > high_v or lit[y, x, 1] - unlit[y, x, 1] < 0.002:
                continue
            height = axes[2, 0] * px + axes[2, 1] * py + axes[2, 2] * pz
            left = unshaded(u, v, height + 0.004, heights, low_u, low_v)
            if left < sun_share[y, x]:
                sun_share[y, x] = left


@njit(cache=True, nogil=True, error_model="numpy")
def block(points, normals, axes, heights, low_u, low_v, sunny):
    """Takes the sun from the points (N, 3) of people that lie in a person's shadow."""
    for i in range(points.shape[0]):
        if sunny[i] <= 0:
            continue
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        px, py, pz = px + 0.02 * normals[i, 0], py + 0.02 * normals[i, 1], pz + 0.02 * normals[i, 2]
        u = axes[0, 0] * px + axes[0, 1] * py + axes[0, 2] * pz
        v = axes[1, 0] * px + axes[1, 1] * py + axes[1, 2] * pz
        height = axes[2, 0] * px + axes[2, 1] * py + axes[2, 2] * pz
        sunny[i] = min(sunny[i], unshaded(u, v, height + 0.015, heights, low_u, low_v))


@njit(cache=True, nogil=True, error_model="numpy")
def dim(area, positions, normals, balls, sky_share):
    """Multiplies the ambient light by what balls (B, 4: centre, radius) leave of it."""
    low_x, high_x = balls[:, 0].min() - DIM_REACH, balls[:, 0].max() + DIM_REACH
    low_z, high_z = balls[:, 2].min() - DIM_REACH, balls[:, 2].max() + DIM_REACH
    for y in range(area[1], area[3]):
        for x in range(area[0], area[2]):
            px, py, pz = positions[y, x, 0], positions[y, x, 1], positions[y, x, 2]
            if px < low_x or px > high_x or pz < low_z or pz > high_z:
                continue
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            left = 1.0
            for i in range(balls.shape[0]):
                dx, dy, dz = balls[i, 0] - px, balls[i, 1] - py, balls[i, 2] - pz
                square = dx * dx + dy * dy + dz * dz
                if square >= DIM_REACH * DIM_REACH:
                    continue
                radius = balls[i, 3]
                square = max(square, radius * radius)
                above = (nx * dx + ny * dy + nz * dz) / math.sqrt(square)
                fade = 1.0 - square / (DIM_REACH * DIM_REACH)
                hidden = min(0.8, 1.5 * (0.3 + 0.7 * above) * fade * fade * radius * radius / square)
                if hidden > 0:
                    left *= 1.0 - hidden
            if left < 1.0:
                sky_share[y, x] *= left


@njit(cache=True, nogil=True, error_model="numpy")
def rasterise(seen, faces, face_layers, number, stamp, area, nearest, ids, stamps, tally):
    """Draws an actor's faces into the depth buffer.

    Tally (5,) holds the samples of the silhouette, whatever hides it, its least column and row, and its last ones. A
    canopy does not count.
    """
    left_most, top_most = area[0] * SAMPLES, area[1] * SAMPLES
    right_most, bottom_most = area[2] * SAMPLES - 1, area[3] * SAMPLES - 1
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        z0, z1, z2 = seen[a, 2], seen[b, 2], seen[c, 2]
        if z0 <= 0 or z1 <= 0 or z2 <= 0:
            continue
        x0, y0 = seen[a, 0] * SAMPLES - 0.5, seen[a, 1] * SAMPLES - 0.5
        x1, y1 = seen[b, 0] * SAMPLES - 0.5, seen[b, 1] * SAMPLES - 0.5
        x2, y2 = seen[c, 0] * SAMPLES - 0.5, seen[c, 1] * SAMPLES - 0.5
        ax, ay, bx, by = x1 - x0, y1 - y0, x2 - x0, y2 - y0
        double = ax * by - bx * ay
        if double >= 0.0:  # seen from inside, since rows count downwards
            continue
        left, right = max(left_most, math.ceil(min(x0, x1, x2))), min(right_most, math.floor(max(x0, x1, x2)))
        if left > right:
            continue
        top, bottom = max(top_most, math.ceil(min(y0, y1, y2))), min(bottom_most, math.floor(max(y0, y1, y2)))
        if top > bottom:
            continue
        inverse = 1.0 / double
        counts = face_layers[f] != CANOPY
        for y in range(top, bottom + 1):
            dy = y - y0
            for x in range(left, right + 1):
                dx = x - x0
                w1 = (dx * by - bx * dy) * inverse
                w2 = (ax * dy - dx * ay) * inverse
                w0 = 1.0 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                if counts and stamps[y, x] != stamp:
                    stamps[y, x] = stamp
                    tally[0] += 1
                    tally[1], tally[2] = min(tally[1], x), min(tally[2], y)
                    tally[3], tally[4] = max(tally[3], x), max(tally[4], y)
                z = w0 * z0 + w1 * z1 + w2 * z2
                if z > nearest[y, x]:
                    nearest[y, x] = z
                    ids[y, x] = number << FACE_BITS | f


@njit(cache=True, nogil=True, error_model="numpy")
def count(area, ids, number, face_layers):
    """How many samples show an actor, and how many of them the body itself, not its canopy."""
    every = own = 0
    for y in range(area[1] * SAMPLES, area[3] * SAMPLES):
        for x in range(area[0] * SAMPLES, area[2] * SAMPLES):
            id = ids[y, x]
            if id >= 0 and id >> FACE_BITS == number:
                every += 1
                if face_layers[id & ((1 << FACE_BITS) - 1)] != CANOPY:
                    own += 1
    return every, own


@njit(cache=True, nogil=True, error_model="numpy")
def gather(area, ids, number, faces, points, normals, seen, vertices, straight, facing, hollows, face_layers, focal,
           out_pixels, out_layers, out_points, out_normals, out_rest, out_straight, out_facing, out_hollows,
           out_sizes):  # fmt: skip
    """What there is to shade of an actor, one row for each layer in each pixel. Returns how many rows.

    Rows of out_pixels (N, 3) are row, column, samples. A layer is taken where its first sample lies, since the pixel's
    centre may lie outside of its triangle.
    """
    n = 0
    mask = (1 << FACE_BITS) - 1
    per_pixel = SAMPLES * SAMPLES
    sample_faces = np.empty(per_pixel, np.int64)  # the actor's face at each sample, -1 where there is none
    for y in range(area[1], area[3]):
        for x in range(area[0], area[2]):
            for s in range(per_pixel):
                id = ids[y * SAMPLES + s // SAMPLES, x * SAMPLES + s % SAMPLES]
                sample_faces[s] = id & mask if id >= 0 and id >> FACE_BITS == number else -1
            for s in range(per_pixel):
                f = sample_faces[s]
                if f < 0:
                    continue
                layer, samples = face_layers[f], 0
                for later in range(s, per_pixel):
                    if sample_faces[later] >= 0 and face_layers[sample_faces[later]] == layer:
                        samples += 1
                        sample_faces[later] = -1
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                px, py = x + (s % SAMPLES + 0.5) / SAMPLES, y + (s // SAMPLES + 0.5) / SAMPLES
                ax, ay, bx, by = (
                    seen[b, 0] - seen[a, 0], seen[b, 1] - seen[a, 1], seen[c, 0] - seen[a, 0], seen[c, 1] - seen[a, 1],
                )  # fmt: skip
                dx, dy = px - seen[a, 0], py - seen[a, 1]
                double = ax * by - bx * ay
                w1, w2 = (dx * by - bx * dy) / double, (ax * dy - dx * ay) / double
                w0 = 1.0 - w1 - w2
                out_pixels[n, 0], out_pixels[n, 1], out_pixels[n, 2] = y, x, samples
                out_layers[n] = layer
                for k in range(3):
                    out_points[n, k] = w0 * points[a, k] + w1 * points[b, k] + w2 * points[c, k]
                    out_rest[n, k] = w0 * vertices[a, k] + w1 * vertices[b, k] + w2 * vertices[c, k]
                nx = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
                ny = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
                nz = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
                length = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
                out_normals[n, 0], out_normals[n, 1], out_normals[n, 2] = nx * length, ny * length, nz * length
                out_straight[n, 0] = w0 * straight[a, 0] + w1 * straight[b, 0] + w2 * straight[c, 0]
                out_straight[n, 1] = w0 * straight[a, 1] + w1 * straight[b, 1] + w2 * straight[c, 1]
                out_facing[n] = w0 * facing[a] + w1 * facing[b] + w2 * facing[c]
                out_hollows[n] = w0 * hollows[a] + w1 * hollows[b] + w2 * hollows[c]
                out_sizes[n] = 1.0 / (focal * (w0 * seen[a, 2] + w1 * seen[b, 2] + w2 * seen[c, 2]))
                n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def illuminate(pixels, points, normals, paint, hollows, sunny, sun, colours, lamps, eye, people):
    """Adds the light that the points (N, 3) of a person send to the camera to people (H, W, 3).

    Rows of paint (N, 4) are colour and gloss, sunny (N,) is the share of the sun. Colours (4, 3) are those of the sun,
    the sky, the ground and the background.
    """
    light = np.empty(3)
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        vx, vy, vz = eye[0] - px, eye[1] - py, eye[2] - pz
        length = 1.0 / math.sqrt(vx * vx + vy * vy + vz * vz)
        vx, vy, vz = vx * length, vy * length, vz * length
        up = 0.5 + 0.5 * ny
        # Near the ground the body itself hides much of the sky and of the lit ground.
        low = min(1.0, max(0.0, py / 0.7))
        open_sky = hollows[i] * (0.72 + 0.28 * low * low * (3 - 2 * low))
        for k in range(3):
            light[k] = open_sky * (colours[2, k] + (colours[1, k] - colours[2, k]) * up)
        gloss = paint[i, 3]
        shine = 0.0
        if sunny[i] > 0:
            facing = nx * sun[0] + ny * sun[1] + nz * sun[2]
            # Cloth scatters a little of the sun around its edge.
            strength = sunny[i] * hollows[i] * max(0.0, 0.9 * facing + 0.1 * max(0.0, 0.5 + 0.5 * facing))
            for k in range(3):
                light[k] += strength * colours[0, k]
            hx, hy, hz = sun[0] + vx, sun[1] + vy, sun[2] + vz
            half = (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
            if half > 0 and facing > 0:
                half *= half
                half *= half
                half *= half
                half *= half
                shine = gloss * sunny[i] * half
        glint = 0.0
        for m in range(lamps.shape[0]):
            lx, ly, lz = lamps[m, 0] - px, lamps[m, 1] - py, lamps[m, 2] - pz
            square = lx * lx + ly * ly + lz * lz
            strength = 0.85 * (nx * lx + ny * ly + nz * lz) / math.sqrt(square) + 0.15
            if strength > 0:
                strength *= hollows[i] / (1.0 + 0.06 * square)
                for k in range(3):
                    light[k] += strength * lamps[m, 3 + k]
                glint += strength * strength * lamps[m, 4]
        edge = 1.0 - max(0.0, nx * vx + ny * vy + nz * vz)
        rim = edge * edge * edge * (0.03 + gloss) * open_sky
        share = pixels[i, 2] / (SAMPLES * SAMPLES)
        y, x = pixels[i, 0], pixels[i, 1]
        for k in range(3):
            c = paint[i, k] * light[k] + shine * colours[0, k] + rim * colours[1, k] + 0.1 * gloss * glint
            people[y, x, k] += min(BRIGHTEST, max(0.0, c)) * share


@njit(cache=True, nogil=True, error_model="numpy")
def tone(r, g, b, gains, saturation, tones):
    """Linear light → R, G, B as the camera stores it."""
    r, g, b = r * gains[0], g * gains[1], b * gains[2]
    grey = 0.30 * r + 0.59 * g + 0.11 * b
    scale = 1.0 / BRIGHTEST
    r = min(1.0, max(0.0, (grey + (r - grey) * saturation) * scale))
    g = min(1.0, max(0.0, (grey + (g - grey) * saturation) * scale))
    b = min(1.0, max(0.0, (grey + (b - grey) * saturation) * scale))
    last = TONES - 1
    return (
        tones[int(math.sqrt(r) * last + 0.5)],
        tones[int(math.sqrt(g) * last + 0.5)],
        tones[int(math.sqrt(b) * last + 0.5)],
    )


@njit(cache=True, nogil=True, error_model="numpy")
def develop(light, gains, saturation, tones, out):
    """Linear light (H, W, 3) → the stored image."""
    for y in range(light.shape[0]):
        for x in range(light.shape[1]):
            r, g, b = tone(light[y, x, 0], light[y, x, 1], light[y, x, 2], gains, saturation, tones)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b


@njit(cache=True, nogil=True, error_model="numpy")
def composite(area, left, top, lit, unlit, people, ids, sun_share, sky_share, gains, saturation, tones, image):
    """Puts the people and their shadows of an area into the image, whose corner is at left, top."""
    mixed = np.empty(3)
    for y in range(area[1], area[3]):
        for x in range(area[0], area[2]):
            sun, sky = sun_share[y, x], sky_share[y, x]
            if sky < 0:
                continue  # done with an earlier area
            sky_share[y, x] = -1
            covered = 0
            for s in range(SAMPLES * SAMPLES):
                if ids[y * SAMPLES + s // SAMPLES, x * SAMPLES + s % SAMPLES] >= 0:
                    covered += 1
            if covered == 0 and sun == 1 and sky == 1:
                continue
            bare = 1.0 - covered / (SAMPLES * SAMPLES)
            for k in range(3):
                c = unlit[y, x, k] * sky + (lit[y, x, k] - unlit[y, x, k]) * sun * (0.7 + 0.3 * sky)
                mixed[k] = c * bare + people[y, x, k]
            r, g, b = tone(mixed[0], mixed[1], mixed[2], gains, saturation, tones)
            image[y - top, x - left, 0], image[y - top, x - left, 1], image[y - top, x - left, 2] = r, g, b
