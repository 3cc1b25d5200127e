"""All that stands still in a view, ray-cast once.

It is its light with and without the sun, its depth and its shape. A ray meets few of the solids, and three indices tell
which. A tile's frustum holds those that its rays may meet. A grid across the sun's direction holds those between a
point and the sun. A grid on the ground holds those near a point.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sample_videos.world.cameras import lens, undistort_grid
from sample_videos.world.materials import Surface, paint_surfaces
from sample_videos.world.places import Light, Place, Shape, View

SAMPLES = 2  # a pixel, along each axis
TILE = 16  # px, rays of a tile share their solids
GRID = 96  # cells along each axis of the sun's and the ground's grid
REACH = 0.7  # m, how far a solid dims the ambient light around it
BOX, CYLINDER = int(Shape.BOX), int(Shape.CYLINDER)
LEAVES, GLOW = int(Surface.LEAVES), int(Surface.GLOW)
FAR = 1e30
ON_THE_GROUND = [0, 2, 3, 5]  # of a solid's bounds: x and z of its lower and of its higher corner
Array = NDArray[np.float64]


class Backdrop:
    """What a camera sees of an empty place."""

    lit: NDArray[np.float32]  # (H, W, 3) linear light
    unlit: NDArray[np.float32]  # (H, W, 3) the same without the sun
    positions: NDArray[np.float32]  # (H, W, 3) m, what is seen at a pixel, far away where there is nothing
    normals: NDArray[np.float32]  # (H, W, 3) unit
    inverse_depth: NDArray[np.float32]  # (2 H, 2 W) 1 / m, 0 where there is nothing

    def __init__(self, view: View) -> None:
        camera, light = view.camera, view.place.light
        self.solids = tabulate(view.place)
        self.sun_grid = SunGrid(light, *self.solids[:3])
        height, width = camera.height, camera.width
        self.lit = np.zeros((height, width, 3), np.float32)
        self.unlit = np.zeros((height, width, 3), np.float32)
        self.positions = np.empty((height, width, 3), np.float32)
        self.normals = np.empty((height, width, 3), np.float32)
        self.inverse_depth = np.zeros((height * SAMPLES, width * SAMPLES), np.float32)
        rotation, _, focal, centre_x, centre_y, k1 = lens(camera)
        eye = np.array(camera.eye, float)
        shapes, bounds, kinds, tints = self.solids
        ground_grid = grid_of(
            bounds[:, ON_THE_GROUND] + np.array([-REACH, -REACH, REACH, REACH]), np.array([-60.0, 60])
        )
        colours, lamps = ambient(light), lamp_table(light)
        columns = width * SAMPLES
        for top in range(0, height, TILE):
            bottom = min(height, top + TILE)
            rows = (bottom - top) * SAMPLES
            slopes = np.empty((rows, columns, 2))
            undistort_grid(top * SAMPLES, rows, columns, 1 / SAMPLES, focal, centre_x, centre_y, k1, slopes)
            number = rows * columns
            which = np.empty(number, np.int32)
            seen_kinds = np.empty(number, np.int32)
            where, facing, paint, tint = (np.zeros((number, size)) for size in (3, 3, 4, 3))
            size = np.empty(number)
            trace(
                slopes, eye, rotation, focal, shapes, bounds, kinds, tints, which, seen_kinds, where, facing, tint,
                size, self.inverse_depth[top * SAMPLES : bottom * SAMPLES],
            )  # fmt: skip
            paint_surfaces(seen_kinds, tint, where, facing, size, paint)
            illuminate(
                slopes, eye, rotation, which, seen_kinds, where, facing, paint, shapes, bounds, kinds,
                *self.sun_grid.arrays, *ground_grid, colours, lamps,
                self.lit[top:bottom], self.unlit[top:bottom], self.positions[top:bottom], self.normals[top:bottom],
            )  # fmt: skip

    def sunlit(self, points: Array, out: Array) -> None:
        """Sets out (N,) to 1 where the sun reaches a point (N, 3) past the solids, else to 0."""
        sunlit_points(points, *self.solids[:3], *self.sun_grid.arrays, out)

    def reached(self, points: Array, light: Light) -> Array:
        """(N, lamps) 1 where a lamp reaches a point (N, 3) past the solids, else 0."""
        out = np.empty((len(points), len(light.lamps)))
        lamps_reach(points, lamp_table(light), *self.solids[:3], out)
        return out


def tabulate(place: Place) -> tuple[NDArray[np.int32], Array, NDArray[np.int32], Array]:
    """Shapes (S,), bounds (S, 6: low, high), surfaces (S,) and tints (S, 3) of a place's solids."""
    solids = place.solids
    return (
        np.array([int(solid.shape) for solid in solids], np.int32),
        np.array([(*solid.low, *solid.high) for solid in solids], float).reshape(-1, 6),
        np.array([int(solid.surface) for solid in solids], np.int32),
        np.array([solid.tint for solid in solids], float).reshape(-1, 3),
    )


def ambient(light: Light) -> Array:
    """(4, 3): colours of the sun, the sky, the ground and the background."""
    return np.array([light.sun_colour, light.sky, light.ground, light.background], float)


def lamp_table(light: Light) -> Array:
    """(L, 6): position and strength × colour of each lamp."""
    rows = [(*lamp.position, *(lamp.strength * c for c in lamp.colour)) for lamp in light.lamps]
    return np.array(rows, float).reshape(-1, 6)


class SunGrid:
    """Which solids may stand between a point and the sun, by where it lies across the sun's direction."""

    def __init__(self, light: Light, shapes: NDArray[np.int32], bounds: Array, kinds: NDArray[np.int32]) -> None:
        sun = np.array(light.sun, float)
        self.axes = axes_across(sun / math.sqrt((sun**2).sum()))
        casts = kinds != GLOW
        corners = np.array([[(n >> a & 1) * 3 + a for a in range(3)] for n in range(8)])
        along = (bounds[:, corners][:, :, None, :] * self.axes[None, None, :2]).sum(axis=-1)  # (S, 8, 2)
        rectangles = np.concatenate([along.min(axis=1), along.max(axis=1)], axis=1)
        rectangles[~casts] = (1.0, 1.0, -1.0, -1.0)  # empty
        self.shines = max(light.sun_colour) > 0 and sun[1] > 0
        self.arrays = (self.axes, self.shines, *grid_of(rectangles, np.array([-70.0, 70])))


def axes_across(direction: Array) -> Array:
    """(3, 3) two unit axes across a unit direction, and itself."""
    side = np.array([direction[2], 0.0, -direction[0]])
    length = math.sqrt((side**2).sum())
    side = side / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])
    return np.stack([side, np.cross(direction, side), direction])


def grid_of(
    rectangles: Array, limits: Array
) -> tuple[float, float, float, float, NDArray[np.int32], NDArray[np.int32]]:
    """`GRID`² cells over rectangles, each with a list of the rectangles that touch it.

    Args:
        rectangles: (S, 4), low u, low v, high u, high v.
        limits: (2,), least and greatest u and v, to which rectangles are cut.

    Returns:
        The lowest u and v. Cells a metre along u and v. Each cell's start (cells + 1,) in the lists, and the lists.
    """
    low = np.maximum(rectangles[:, :2].min(axis=0, initial=limits[1]), limits[0])
    high = np.maximum(np.minimum(rectangles[:, 2:].max(axis=0, initial=limits[0]), limits[1]), low + 1)
    scale = GRID / (high - low)
    cells = np.floor((rectangles - np.tile(low, 2)) * np.tile(scale, 2)).astype(np.int64)
    cells[:, :2] = np.maximum(cells[:, :2], 0)
    cells[:, 2:] = np.minimum(cells[:, 2:], GRID - 1)
    count = np.zeros((GRID, GRID), np.int64)
    for u0, v0, u1, v1 in cells:
        count[v0 : v1 + 1, u0 : u1 + 1] += 1
    starts = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    items = np.empty(starts[-1], np.int32)
    free = starts[:-1].copy().reshape(GRID, GRID)
    for i, (u0, v0, u1, v1) in enumerate(cells):
        items[free[v0 : v1 + 1, u0 : u1 + 1]] = i
        free[v0 : v1 + 1, u0 : u1 + 1] += 1
    return float(low[0]), float(low[1]), float(scale[0]), float(scale[1]), starts, items


@njit(cache=True, nogil=True, error_model="numpy")
def gap(x, y, z):
    """0…1, smooth noise: where it is high, foliage lets a ray through.

    Its hash is that of `materials.hashed`, written again, since compiled loops call none of another file.
    """
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    x -= i
    y -= j
    z -= k
    total = 0.0
    for corner in range(8):
        a, b, c = corner & 1, corner >> 1 & 1, corner >> 2
        n = ((i + a) * 374761393 + (j + b) * 668265263 + (k + c) * 1274126177) & 0xFFFFFFFF
        n = ((n ^ (n >> 13)) * 1103515245) & 0xFFFFFFFF
        n = ((n ^ (n >> 16)) * 2654435761) & 0xFFFFFFFF
        share = (x if a else 1 - x) * (y if b else 1 - y) * (z if c else 1 - z)
        total += share * ((n >> 8) & 0xFFFF) / 65535.0
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def cross(low, high, origin, direction):
    """Where a ray is between two planes across an axis, and the sign of the normal where it enters.

    A ray that never is enters behind where it leaves.
    """
    if direction == 0.0:
        if origin < low or origin > high:
            return FAR, -FAR, 0.0
        return -FAR, FAR, 0.0
    a, b = (low - origin) / direction, (high - origin) / direction
    if a > b:
        a, b = b, a
    return a, b, -1.0 if direction > 0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def meet(shape, bounds, i, ox, oy, oz, dx, dy, dz):
    """Where a ray enters and leaves solid i, and the normal where it enters. `FAR` if it misses."""
    if shape == BOX:
        enter, leave, nx = cross(bounds[i, 0], bounds[i, 3], ox, dx)
        ny = nz = 0.0
        first, last, side = cross(bounds[i, 1], bounds[i, 4], oy, dy)
        if first > enter:
            enter, nx, ny = first, 0.0, side
        leave = min(leave, last)
        first, last, side = cross(bounds[i, 2], bounds[i, 5], oz, dz)
        if first > enter:
            enter, nx, ny, nz = first, 0.0, 0.0, side
        leave = min(leave, last)
        if enter > leave:
            return FAR, FAR, 0.0, 0.0, 0.0
        return enter, leave, nx, ny, nz
    cx, cz = 0.5 * (bounds[i, 0] + bounds[i, 3]), 0.5 * (bounds[i, 2] + bounds[i, 5])
    wx, wz = 2.0 / (bounds[i, 3] - bounds[i, 0]), 2.0 / (bounds[i, 5] - bounds[i, 2])
    px, pz, qx, qz = (ox - cx) * wx, (oz - cz) * wz, dx * wx, dz * wz
    if shape == CYLINDER:
        a, b, c = qx * qx + qz * qz, px * qx + pz * qz, px * px + pz * pz - 1.0
        enter, leave = -FAR, FAR
        if a > 0.0:
            root = b * b - a * c
            if root <= 0.0:
                return FAR, FAR, 0.0, 0.0, 0.0
            root = math.sqrt(root)
            enter, leave = (-b - root) / a, (-b + root) / a
        elif c > 0.0:
            return FAR, FAR, 0.0, 0.0, 0.0
        nx, ny, nz = (px + enter * qx) * wx, 0.0, (pz + enter * qz) * wz
        first, last, side = cross(bounds[i, 1], bounds[i, 4], oy, dy)
        if first > enter:
            enter, nx, ny, nz = first, 0.0, side, 0.0
        leave = min(leave, last)
    else:
        cy, wy = 0.5 * (bounds[i, 1] + bounds[i, 4]), 2.0 / (bounds[i, 4] - bounds[i, 1])
        py, qy = (oy - cy) * wy, dy * wy
        a, b, c = qx * qx + qy * qy + qz * qz, px * qx + py * qy + pz * qz, px * px + py * py + pz * pz - 1.0
        root = b * b - a * c
        if root <= 0.0:
            return FAR, FAR, 0.0, 0.0, 0.0
        root = math.sqrt(root)
        enter, leave = (-b - root) / a, (-b + root) / a
        nx, ny, nz = (px + enter * qx) * wx, (py + enter * qy) * wy, (pz + enter * qz) * wz
    if enter > leave:
        return FAR, FAR, 0.0, 0.0, 0.0
    length = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return enter, leave, nx * length, ny * length, nz * length


@njit(cache=True, nogil=True, error_model="numpy")
def ragged(ox, oy, oz, dx, dy, dz, enter, leave, nx, ny, nz, near):
    """Where a ray meets the leaves of a round crown: on its near side, its far side or nowhere (`FAR`)."""
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    head_on = abs(nx * dx + ny * dy + nz * dz) / length
    dense = 0.33 + 0.55 * head_on
    if enter > near:
        x, y, z = ox + enter * dx, oy + enter * dy, oz + enter * dz
        if gap(x * 6.0, y * 6.0, z * 6.0) * 0.6 + gap(x * 17.0, y * 17.0, z * 17.0) * 0.4 < dense:
            return enter
    if leave > near:
        x, y, z = ox + leave * dx, oy + leave * dy, oz + leave * dz
        if gap(x * 6.0, y * 6.0, z * 6.0) * 0.6 + gap(x * 17.0, y * 17.0, z * 17.0) * 0.4 < dense:
            return leave
    return FAR


@njit(cache=True, nogil=True, error_model="numpy")
def trace(slopes, eye, rotation, focal, shapes, bounds, kinds, tints, which, seen_kinds, where, facing, tint, size,
          inverse_depth):  # fmt: skip
    """What a band of camera rays, slopes (rows, columns, 2), meets first. The outputs are a row a ray, in order."""
    rows, columns = slopes.shape[0], slopes.shape[1]
    number = shapes.shape[0]
    near_solids = np.empty(number, np.int64)
    ox, oy, oz = eye[0], eye[1], eye[2]
    wide = TILE * SAMPLES
    plane = np.empty((5, 3))
    for left in range(0, columns, wide):
        right = min(columns, left + wide)
        low_u = low_v = FAR
        high_u = high_v = -FAR
        for y in range(rows):
            for x in range(left, right):
                low_u, high_u = min(low_u, slopes[y, x, 0]), max(high_u, slopes[y, x, 0])
                low_v, high_v = min(low_v, slopes[y, x, 1]), max(high_v, slopes[y, x, 1])
        for k in range(3):
            plane[0, k] = rotation[0, k] - low_u * rotation[2, k]
            plane[1, k] = high_u * rotation[2, k] - rotation[0, k]
            plane[2, k] = rotation[1, k] - low_v * rotation[2, k]
            plane[3, k] = high_v * rotation[2, k] - rotation[1, k]
            plane[4, k] = rotation[2, k]
        near_count = 0
        for i in range(number):
            inside = True
            for p in range(5):
                total = 0.0
                for k in range(3):
                    corner = bounds[i, k + 3] if plane[p, k] > 0 else bounds[i, k]
                    total += plane[p, k] * (corner - eye[k])
                if total < -1e-9:
                    inside = False
                    break
            if inside:
                near_solids[near_count] = i
                near_count += 1
        for y in range(rows):
            for x in range(left, right):
                u, v = slopes[y, x, 0], slopes[y, x, 1]
                dx = rotation[0, 0] * u + rotation[1, 0] * v + rotation[2, 0]
                dy = rotation[0, 1] * u + rotation[1, 1] * v + rotation[2, 1]
                dz = rotation[0, 2] * u + rotation[1, 2] * v + rotation[2, 2]
                best, hit, hx, hy, hz = FAR, -1, 0.0, 0.0, 0.0
                for n in range(near_count):
                    i = near_solids[n]
                    enter, leave, nx, ny, nz = meet(shapes[i], bounds, i, ox, oy, oz, dx, dy, dz)
                    if enter >= best:
                        continue
                    if kinds[i] == LEAVES and shapes[i] != BOX:
                        enter = ragged(ox, oy, oz, dx, dy, dz, enter, leave, nx, ny, nz, 0.1)
                    if 0.1 < enter < best:
                        best, hit, hx, hy, hz = enter, i, nx, ny, nz
                at = y * columns + x
                which[at] = hit
                if hit < 0:
                    seen_kinds[at] = -1
                    inverse_depth[y, x] = 0.0
                    for k in range(3):
                        where[at, k] = 1e6
                    continue
                seen_kinds[at] = kinds[hit]
                inverse_depth[y, x] = 1.0 / best
                where[at, 0], where[at, 1], where[at, 2] = ox + best * dx, oy + best * dy, oz + best * dz
                facing[at, 0], facing[at, 1], facing[at, 2] = hx, hy, hz
                length = math.sqrt(dx * dx + dy * dy + dz * dz)
                head_on = abs(hx * dx + hy * dy + hz * dz) / length
                size[at] = best * length / focal / SAMPLES / math.sqrt(max(0.02, head_on))
                for k in range(3):
                    tint[at, k] = tints[hit, k]


@njit(cache=True, nogil=True, error_model="numpy")
def in_sun(x, y, z, shapes, bounds, kinds, axes, low_u, low_v, cells_u, cells_v, starts, items):
    """1 where no solid stands between a point and the sun, else 0."""
    u = x * axes[0, 0] + y * axes[0, 1] + z * axes[0, 2]
    v = x * axes[1, 0] + y * axes[1, 1] + z * axes[1, 2]
    column, row = math.floor((u - low_u) * cells_u), math.floor((v - low_v) * cells_v)
    if column < 0 or row < 0 or column >= GRID or row >= GRID:
        return 1.0
    dx, dy, dz = axes[2, 0], axes[2, 1], axes[2, 2]
    for n in range(starts[row * GRID + column], starts[row * GRID + column + 1]):
        i = items[n]
        if bounds[i, 4] <= y:
            continue
        enter, leave, nx, ny, nz = meet(shapes[i], bounds, i, x, y, z, dx, dy, dz)
        if enter == FAR or leave < 1e-4:
            continue
        if kinds[i] == LEAVES and shapes[i] != BOX:
            if ragged(x, y, z, dx, dy, dz, enter, leave, nx, ny, nz, 1e-3) < FAR:
                return 0.0
        elif enter > -1e-4:
            return 0.0
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def sunlit_points(points, shapes, bounds, kinds, axes, shines, low_u, low_v, cells_u, cells_v, starts, items, out):
    """Sets out (N,) to 1 where the sun reaches a point (N, 3) past the solids, else to 0."""
    for i in range(points.shape[0]):
        out[i] = 0.0
        if shines:
            # Soles may dip a little below the ground, which must not shade them.
            y = max(0.02, points[i, 1])
            out[i] = in_sun(
                points[i, 0], y, points[i, 2], shapes, bounds, kinds, axes, low_u, low_v, cells_u, cells_v, starts,
                items,
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def lamps_reach(points, lamps, shapes, bounds, kinds, out):
    """Sets out (N, L) to 1 where a lamp reaches a point (N, 3) past the solids, else to 0."""
    for n in range(points.shape[0]):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for m in range(lamps.shape[0]):
            dx, dy, dz = lamps[m, 0] - x, lamps[m, 1] - y, lamps[m, 2] - z
            out[n, m] = 1.0
            for i in range(shapes.shape[0]):
                if kinds[i] == GLOW:
                    continue
                enter, _, _, _, _ = meet(shapes[i], bounds, i, x, y, z, dx, dy, dz)
                if 1e-4 < enter < 0.97:
                    out[n, m] = 0.0
                    break


@njit(cache=True, nogil=True, error_model="numpy")
def distance(shape, bounds, i, x, y, z):
    """From a point to a solid's surface, roughly for round ones. It is negative inside."""
    px = abs(x - 0.5 * (bounds[i, 0] + bounds[i, 3]))
    py = abs(y - 0.5 * (bounds[i, 1] + bounds[i, 4]))
    pz = abs(z - 0.5 * (bounds[i, 2] + bounds[i, 5]))
    wx, wy = 0.5 * (bounds[i, 3] - bounds[i, 0]), 0.5 * (bounds[i, 4] - bounds[i, 1])
    wz = 0.5 * (bounds[i, 5] - bounds[i, 2])
    if shape == BOX:
        qx, qy, qz = px - wx, py - wy, pz - wz
        ax, ay, az = max(0.0, qx), max(0.0, qy), max(0.0, qz)
        return math.sqrt(ax * ax + ay * ay + az * az) + min(0.0, max(qx, qy, qz))
    if shape == CYLINDER:
        qx = (math.sqrt(px * px / (wx * wx) + pz * pz / (wz * wz)) - 1.0) * min(wx, wz)
        qy = py - wy
        ax, ay = max(0.0, qx), max(0.0, qy)
        return math.sqrt(ax * ax + ay * ay) + min(0.0, max(qx, qy))
    return (math.sqrt(px * px / (wx * wx) + py * py / (wy * wy) + pz * pz / (wz * wz)) - 1.0) * min(wx, wy, wz)


@njit(cache=True, nogil=True, error_model="numpy")
def openness(x, y, z, nx, ny, nz, shapes, bounds, low_u, low_v, cells_u, cells_v, starts, items):
    """Share of ambient light that reaches a point past the solids around it.

    It says how much room there is in front of the point.
    """
    column, row = math.floor((x - low_u) * cells_u), math.floor((z - low_v) * cells_v)
    if column < 0 or row < 0 or column >= GRID or row >= GRID:
        return 1.0
    first, last = starts[row * GRID + column], starts[row * GRID + column + 1]
    shut = 0.0
    reach, share = REACH, 0.42
    for _ in range(3):
        px, py, pz = x + nx * reach, y + ny * reach, z + nz * reach
        room = reach
        for n in range(first, last):
            i = items[n]
            if bounds[i, 1] > py + room or bounds[i, 4] < py - room:
                continue
            room = min(room, distance(shapes[i], bounds, i, px, py, pz))
        shut += share * (1.0 - max(0.0, room) / reach)
        reach *= 0.4
        share *= 0.75
    return max(0.15, 1.0 - shut)


@njit(cache=True, nogil=True, error_model="numpy")
def sky_towards(colours, dy, k):
    """The background's colour channel k seen at a slope dy: paler near the horizon."""
    up = min(1.0, max(0.0, dy))
    haze = (1.0 - up) * (1.0 - up) * (1.0 - up)
    grey = (colours[3, 0] + colours[3, 1] + colours[3, 2]) / 3.0
    return colours[3, k] * (1.0 - 0.45 * haze) + 0.55 * haze * grey


@njit(cache=True, nogil=True, error_model="numpy")
def illuminate(slopes, eye, rotation, which, seen_kinds, where, facing, paint, shapes, bounds, kinds, axes, shines,
               sun_u, sun_v, sun_cells_u, sun_cells_v, sun_starts, sun_items, low_u, low_v, cells_u, cells_v, starts,
               items, colours, lamps, lit, unlit, positions, normals):  # fmt: skip
    """Lights a band of rays and averages them to pixels.

    The outputs are lit, unlit, positions and normals (rows / 2, columns / 2, 3).
    """
    columns = slopes.shape[1]
    even = np.zeros(3)  # ambient and lamps' light, which samples of one surface share within a pixel
    share = 1.0 / (SAMPLES * SAMPLES)
    for y in range(lit.shape[0]):
        for x in range(lit.shape[1]):
            lit_solid = -1  # whose ambient and lamps' light is in `even`, where its normal is (kx, ky, kz)
            kx = ky = kz = 0.0
            for sample in range(SAMPLES * SAMPLES):
                row, column = y * SAMPLES + sample // SAMPLES, x * SAMPLES + sample % SAMPLES
                at = row * columns + column
                px, py, pz = where[at, 0], where[at, 1], where[at, 2]
                nx, ny, nz = facing[at, 0], facing[at, 1], facing[at, 2]
                if sample == 0:
                    positions[y, x, 0], positions[y, x, 1], positions[y, x, 2] = px, py, pz
                    normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = nx, ny, nz
                u, v = slopes[row, column, 0], slopes[row, column, 1]
                dx = rotation[0, 0] * u + rotation[1, 0] * v + rotation[2, 0]
                dy = rotation[0, 1] * u + rotation[1, 1] * v + rotation[2, 1]
                dz = rotation[0, 2] * u + rotation[1, 2] * v + rotation[2, 2]
                length = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
                dx, dy, dz = dx * length, dy * length, dz * length
                if which[at] < 0:
                    for k in range(3):
                        c = min(4.0, sky_towards(colours, dy, k)) * share
                        lit[y, x, k] += c
                        unlit[y, x, k] += c
                    continue
                if seen_kinds[at] == GLOW:
                    for k in range(3):
                        c = min(8.0, paint[at, k]) * share
                        lit[y, x, k] += c
                        unlit[y, x, k] += c
                    continue
                if lit_solid != which[at] or kx * nx + ky * ny + kz * nz < 0.98:
                    lit_solid, kx, ky, kz = which[at], nx, ny, nz
                    light = openness(
                        px, py, pz, nx, ny, nz, shapes, bounds, low_u, low_v, cells_u, cells_v, starts, items
                    )
                    for k in range(3):
                        even[k] = light * (colours[2, k] + (colours[1, k] - colours[2, k]) * (0.5 + 0.5 * ny))
                    for m in range(lamps.shape[0]):
                        lx, ly, lz = lamps[m, 0] - px, lamps[m, 1] - py, lamps[m, 2] - pz
                        square = lx * lx + ly * ly + lz * lz
                        strength = (nx * lx + ny * ly + nz * lz) / math.sqrt(square)
                        if strength > 0:
                            strength *= (0.3 + 0.7 * light) / (1.0 + 0.06 * square)
                            for k in range(3):
                                even[k] += lamps[m, 3 + k] * strength
                sun = nx * axes[2, 0] + ny * axes[2, 1] + nz * axes[2, 2]
                if seen_kinds[at] == LEAVES:
                    sun = 0.35 + 0.65 * sun  # leaves face every way and let light through
                if not shines or sun <= 0:
                    sun = 0.0
                else:
                    sun *= in_sun(
                        px + nx * 1e-3, py + ny * 1e-3, pz + nz * 1e-3, shapes, bounds, kinds, axes, sun_u, sun_v,
                        sun_cells_u, sun_cells_v, sun_starts, sun_items,
                    )  # fmt: skip
                gloss = paint[at, 3]
                mirror = 0.0
                towards = dx * nx + dy * ny + dz * nz
                if gloss > 0:
                    graze = 1.0 - min(1.0, -towards)
                    graze2 = graze * graze
                    mirror = gloss * (0.05 + 0.75 * graze2 * graze2 * graze)
                ry = dy - 2.0 * towards * ny
                for k in range(3):
                    c = paint[at, k] * even[k]
                    if mirror > 0:
                        c += mirror * (sky_towards(colours, ry, k) if ry > 0 else 0.6 * colours[2, k])
                    lit[y, x, k] += min(6.0, c + paint[at, k] * colours[0, k] * sun) * share
                    unlit[y, x, k] += min(6.0, c) * share
