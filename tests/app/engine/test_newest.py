"""The newest frame wins, and cameras take turns."""

from __future__ import annotations

import numpy as np

from app.engine.newest import Newest
from deploy.detectors import Frame


def frame(camera: str, index: int) -> Frame:
    return Frame(camera, index, float(index), np.zeros((2, 2, 3), np.uint8))


def test_what_is_older_makes_room() -> None:
    newest = Newest()
    for k in range(4):
        newest.put(frame("hall", k))
    (taken,) = newest.take(8, 0.0)
    assert taken.index == 3 and newest.skipped == {"hall": 3}
    assert newest.take(8, 0.0) == []


def test_all_cameras_get_the_same_share() -> None:
    newest, names = Newest(), [f"camera{k}" for k in range(5)]
    served: dict[str, int] = dict.fromkeys(names, 0)
    for k in range(50):
        for name in names:
            newest.put(frame(name, k))
        for taken in newest.take(2, 0.0):
            served[taken.camera] += 1
    assert set(served.values()) == {20}


def test_a_slow_camera_is_not_behind_a_fast_one() -> None:
    newest = Newest()
    newest.put(frame("fast", 0))
    newest.take(1, 0.0)
    newest.put(frame("fast", 1))
    newest.put(frame("slow", 0))
    assert [taken.camera for taken in newest.take(1, 0.0)] == ["slow"]
