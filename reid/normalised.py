"""Rows of length 1, in NumPy. `reid.methods.normalised` is the same for tensors that learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST = 1e-12  # a shorter row is divided by this, so that zeros stay zeros, as torch's `normalize` has it


def normalised(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """(…, D) rows → the same of length 1 along the last axis (L2). A row of zeros stays zeros.

    The rows given stay as they are.
    """
    rows = np.asarray(rows)
    # Squares of float16 overflow from 256 on.
    rows = rows.astype(np.promote_types(rows.dtype, np.float32), copy=False)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.maximum(length, LEAST)).astype(np.float32, copy=False)
