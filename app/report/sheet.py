"""How a contact sheet is drawn: bands of paper, each a headline, or a label and a row of crops. Pictures are RGB."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.foreign import visible
from reid.pictures import decode_picture

CELL = (64, 128)  # width and height of a crop, px
LABEL = 190  # width of a row's label, px
GAP = 4  # px between crops and below a row
HEAD = 34  # px, the height of a headline
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (120, 120, 120)
BEHIND = (235, 235, 235)  # a crop that does not fill its cell


def band(height: int, columns: int) -> NDArray[np.uint8]:
    """Empty paper `(height, width, 3)`, as wide as a label and `columns` crops."""
    return np.full((height, LABEL + columns * (CELL[0] + GAP), 3), PAPER, np.uint8)


def row(jpegs: Sequence[bytes], columns: int) -> NDArray[np.uint8]:
    """A band with at most `columns` crops, its label still empty."""
    drawn = band(CELL[1] + GAP, columns)
    for column, jpeg in enumerate(jpegs):
        left = LABEL + column * (CELL[0] + GAP)
        drawn[: CELL[1], left : left + CELL[0]] = cell(jpeg)
    return drawn


def cell(jpeg: bytes) -> NDArray[np.uint8]:
    """A crop in a cell, as large as fits, its proportions kept. The cell is empty where it can't be decoded."""
    drawn = np.full((CELL[1], CELL[0], 3), BEHIND, np.uint8)
    try:
        crop = decode_picture(jpeg)
    except ValueError:
        return drawn
    scale = min(CELL[0] / crop.shape[1], CELL[1] / crop.shape[0])
    width, height = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    x, y = (CELL[0] - width) // 2, (CELL[1] - height) // 2
    drawn[y : y + height, x : x + width] = cv2.resize(
        crop, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    return drawn


def write(
    image: NDArray[np.uint8], text: str, at: tuple[int, int], colour: tuple[int, int, int], size: int, weight: int = 400
) -> None:
    """Draws text into the image. `at` is the left end of its base line, px."""
    cv2.putText(image, visible(text), at, colour, cv2.FontFace("sans"), size, weight)


def write_within(
    image: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    right: int,
    colour: tuple[int, int, int],
    size: int,
    weight: int,
) -> None:
    """As `write`, but the text ends before `right`, cut short where it is longer."""
    font, text = cv2.FontFace("sans"), visible(text)

    def too_wide(text: str) -> bool:
        return cv2.getTextSize((1 << 15, 64), text, at, font, size, weight)[2] > right - at[0]

    if too_wide(text):
        while text and too_wide(text + "…"):
            text = text[:-1]
        text += "…"
    write(image, text, at, colour, size, weight)
