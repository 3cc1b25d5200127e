"""What holds for every tracker."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tests.trackers.scenes import boxes, detections, step, walkers
from trackers import TRACKERS, Tracker, make_tracker
from trackers.detections import Detections

every_tracker = pytest.mark.parametrize("name", TRACKERS)


def plain(tracker: Tracker, stream: list[Detections], start: int = 0) -> list[tuple[list[int], list[int]]]:
    frames = [step(tracker, (start + k) / 30, frame) for k, frame in enumerate(stream)]
    return [(ids.tolist(), detection.tolist()) for ids, detection in frames]


def saved(state: dict) -> dict:
    """Through a file without pickle, as a process that is killed would."""
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return dict(np.load(file, allow_pickle=False))


@every_tracker
def test_restored_at_every_frame_it_goes_on_identically(name: str) -> None:
    stream = walkers(8, 60, seed=3)
    whole = make_tracker(name)
    results, states = [], []
    for k, frame in enumerate(stream):
        results.append(step(whole, k / 30, frame))
        states.append(saved(whole.state()))
    end = whole.state()
    for cut in range(0, len(stream), 3):
        tracker = make_tracker(name)
        tracker.restore(states[cut])
        for k in range(cut + 1, len(stream)):
            again = step(tracker, k / 30, stream[k])
            np.testing.assert_array_equal(again.ids, results[k].ids)
            np.testing.assert_array_equal(again.detection, results[k].detection)
        for key, value in tracker.state().items():
            assert value.tobytes() == end[key].tobytes(), key
    one_by_one = make_tracker(name)
    for k, frame in enumerate(stream):
        fresh = make_tracker(name)
        fresh.restore(saved(one_by_one.state()))
        again, one_by_one = step(fresh, k / 30, frame), fresh
        np.testing.assert_array_equal(again.ids, results[k].ids)
        np.testing.assert_array_equal(again.detection, results[k].detection)


@every_tracker
def test_a_saved_state_does_not_change_afterwards(name: str) -> None:
    tracker = make_tracker(name)
    stream = walkers(5, 20, seed=1)
    plain(tracker, stream[:10])
    state = tracker.state()
    before = {key: value.copy() for key, value in state.items()}
    plain(tracker, stream[10:], 10)
    restored = make_tracker(name)
    restored.restore(state)
    plain(restored, stream[10:], 10)
    for key, value in before.items():
        assert value.tobytes() == state[key].tobytes()


@every_tracker
def test_a_state_of_another_tracker_is_refused(name: str) -> None:
    for other_name in TRACKERS:
        if other_name != name:
            with pytest.raises(ValueError, match="not a state of this tracker"):
                make_tracker(name).restore(make_tracker(other_name).state())


@every_tracker
def test_two_trackers_side_by_side_do_not_meet(name: str) -> None:
    a, b = walkers(6, 40, seed=1), walkers(9, 40, seed=2)
    first, second = make_tracker(name), make_tracker(name)
    mixed_a, mixed_b = [], []
    for k in range(40):
        mixed_a += plain(first, [a[k]], k)
        mixed_b += plain(second, [b[k]], k)
    assert mixed_a == plain(make_tracker(name), a)
    assert mixed_b == plain(make_tracker(name), b)


@every_tracker
def test_results_are_sorted_unique_and_point_at_detections(name: str) -> None:
    seen: set[int] = set()
    for frame, (ids, index) in zip(s := walkers(10, 80, seed=5), plain(make_tracker(name), s)):
        assert ids == sorted(set(ids))
        assert len(set(index)) == len(index)
        assert all(0 <= i < len(frame) for i in index)
        seen |= set(ids)
    assert min(seen) == 1


@every_tracker
def test_given_arrays_are_never_changed(name: str) -> None:
    tracker = make_tracker(name)
    for k, frame in enumerate(walkers(6, 30, seed=7)):
        frame.boxes.flags.writeable = frame.scores.flags.writeable = False
        step(tracker, k / 30, frame)


@every_tracker
def test_unusable_detections_are_passed_over(name: str) -> None:
    bad = np.array(
        [
            [np.nan, 0, 10, 10],
            [0, 0, np.inf, 10],
            [-np.inf, 0, 10, 10],
            [50, 50, 50, 90],
            [60, 90, 70, 50],
            [np.inf, 0, np.inf, 9],
            [0, 0, 1e30, 1e30],
            [5, 5, 25, 55],
        ],
        np.float32,
    )
    scores = np.array([0.9] * 7 + [np.nan], np.float32)
    good = detections((300, 300), (500, 300))
    frame = Detections(np.concatenate((bad, good.boxes)), np.concatenate((scores, good.scores)))
    tracker, clean = make_tracker(name), make_tracker(name)
    for k in range(6):
        ids, index = step(tracker, k / 30, frame)
        expected = step(clean, k / 30, good)
        assert ids.tolist() == expected.ids.tolist()
        assert (index == expected.detection + 8).all()
        assert all(np.isfinite(value).all() for key, value in tracker.state().items() if key in ("x", "P"))


@every_tracker
def test_arrays_that_do_not_fit_together_are_refused_and_change_nothing(name: str) -> None:
    tracker = make_tracker(name)
    step(tracker, 0.0, detections((100, 100)))
    before = tracker.state()
    with pytest.raises(ValueError, match=r"boxes must be \(N, 4\)"):
        step(tracker, 0.1, Detections(boxes((100, 100)), np.zeros(2, np.float32)))
    with pytest.raises(ValueError, match="finite number of seconds"):
        step(tracker, float("nan"), detections((100, 100)))
    for key, value in tracker.state().items():
        assert value.tobytes() == before[key].tobytes()


@every_tracker
def test_empty_frames(name: str) -> None:
    tracker = make_tracker(name)
    for k in range(5):
        ids, index = step(tracker, k / 30, Detections.empty())
        assert ids.dtype == np.int64
        assert index.dtype == np.intp
        assert len(ids) == len(index) == 0
    step(tracker, 0.2, detections((50, 80), (200, 80)))
    for k in range(60):
        step(tracker, 0.3 + k / 30, Detections.empty())
    assert sum(value.size for value in tracker.state().values()) < 20  # everybody is forgotten


@every_tracker
def test_thousands_of_frames_leave_no_growing_state(name: str) -> None:
    tracker = make_tracker(name)
    stream = walkers(3, 40, seed=11)
    sizes = []
    for k in range(2000):
        step(tracker, k / 30, stream[k % 40])  # everybody jumps every 40 frames: many tracks come and go
        sizes.append(sum(value.nbytes for value in tracker.state().values()))
    assert max(sizes[1000:]) <= 1.5 * max(sizes[:1000])


@every_tracker
def test_people_who_cross_keep_their_ids(name: str) -> None:
    tracker = make_tracker(name, **({"min_hits": 0} if name == "sort" else {}))
    for k in range(60):
        ids, index = step(tracker, k / 30, detections((100 + 5 * k, 200), (400 - 5 * k, 235)))
        assert dict(zip(index.tolist(), ids.tolist())) == {0: 1, 1: 2}


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of appearance, bytetrack, ocsort, sort"):
        make_tracker("deepsort")
    with pytest.raises(TypeError, match="buffer"):
        make_tracker("bytetrack", buffer=3)


@every_tracker
def test_of_a_track_that_is_dropped_nothing_is_kept(name: str) -> None:
    stream = walkers(5, 20, seed=1)
    tracker = make_tracker(name)
    seen = [step(tracker, k / 30, frame).ids for k, frame in enumerate(stream[:10])][-1]
    assert tracker.drop([int(seen[1]), 99]).tolist() == [seen[1]]
    assert tracker.drop([int(seen[1])]).tolist() == []
    later = step(tracker, 10 / 30, stream[10]).ids
    assert seen[1] not in later and set(np.delete(seen, 1)) <= set(later)
    assert tracker.state()["next_id"] > seen.max()
