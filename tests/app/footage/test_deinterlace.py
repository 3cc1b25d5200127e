"""Interlaced frames: what moved is one moment again, and what stood still keeps every row."""

from __future__ import annotations

import numpy as np

from app.footage.deinterlace import deinterlaced
from tests.clips import draw_frame


def test_what_moved_is_one_moment_again() -> None:
    now, later = (draw_frame(0, [(x, 40, x + 40, 100)]) for x in (20, 60))
    woven = now.copy()
    woven[1::2] = later[1::2]
    given = woven.copy()
    image = deinterlaced(woven)
    np.testing.assert_array_equal(woven, given)
    assert np.abs(image.astype(int) - now)[42:98].max() <= 20 < np.abs(woven.astype(int) - now)[42:98].max()
    np.testing.assert_array_equal(image[::2], now[::2])


def test_what_stands_still_keeps_every_row() -> None:
    still = draw_frame(5, [(20, 41, 60, 101)])
    np.testing.assert_array_equal(deinterlaced(still), still)


def test_any_height() -> None:
    for height in (1, 2, 3, 7):
        assert deinterlaced(np.zeros((height, 5, 3), np.uint8)).shape == (height, 5, 3)
