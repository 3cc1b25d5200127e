"""What makes a picture recognisable in a later process."""

from __future__ import annotations

import numpy as np

from app.footage.picture import checksum


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
