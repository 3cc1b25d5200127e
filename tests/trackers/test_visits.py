"""Visits: who was in sight for how long, and who of them was found."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.evaluate import people_of
from trackers.motchallenge import FRAME, ID, VISIBILITY, Rows
from trackers.visits import FrameTimes, Visit, VisitCounts, combine_visits, count_visits, visits_of

RATE = 10  # frames/s
TIMES = FrameTimes.lasting(np.arange(200) / RATE)


def stay(frames: range, person: int = 1, *, height: float = 60, visible: float = 0.5) -> Rows:
    """Truth `(N, 9)` of one person, who stands where nobody else does."""
    return np.array([(frame, person, 100 * person, 0, 30, height, 1, 1, visible) for frame in frames], float)


def spans(*parts: Rows, times: FrameTimes = TIMES) -> list[tuple[int, int]]:
    return [(visit.first, visit.last) for visit in visits_of(together(*parts), times)]


def together(*parts: Rows) -> Rows:
    rows = np.concatenate(parts)
    return rows[np.argsort(rows[:, FRAME], kind="stable")]


@pytest.mark.parametrize(
    ("truth", "visits"),
    [
        (stay(range(1, 5)), []),  # 0.4 s
        (stay(range(1, 6)), [(1, 5)]),  # 0.5 s
        (stay(range(1, 7)), [(1, 6)]),
        (stay(range(1, 7), height=59), []),
        (stay(range(1, 7), visible=0.49), []),
        (stay(range(1, 7), visible=-1), [(1, 6)]),  # nobody knows
        (stay(range(1, 7))[:, :7], [(1, 6)]),  # truth without classes and visibility
        (stay(range(1, 7)) * [1, 1, 1, 1, 1, 1, 0, 1, 1], []),  # marked to be ignored
        (stay(range(1, 7)) * [1, 1, 1, 1, 1, 1, 1, 3, 1], []),  # a car
        (np.zeros((0, 9)), []),
    ],
)
def test_half_a_second_high_enough_and_half_visible(truth: Rows, visits: list[tuple[int, int]]) -> None:
    assert spans(truth) == visits


def test_only_what_is_in_sight_counts() -> None:
    """Half hidden in between: 0.3 s and 0.2 s in sight are a visit, 0.3 s and 0.1 s are none."""
    hidden = stay(range(4, 10), visible=0.4)
    assert spans(stay(range(1, 4)), hidden, stay(range(10, 12))) == [(1, 11)]
    assert spans(stay(range(1, 4)), hidden, stay(range(10, 11))) == []


def test_more_than_two_seconds_out_of_sight_part_visits() -> None:
    first = stay(range(1, 11))
    assert spans(first, stay(range(31, 41))) == [(1, 40)]  # 2.0 s
    assert spans(first, stay(range(36, 46))) == [(1, 10), (36, 45)]  # 2.5 s
    assert spans(first, stay(range(11, 36), height=59), stay(range(36, 46))) == [(1, 10), (36, 45)]
    assert spans(first, stay(range(36, 39))) == [(1, 10)]  # the second is too short
    assert spans(first, stay(range(12, 22), person=2)) == [(1, 10), (12, 21)]
    assert visits_of(together(first, stay(range(31, 41))), TIMES) == [Visit(1, 1, 40, pytest.approx(2.0))]


def test_times_are_those_of_the_frames() -> None:
    slow = FrameTimes.lasting(np.arange(20) * 60.0)  # a timelapse
    assert spans(stay(range(1, 4)), times=slow) == [(1, 3)]
    assert spans(stay(range(1, 4)), stay(range(5, 7)), times=slow) == [(1, 3), (5, 6)]
    paused = FrameTimes.lasting(np.append(np.arange(8) / 10, 3600 + np.arange(8) / 10))
    assert paused.end[7] == pytest.approx(0.8)
    assert spans(stay(range(3, 15)), times=paused) == [(3, 8), (9, 14)]
    assert spans(stay(range(5, 13)), times=paused) == []


def test_a_visit_is_found_where_a_sighting_of_its_person_lies_in_it() -> None:
    truth = together(
        stay(range(1, 11)), stay(range(41, 71)), stay(range(1, 11), person=2), stay(range(1, 31), person=3)
    )
    own, others = stay(range(41, 61)), stay(range(5, 9), person=2)
    own[:, ID], others[:, ID] = 7, 8
    mixed = together(stay(range(1, 3), person=3), stay(range(3, 9), person=1))
    mixed[:, ID] = 9  # most of its boxes are on person 1
    outside = stay(range(11, 41), visible=1)
    outside[:, ID] = 10  # on person 1 between the visits, where truth has nobody

    def counted(*sightings: Rows) -> VisitCounts:
        rows = together(*sightings)
        return count_visits(truth, rows, people_of(truth, rows), TIMES)

    assert counted(own) == VisitCounts(visits=4, found=1, long_visits=2, long_found=1)
    assert counted(outside) == VisitCounts(visits=4, found=0, long_visits=2, long_found=0)
    assert counted(own, others, outside) == VisitCounts(visits=4, found=2, long_visits=2, long_found=1)
    assert counted(mixed) == VisitCounts(visits=4, found=1, long_visits=2, long_found=0)
    assert counted(own[[-1]]) == VisitCounts(visits=4, found=1, long_visits=2, long_found=1)
    assert counted(np.zeros((0, 7))) == VisitCounts(visits=4, found=0, long_visits=2, long_found=0)
    assert combine_visits([counted(own), counted(mixed)]) == VisitCounts(8, 2, 4, 1)


def test_a_tracklet_that_only_begins_before_a_visit_finds_it() -> None:
    truth = together(stay(range(1, 31), height=59), stay(range(31, 41)))
    tracklet = stay(range(1, 32))[:, : VISIBILITY - 1]
    assert count_visits(truth, tracklet, {1: 1}, TIMES).found == 1
    assert count_visits(truth, tracklet[:-1], {1: 1}, TIMES).found == 0
