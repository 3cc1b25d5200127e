from __future__ import annotations

import numpy as np

from tests.trackers.scenes import detections
from trackers import kalman
from trackers.detections import Detections
from trackers.ocsort import FILTER, OCSort, _momentum


def test_momentum_is_half_along_the_track_and_minus_half_against_it() -> None:
    direction = np.array([[1.0, 0.0], [0.0, 0.0]])  # the second track has none yet
    earlier = np.array([[100.0, 100.0], [100.0, 100.0]])
    towards = np.array([[140.0, 90, 160, 110], [40, 90, 60, 110], [90, 140, 110, 160]])
    expected = np.array([[0.5, -0.5, 0.0], [0, 0, 0]])
    np.testing.assert_allclose(_momentum(direction, earlier, towards), expected, atol=1e-9)


def test_people_who_pass_through_each_other_keep_their_direction() -> None:
    """In frame 30 their boxes are the same. Before and after it direction tells them apart."""
    tracker = OCSort()
    for k in range(60):
        x = 100 + 5 * k
        ids, index = tracker.update(k / 30, detections((x, 200), (500 - x, 200)))
        assert k == 30 or dict(zip(ids.tolist(), index.tolist())) == {1: 0, 2: 1}


def test_recovery_at_the_last_observation() -> None:
    """Someone walks, is hidden, and has stopped: the estimate walked on, the last observation has not."""
    tracker, hidden = OCSort(), 25
    for k in range(40):
        tracker.update(k / 30, detections((50 + 6 * k, 200)))
    for k in range(40, 40 + hidden):
        tracker.update(k / 30, Detections.empty())
    tracked = tracker.update((40 + hidden) / 30, detections((50 + 6 * 39 + 8, 200)))
    assert tracked.ids.tolist() == [1]


def test_re_update_equals_a_filter_that_saw_the_virtual_trajectory() -> None:
    tracker, steps = OCSort(), 5
    for k in range(10):
        tracker.update(k / 30, detections((100 + 4 * k, 200)))
    for k in range(10, 10 + steps - 1):
        tracker.update(k / 30, Detections.empty())
    end = 9 + steps
    tracker.update(end / 30, detections((100 + 4 * 9 + 30, 200)))

    expected = kalman.initiate(np.array([[100.0], [200], [40], [100]]))
    xs = [100 + 4 * k for k in range(1, 10)] + [136 + 30 * j / steps for j in range(1, steps + 1)]
    for x in xs:
        kalman.predict(expected, 1 / 30)
        kalman.update(expected, np.array([[x], [200], [40], [100]]))
    np.testing.assert_allclose(tracker.state()["tracks"][FILTER], expected, rtol=1e-9, atol=1e-9)


def test_weak_boxes_are_not_looked_at() -> None:
    assert len(OCSort().update(0.0, detections((100, 100), score=0.5)).ids) == 0
