"""A person's way on the plan of a site: cameras where they stand, and lines in the order in which they were passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.search.matches import Stop

WIDTH, HEIGHT = 640.0, 360.0  # of the drawing
MARGIN = 60.0  # for names
SHORT = 16.0  # by which a line ends before the camera that it leads to
BENT = 0.12  # of a line's length, by which it bends: so that a way back is another line


@dataclass(frozen=True, slots=True)
class PlanCamera:
    """A camera on the plan."""

    name: str
    x: float  # of WIDTH
    y: float  # of HEIGHT, downwards
    is_passed: bool


@dataclass(frozen=True, slots=True)
class PlanStep:
    """A line from one stop to the next."""

    number: int  # from 1
    path: str  # of an SVG
    x: float  # where its number stands
    y: float


@dataclass(frozen=True, slots=True)
class PlanView:
    """What is drawn."""

    cameras: list[PlanCamera]
    steps: list[PlanStep]
    left_out: list[str]  # cameras of the way that have no place


def plan_view(stops: Sequence[Stop], positions: Mapping[str, tuple[float, float]]) -> PlanView | None:
    """Lays a way out. positions: of cameras, in metres to the right and up. None where fewer than two have one."""
    if len(positions) < 2:
        return None
    left, low = (min(place[k] for place in positions.values()) for k in (0, 1))
    wide, high = (max(place[k] for place in positions.values()) - least for k, least in ((0, left), (1, low)))
    room = (WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN)
    scale = min(space / length for space, length in zip(room, (wide, high)) if length > 0) if wide or high else 1.0
    shift = ((WIDTH - scale * wide) / 2, (HEIGHT - scale * high) / 2)
    places = {
        name: (shift[0] + scale * (x - left), HEIGHT - shift[1] - scale * (y - low))
        for name, (x, y) in positions.items()
    }
    way = [stop.camera for stop in stops if stop.camera in places]
    pairs = [(a, b) for a, b in pairwise(way) if places[a] != places[b]]
    return PlanView(
        cameras=[PlanCamera(name, *place, is_passed=name in way) for name, place in places.items()],
        steps=[_step(number, places[a], places[b]) for number, (a, b) in enumerate(pairs, 1)],
        left_out=sorted({stop.camera for stop in stops} - places.keys()),
    )


def _step(number: int, start: tuple[float, float], end: tuple[float, float]) -> PlanStep:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-6)
    middle = ((start[0] + end[0]) / 2 - BENT * dy, (start[1] + end[1]) / 2 + BENT * dx)
    keep = max(0.0, 1 - SHORT / length)
    tip = (middle[0] + keep * (end[0] - middle[0]), middle[1] + keep * (end[1] - middle[1]))
    path = f"M{start[0]:.1f} {start[1]:.1f}Q{middle[0]:.1f} {middle[1]:.1f} {tip[0]:.1f} {tip[1]:.1f}"
    return PlanStep(number, path, (start[0] + 2 * middle[0] + end[0]) / 4, (start[1] + 2 * middle[1] + end[1]) / 4)
