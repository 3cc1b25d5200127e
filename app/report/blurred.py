"""People made unrecognisable: large blocks of one colour each, then blurred. What is between can't come back.

A box gets so few blocks that a head is less than one of them, however large the person is in the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_BLOCKS = 8  # along a person's height. A head is about a seventh of it
_LEAST_BLOCK = 12.0  # px


def hide_box(picture: NDArray[np.uint8], box: NDArray[np.int64], block: float) -> None:
    """Blurs a box of whole pixels x1 y1 x2 y2 in a picture `(H, W, 3)`, in blocks of so many px."""
    x1, y1, x2, y2 = box.tolist()
    picture[y1:y2, x1:x2] = coarse(picture[y1:y2, x1:x2], block)


def block_of(height: float) -> float:
    """The side of a block where a person is so high, both in px."""
    return max(_LEAST_BLOCK, height / _BLOCKS)


def coarse(picture: NDArray[np.uint8], block: float) -> NDArray[np.uint8]:
    """A picture `(h, w, 3)` of blocks of about so many px, blurred."""
    height, width = picture.shape[:2]
    blocks = (max(1, round(width / block)), max(1, round(height / block)))
    few = cv2.resize(picture, blocks, interpolation=cv2.INTER_AREA)
    large = cv2.resize(few, (width, height), interpolation=cv2.INTER_NEAREST)
    side = 2 * int(block / 2) + 1
    return np.asarray(cv2.blur(large, (side, side), borderType=cv2.BORDER_REPLICATE), np.uint8)
