"""The arithmetic of boxes, and what a frame's detections do."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.detections import Detections, area, coverage, intersection, iou, whole_pixels

WHOLE = [0, 0, 10, 20]
LEFT_HALF = [0, 0, 5, 20]
SHIFTED = [5, 10, 15, 30]
FAR = [100, 100, 110, 120]
POINT = [3, 3, 3, 3]


def test_intersection_area_and_the_shares_made_of_them() -> None:
    a, b = np.array([WHOLE], np.float32), np.array([WHOLE, LEFT_HALF, SHIFTED, FAR, POINT], np.float32)
    assert area(b).tolist() == [200, 100, 200, 200, 0]
    assert intersection(a, b).tolist() == [[200, 100, 50, 0, 0]]
    np.testing.assert_allclose(iou(a, b), [[1, 0.5, 50 / 350, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(coverage(a, b), [[1, 1, 0.25, 0, 0]], rtol=1e-6)


def test_shares_are_symmetric_and_empty_boxes_share_nothing() -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 50, (30, 2, 2)), axis=1).reshape(30, 4)
    for share in (iou, coverage):
        np.testing.assert_allclose(share(corners, corners), share(corners, corners).T)
        np.testing.assert_allclose(np.diag(share(corners, corners)), 1)
        assert share(np.array([POINT], float), np.array([POINT], float)).tolist() == [[0]]
        assert share(np.zeros((0, 4)), corners).shape == (0, 30)


@pytest.mark.parametrize("keep", [np.array([True, False, True]), np.array([0, 2])])
def test_take_picks_by_mask_or_index(keep: np.ndarray) -> None:
    detections = Detections(np.arange(12, dtype=np.float32).reshape(3, 4), np.array([0.9, 0.5, 0.1], np.float32))
    picked = detections.take(keep)
    assert picked.boxes.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    np.testing.assert_allclose(picked.scores, [0.9, 0.1])


def test_whole_pixels_lie_inside_and_are_never_empty() -> None:
    boxes = np.array([[1.2, 2.7, 3.1, 4.0], [-9, -9, 99, 99], [-5, -5, -1, -1], [30, 30, 40, 40]], np.float32)
    assert whole_pixels(boxes, (20, 10, 3)).tolist() == [[1, 2, 4, 4], [0, 0, 10, 20], [0, 0, 1, 1], [9, 19, 10, 20]]


def test_empty_has_the_shapes_of_a_frame_without_people() -> None:
    empty = Detections.empty()
    assert len(empty) == 0
    assert (empty.boxes.shape, empty.boxes.dtype, empty.scores.dtype) == ((0, 4), np.float32, np.float32)
