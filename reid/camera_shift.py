"""What a camera does to everybody's embedding: the difference of its mean from that of all cameras."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid.normalised import normalised

STEADY = 10.0  # tracklets of a camera whose mean counts half


def without_camera(
    rows: NDArray[np.floating], camera: NDArray[np.int64], dtype: type[np.floating] = np.float32
) -> NDArray[Any]:
    """Takes out of embeddings what their camera has of its own.

    A camera's mean is drawn to that of all, the more the fewer tracklets it has.

    Args:
        rows: (N, D) of length 1.
        camera: (N,) any numbers.
        dtype: Of what comes back. Of many rows, half precision is half the memory.

    Returns:
        (N, D) of length 1 again.
    """
    shifted = np.empty(rows.shape, dtype)
    if len(shifted):
        everywhere = rows.mean(0, dtype=np.float32)
        for number in np.unique(camera):
            members = np.flatnonzero(camera == number)
            camera_rows = rows[members].astype(np.float32)
            camera_rows -= len(members) / (len(members) + STEADY) * (camera_rows.mean(0) - everywhere)
            shifted[members] = normalised(camera_rows)
    return shifted
