"""A camera's last picture, from its footage where that is still there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.still import last_picture
from app.record import Site
from app.record.films import film_of
from app.record.rows import FootageRecord


@dataclass(frozen=True, eq=False, slots=True)
class CameraPicture:
    """One frame."""

    pixels: NDArray[np.uint8]  # RGB `(H, W, 3)`
    time: float  # UTC seconds


def pieces_there(site: Site, camera: str) -> list[FootageRecord]:
    """The camera's footage that was taken in and is where it was, the latest first."""
    records = sorted(site.footage(camera), key=lambda record: record.start + record.seconds, reverse=True)
    return [record for record in records if record.frames and film_of(record) is not None]


def latest_picture(site: Site, camera: str) -> CameraPicture | None:
    """The last picture. None where all footage is gone, or none of it can be decoded."""
    with Worker() as worker:
        for record in pieces_there(site, camera):
            film = film_of(record)
            if film is None:
                continue
            try:
                pixels = last_picture(worker, film, record.start + record.seconds - film.start)
            except FootageError:  # ingest has told of it
                continue
            return CameraPicture(pixels, record.start + record.seconds)
    return None
