"""What video files and image sequences share for the decoder: pictures in order, and a place to go on from."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB

MOST_PIXELS = 2**26  # 8192 x 8192. A header may announce anything, and the buffers follow the header
PIXEL_RATIOS = (Fraction(1, 4), Fraction(4))  # width over height of one pixel. Formats in use have 0.45 to 2
ALMOST = Fraction(1, 100)  # by which a pixel may be wider than high and count as square
SAME_SHAPE = 0.02  # of a side, by which pictures may differ and count as equal in shape


@dataclass(frozen=True, slots=True)
class Resume:
    """The frame after which decoding goes on, recognisable in a later process."""

    index: int  # 0-based position in the footage
    pts: int | None  # presentation stamp in the stream's time base. None where the container has none
    checksum: int | None  # `checksum` of the picture. None: the stamp alone is trusted
    # Of a video file's clock, see `app.footage.clock`, in ticks of the time base:
    shift: int = 0  # by which stamps are ahead since the last jump
    distance: int = 0  # of the frame before. 0: unknown
    behind: int = 0  # how far a frame before was ahead of this one
    position: int | None = None  # byte of the file at which the frame's packet is. None: unknown


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the footage, not yet turned into pixels."""

    place: Resume  # without a checksum
    seconds: Fraction  # since the start of the footage
    read: Callable[[], Image | None]  # the costly part. None when the picture is broken, which its source records

    @property
    def index(self) -> int:
        """0-based position in the footage."""
        return self.place.index


def square_size(width: int, height: int, pixel_ratio: Fraction | None) -> tuple[int, int]:
    """Width and height in square pixels of a picture whose pixels are `pixel_ratio` as wide as high.

    The shorter side of the pixels is stretched, so no detail is lost. A size above MOST_PIXELS is scaled down to it. A
    ratio outside of PIXEL_RATIOS is not believed, and one within a hundredth of 1 is taken for 1.
    """
    if pixel_ratio is None or abs(pixel_ratio - 1) < ALMOST or not PIXEL_RATIOS[0] <= pixel_ratio <= PIXEL_RATIOS[1]:
        return width, height
    square = (width * pixel_ratio, Fraction(height)) if pixel_ratio > 1 else (Fraction(width), height / pixel_ratio)
    scale = min(1.0, sqrt(MOST_PIXELS / (square[0] * square[1])))
    if scale < 1:
        return max(1, int(square[0] * scale)), max(1, int(square[1] * scale))
    return round(square[0]), round(square[1])


def fitted_size(size: tuple[int, int], into: tuple[int, int]) -> tuple[int, int]:
    """The largest width and height of the shape of `size` inside `into`, which is `into` where that hardly matters."""
    scale = min(into[0] / size[0], into[1] / size[1])
    width, height = round(size[0] * scale), round(size[1] * scale)
    same = abs(width - into[0]) <= SAME_SHAPE * into[0] and abs(height - into[1]) <= SAME_SHAPE * into[1]
    return into if same else (max(1, width), max(1, height))


def framed(image: Image, size: tuple[int, int]) -> Image:
    """`image` in the middle of a black picture of width and height `size`, which it fits into."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[top : top + height, left : left + width] = image
    return canvas


def checksum(image: Image) -> int:
    """CRC-32 of all pixels: some 3 ms for 1080p."""
    return zlib.crc32(image.tobytes())
