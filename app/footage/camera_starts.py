"""When a camera's footage began, by all that tells it: a person, names, containers, and files' times."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Literal, NamedTuple

from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.container import clock_origin, length_of, open_container
from app.footage.image_sequence import ImageSequence, image_folder, numbered_images
from app.footage.start_time import END_EPOCH, FIRST_EPOCH, NameTime, from_metadata, utc
from app.remarks import Remark, StartSource

CLOSE = 600.0  # seconds between the end of a recording and its file's time, where the two tell the same
OVERLAP = 1.0  # seconds that footage of one camera may share by chance
_BY_FILE_TIME = (
    "files that start at their file's time",
    "Neither name nor container tells when. The file's time is taken as the end: give --start or a pattern.",
)
_UNCERTAIN = (
    "files whose names leave open which is day and which is month",
    'No other name settles it: write dates = "day-first" or "month-first" under [site] in site.toml.',
)
_REPEATED = (
    "files in the hour that clocks repeat",
    "Their order and the files' times say which of the two it was: let the recorder write UTC, or offsets.",
)
_SKIPPED = (
    "files in an hour that clocks skip",
    "In this time zone there was no such time. It is read as if clocks had not changed: check time_zone.",
)


class Facts(NamedTuple):
    """What footage says of itself."""

    made: float | None  # UTC seconds, by its creation time or its clock
    length: float | None  # seconds


def facts_of(path: Path, worker: Worker, zone: tzinfo = UTC) -> Facts:
    """What footage says of itself, read apart. Raises FootageError where it can't be opened.

    zone: of times in the names of pictures.
    """
    facts: Facts = worker.call(path, _size(path), read_facts, path, zone)
    return facts


def read_facts(path: Path, zone: tzinfo) -> Facts:
    """What footage says of itself. Raises FootageError where it can't be opened."""
    if path.is_dir():
        pictures = ImageSequence(path, zone)
        return Facts(pictures.start, pictures.length)
    container, stream = open_container(path)
    with container:
        made = from_metadata(container.metadata, stream.metadata)
        first = float(clock_origin(container))
        if FIRST_EPOCH <= first < END_EPOCH:  # its clock counts Unix seconds
            made = first
        return Facts(made, length_of(container, stream))


class Named(NamedTuple):
    """One piece of a camera's footage before it is known when it began."""

    path: Path
    name: str  # below the camera, with "/"
    time: NameTime | None  # that its name tells


class CameraStarts:
    """Tells when each footage of one camera began. `remarks` are what had to be guessed."""

    def __init__(self, zone: tzinfo, fixed: float | None, fallback: float | None, worker: Worker) -> None:
        """`fixed` goes before all that footage tells, `fallback` after it: UTC seconds."""
        self._zone, self._fixed, self._fallback, self._worker = zone, fixed, fallback, worker
        self.remarks: list[Remark] = []

    def starts(self, members: Sequence[Named]) -> list[tuple[float, StartSource]]:
        """When each of `members` began, in UTC seconds, and what tells it. They come in the order of their names."""
        starts: list[tuple[float, StartSource] | None] = [None] * len(members)
        if self._fixed is None:
            for number, (path, _, time) in enumerate(members):
                starts[number] = self._pictured(path, time) or self._named(time) or self._stated(path)
            self._settle_repeated_hour(members, starts)
        clock = self._fixed if self._fixed is not None else self._fallback
        if clock is not None:
            for number, (path, _, _) in enumerate(members):
                if starts[number] is None:
                    starts[number] = clock, "given"
                    clock += self._length(path)
        self._by_file_time(members, starts)
        return [start for start in starts if start is not None]

    def _named(self, time: NameTime | None) -> tuple[float, StartSource] | None:
        if time is None:
            return None
        if time.uncertain:
            self._remark(_UNCERTAIN)
        if _fold(time.local, self._zone) == "skipped":
            self._remark(_SKIPPED)
        return utc(time.local, self._zone), "uncertain name" if time.uncertain else "name"

    def _pictured(self, path: Path, time: NameTime | None) -> tuple[float, StartSource] | None:
        """Of a folder of pictures, when its first was taken."""
        start = self._stated(path) if path.is_dir() else None
        return start if start is None or time is None else (start[0], "name")

    def _stated(self, path: Path) -> tuple[float, StartSource] | None:
        try:
            made = facts_of(path, self._worker, self._zone).made
        except FootageError:  # the decoder will say so, and that is recorded
            return None
        return None if made is None else (made, "container")

    def _length(self, path: Path) -> float:
        """Seconds, 0 when unknown, so that whatever follows is at least not before it."""
        try:
            return facts_of(path, self._worker).length or 0.0
        except FootageError:
            return 0.0

    def _settle_repeated_hour(
        self,
        members: Sequence[Named],
        starts: list[tuple[float, StartSource] | None],
    ) -> None:
        """Says of each recording in the hour that clocks repeat whether it was the first time or the second.

        Its file's time tells, where that is close to one of both ends. Else it is the second if the first is taken.
        """
        taken_until = -float("inf")
        for number, (path, _, time) in enumerate(members):
            start = starts[number]
            if time is None or start is None or _fold(time.local, self._zone) != "repeated":
                continue
            first, second = (time.local.replace(tzinfo=self._zone, fold=fold).timestamp() for fold in (0, 1))
            length = self._length(path)
            ended = _modified(path) - length
            close = [moment for moment in (first, second) if abs(ended - moment) <= CLOSE]
            began = close[0] if close else second if first < taken_until - OVERLAP else first
            taken_until = max(taken_until, began + length)
            starts[number] = began, start[1]
            self._remark(_REPEATED)

    def _by_file_time(
        self,
        members: Sequence[Named],
        starts: list[tuple[float, StartSource] | None],
    ) -> None:
        """The rest ended at its file's time. Files copied together follow each other in the order of names."""
        following = float("inf")
        for number in reversed(range(len(members))):
            if starts[number] is None:
                path = members[number][0]
                following = min(_modified(path), following) - self._length(path)
                starts[number] = following, "file time"
                self._remark(_BY_FILE_TIME)

    def _remark(self, kind: tuple[str, str]) -> None:
        self.remarks.append(Remark(kind[0], 1, kind[1]))


def _fold(local: datetime, zone: tzinfo) -> Literal["repeated", "skipped"] | None:
    """Whether clocks of a zone show a time twice, or never."""
    if local.tzinfo is not None:
        return None
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None and second is not None
    return None if first == second else "repeated" if first > second else "skipped"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _modified(path: Path) -> float:
    """UTC seconds of the file's time, of a sequence that of its last picture."""
    try:
        if path.is_dir():
            path = [path, *numbered_images(image_folder(path)).values()][-1]
        return path.stat().st_mtime
    except (OSError, FootageError):
        return os.lstat(path).st_mtime if os.path.lexists(path) else 0.0
