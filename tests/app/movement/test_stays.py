"""Times in sight become stays, whatever their order and however they overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from app.movement.stays import APART, Stays, stays_of

NAMES = ("hall", "plaza")
Row = tuple[int, int, float, float]  # person, camera, start, end


def stays(*rows: Row) -> Stays:
    columns = np.array(rows, np.float64).reshape(-1, 4)
    return stays_of(columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64), columns[:, 2], columns[:, 3], NAMES)


def rows_of(joined: Stays) -> list[Row]:
    return list(zip(*(getattr(joined, name).tolist() for name in ("person", "camera", "start", "end"))))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([(1, 0, 0, 5), (1, 0, 5 + APART, 70)], [(1, 0, 0, 70)]),
        ([(1, 0, 0, 5), (1, 0, 5.1 + APART, 70)], [(1, 0, 0, 5), (1, 0, 5.1 + APART, 70)]),
        ([(1, 0, 0, 500), (1, 0, 10, 20), (1, 0, 510, 520)], [(1, 0, 0, 520)]),  # a long one holds short ones
        ([(2, 0, 0, 500), (1, 0, 501, 502)], [(1, 0, 501, 502), (2, 0, 0, 500)]),
        ([(1, 1, 8, 9), (1, 0, 0, 5), (1, 1, 2, 3)], [(1, 0, 0, 5), (1, 1, 2, 9)]),  # by time, in either camera
    ],
)
def test_what_lies_close_is_one_stay(rows: Sequence[Row], expected: Sequence[Row]) -> None:
    assert rows_of(stays(*rows)) == expected


def test_random_stays_are_those_that_a_loop_finds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = [
            (int(rng.integers(3)), int(rng.integers(2)), start, start + float(rng.exponential(40)))
            for start in rng.uniform(0, 2000, rng.integers(1, 30)).tolist()
        ]
        slow: list[list[float]] = []
        for person, camera, start, end in sorted(rows):
            if slow and slow[-1][:2] == [person, camera] and start - slow[-1][3] <= APART:
                slow[-1][3] = max(slow[-1][3], end)
            else:
                slow.append([person, camera, start, end])
        assert rows_of(stays(*rows)) == [tuple(row) for row in sorted(slow, key=lambda row: (row[0], row[2]))]


def test_stays_within_a_time_are_whole() -> None:
    inside = stays((1, 0, 0, 5), (2, 0, 4, 90), (3, 1, 80, 100), (4, 1, 100, 101)).within(5, 100)
    assert inside.person.tolist() == [1, 2, 3]
    assert inside.end.tolist() == [5, 90, 100]
