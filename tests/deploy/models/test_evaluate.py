"""Average precision on hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest

from deploy.models.evaluate import accuracy, match
from trackers.detections import Detections

PEOPLE = np.array([[0, 0, 10, 20], [100, 0, 110, 20], [200, 0, 210, 20]], float)
ALL = np.ones(3, bool)


def detected(*rows: tuple[float, float, float, float, float]) -> Detections:
    array = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(array[:, :4], array[:, 4])


def test_average_precision_by_hand() -> None:
    detections = detected(
        (0, 0, 10, 20, 0.9),  # right
        (50, 0, 60, 20, 0.8),  # no one
        (100, 0, 110, 19, 0.7),  # right
        (0, 0, 10, 20, 0.6),  # the first person again
    )
    result = accuracy([match(detections, PEOPLE, ALL)], 0.7)
    # precision 1 up to recall 1/3, 2/3 up to 2/3, and the third person is never found
    assert result.average_precision == pytest.approx((1 + 2 / 3) / 3)
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == pytest.approx(2 / 3)
    assert result.people == 3


def test_precision_is_made_falling() -> None:
    detections = detected((50, 0, 60, 20, 0.9), (0, 0, 10, 20, 0.8), (100, 0, 110, 20, 0.7), (200, 0, 210, 20, 0.6))
    assert accuracy([match(detections, PEOPLE, ALL)], 0.5).average_precision == pytest.approx(3 / 4)


def test_people_who_do_not_count() -> None:
    counts = np.array([True, False, True])
    detections = detected(
        (0, 0, 10, 20, 0.9),
        (100, 0, 110, 20, 0.8),  # the one who does not count
        (100, 10, 110, 20, 0.7),  # a part of the same
        (150, 0, 160, 20, 0.6),  # no one
    )
    matched = match(detections, PEOPLE, counts)
    np.testing.assert_allclose(matched.scores, [0.9, 0.6])
    assert matched.right.tolist() == [True, False]
    assert matched.people == 2


def test_one_who_counts_is_taken_before_one_who_does_not() -> None:
    truth = np.array([[0, 0, 10, 20], [0, 0, 10, 19]], float)
    matched = match(detected((0, 0, 10, 19, 0.9)), truth, np.array([True, False]))
    assert matched.right.tolist() == [True]


@pytest.mark.parametrize("people", [PEOPLE, PEOPLE[:0]])
def test_nothing_found(people: np.ndarray) -> None:
    result = accuracy([match(Detections.empty(), people, np.ones(len(people), bool))], 0.5)
    assert np.isnan(result.precision)
    assert result.recall == 0 if len(people) else np.isnan(result.recall)


def test_frames_together() -> None:
    first = match(detected((0, 0, 10, 20, 0.5)), PEOPLE[:1], ALL[:1])
    second = match(detected((0, 0, 10, 20, 0.9)), PEOPLE[1:2], ALL[:1])
    assert accuracy([first, second], 0.5).average_precision == pytest.approx(0.25)
