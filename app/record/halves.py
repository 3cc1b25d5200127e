"""The halves of a tracklet: the mean embeddings of the earlier and of the later of its crops.

They are two views of the same person, taken apart in time. A model's probabilities are calibrated with such views.
Their sum is the tracklet's embedding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid.normalised import normalised


def whole(halves: NDArray[np.floating]) -> NDArray[np.float32]:
    """Halves `(n, 2, D)` → the tracklets' embeddings `(n, D)`."""
    return normalised(np.add(halves[:, 0], halves[:, 1], dtype=np.float32))


def pool(crops: NDArray[np.float32], tracklets: NDArray[np.integer]) -> NDArray[np.float32]:
    """Embeddings of crops `(n, D)`, in the order of time within ascending tracklets `(n,)` → halves `(T, 2, D)`.

    The middle crop of an odd number belongs to the later half. A single crop is both halves.
    """
    if not len(crops):
        return np.empty((0, 2, crops.shape[1]), np.float32)
    first = np.flatnonzero(np.r_[True, tracklets[1:] != tracklets[:-1]])
    middle = first + np.diff(np.r_[first, len(crops)]) // 2
    # Where two bounds are equal (one crop), reduceat gives the row at the bound: just what is wanted.
    bounds = np.stack([first, middle], 1).reshape(-1)
    return normalised(np.add.reduceat(crops, bounds, 0).reshape(len(first), 2, -1))


def as_stored(footage: int, ids: ArrayLike, halves: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Ids `(n,)` and halves `(n, 2, D)`, normalised here. Raises ValueError where they are none.

    Halves in float16 were stored before, and stay as they are to the last bit.
    """
    numbers, rows = np.asarray(ids, np.int64), np.asarray(halves)
    if numbers.ndim != 1 or rows.ndim != 3 or rows.shape[:2] != (len(numbers), 2):
        raise ValueError(f"halves are (n, 2, D), one for each of n ids: {rows.shape} for {numbers.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"embeddings of footage {footage} aren't finite")
    return numbers, rows if rows.dtype == np.float16 else normalised(rows.astype(np.float32)).astype(np.float16)
