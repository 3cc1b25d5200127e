"""Which pictures of a folder follow each other, in which order, and when: told by their names.

Names tell a time (`2026-11-20_14-30-05.jpg`, `20261120143005.jpg`) or have a number at their end or in their middle
(`000001.jpg`, `frame_000001_cam2.jpg`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path, PurePath

from app.errors import FootageError
from app.footage.start_time import times_in_names, utc
from app.remarks import Remark

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"}
SEQINFO = "seqinfo.ini"
MOST_MISSING = 10_000  # pictures between two numbers. More, and the number is no count of pictures
FEWEST = 2  # pictures that make a series
DATED_FOLDERS = 3  # above a picture whose name has a time only, in which its date is looked for
END_OF_MINUTE = 59  # a counter of six digits up to here looks like seconds after midnight

_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class PictureOrder:
    """The pictures of a folder in their order."""

    paths: dict[int, Path]  # by 0-based index, ascending. Indices leave out missing numbers
    times: tuple[float, ...] | None  # UTC seconds as names tell them, ascending, may repeat. None: names have numbers
    remarks: tuple[Remark, ...]


def picture_order(folder: Path, zone: tzinfo = UTC) -> PictureOrder:
    """The order of the pictures in `folder`.

    Pictures whose names tell more than one time are ordered by it, then by name. Else by the number that ends the
    names where these differ, or the number in which most names differ. It counts from 1, or from 0 if 0 is there.
    Without a `seqinfo.ini` it counts from the smallest. A number that leaves out more than MOST_MISSING is no count,
    and its picture follows the one before. Indices stay when pictures are added behind. They are never above
    MOST_MISSING for each picture.

    Args:
        folder: Where the pictures lie.
        zone: Of times that name none.

    Raises:
        FootageError: The folder can't be listed.
    """
    pictures = _pictures(folder)
    times = _times(folder, pictures, zone)
    if times:
        ordered = sorted(times, key=lambda path: (times[path], natural(path.name)))
        remarks = _left_out(len(pictures) - len(times), "Their names tell no time as the others' do.")
        return PictureOrder(dict(enumerate(ordered)), tuple(times[path] for path in ordered), tuple(remarks))
    numbers = _numbers(pictures)
    remarks = _left_out(len(pictures) - len(numbers), "Their names do not count on with the others'.")
    paths: dict[int, Path] = {}
    jumps = 0
    index, before = -1, -1 if 0 in numbers.values() else 0
    if numbers and not _in_sequence(folder):
        before = min(numbers.values()) - 1
    for path, number in sorted(numbers.items(), key=lambda item: item[1]):
        believed = number - before <= MOST_MISSING
        jumps += not believed
        index, before = index + (number - before if believed else 1), number
        paths[index] = path
    if jumps:
        remarks.append(
            Remark(
                "jumps in the numbers of pictures",
                jumps,
                f"A number leaves out more than {MOST_MISSING}, so it does not count pictures. Its picture was taken "
                "to follow the one before. Number the pictures one after the other.",
            )
        )
    return PictureOrder(paths, None, tuple(remarks))


def is_picture_series(folder: Path) -> bool:
    """Whether most pictures in `folder`, and at least two, have a number or a time in their names.

    Thumbnails beside films are no series: more than half of the pictures are called like another file beside them.
    """
    try:
        pictures = _pictures(folder)
        others = {entry.stem for entry in folder.iterdir() if entry.suffix.lower() not in IMAGE_SUFFIXES}
    except (OSError, FootageError):
        return False
    if len(pictures) < FEWEST or 2 * sum(path.stem in others for path in pictures) > len(pictures):
        return False
    in_order = _times(folder, pictures, UTC) or _numbers(pictures)
    return len(in_order) >= max(FEWEST, len(pictures) / 2)


def _pictures(folder: Path) -> list[Path]:
    try:
        return [
            path
            for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise FootageError(f"{folder} can't be listed ({error.strerror}): check its name and permissions") from error


def _in_sequence(folder: Path) -> bool:
    return any((above / SEQINFO).is_file() for above in (folder, folder.parent))


def _times(folder: Path, pictures: Sequence[Path], zone: tzinfo) -> dict[Path, float]:
    """UTC seconds by picture, if most names tell a time and these differ. Else empty."""
    if _counts_seconds(pictures):
        return {}
    times = _read_times(pictures, PurePath(), zone)
    if not times and not _in_sequence(folder):
        times = _read_times(pictures, PurePath(*folder.absolute().parts[-DATED_FOLDERS:]), zone)
    return times


def _read_times(pictures: Sequence[Path], above: PurePath, zone: tzinfo) -> dict[Path, float]:
    read = dict(zip(pictures, times_in_names([above / path.name for path in pictures]), strict=True))
    times = {path: utc(time.local, zone) for path, time in read.items() if time is not None}
    if 2 * len(times) <= len(pictures) or (len(times) > 1 and len(set(times.values())) == 1):
        return {}
    # 000060 is no time, so 000059 was none either.
    if {_layout(path) for path in times} & {_layout(path) for path, time in read.items() if time is None}:
        return {}
    return times


def _layout(path: Path) -> str:
    return re.sub(r"\d", "0", path.stem.casefold())


def _counts_seconds(pictures: Sequence[Path]) -> bool:
    """Whether names end in `000001` to `000059`, which could be a counter, or seconds after midnight."""
    ends = [re.search(r"(\d{6})\D*$", path.stem) for path in pictures]
    return all(end is not None and int(end[1]) <= END_OF_MINUTE for end in ends)


def _numbers(pictures: Sequence[Path]) -> dict[Path, int]:
    """The number of each picture that belongs to the series, no two the same."""
    ending = {path: int(parts[-2]) for path in pictures if len(parts := _NUMBER.split(path.stem)) > 1 and not parts[-1]}
    if len(set(ending.values())) == len(ending) >= len(pictures) / 2:
        return ending
    series: defaultdict[tuple[str, ...], dict[Path, tuple[int, ...]]] = defaultdict(dict)
    for path in pictures:
        parts = _NUMBER.split(path.stem.casefold())
        if len(parts) > 1:
            series[tuple(parts[::2])][path] = tuple(map(int, parts[1::2]))
    if not series:
        return {}
    alike = max(series.values(), key=len)  # names that differ in their numbers only
    columns = list(zip(*alike.values(), strict=True))
    counting = max(range(len(columns)), key=lambda place: (len(set(columns[place])), place))
    cameras = Counter(numbers[:counting] + numbers[counting + 1 :] for numbers in alike.values())
    if len(set(columns[counting])) == len(alike):
        return {path: numbers[counting] for path, numbers in alike.items()}
    [(chosen, _)] = cameras.most_common(1)
    return {
        path: numbers[counting]
        for path, numbers in alike.items()
        if numbers[:counting] + numbers[counting + 1 :] == chosen
    }


def _left_out(count: int, why: str) -> list[Remark]:
    if not count:
        return []
    return [Remark("pictures outside of their folder's series", count, f"{why} Move them to a folder of their own.")]


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts "part10" after "part9"."""
    return tuple((int(part) if part.isdecimal() else -1, part) for part in _NUMBER.split(text.casefold()) if part)
