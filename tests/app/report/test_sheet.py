"""The parts of a contact sheet: cells that keep a crop's proportions, and text that ends where it should."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from app.report.sheet import BEHIND, CELL, GAP, INK, LABEL, PAPER, band, cell, row, write, write_within

RED = (200, 30, 30)


def jpeg(width: int, height: int) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), RED[::-1], np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("size", "drawn_size"),
    [
        ((32, 64), (64, 128)),  # as the cell, smaller
        ((300, 600), (64, 128)),
        ((100, 100), (64, 64)),
        ((10, 128), (10, 128)),
        ((1, 1000), (1, 128)),
    ],
)
def test_a_crop_fills_its_cell_as_far_as_its_proportions_let_it(
    size: tuple[int, int], drawn_size: tuple[int, int]
) -> None:
    drawn = cell(jpeg(*size))
    assert drawn.shape == (CELL[1], CELL[0], 3)
    crop = np.abs(drawn.astype(int) - RED).max(axis=2) < 30
    assert (crop.any(axis=0).sum(), crop.any(axis=1).sum()) == drawn_size
    np.testing.assert_array_equal(drawn[~crop], np.broadcast_to(BEHIND, drawn[~crop].shape))


def test_a_row_has_its_crops_from_the_left_behind_an_empty_label() -> None:
    drawn = row([jpeg(64, 128)] * 2, columns=3)
    assert drawn.shape == band(CELL[1] + GAP, 3).shape == (CELL[1] + GAP, LABEL + 3 * (CELL[0] + GAP), 3)
    lefts = [LABEL + column * (CELL[0] + GAP) for column in range(3)]
    assert [bool((drawn[: CELL[1], left : left + CELL[0]] == PAPER).all()) for left in lefts] == [False, False, True]
    assert (drawn[:, :LABEL] == PAPER).all() and (drawn[CELL[1] :] == PAPER).all()


def test_text_that_fits_is_written_as_it_is() -> None:
    plain, within = band(40, 1), band(40, 1)
    write(plain, "hall", (6, 22), INK, 14)
    write_within(within, "hall", (6, 22), LABEL, INK, 14, 400)
    assert (plain != PAPER).any()
    np.testing.assert_array_equal(plain, within)


@pytest.mark.parametrize("text", ["a camera with a long name " * 20, "W" * 500, "走廊" * 80])
def test_long_text_ends_before_the_edge(text: str) -> None:
    drawn = band(40, 1)
    write_within(drawn, text, (6, 22), LABEL, INK, 14, 400)
    columns = np.flatnonzero((drawn != PAPER).any(axis=(0, 2)))
    assert LABEL - 30 < columns.max() < LABEL
