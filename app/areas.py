"""Zones, lines and masks that a person draws on a camera's picture, and what makes them sound.

Points are shares of the picture's width and height: `0 0` is its upper left corner and `1 1` its lower right one. So a
drawing holds for footage of any size.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_NAME = 80  # characters
MOST_AREAS = 100  # of one camera
SMALLEST = 1e-4  # share of the picture that a zone or mask covers at least
SHORTEST = 1e-3  # between two points that follow each other, and so the least length of a line
_POINTS = {"zone": (3, 50), "line": (2, 20), "mask": (3, 50)}

Point = tuple[float, float]


class AreaError(ValueError):
    """A drawing that makes no sense. The message says what is wrong with it, and what to do."""


class AreaKind(StrEnum):
    """What a drawing is for."""

    zone = "zone"  # who is in it, and how long
    line = "line"  # who crosses it, and which way
    mask = "mask"  # who stands in it is left out, from the next ingest on


@dataclass(frozen=True, slots=True)
class Area:
    """One drawing on one camera's picture. A line has a direction: from its first point to its last."""

    kind: AreaKind
    name: str
    points: tuple[Point, ...]

    def checked(self) -> Area:
        """The same, with its name trimmed. Raises AreaError where it makes no sense."""
        name = self.name.strip()
        if not 1 <= len(name) <= MOST_NAME:
            raise AreaError(f"A {self.kind} needs a name of 1 to {MOST_NAME} characters: this one has {len(name)}.")
        if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in name):
            raise AreaError(f"The name of this {self.kind} has characters that can't be seen: type it anew.")
        least, most = _POINTS[self.kind]
        if not least <= len(self.points) <= most:
            raise AreaError(f"The {self.kind} needs {least} to {most} points: this one has {len(self.points)}.")
        for x, y in self.points:
            if not (0 <= x <= 1 and 0 <= y <= 1):  # NaN too
                raise AreaError(
                    f"The {self.kind} has a point outside of the picture: each number must be from 0 to 1, as a share "
                    "of its width or height."
                )
        closed = self.kind != AreaKind.line
        if any(math.dist(a, b) < SHORTEST for a, b in _edges(self.points, closed)):
            raise AreaError(f"The {self.kind} has the same point twice in a row: leave one of them out.")
        if closed and crosses_itself(self.points):
            raise AreaError(f"The edge of this {self.kind} crosses itself: move a point so that it does not.")
        if closed and abs(_size(self.points)) < SMALLEST:
            raise AreaError(f"The {self.kind} covers next to nothing: move its points apart.")
        return Area(self.kind, name, tuple((float(x), float(y)) for x, y in self.points))


def crosses_itself(polygon: Sequence[Point]) -> bool:
    """Whether two edges meet elsewhere than where one ends and the next begins."""
    edges = _edges(polygon, True)
    for i, (a, b) in enumerate(edges):
        for j in range(i + 1, len(edges)):
            c, d = edges[j]
            beside = j == i + 1 or (i == 0 and j == len(edges) - 1)
            if beside:
                shared, first, second = (b, a, d) if j == i + 1 else (a, b, c)
                if _turn(first, shared, second) == 0 and _dot(first, shared, second) > 0:  # it goes back on itself
                    return True
            elif _meet(a, b, c, d):
                return True
    return False


def _edges(points: Sequence[Point], closed: bool) -> list[tuple[Point, Point]]:
    follows = [*points[1:], points[0]] if closed else points[1:]
    return list(zip(points, follows))


def _size(polygon: Sequence[Point]) -> float:
    """The share of the picture that it covers, below 0 where it turns the other way."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in _edges(polygon, True)) / 2


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above 0 where a, b, c turn one way, below where they turn the other, 0 on one line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _dot(a: Point, corner: Point, b: Point) -> float:
    return (a[0] - corner[0]) * (b[0] - corner[0]) + (a[1] - corner[1]) * (b[1] - corner[1])


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two edges have a point in common."""
    turns = (_turn(c, d, a), _turn(c, d, b), _turn(a, b, c), _turn(a, b, d))
    if (turns[0] > 0) != (turns[1] > 0) and (turns[2] > 0) != (turns[3] > 0) and 0 not in turns:
        return True
    return any(
        turn == 0 and _between(*edge, point)
        for turn, edge, point in zip(turns, ((c, d), (c, d), (a, b), (a, b)), (a, b, c, d))
    )


def _between(a: Point, b: Point, point: Point) -> bool:
    """Whether a point on the line through two others lies between them."""
    return all(min(a[k], b[k]) <= point[k] <= max(a[k], b[k]) for k in (0, 1))
