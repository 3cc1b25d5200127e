"""Person detectors: a batch of frames in, one `Detections` a frame out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from trackers.detections import Detections


class Frame(NamedTuple):
    """One picture of one camera."""

    camera: str
    index: int  # type: ignore[assignment]  # 0-based position in its footage, in presentation order, before any thinning
    time: float  # UTC seconds
    image: NDArray[np.uint8]  # (H, W, 3) RGB


class DetectorError(Exception):
    """A detector can't be had or its file can't be trusted. The message says what, where and what to do."""


class Detector(Protocol):
    """Finds people. Batches may mix cameras and picture sizes."""

    name: str  # what --detector would name it by
    sha256: str | None  # of the weights file, None where there is no one file
    batch: int  # how many frames a call are best
    calls: int  # how many calls may be under way at once, from several threads

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The people in each of the frames, in their order."""
        ...


def person_class(names: Mapping[int, str], where: str, wanted: str | None = None) -> int:
    """Which of a model's classes is a person: the wanted one, else the only one, else the one of that name.

    Args:
        names: The classes' names by index, none where the model names none.
        where: Names the model in errors.
        wanted: The number or name of the class that the user takes for a person.

    Raises:
        DetectorError: There is no such class.
    """
    first_names = ", ".join(list(names.values())[:5])
    if wanted is not None:
        index = int(wanted) if wanted.isdecimal() and len(wanted) < 9 else None
        if index is None:
            index = next((k for k, name in names.items() if name.strip().lower() == wanted.strip().lower()), None)
        if index is None or (names and index not in names):
            known = f"{len(names)} classes ({first_names}, …)" if names else "no names of classes"
            raise DetectorError(f"{where} has no class '{wanted}' but {known}; give another --person-class.")
        return index
    if len(names) == 1:
        return next(iter(names))
    for index, name in names.items():
        if name.strip().lower() in ("person", "pedestrian", "people"):
            return index
    raise DetectorError(
        f"{where} has no class named person among its {len(names)} ({first_names}, …); "
        "name a detector that finds people, or the class with --person-class."
    )


def first_line(error: BaseException) -> str:
    """What a library's exception says, in one line that fits into a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
