"""How a camera moves is told from its pictures, and a still one gives no motion at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.camera_motion import CameraMotion

WIDTH, HEIGHT = 480, 270


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    """A wall with blots of all sizes, wider than the picture."""
    rng = np.random.default_rng(0)
    blots = [
        cv2.resize(rng.integers(0, 256, (9 * size, 40 * size, 3), np.uint8), (4 * WIDTH, HEIGHT + 60))
        for size in (1, 3, 9)
    ]
    return np.mean(blots, axis=0).astype(np.uint8)


def picture(scene: NDArray[np.uint8], x: int, y: int = 30) -> NDArray[np.uint8]:
    return scene[y : y + HEIGHT, x : x + WIDTH].copy()


def test_a_still_camera_does_not_move_whoever_walks_by(scene: NDArray[np.uint8]) -> None:
    motion, boxes = CameraMotion(), np.ones((2, 4), np.float32)
    for k in range(60):
        image = picture(scene, 500)
        image[60:250, 5 * k : 5 * k + 70] = (200, 30, 30)
        motion.update(image)
        assert motion.in_scene(boxes) is boxes


def test_a_camera_that_pans_to_and_fro_is_followed(scene: NDArray[np.uint8]) -> None:
    motion = CameraMotion()
    start = 500
    for k in range(200):
        x, y = start + round(400 * np.sin(k / 25)), 30 + round(25 * np.sin(k / 10))
        motion.update(picture(scene, x, y))
        box = np.array([[start - x, 30 - y, start - x + 40, 130 - y]], np.float32)  # of a thing at one place
        np.testing.assert_allclose(motion.in_scene(box), [[0, 0, 40, 100]], atol=8)


def test_what_is_kept_has_no_picture_and_goes_on(scene: NDArray[np.uint8]) -> None:
    motion = CameraMotion()
    for x in range(500, 700, 10):
        motion.update(picture(scene, x))
    motion.forget()
    state = motion.state()
    assert {name: value.shape for name, value in state.items()} == {"offset": (2,)}
    later = CameraMotion()
    later.restore(state)
    for x in range(690, 800, 10):
        motion.update(picture(scene, x))
        later.update(picture(scene, x))
        assert np.array_equal(motion.offset, later.offset)
    assert motion.offset[0] == pytest.approx(290, abs=8)
    empty = CameraMotion()
    empty.restore({})  # of a version that knew no motion
    assert not empty.offset.any()


def test_another_scene_or_size_is_no_motion(scene: NDArray[np.uint8]) -> None:
    motion = CameraMotion()
    motion.update(picture(scene, 100))
    motion.update(picture(scene, 1300))
    motion.update(picture(scene, 1300)[:200])
    for shape in ((HEIGHT, WIDTH), (HEIGHT, WIDTH), (1, 3000), (1, 3000), (3000, 1), (3000, 1)):
        motion.update(np.zeros((*shape, 3), np.uint8))
    assert not motion.offset.any()
