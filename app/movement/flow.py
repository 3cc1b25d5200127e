"""What a time holds of a site: people a camera and interval, ways and their times, and how long people stay."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError
from app.movement.people import People, how_many
from app.movement.stays import Stays, stays_in
from app.record import Site
from app.record.rows import AuditEntry

MOST_INTERVALS = 10_000  # of one report: 13 months of hours


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
    unmerged: int
    """Tracklets that no merging has seen. Each counts as somebody by itself."""


def flow(site: Site, wish: Wish = Wish(), *, who: str) -> Flow:
    """Counts what a time holds. The audit notes that `who` asked.

    Raises SiteError where the site was never merged, or for times that hold nothing.
    """
    stays, unmerged = stays_in(site)
    footage = site.footage()
    begin = wish.begin if wish.begin is not None else min((f.start for f in footage), default=0.0)
    end = wish.end if wish.end is not None else max((f.start + f.seconds for f in footage), default=0.0)
    result = flow_of(stays, begin, end, wish.by, unmerged)
    details = {"from": result.start, "to": result.end, "by": str(wish.by)}
    site.note(AuditEntry(time.time(), who, "flow", details))
    return result


def flow_of(stays: Stays, begin: float, end: float, by: Interval, unmerged: int = 0) -> Flow:
    """Counts stays of `begin`…`end`, UTC seconds. Raises SiteError for times that hold nothing, or too many intervals.

    A stay that reaches beyond them is there, with its whole length.
    """
    if not begin < end:
        raise SiteError("The time to look at ends before it begins: give --from a time before --to.")
    edges = _edges(begin, end, by)
    stays = stays.within(begin, end)
    counts = _counts(stays, edges)
    lengths = [
        Length(name, Times.of((stays.end - stays.start)[stays.camera == camera]))
        for camera, name in enumerate(stays.names)
        if (stays.camera == camera).any()
    ]
    return Flow(
        start=begin,
        end=end,
        by=by,
        people=how_many(len(np.unique(stays.person))),
        counts=counts,
        lengths=lengths,
        ways=_ways(stays),
        unmerged=unmerged,
    )


def _counts(stays: Stays, edges: NDArray[np.float64]) -> list[Count]:
    """People and arrivals, by interval, then camera. Who was there before comes as the first interval begins."""
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
    return [
        Count(
            camera=name,
            start=float(edges[k]),
            end=float(edges[k + 1]),
            people=int(people[k * cameras + camera]),
            arrivals=int(arrivals[k * cameras + camera]),
        )
        for k in range(intervals)
        for camera, name in enumerate(stays.names)
    ]


def _edges(begin: float, end: float, by: Interval) -> NDArray[np.float64]:
    """Round times in between, with `begin` first and `end` last."""
    if by == Interval.whole:
        return np.array([begin, end])
    first = math.floor(begin / by.seconds) + 1
    last = math.ceil(end / by.seconds)
    if last - first >= MOST_INTERVALS:
        raise SiteError(
            f"{last - first + 1:,} intervals are more than {MOST_INTERVALS:,}: give a shorter time, or a longer --by."
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
