"""When and where matches were, laid out for drawing.

There is a lane a camera, a bar a match, and few round times below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.report.pages import utc
from app.search.matches import Match

_STEPS = tuple(float(s) for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400))


@dataclass(frozen=True, slots=True)
class Tick:
    """A round time."""

    left: float  # percent of the width
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A match in the lane of its camera."""

    match: Match
    left: float  # percent of the width
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """What one camera saw."""

    camera: str
    bars: tuple[Bar, ...]  # the most probable last, to be drawn on top


@dataclass(frozen=True, slots=True)
class Timeline:
    """All matches along time."""

    start: float  # UTC seconds, of the first match
    end: float  # of the last
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]  # by the time of a camera's first match


def lay_out(matches: Sequence[Match]) -> Timeline:
    """Places at least one match, with some room before the first and after the last."""
    start, end = min(match.start for match in matches), max(match.end for match in matches)
    margin = max(0.04 * (end - start), 0.5)
    left_edge, right_edge = start - margin, end + margin

    def percent_of(time: float) -> float:
        return 100 * (time - left_edge) / (right_edge - left_edge)

    by_camera: dict[str, list[Match]] = {}
    for match in sorted(matches, key=lambda match: match.start):
        by_camera.setdefault(match.camera, []).append(match)
    lanes = []
    for camera, seen in by_camera.items():
        bars = [
            Bar(match, left=percent_of(match.start), width=percent_of(match.end) - percent_of(match.start))
            for match in sorted(seen, key=lambda match: match.probability)
        ]
        lanes.append(Lane(camera, tuple(bars)))
    ticks = tuple(Tick(percent_of(time), label) for time, label in round_times(left_edge, right_edge))
    return Timeline(start, end, ticks, tuple(lanes))


def round_times(start: float, end: float) -> list[tuple[float, str]]:
    """At most five round times, UTC seconds, and how they are written: few enough for a telephone."""
    smallest = (end - start) / 5
    step = next((step for step in _STEPS if step >= smallest), 86400.0 * math.ceil(smallest / 86400))
    style = "%H:%M:%S" if step < 60 else "%H:%M" if step < 43200 else "%m-%d"
    first = math.ceil(start / step) * step
    times = [first + k * step for k in range(int((end - first) // step) + 1)]
    margin = 0.05 * (end - start)  # a label at the edge would be cut
    return [(time, utc(time, style)) for time in times if start + margin <= time <= end - margin]
