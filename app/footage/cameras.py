"""Whose footage a file is: the levels of its path, or the parts of its name, that do not tell time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from pathlib import PurePath

from app.footage.start_time import NameTime, Span, stem_of, text_of, time_spans
from app.remarks import Remark

# Folders that recorders make for themselves. They name a camera only where nothing else does.
_RECORDERS_FOLDER = re.compile(
    r"(?:record(?:ing)?s?|rec|videos?|footage|dav|dcim|\d{3}media|mp4|clips?|media|storage|exports?|archive|cctv)\d*",
    re.IGNORECASE,
)
_CHANNEL = re.compile(
    r"(?:(?<![A-Za-z])(?:ch|chn|chan|channel|cam|camera|kanal|canal|kamera)[-_ ]?|^[AD](?=\d\d_))\d{1,3}(?!\d)",
    re.IGNORECASE,
)
# Parts of names that count files or mark them at random: 0001F, 6D28808, abc123.
_COUNTER = re.compile(
    r"(?<![^\W_])(?<!\d\.)(?:\d{3,}[A-Z]?|(?=[0-9A-F]*\d)(?=\d*[A-F])[0-9A-F]{4,})(?![^\W_]|\.\d)", re.IGNORECASE
)
_KIND = re.compile(r"[A-Z]\d?")  # a letter that says whether a recording is an alarm's
_MARKS = " -_.,~+()[]"


@dataclass(frozen=True, slots=True)
class CameraOf:
    """Whose footage a file is."""

    camera: str
    levels: int  # of its path that lead to the camera's folder. Names of footage are below


def cameras_of(
    names: Sequence[PurePath], times: Sequence[NameTime | None], folder: str
) -> tuple[list[CameraOf], list[Remark]]:
    """The camera of each of `names`, paths below the folder of footage, and what was taken for something.

    The first level that is no date and no hour names the camera. Where all levels are such, the name of the file does,
    without what tells time. So files at the top whose names differ only in time are one camera.

    Args:
        names: Of all footage that was found together.
        times: What each name tells of time.
        folder: The name for what has no other.
    """
    levels = [_Levels(name, time) for name, time in zip(names, times, strict=True)]
    _explain_by_time(levels)
    cameras, from_names = [], []
    for number, path in enumerate(levels):
        camera, depth = path.camera()
        if camera is None:
            from_names.append(number)
        cameras.append(CameraOf(camera or "", depth))
    remarks = _by_names(from_names, levels, cameras, folder)
    remarks += _split_channels(levels, cameras)
    return cameras, remarks


class _Levels:
    """A path's levels, and which of them tell time."""

    def __init__(self, name: PurePath, time: NameTime | None) -> None:
        self.name, self.time = name, time
        text = text_of(name)
        self.folders = name.parts[:-1]
        stem_begin = len(text) - len(stem_of(name))
        own = () if time is None else time.spans
        self.is_time = _levels_within(text, self.folders, time_spans(text[:stem_begin], _before(own, stem_begin)))
        stem_spans = time_spans(text[stem_begin:], _behind(own, stem_begin)) if time is not None else []
        masked = _masked(text[stem_begin:], stem_spans)
        # What stands before the time names the camera. What stands behind may as well count its files.
        before, gap, behind = masked.partition("\0")
        self.rest = _tidy(masked)
        self.counters = _COUNTER.findall(behind if gap else before)
        self.without_counters = _tidy(before + gap + _COUNTER.sub("\0", behind) if gap else _COUNTER.sub("\0", before))

    def explained(self, level: int) -> bool:
        """Whether a level says what the time in the name says: its year, month, day or hour."""
        if self.time is None:
            return False
        local = self.time.local
        year, month = {f"{local:%Y}"}, {f"{local:%m}", f"{local.month}", f"{local:%b}".lower(), f"{local:%B}".lower()}
        year_and_month = {f"{local:%Y{mark}%m}" for mark in ("", "-", "_", ".")}
        above, text = self.folders[:level], self.folders[level].lower()
        if not any(self.is_time[:level]):
            return text in year | year_and_month
        if above[-1] in year:
            return text in month
        if above[-1] in year_and_month or above[-1].lower() in month:
            return text in {f"{local:%d}", f"{local.day}"}
        return text in {f"{local:%H}", f"{local.hour}"}

    def camera(self) -> tuple[str | None, int]:
        """The level that names the camera and how many lead to it. None where no level does."""
        candidates = [number for number, is_time in enumerate(self.is_time) if not is_time]
        names = [n for n in candidates if not _RECORDERS_FOLDER.fullmatch(self.folders[n])]
        if names:
            level = names[0]
        elif candidates and candidates[0] == 0 and (self.time is None or not _named(self.rest)):
            level = 0
        else:
            return None, 0
        return self.folders[level], level + 1 if level == 0 else 0

    def deeper(self) -> str:
        """The levels below the camera's that tell no time."""
        camera, _ = self.camera()
        levels = zip(self.folders, self.is_time, strict=True)
        rest = [text for text, is_time in levels if not is_time and not _RECORDERS_FOLDER.fullmatch(text)]
        return " ".join(rest[rest.index(camera) + 1 :] if camera in rest else rest)


def _explain_by_time(levels: Iterable[_Levels]) -> None:
    """Marks levels as time where they say so in each path of one depth. A camera may be called 11 in November."""
    by_depth: dict[int, list[_Levels]] = defaultdict(list)
    for path in levels:
        by_depth[len(path.folders)].append(path)
    for depth, paths in by_depth.items():
        for level in range(depth):
            open_paths = [path for path in paths if not path.is_time[level]]
            if open_paths and all(path.explained(level) for path in open_paths):
                for path in open_paths:
                    path.is_time[level] = True


def _by_names(numbers: Sequence[int], levels: Sequence[_Levels], cameras: list[CameraOf], folder: str) -> list[Remark]:
    """Names cameras by what is left of the files' names without their time."""
    by_rest: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for number in numbers:
        path = levels[number]
        alone = str(path.name) if path.time is None and not path.folders else ""
        by_rest[alone, path.without_counters, len(path.counters)].append(number)
    joined = 0
    for (alone, _, _), members in by_rest.items():
        paths = [levels[number] for number in members]
        for number, rest in zip(members, _names_of(paths), strict=True):
            named = _named(rest) and not _KIND.fullmatch(rest)
            cameras[number] = CameraOf(stem_of(paths[0].name) if alone else rest if named else folder, 0)
        joined += len(members) if len(members) > 1 else 0
    if not joined:
        return []
    why = "They are one camera's, as their names differ only in time. Put each camera's in a folder, or give --cameras."
    return [Remark("files grouped by their names", joined, why)]


def _names_of(paths: Sequence[_Levels]) -> list[str]:
    """A camera's name for each path. All are alike but for their counters.

    What counts files is left out. What comes again and again names cameras, and so do all where two files began at one
    moment. What is always the same names the camera where nothing else does.
    """
    starts = [path.time.local for path in paths if path.time is not None]
    if len(set(starts)) < len(starts):
        return [path.rest for path in paths]
    columns = list(zip(*(path.counters for path in paths), strict=True))
    bare = not _named(paths[0].without_counters)
    serials = [len(set(column)) < len(paths) and (bare or len(set(column)) > 1) for column in columns]
    return [" ".join([path.without_counters, *compress(path.counters, serials)]).strip(_MARKS) for path in paths]


def _split_channels(levels: Sequence[_Levels], cameras: list[CameraOf]) -> list[Remark]:
    """Makes a camera of each channel, where files of several lie in one folder."""
    by_camera: dict[str, list[int]] = defaultdict(list)
    for number, camera in enumerate(cameras):
        by_camera[camera.camera].append(number)
    split = 0
    for name, numbers in by_camera.items():
        channels = {number: _channel(levels[number].rest) for number in numbers}
        if len(set(channels.values()) - {""}) < 2:
            channels = {number: levels[number].deeper() for number in numbers}
            if not _parallel(channels, levels):
                continue
        for number in numbers:
            if channels[number]:
                depth = cameras[number].levels
                cameras[number] = CameraOf(_tidy(f"{name} {channels[number]}"), depth)
                split += 1
    if not split:
        return []
    why = "They are of several channels, each of which is a camera. Give --cameras where that is wrong."
    return [Remark("files told apart by their channel", split, why)]


def _channel(rest: str) -> str:
    match = _CHANNEL.search(rest)
    return "" if match is None else match[0].strip(_MARKS)


def _parallel(variants: dict[int, str], levels: Sequence[_Levels]) -> bool:
    """Whether variants that differ in a number only take turns in time, as channels do and parts do not."""
    if len(set(variants.values())) < 2 or len({re.sub(r"\d+", "#", text) for text in variants.values()}) > 1:
        return False
    order = sorted(
        (time.local.replace(tzinfo=None), variants[number])
        for number in variants
        if (time := levels[number].time) is not None
    )
    turns = sum(a[1] != b[1] for a, b in pairwise(order))
    return turns >= len(set(variants.values()))


def _levels_within(text: str, folders: Sequence[str], spans: Sequence[Span]) -> list[bool]:
    """Which folders consist of nothing but `spans` and marks."""
    within, begin = [], 0
    for folder in folders:
        own = [(first - begin, end - begin) for first, end in spans if first < begin + len(folder) and end > begin]
        within.append(bool(own) and not _named(_masked(folder, own)))
        begin += len(folder) + 1
    return within


def _before(spans: Iterable[Span], end: int) -> list[Span]:
    return [(first, min(last, end)) for first, last in spans if first < end]


def _behind(spans: Iterable[Span], begin: int) -> list[Span]:
    return [(max(first - begin, 0), last - begin) for first, last in spans if last > begin]


def _masked(text: str, spans: Iterable[Span]) -> str:
    """`text` with zeros in place of the spans."""
    kept = list(text)
    for first, end in spans:
        for place in range(max(first, 0), min(end, len(kept))):
            kept[place] = "\0"
    return "".join(kept)


def _tidy(text: str) -> str:
    """Without marks at its ends, and with one where something was taken out."""
    text = re.sub(r"[-_.,~+ ]*\0[-_.,~+ \0]*", "_", text)
    return re.sub(r" {2,}", " ", text).strip(_MARKS)


def _named(text: str) -> bool:
    return any(letter.isalnum() for letter in text)
