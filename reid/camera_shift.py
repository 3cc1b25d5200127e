"""What a camera does to everybody's embedding: the difference of its mean from that of all cameras."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid.normalised import normalised

STEADY = 10.0  # tracklets of a camera whose mean counts half
_THREADS = 4

CameraShift = Mapping[int, NDArray[np.float32]]
"""By camera, what it adds to every embedding `(D,)`."""


def without_camera(
    rows: NDArray[np.floating],
    camera: NDArray[np.int64],
    dtype: type[np.floating] = np.float32,
    typical: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Takes out of embeddings what their camera has of its own.

    A camera's mean is drawn to that of all, the more the fewer tracklets it has.

    Args:
        rows: (N, D) of length 1.
        camera: (N,) any numbers.
        dtype: Of what comes back. Of many rows, half precision is half the memory.
        typical: (N,) the rows whose means are taken, None for all.

    Returns:
        (N, D) of length 1 again.
    """
    return without_shift(rows, camera, camera_shift(rows, camera, typical), dtype)


def camera_shift(
    rows: NDArray[np.floating], camera: NDArray[np.int64], typical: NDArray[np.bool_] | None = None
) -> CameraShift:
    """What cameras add to `(N, D)` embeddings of theirs. Arguments are those of `without_camera`."""
    if typical is None:
        typical = np.ones(len(rows), bool)
    if not typical.any():
        return {}
    everywhere = (rows if typical.all() else rows[typical]).sum(0, dtype=np.float32) / typical.sum()

    def shift(number: int) -> NDArray[np.float32]:
        own = rows[typical & (camera == number)]
        shifted: NDArray[np.float32] = len(own) / (len(own) + STEADY) * (own.mean(0, dtype=np.float32) - everywhere)
        return shifted

    numbers = np.unique(camera[typical]).tolist()
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS), "cameras") as pool:  # NumPy lets go of Python's lock
        return dict(zip(numbers, pool.map(shift, numbers), strict=True))


def without_shift(
    rows: NDArray[np.floating],
    camera: NDArray[np.int64],
    shift: CameraShift,
    dtype: type[np.floating] = np.float32,
) -> NDArray[Any]:
    """Embeddings `(N, D)` without what their cameras `(N,)` are known to add, of length 1 again."""
    shifted = np.empty(rows.shape, dtype)

    def take_out(number: int) -> None:
        members = np.flatnonzero(camera == number)
        own = rows[members].astype(np.float32)
        if number in shift:
            own -= shift[number]
        shifted[members] = normalised(own)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS), "cameras") as pool:
        list(pool.map(take_out, np.unique(camera).tolist()))
    return shifted
