"""What there is of a JPEG that breaks off: a download or a copy that did not come to its end.

Decoders fill what is missing with one colour, in silence. So it is decoded twice, with two different ends. Where the
two pictures differ, nothing of the file is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

_END = b"\xff\xd9"
_NOISE = bytes(np.random.default_rng(0).integers(0, 255, 4096, np.uint8))  # never 255, which begins a marker
_RESTARTS = b"".join(bytes([0xFF, 0xD0 + k]) + _NOISE[:256] for k in range(8))  # for files that have such markers
_ZEROS = bytes(64)  # as many at the end were never written: a card or a download reserved the place
_SEGMENT = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_BARE = b"\x01\xd8"  # markers without a length
_SCAN = b"\xda"
_COARSE = 2  # scans, of colours' means and of the coarse pattern, that make something of a progressive JPEG


class Broken(NamedTuple):
    """A JPEG's picture as far as it goes."""

    image: Image.Image
    missing: float  # share of its rows that are not there, from the end of what is stored
    coarse: bool  # it is progressive: all rows are there, and finer detail is not


def as_far_as_it_goes(data: bytes, decode: Callable[[bytes], Image.Image]) -> Broken:
    """What there is of a JPEG without an end. Raises what `decode` raises where that is nothing.

    Args:
        data: The file.
        decode: Makes a loaded picture of a JPEG's bytes.
    """
    kept = (data.rstrip(b"\0") if data.endswith(_ZEROS) else data).rstrip(b"\xff")  # which is half a marker
    image, other = decode(kept + _END), decode(kept + _NOISE + _RESTARTS + _END)
    if image.info.get("progressive"):
        coarse = _walk(data)[0] > _COARSE
        return Broken(image, 0.0 if coarse else 1.0, coarse)
    first, second = np.asarray(image), np.asarray(other)
    rows = (first != second).reshape(len(first), -1).any(axis=1)
    missing = 1 - int(rows.argmax()) / len(rows) if rows.any() else 0.0
    return Broken(image, missing, False)


def is_unwritten(data: bytes) -> bool:
    """Whether zeros stand where a JPEG's end would be. Decoders take them for a part of the picture."""
    return data.endswith(_ZEROS) and not _walk(data)[1]


def _walk(data: bytes) -> tuple[int, bool]:
    """How many scans a JPEG begins, and whether it ends."""
    scans, at = 0, 0
    while marker := _SEGMENT.search(data, at):
        if marker[1] == _END[1:]:
            return scans, True
        scans += marker[1] == _SCAN
        at = marker.end() + (0 if marker[1] in _BARE else int.from_bytes(data[marker.end() : marker.end() + 2], "big"))
    return scans, False
