"""Pictures in a folder as footage: a MOTChallenge sequence with its `seqinfo.ini`, or a timelapse without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import gcd
from pathlib import Path, PurePath
from statistics import median

import cv2
import numpy as np

from app.errors import FootageError
from app.footage.picture import MOST_PIXELS, Image, Picture, Resume, checksum, fitted_size, framed
from app.footage.picture_order import SEQINFO, is_picture_series, picture_order
from app.footage.start_time import from_name
from app.remarks import Remark
from trackers.motchallenge import MotFormatError, SequenceInfo, read_sequence_info

PICTURE_BYTES = 200_000_000  # a file of more is none
ASSUMED_RATE = Fraction(1)  # pictures a second of a folder that tells no time
EXIF_TRIED = 10  # pictures that are looked into before none is thought to have one
LEAST_DISTANCE = Fraction(1, 1000)  # seconds between pictures whose names tell their times
MOST_A_SECOND = 60  # pictures of one second, as recorders on motion name them. More are a series that began then
FEWEST_IN_STEPS = 3  # pictures whose numbers leave out the same each time are meant to
CONTRADICTION = Fraction(1, 5)  # by which names may differ from the frame rate
NAMED_PROBLEMS = 20  # pictures that can't be decoded are named up to here, then counted


def is_sequence(folder: Path) -> bool:
    """Whether the folder has a `seqinfo.ini`."""
    return (folder / SEQINFO).is_file()


def is_picture_folder(folder: Path) -> bool:
    """Whether `ImageSequence` reads the folder though it has no `seqinfo.ini`: it holds a series of pictures itself.

    That is two or more pictures, most of them with a number or a time in their names. Thumbnails beside films are no
    series. Whoever calls decides what pictures beside other films are.
    """
    return not is_sequence(folder) and is_picture_series(folder)


class ImageSequence:
    """A folder of pictures. `problems` and `remarks` are complete when `pictures` has ended.

    Times in the pictures' names are their times. Else they follow each other at the rate of `seqinfo.ini`, each in the
    place of its number. Without that file they come at the times their camera wrote into them (EXIF), or else one a
    second.
    """

    def __init__(self, folder: Path, zone: tzinfo = UTC) -> None:
        """Looks at the names of the pictures.

        Args:
            folder: It holds the pictures or a `seqinfo.ini`.
            zone: Of times that name none.

        Raises:
            FootageError: `seqinfo.ini` can't be understood, or there is no picture.
        """
        self.folder = folder
        info = _info(folder)
        order = picture_order(folder if info is None else info.images, zone)
        if not order.paths:
            raise FootageError(
                f"{folder} holds no pictures with numbers or times in their names: name them so"
                if info is None
                else f"{folder / SEQINFO} announces pictures in {info.images}, but there are none: put them there"
            )
        self.images, times = order.paths, order.times
        self._of_folder = list(order.remarks)
        if info is None and times is None:
            times = self._exif_times(zone)
        self._announced = 0 if info is None else info.length
        self._numbered = times is None
        self._start = times[0] if times else from_name(PurePath(next(iter(self.images.values())).name), zone)
        self.rate = self._rate(info, times)
        self._seconds = self._since_start(times, None if info is None else info.frame_rate)
        self._problems: list[str] = []
        self._damaged: set[int] = set()
        self._other_sizes: set[int] = set()
        self._goes_on = False
        self._size: tuple[int, int] | None = None
        for path in self.images.values():
            image = _read(path)
            if image is not None:
                self._size = (image.shape[1], image.shape[0])
                break

    def close(self) -> None:
        """Does nothing: no file stays open."""

    @property
    def start(self) -> float | None:
        """UTC seconds of the first picture, as its name or its EXIF says. None when neither does."""
        return self._start

    @property
    def length(self) -> float:
        """Seconds from the start to the end of the last picture, which lasts as long as usual."""
        return float(self._seconds[max(self.images)] + 1 / self.rate)

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self.images)

    @property
    def problems(self) -> list[str]:
        """What is damaged or missing, a sentence each."""
        named = [
            f"{self.images[index].name} can't be decoded: the picture is damaged" for index in sorted(self._damaged)
        ]
        further = len(named) - NAMED_PROBLEMS
        counted = [f"{further} more pictures can't be decoded: they are damaged"] if further > 0 else []
        return named[:NAMED_PROBLEMS] + counted + self._problems

    @property
    def remarks(self) -> list[Remark]:
        """What was left out or taken for something so far. After a resume, only what comes after it."""
        told = [] if self._goes_on else list(self._of_folder)
        if self._other_sizes:
            told.append(
                Remark(
                    "pictures of another size than their folder's first",
                    len(self._other_sizes),
                    "They were scaled to the first picture's size, with black borders where the shape differs. Boxes "
                    "are in pixels of that size. Keep the pictures of each camera in a folder of their own.",
                )
            )
        return told

    def before(self, seconds: float) -> Resume | None:
        """The last picture before `seconds`, or None. Nothing need be decoded to find it."""
        earlier = [index for index in self.images if self._seconds[index] < seconds]
        return Resume(earlier[-1], earlier[-1], None) if earlier else None

    def pictures(self, start: Resume | None = None) -> Iterator[Picture]:
        """All pictures from the one that `start` describes, itself included, or from the first.

        Raises:
            FootageError: the picture that `start` describes is not there any more.
        """
        self._goes_on = start is not None and start.checksum is not None
        if start is not None and start.checksum is not None:
            image = self._image(start.index) if start.index in self.images else None
            if image is None or checksum(image) != start.checksum:
                raise FootageError(
                    f"{self.folder} has another picture {start.index + 1} than before: it was replaced; "
                    "remove its footage from the site and ingest it again"
                )
            self._other_sizes.clear()
        for index in self.images:
            if start is None or index >= start.index:
                yield Picture(Resume(index, index, None), self._seconds[index], partial(self._image, index))
        if self._numbered:
            self._note_missing()
        reached = max(self.images) + 1
        if reached < self._announced:
            self._problems.append(f"ended at picture {reached} of {self._announced}: the sequence is not whole")

    def _note_missing(self) -> None:
        indices = list(self.images)
        step = gcd(*(after - before for before, after in pairwise(indices)))
        if len(indices) < FEWEST_IN_STEPS or step == 0:
            step = 1
        begin = indices[0] % step
        if missing := (indices[-1] - begin) // step + 1 - len(indices):
            first = next(place for place, index in enumerate(indices) if index != begin + place * step)
            self._problems.append(f"{missing} pictures are missing, the first is number {begin + first * step + 1}")

    def _rate(self, info: SequenceInfo | None, times: Sequence[float] | None) -> Fraction:
        """Pictures a second, usually. Remarks what the rate was taken from."""
        steps = [after - before for before, after in pairwise(times or ()) if after > before]
        named = 1 / max(Fraction(median(steps)).limit_denominator(1000), LEAST_DISTANCE) if steps else None
        if info is not None:
            if named is None or len(steps) < len(self.images) - 1:  # some share a time, and frameRate is within it
                return info.frame_rate
            if not abs(info.frame_rate / named - 1) <= CONTRADICTION:
                self._of_folder.append(
                    Remark(
                        "image sequences whose names contradict their frame rate",
                        1,
                        "The times in the pictures' names were taken, and frameRate in seqinfo.ini was not. Number the "
                        "pictures instead if the names are wrong.",
                    )
                )
            return named
        if named is not None:
            return named
        self._of_folder.append(
            Remark(
                "picture folders that tell no time",
                1,
                "Their pictures were taken to be one second apart. Name them by their times, or put a seqinfo.ini with "
                "[Sequence] and frameRate= beside them.",
            )
        )
        return ASSUMED_RATE

    def _since_start(self, times: Sequence[float] | None, told_rate: Fraction | None) -> dict[int, Fraction]:
        """Seconds of each picture since the start, by index."""
        if times is None:
            return {index: index / self.rate for index in self.images}
        ticks = [round((time - times[0]) * 1_000_000) for time in times]
        together = Counter(ticks)
        distinct = sorted(together)
        later = dict(pairwise(distinct))
        seconds: dict[int, Fraction] = {}
        place = 0  # among the pictures of one time
        for index, tick in enumerate(ticks):
            place = place + 1 if index and tick == ticks[index - 1] else 0
            count = together[tick]
            distance = 1 / (told_rate or (Fraction(count) if count <= MOST_A_SECOND else ASSUMED_RATE))
            if tick in later:
                distance = min(distance, Fraction(later[tick] - tick, 1_000_000 * count))
            seconds[index] = Fraction(tick, 1_000_000) + place * distance
        return seconds

    def _exif_times(self, zone: tzinfo) -> tuple[float, ...] | None:
        """UTC seconds of all pictures, which are put into that order. None when they tell no more than one.

        A picture without one takes that of the picture before it.
        """
        from app.footage.picture_header import taken_at  # Pillow takes a while to import, and video does without

        times: dict[int, float] = {}
        for place, (index, path) in enumerate(self.images.items()):
            taken = taken_at(path, zone)
            if taken is not None:
                times[index] = taken
            elif place == EXIF_TRIED and not times:
                return None
        if 2 * len(times) <= len(self.images) or len(set(times.values())) < min(2, len(self.images)):
            return None
        before = min(times.values())
        for index in self.images:
            before = times.setdefault(index, before)
        ordered = sorted(self.images, key=lambda index: (times[index], index))
        self.images = {place: self.images[index] for place, index in enumerate(ordered)}
        self._of_folder.append(
            Remark(
                "picture folders timed by EXIF",
                1,
                "The names tell no time, so the times were taken that the camera wrote into the pictures. Its clock "
                "decides, in the camera's time zone.",
            )
        )
        return tuple(times[index] for index in ordered)

    def _image(self, index: int) -> Image | None:
        image = _read(self.images[index])
        if image is None:
            self._damaged.add(index)
            return None
        if self._size is not None and self._size != (image.shape[1], image.shape[0]):
            self._other_sizes.add(index)
            inner = fitted_size((image.shape[1], image.shape[0]), self._size)
            image = framed(np.asarray(cv2.resize(image, inner), dtype=np.uint8), self._size)
        return image


def numbered_images(folder: Path) -> dict[int, Path]:
    """Pictures by 0-based index, ascending, see `picture_order`. Raises FootageError when it can't be listed."""
    return picture_order(folder).paths


def image_folder(folder: Path) -> Path:
    """Where the pictures of `folder` lie. Raises FootageError when its `seqinfo.ini` can't be understood."""
    info = _info(folder)
    return folder if info is None else info.images


def _info(folder: Path) -> SequenceInfo | None:
    if not is_sequence(folder):
        return None
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
    if not fits(data, MOST_PIXELS) or (data.startswith(b"\xff\xd8") and not _has_end(data)):
        return None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _has_end(jpeg: bytes) -> bool:
    """Whether the end marker comes after the picture's first scan. Recorders pad behind it, and previews have another.

    Segments before the scan are stepped over by their lengths. Within a scan, the marker's bytes can't occur.
    """
    at = 2
    while jpeg[at : at + 1] == b"\xff" and jpeg[at + 1 : at + 2] != b"\xda":
        fill = jpeg[at + 1 : at + 2] == b"\xff"
        at += 1 if fill else 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return jpeg.find(b"\xff\xd9", at) >= 0
