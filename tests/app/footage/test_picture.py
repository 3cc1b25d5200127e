"""What makes a picture recognisable in a later process."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from app.footage.picture import MOST_PIXELS, checksum, fitted_size, framed, square_size


def test_a_checksum_is_of_all_pixels_and_of_nothing_else() -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    assert checksum(image.copy()) == checksum(np.asfortranarray(image)) == checksum(image)
    for corner in ((0, 0, 0), (39, 29, 2)):
        changed = image.copy()
        changed[corner] ^= 1
        assert checksum(changed) != checksum(image)


def test_a_checksum_is_a_crc_32() -> None:
    """So a later process, or a later version, finds the same. This is the check value of the CRC catalogue."""
    assert checksum(np.frombuffer(b"123456789", np.uint8).reshape(3, 1, 3)) == 0xCBF43926


@pytest.mark.parametrize(
    ("size", "ratio", "square"),
    [
        ((960, 540), None, (960, 540)),
        ((960, 540), Fraction(1), (960, 540)),
        ((1920, 1080), Fraction(1919, 1920), (1920, 1080)),
        ((480, 540), Fraction(2), (960, 540)),
        ((352, 288), Fraction(12, 11), (384, 288)),
        ((704, 480), Fraction(10, 11), (704, 528)),
        ((160, 128), Fraction(1, 65_535), (160, 128)),
        ((160, 128), Fraction(0), (160, 128)),
    ],
)
def test_square_pixels_lose_no_detail(size: tuple[int, int], ratio: Fraction | None, square: tuple[int, int]) -> None:
    assert square_size(*size, ratio) == square


def test_square_pixels_never_make_too_many() -> None:
    width, height = square_size(8192, 8192, Fraction(4))
    assert width * height <= MOST_PIXELS
    assert width / height == pytest.approx(4, rel=0.001)


def test_pictures_of_another_shape_are_framed() -> None:
    assert fitted_size((320, 256), (160, 128)) == (160, 128)
    assert fitted_size((1920, 1088), (1920, 1080)) == (1920, 1080)
    assert fitted_size((100, 1), (40, 40)) == (40, 1)
    assert fitted_size((64, 128), (160, 128)) == (64, 128)
    image = framed(np.full((128, 64, 3), 9, np.uint8), (160, 128))
    assert image.shape == (128, 160, 3)
    assert (image[:, 48:112] == 9).all() and image.sum() == 9 * 128 * 64 * 3
