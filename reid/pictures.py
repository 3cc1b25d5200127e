"""Pictures of people, of any kind, to crops of one size: what is learned from, embedded and searched with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pictures, RGB of 0…1
SPREAD = (0.229, 0.224, 0.225)


class PictureArray(Protocol):
    """A picture that is fetched only when NumPy asks for it, uint8 `(h, w, 3)` RGB."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]: ...


Picture = (
    str | os.PathLike[str] | bytes | PictureArray | NDArray[np.uint8]
)  # a file, its bytes (JPEG, PNG, …), or pixels as RGB


@dataclass(frozen=True, slots=True)
class DecodedCrops:
    """What pictures came to."""

    crops: NDArray[np.uint8]  # (n, H, W, 3), contiguous
    kept: NDArray[np.int64]  # (n,) which of the pictures they are
    problems: list[str]  # of the others


def decode_all(pictures: Sequence[Picture], height: int, width: int) -> DecodedCrops:
    """Crops of one size, and what is wrong with pictures that can't be decoded."""
    crops = np.empty((len(pictures), height, width, 3), np.uint8)
    kept: list[int] = []
    problems: list[str] = []
    for number, picture in enumerate(pictures):
        try:
            crops[len(kept)] = _resized(decode_picture(picture), height, width)
            kept.append(number)
        except (OSError, ValueError, cv2.error) as error:
            name = os.fspath(picture) if isinstance(picture, str | os.PathLike) else f"picture {number}"
            problems.append(f"{name}: {(error.strerror if isinstance(error, OSError) else None) or error}")
    return DecodedCrops(crops[: len(kept)], np.array(kept, np.int64), problems)


def decode_crops(pictures: Sequence[Picture], height: int, width: int) -> NDArray[np.uint8]:
    """`(n, height, width, 3)` RGB of those that can be decoded, in their order."""
    return decode_all(pictures, height, width).crops


def decode_picture(picture: Picture) -> NDArray[np.uint8]:
    """`(h, w, 3)` RGB. Raises OSError or ValueError where there is no whole picture."""
    if isinstance(picture, str | os.PathLike):
        picture = Path(picture).read_bytes()
    if isinstance(picture, bytes):
        # OpenCV takes a JPEG that breaks off and paints the rest grey, with no more than a line on stderr.
        if picture.startswith(b"\xff\xd8") and b"\xff\xd9" not in picture:
            raise ValueError("the JPEG breaks off")
        decoded: NDArray[Any] | None = (
            cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB) if picture else None
        )
        if decoded is None:
            raise ValueError("no picture that can be decoded")
        return cast("NDArray[np.uint8]", decoded)
    pixels = np.asarray(picture)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"pixels of type {pixels.dtype} and shape {pixels.shape}, not uint8 (h, w, 3)")
    return pixels


def _resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = pixels.shape[0] * pixels.shape[1] > height * width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cast("NDArray[np.uint8]", cv2.resize(pixels, (width, height), interpolation=interpolation))
