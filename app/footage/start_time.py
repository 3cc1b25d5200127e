"""When recordings began, from what recorders write into names and containers.

One name often reads in several ways: `10-11-2026` is October or November, `12.05` an hour or a minute. So names of one
shape are read together, and the reading is taken that fits them all.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import PurePath
from typing import Literal, NamedTuple

DateOrder = Literal["day-first", "month-first", "year-first"]
ORDERS: tuple[DateOrder, ...] = ("day-first", "month-first", "year-first")
Span = tuple[int, int]

FIRST_EPOCH = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC).timestamp()  # 1_000_000_000, the first with ten digits
END_EPOCH = datetime(2101, 1, 1, tzinfo=UTC).timestamp()
FIRST_CREATION = datetime(2000, 1, 2, tzinfo=UTC).timestamp()  # clocks never set say 1904, 1970 or 2000-01-01
ENOUGH_DAYS, FARTHER = 3, 5  # so many days tell the order, where they lie so many times farther apart in another one
LAST_SHORT_YEAR = 2050  # that is written with two digits
LONGEST_NAME = 1000  # characters that are looked at

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = rf"(?P<month_name>{'|'.join(_MONTHS)})[a-z]*"
_YEAR, _YEAR_2, _M, _D = (
    r"(?P<year>20\d\d)",
    r"(?P<year2>[0-4]\d)",
    r"(?P<month>0?[1-9]|1[0-2])",
    (r"(?P<day>0?[1-9]|[12]\d|3[01])"),
)
_MM, _DD = r"(?P<month>0[1-9]|1[0-2])", r"(?P<day>0[1-9]|[12]\d|3[01])"
_ALONE = r"(?=\d{6}(?!\d)|(?!\d))"  # nothing but a whole time may follow the digits of a date
# Ways to write a date, the surest first. `a` and `b` are day and month in an order that the name does not tell.
_DATES = {
    "year first": rf"{_YEAR} [-._\ /]? {_MM} [-._\ /]? {_DD}",
    "year first, with letters": rf"{_YEAR}Y{_MM}M{_DD}D",
    "year first, short": rf"{_YEAR} (?P<mark>[-._]) {_M} (?P=mark) {_D} (?!\d)",
    "name of the month": rf"(?:{_YEAR}[-._\ ]?{_MONTH}[-._\ ]?{_D}(?!\d))",
    "name of the month, last": rf"{_D}(?:st|nd|rd|th)?[-._,\ ]{{0,2}}{_MONTH}[-._,\ ]{{0,2}}{_YEAR}(?!\d)",
    "name of the month, first": rf"{_MONTH}[-._\ ]{{0,2}}{_D}(?:st|nd|rd|th)?[-._,\ ]{{1,2}}{_YEAR}(?!\d)",
    "year last": r"(?P<a>\d{1,2}) (?P<mark>[-._\ /]) (?P<b>\d{1,2}) (?P=mark) (?P<year>20\d\d) (?!\d)",
    "year last, compact": rf"(?P<a>\d\d)(?P<b>\d\d)(?P<year>20\d\d){_ALONE}",
    "two digits": rf"{_YEAR_2}{_MM}{_DD}{_ALONE}",
    "two digits, apart": r"(?P<a>\d\d)(?P<mark>[-._])(?P<b>\d\d)(?P=mark)(?P<c>\d\d)(?!\d)",
}
_DATE_FORMS = {name: re.compile(rf"(?<!\d)(?:{form})", re.VERBOSE | re.IGNORECASE) for name, form in _DATES.items()}
_HALF = r"[-._\ ]?(?P<half>[ap])[.]?\ ?m(?![a-z])"
_NO_HALF = r"(?![-._\ ]?[ap][.]?\ ?m(?![a-z]))"
_FRACTION = r"(?: [.,](?P<fraction>\d{1,6})(?!\d) | [_-]?(?P<milli>\d{3})(?!\d) | [_-](?P<micro>\d{6})(?!\d) )?"
_12, _24 = r"(?P<hour>0?[1-9]|1[0-2])", r"(?P<hour>[01]?\d|2[0-4])"
_MINUTE, _SECOND = r"(?P<minute>[0-5]\d)", r"(?P<second>[0-5]\d)"
# Ways to write a time of the day. Those without seconds come last: "14/30.05" is no half past twelve.
_TIMES = {
    "12 hours": rf"{_12}(?:[-._:\ h]{_MINUTE})?(?:[-._:\ m]{_SECOND})?s?{_FRACTION}{_HALF}",
    "12 hours, compact": rf"(?P<hour>0[1-9]|1[0-2]){_MINUTE}{_SECOND}?{_HALF}",
    "24 hours": rf"{_24}[-._:\ h]{_MINUTE}[-._:\ m]{_SECOND}s?{_FRACTION}(?!\d){_NO_HALF}",
    "compact": rf"(?P<hour>[01]\d|2[0-4]){_MINUTE}{_SECOND}{_FRACTION}(?!\d){_NO_HALF}",
    "no seconds": rf"{_24}[-._:\ h]{_MINUTE}m?(?!\d)(?![-._:]\d\d(?!\d)){_NO_HALF}",
    "no seconds, compact": rf"(?P<hour>[01]\d|2[0-4]){_MINUTE}(?!\d){_NO_HALF}",
}
_TIME_FORMS = {name: re.compile(rf"(?<!\d)(?:{form})", re.VERBOSE | re.IGNORECASE) for name, form in _TIMES.items()}
_12_HOURS_FOLLOW = re.compile(rf"[-._,\ ]{{0,3}}(?:{_TIMES['12 hours']})", re.VERBOSE | re.IGNORECASE)
_TIME_HERE = {name: re.compile(form, re.VERBOSE | re.IGNORECASE) for name, form in _TIMES.items()}
# A minus zone without colon ("-0500") looks like a counter, so it counts only after the T of ISO 8601.
_SURE_DATES, _SURE_TIMES = ("year first", "year last"), ("12 hours", "24 hours", "compact")
_ZONE = re.compile(
    r"""\ ?(?: Z(?![A-Za-z]) | (?:GMT|UTC)?(?P<sign>[+])(?P<hours>0\d|1[0-4]):?(?P<minutes>[0-5]\d)
    | (?:GMT|UTC)?(?P<sign_>-)(?P<hours_>0\d|1[0-2]):(?P<minutes_>[0-5]\d)
    | (?:GMT|UTC)(?:(?P<sign__>[-+])(?P<hours__>\d\d?))?(?!\d) ) (?!\d)""",
    re.VERBOSE,
)
_ISO_ZONE = re.compile(r"-(?P<hours>0\d|1[0-2])(?P<minutes>[0-5]\d)(?!\d)")
_BETWEEN = re.compile(r"(?:[-._,\ T]|\ -\ |,\ |__|[\ _](?:at|um|à)[\ _])?", re.IGNORECASE)
_BETWEEN_TIME_AND_DATE = re.compile(r"[-._,\ ]{1,2}|\ -\ ")
_EPOCH = re.compile(r"(?<![\d.])(\d{10}|\d{13}|\d{16})(?:\.(\d{1,9}))?(?![\d])")
_DATE_AND_HOUR = re.compile(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])")
_HOUR_LEVEL = re.compile(r"(?:hour|h)?[-_ ]?(?P<hour>[01]?\d|2[0-3])h?", re.IGNORECASE)
_HOUR_AFTER_DATE = re.compile(r"[-._\ T]?(?P<hour>[01]\d|2[0-3])H?$", re.IGNORECASE)
_WITHIN_HOUR = re.compile(
    r"(?:(?<!\d)|(?<=[A-Za-z]\d))(?P<minute>[0-5]\d)(?:[-._:m]?(?P<second>[0-5]\d)(?:s\d{0,3}$|s)?)?(?!\d)",
    re.IGNORECASE,
)
_LEVELS_OF_TIME = re.compile(r"(?<=/)(?P<hour>[01]\d|2[0-3])/(?P<minute>[0-5]\d)/(?P<second>[0-5]\d)$")
_MINUTE_ONLY = re.compile(r"[A-Za-z_-]*(?P<minute>[0-5]?\d)m?", re.IGNORECASE)
_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")  # macOS writes one of these before AM and PM


@dataclass(frozen=True, slots=True)
class NameTime:
    """What a name tells of when its recording began."""

    local: datetime  # without zone where the name has none
    spans: tuple[Span, ...]  # of the name without its suffix: what tells the time
    uncertain: bool = False  # day and month may be the other way round


class _Reading(NamedTuple):
    form: str  # how it was read
    weak: bool  # counts only where all names of this shape read so
    order: DateOrder | None  # None where the name itself tells which is the day
    local: datetime
    spans: tuple[Span, ...]
    counter: bool = False  # may as well be one. It counts where others of its form can't be


class _Shape:
    """All readings of names that are written alike."""

    def __init__(self, readings: list[list[_Reading]]) -> None:
        self._names = len(readings)
        self._support: Counter[tuple[str, DateOrder | None]] = Counter()
        self._certain: set[str] = set()
        self._dates: dict[tuple[str, DateOrder | None], set[date]] = defaultdict(set)
        for of_name in readings:
            for reading in of_name:
                self._dates[reading.form, reading.order].add(reading.local.date())
            self._support.update({(reading.form, reading.order) for reading in of_name})
            self._certain.update(reading.form for reading in of_name if not reading.counter)

    def vote(self) -> DateOrder | None:
        """The order of day and month that the names tell. None where several fit as well, or none is asked.

        The order that fits most names is right. Of those that fit all, the one whose days follow each other is.
        """
        for form in {form for form, order in self._support if order is not None}:
            counts = Counter({order: self._support[form, order] for order in ORDERS}).most_common()
            if counts[0][1] > counts[1][1]:
                return counts[0][0]
            spreads = {order: self._days_apart(form, order) for order, count in counts if count == counts[0][1]}
            near, far = sorted(spreads, key=lambda order: spreads[order])[:2]
            if len(self._dates[form, near]) >= ENOUGH_DAYS and FARTHER * spreads[near] <= spreads[far]:
                return near
        return None

    def _days_apart(self, form: str, order: DateOrder) -> int:
        dates = self._dates[form, order]
        return (max(dates) - min(dates)).days

    def time(self, readings: list[_Reading], settled: DateOrder | None) -> NameTime | None:
        """The reading of a name that most others share, of those the first."""
        possible = [reading for reading in readings if self._believed(reading)]
        if not possible:
            return None
        order = self.vote() or settled

        def rank(reading: _Reading) -> tuple[int, bool]:
            return -self._support[reading.form, reading.order], reading.order is not None and order not in (
                None,
                reading.order,
            )

        best = min(possible, key=rank)  # the first of equals, as min is stable
        days = {reading.local.date() for reading in possible if reading.form == best.form and reading.order}
        return NameTime(best.local, best.spans, uncertain=best.order is not None and order is None and len(days) > 1)

    def _believed(self, reading: _Reading) -> bool:
        if reading.counter and reading.form not in self._certain:
            return False
        return not reading.weak or self._support[reading.form, reading.order] == self._names


def from_name(name: PurePath, zone: tzinfo = UTC) -> float | None:
    """The time written in one name alone, in UTC seconds, see `times_in_names`. None when there is none."""
    (time,) = times_in_names([name])
    return None if time is None else utc(time.local, zone)


def utc(local: datetime, zone: tzinfo) -> float:
    """UTC seconds of a time. One that names no zone is in `zone`.

    It is not the zone of the machine that reads it: the same footage would get other times elsewhere.
    """
    return (local if local.tzinfo else local.replace(tzinfo=zone)).timestamp()


def times_in_names(names: Sequence[PurePath], order: DateOrder | None = None) -> list[NameTime | None]:
    """The time in each of `names`, paths below their site. None where there is none.

    These ways to write it are understood, also in the folders above a file:

    - a date beside a time, in either order: `2026-11-20_14-30-05`, `20261120143005`, `11-20-2026, 2.30.05 PM`,
      `143005_20261120`, `261120-143005`, `20 Nov 2026 14h30`
    - a date in the folders, and a time in the name or the rest of the path: `2026-11-20/14-30-05.mp4`,
      `2026/11/20/14/30.05.mp4`, `2026Y11M20D14H/30M05S60.mp4`
    - Unix seconds, with a fraction or not, milliseconds and microseconds

    Args:
        names: Of all footage that was found together, since one name may settle another.
        order: What a person says about day and month. Else names that read only one way tell it for the others. Where
            none does, a 12-hour clock comes with month-first, and the result is `uncertain`.
    """
    texts = [text_of(name) for name in names]
    readings = [list(_readings(text)) if len(text) <= LONGEST_NAME else [] for text in texts]
    numbers_by_shape: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        numbers_by_shape[_shape(text)].append(number)
    shapes = [(_Shape([readings[n] for n in numbers]), numbers) for numbers in numbers_by_shape.values()]
    votes = {vote for shape, _ in shapes if (vote := shape.vote()) is not None}
    settled = order or (votes.pop() if len(votes) == 1 else None)
    times: list[NameTime | None] = [None] * len(names)
    for shape, numbers in shapes:
        for number in numbers:
            times[number] = shape.time(readings[number], settled)
    return times


def stem_of(name: PurePath) -> str:
    """A file's name without what is a suffix. In `30.05` there is none."""
    return name.stem if re.fullmatch(r"\.(?=\w*[A-Za-z])\w{1,7}|\.26[45]", name.suffix) else name.name


def text_of(name: PurePath) -> str:
    """The text that `NameTime.spans` are of: the path with "/" between its levels, without the suffix."""
    folders = "".join(f"{part}/" for part in name.parts[:-1])
    return _SPACES.sub(" ", folders + stem_of(name))


def time_spans(text: str, spans: Sequence[Span] = ()) -> list[Span]:
    """What of `text` tells time: the `spans`, and all else that reads as a date, a time or Unix seconds."""
    masked = list(text)
    for first, end in spans:
        masked[first:end] = "\0" * (end - first)
    told = list(spans)
    for form in (*(_DATE_FORMS[name] for name in _SURE_DATES), *map(_TIME_FORMS.__getitem__, _SURE_TIMES), _EPOCH):
        for match in form.finditer("".join(masked)):
            told.append(match.span())
            masked[match.start() : match.end()] = "\0" * len(match[0])
    return sorted(told)


def _shape(text: str) -> str:
    """What names of one kind share: their marks, their letters as such, and how many digits stand together."""
    digits = re.sub(r"\d+", lambda match: "#" * max(2, len(match[0])), text)
    return re.sub(r"[^\W\d_]+", "a", digits)


def _readings(text: str) -> Iterator[_Reading]:
    """All ways in which a name's text can be read, the likeliest first."""
    folders = text.rfind("/") + 1
    dates = list(_dates(text))
    for beside in (True, False):
        for day in dates:
            if day.spans[0][0] >= folders:
                yield from _beside(text, day) if beside else _before(text, folders, day)
    yield from _epochs(text, folders)
    for day in dates:
        if day.spans[0][0] >= folders:
            yield from _apart(text, folders, day)
    for day in reversed(dates):
        if day.spans[0][0] < folders:
            yield from _below(text, folders, day)


def _dates(text: str) -> Iterator[_Reading]:
    """Each date in the text. Dates that read in two ways come twice."""
    for form, pattern in _DATE_FORMS.items():
        for match in pattern.finditer(text):
            parts = match.groupdict()
            for order, year, month, day in _days(parts, _12_HOURS_FOLLOW.match(text, match.end()) is not None):
                try:
                    local = datetime(year, month, day)
                except ValueError:  # 31 February
                    continue
                yield _Reading(form, False, order, local, (match.span(),))


def _days(parts: dict[str, str], twelve_hours: bool) -> list[tuple[DateOrder | None, int, int, int]]:
    """Year, month and day of a date, in each order that it may be written in, the likeliest first."""
    if parts.get("a") is None:
        year = int(parts.get("year") or f"20{parts['year2']}")
        month = int(parts["month"]) if parts.get("month") else _MONTHS.index(parts["month_name"].lower()) + 1
        return [(None, year, month, int(parts["day"]))]
    a, b = int(parts["a"]), int(parts["b"])
    if parts.get("c") is None:
        year = int(parts["year"])
        return _americans_first([("day-first", year, b, a), ("month-first", year, a, b)], twelve_hours)
    c = int(parts["c"])
    orders: list[tuple[DateOrder | None, int, int, int]] = [
        ("day-first", 2000 + c, b, a),
        ("month-first", 2000 + c, a, b),
    ]
    years_first: list[tuple[DateOrder | None, int, int, int]] = [("year-first", 2000 + a, b, c)]
    orders = _americans_first(orders, twelve_hours)
    ordered = orders + years_first if parts["mark"] == "." or twelve_hours else years_first + orders
    return [day for day in ordered if day[1] < LAST_SHORT_YEAR]


def _americans_first(
    days: list[tuple[DateOrder | None, int, int, int]], twelve_hours: bool
) -> list[tuple[DateOrder | None, int, int, int]]:
    """Where the clock has 12 hours, the month likely comes first."""
    return days[::-1] if twelve_hours else days


def _beside(text: str, day: _Reading) -> Iterator[_Reading]:
    """A time right behind the date."""
    ((begin, end),) = day.spans
    gaps = sorted({match.end() for match in [_BETWEEN.match(text, end)] if match} | {end}, reverse=True)
    gaps += [end + len(mark) for mark in (" - ", ", ", "__", " at ") if text.startswith(mark, end)]
    for start in dict.fromkeys(gaps):
        for form, pattern in _TIME_HERE.items():
            match = pattern.match(text, start)
            if match is not None and (start > end or "compact" in form):
                yield from _timed(text, day, match, form, (begin, match.end()))


def _before(text: str, folders: int, day: _Reading) -> Iterator[_Reading]:
    """A time right before the date."""
    ((begin, end),) = day.spans
    for form in ("24 hours", "compact", "12 hours"):
        for match in _TIME_FORMS[form].finditer(text, folders, begin):
            if _BETWEEN_TIME_AND_DATE.fullmatch(text, match.end(), begin):
                yield from _timed(text, day, match, f"{form}, then the date", (match.start(), end))


def _apart(text: str, folders: int, day: _Reading) -> Iterator[_Reading]:
    """A time elsewhere in the name that has the date."""
    for form in ("12 hours", "24 hours", "compact"):
        for match in _TIME_FORMS[form].finditer(text, folders):
            if match.end() <= day.spans[0][0] or match.start() >= day.spans[0][1]:
                for reading in _timed(text, day, match, f"{form}, apart", *day.spans, match.span()):
                    yield reading._replace(weak=True)


def _below(text: str, folders: int, day: _Reading) -> Iterator[_Reading]:
    """A time in the file's name, or in its name and the folders, where the date is in the folders."""
    ((begin, end),) = day.spans
    level_end = text.find("/", end)
    for form in ("12 hours", "12 hours, compact", "24 hours", "compact"):
        for match in _TIME_FORMS[form].finditer(text, folders):
            yield from _timed(text, day, match, f"{form}, in the name", (begin, end), match.span())
    if (levels := _LEVELS_OF_TIME.search(text, end)) is not None:
        yield from _timed(text, day, levels, "levels of time", (begin, end), levels.span())
    hours: list[tuple[str, int, Span]] = []
    if (after := _HOUR_AFTER_DATE.match(text[:level_end], end)) is not None:
        hours.append(("with the date", int(after["hour"]), after.span()))
    first = 0
    for number, level in enumerate(text[:folders].split("/")[:-1]):
        hour_level = _HOUR_LEVEL.fullmatch(level)
        if hour_level is not None and not (first < end and begin < first + len(level)):
            hours.append((f"level {number}", int(hour_level["hour"]), (first, first + len(level))))
        first += len(level) + 1
    hours.sort(key=lambda hour: hour[2][0] < begin)  # those below the date first
    stem = text[folders:]
    for where, number, span in hours:
        for within in (_WITHIN_HOUR.match(stem), _MINUTE_ONLY.fullmatch(stem), _WITHIN_HOUR.search(stem)):
            if within is None:
                continue
            found = (folders + within.start(), folders + within.end())
            second = int(within.groupdict().get("second") or 0)
            local = day.local.replace(hour=number, minute=int(within["minute"]), second=second)
            yield _Reading(f"hour {where}", True, day.order, local, (day.spans[0], span, found))
            break
    for match in _TIME_FORMS["no seconds"].finditer(text, folders):
        yield from _timed(text, day, match, "no seconds, in the name", (begin, end), match.span())


def _timed(text: str, day: _Reading, match: re.Match[str], form: str, *spans: Span) -> Iterator[_Reading]:
    """The date with that time, and the zone that follows."""
    parts = match.groupdict()
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        hour = hour % 12 + 12 * (half.lower() == "p")
    if hour == 24 and (minute or second):
        return
    fraction, end = parts.get("fraction") or parts.get("milli") or "", match.end()
    weak, counter = day.weak or form.startswith("no seconds"), form == "no seconds, compact" and hour == 0
    micro = parts.get("micro")
    if micro and not parts.get("half"):
        # Six digits behind a mark are microseconds, or the time at which the recording ended.
        if re.fullmatch(r"([01]\d|2[0-3])[0-5]\d[0-5]\d", micro):
            local = day.local + timedelta(hours=hour, minutes=minute, seconds=second)
            yield _Reading(f"{day.form}, {form}, with its end", True, day.order, local, spans)
        fraction = micro
    zone, zone_end = _zone(text, match.start(), end)
    local = day.local + timedelta(
        hours=hour, minutes=minute, seconds=second, microseconds=int(fraction.ljust(6, "0") or 0)
    )
    *others, (first, last) = spans
    reached = (*others, (first, max(last, zone_end)))
    yield _Reading(f"{day.form}, {form}", weak, day.order, local.replace(tzinfo=zone), reached, counter)


def _zone(text: str, begin: int, end: int) -> tuple[tzinfo | None, int]:
    """The zone that follows a time, and where it ends."""
    match = _ZONE.match(text, end)
    if match is None and text[begin - 1 : begin] == "T":
        match = _ISO_ZONE.match(text, end)
        if match is not None:
            return timezone(-timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))), match.end()
    if match is None:
        return None, end
    parts = match.groupdict()
    for mark in ("", "_", "__"):
        if parts[f"sign{mark}"]:
            offset = timedelta(hours=int(parts[f"hours{mark}"]), minutes=int(parts.get(f"minutes{mark}") or 0))
            return timezone(-offset if parts[f"sign{mark}"] == "-" else offset), match.end()
    return UTC, match.end()


def _epochs(text: str, begin: int) -> Iterator[_Reading]:
    for match in _EPOCH.finditer(text, begin):
        digits, fraction = match[1], (match[2] or "")[:6]
        ticks = int(digits) * 10 ** (16 - len(digits)) + (int(fraction.ljust(6, "0")) if len(digits) == 10 else 0)
        # "2026112014" is a date with an hour to a person and the year 2034 to a machine: neither is believed.
        if FIRST_EPOCH <= ticks / 1e6 < END_EPOCH and not _DATE_AND_HOUR.fullmatch(digits):
            local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks)
            yield _Reading("Unix seconds", False, None, local, (match.span(),))


def from_metadata(*metadata: Mapping[str, str]) -> float | None:
    """The time of making that a container or one of its streams states, in UTC seconds. None when absent or absurd.

    Apple's own date of creation goes before that of the container, which is often the export's. Recorders write the
    beginning or the end of the recording there. It is taken as the beginning.
    """
    for text in _creation_times(metadata):
        seconds = _moment(text.strip())
        if seconds is not None and FIRST_CREATION <= seconds < END_EPOCH:
            return seconds
    return None


def _moment(text: str) -> float | None:
    if re.fullmatch(r"\d{10}(?:\.\d{1,9})?", text):
        return float(text)
    if re.fullmatch(r"\d{13}", text):
        return int(text) / 1000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _creation_times(metadata: tuple[Mapping[str, str], ...]) -> Iterator[str]:
    for wanted in ("com.apple.quicktime.creationdate", "creation_time", "date"):
        for entries in metadata:
            for key, text in entries.items():
                if key.lower() == wanted:
                    yield text
