"""How busy a camera was, hour by hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.record.camera_list import TrackletTimes

HOUR, DAY = 3600.0, 86400.0  # s


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour, which begins at a round time in UTC."""

    start: float  # UTC seconds
    tracklets: int  # that began in it


def activity(times: TrackletTimes, begin: float, end: float) -> list[Hour]:
    """All hours from that of `begin` to that before `end`, UTC seconds, also those in which nobody came."""
    first, last = int(begin // HOUR), int(-(-end // HOUR))
    hour = np.floor(times.within(first * HOUR, last * HOUR).start / HOUR).astype(np.int64) - first
    counts = np.bincount(hour, minlength=max(last - first, 0))
    return [Hour((first + k) * HOUR, int(count)) for k, count in enumerate(counts.tolist())]


def days_of(times: TrackletTimes) -> list[float]:
    """The days on which somebody came, as the UTC seconds at which each begins, earliest first."""
    days: list[float] = (np.unique(np.floor(times.start / DAY)) * DAY).tolist()
    return days
