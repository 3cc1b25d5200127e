"""A clothed body: skeleton, signed-distance layers, mesh and skin weights.

It is in a rest A-pose that looks along +z. The rest body is 1.75 m tall whoever it is, since a person's height is a
scale of the whole. Every piece of surface is where a function of space is zero, negative inside. So a garment is the
body grown by some millimetres and cut at hem, cuff and neck. A strap is what a slab cuts out of the coat grown by a few
more. These functions use float32 and only + - * / sqrt min max. They give the same bits on every processor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray


class Layer(IntEnum):
    """What a piece of surface is, and the row of a person's materials that paints it."""

    SKIN = 0
    TOP = 1
    BOTTOM = 2
    SHOES = 3
    HAIR = 4  # or what covers it
    CARRIED = 5  # bags
    INNER = 6  # seen where a jacket is open, also a scarf, sleeves under a vest and a hat over hair
    CANOPY = 7  # an umbrella: seen, but no part of a person's box


@dataclass(frozen=True)
class Mesh:
    """A body in rest pose."""

    vertices: NDArray[np.float64]  # (V, 3) m
    normals: NDArray[np.float64]  # (V, 3) unit, outwards
    faces: NDArray[np.int32]  # (F, 3) counter-clockwise seen from outside
    bones: NDArray[np.int32]  # (V, 4) that move a vertex
    weights: NDArray[np.float64]  # (V, 4) their shares, sum 1
    layers: NDArray[np.int8]  # (V,) of Layer


@dataclass(frozen=True)
class Physique:
    """The naked body."""

    height: float = 1.75  # m
    girth: float = 1.0  # 0.84 thin … 1.35 fat
    shoulders: float = 1.0  # breadth, 0.88 … 1.08
    hips: float = 1.0  # breadth, 0.92 … 1.12
    curves: float = 0.0  # 0 … 1, waist and breasts
    head: float = 1.0  # size for its height, children's are larger


@dataclass(frozen=True)
class Top:
    """A garment of the upper body. Heights are of the rest body."""

    hem: float = 0.86  # m, its lower edge: 0.98 ends in the waistband, 0.50 above the knee
    sleeve: float = 1.0  # share of the arm down to the wrist
    loose: float = 0.012  # m off the body
    sleeve_loose: float = 0.008  # m off the arm
    straight: float = 0.5  # 0 follows the waist, 1 hangs straight down from the chest
    flare: float = 0.0  # m by which the hem is wider than the hips
    neck: float = 1.475  # m, height of the neckline in front
    collar: float = 0.0  # m, height of a standing collar
    hood: Literal["none", "down", "up"] = "none"
    vest: bool = False  # sleeveless over a shirt with sleeves, which is painted INNER


@dataclass(frozen=True)
class Bottom:
    """Trousers or skirt."""

    kind: Literal["trousers", "skirt"] = "trousers"
    hem: float = 0.045  # m above the ground
    knee: float = 0.072  # m, radius of a leg at the knee
    ankle: float = 0.062  # m, radius at the lower edge
    flare: float = 0.02  # m by which a skirt widens


Hair = Literal[
    "bald", "fringe", "receding", "crop", "short", "parted", "quiff", "bob", "long", "ponytail", "bun", "afro"
]  # fmt: skip


@dataclass(frozen=True)
class Head:
    """What grows on the head and what is worn on it."""

    hair: Hair = "short"
    cover: Literal["none", "cap", "beanie", "hat", "hijab", "helmet"] = "none"
    cover_layer: Layer = Layer.HAIR  # INNER where hair shows beneath
    beard: bool = False
    scarf: bool = False  # painted INNER


HELD = ("briefcase", "shopping", "trolley")
Bag = Literal["none", "backpack", "tote", "shoulder", "crossbody", "briefcase", "shopping", "trolley"]


@dataclass(frozen=True)
class Outfit:
    """All that is worn and carried, without its colours."""

    top: Top = Top()
    bottom: Bottom = Bottom()
    head: Head = Head()
    boot: float = 0.0  # m, height of the shaft of a boot over the ankle
    bag: Bag = "none"
    bag_side: int = 1  # 1 left, -1 right


# --- skeleton --------------------------------------------------------------------------------------------------------

ARM_ANGLE, LEG_ANGLE = math.radians(32), math.radians(4)  # of the rest pose, from vertical
UPPER_ARM, FOREARM, HAND = 0.292, 0.252, 0.17  # m
THIGH, SHIN = 0.412, 0.405  # m
NAMES = (
    "pelvis", "spine", "chest", "neck", "head", "thigh L", "shin L", "foot L", "thigh R", "shin R", "foot R",
    "upper arm L", "forearm L", "hand L", "upper arm R", "forearm R", "hand R",
)  # fmt: skip
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 0, 8, 9, 2, 11, 12, 2, 14, 15)
PELVIS, SPINE, CHEST, NECK, HEAD = range(5)
THIGHS, UPPER_ARMS = (5, 8), (11, 14)  # left, right. Shins and feet, forearms and hands follow
SIDES = (1, -1)  # left is +x
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Skeleton:
    """17 bones in rest pose."""

    joints: NDArray[np.float64]  # (17, 3) m, where a bone turns
    ends: NDArray[np.float64]  # (17, 3) m


@functools.lru_cache(maxsize=1024)
def skeleton(shape: Physique) -> Skeleton:
    """The bones of a body. Only the breadth of shoulders and hips differs between people."""
    spine = [(0, 0.94, 0), (0, 1.05, -0.005), (0, 1.20, -0.012), (0, 1.475, -0.022), (0, 1.555, 0.0)]
    spine_ends = [spine[1], spine[2], (0, 1.44, -0.015), spine[4], (0, 1.75, 0.01)]
    joints, ends = [np.array(v, float) for v in spine], [np.array(v, float) for v in spine_ends]
    for side in SIDES:
        down = np.array([math.sin(LEG_ANGLE) * side, -math.cos(LEG_ANGLE), 0.0])
        hip = np.array([0.086 * shape.hips * side, 0.90, 0.0])
        knee = hip + down * THIGH
        ankle = knee + down * SHIN
        joints += [hip, knee, ankle]
        ends += [knee, ankle, ankle + np.array([0.012 * side, -0.055, 0.15])]
    for side in SIDES:
        down = np.array([math.sin(ARM_ANGLE) * side, -math.cos(ARM_ANGLE), 0.0])
        shoulder = np.array([0.163 * shape.shoulders * side, 1.393, -0.018])
        elbow = shoulder + down * UPPER_ARM
        wrist = elbow + down * FOREARM
        joints += [shoulder, elbow, wrist]
        ends += [elbow, wrist, wrist + down * HAND]
    return Skeleton(np.array(joints), np.array(ends))


# --- signed distances ------------------------------------------------------------------------------------------------

Field = NDArray[np.floating]
Points = tuple[Field, Field, Field]  # x, y, z
Distance = Callable[[Points], Field]


def smooth_min(a: Field, b: Field, width: float) -> Field:
    """The nearer of two surfaces, with the crease between them filled `width` wide."""
    bridge = np.maximum(width - np.abs(a - b), 0)
    return np.minimum(a, b) - bridge * bridge * (0.25 / width)


def smooth_max(a: Field, b: Field, width: float) -> Field:
    """What two solids share, with the edge between them rounded."""
    bridge = np.maximum(width - np.abs(a - b), 0)
    return np.maximum(a, b) + bridge * bridge * (0.25 / width)


def cone(p: Points, a: Vector, b: Vector, radius_a: float, radius_b: float, flat: float = 1.0) -> Field:
    """A round cone from a to b. `flat` < 1 squeezes it along z."""
    ax, ay, az = (float(v) for v in a)
    bx, by, bz = (float(v) for v in b)
    ux, uy, uz = bx - ax, by - ay, bz - az
    length = ux * ux + uy * uy + uz * uz
    dx, dy, dz = p[0] - ax, p[1] - ay, p[2] - az
    t = np.minimum(np.maximum(dx * (ux / length) + dy * (uy / length) + dz * (uz / length), 0), 1)
    dx, dy, dz = dx - t * ux, dy - t * uy, (dz - t * uz) / flat
    return np.sqrt(dx * dx + dy * dy + dz * dz) - (radius_a + t * (radius_b - radius_a))


def ellipsoid(p: Points, centre: Vector, radii: Vector) -> Field:
    """An ellipsoid along the axes. Far from it the distance is only roughly true."""
    dx, dy, dz = (p[i] - float(centre[i]) for i in range(3))
    ax, ay, az = (float(r) for r in radii)
    dx, dy, dz = dx / ax, dy / ay, dz / az
    return (np.sqrt(dx * dx + dy * dy + dz * dz) - 1) * min(ax, ay, az)


def rounded_box(p: Points, centre: Vector, half: Vector, radius: float) -> Field:
    """A box along the axes, `half` its size, with edges of `radius`."""
    qx, qy, qz = (np.abs(p[i] - float(centre[i])) - (float(half[i]) - radius) for i in range(3))
    ox, oy, oz = np.maximum(qx, 0), np.maximum(qy, 0), np.maximum(qz, 0)
    inside = np.minimum(np.maximum(np.maximum(qx, qy), qz), 0)
    return np.sqrt(ox * ox + oy * oy + oz * oz) + inside - radius


def curve(x: Field, knots: tuple[float, ...], values: tuple[float, ...]) -> Field:
    """A smooth curve through knots without overshoot, flat beyond them (Hermite, harmonic-mean slopes)."""
    steps = [b - a for a, b in pairwise(knots)]
    rises = [(b - a) / s for a, b, s in zip(values, values[1:], steps)]
    slopes = [0.0, *(2 * p * q / (p + q) if p * q > 0 else 0.0 for p, q in pairwise(rises)), 0.0]
    out = np.full_like(x, values[0])
    for k, step in enumerate(steps):
        t = (x - knots[k]) / step
        rise = values[k + 1] - values[k]
        m0, m1 = slopes[k] * step, slopes[k + 1] * step
        piece = values[k] + t * (m0 + t * ((3 * rise - 2 * m0 - m1) + t * (m0 + m1 - 2 * rise)))
        out = np.where(t >= 1, np.float32(values[k + 1]), np.where(t > 0, piece, out))
    return out


@dataclass(frozen=True)
class Stack:
    """Ellipses stacked along y: a torso or a skirt."""

    heights: tuple[float, ...]
    widths: tuple[float, ...]  # half
    depths: tuple[float, ...]  # half
    centres: tuple[float, ...]  # z

    def distance(self, p: Points, grown: float = 0.0) -> Field:
        """To the stack's surface, which is `grown` m larger."""
        x, y, z = p
        a = curve(y, self.heights, self.widths) + grown
        b = curve(y, self.heights, self.depths) + grown
        u, v = x / a, (z - curve(y, self.heights, self.centres)) / b
        across = (np.sqrt(u * u + v * v) - 1) * np.minimum(a, b)
        beyond = np.maximum(np.maximum(self.heights[0] - y, y - self.heights[-1]), 0)
        outside = np.maximum(across, 0)
        return np.where(beyond > 0, np.sqrt(outside * outside + beyond * beyond), across)


HEIGHTS = (0.80, 0.86, 0.93, 1.00, 1.08, 1.16, 1.26, 1.34, 1.40, 1.445, 1.49)


@functools.lru_cache(maxsize=64)
def torso(shape: Physique) -> Stack:
    """The trunk without shoulders and breasts."""
    fat, c, s, h = shape.girth - 1, shape.curves, shape.shoulders, shape.hips
    belly = max(0.0, fat - 0.08)
    widths = (
        0.122 * h, 0.156 * h * (1 + 0.5 * fat), 0.168 * h * (1 + 0.7 * fat), 0.158 * h * (1 + fat),
        (0.145 - 0.012 * c) * (1 + 1.1 * fat), (0.143 - 0.012 * c) * (1 + fat), 0.152 * s * (1 + 0.7 * fat),
        0.152 * s * (1 + 0.4 * fat), 0.135 * s, 0.092 * s, 0.056,
    )  # fmt: skip
    depths = (
        0.085, 0.106 * (1 + fat), 0.114 * (1 + fat), 0.106 * (1 + fat) + 0.2 * belly, 0.099 * (1 + fat) + 0.34 * belly,
        0.101 * (1 + fat) + 0.28 * belly, 0.108 * (1 + fat) + 0.1 * belly, 0.104 * (1 + 0.6 * fat), 0.088, 0.066, 0.054,
    )  # fmt: skip
    bulge = 0.2 * belly
    centres = (-0.002, -0.010, -0.010, 0.002, 0.006 + bulge, 0.004 + bulge, 0.0, -0.008, -0.018, -0.022, -0.022)
    return Stack(heights=HEIGHTS, widths=widths, depths=depths, centres=centres)


def breasts(p: Points, d: Field, shape: Physique, grown: float) -> Field:
    """Adds breasts to a trunk at distance d, where the shape has some."""
    if shape.curves > 0.2:
        size = 0.052 + 0.014 * shape.curves + 0.03 * (shape.girth - 1) + grown
        for side in SIDES:
            at = (0.070 * side, 1.265, 0.062 + 0.05 * (shape.girth - 1))
            d = smooth_min(d, ellipsoid(p, at, (size, size * 1.05, size * 0.92)), 0.05)
    return d


def shoulder(p: Points, d: Field, shape: Physique, grown: float) -> Field:
    """Adds the slope from the neck to the shoulder joints."""
    joints = skeleton(shape).joints
    for k in UPPER_ARMS:
        x, y, z = joints[k]
        d = smooth_min(d, cone(p, (0.0, 1.452, -0.024), (x * 0.94, y + 0.002, z), 0.046 + grown, 0.040 + grown), 0.05)
    return d


def arm(p: Points, shape: Physique, k: int, grown: float = 0.0, share: float = 1.1, cuff: float = 0.0) -> Field:
    """The arm whose upper bone is k, down to a share of its length to the wrist. The cuff is `cuff` wider."""
    bones = skeleton(shape)
    thick = 0.5 + 0.5 * shape.girth - 0.06 * shape.curves
    top, elbow, wrist = (bones.joints[k + n] for n in range(3))
    d = cone(p, top, elbow, 0.046 * thick + grown * 0.7, 0.037 * thick + grown)
    d = smooth_min(d, cone(p, elbow, wrist, 0.038 * thick + grown, 0.0255 * thick + grown + cuff), 0.02)
    if share < 1.1:
        down = (bones.ends[k] - top) / UPPER_ARM
        along = (p[0] - float(top[0])) * float(down[0]) + (p[1] - float(top[1])) * float(down[1])
        d = smooth_max(d, along - share * (UPPER_ARM + FOREARM), 0.008)
    return d


def hand(p: Points, shape: Physique, k: int) -> Field:
    """The hand that hangs from upper arm k, half closed."""
    bones = skeleton(shape)
    wrist = bones.joints[k + 2]
    x, y, z = wrist
    dx, dy, _ = (bones.ends[k + 2] - wrist) / HAND
    d = cone(p, wrist, (x + 0.07 * dx, y + 0.07 * dy, z + 0.004), 0.026, 0.034, flat=1.1)
    d = smooth_min(
        d,
        cone(p, (x + 0.07 * dx, y + 0.07 * dy, z + 0.004), (x + 0.15 * dx, y + 0.15 * dy, z + 0.03), 0.029, 0.016),
        0.02,
    )
    thumb = cone(p, (x + 0.03 * dx, y + 0.03 * dy, z + 0.018), (x + 0.09 * dx, y + 0.09 * dy, z + 0.05), 0.014, 0.010)
    return smooth_min(d, thumb, 0.015)


def leg(p: Points, shape: Physique, k: int, grown: float = 0.0) -> Field:
    """The leg whose thigh is bone k."""
    hip, knee, ankle = (skeleton(shape).joints[k + n] for n in range(3))
    thick = 0.45 + 0.55 * shape.girth
    calf = knee + (ankle - knee) * 0.3 + np.array([0, 0, -0.016])
    d = cone(p, hip + np.array([0, -0.03, -0.006]), knee, 0.084 * thick + grown, 0.053 * thick + grown)
    d = smooth_min(d, cone(p, knee, calf, 0.050 * thick + grown, 0.053 * thick + grown), 0.03)
    return smooth_min(d, cone(p, calf, ankle, 0.052 * thick + grown, 0.035 + grown), 0.03)


SKULL, SKULL_RADII = (0.0, 1.652, -0.006), (0.0755, 0.099, 0.094)


def scaled_head(p: Points, shape: Physique) -> Points:
    """Points as a head of usual size has them."""
    if shape.head == 1:
        return p
    x, y, z = p
    return x / shape.head, (y - 1.575) / shape.head + 1.575, z / shape.head


def head(p: Points, shape: Physique) -> Field:
    """Head, neck and the skin down to the collarbones."""
    q = scaled_head(p, shape)
    d = ellipsoid(q, SKULL, SKULL_RADII)
    d = smooth_min(d, ellipsoid(q, (0, 1.598, 0.024), (0.056 - 0.003 * shape.curves, 0.074, 0.066)), 0.04)  # jaw
    d = smooth_min(d, ellipsoid(q, (0, 1.552, 0.058), (0.026, 0.022, 0.026)), 0.03)  # chin
    d = smooth_min(d, cone(q, (0, 1.638, 0.090), (0, 1.606, 0.108), 0.009, 0.0145), 0.018)  # nose
    for side in SIDES:
        d = smooth_min(d, ellipsoid(q, (0.077 * side, 1.625, -0.008), (0.011, 0.030, 0.019)), 0.008)
        d = smooth_max(d, -ellipsoid(q, (0.031 * side, 1.645, 0.100), (0.02, 0.013, 0.016)), 0.015)
    thick = (0.052 - 0.007 * shape.curves) * (0.5 + 0.5 * shape.girth)
    d = smooth_min(d, cone(p, (0, 1.44, -0.026), (0, 1.575, -0.012), thick + 0.004, thick), 0.03)
    return smooth_min(d, shoulder(p, torso(shape).distance(p), shape, 0.0), 0.03)


def shoes(p: Points, shape: Physique, outfit: Outfit) -> Field:
    """Both shoes, flat on the ground."""
    joints, wide, out = skeleton(shape).joints, 0.004 * (outfit.boot > 0), None
    for k, side in zip(THIGHS, SIDES):
        x, _, z = (float(v) for v in joints[k + 2])
        d = cone(p, (x, 0.040, z - 0.035), (x + 0.010 * side, 0.034, z + 0.125), 0.038 + wide, 0.043)
        d = smooth_min(
            d, cone(p, (x + 0.010 * side, 0.030, z + 0.12), (x + 0.008 * side, 0.024, z + 0.172), 0.040, 0.027), 0.02
        )
        shaft = 0.105 + outfit.boot
        lean = math.tan(LEG_ANGLE) * side
        top = (x - lean * (shaft - 0.08), shaft, z - 0.004 - 0.03 * min(1.0, outfit.boot * 4))
        d = smooth_min(d, cone(p, (x, 0.055, z - 0.018), top, 0.042, 0.039 + 0.07 * outfit.boot + wide), 0.035)
        d = smooth_max(d, p[1] - shaft, 0.01)
        out = d if out is None else np.minimum(out, d)
    assert out is not None
    return smooth_max(out, -p[1], 0.008)


def garment(shape: Physique, top: Top) -> Stack:
    """The trunk of a garment, down to its hem."""
    body = torso(shape)
    hips, hip_depth = max(body.widths[1:5]), max(body.depths[1:5])
    heights, widths, depths, centres = [], [], [], []
    for y, a, b, c in zip(body.heights, body.widths, body.depths, body.centres):
        if y < 0.92:
            continue
        share = top.straight if y < 1.30 else 0.0
        off = 0.011 if y < 1.05 else 0.0  # so that trousers stay beneath when the hips bend
        widths.append(a + share * (max(hips, body.widths[6]) - a) * 0.85 + off)
        depths.append(b + share * (max(hip_depth, body.depths[6]) - b) * 0.85 + off)
        heights.append(y)
        centres.append(c)
    end = min(top.hem, 0.90) - 0.03
    fall = (0.93 - end) / 0.45
    widths.insert(0, hips + top.flare + 0.012 * fall + 0.012)
    depths.insert(0, hip_depth + top.flare + 0.012 * fall + 0.013)
    heights.insert(0, end)
    centres.insert(0, -0.008)
    return Stack(heights=tuple(heights), widths=tuple(widths), depths=tuple(depths), centres=tuple(centres))


def trunk_of_top(p: Points, shape: Physique, top: Top) -> Field:
    """The top without its sleeves: what a strap lies on."""
    d = breasts(p, garment(shape, top).distance(p, top.loose), shape, top.loose)
    return shoulder(p, d, shape, top.loose * 0.8)


def neckline(p: Points, d: Field, top: Top) -> Field:
    """Cuts a garment at distance d off at the neck."""
    return smooth_max(d, p[1] + np.maximum(p[2], 0) * 0.55 - (top.neck + 0.020), 0.012)


def upper(p: Points, shape: Physique, outfit: Outfit) -> Field:
    """The top."""
    top = outfit.top
    d = trunk_of_top(p, shape, top)
    if not top.vest and top.sleeve > 0:
        for k in UPPER_ARMS:
            d = smooth_min(d, arm(p, shape, k, top.sleeve_loose, top.sleeve, 0.006), 0.035)
    d = smooth_max(d, top.hem - p[1], 0.008)
    d = neckline(p, d, top)
    if top.collar > 0:
        ring = cone(p, (0, 1.43, -0.024), (0, 1.53, -0.016), 0.082, 0.066 + 0.4 * top.loose)
        ring = smooth_max(ring, p[1] - 0.25 * p[2] - (1.478 + top.collar), 0.01)
        d = smooth_min(d, ring, 0.015)
    if top.hood == "down":
        d = smooth_min(d, ellipsoid(p, (0, 1.462, -0.095), (0.105, 0.055, 0.05)), 0.04)
        d = smooth_min(d, cone(p, (0.075, 1.475, -0.03), (0.04, 1.452, 0.055), 0.026, 0.018), 0.02)
        d = smooth_min(d, cone(p, (-0.075, 1.475, -0.03), (-0.04, 1.452, 0.055), 0.026, 0.018), 0.02)
    if top.hood == "up":
        q = scaled_head(p, shape)
        cowl = ellipsoid(q, (0, 1.650, -0.016), (0.098, 0.125, 0.118))
        cowl = smooth_min(cowl, cone(q, (0, 1.58, -0.02), (0, 1.45, -0.026), 0.088, 0.085), 0.04)
        d = smooth_min(d, smooth_max(cowl, -ellipsoid(q, (0, 1.622, 0.115), (0.064, 0.092, 0.078)), 0.012), 0.03)
    return d


def shirt(p: Points, shape: Physique, outfit: Outfit) -> Field:
    """What shows from under a vest: sleeves and a collar."""
    d = shoulder(p, torso(shape).distance(p, outfit.top.loose - 0.009), shape, outfit.top.loose - 0.012)
    for k in UPPER_ARMS:
        d = smooth_min(d, arm(p, shape, k, outfit.top.sleeve_loose, outfit.top.sleeve, 0.004), 0.035)
    return smooth_max(smooth_max(d, 1.10 - p[1], 0.01), p[1] + np.maximum(p[2], 0) * 0.35 - 1.505, 0.012)


def lower(p: Points, shape: Physique, outfit: Outfit) -> Field:
    """Trousers or skirt, down from the waist."""
    bottom, body, joints = outfit.bottom, torso(shape), skeleton(shape).joints
    if bottom.kind == "skirt":
        hips, depth, fall = body.widths[2], body.depths[2], (0.9 - bottom.hem) / 0.45
        stack = Stack(
            heights=(bottom.hem - 0.03, 0.86, 0.93, 1.00, 1.08),
            widths=(hips + bottom.flare * fall, hips + 0.008, *body.widths[2:5]),
            depths=(depth + (0.01 + bottom.flare) * fall, depth + 0.006, *body.depths[2:5]),
            centres=(0.0, -0.008, *body.centres[2:5]),
        )
        d = stack.distance(p, 0.009)
    else:
        below_waist = Stack(
            heights=HEIGHTS[:5], widths=body.widths[:5], depths=body.depths[:5], centres=body.centres[:5]
        )
        d = below_waist.distance(p, 0.009)
        thick = 0.45 + 0.55 * shape.girth
        for k in THIGHS:
            hip, knee, ankle = (joints[k + n] for n in range(3))
            calf = knee + (ankle - knee) * 0.3 + np.array([0, 0, -0.014])
            wide = max(bottom.knee, 0.058) * thick
            q = cone(p, hip + np.array([0, -0.03, -0.006]), knee, 0.086 * thick + 0.009, wide)
            q = smooth_min(q, cone(p, knee, ankle, wide, bottom.ankle), 0.03)
            d = smooth_min(d, smooth_min(q, cone(p, calf, ankle, 0.060 * thick, 0.044), 0.03), 0.035)
    d = smooth_max(d, bottom.hem - p[1], 0.006)
    return smooth_max(d, p[1] - 1.045, 0.008)


def hairline(p: Points, knots: tuple[float, ...], values: tuple[float, ...]) -> Field:
    """Positive below the line at which hair begins, given as heights along z."""
    return curve(p[2], knots, values) - p[1]


NAPE_TO_BROW = (-0.10, -0.05, -0.015, 0.012, 0.030, 0.055, 0.085, 0.11)
LINE = (1.563, 1.568, 1.590, 1.608, 1.660, 1.695, 1.712, 1.716)
HIGH_LINE = (1.563, 1.568, 1.590, 1.612, 1.690, 1.735, 1.752, 1.76)


def shell(p: Points, thick: float, lift: float = 0.0) -> Field:
    """The skull, `thick` larger, and more so on top by `lift`."""
    x, y, z = SKULL
    a, b, c = SKULL_RADII
    return ellipsoid(p, (x, y + lift / 2, z), (a + thick, b + thick + lift / 2, c + thick))


def hair(p: Points, shape: Physique, worn: Head) -> Field:
    """Hair and beard, less of them under a hat."""
    p = scaled_head(p, shape)
    style, covered = worn.hair, worn.cover != "none"
    x, y, z = p
    beard = np.full_like(y, 1.0)  # nowhere
    if worn.beard:
        beard = ellipsoid(p, (0, 1.594, 0.026), (0.060, 0.070, 0.070))
        beard = smooth_min(beard, ellipsoid(p, (0, 1.550, 0.060), (0.032, 0.030, 0.030)), 0.03)
        beard = smooth_max(beard, y - (1.570 + np.abs(x) * 0.75), 0.008)
        beard = smooth_max(beard, -0.004 - z, 0.008)
    if style == "bald" or (covered and worn.cover_layer is Layer.HAIR):
        return beard
    if style == "receding":
        d = smooth_max(shell(p, 0.010), hairline(p, NAPE_TO_BROW, HIGH_LINE), 0.012)
    elif style == "fringe":  # a ring of hair around a bald top
        d = smooth_max(smooth_max(shell(p, 0.009), hairline(p, NAPE_TO_BROW, HIGH_LINE), 0.012), y - 1.678, 0.012)
    elif style == "crop":
        d = smooth_max(shell(p, 0.006), hairline(p, NAPE_TO_BROW, LINE), 0.008)
    elif style == "parted":
        d = smooth_min(shell(p, 0.010, 0.010), ellipsoid(p, (0.022, 1.712, 0.018), (0.062, 0.050, 0.078)), 0.02)
        d = smooth_max(d, hairline(p, NAPE_TO_BROW, LINE) - 0.12 * x, 0.012)
    elif style == "quiff":
        d = smooth_min(shell(p, 0.007), ellipsoid(p, (0, 1.735, 0.03), (0.060, 0.042, 0.070)), 0.025)
        d = smooth_max(d, hairline(p, NAPE_TO_BROW, LINE), 0.01)
    elif style == "afro":
        d = ellipsoid(p, (0, 1.690, -0.026), (0.122, 0.118, 0.122))
        d = smooth_max(d, -ellipsoid(p, (0, 1.600, 0.105), (0.082, 0.105, 0.090)), 0.02)
    elif style in ("bob", "long"):
        d = shell(p, 0.017, 0.008)
        if style == "bob":
            d = smooth_min(d, cone(p, (0, 1.64, -0.022), (0, 1.565, -0.026), 0.092, 0.094), 0.03)
            d = smooth_max(d, 1.535 - y, 0.015)
        else:
            d = smooth_min(d, cone(p, (0, 1.64, -0.05), (0, 1.43, -0.080), 0.082, 0.085, flat=0.55), 0.05)
            d = smooth_min(d, cone(p, (0, 1.43, -0.080), (0, 1.335, -0.100), 0.085, 0.05, flat=0.45), 0.04)
            for side in SIDES:
                d = smooth_min(
                    d, cone(p, (0.068 * side, 1.66, -0.02), (0.080 * side, 1.48, -0.035), 0.030, 0.030), 0.03
                )
        d = smooth_max(d, -ellipsoid(p, (0, 1.602, 0.100), (0.068, 0.104, 0.085)), 0.012)
    else:
        tied = style in ("ponytail", "bun")
        d = smooth_max(
            shell(p, 0.007 if tied else 0.013, 0.0 if tied else 0.008), hairline(p, NAPE_TO_BROW, LINE), 0.01
        )
        if style == "bun":
            d = smooth_min(d, ellipsoid(p, (0, 1.705, -0.122), (0.042, 0.042, 0.038)), 0.015)
        if style == "ponytail":
            d = smooth_min(d, cone(p, (0, 1.690, -0.095), (0, 1.655, -0.142), 0.026, 0.032), 0.02)
            d = smooth_min(d, cone(p, (0, 1.655, -0.142), (0, 1.455, -0.125), 0.033, 0.016), 0.02)
    if covered:
        d = smooth_max(d, y - 1.69, 0.01)
    return np.minimum(d, beard)


def headgear(p: Points, shape: Physique, worn: Head) -> Field:
    """What is worn on the head."""
    p = scaled_head(p, shape)
    y, z = p[1], p[2]
    if worn.cover == "cap":
        d = smooth_max(shell(p, 0.018, 0.008), 1.672 - y, 0.008)
        return smooth_min(d, ellipsoid(p, (0, 1.680, 0.105), (0.074, 0.012, 0.085)), 0.012)
    if worn.cover == "beanie":
        return smooth_max(shell(p, 0.020, 0.014), 1.668 + 0.25 * np.minimum(z, 0.0) - y, 0.012)
    if worn.cover == "hat":
        d = smooth_max(shell(p, 0.020, 0.022), 1.690 - y, 0.01)
        return smooth_min(d, ellipsoid(p, (0, 1.692, -0.004), (0.158, 0.013, 0.172)), 0.012)
    if worn.cover == "helmet":
        d = smooth_max(shell(p, 0.032, 0.022), 1.675 - y, 0.008)
        return smooth_min(d, ellipsoid(p, (0, 1.682, 0.055), (0.100, 0.012, 0.100)), 0.012)
    d = ellipsoid(p, (0, 1.650, -0.012), (0.094, 0.115, 0.112))  # a headscarf
    d = smooth_min(d, cone(p, (0, 1.56, -0.012), (0, 1.43, -0.015), 0.080, 0.118, flat=0.85), 0.06)
    return smooth_max(d, -ellipsoid(p, (0, 1.612, 0.115), (0.057, 0.080, 0.072)), 0.012)


def scarf(p: Points, shape: Physique, outfit: Outfit) -> Field:
    """A ring around the neck and one end on the front of the coat."""
    d = cone(p, (0, 1.478, -0.018), (0, 1.520, -0.010), 0.083, 0.070)
    d = smooth_max(d, np.abs(p[1] - 0.25 * p[2] - 1.50) - 0.036, 0.02)
    end = smooth_max(trunk_of_top(p, shape, outfit.top) - 0.014, np.abs(p[0] - 0.045) - 0.045, 0.01)
    end = smooth_max(smooth_max(end, -p[2], 0.01), np.abs(p[1] - 1.36) - 0.13, 0.01)
    return smooth_min(d, end, 0.02)


def band(p: Points, on: Field, a: tuple[float, float], b: tuple[float, float], half: float) -> Field:
    """A strap `half` wide that lies on a surface along the plane through a and b (x, y), across z."""
    length = math.sqrt((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2)
    nx, ny = (b[1] - a[1]) / length, -(b[0] - a[0]) / length
    off = np.abs((p[0] - a[0]) * nx + (p[1] - a[1]) * ny) - half
    return np.maximum(on - 0.011, off)


def worn_bag(p: Points, shape: Physique, outfit: Outfit) -> Field:
    """A bag on the body, with its straps on the outside of the top."""
    bag, side, trunk = outfit.bag, outfit.bag_side, garment(shape, outfit.top)
    y, loose = p[1], outfit.top.loose
    on = trunk_of_top(p, shape, outfit.top)
    if bag == "backpack":
        back = max(trunk.depths[-6:-2]) + loose
        d = rounded_box(p, (0, 1.225, -back - 0.068), (0.138, 0.205, 0.082), 0.055)
        d = smooth_min(d, rounded_box(p, (0, 1.150, -back - 0.150), (0.105, 0.100, 0.030), 0.028), 0.02)
        for strap_side in SIDES:
            strap = band(p, on, (0.088 * strap_side, 1.49), (0.118 * strap_side, 1.18), 0.024)
            d = np.minimum(d, np.maximum(strap, 1.14 - y))
        return d
    hips = max(trunk.widths[0:3]) + loose
    if bag == "tote":
        d = rounded_box(p, ((hips + 0.052) * side, 0.985, -0.01), (0.052, 0.150, 0.165), 0.04)
        strap, end = band(p, on, (0.120 * side, 1.49), ((hips + 0.01) * side, 1.05), 0.021), 1.06
    elif bag == "shoulder":
        d = rounded_box(p, ((hips + 0.045) * side, 0.995, 0.0), (0.048, 0.095, 0.135), 0.04)
        strap, end = band(p, on, (0.125 * side, 1.49), ((hips + 0.005) * side, 1.04), 0.019), 1.04
    else:  # across the body
        d = rounded_box(p, ((hips + 0.035) * side, 0.965, 0.01), (0.046, 0.095, 0.135), 0.035)
        strap, end = band(p, on, (-0.105 * side, 1.48), ((hips - 0.005) * side, 0.99), 0.021), 0.97
    return np.minimum(d, np.maximum(strap, end - y))


def held_bag(p: Points, shape: Physique, outfit: Outfit) -> Field:
    """A bag in the hand."""
    q = in_hand(p, shape, outfit.bag_side)
    if outfit.bag == "briefcase":
        d = rounded_box(q, (0, -0.27, 0.0), (0.045, 0.145, 0.20), 0.025)
        return np.minimum(d, rounded_box(q, (0, -0.10, 0.0), (0.014, 0.032, 0.065), 0.012))
    if outfit.bag == "shopping":
        d = cone(q, (0, -0.38, 0.0), (0, -0.24, 0.0), 0.125, 0.105, flat=1.15)
        d = smooth_min(d, cone(q, (0, -0.24, 0.0), (0, -0.10, 0.0), 0.09, 0.018), 0.04)
        return smooth_max(d, -q[1] - 0.46, 0.02)
    d = rounded_box(q, (0, -0.72, -0.10), (0.185, 0.285, 0.105), 0.045)  # a suitcase on wheels
    for side in SIDES:
        d = np.minimum(d, cone(q, (0.065 * side, -0.50, -0.02), (0.065 * side, -0.09, -0.01), 0.013, 0.013))
        d = np.minimum(d, ellipsoid(q, (0.13 * side, -1.0, -0.03), (0.022, 0.034, 0.034)))
    return np.minimum(d, cone(q, (-0.065, -0.085, -0.01), (0.065, -0.085, -0.01), 0.016, 0.016))


TROLLEY_REACH = 1.035  # m from the wrist to where its wheels touch the ground


def in_hand(p: Points, shape: Physique, side: int) -> Points:
    """Points seen from a wrist, with y along the forearm: where it is as if the arm hung straight down."""
    wrist = skeleton(shape).joints[UPPER_ARMS[0 if side > 0 else 1] + 2]
    x, y, z = (p[i] - float(wrist[i]) for i in range(3))
    c, s = math.cos(ARM_ANGLE), math.sin(ARM_ANGLE) * side
    return x * c + y * s, y * c - x * s, z


def canopy(p: Points, shape: Physique, side: int, thick: float) -> Field:
    """An umbrella over the hand: a dome, `thick` m, on a shaft."""
    q = in_hand(p, shape, side)
    dome = ellipsoid(q, (0, 0.60, 0), (0.56, 0.30, 0.56))
    hollow = ellipsoid(q, (0, 0.60, 0), (0.56 - thick, 0.30 - thick, 0.56 - thick))
    d = np.maximum(np.maximum(dome, -hollow), 0.68 - q[1])
    return np.minimum(d, cone(q, (0, -0.14, 0.0), (0, 0.93, 0.0), 0.014, 0.011))


# --- meshing ---------------------------------------------------------------------------------------------------------

BLOCK = 3  # grid points along an edge of what is looked at once before it is looked at closely
# Of each corner of a cell its offset, and of each edge of a cell its two corners.
CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
EDGES = np.array([(a, a | 1 << bit) for bit in (2, 1, 0) for a in range(8) if not a >> bit & 1])


def surface_nets(
    distance: Distance, low: Vector, high: Vector, cell: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """Vertices (V, 3), normals (V, 3) and faces (F, 3) of where `distance` is zero inside bounds.

    These are naive surface nets (Gibson 1998). Each cell that the surface crosses has a vertex, at the mean of its
    edges' crossings. Each crossed edge has a quad around it. Far from the surface the distance is not evaluated.
    """
    count = [max(2, math.ceil((h - b) / cell / BLOCK)) for b, h in zip(low, high)]
    grid = sampled(distance, low, count, cell)
    inside = grid < 0
    number = sum(
        inside[i : i + grid.shape[0] - 1, j : j + grid.shape[1] - 1, k : k + grid.shape[2] - 1].astype(np.int8)
        for i, j, k in CORNERS
    )
    cells = np.argwhere((number > 0) & (number < 8))  # (V, 3)
    if not len(cells):
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    corners = cells[:, None] + CORNERS  # (V, 8, 3)
    values = grid[corners[..., 0], corners[..., 1], corners[..., 2]].astype(np.float64)
    first, second = values[:, EDGES[:, 0]], values[:, EDGES[:, 1]]  # (V, 12)
    crossed = (first < 0) != (second < 0)
    t = np.where(crossed, first / np.where(crossed, first - second, 1.0), 0.0)
    start = CORNERS[EDGES[:, 0]]
    along = CORNERS[EDGES[:, 1]] - start
    at = np.where(crossed[..., None], start + t[..., None] * along, 0.0).sum(axis=1) / crossed.sum(axis=1)[:, None]
    vertices = (cells + at) * cell + np.array(low)
    index = np.full(grid.shape, -1, np.int32)
    index[cells[:, 0], cells[:, 1], cells[:, 2]] = np.arange(len(cells))
    faces = []
    for axis in range(3):
        ahead = np.roll(inside, -1, axis)
        edges = np.argwhere(inside != ahead)
        edges = edges[(edges[:, axis] < grid.shape[axis] - 1)]
        second_axis, third_axis = (axis + 1) % 3, (axis + 2) % 3
        edges = edges[(edges[:, second_axis] > 0) & (edges[:, third_axis] > 0)]
        second_step, third_step = np.eye(3, dtype=int)[second_axis], np.eye(3, dtype=int)[third_axis]
        ring = [edges - second_step - third_step, edges - third_step, edges, edges - second_step]
        quad = np.stack([index[r[:, 0], r[:, 1], r[:, 2]] for r in ring], axis=1)
        out = inside[edges[:, 0], edges[:, 1], edges[:, 2]]
        quad = np.where(out[:, None], quad, quad[:, ::-1])
        quad = quad[(quad >= 0).all(axis=1)]
        faces += [quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]
    vertices, normals = settled(distance, vertices, cell)
    return vertices, normals, np.concatenate(faces).astype(np.int32)


def sampled(distance: Distance, low: Vector, count: list[int], cell: float) -> Field:
    """The distance on a grid of `count` blocks, and only its sign where a block is far from the surface."""
    step = BLOCK * cell
    axes = [(low[i] + ((BLOCK - 1) / 2) * cell + step * np.arange(count[i])).astype(np.float32) for i in range(3)]
    middle = np.meshgrid(*axes, indexing="ij")
    coarse = distance((middle[0].ravel(), middle[1].ravel(), middle[2].ravel())).reshape(count)
    grid = np.where(coarse < 0, np.float32(-1), np.float32(1))
    # A block's corner is up to √3 steps from its middle, the next grid point one more. Distances are not quite true.
    near = np.argwhere(np.abs(coarse) < 1.3 * math.sqrt(3) * ((BLOCK - 1) / 2 + 1) * cell)
    full = np.repeat(np.repeat(np.repeat(grid, BLOCK, 0), BLOCK, 1), BLOCK, 2)
    offsets = np.array([(i, j, k) for i in range(BLOCK) for j in range(BLOCK) for k in range(BLOCK)])
    index = (near[:, None] * BLOCK + offsets).reshape(-1, 3)
    x, y, z = ((low[i] + cell * index[:, i]).astype(np.float32) for i in range(3))
    full[index[:, 0], index[:, 1], index[:, 2]] = distance((x, y, z))
    return full


def settled(
    distance: Distance, vertices: NDArray[np.float64], cell: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices (V, 3) moved onto the surface, and the normals (V, 3) there, from the distance's gradient."""
    x, y, z = (np.ascontiguousarray(vertices[:, i], dtype=np.float32) for i in range(3))
    h = 0.004
    slope = np.zeros((len(vertices), 3))
    value = np.zeros(len(vertices))
    for i, j, k in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):  # a tetrahedron
        d = distance((x + np.float32(i * h), y + np.float32(j * h), z + np.float32(k * h))).astype(np.float64)
        slope += d[:, None] * np.array([i, j, k])
        value += d / 4
    slope /= 4 * h
    square = (slope * slope).sum(axis=1)
    move = np.clip(value / np.maximum(square, 0.25), -0.6 * cell, 0.6 * cell)
    length = np.sqrt(square)
    flat = length < 1e-6
    normals = np.where(flat[:, None], np.array([0.0, 1.0, 0.0]), slope / np.where(flat, 1.0, length)[:, None])
    return vertices - move[:, None] * slope, normals


# --- skin weights ----------------------------------------------------------------------------------------------------


def ramp(a: float, b: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 at a, 1 at b, smooth between."""
    t = np.minimum(np.maximum((x - a) / (b - a), 0), 1)
    return t * t * (3 - 2 * t)


def body_weights(
    v: NDArray[np.float64], shape: Physique, loose: float, *, arms: bool = True, skirt: bool = False
) -> NDArray[np.float64]:
    """(V, 17) shares of the bones in the body's surface or in a garment that is `loose` m off it."""
    x, y, z = v.T
    out = np.zeros((len(v), 17))
    rest = np.ones(len(v))  # what is not given away yet
    bones = skeleton(shape)
    if arms:
        for k, side in zip(UPPER_ARMS, SIDES):
            top = bones.joints[k]
            down = (bones.ends[k] - top) / UPPER_ARM
            dx, dy, dz = x - top[0], y - top[1], z - top[2]
            along = dx * down[0] + dy * down[1]
            away = np.sqrt(np.maximum(dx * dx + dy * dy + dz * dz - along * along, 0))
            share = ramp(0.110 + loose, 0.066 + loose, away) * ramp(-0.055, 0.075, along)
            share = np.where(along > 0.30, (x * side > 0.25) * 1.0, share)
            elbow = ramp(UPPER_ARM - 0.045, UPPER_ARM + 0.045, along)
            wrist = ramp(UPPER_ARM + FOREARM - 0.025, UPPER_ARM + FOREARM + 0.02, along)
            out[:, k], out[:, k + 1], out[:, k + 2] = share * (1 - elbow), share * elbow * (1 - wrist), share * wrist
            rest = rest - share
        rest = np.maximum(rest, 0)
    left = ramp(-0.07, 0.07, x) if skirt else ramp(-0.02, 0.02, x)
    legs = 0.80 * ramp(0.95, 0.62, y) if skirt else ramp(0.96, 0.81, y)
    knee = np.zeros(len(v)) if skirt else ramp(0.55, 0.43, y)
    ankle = np.zeros(len(v)) if skirt else ramp(0.125, 0.075, y)
    for k, half in zip(THIGHS, (left, 1 - left)):
        share = half * legs * rest
        out[:, k], out[:, k + 1], out[:, k + 2] = share * (1 - knee), share * knee * (1 - ankle), share * knee * ankle
    rest = rest * (1 - legs)
    for bone, (low, high) in zip(
        (HEAD, NECK, CHEST, SPINE), ((1.525, 1.585), (1.455, 1.515), (1.13, 1.27), (0.98, 1.09))
    ):
        share = ramp(low, high, y) * rest
        out[:, bone] = share
        rest = rest - share
    out[:, PELVIS] = rest
    return out


def strongest(weights: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The four bones (V, 4) with the largest shares, and those, summing to 1."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    shares = np.take_along_axis(weights, order, axis=1)
    return order.astype(np.int32), shares / shares.sum(axis=1, keepdims=True)


# --- the whole -------------------------------------------------------------------------------------------------------

Weigh = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Part:
    """A piece of surface that is meshed on its own."""

    layer: Layer
    distance: Distance
    low: Vector  # m, the bounds that hold it
    high: Vector
    weigh: Weigh  # (V, 3) m → (V, 17)
    fine: float = 1.0  # size of its quads / that of the clothes'
    covers: tuple[Distance, ...] = ()  # what lies over it: it is left out where it is inside of these


def build_mesh(shape: Physique, outfit: Outfit, cell: float, *, umbrella: int = 0) -> Mesh:
    """The mesh of a dressed body.

    Args:
        shape: The body.
        outfit: What it wears and carries.
        cell: m, the size of its quads.
        umbrella: The hand that holds one, 1 left, -1 right, 0 none.
    """
    parts = [*clothes(shape, outfit), *skin(shape, outfit), *headwear(shape, outfit)]
    parts += things(shape, outfit, umbrella, max(0.02, 1.3 * cell))
    meshes = [
        (part, *without_covered(part, *surface_nets(part.distance, part.low, part.high, part.fine * cell)))
        for part in parts
    ]
    starts = np.cumsum([0] + [len(v) for _, v, _, _ in meshes])
    bones, weights = strongest(np.concatenate([part.weigh(v) for part, v, _, _ in meshes]))
    return Mesh(
        vertices=np.concatenate([v for _, v, _, _ in meshes]),
        normals=np.concatenate([n for _, _, n, _ in meshes]),
        faces=np.concatenate([f + start for (_, _, _, f), start in zip(meshes, starts)]).astype(np.int32),
        bones=bones,
        weights=weights,
        layers=np.concatenate([np.full(len(v), int(part.layer), np.int8) for part, v, _, _ in meshes]),
    )


def without_covered(
    part: Part, v: NDArray[np.float64], n: NDArray[np.float64], f: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """A part's vertices, normals and faces less those that lie well inside of what covers it."""
    if not part.covers:
        return v, n, f
    x, y, z = (np.ascontiguousarray(v[:, i], dtype=np.float32) for i in range(3))
    hidden = np.zeros(len(v), bool)
    for cover in part.covers:
        hidden |= cover((x, y, z)) < -0.005
    f = f[~hidden[f].all(axis=1)]
    used = np.zeros(len(v), bool)
    used[f] = True
    return v[used], n[used], (np.cumsum(used) - 1)[f].astype(np.int32)


def box_around(
    x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], side: int = 1
) -> tuple[Vector, Vector]:
    """Bounds. With side -1 they are those of the mirrored thing."""
    low, high = (x[0], x[1]) if side > 0 else (-x[1], -x[0])
    return (low, y[0], z[0]), (high, y[1], z[1])


def clothes(shape: Physique, outfit: Outfit) -> list[Part]:
    """Top, shirt under a vest, trousers or skirt, shoes."""
    top, bottom = outfit.top, outfit.bottom
    wrist = float(skeleton(shape).joints[UPPER_ARMS[0] + 2][0])
    cuffs = min(wrist + 0.06, 0.28 + top.sleeve * (UPPER_ARM + FOREARM) * math.sin(ARM_ANGLE))
    wide = 0.34 if top.vest else max(0.34, cuffs)
    deep = max(0.24, max(torso(shape).depths) + top.loose + top.flare + 0.10)
    tall = 1.80 if top.hood == "up" else 1.57
    skirt = bottom.kind == "skirt"
    side = 0.24 * max(1.0, shape.girth * shape.hips) + (0.02 if not skirt else 0.03 + 2 * bottom.flare)
    over = functools.partial(upper, shape=shape, outfit=outfit)
    below = functools.partial(lower, shape=shape, outfit=outfit)
    # What is just above the hem shows when the body bends.
    tucked = replace(outfit, top=replace(top, hem=top.hem + 0.05))
    hides = functools.partial(upper, shape=shape, outfit=tucked)
    legs = functools.partial(body_weights, shape=shape, loose=0.0, arms=False)
    parts = [
        Part(
            Layer.TOP, over, *box_around((-wide, wide), (top.hem - 0.04, tall), (-deep, deep)),
            functools.partial(top_weights, shape=shape, top=top),
        ),
        Part(
            Layer.BOTTOM, below, *box_around((-side, side), (bottom.hem - 0.03, 1.08), (-side, side)),
            functools.partial(legs, skirt=skirt), covers=(hides,),
        ),
        Part(
            Layer.SHOES, functools.partial(shoes, shape=shape, outfit=outfit),
            *box_around((-0.24, 0.24), (-0.02, 0.17 + outfit.boot), (-0.12, 0.26)), legs, fine=0.8, covers=(below,),
        ),
    ]  # fmt: skip
    if top.vest:
        under = functools.partial(shirt, shape=shape, outfit=outfit)
        weigh = functools.partial(body_weights, shape=shape, loose=top.loose)
        bounds = box_around((-cuffs, cuffs), (0.85, 1.54), (-0.20, 0.20))
        parts.append(Part(Layer.INNER, under, *bounds, weigh, covers=(over,)))
    return parts


def top_weights(v: NDArray[np.float64], shape: Physique, top: Top) -> NDArray[np.float64]:
    """(V, 17) of a top: a long one hangs around the thighs, a short one rides on the hips."""
    out = body_weights(v, shape, top.loose)
    if top.hem < 0.84:
        below = (v[:, 1] < 0.96) & (np.abs(v[:, 0]) < 0.30)
        out[below] = body_weights(v[below], shape, top.loose, arms=False, skirt=True)
        return out
    kept = 1 - 0.55 * ramp(0.99, 0.93, v[:, 1])[:, None]
    legs = slice(THIGHS[0], THIGHS[1] + 3)
    taken = (out[:, legs] * (1 - kept)).sum(axis=1)
    out[:, legs] *= kept
    out[:, PELVIS] += taken
    return out


def skin(shape: Physique, outfit: Outfit) -> list[Part]:
    """Head and neck, hands, and of arms and legs what clothes leave bare."""
    top, hem = outfit.top, outfit.bottom.hem
    wrist = skeleton(shape).joints[UPPER_ARMS[0] + 2]
    x, y = float(wrist[0]), float(wrist[1])
    weigh = functools.partial(body_weights, shape=shape, loose=0.0)
    cloth: tuple[Distance, ...] = (functools.partial(upper, shape=shape, outfit=outfit),)
    if top.vest:
        cloth += (functools.partial(shirt, shape=shape, outfit=outfit),)
    bounds = box_around((-0.26, 0.26), (1.37, 1.79), (-0.15, 0.15))
    parts = [Part(Layer.SKIN, functools.partial(head, shape=shape), *bounds, weigh, fine=0.7, covers=cloth)]
    for k, side in zip(UPPER_ARMS, SIDES):
        bounds = box_around((x - 0.06, x + 0.15), (y - 0.19, y + 0.045), (-0.07, 0.08), side)
        parts.append(
            Part(Layer.SKIN, functools.partial(hand, shape=shape, k=k), *bounds, weigh, fine=0.75, covers=cloth)
        )
        if top.sleeve < 0.9:
            bounds = box_around((0.12, x + 0.06), (y, 1.47), (-0.10, 0.08), side)
            parts.append(
                Part(Layer.SKIN, functools.partial(arm, shape=shape, k=k), *bounds, weigh, fine=0.9, covers=cloth)
            )
    if hem > 0.08:
        covers = (
            functools.partial(lower, shape=shape, outfit=outfit),
            functools.partial(shoes, shape=shape, outfit=outfit),
        )
        for k, side in zip(THIGHS, SIDES):
            bounds = box_around((0.0, 0.27), (0.03, hem + 0.08), (-0.13, 0.13), side)
            parts.append(
                Part(Layer.SKIN, functools.partial(leg, shape=shape, k=k), *bounds, weigh, fine=0.9, covers=covers)
            )
    return parts


def headwear(shape: Physique, outfit: Outfit) -> list[Part]:
    """Hair, beard, hat and scarf."""
    worn, parts = outfit.head, []
    if worn.beard or (worn.hair != "bald" and (worn.cover == "none" or worn.cover_layer is not Layer.HAIR)):
        bounds = box_around((-0.19, 0.19), (1.28, 1.86), (-0.21, 0.16))
        parts.append(Part(Layer.HAIR, functools.partial(hair, shape=shape, worn=worn), *bounds, hair_weights, fine=0.8))
    if worn.cover != "none":
        bounds = box_around((-0.22, 0.22), (1.38, 1.86), (-0.24, 0.25))
        on = functools.partial(headgear, shape=shape, worn=worn)
        parts.append(Part(worn.cover_layer, on, *bounds, hair_weights, fine=0.75))
    if worn.scarf:
        bounds = box_around((-0.12, 0.12), (1.20, 1.58), (-0.14, 0.24))
        weigh = functools.partial(body_weights, shape=shape, loose=0.0, arms=False)
        parts.append(Part(Layer.INNER, functools.partial(scarf, shape=shape, outfit=outfit), *bounds, weigh, fine=0.8))
    return parts


def hair_weights(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V, 17): it turns with the head, and on the shoulders it stays with the chest."""
    out = np.zeros((len(v), 17))
    out[:, HEAD] = ramp(1.36, 1.54, v[:, 1])
    out[:, CHEST] = 1 - out[:, HEAD]
    return out


def things(shape: Physique, outfit: Outfit, umbrella: int, thick: float) -> list[Part]:
    """The bag and the umbrella, `thick` m of cloth."""
    parts = []
    joints = skeleton(shape).joints
    x, y = float(joints[UPPER_ARMS[0] + 2][0]), float(joints[UPPER_ARMS[0] + 2][1])
    if outfit.bag in HELD:
        reach = (1.15, 0.85) if outfit.bag == "trolley" else (0.55, 0.45)
        bounds = box_around((x - 0.30, x + reach[1]), (y - reach[0], y + 0.02), (-0.26, 0.24), outfit.bag_side)
        weigh = functools.partial(hand_weights, side=outfit.bag_side)
        parts.append(Part(Layer.CARRIED, functools.partial(held_bag, shape=shape, outfit=outfit), *bounds, weigh))
    elif outfit.bag != "none":
        bounds = box_around((-0.42, 0.42), (0.80, 1.56), (-0.46, 0.28))
        weigh = functools.partial(body_weights, shape=shape, loose=0.0, arms=False, skirt=True)
        on = functools.partial(worn_bag, shape=shape, outfit=outfit)
        over = functools.partial(upper, shape=shape, outfit=outfit)
        parts.append(Part(Layer.CARRIED, on, *bounds, weigh, fine=0.9, covers=(over,)))
    if umbrella:
        above = functools.partial(canopy, shape=shape, side=umbrella, thick=thick)
        bounds = box_around((x - 1.15, x + 0.65), (y - 0.2, y + 1.15), (-0.62, 0.62), umbrella)
        parts.append(Part(Layer.CANOPY, above, *bounds, functools.partial(hand_weights, side=umbrella)))
    return parts


def hand_weights(v: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """(V, 17) of what a hand holds: all of it moves with the hand."""
    out = np.zeros((len(v), 17))
    out[:, UPPER_ARMS[0 if side > 0 else 1] + 2] = 1
    return out
