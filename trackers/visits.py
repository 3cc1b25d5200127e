"""Whether the people who came were found: visits, by ground truth.

A visit is a person in one camera who is *in sight*: the box is at least 60 px high, and half of it or more is visible.
Frames in sight last 0.5 s in all. More than 2 s out of sight part one visit from the next.

A visit is found where a tracklet or sighting has a box in it whose main person is the visitor. Any of its frames will
do, from its first in sight to its last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trackers.evaluate import counted
from trackers.motchallenge import FRAME, HEIGHT, ID, Rows

MIN_HEIGHT = 60.0  # px, of a box in sight
MIN_VISIBLE = 0.5  # share of a box in sight
MIN_SECONDS = 0.5  # s in sight, of a visit
APART_SECONDS = 2.0  # s out of sight, more of them part two visits
LONG_SECONDS = 2.0  # s in sight, of a long visit
ROUNDING = 1e-3  # s, by which sums and differences of times may be wrong


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """From when to when one camera's frames 1, 2, 3… are shown, in seconds."""

    begin: NDArray[np.float64]  # (F,)
    end: NDArray[np.float64]  # (F,)

    @classmethod
    def lasting(cls, begin: NDArray[np.float64]) -> Self:
        """Frames that last until the next one begins, at `(F,)` rising times.

        Where recording paused, and at the end, a frame lasts as long as most do. A pause is longer than 2 s and than
        two frames.
        """
        steps = np.diff(begin)
        usual = float(np.median(steps)) if len(steps) else 0.0
        paused = steps > max(APART_SECONDS, 2 * usual)
        return cls(begin, begin + np.append(np.where(paused, usual, steps), [usual] * min(1, len(begin))))


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's stay in one camera."""

    person: int
    first: int  # frame in sight, from 1
    last: int
    seconds: float  # in sight, in all


@dataclass(frozen=True, slots=True)
class VisitCounts:
    """Visits and how many of them were found. Long ones have 2 s in sight or more."""

    visits: int
    found: int
    long_visits: int
    long_found: int


def visits_of(truth: Rows, times: FrameTimes) -> list[Visit]:
    """One camera's visits, by person and time.

    Args:
        truth: MOTChallenge rows. Where they do not tell what is visible, all is.
        times: Of at least the frames that the rows have.
    """
    counts, visible = counted(truth)
    in_sight = truth[counts & (visible >= MIN_VISIBLE) & (truth[:, HEIGHT] >= MIN_HEIGHT)]
    in_sight = in_sight[np.lexsort((in_sight[:, FRAME], in_sight[:, ID]))]
    person, frame = in_sight[:, ID].astype(np.int64), in_sight[:, FRAME].astype(np.int64)
    begin, end = times.begin[frame - 1], times.end[frame - 1]
    parted = (person[1:] != person[:-1]) | (begin[1:] - end[:-1] > APART_SECONDS + ROUNDING)
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(frame)), bool), parted]))
    lasts = np.append(starts[1:], len(frame)) - 1
    seconds = np.add.reduceat(end - begin, starts) if len(starts) else np.zeros(0)
    return [
        Visit(person=int(person[start]), first=int(frame[start]), last=int(frame[last]), seconds=float(total))
        for start, last, total in zip(starts, lasts, seconds)
        if total >= MIN_SECONDS - ROUNDING
    ]


def count_visits(truth: Rows, searchable: Rows, person_of: Mapping[int, int], times: FrameTimes) -> VisitCounts:
    """How many of one camera's visits were found.

    Args:
        truth: MOTChallenge rows.
        searchable: Rows of all that can be found, tracklets and sightings.
        person_of: The main person of each, by id, see `people_of`.
        times: Of the camera's frames.
    """
    shown = np.array([person_of.get(int(number), -1) for number in searchable[:, ID]], np.int64)
    visits = visits_of(truth, times)
    frames_of = {person: np.sort(searchable[shown == person, FRAME]) for person in {visit.person for visit in visits}}
    found = [_is_found(visit, frames_of[visit.person]) for visit in visits]
    long = [visit.seconds >= LONG_SECONDS - ROUNDING for visit in visits]
    return VisitCounts(
        visits=len(visits),
        found=sum(found),
        long_visits=sum(long),
        long_found=sum(is_found and is_long for is_found, is_long in zip(found, long)),
    )


def combine_visits(cameras: Sequence[VisitCounts]) -> VisitCounts:
    """Several cameras as one."""
    names = [field.name for field in fields(VisitCounts)]
    return VisitCounts(**{name: sum(getattr(camera, name) for camera in cameras) for name in names})


def _is_found(visit: Visit, frames: NDArray[np.float64]) -> bool:
    """Whether one of the ascending frames, in which there is a box of the visitor, lies in the visit."""
    after = np.searchsorted(frames, visit.first)
    return bool(after < len(frames) and frames[after] <= visit.last)
