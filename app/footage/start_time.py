"""When a recording began, from what recorders write into names and containers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import PurePath

_DATE = r"(?P<year>20\d\d) [-._\ ]? (?P<month>0[1-9]|1[0-2]) [-._\ ]? (?P<day>0[1-9]|[12]\d|3[01])"
_TIME = r"""
    (?P<hour>[01]\d|2[0-3])
    (?:
        (?P<minute>[0-5]\d) (?P<second>[0-5]\d) (?:[._-]? (?P<milli>\d{3}) (?!\d))?  # 143005, 143005_123
        |
        [-._:\ h] (?P<minutes>[0-5]\d)  # 14-30, 14.30.05, 14h30m05s, 14:30:05.5
        (?:[-._:\ m] (?P<seconds>[0-5]\d) s?
            (?:(?: [.,] (?=\d{1,6}(?!\d)) | [_-] (?=\d{3}(?!\d)) ) (?P<fraction>\d+))?
        )?
    ) (?!\d)
"""
# A minus zone without colon ("-0500") looks like a counter, so it counts only after the T of ISO 8601.
_ZONE = r"""
    (?:\ ? (?P<zone>
        Z (?![A-Za-z]) | [+](?:0\d|1[0-4]):?[0-5]\d | -(?:0\d|1[0-2]):[0-5]\d
        | (?:(?<=T.{6})|(?<=T.{8})) -(?:0\d|1[0-2])[0-5]\d
    ) (?!\d))?
"""
_STAMP = re.compile(rf"(?<!\d) {_DATE} (?:[-._\ T]|\ -\ |__|\ at\ )? {_TIME} {_ZONE}", re.VERBOSE)
_DATE_ONLY = re.compile(rf"(?<!\d) {_DATE} (?!\d)", re.VERBOSE)
_TIME_ONLY = re.compile(rf"(?<!\d) {_TIME} {_ZONE}", re.VERBOSE)
_EPOCH = re.compile(r"(?<!\d)(\d{10}|\d{13})(?!\d)")
_DATE_AND_HOUR = re.compile(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])")

FIRST_EPOCH = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC).timestamp()  # 1_000_000_000, the first with ten digits
END_EPOCH = datetime(2101, 1, 1, tzinfo=UTC).timestamp()
FIRST_CREATION = datetime(2000, 1, 2, tzinfo=UTC).timestamp()  # clocks never set say 1904, 1970 or 2000-01-01


def from_name(name: PurePath, zone: tzinfo = UTC) -> float | None:
    """The time written in `name`, a path below its camera, in UTC seconds. None when there is none.

    Three ways to write it are understood:

    - a date with a time in the file's name: `2026-11-20_14-30-05`, `20261120143005`, `2026-11-20T14:30:05.5Z`,
      `… +0200`
    - a date in the folders, and a time in the name or the rest of the path: `2026-11-20/14-30-05.mp4`,
      `2026/11/20/14/30.05.mp4`
    - Unix seconds or milliseconds

    A time that does not name its zone is meant in `zone`. It is not the zone of the machine that reads it: the same
    footage would get other times elsewhere.
    """
    stem = name.stem if re.fullmatch(r"\.(?=\w*[A-Za-z])\w{1,7}|\.26[45]", name.suffix) else name.name
    for match in _STAMP.finditer(stem):
        time = _time(match, match, zone)
        if time is not None:
            return time
    for match in _EPOCH.finditer(stem):
        seconds = int(match[1]) / (1 if len(match[1]) == 10 else 1000)
        # "2026112014" is a date with an hour to a person and the year 2034 to a machine: neither is believed.
        if FIRST_EPOCH <= seconds < END_EPOCH and not _DATE_AND_HOUR.fullmatch(match[1]):
            return seconds
    folders = "-".join(name.parts[:-1])
    dates = list(_DATE_ONLY.finditer(folders))
    if dates:
        rest = folders[dates[-1].end() :].strip("-")
        # "14/30.05" must not be read as half past twelve, so a time with seconds is looked for first.
        for text, whole in ((stem, True), (f"{rest}-{stem}", True), (stem, False)):
            for match in _TIME_ONLY.finditer(text):
                time = _time(dates[-1], match, zone) if match["second"] or match["seconds"] or not whole else None
                if time is not None:
                    return time
    return None


def _time(date: re.Match[str], time: re.Match[str], zone: tzinfo) -> float | None:
    fraction = time["milli"] or time["fraction"] or "0"
    written = time["zone"]
    if written == "Z":
        zone = UTC
    elif written:
        digits = written.replace(":", "")
        offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
        zone = timezone(-offset if digits[0] == "-" else offset)
    try:
        moment = datetime(
            int(date["year"]),
            int(date["month"]),
            int(date["day"]),
            int(time["hour"]),
            int(time["minute"] or time["minutes"]),
            int(time["second"] or time["seconds"] or 0),
            int(fraction.ljust(6, "0")),
            zone,
        )
    except ValueError:  # 31 February
        return None
    return moment.timestamp()


def from_metadata(*metadata: Mapping[str, str]) -> float | None:
    """The creation time that a container or one of its streams states, in UTC seconds. None when absent or absurd.

    Recorders write the beginning or the end of the recording there. It is taken as the beginning.
    """
    for text in _creation_times(metadata):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            continue
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        if FIRST_CREATION <= seconds < END_EPOCH:
            return seconds
    return None


def _creation_times(metadata: tuple[Mapping[str, str], ...]) -> Iterator[str]:
    for entries in metadata:
        for key, text in entries.items():
            if key.lower() == "creation_time":
                yield text
