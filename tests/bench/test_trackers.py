"""The speed of trackers is measured on walks that stay in the picture, and by peers on the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from bench.processes import ProcessError
from bench.trackers import our_speeds, peer_speeds, walkers
from trackers import TRACKERS


def test_walkers_are_missed_at_times_and_stay_in_the_picture() -> None:
    stream = walkers(10, 50)
    counts = [len(detections) for detections in stream]
    assert len(stream) == 50 and max(counts) == 10 and min(counts) < 10
    centres = np.concatenate([(detections.boxes[:, :2] + detections.boxes[:, 2:]) / 2 for detections in stream])
    assert (centres > -50).all() and (centres < [1970, 1130]).all()


def test_each_tracker_has_a_speed_for_each_stream() -> None:
    speeds = our_speeds({3: walkers(3, 5), 6: walkers(6, 5)}, repeats=1)
    assert set(speeds) == set(TRACKERS)
    for by_people in speeds.values():
        assert set(by_people) == {3, 6} and min(by_people.values()) > 0


def test_a_python_that_fails_is_named() -> None:
    with pytest.raises(ProcessError, match="false with the peers ended with 1"):
        peer_speeds("/bin/false", {3: walkers(3, 5)})
