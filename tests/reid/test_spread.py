"""Tasks in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reid.spread import Here


def test_results_come_in_order_and_arguments_when_they_are_wanted() -> None:
    asked: list[int] = []

    def numbers() -> Iterator[tuple[int, int]]:
        for number in range(4):
            asked.append(number)
            yield number, 10

    results = Here().each(pow, numbers())
    assert next(results) == 0 and asked == [0]
    assert list(results) == [1, 2**10, 3**10]


def test_values_are_made_when_they_are_asked_for() -> None:
    made: list[int] = []

    def value(number: int) -> int:
        made.append(number)
        return 10 * number

    values = Here().shared(3, value)
    assert made == [] and len(values) == 3
    assert values[1] == 10 and values[1:] == [10, 20] and made == [1, 1, 2]
    with pytest.raises(IndexError):
        values[3]
