"""How large the pictures of footage are. The record does not have it, and shares of the picture need it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.still import size_of
from app.record import Site
from app.record.boxes import boxes_of_many
from app.record.films import film_of
from app.record.rows import FootageRecord

Size = tuple[float, float]  # width and height, px
_MOST_KEPT = 100_000  # sizes in this process's memory
_AT_ONCE = 500  # tracklets in memory

_known: dict[tuple[Path, int, str], Size | None] = {}  # of footage that was opened, None where it can't be
_mutex = Lock()


def sizes_of(
    site: Site, records: Sequence[FootageRecord], tracklets: NDArray[np.int64]
) -> tuple[dict[int, Size], list[str]]:
    """The size of each footage by its number, and the cameras whose size is guessed.

    Footage that is where it was is opened. What is gone has the size of its camera's next footage. Where all of a
    camera's is gone, the size is how far its boxes reach, which is a little less than the picture at most.

    tracklets: `(T,)` ids of all that lie in the footage.
    """
    sizes: dict[int, Size] = {}
    guessed = []
    by_camera: dict[str, list[FootageRecord]] = {}
    for record in records:
        by_camera.setdefault(record.camera, []).append(record)
    with Worker() as worker:
        for camera, pieces in by_camera.items():
            opened = {record.id: size for record in pieces if (size := _opened(worker, record)) is not None}
            if not opened:
                guessed.append(camera)
                reach = _reach(site, tracklets[tracklets >> 32 == pieces[0].camera_id])
                opened = {pieces[0].id: reach}
            numbers = np.array(list(opened))
            for record in pieces:
                nearest = int(numbers[np.abs(numbers - record.id).argmin()])
                sizes[record.id] = opened[nearest]
    return sizes, guessed


def _opened(worker: Worker, record: FootageRecord) -> Size | None:
    """As the footage says. None where it is gone or can't be read."""
    film = film_of(record)
    if film is None:
        return None
    key = (record.path, record.size, record.fingerprint)
    with _mutex:
        if key in _known:
            return _known[key]
    try:
        size: Size | None = size_of(worker, film)
    except FootageError:
        size = None
    with _mutex:
        if len(_known) >= _MOST_KEPT:
            _known.clear()
        _known[key] = size
    return size


def _reach(site: Site, tracklets: NDArray[np.int64]) -> Size:
    """The right and lower edge of what tracklets' boxes cover."""
    reach = np.ones(2, np.float32)
    for start in range(0, len(tracklets), _AT_ONCE):
        for boxes in boxes_of_many(site.database, tracklets[start : start + _AT_ONCE].tolist()):
            reach = np.maximum(reach, boxes.boxes[:, 2:].max(0, initial=1))
    return float(reach[0]), float(reach[1])
