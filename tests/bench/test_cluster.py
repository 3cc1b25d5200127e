"""What bench.cluster makes of its runs."""

from __future__ import annotations

import pytest

from bench.cluster import speed_of


def test_what_starting_costs_is_no_part_of_what_a_frame_costs() -> None:
    runs = {1.0: [(60, 9.0), (60, 8.0)], 4.0: [(240, 26.0), (240, 30.0)]}  # 2 s, then 0.1 s a frame
    speed = speed_of("cluster", runs)
    assert (speed.frames, speed.seconds) == (240, 26.0)
    assert (speed.frames_per_second, speed.starting) == pytest.approx((10.0, 2.0))
