"""What a person can do, against loops."""

from __future__ import annotations

import numpy as np

from reid.merging.motion import Motion
from tests.reid.merging.sites import site


def test_who_came_by_is_counted_as_it_is_by_hand() -> None:
    rng = np.random.default_rng(1)
    seen = site(6, 1).seen
    motion = Motion.of(seen)
    a, b = rng.integers(len(seen), size=(2, 400))
    same = (seen.camera[a] == seen.camera[b]) & (a != b)
    for left, right, counted in zip(a[same], b[same], motion.crowd(a[same], b[same])):
        first, then = (left, right) if seen.start[left] <= seen.start[right] else (right, left)
        begun = (seen.camera == seen.camera[left]) & (seen.start > seen.end[first]) & (seen.start < seen.start[then])
        assert counted == begun.sum() + 1
