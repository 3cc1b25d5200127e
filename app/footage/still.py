"""Single pictures of footage, decoded in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.errors import FootageError
from app.footage.apart import WithPicture, Worker
from app.footage.decode import open_footage
from app.footage.discover import Footage

_BACK = (1.0, 10.0)  # s before its end from which the last picture is looked for
_LAST_OF_ALL = 100.0  # s: of footage that is no longer than this, any picture will do that comes last


def size_of(worker: Worker, footage: Footage) -> tuple[int, int]:
    """Width and height of its frames in px. Raises FootageError where it can't be opened, or shows nothing."""
    width, height = worker.call(footage.path, footage.size, _size, footage)
    return width, height


def last_picture(worker: Worker, footage: Footage, seconds: float) -> NDArray[np.uint8]:
    """Its last frame, RGB. seconds: how long it is. Raises FootageError where none can be decoded."""
    for pixels, _ in worker.stream(footage.path, footage.size, _last, footage, seconds):
        picture: NDArray[np.uint8] = pixels
        return picture
    raise FootageError(f"{footage.path} shows nothing at its end: check the file")


def _size(footage: Footage) -> tuple[int, int]:
    with open_footage(footage) as frames:
        for frame in frames:
            return frame.image.shape[1], frame.image.shape[0]
    raise FootageError(f"{footage.path} shows nothing: check the file")


def _last(footage: Footage, seconds: float) -> Iterator[WithPicture]:
    end = footage.start + seconds
    begins = [*(end - back for back in _BACK if back < seconds), *([None] if seconds <= _LAST_OF_ALL else [])]
    for begin in begins:
        last = None
        with open_footage(footage, begin=begin) as frames:
            for frame in frames:
                last = frame
        if last is not None:
            yield WithPicture(last.image, None)
            return
