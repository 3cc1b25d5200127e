from __future__ import annotations

import numpy as np
import pytest

from tests.trackers.scenes import boxes, detections
from trackers.bytetrack import ByteTrack, height_iou
from trackers.detections import Detections, iou
from trackers.timing import Timing


def test_height_iou_is_iou_times_vertical_iou() -> None:
    rng = np.random.default_rng(0)
    a, b = (np.sort(rng.uniform(0, 50, (n, 2, 2)), axis=1).reshape(n, 4) for n in (20, 30))
    top = np.maximum(a[:, None, 1], b[None, :, 1])
    bottom = np.minimum(a[:, None, 3], b[None, :, 3])
    united = np.maximum(a[:, None, 3], b[None, :, 3]) - np.minimum(a[:, None, 1], b[None, :, 1])
    expected = iou(a, b) * np.maximum(bottom - top, 0) / united
    np.testing.assert_allclose(height_iou(a.T, b.T), expected, atol=1e-12)


def test_first_frame_is_confirmed_and_later_births_must_be_seen_twice() -> None:
    tracker = ByteTrack()
    assert tracker.update(0.0, detections((100, 100))).ids.tolist() == [1]
    assert tracker.update(0.1, detections((100, 100), (300, 100))).ids.tolist() == [1, 2]
    assert tracker.update(0.2, detections((100, 100))).ids.tolist() == [1]  # 2 was tentative and is gone
    assert tracker.update(0.3, detections((100, 100), (300, 100))).ids.tolist() == [1, 3]
    assert tracker.update(0.4, detections((100, 100), (300, 100))).ids.tolist() == [1, 3]
    tracker.update(0.5, detections((100, 100)))
    assert tracker.update(0.6, detections((100, 100), (300, 100))).ids.tolist() == [1, 3]  # confirmed: only lost


def test_a_walker_is_found_again_after_an_occlusion() -> None:
    tracker = ByteTrack()
    for k in range(90):
        hidden = 40 <= k < 60
        tracked = tracker.update(k / 30, Detections.empty() if hidden else detections((50 + 4 * k, 200)))
        assert tracked.ids.tolist() == ([] if hidden else [1])


@pytest.mark.parametrize(("hidden", "id"), [(0.9, 1), (1.2, 2)])
def test_the_buffer_is_in_seconds(hidden: float, id: int) -> None:
    for rate in (15, 30, 60):
        tracker = ByteTrack()
        for k in range(rate):
            tracker.update(k / rate, detections((100, 100)))
        last = (rate - 1) / rate
        for k in range(1, int(hidden * rate)):
            tracker.update(last + k / rate, Detections.empty())
        assert tracker.update(last + hidden, detections((100, 100))).ids.tolist() == [id]


def test_at_a_low_frame_rate_the_buffer_is_in_frames() -> None:
    tracker = ByteTrack(timing=Timing(lost_seconds=1, lost_frames=10))
    for k in range(10):
        tracker.update(k / 2, detections((100, 100)))
    for k in range(10, 19):
        tracker.update(k / 2, Detections.empty())
    assert tracker.update(9.5, detections((100, 100))).ids.tolist() == [1]


def test_weak_boxes_keep_a_track_alive_but_begin_none() -> None:
    tracker = ByteTrack()
    for k in range(60):
        score = [0.3 if 20 <= k < 50 else 0.9, 0.3]
        ids, index = tracker.update(k / 30, detections((100 + 3 * k, 200), (600, 300), score=score))
        assert ids.tolist() == [1]
        assert index.tolist() == [0]


def test_a_weak_box_does_not_find_a_lost_track() -> None:
    tracker = ByteTrack()
    for k in range(10):
        tracker.update(k / 30, detections((100, 100)))
    tracker.update(10 / 30, Detections.empty())
    assert len(tracker.update(11 / 30, detections((100, 100), score=0.3)).ids) == 0
    assert tracker.update(12 / 30, detections((100, 100))).ids.tolist() == [1]


def test_a_second_box_on_a_tracked_person_begins_no_track() -> None:
    upper_body = boxes((200, 175), size=(36, 50))
    person = boxes((200, 200))
    both = Detections(np.concatenate((person, upper_body)), np.array([0.95, 0.8], np.float32))
    tracker, naive = ByteTrack(), ByteTrack(covered=2.0)
    for t in (tracker, naive):
        for k in range(5):
            t.update(k / 30, detections((200, 200)))
    assert tracker.update(5 / 30, both).ids.tolist() == [1]
    assert naive.update(5 / 30, both).ids.tolist() == [1, 2]


def test_two_people_close_together_are_both_born() -> None:
    tracker = ByteTrack()
    tracker.update(0.0, detections((200, 200)))
    assert tracker.update(0.1, detections((200, 200), (220, 205))).ids.tolist() == [1, 2]


def test_a_lost_track_that_meets_its_successor_is_dropped_as_its_twin() -> None:
    tracker = ByteTrack(covered=2.0)
    apart = detections((200, 200), (330, 200))
    for k in range(20):
        tracker.update(k / 30, apart)
    for k in range(20, 40):  # the second person walks into the first and is no longer detected
        tracker.update(k / 30, detections((200, 200), (330 - 6.5 * (k - 19), 200)))
    for k in range(40, 45):
        tracker.update(k / 30, detections((200, 200)))
    assert tracker.state()["tracks"].shape[1] == 1


@pytest.mark.parametrize("pattern", [[1, 3, 1, 2], [1, 1, 8, 1]])
def test_uneven_frame_rates(pattern: list[int]) -> None:
    tracker = ByteTrack()
    tick = 0
    for k in range(120):
        tick += pattern[k % len(pattern)]
        tracked = tracker.update(tick / 60, detections((50 + 2 * tick, 200), (50 + 2 * tick, 360)))
        assert tracked.ids.tolist() == [1, 2]


@pytest.mark.parametrize("grain", [0.1, 1.0])
def test_rounded_and_repeated_stamps(grain: float) -> None:
    tracker = ByteTrack()
    for k in range(200):
        tracked = tracker.update(np.floor(k / 25 / grain) * grain, detections((50 + 4 * k, 200)))
        assert tracked.ids.tolist() == [1]


def test_a_clock_set_back_does_not_break_tracks() -> None:
    tracker = ByteTrack()
    for k in range(60):
        tracked = tracker.update(k / 30 - (3600 if k >= 30 else 0), detections((50 + 4 * k, 200)))
        assert tracked.ids.tolist() == [1]


def test_after_a_long_pause_everybody_is_new() -> None:
    tracker = ByteTrack()
    tracker.update(0.0, detections((100, 100)))
    tracker.update(1 / 30, detections((100, 100)))
    assert tracker.update(60.0, detections((100, 100))).ids.tolist() == [2]
