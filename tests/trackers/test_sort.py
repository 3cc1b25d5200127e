from __future__ import annotations

import numpy as np
import pytest

from tests.trackers.scenes import detections
from trackers.detections import Detections
from trackers.sort import Sort
from trackers.timing import Timing


def test_boxes_are_reported_as_the_classic_does() -> None:
    tracker = Sort()
    reported = []
    for k in range(12):
        people = [(100.0, 100.0)] + ([(300.0, 100.0)] if k >= 5 else [])
        reported.append(tracker.update(k / 30, detections(*people)).ids.tolist())
    # Present from the start: at once. Born in frame 5: after three more frames with a box.
    assert reported == [[1]] * 8 + [[1, 2]] * 4


def test_min_hits_0_reports_every_box() -> None:
    tracker = Sort(min_hits=0)
    for k in range(12):
        people = [(100.0, 100.0)] + ([(300.0, 100.0)] if k >= 5 else [])
        assert len(tracker.update(k / 30, detections(*people)).ids) == len(people)


@pytest.mark.parametrize(("missed", "id"), [(1, 1), (2, 2)])
def test_the_classic_forgets_after_one_missed_frame(missed: int, id: int) -> None:
    tracker = Sort(min_hits=0)
    for k in range(10):
        tracker.update(k / 30, detections((100, 100)))
    for k in range(missed):
        tracker.update((10 + k) / 30, Detections.empty())
    assert tracker.update((10 + missed) / 30, detections((100, 100))).ids.tolist() == [id]


@pytest.mark.parametrize(("hidden", "id"), [(0.9, 1), (1.2, 2)])
def test_with_timing_it_forgets_after_seconds(hidden: float, id: int) -> None:
    tracker = Sort(min_hits=0, timing=Timing())
    for k in range(30):
        tracker.update(k / 30, detections((100, 100)))
    for k in range(30, 29 + int(hidden * 30)):
        tracker.update(k / 30, Detections.empty())
    assert tracker.update(29 / 30 + hidden, detections((100, 100))).ids.tolist() == [id]


def test_filter_has_the_numbers_of_the_authors() -> None:
    tracker = Sort()
    tracker.update(0.0, detections((100, 200), size=(40, 100)))
    state = tracker.state()
    np.testing.assert_allclose(state["x"], [[100, 200, 4000, 0.4, 0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(np.diag(state["P"][0]), [10, 10, 10, 10, 1e4, 1e4, 1e4])


def test_people_walk_on_through_a_missed_frame() -> None:
    tracker = Sort(min_hits=0)
    for k in range(60):
        frame = Detections.empty() if k % 10 == 9 else detections((50 + 6 * k, 200))
        assert tracker.update(k / 30, frame).ids.tolist() in ([1], [])
