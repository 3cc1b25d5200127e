"""Pictures that point at somebody: made smaller, with a box that shows on any ground."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

COLOUR, _RIM = (255, 176, 32), (0, 0, 0)  # RGB


def outline(pixels: NDArray[np.uint8], box: Sequence[float]) -> None:
    """Draws a box x1 y1 x2 y2 px into a picture, with a dark rim."""
    x1, y1, x2, y2 = (round(float(edge)) for edge in box)
    for colour, thickness in ((_RIM, 5), (COLOUR, 3)):
        cv2.rectangle(pixels, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA)
