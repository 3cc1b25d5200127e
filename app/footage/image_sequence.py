"""Numbered pictures with a `seqinfo.ini`, as the MOTChallenge lays them out, as footage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from app.errors import FootageError
from app.footage.picture import MOST_PIXELS, Image, Picture, Resume, checksum
from trackers.motchallenge import MotFormatError, SequenceInfo, read_sequence_info

SEQINFO = "seqinfo.ini"
PICTURE_BYTES = 200_000_000  # a file of more is none
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"}


def is_sequence(folder: Path) -> bool:
    """Whether the folder has a `seqinfo.ini`."""
    return (folder / SEQINFO).is_file()


class ImageSequence:
    """A folder with `seqinfo.ini` and its pictures. `problems` is complete when `pictures` has ended."""

    def __init__(self, folder: Path) -> None:
        """Raises FootageError when `seqinfo.ini` can't be understood or there is no picture."""
        self.folder = folder
        self.problems: list[str] = []
        info = _info(folder)
        self.rate, self._announced = info.frame_rate, info.length
        self.images = numbered_images(info.images)
        if not self.images:
            raise FootageError(
                f"{folder / SEQINFO} announces pictures in {info.images}, but there are none: put them there"
            )
        self._size: tuple[int, int] | None = None
        for path in self.images.values():
            image = _read(path)
            if image is not None:
                self._size = (image.shape[1], image.shape[0])
                break

    def close(self) -> None:
        """Does nothing: no file stays open."""

    @property
    def length(self) -> float:
        """Seconds from the first picture's number to the last one's end."""
        return float((max(self.images) + 1) / self.rate)

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self.images)

    def before(self, seconds: float) -> Resume | None:
        """The last picture before `seconds`, or None. Nothing need be decoded to find it."""
        earlier = [index for index in self.images if index / self.rate < seconds]
        return Resume(earlier[-1], earlier[-1], None) if earlier else None

    def pictures(self, start: Resume | None = None) -> Iterator[Picture]:
        """All pictures from the one that `start` describes, itself included, or from the first.

        Raises:
            FootageError: the picture that `start` describes is not there any more.
        """
        if start is not None and start.checksum is not None:
            image = self._image(self.images[start.index]) if start.index in self.images else None
            if image is None or checksum(image) != start.checksum:
                raise FootageError(
                    f"{self.folder} has another picture {start.index + 1} than before: it was replaced; "
                    "remove its footage from the site and ingest it again"
                )
        for index, path in self.images.items():
            if start is None or index >= start.index:
                yield Picture(index, index, index / self.rate, partial(self._image, path))
        last = max(self.images)
        if missing := last + 1 - len(self.images):
            first = next(place for place, index in enumerate(self.images) if index != place)
            self.problems.append(f"{missing} pictures are missing, the first is number {first + 1}")
        if last + 1 < self._announced:
            self.problems.append(f"ended at picture {last + 1} of {self._announced}: the sequence is not whole")

    def _image(self, path: Path) -> Image | None:
        image = _read(path)
        if image is None:
            problem = f"{path.name} can't be decoded: the picture is damaged"
            if problem not in self.problems:
                self.problems.append(problem)
            return None
        if self._size is not None and self._size != (image.shape[1], image.shape[0]):
            image = np.asarray(cv2.resize(image, self._size), dtype=np.uint8)
        return image


def numbered_images(folder: Path) -> dict[int, Path]:
    """Pictures by 0-based index, ascending.

    The index is the number that ends the name, which counts from 1, or from 0 if 0 is there. Raises FootageError when
    the folder can't be listed.
    """
    numbered: dict[int, Path] = {}
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            digits = re.search(r"(\d{1,12})$", path.stem)
            if digits and path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file():
                numbered.setdefault(int(digits[1]), path)
    except OSError as error:
        raise FootageError(f"{folder} can't be listed ({error.strerror}): check its name and permissions") from error
    first = 0 if 0 in numbered else 1
    return {number - first: numbered[number] for number in sorted(numbered)}


def image_folder(folder: Path) -> Path:
    """Where the pictures of the sequence `folder` lie. Raises FootageError when `seqinfo.ini` can't be understood."""
    return _info(folder).images


def _info(folder: Path) -> SequenceInfo:
    try:
        return read_sequence_info(folder / SEQINFO)
    except MotFormatError as error:
        raise FootageError(str(error)) from error


def _read(path: Path) -> Image | None:
    """RGB, upright by its EXIF tag. None when the file is not a whole picture, or announces too large a one."""
    from app.footage.picture_header import fits  # Pillow takes a while to import, and video does without

    try:
        if path.stat().st_size > PICTURE_BYTES:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    # Half a JPEG decodes to a picture that is grey below. The decoder only writes a warning.
    if not fits(data, MOST_PIXELS) or (path.suffix.lower() in {".jpg", ".jpeg"} and b"\xff\xd9" not in data[-4096:]):
        return None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)
