"""What people look like, roughly: the same clothes stay alike, other clothes do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.looks import describe
from trackers.detections import whole_pixels


def person(shirt: tuple[int, int, int], trousers: tuple[int, int, int], *, light: float = 1.0) -> NDArray[np.uint8]:
    """A picture of 60 × 150 px: a textured shirt above trousers, in some light."""
    rng = np.random.default_rng(0)
    image = np.empty((150, 60, 3), np.float64)
    image[:75], image[75:] = shirt, trousers
    return np.clip((image + rng.normal(0, 12, image.shape)) * light, 0, 255).astype(np.uint8)


def look(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    looks, sharpness = describe(image, np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32))
    return looks[0], float(sharpness[0])


def test_other_clothes_look_less_alike_than_other_light() -> None:
    red, dim, blue = (
        look(person((170, 50, 50), (40, 40, 90)))[0],
        look(person((170, 50, 50), (40, 40, 90), light=0.93))[0],
        look(person((50, 70, 170), (150, 150, 140)))[0],
    )
    assert np.linalg.norm(red) == pytest.approx(1)
    assert red @ dim > 0.9 > 0.7 > red @ blue
    upside_down = look(person((40, 40, 90), (170, 50, 50)))[0]
    assert red @ upside_down < red @ dim  # where the colours are counts


def test_a_blurred_picture_is_less_sharp() -> None:
    image = person((170, 50, 50), (40, 40, 90))
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)
    assert look(image)[1] > 5 * look(blurred)[1]


def test_each_box_is_described_for_itself() -> None:
    """Several people at once give what each gives alone, to the last bit, whoever else is there."""
    scene = np.concatenate([person((170, 50, 50), (40, 40, 90)), person((50, 70, 170), (150, 150, 140))], axis=1)
    boxes = np.array([[0, 0, 60, 150], [60, 0, 120, 150], [30, 20, 90, 140]], np.float32)
    looks, sharpness = describe(scene, boxes)
    for k in range(3):
        alone, sharp = describe(scene, boxes[k : k + 1])
        assert np.array_equal(looks[k], alone[0])
        assert sharpness[k] == pytest.approx(sharp[0])


def test_nobody_and_boxes_beyond_the_picture() -> None:
    image = person((170, 50, 50), (40, 40, 90))
    looks, sharpness = describe(image, np.zeros((0, 4), np.float32))
    assert looks.shape == (0, 108)
    assert sharpness.shape == (0,)
    outside = np.array([[-30, -30, 10.2, 20.1], [55, 140, 90, 190], [200, 300, 210, 310]], np.float32)
    assert whole_pixels(outside, image.shape).tolist() == [[0, 0, 11, 21], [55, 140, 60, 150], [59, 149, 60, 150]]
    assert np.isfinite(describe(image, outside)[0]).all()
