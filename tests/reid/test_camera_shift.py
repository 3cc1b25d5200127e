"""What a camera does to everybody's embedding is taken out."""

from __future__ import annotations

import numpy as np

from reid.camera_shift import STEADY, without_camera
from tests.reid.crowds import average_precision, crowd, unit


def test_what_a_camera_adds_is_taken_out() -> None:
    rows, camera, person = crowd(cast=1.5)
    plain, _, _ = crowd()
    assert average_precision(rows, camera, person) < 0.5 * average_precision(plain, camera, person)
    assert average_precision(without_camera(rows, camera), camera, person) > 0.85 * average_precision(
        plain, camera, person
    )


def test_a_camera_with_one_tracklet_keeps_its_looks() -> None:
    rows, camera, _ = crowd()
    camera = np.where(np.arange(len(camera)) == 7, 9, camera)
    assert rows[7] @ without_camera(rows, camera)[7] > 0.95
    alone = without_camera(rows[:1], camera[:1])
    assert np.allclose(alone, rows[:1], atol=1e-6)
    assert without_camera(rows[:0], camera[:0]).shape == (0, 32)


def test_a_camera_is_shifted_by_its_own_mean_as_a_loop_does() -> None:
    rows, camera, _ = crowd(8, cast=1.0)
    before = rows.copy()
    shifted = without_camera(rows, camera)
    assert (rows == before).all()
    assert shifted.dtype == np.float32
    for row, number, moved in zip(rows, camera, shifted):
        same = rows[camera == number]
        weight = len(same) / (len(same) + STEADY)
        expected = row - weight * (same.mean(0) - rows.mean(0))
        assert np.allclose(moved, unit(expected[None])[0], atol=1e-5)
