"""A constant-velocity Kalman filter for all tracks at once, in real time.

The state of a track is its box (cx, cy, w, h) in px and the velocities of these in px/s. All noise is proportional to
the height h of the box, the same on all four coordinates. So each coordinate has the same 2×2 covariance of
(position, velocity), and the four are independent. The gain is one pair of scalars a track, without linear algebra.
A test shows that it equals the 8×8 filter with F(dt), Q and R below.

    Q(dt) = h² · [ S·dt + A·dt³/3   A·dt²/2 ]      R = (h/20)²
                 [ A·dt²/2          A·dt    ]

S is a random walk of the position. It is there because a person's box breathes with the gait. At 30 frames a second it
is σ_pos = h/20 a frame. That is as in DeepSORT, ByteTrack and BoT-SORT (Aharon et al., 2022, eq. 5-6). A is white-noise
acceleration. Theirs, σ_vel = h/160 a frame, is bound to the frame rate. At 30 frames a second a velocity wanders by
1.03 h/s within a second, at 10 by 0.2 h/s. Ours is 0.25 h/s at any rate, 0.4 m/s for a grown person. On the synthetic
world at 15 and 5 frames a second it tracks better than theirs at 30. Anything from 0.2 to 0.5 does about as well.

Filters are one float64 array of `ROWS` rows and a column a track, changed in place. Its rows are `POSITION`, `VELOCITY`
and `COVARIANCE` (p00 in px², p01 in px²/s, p11 in px²/s²).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Boxes = NDArray[np.floating]

POSITION, VELOCITY, COVARIANCE, ROWS = slice(0, 4), slice(4, 8), slice(8, 11), 11
CENTRE, SIZE, HEIGHT = slice(0, 2), slice(2, 4), 3  # of POSITION
SIZE_VELOCITY = slice(6, 8)
POSITION_COVARIANCES = slice(8, 10)  # p00 and p01

RATE = 30.0  # frames/s at which the figures of BoT-SORT are meant
SIGMA_POSITION = 1 / 20  # of h: of a measurement, and of the process in a frame
S = SIGMA_POSITION**2 * RATE  # h²/s
A = 0.25**2  # (h/s)²/s
FIRST_POSITION, FIRST_VELOCITY = 2 * SIGMA_POSITION, 10 / 160 * RATE  # h, h/s: what the first box leaves unknown
SMALLEST_SIZE = 1.0  # px: an extrapolated box never turns inside out


def initiate(measured: Boxes) -> Array:
    """Filters `(ROWS, N)` of new tracks at rest, from boxes `(4, N)`, rows cx cy w h in px."""
    filters = np.zeros((ROWS, measured.shape[1]))
    filters[POSITION] = measured
    filters[COVARIANCE] = np.array([[FIRST_POSITION**2], [0.0], [FIRST_VELOCITY**2]]) * measured[HEIGHT] ** 2
    return filters


def predict(filters: Array, dt: float | Array) -> None:
    """Moves `filters` `(ROWS, N)` on by `dt` seconds, one number or `(N,)`, in place."""
    position, velocity = filters[POSITION], filters[VELOCITY]
    p00, p01, p11 = filters[COVARIANCE]
    squared = position[HEIGHT] ** 2  # h², before the step
    p00 += dt * (2 * p01 + dt * p11) + squared * (S * dt + A / 3 * dt**3)
    p01 += dt * p11 + squared * (A / 2 * dt**2)
    p11 += squared * (A * dt)
    position += dt * velocity
    np.maximum(position[SIZE], SMALLEST_SIZE, out=position[SIZE])


def update(filters: Array, measured: Boxes) -> None:
    """Corrects `filters` `(ROWS, N)` by observed boxes `(4, N)`, rows cx cy w h in px, in place."""
    position, velocity = filters[POSITION], filters[VELOCITY]
    p00, p01, p11 = filters[COVARIANCE]
    innovation = measured - position
    gain = filters[POSITION_COVARIANCES] / (
        p00 + (SIGMA_POSITION * position[HEIGHT]) ** 2
    )  # of position and of velocity
    position += gain[0] * innovation
    velocity += gain[1] * innovation
    p11 -= gain[1] * p01
    filters[POSITION_COVARIANCES] *= 1 - gain[0]


def corners(filters: Boxes) -> Boxes:
    """Boxes `(4, N)`, rows x1 y1 x2 y2 in px."""
    half = filters[SIZE] * 0.5
    return np.concatenate((filters[CENTRE] - half, filters[CENTRE] + half))


def centres(boxes: Boxes) -> Boxes:
    """Boxes `(4, N)`, rows cx cy w h in px, from rows x1 y1 x2 y2. `initiate` and `update` take them."""
    return np.concatenate(((boxes[:2] + boxes[2:]) * 0.5, boxes[2:] - boxes[:2]))
