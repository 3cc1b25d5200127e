"""`--cameras PATTERN`: a person says which part of a path names the camera, and which parts tell the time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import PurePath
from typing import NamedTuple

from app.errors import FootageError
from app.footage.start_time import NameTime, stem_of

LONGEST = 300  # characters of a pattern
MOST_WILDCARDS = 3  # each multiplies what there is to try
_CODES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d\d)",
    "m": r"(?P<m>\d\d?)",
    "d": r"(?P<d>\d\d?)",
    "H": r"(?P<H>\d\d?)",
    "I": r"(?P<I>\d\d?)",
    "M": r"(?P<M>\d\d?)",
    "S": r"(?P<S>\d\d?)",
    "p": r"(?P<p>[AaPp][Mm])",
    "f": r"(?P<f>\d{1,6})",
    "b": r"(?P<b>[A-Za-z]{3})",
    "z": r"(?P<z>Z|[+-]\d\d:?\d\d)",
    "s": r"(?P<s>\d{9,11}(?:\.\d{1,6})?)",
    "%": "%",
}
_PARTS = re.compile(r"\{camera\}|\*\*/?|\*|%(.)|.", re.DOTALL)


class Match(NamedTuple):
    """What a pattern tells of a path."""

    camera: str
    time: NameTime | None  # None where the pattern has no time


class CameraPattern:
    """A pattern of paths below the folder of footage, as `{camera}/%Y-%m-%d/%H/%M.%S*`.

    `{camera}` is the camera's name. `*` is anything within a level, `**/` any levels. Times are written as in
    `strftime`: %Y %y %m %d %H %I %p %M %S %f %b %z, and %s for Unix seconds. A suffix need not be written.
    """

    def __init__(self, pattern: str) -> None:
        """Raises FootageError where it can't be understood."""
        self.pattern = pattern
        if (
            pattern.count("{camera}") != 1
            or len(pattern) > LONGEST
            or pattern.replace("**", "*").count("*") > MOST_WILDCARDS
        ):
            raise FootageError(
                f"{pattern!r:.{LONGEST}} can't tell cameras: write {{camera}} once, and at most {MOST_WILDCARDS} "
                "wildcards, as in '{camera}/%Y-%m-%d/%H-%M-%S*'"
            )
        self._lead = pattern.startswith("{camera}/")
        try:
            self._form = re.compile("".join(self._part(match) for match in _PARTS.finditer(pattern)))
        except re.error as error:  # a code twice
            raise FootageError(f"{pattern!r} can't be understood as a pattern of cameras: {error}") from error
        codes = self._form.groupindex.keys()
        dated = {"m", "d"} <= codes or {"b", "d"} <= codes
        self._timed = "s" in codes or (bool({"Y", "y"} & codes) and dated and bool({"H", "I"} & codes))
        if "I" in codes and "p" not in codes:
            raise FootageError(f"{pattern!r} has an hour of 12 (%I) without AM or PM (%p): add %p, or write %H")

    @property
    def levels(self) -> int:
        """How many levels of a path lead to the camera's own folder."""
        return int(self._lead)

    def match(self, name: PurePath) -> Match | None:
        """What the pattern tells of a path. None where it does not fit, or where its numbers are no time."""
        whole = name.as_posix()
        for text in (whole, (name.parent / stem_of(name)).as_posix()):
            match = self._form.fullmatch(text)
            if match is not None:
                break
        else:
            return None
        if not self._timed:
            return Match(match["camera"], None)
        local = _moment(match.groupdict())
        return None if local is None else Match(match["camera"], NameTime(local, ()))

    def _part(self, match: re.Match[str]) -> str:
        text = match[0]
        if text == "{camera}":
            return r"(?P<camera>[^/]+?)"
        if text.startswith("**"):
            return r"(?:[^/]*/)*" if text.endswith("/") else ".*"
        if text == "*":
            return "[^/]*"
        if match[1] is None:
            return re.escape(text)
        if match[1] not in _CODES:
            raise FootageError(f"{self.pattern!r} has {text}: possible are {' '.join(f'%{code}' for code in _CODES)}")
        return _CODES[match[1]]


def _moment(parts: dict[str, str | None]) -> datetime | None:
    if seconds := parts.get("s"):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(seconds))
    zone: tzinfo | None = None
    if offset := parts.get("z"):
        zone = datetime.strptime(offset, "%z").tzinfo
    hour = int(parts.get("H") or parts.get("I") or 0)
    if half := parts.get("p"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half.lower() == "pm")
    try:
        month = int(parts["m"] or 0) if parts.get("m") else datetime.strptime(str(parts["b"]), "%b").month
        return datetime(
            int(parts.get("Y") or f"20{parts['y']}"),
            month,
            int(parts["d"] or 0),
            hour,
            int(parts.get("M") or 0),
            int(parts.get("S") or 0),
            int((parts.get("f") or "0").ljust(6, "0")),
            zone,
        )
    except ValueError:
        return None
