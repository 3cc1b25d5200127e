"""What a time holds of a site: people a camera, zone and interval, crossings of lines, ways, and lengths of stays."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError
from app.movement.areas import AreaMovement, movement_in
from app.movement.people import People, how_many
from app.movement.stays import Stays, seen_in
from app.record import Site
from app.record.rows import AuditEntry

MOST_INTERVALS = 10_000  # of one report: 13 months of hours
MOST_COUNTS = 1_000_000  # of one report: intervals times cameras, zones and lines


class Interval(StrEnum):
    """What counts are made by. Each begins at a round time in UTC."""

    minute = "minute"
    hour = "hour"
    day = "day"
    whole = "whole"

    @property
    def seconds(self) -> float:
        """Its length, endless for `whole`."""
        return {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "whole": math.inf}[self]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which time is looked at, in UTC seconds, and by which intervals."""

    begin: float | None = None  # None: since there is footage
    end: float | None = None
    by: Interval = Interval.whole


@dataclass(frozen=True, slots=True)
class Count:
    """People in one camera and interval."""

    camera: str
    start: float  # UTC seconds, of the interval
    end: float
    people: int  # identities that were in sight in it
    arrivals: int  # stays that began in it


@dataclass(frozen=True, slots=True)
class Times:
    """How a length of time is spread, in seconds."""

    count: int
    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, seconds: NDArray[np.float64]) -> Times:
        """Of at least one."""
        p10, median, p90 = np.percentile(seconds, (10, 50, 90)).tolist()
        return cls(len(seconds), median, p10, p90)


@dataclass(frozen=True, slots=True)
class Length:
    """How long people stay in a camera."""

    camera: str
    seconds: Times


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """People in one zone and interval."""

    camera: str
    zone: str
    start: float  # UTC seconds, of the interval
    end: float
    people: int
    arrivals: int  # who came into it


@dataclass(frozen=True, slots=True)
class ZoneLength:
    """How long people stay in a zone."""

    camera: str
    zone: str
    seconds: Times


@dataclass(frozen=True, slots=True)
class LineCount:
    """Crossings of one line in one interval, by direction: seen by who goes along it from its first point to its last.

    A person who crosses again counts again.
    """

    camera: str
    line: str
    start: float  # UTC seconds, of the interval
    end: float
    to_right: int
    to_left: int
    people: int  # different ones


@dataclass(frozen=True, slots=True)
class Way:
    """How people went from one camera to the next that saw them.

    Seconds are from the end of one stay to the start of the next, negative where both cameras saw somebody at once.
    """

    origin: str
    destination: str
    seconds: Times


@dataclass(frozen=True, slots=True)
class Flow:
    """How people moved."""

    start: float  # UTC seconds
    end: float
    by: Interval
    people: People
    counts: list[Count]  # by interval, then camera
    lengths: list[Length]  # by camera
    ways: list[Way]  # by origin, then destination
    zones: list[ZoneCount]  # by interval, then zone
    zone_lengths: list[ZoneLength]  # by zone
    lines: list[LineCount]  # by interval, then line
    unmerged: int
    """Tracklets that no merging has seen. Each counts as somebody by itself."""
    guessed: list[str]
    """Cameras whose picture's size is guessed, so that their zones and lines may lie a little off. See `sizes`."""


def flow(site: Site, wish: Wish = Wish(), *, who: str, cameras: Collection[str] | None = None) -> Flow:
    """Counts what a time holds. The audit notes that `who` asked.

    cameras: None for all. With some the report is as if the site had no others.

    Raises SiteError where the site was never merged, or for times that hold nothing.
    """
    seen = seen_in(site, cameras)
    footage = [record for record in site.footage() if cameras is None or record.camera in cameras]
    begin = wish.begin if wish.begin is not None else min((f.start for f in footage), default=0.0)
    end = wish.end if wish.end is not None else max((f.start + f.seconds for f in footage), default=0.0)
    if cameras is not None and not footage:
        raise SiteError("There is no footage of the cameras to count in: ingest some first.")
    edges_of(begin, end, wish.by, len(seen.names))  # before the work: whether it can be counted
    result = flow_of(seen.stays(), begin, end, wish.by, seen.unmerged, movement_in(site, seen, begin, end))
    details = {"from": result.start, "to": result.end, "by": str(wish.by)}
    if cameras is not None:
        details["cameras"] = list(seen.names)
    site.note(AuditEntry(time.time(), who, "flow", details))
    return result


def flow_of(
    stays: Stays, begin: float, end: float, by: Interval, unmerged: int = 0, areas: AreaMovement | None = None
) -> Flow:
    """Counts stays of `begin`…`end`, UTC seconds. Raises SiteError for times that hold nothing, or too many intervals.

    A stay that reaches beyond them is there, with its whole length.
    """
    in_areas = 0 if areas is None else len(areas.zones) + len(areas.lines)
    edges = edges_of(begin, end, by, len(stays.names) + in_areas)
    stays = stays.within(begin, end)
    people, arrivals = _counts(stays, edges)
    return Flow(
        start=begin,
        end=end,
        by=by,
        people=how_many(len(np.unique(stays.person))),
        counts=[
            Count(name, start, until, int(people[k, camera]), int(arrivals[k, camera]))
            for k, start, until in _intervals(edges)
            for camera, name in enumerate(stays.names)
        ],
        lengths=[Length(stays.names[camera], seconds) for camera, seconds in _lengths(stays)],
        ways=_ways(stays),
        zones=[] if areas is None else _zone_counts(areas, edges),
        zone_lengths=[]
        if areas is None
        else [ZoneLength(*areas.zones[zone], seconds) for zone, seconds in _lengths(areas.stays.within(begin, end))],
        lines=[] if areas is None else _line_counts(areas, edges),
        unmerged=unmerged,
        guessed=[] if areas is None else list(areas.guessed),
    )


def _intervals(edges: NDArray[np.float64]) -> list[tuple[int, float, float]]:
    return [(k, float(edges[k]), float(edges[k + 1])) for k in range(len(edges) - 1)]


def _lengths(stays: Stays) -> list[tuple[int, Times]]:
    """How long people stay, by the place of a camera or zone in which somebody was."""
    seconds = stays.end - stays.start
    return [(place, Times.of(seconds[stays.camera == place])) for place in np.unique(stays.camera).tolist()]


def _counts(stays: Stays, edges: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """People and arrivals, `(intervals, places)` each. Who was there before comes as the first interval begins."""
    intervals, cameras = len(edges) - 1, len(stays.names)
    first, last = (
        np.clip(np.searchsorted(edges, times, "right") - 1, 0, intervals - 1) for times in (stays.start, stays.end)
    )
    lasts = last - first + 1  # intervals that a stay touches
    stay = np.repeat(np.arange(len(stays)), lasts)
    interval = first[stay] + np.arange(len(stay)) - np.repeat(np.cumsum(lasts) - lasts, lasts)
    seen = np.unique(np.stack([interval * cameras + stays.camera[stay], stays.person[stay]], 1), axis=0)
    people = np.bincount(seen[:, 0], minlength=intervals * cameras)
    arrivals = np.bincount(first * cameras + stays.camera, minlength=intervals * cameras)
    return people.reshape(intervals, cameras), arrivals.reshape(intervals, cameras)


def _zone_counts(areas: AreaMovement, edges: NDArray[np.float64]) -> list[ZoneCount]:
    if not areas.zones:
        return []
    people, arrivals = _counts(areas.stays.within(float(edges[0]), float(edges[-1])), edges)
    return [
        ZoneCount(*place, start, until, int(people[k, zone]), int(arrivals[k, zone]))
        for k, start, until in _intervals(edges)
        for zone, place in enumerate(areas.zones)
    ]


def _line_counts(areas: AreaMovement, edges: NDArray[np.float64]) -> list[LineCount]:
    crossed, lines = areas.crossings, len(areas.lines)
    kept = (crossed.time >= edges[0]) & (crossed.time < edges[-1])
    interval = np.searchsorted(edges, crossed.time[kept], "right") - 1
    key, to_right = interval * lines + crossed.line[kept], crossed.to_right[kept]
    size = (len(edges) - 1) * lines
    right, left = (np.bincount(key[way], minlength=size) for way in (to_right, ~to_right))
    different = np.unique(np.stack([key, crossed.person[kept]], 1), axis=0)
    people = np.bincount(different[:, 0], minlength=size)
    return [
        LineCount(*place, start, until, int(right[row]), int(left[row]), int(people[row]))
        for k, start, until in _intervals(edges)
        for row, place in enumerate(areas.lines, k * lines)
    ]


def edges_of(begin: float, end: float, by: Interval, places: int) -> NDArray[np.float64]:
    """Round times in between, with `begin` first and `end` last.

    places: cameras, zones and lines to count in. Raises SiteError for times that hold nothing, or too many intervals.
    """
    if not begin < end:
        raise SiteError("The time to look at ends before it begins: give --from a time before --to.")
    if by == Interval.whole:
        return np.array([begin, end])
    first = math.floor(begin / by.seconds) + 1
    last = math.ceil(end / by.seconds)
    if last - first >= MOST_INTERVALS:
        raise SiteError(
            f"{last - first + 1:,} intervals are more than {MOST_INTERVALS:,}: give a shorter time, or a longer --by."
        )
    if (last - first + 1) * places > MOST_COUNTS:
        raise SiteError(
            f"{last - first + 1:,} intervals in {places:,} cameras, zones and lines are more than {MOST_COUNTS:,} "
            "counts: give a shorter time, or a longer --by."
        )
    return np.concatenate([[begin], np.arange(first, last) * by.seconds, [end]])


def _ways(stays: Stays) -> list[Way]:
    """From each stay to the same person's next in another camera."""
    goes_on = (stays.person[1:] == stays.person[:-1]) & (stays.camera[1:] != stays.camera[:-1])
    origin, destination = stays.camera[:-1][goes_on], stays.camera[1:][goes_on]
    seconds = (stays.start[1:] - stays.end[:-1])[goes_on]
    ways = []
    for pair in np.unique(np.stack([origin, destination], 1), axis=0).tolist():
        taken = (origin == pair[0]) & (destination == pair[1])
        ways.append(Way(stays.names[pair[0]], stays.names[pair[1]], Times.of(seconds[taken])))
    return ways
