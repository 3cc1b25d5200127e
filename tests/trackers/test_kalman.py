from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from trackers import kalman


def reference(box: np.ndarray) -> KalmanFilter:
    f = KalmanFilter(dim_x=8, dim_z=4)
    f.x[:4, 0] = box
    f.H = np.eye(4, 8)
    f.P = np.diag([kalman.FIRST_POSITION**2] * 4 + [kalman.FIRST_VELOCITY**2] * 4) * box[3] ** 2
    return f


def predict_reference(f: KalmanFilter, dt: float) -> None:
    process = np.array(
        [
            [kalman.S * dt + kalman.A * dt**3 / 3, kalman.A * dt**2 / 2],
            [kalman.A * dt**2 / 2, kalman.A * dt],
        ]
    )
    f.predict(F=np.eye(8) + dt * np.eye(8, k=4), Q=np.kron(process, np.eye(4)) * f.x[3, 0] ** 2)


def test_equals_the_8x8_filter_with_uneven_steps_and_missing_boxes() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([[100, 200, 40, 90], [900, 500, 100, 240], [50, 50, 20, 50]], float).T
    filters = kalman.initiate(boxes)
    references = [reference(box) for box in boxes.T]
    for _ in range(150):
        dt = rng.choice([1 / 60, 1 / 30, 0.2, 1.0], p=[0.3, 0.4, 0.2, 0.1])
        boxes = boxes + rng.normal(0, 1, boxes.shape) * [[3], [2], [0.3], [0.5]]
        boxes[2:] = boxes[2:].clip(15)
        kalman.predict(filters, dt)
        for f in references:
            predict_reference(f, dt)
        observed = np.flatnonzero(rng.random(3) < 0.7)
        part = filters[:, observed]
        kalman.update(part, boxes[:, observed])
        filters[:, observed] = part
        for index in observed:
            f = references[index]
            f.update(boxes[:, index], R=np.eye(4) * (kalman.SIGMA_POSITION * f.x[3, 0]) ** 2)
        expected = np.array([f.x[:, 0] for f in references]).T
        np.testing.assert_allclose(filters[:8], expected, rtol=1e-9, atol=1e-9)
        covariance = np.array([[f.P[0, 0], f.P[0, 4], f.P[4, 4]] for f in references]).T
        np.testing.assert_allclose(filters[kalman.COVARIANCE], covariance, rtol=1e-9)


def test_noise_is_in_real_time() -> None:
    height = 160.0
    filters = kalman.initiate(np.array([[0.0], [0], [60], [height]]))
    filters[kalman.COVARIANCE] = 0
    kalman.predict(filters, 1 / 30)
    assert filters[8, 0] == pytest.approx((height / 20) ** 2, rel=0.001)  # BoT-SORT's in one frame
    filters[kalman.COVARIANCE] = 0
    kalman.predict(filters, 1.0)
    assert np.sqrt(filters[10, 0]) == pytest.approx(height / 4)


def test_one_long_step_equals_many_short_ones() -> None:
    box = np.array([[10.0], [20], [30], [80]])
    once, often = kalman.initiate(box), kalman.initiate(box)
    once[4:6] = often[4:6] = 50
    kalman.predict(once, 1.0)
    for _ in range(10):
        kalman.predict(often, 0.1)
    np.testing.assert_allclose(once, often)


def test_learns_velocity_in_px_a_second() -> None:
    filters = kalman.initiate(np.array([[0.0], [100], [40], [100]]))
    for frame in range(1, 90):
        kalman.predict(filters, 1 / 30)
        kalman.update(filters, np.array([[frame * 5.0], [100], [40], [100]]))
    assert filters[4, 0] == pytest.approx(150, rel=0.01)


def test_a_shrinking_box_never_turns_inside_out() -> None:
    filters = kalman.initiate(np.array([[0.0], [0], [10], [20]]))
    filters[kalman.SIZE_VELOCITY] = -100
    kalman.predict(filters, 5.0)
    assert (filters[2:4] >= kalman.SMALLEST_SIZE).all()


def test_corners_and_centres_are_inverse() -> None:
    boxes = np.array([[1.0, 5], [2, 6], [11, 25], [22, 96]])
    np.testing.assert_allclose(kalman.corners(kalman.centres(boxes)), boxes)


def test_a_column_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(1)
    boxes = rng.uniform(50, 100, (4, 37))
    together = kalman.initiate(boxes)
    kalman.predict(together, 0.04)
    kalman.update(together, boxes + 1)
    alone = kalman.initiate(boxes[:, 17:18])
    kalman.predict(alone, 0.04)
    kalman.update(alone, boxes[:, 17:18] + 1)
    assert (alone[:, 0] == together[:, 17]).all()
