"""How things look close up: colours and patterns, of cloth by rest position, of the place by world position.

Nothing here is a picture. Every pattern is a formula of where a point lies, with whole-number hashes for randomness.
Details that are finer than a pixel fade into their mean, so that far things do not shimmer.
"""

from __future__ import annotations

import math
from enum import IntEnum

from numba import njit

from sample_videos.world.body import Layer


class Surface(IntEnum):
    """What a solid of a place is made of. Most are greyish, so that a tint colours them."""

    ASPHALT = 0
    PAVING = 1
    BRICK = 2
    PLASTER = 3
    FACADE = 4  # a wall with windows
    LEAVES = 5
    GLASS = 6
    STEEL = 7
    WOOD = 8
    TILES = 9
    PAINT = 10  # plain, takes its tint
    GRASS = 11
    CONCRETE = 12
    GLOW = 13  # a lamp or a lit pane: takes no light, gives its own
    CARPET = 14
    SHELVES = 15  # rows of small coloured goods
    POSTERS = 16  # a wall of pictures and letters


class Cloth(IntEnum):
    """The pattern of a layer of a person, from its colours A and B."""

    PLAIN = 0
    STRIPES = 1  # horizontal
    PINSTRIPES = 2  # vertical
    PLAID = 3
    DOTS = 4
    BLOCKS = 5  # the upper part in B
    PRINT = 6  # a picture on the chest
    CAMOUFLAGE = 7
    DENIM = 8
    BAND = 9  # one band of B across
    LETTERS = 10  # a line of marks on the back
    FACE = 11  # skin, with eyes, brows and mouth on the head, and B is the brows' colour
    STRANDS = 12  # hair
    SOLES = 13  # shoes with soles of B
    REFLECTIVE = 14  # a safety vest: B bands, brighter than white


# Numba takes plain integers as constants, not members of an enum.
ASPHALT, PAVING, BRICK, PLASTER, FACADE, LEAVES = (int(surface) for surface in list(Surface)[:6])
GLASS, STEEL, WOOD, TILES, PAINT, GRASS = (int(surface) for surface in list(Surface)[6:12])
CONCRETE, GLOW, CARPET, SHELVES, POSTERS = (int(surface) for surface in list(Surface)[12:])
PLAIN, STRIPES, PINSTRIPES, PLAID, DOTS, BLOCKS, PRINT = (int(cloth) for cloth in list(Cloth)[:7])
CAMOUFLAGE, DENIM, BAND, LETTERS, FACE, STRANDS, SOLES, REFLECTIVE = (int(cloth) for cloth in list(Cloth)[7:])
SKIN, TOP, BOTTOM, SHOES = int(Layer.SKIN), int(Layer.TOP), int(Layer.BOTTOM), int(Layer.SHOES)
HAIR, CARRIED, INNER, CANOPY = int(Layer.HAIR), int(Layer.CARRIED), int(Layer.INNER), int(Layer.CANOPY)


@njit(cache=True, nogil=True, error_model="numpy")
def hashed(i, j, k):
    """0…1 from three whole numbers."""
    n = (i * 374761393 + j * 668265263 + k * 1274126177) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1103515245) & 0xFFFFFFFF
    n = ((n ^ (n >> 16)) * 2654435761) & 0xFFFFFFFF
    return ((n >> 8) & 0xFFFF) / 65535.0


@njit(cache=True, nogil=True, error_model="numpy")
def noise(x, y, z):
    """0…1, smooth, one blob a unit cube."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    x -= i
    y -= j
    z -= k
    x = x * x * (3 - 2 * x)
    y = y * y * (3 - 2 * y)
    z = z * z * (3 - 2 * z)
    a = hashed(i, j, k) * (1 - x) + hashed(i + 1, j, k) * x
    b = hashed(i, j + 1, k) * (1 - x) + hashed(i + 1, j + 1, k) * x
    c = hashed(i, j, k + 1) * (1 - x) + hashed(i + 1, j, k + 1) * x
    d = hashed(i, j + 1, k + 1) * (1 - x) + hashed(i + 1, j + 1, k + 1) * x
    return (a * (1 - y) + b * y) * (1 - z) + (c * (1 - y) + d * y) * z


@njit(cache=True, nogil=True, error_model="numpy")
def cloudy(x, y, z):
    """0…1, noise of three sizes."""
    return (4 * noise(x, y, z) + 2 * noise(2.03 * x, 2.03 * y, 2.03 * z) + noise(4.1 * x, 4.1 * y, 4.1 * z)) / 7


@njit(cache=True, nogil=True, error_model="numpy")
def ramp(a, b, x):
    """0 before a, 1 after b, smooth between."""
    t = min(1.0, max(0.0, (x - a) / (b - a)))
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True, error_model="numpy")
def part(x):
    """Of a number, what is behind the point."""
    return x - math.floor(x)


@njit(cache=True, nogil=True, error_model="numpy")
def line(x, width, blur):
    """Share of a stripe `width` (of 1) wide at the start of every unit, seen through a window `blur` wide."""
    if blur >= 1.0:
        return width
    blur = max(blur, 1e-3)
    t = part(x)
    # The window's overlap with the stripe in this unit and with the next unit's.
    low, high = t - 0.5 * blur, t + 0.5 * blur
    here = max(0.0, min(high, width) - max(low, 0.0))
    after = max(0.0, min(high, 1.0 + width) - max(low, 1.0))
    before = max(0.0, min(high, width - 1.0) - max(low, -1.0))
    return min(1.0, (here + after + before) / blur)


@njit(cache=True, nogil=True, error_model="numpy")
def surface(kind, x, y, z, nx, ny, nz, size):
    """R, G, B and gloss of a surface at a point. `size` is a pixel's there, m."""
    if abs(ny) > 0.6:
        u, v = x, z
    elif abs(nx) > abs(nz):
        u, v = z, y
    else:
        u, v = x, y
    upright = abs(ny) <= 0.6
    fine = 0.5
    if size < 0.03:
        fine += (noise(x * 55, y * 55, z * 55) - 0.5) * (1 - size / 0.03)
    broad = cloudy(x * 0.9, y * 0.9, z * 0.9)
    r, g, b, shine = 0.5, 0.5, 0.5, 0.0
    if kind == ASPHALT:
        patch = ramp(0.53, 0.57, cloudy(x * 0.3 + 9, y, z * 0.3))
        m = (0.72 + 0.56 * broad) * (0.72 + 0.56 * fine) * (1 - 0.2 * patch)
        r, g, b = 0.165 * m, 0.165 * m, 0.17 * m
    elif kind == PAVING:
        ty = v / 0.4
        row = math.floor(ty)
        tx = u / 0.6 + 0.5 * (row & 1)
        slab = hashed(math.floor(tx), row, 1)
        gap = max(line(tx, 0.025, size / 0.6), line(ty, 0.035, size / 0.4))
        m = (0.8 + 0.3 * slab) * (1 - 0.45 * gap) * (0.76 + 0.48 * broad) * (0.88 + 0.24 * fine)
        r, g, b = 0.40 * m, 0.385 * m, 0.365 * m
    elif kind == BRICK:
        ty = v / 0.085
        row = math.floor(ty)
        tx = u / 0.25 + 0.5 * (row & 1)
        w = 0.7 + 0.55 * hashed(math.floor(tx), row, 2)
        joint = max(line(tx, 0.05, size / 0.25), line(ty, 0.14, size / 0.085))
        m = (0.78 + 0.44 * broad) * (0.9 + 0.2 * fine)
        r = (0.34 * w * (1 - joint) + 0.40 * joint) * m
        g = (0.16 * w * (1 - joint) + 0.37 * joint) * m
        b = (0.11 * w * (1 - joint) + 0.34 * joint) * m
    elif kind == PLASTER:
        m = (0.86 + 0.24 * broad) * (0.96 + 0.08 * fine)
        if upright:
            m *= 1 - 0.16 * ramp(0.6, 0.0, y + 0.5 * broad)
        r, g, b = 0.62 * m, 0.60 * m, 0.56 * m
    elif kind == FACADE:
        m = (0.85 + 0.3 * broad) * (0.96 + 0.08 * fine)
        r, g, b = 0.50 * m, 0.47 * m, 0.42 * m
        if upright:
            column, floor = math.floor(u / 2.4), math.floor(v / 3.1)
            fx, fy = part(u / 2.4), part(v / 3.1)
            if 0.22 < fx < 0.78 and 0.27 < fy < 0.82:
                r, g, b = 0.66, 0.66, 0.65
                bar = abs(fx - 0.5) < 0.012
                if 0.25 < fx < 0.75 and 0.30 < fy < 0.79 and not bar:
                    inside = hashed(column, floor, 3)
                    curtain = 0.32 if inside > 0.6 and fx < 0.25 + 0.5 * part(inside * 7) else 0.0
                    r, g, b = 0.03 + curtain, 0.035 + curtain, 0.045 + 0.9 * curtain
                    shine = 0.9
            elif 0.20 < fx < 0.80 and 0.235 < fy <= 0.27:
                r, g, b = 0.55, 0.54, 0.52  # the sill
    elif kind == LEAVES:
        # Askew to the axes, or the noise's cubes would show on a hedge.
        ax, ay, az = 0.80 * x + 0.36 * y - 0.48 * z, 0.80 * y - 0.60 * x, 0.60 * y * 0.8 + 0.8 * z + 0.3 * x
        clump = noise(ax * 5, ay * 5, az * 5)
        leaf = noise(ax * 21, ay * 21, az * 21) if size < 0.10 else 0.5
        bright = noise(az * 47, ax * 47, ay * 47) if size < 0.03 else 0.5
        m = (0.25 + 0.9 * clump) * (0.25 + 1.5 * leaf * leaf + 0.3 * leaf) * (0.7 + 0.6 * bright)
        r, g, b = (0.095 + 0.05 * clump) * m, 0.155 * m, 0.05 * m
    elif kind == GLASS:
        m = 0.7 + 0.6 * noise(u * 0.8, v * 0.8, 1.0)
        r, g, b, shine = 0.035 * m, 0.042 * m, 0.045 * m, 1.0
    elif kind == STEEL:
        brushed = noise(u * 3, v * 90, 2.0) if size < 0.02 else 0.5
        m = (0.85 + 0.3 * brushed) * (0.9 + 0.2 * broad)
        r, g, b, shine = 0.34 * m, 0.35 * m, 0.37 * m, 0.35
    elif kind == WOOD:
        board = math.floor(v / 0.14)
        ring = noise(u * 1.5, v * 26, hashed(board, 3, 1) * 40)
        m = (0.7 + 0.5 * ring) * (0.8 + 0.4 * hashed(board, 1, 7)) * (1 - 0.5 * line(v / 0.14, 0.05, size / 0.14))
        r, g, b, shine = 0.34 * m, 0.21 * m, 0.12 * m, 0.06
    elif kind == TILES:
        tx, ty = u / 0.6, v / 0.6
        tile = hashed(math.floor(tx), math.floor(ty), 5)
        gap = max(line(tx, 0.014, size / 0.6), line(ty, 0.014, size / 0.6))
        m = (0.88 + 0.12 * tile) * (1 - 0.4 * gap) * (0.9 + 0.2 * broad) * (0.96 + 0.08 * fine)
        r, g, b, shine = 0.52 * m, 0.515 * m, 0.50 * m, 0.3 * (1 - gap)
    elif kind == PAINT:
        m = (0.94 + 0.12 * broad) * (0.97 + 0.06 * fine)
        r, g, b, shine = 0.72 * m, 0.72 * m, 0.72 * m, 0.10
    elif kind == GRASS:
        blade = noise(x * 90, y * 30, z * 90) if size < 0.03 else 0.5
        dry = ramp(0.35, 0.75, cloudy(x * 0.4, 3.0, z * 0.4))
        m = (0.5 + 0.55 * blade) * (0.65 + 0.7 * broad) * (0.8 + 0.4 * fine)
        r, g, b = (0.125 + 0.09 * dry) * m, (0.185 + 0.02 * dry) * m, 0.06 * m
    elif kind == CONCRETE:
        seam = max(line(u / 2.5, 0.006, size / 2.5), line(v / 2.5, 0.006, size / 2.5))
        m = (0.75 + 0.5 * broad) * (0.88 + 0.24 * fine) * (1 - 0.4 * seam)
        if upright:
            m *= 0.9 + 0.2 * noise(u * 7, v * 0.5, 4.0)  # run-off
        r, g, b = 0.40 * m, 0.395 * m, 0.38 * m
    elif kind == GLOW:
        r, g, b = 1.0, 1.0, 1.0
    elif kind == CARPET:
        fleck = noise(x * 160, y * 160, z * 160) if size < 0.015 else 0.5
        square = (math.floor(u / 0.5) + math.floor(v / 0.5)) & 1
        m = (0.75 + 0.5 * fleck) * (0.9 + 0.2 * broad) * (0.94 + 0.06 * square)
        r, g, b = 0.30 * m, 0.30 * m, 0.31 * m
    elif kind == SHELVES:
        r, g, b = shelf(u, v, size) if upright else (0.45, 0.44, 0.42)
    elif kind == POSTERS:
        r, g, b = poster(u, v, size) if upright else (0.5, 0.5, 0.48)
    return r, g, b, shine


@njit(cache=True, nogil=True, error_model="numpy")
def any_colour(i, j, k):
    """A colour of print and packing: half of them white, grey or black, the others of any hue."""
    tone = 0.04 + 0.7 * hashed(i, j, k + 11) * hashed(i, j, k + 14)
    pure = max(0.0, 1.8 * hashed(i, j, k + 12) - 0.8)
    hue = hashed(i, j, k + 13) * 6
    r = min(1.0, max(0.0, abs(hue - 3) - 1))
    g = min(1.0, max(0.0, 2 - abs(hue - 2)))
    b = min(1.0, max(0.0, 2 - abs(hue - 4)))
    if pure == 0:
        tone += 0.25 * hashed(i, j, k + 15)
    return tone * (1 - pure * (1 - r)), tone * (1 - pure * (1 - g)), tone * (1 - pure * (1 - b))


@njit(cache=True, nogil=True, error_model="numpy")
def shelf(u, v, size):
    """Boards 36 cm apart with goods of random widths, heights and colours on them."""
    row = math.floor(v / 0.36)
    level = part(v / 0.36)
    if level < 0.07:
        return 0.50, 0.49, 0.47
    bay = math.floor(u / 0.8)
    wide = 0.07 + 0.13 * hashed(bay, row, 21)  # all goods of a bay are of one kind
    piece = math.floor(u / wide)
    at = part(u / wide)
    tall = 0.45 + 0.42 * hashed(bay, row, 22)
    if part(u / 0.8) * 0.8 < 0.02:
        return 0.42, 0.41, 0.40
    if level > 0.07 + tall or hashed(piece, row, 23) < 0.06 or at < 0.06:
        dark = 0.05 + 0.06 * level
        return dark, dark, dark
    r, g, b = any_colour(bay, row, 24 + int(hashed(piece, row, 25) * 2.2))
    label = 0.3 < (level - 0.07) / tall < 0.65 and 0.18 < at < 0.9 and hashed(bay, row, 26) > 0.35
    if label:
        r, g, b = 0.55 + 0.3 * r, 0.55 + 0.3 * g, 0.5 + 0.3 * b
        if size < 0.02 and hashed(int(u * 90), int(v * 60), row) > 0.6:
            r, g, b = 0.12, 0.12, 0.14
    m = 1.0 - 0.35 * abs(at - 0.5)
    return r * m, g * m, b * m


@njit(cache=True, nogil=True, error_model="numpy")
def poster(u, v, size):
    """Posters of 1.2 × 1.6 m, each a ground, a few shapes and lines of letters."""
    i, j = math.floor(u / 1.2), math.floor(v / 1.6)
    x, y = part(u / 1.2), part(v / 1.6)
    if x < 0.05 or x > 0.95 or y < 0.04 or y > 0.96 or hashed(i, j, 40) < 0.12:
        return 0.46, 0.45, 0.43
    r, g, b = any_colour(i, j, 41)
    fade = 0.7 + 0.5 * y
    r, g, b = r * fade, g * fade, b * fade
    for k in range(3):
        across, up = 0.2 + 0.6 * hashed(i, j, 42 + k), 0.35 + 0.5 * hashed(i, j, 45 + k)
        wide, high = 0.1 + 0.3 * hashed(i, j, 48 + k), 0.08 + 0.25 * hashed(i, j, 51 + k)
        dx, dy = (x - across) / wide, (y - up) / high
        inside = dx * dx + dy * dy < 1 if hashed(i, j, 54 + k) < 0.5 else max(abs(dx), abs(dy)) < 0.8
        if inside:
            r, g, b = any_colour(i, j, 57 + k)
    text = part(y / 0.055)
    if y < 0.30 and 0.12 < x < 0.88 and text > 0.45:
        if size > 0.025:
            r, g, b = 0.6 * r + 0.02, 0.6 * g + 0.02, 0.6 * b + 0.02
        elif hashed(int(x * 42), int(y / 0.055), i * 7 + j) > 0.42:
            r, g, b = 0.04, 0.04, 0.05
    return r, g, b


@njit(cache=True, nogil=True, error_model="numpy")
def paint_surfaces(kinds, tints, positions, normals, sizes, out):
    """Fills out (N, 4) with R, G, B and gloss at N points of surfaces.

    Args:
        kinds: (N,) of Surface. Where it is negative there is nothing, and out stays as it is.
        tints: (N, 3).
        positions: (N, 3) m.
        normals: (N, 3).
        sizes: (N,) m, of a pixel there.
        out: (N, 4).
    """
    for i in range(kinds.shape[0]):
        if kinds[i] < 0:
            continue
        r, g, b, shine = surface(
            kinds[i],
            positions[i, 0],
            positions[i, 1],
            positions[i, 2],
            normals[i, 0],
            normals[i, 1],
            normals[i, 2],
            sizes[i],
        )
        out[i, 0] = r * tints[i, 0]
        out[i, 1] = g * tints[i, 1]
        out[i, 2] = b * tints[i, 2]
        out[i, 3] = shine


@njit(cache=True, nogil=True, error_model="numpy")
def share_of_b(kind, scale, texture, rx, ry, rz, facing, x, y, size):
    """How much of colour B a pattern shows at a rest position.

    x, y are the same position with the arms hanging straight.
    """
    if kind == STRIPES:
        return line(y * scale * 9, 0.5, size * scale * 9 + 0.06)
    if kind == PINSTRIPES:
        return 0.75 * line(x * scale * 24, 0.16, size * scale * 24 + 0.05)
    if kind == PLAID:
        across = line(x * scale * 10, 0.4, size * scale * 10 + 0.06)
        along = line(y * scale * 10, 0.4, size * scale * 10 + 0.06)
        thin = line(x * scale * 10 + 0.3, 0.08, size * scale * 10) + line(y * scale * 10 + 0.3, 0.08, size * scale * 10)
        return min(1.0, 0.45 * across + 0.45 * along + 0.25 * thin)
    if kind == DOTS:
        gy = y * scale * 16
        gx = x * scale * 16 + 0.5 * (math.floor(gy) & 1)
        blur = size * scale * 16
        if blur > 1:
            return 0.2
        dx, dy = part(gx) - 0.5, part(gy) - 0.5
        return 1 - ramp(0.24 - 0.3 * blur, 0.28 + 0.3 * blur, math.sqrt(dx * dx + dy * dy))
    if kind == BLOCKS:
        return ramp(1.214 - size, 1.222 + size, ry)
    if kind == PRINT:
        if facing > 0 and max(abs(rx) / 0.095, abs(ry - 1.27) / 0.085) < min(scale, 1.3):
            blob = noise(rx * 32 / scale + texture, ry * 38 / scale, texture)
            return ramp(0.40, 0.46, blob)
        return 0.0
    if kind == CAMOUFLAGE:
        spots = cloudy(rx * 9 * scale + texture, ry * 11 * scale + texture, rz * 9 * scale)
        return ramp(0.47, 0.50, spots)
    if kind == BAND:
        return ramp(1.17 - size, 1.175 + size, ry) * (1 - ramp(1.26, 1.265 + size, ry))
    if kind == LETTERS:
        if facing < -0.2 and abs(rx) < 0.115 and abs(ry - 1.30) < 0.028:
            if size > 0.012:
                return 0.5
            mark = hashed(math.floor((rx + 1) / 0.008), math.floor(ry / 0.011), int(texture * 10))
            return 1.0 if part((rx + 1) / 0.033) > 0.24 and mark > 0.38 else 0.0
        return 0.0
    if kind == SOLES:
        return 1 - ramp(0.020 - 0.5 * size, 0.026 + 0.5 * size, ry)
    if kind == REFLECTIVE:
        ring = line((ry - 1.06) / 0.16, 0.3, size / 0.16 + 0.05) if 1.03 < ry < 1.30 else 0.0
        brace = 1 - ramp(0.025, 0.027 + size, abs(abs(rx) - 0.09))
        return max(ring, brace if ry > 1.22 and abs(rx) < 0.16 else 0.0)
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def face(r, g, b, brow_r, brow_g, brow_b, x, y, z):
    """Skin at a rest position on the head: eyes, brows, lips and warm cheeks."""
    ex, ey = abs(x) - 0.031, y - 1.645
    wx, wy = ex / 0.0140, ey / 0.0052
    white = ramp(1.1, 0.85, math.sqrt(wx * wx + wy * wy))
    iris = ramp(1.1, 0.8, math.sqrt(ex * ex + ey * ey) / 0.0062)
    bx, by = (ex - 0.001) / 0.022, (ey - 0.02) / 0.0055
    brow = 0.85 * ramp(1.2, 0.7, math.sqrt(bx * bx + by * by))
    socket = 0.22 * ramp(1.6, 0.6, math.sqrt(ex * ex / 0.0006 + ey * ey / 0.00025))
    mx, my = x / 0.025, (y - 1.582) / 0.0075
    lips = 0.75 * ramp(1.2, 0.7, math.sqrt(mx * mx + my * my))
    cx, cy = abs(x) - 0.045, y - 1.612
    cheek = 0.10 * ramp(0.034, 0.0, math.sqrt(cx * cx + cy * cy))
    r, g, b = r * (1 - socket), g * (1 - socket - 0.5 * cheek), b * (1 - socket - 0.5 * cheek)
    eye = 0.12 + 0.55 * g
    r += (1.06 * eye - r) * white
    g += (eye - g) * white
    b += (0.98 * eye - b) * white
    r += (0.03 - r) * iris
    g += (0.02 - g) * iris
    b += (0.02 - b) * iris
    r += (0.6 * brow_r - r) * brow
    g += (0.6 * brow_g - g) * brow
    b += (0.6 * brow_b - b) * brow
    return r * (1 - 0.20 * lips), g * (1 - 0.52 * lips), b * (1 - 0.46 * lips)


@njit(cache=True, nogil=True, error_model="numpy")
def paint_cloth(layers, rest, straight, facing, sizes, materials, opening, texture, out):
    """Fills out (N, 4) with R, G, B and gloss of N points of one person.

    Args:
        layers: (N,) of Layer.
        rest: (N, 3) rest positions, m.
        straight: (N, 2) x and y of them with the arms hanging.
        facing: (N,) z of the rest normal, positive in front.
        sizes: (N,) m, of a pixel there.
        materials: (8, 8), of the person's Figure.
        opening: Of the person's Figure.
        texture: Of the person's Figure.
        out: (N, 4).
    """
    for i in range(layers.shape[0]):
        layer = int(layers[i])
        rx, ry, rz, size = rest[i, 0], rest[i, 1], rest[i, 2], sizes[i]
        if layer == TOP and opening > 0 and facing[i] > 0 and abs(rx) < opening + 0.02 * (1.3 - ry):
            layer = INNER
        kind = int(materials[layer, 3])
        r, g, b = materials[layer, 0], materials[layer, 1], materials[layer, 2]
        br, bg, bb = materials[layer, 4], materials[layer, 5], materials[layer, 6]
        share = share_of_b(
            kind, materials[layer, 7], texture, rx, ry, rz, facing[i], straight[i, 0], straight[i, 1], size
        )
        if share > 0:
            r += (br - r) * share
            g += (bg - g) * share
            b += (bb - b) * share
        shine = 0.03
        if layer in (TOP, BOTTOM, INNER):  # what folds leave out: crumples and the weave
            m = 1.0
            if size < 0.018:
                m += 0.16 * (noise(rx * 34 + texture, ry * 27, rz * 34) - 0.5)
            if size < 0.005:
                m += 0.12 * (noise(rx * 210, ry * 210, rz * 210) - 0.5)
            r, g, b = r * m, g * m, b * m
        if kind == DENIM:
            m = 0.82 + 0.36 * noise(rx * 50, ry * 20, rz * 50) if size < 0.02 else 1.0
            worn = 0.35 * ramp(0.25, 0.0, abs(ry - 0.62)) * ramp(0.0, 0.4, facing[i])
            r, g, b = (r + 0.10 * worn) * m, (g + 0.11 * worn) * m, (b + 0.12 * worn) * m
        elif kind == STRANDS:
            m = 0.7 + 0.6 * noise(rx * 150, ry * 14, rz * 150) if size < 0.012 else 1.0
            r, g, b, shine = r * m, g * m, b * m, 0.10
        elif kind == FACE:
            shine = 0.07
            if ry > 1.53 and rz > 0.03:
                r, g, b = face(r, g, b, br, bg, bb, rx, ry, rz)
        elif kind == SOLES:
            shine = 0.08
        elif kind == REFLECTIVE:
            r, g, b, shine = r * (1 + 0.5 * share), g * (1 + 0.5 * share), b * (1 + 0.5 * share), 0.03 + 0.3 * share
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = r, g, b, shine


@njit(cache=True, nogil=True, error_model="numpy")
def relief(x, y, z, texture, wrinkled, hanging):
    """The height of cloth, in folds: wrinkles across, and drapes that hang down."""
    across = noise(x * 8 + texture, y * 15 + 5 * x, z * 8)
    down = noise(x * 18 + 2 * y, y * 3 + texture, z * 18)
    return wrinkled * across + hanging * down


@njit(cache=True, nogil=True, error_model="numpy")
def crease(vertices, normals, layers, texture, out, hollows):
    """Folds of cloth. Fills out (V, 3) with the rest normals, bent, and hollows (V,) with the light at each vertex.

    Hollows are shares of the light. It is done once a person, since folds are wider than the mesh is coarse.
    """
    step = 0.02  # m
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        layer = int(layers[i])
        wrinkled = hanging = 0.0
        if layer in (TOP, INNER):
            arm = ramp(0.20, 0.25, abs(x))
            wrinkled = 0.5 + 0.5 * arm + 0.4 * ramp(1.12, 0.98, y) * ramp(0.80, 0.90, y) * (1 - arm)
            hanging = (0.25 + 0.9 * ramp(1.0, 0.8, y)) * (1 - arm)
        elif layer == BOTTOM:
            dy = (y - 0.50) / 0.11
            wrinkled = 0.35 + 0.5 / (1 + dy * dy) + 0.6 * ramp(0.24, 0.08, y) + 0.3 * ramp(0.75, 0.88, y)
            hanging = 0.45
        elif layer == HAIR:
            hanging = 0.5
        elif layer == CARRIED:
            wrinkled = 0.4
        elif layer == SHOES:
            wrinkled = 0.15
        light = 1.0
        if wrinkled + hanging > 0:
            here = relief(x, y, z, texture, wrinkled, hanging)
            nx -= 0.45 / (step * 8) * (relief(x + step, y, z, texture, wrinkled, hanging) - here)
            ny -= 0.45 / (step * 8) * (relief(x, y + step, z, texture, wrinkled, hanging) - here)
            nz -= 0.45 / (step * 8) * (relief(x, y, z + step, texture, wrinkled, hanging) - here)
            light = 1 - 0.38 * min(1.0, max(0.0, 0.5 * (wrinkled + hanging) - here))
        length = 1 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
        out[i, 0], out[i, 1], out[i, 2] = nx * length, ny * length, nz * length
        if layer <= BOTTOM:
            light *= 1 - 0.4 * ramp(0.10, 0.0, abs(x)) * ramp(0.86, 0.70, y)  # between the legs
        if layer == SKIN:
            dy = (y - 1.50) / 0.045
            light *= 1 - 0.4 / (1 + dy * dy) if 1.40 < y < 1.58 else 1.0  # under the chin
        hollows[i] = light
