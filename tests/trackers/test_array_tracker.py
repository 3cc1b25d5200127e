"""What trackers share whose tracks are the columns of one array."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.array_tracker import ArrayTracker
from trackers.timing import Timing

SEEN = 1


def with_tracks(*seen: float, now: float) -> ArrayTracker:
    """A tracker of tracks that were seen last at these times, whose clock stands at `now`."""
    tracker = ArrayTracker(2, Timing(lost_seconds=1.0, lost_frames=1))
    tracker._clock.step(0.0)
    tracker._clock.step(now)
    tracker._tracks = np.array([tracker._new_ids(len(seen)), seen], float)
    return tracker


def test_ids_count_on_and_are_given_once() -> None:
    tracker = ArrayTracker(2, None)
    assert [tracker._new_ids(count).tolist() for count in (2, 0, 3)] == [[1, 2], [], [3, 4, 5]]


def test_tracks_unseen_for_too_long_are_left_out() -> None:
    tracker = with_tracks(0.1, 3.0, 9.5, 10.0, now=10.0)  # the interval counts as a pause of 1 s, half of it is grace
    assert tracker._recent(SEEN)[0].tolist() == [3, 4]


def test_tracks_are_not_copied_while_all_are_recent() -> None:
    tracker = with_tracks(9.5, 10.0, now=10.0)
    assert tracker._recent(SEEN) is tracker._tracks


def test_a_state_is_a_copy_and_restores_all_of_it() -> None:
    tracker = with_tracks(9.5, 10.0, now=10.0)
    state = tracker.state()
    tracker._tracks[:] = -1
    restored = ArrayTracker(2, None)
    restored.restore(state)
    assert restored._tracks.tolist() == [[1, 2], [9.5, 10]]
    assert restored._new_ids(1).tolist() == [3]
    assert restored._clock.now == 10


def test_a_state_with_other_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="'tracks' should have shape"):
        ArrayTracker(3, None).restore(with_tracks(1.0, now=1.0).state())


def test_dropped_tracks_are_gone_and_named() -> None:
    tracker = with_tracks(9.5, 10.0, now=10.0)
    assert tracker.drop({2, 7}).tolist() == [2]
    assert tracker._tracks.tolist() == [[1], [9.5]]
