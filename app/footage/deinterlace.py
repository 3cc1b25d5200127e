"""A whole picture from an interlaced frame, whose odd rows were taken half a frame later or earlier."""

from __future__ import annotations

import cv2
import numpy as np

from app.footage.picture import Image

COMB = 20  # grey levels beyond both neighbours. A row that sticks out by more shows another moment
_SPREAD = np.ones((3, 7), np.uint8)  # rows of one field x columns around such a pixel that come from another moment too


def deinterlaced(image: Image) -> Image:
    """`image` with the odd rows made anew from the even ones, where they show another moment.

    It looks at this frame alone, so that decoding may begin anywhere. What stands still keeps all rows, and so does
    film that is only stored as interlaced.
    """
    if len(image) < 2:
        return image
    odd = image[1::2]
    above = np.ascontiguousarray(image[0::2][: len(odd)])
    below = np.ascontiguousarray(image[2::2])
    if len(below) < len(odd):
        below = np.concatenate([below, above[-1:]])
    odd = np.ascontiguousarray(odd)
    outside = cv2.max(cv2.subtract(odd, cv2.max(above, below)), cv2.subtract(cv2.min(above, below), odd))
    combed = (outside.max(axis=2) > COMB).astype(np.uint8)
    if not combed.any():
        return image
    combed = np.asarray(cv2.dilate(combed, _SPREAD), np.uint8)
    between = cv2.addWeighted(above, 0.5, below, 0.5, 0)
    whole = image.copy()
    whole[1::2] = cv2.copyTo(between, combed, odd)
    return whole
