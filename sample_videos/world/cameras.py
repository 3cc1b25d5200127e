"""A camera: where it hangs, its lens and its sensor.

Axes are OpenCV's: x right, y down, z forward, and `X_camera = R X_world + t`. The first pixel's centre is (0.5, 0.5).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

NEAR = 0.15  # m, nothing nearer is filmed
NOISE_FIELD = (509, 1021)  # rows, columns of the pre-made noise. They are primes, so that its repeats do not line up.
NOISE_UNIT = 32  # steps of the stored noise that make one standard deviation


@dataclass(frozen=True)
class Sensor:
    """What happens to light behind the lens."""

    exposure: float = 1.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)  # gains of R, G, B
    saturation: float = 1.0
    contrast: float = 0.0  # of an S curve, 0 none
    blur: float = 0.5  # px, sigma
    noise: float = 2.0  # grey levels in the dark


@dataclass(frozen=True)
class Camera:
    """A pinhole with radial distortion, in a place."""

    eye: tuple[float, float, float]  # m
    target: tuple[float, float, float]  # m, what it looks at
    field_of_view: float = 58.0  # degrees, horizontal
    width: int = 960  # px
    height: int = 540  # px
    distortion: float = 0.0  # k1 of x' = x (1 + k1 r²), r in units of the focal length
    sensor: Sensor = field(default_factory=Sensor)


def intrinsics(camera: Camera) -> NDArray[np.float64]:
    """(3, 3) K in pixels. The field of view is the one without distortion."""
    focal = camera.width / 2 / math.tan(math.radians(camera.field_of_view) / 2)
    return np.array([[focal, 0.0, camera.width / 2], [0.0, focal, camera.height / 2], [0.0, 0.0, 1.0]])


def extrinsics(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3, 3) R and (3,) t from world to camera, the horizon level."""
    eye = np.array(camera.eye, float)
    forward = np.array(camera.target, float) - eye
    forward /= math.sqrt((forward**2).sum())
    right = np.array([-forward[2], 0.0, forward[0]])  # forward × up
    right /= math.sqrt((right**2).sum())
    rotation = np.stack([right, np.cross(forward, right), forward])
    return rotation, -(rotation * eye).sum(axis=1)  # a sum, not BLAS: the same bits on every machine


def project(camera: Camera, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) world points → (N, 2) pixels, lens distortion included. NaN for what lies behind the camera."""
    points = np.ascontiguousarray(points, np.float64)
    seen = np.empty((len(points), 3))
    project_points(points, *lens(camera), seen)
    seen[seen[:, 2] <= 0] = np.nan
    return seen[:, :2]


def calibration(camera: Camera) -> dict[str, Any]:
    """K, R, t, k1, width and height as lists and numbers, ready for JSON."""
    rotation, translation = extrinsics(camera)
    return {
        "K": intrinsics(camera).tolist(),
        "R": rotation.tolist(),
        "t": translation.tolist(),
        "k1": camera.distortion,
        "width": camera.width,
        "height": camera.height,
    }


def lens(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float, float]:
    """R, t, focal length (px), centre x, centre y (px) and k1: what the compiled loops take."""
    k = intrinsics(camera)
    return (*extrinsics(camera), float(k[0, 0]), float(k[0, 2]), float(k[1, 2]), camera.distortion)


# Compiled loops call no compiled function of another file anywhere in this package. Numba's cache on disk does not
# notice when that file changes.
@njit(cache=True, nogil=True, error_model="numpy")
def project_points(points, rotation, translation, focal, centre_x, centre_y, k1, out):
    """(N, 3) world points → out (N, 3): x, y in pixels and 1 / depth. Behind the camera this is 0."""
    # Beyond this radius the polynomial of a barrel lens would fold back into the picture.
    limit = 1.0 / (3.0 * -k1) if k1 < 0 else 1e12
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        depth = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2]
        if depth < NEAR:
            out[i, 0] = 0.0
            out[i, 1] = 0.0
            out[i, 2] = 0.0
            continue
        inverse = 1.0 / depth
        u = (rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]) * inverse
        v = (rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]) * inverse
        bend = 1.0 + k1 * min(limit, u * u + v * v)
        out[i, 0] = u * bend * focal + centre_x
        out[i, 1] = v * bend * focal + centre_y
        out[i, 2] = inverse


@njit(cache=True, nogil=True, error_model="numpy")
def undistort_grid(first_row, rows, columns, step, focal, centre_x, centre_y, k1, out):
    """Fills out (rows, columns, 2) with ray slopes x / z, y / z.

    They go through the centres of a grid of cells of `step` px.
    """
    for row in range(rows):
        for column in range(columns):
            u = ((column + 0.5) * step - centre_x) / focal
            v = ((first_row + row + 0.5) * step - centre_y) / focal
            if k1 != 0.0:
                bent = math.sqrt(u * u + v * v)
                r = bent
                for _ in range(8):  # Newton, on r (1 + k1 r²) = bent
                    slope = max(0.1, 1.0 + 3.0 * k1 * r * r)
                    r -= (r * (1.0 + k1 * r * r) - bent) / slope
                if bent > 0:
                    u *= r / bent
                    v *= r / bent
            out[row, column, 0] = u
            out[row, column, 1] = v


def expose(sensor: Sensor, image: NDArray[np.uint8], frame: int, seed: int) -> NDArray[np.uint8]:
    """The image (H, W, 3) as the sensor gives it.

    It has a little blur, and noise that is strongest in the dark. The same image, frame and seed give the same result.
    """
    if sensor.blur > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sensor.blur)  # type: ignore[assignment]
    fields = noise_fields(seed)
    rng = np.random.default_rng([seed, frame, 1])
    which, top, left = (int(rng.integers(size)) for size in fields.shape[:3])
    # The share of the noise that is left at each brightness, in 1/4096 of a grey level per stored step.
    gains = np.rint(sensor.noise * (1.25 - np.arange(256) / 330) / 1.25 * 4096 / NOISE_UNIT).astype(np.int32)
    out = np.empty_like(image)
    add_noise(np.ascontiguousarray(image), fields[which], top, left, gains, out)
    return out


@functools.lru_cache(maxsize=4)
def noise_fields(seed: int) -> NDArray[np.int8]:
    """(2, rows, columns, 3) noise of unit deviation × `NOISE_UNIT`: fine grain of brightness, and coarser of colour."""
    rng = np.random.default_rng([seed, 2])
    fields = np.empty((2, *NOISE_FIELD, 3), np.int8)
    for noise in fields:
        grain = smooth(rng.standard_normal((*NOISE_FIELD, 1), dtype=np.float32), 0.3)
        colour = smooth(rng.standard_normal((*NOISE_FIELD, 3), dtype=np.float32), 0.8)
        noise[:] = np.clip(np.rint((0.85 * grain + 0.5 * colour) * NOISE_UNIT), -127, 127)
    return fields


def smooth(noise: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """White noise (H, W, C) mixed with `share` of each of its neighbours, of unit deviation again.

    Plain sums, as OpenCV's filters round differently from machine to machine.
    """
    for axis in (0, 1):
        noise = noise + np.float32(share) * (np.roll(noise, 1, axis) + np.roll(noise, -1, axis))
    return noise / np.float32(1 + 2 * share * share)


@njit(cache=True, nogil=True, error_model="numpy")
def add_noise(image, noise, top, left, gains, out):
    """Sets out to image + noise × the gain at each pixel's brightness, in whole numbers. The noise wraps around."""
    rows, columns = noise.shape[0], noise.shape[1]
    for y in range(image.shape[0]):
        ny = (top + y) % rows
        nx = left
        for x in range(image.shape[1]):
            r, g, b = int(image[y, x, 0]), int(image[y, x, 1]), int(image[y, x, 2])
            gain = gains[(77 * r + 150 * g + 29 * b) >> 8]
            out[y, x, 0] = min(255, max(0, r + ((noise[ny, nx, 0] * gain + 2048) >> 12)))
            out[y, x, 1] = min(255, max(0, g + ((noise[ny, nx, 1] * gain + 2048) >> 12)))
            out[y, x, 2] = min(255, max(0, b + ((noise[ny, nx, 2] * gain + 2048) >> 12)))
            nx += 1
            if nx == columns:
                nx = 0
