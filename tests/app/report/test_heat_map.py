"""A heat map shows where feet are over the camera's picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.movement.heat import COLUMNS, Heat
from app.report.heat_map import Shown, draw_heat_map


def grid(busy: bool = True) -> Heat:
    seconds, people = np.zeros((27, COLUMNS)), np.zeros((27, COLUMNS), np.int64)
    if busy:
        seconds[13, :24], people[13, :24] = np.arange(24) + 1, 3
    return Heat("$hall$ <b>", 0.0, 60.0, seconds, people, False)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int64)


@pytest.mark.parametrize("shown", list(Shown))
def test_busy_places_have_colour(shown: Shown) -> None:
    picture = np.full((540, 960, 3), 128, np.uint8)
    drawn, empty = (pixels(draw_heat_map(grid(busy), picture, shown)) for busy in (True, False))
    assert drawn.shape == empty.shape and drawn.shape[1] > 900
    colour = (drawn.max(-1) - drawn.min(-1) > 60)[: drawn.shape[0] * 3 // 4]  # without the legend
    rows, columns = np.nonzero(colour)
    assert len(rows) > 1000 and columns.max() < 0.55 * drawn.shape[1]
    legend_apart = (empty.max(-1) - empty.min(-1) > 60)[: drawn.shape[0] * 3 // 4]
    assert not legend_apart.any()


def test_without_footage_the_ground_is_plain() -> None:
    assert pixels(draw_heat_map(grid(), None)).std() > 0
