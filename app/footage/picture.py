"""What video files and image sequences share for the decoder: pictures in order, and a place to go on from."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB

MOST_PIXELS = 2**26  # 8192 x 8192. A header may announce anything, and the buffers follow the header


@dataclass(frozen=True, slots=True)
class Resume:
    """The frame after which decoding goes on, recognisable in a later process."""

    index: int  # 0-based position in the footage
    pts: int | None  # presentation stamp in the stream's time base. None where the container has none
    checksum: int | None  # `checksum` of the picture. None: the stamp alone is trusted


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the footage, not yet turned into pixels."""

    index: int  # 0-based position in the footage
    pts: int | None
    seconds: Fraction  # since the start of the footage
    read: Callable[[], Image | None]  # the costly part. None when the picture is broken, which its source records


def checksum(image: Image) -> int:
    """CRC-32 of all pixels: some 3 ms for 1080p."""
    return zlib.crc32(image.tobytes())
