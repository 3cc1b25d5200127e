"""Pictures of any kind become crops of one size, and what can't be decoded is named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reid.pictures import decode_all, decode_crops, decode_picture

H, W = 16, 8


def encoded(kind: str, pixels: np.ndarray) -> bytes:
    """The file's bytes of RGB pixels."""
    return cv2.imencode(kind, pixels[..., ::-1])[1].tobytes()


def plain(colour: tuple[int, int, int], height: int = H, width: int = W) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_reads_files_bytes_and_pixels_as_rgb_and_resizes(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (4 * H, 4 * W, 3), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(".png", large))
    jpeg = encoded(".jpg", plain((250, 20, 60)))
    crops = decode_crops([str(path), jpeg, plain((30, 50, 200), H // 2, W // 2), path], H, W)
    assert crops.shape == (4, H, W, 3) and crops.dtype == np.uint8
    mean = large.reshape(H, 4, W, 4, 3).mean((1, 3))  # INTER_AREA: the mean of what a pixel covers
    assert np.abs(crops[0] - mean).max() <= 0.51
    assert np.abs(crops[1].astype(int) - (250, 20, 60)).max() < 8  # RGB, not BGR
    np.testing.assert_array_equal(crops[2], plain((30, 50, 200)))
    np.testing.assert_array_equal(crops[3], crops[0])


def test_what_cannot_be_decoded_is_left_out_and_named(tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    missing = tmp_path / "missing.jpg"
    cut = encoded(".jpg", plain((5, 5, 5)))[:-40]
    first, last = plain((1, 2, 3)), plain((4, 5, 6))
    decoded = decode_all([first, text, missing, cut, b"", np.zeros((H, W), np.uint8), last], H, W)
    assert decoded.kept.tolist() == [0, 6]
    np.testing.assert_array_equal(decoded.crops, np.stack([first, last]))
    assert decoded.problems == [
        f"{text}: no picture that can be decoded",
        f"{missing}: No such file or directory",
        "picture 3: the JPEG breaks off",
        "picture 4: no picture that can be decoded",
        "picture 5: pixels of type uint8 and shape (16, 8), not uint8 (h, w, 3)",
    ]


def test_nothing_is_no_crops() -> None:
    decoded = decode_all([], H, W)
    assert decoded.crops.shape == (0, H, W, 3) and not len(decoded.kept) and not decoded.problems


@pytest.mark.parametrize(
    "pixels", [np.zeros((H, W, 3), np.float32), np.zeros((H, W, 4), np.uint8), np.zeros((0, W, 3), np.uint8)]
)
def test_pixels_of_another_type_or_shape_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not uint8"):
        decode_picture(pixels)


def test_arrays_that_are_fetched_late_are_read() -> None:
    class Late:
        def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
            return plain((7, 8, 9))

    np.testing.assert_array_equal(decode_picture(Late()), plain((7, 8, 9)))
