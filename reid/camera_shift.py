"""What a camera does to everybody's embedding: the difference of its mean from that of all cameras."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid.normalised import normalised

STEADY = 10.0  # tracklets of a camera whose mean counts half
_THREADS = 4


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
    shifted = np.empty(rows.shape, dtype)
    if typical is None:
        typical = np.ones(len(rows), bool)
    if len(shifted):
        everywhere = (rows if typical.all() else rows[typical]).sum(0, dtype=np.float32) / max(typical.sum(), 1)

        def shift(number: int) -> None:
            members = np.flatnonzero(camera == number)
            camera_rows = rows[members].astype(np.float32)
            count = typical[members].sum()
            if count:
                camera_rows -= count / (count + STEADY) * (camera_rows[typical[members]].mean(0) - everywhere)
            shifted[members] = normalised(camera_rows)

        with ThreadPoolExecutor(
            min(os.cpu_count() or 1, _THREADS), "cameras"
        ) as pool:  # NumPy lets go of Python's lock
            list(pool.map(shift, np.unique(camera).tolist()))
    return shifted
