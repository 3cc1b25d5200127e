import json

import cv2
import numpy as np
import pytest

from sample_videos.world.cameras import (
    Camera,
    Sensor,
    calibration,
    expose,
    extrinsics,
    intrinsics,
    lens,
    project,
    undistort_grid,
)

CAMERA = Camera(eye=(1.5, 3.9, 5.2), target=(0.0, 0.6, -5.0), distortion=-0.12)
POINTS = np.random.default_rng(3).uniform((-4, 0, -12), (4, 2, -1), (200, 3))


def test_what_the_camera_looks_at_is_in_the_middle():
    assert project(CAMERA, np.array([CAMERA.target])) == pytest.approx(np.array([[480, 270]]))


def test_the_horizon_is_level_and_up_is_up():
    rotation, _ = extrinsics(CAMERA)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[0, 1] == 0  # right is level
    low, high = project(CAMERA, np.array([(0.0, 0, -5), (0.0, 2, -5)]))
    assert high[1] < low[1]


def test_project_follows_the_formula():
    rotation, translation = extrinsics(CAMERA)
    seen = POINTS @ rotation.T + translation
    u, v = seen[:, 0] / seen[:, 2], seen[:, 1] / seen[:, 2]
    bend = 1 - 0.12 * (u * u + v * v)
    focal = 480 / np.tan(np.radians(29))
    expected = np.stack([u * bend * focal + 480, v * bend * focal + 270], axis=1)
    assert project(CAMERA, POINTS) == pytest.approx(expected)


def test_project_agrees_with_opencv():
    said = json.loads(json.dumps(calibration(CAMERA)))
    turn, _ = cv2.Rodrigues(np.array(said["R"]))
    distortion = np.array([said["k1"], 0, 0, 0])
    expected, _ = cv2.projectPoints(POINTS, turn, np.array(said["t"]), np.array(said["K"]), distortion)
    assert project(CAMERA, POINTS) == pytest.approx(expected.reshape(-1, 2))
    assert (said["width"], said["height"]) == (960, 540)
    assert np.array(said["K"]) == pytest.approx(intrinsics(CAMERA))


def test_behind_the_camera_is_nowhere():
    assert np.isnan(project(CAMERA, np.array([(2.0, 4.0, 9.0)]))).all()


def test_far_aside_does_not_fold_back_into_the_picture():
    x = project(CAMERA, np.array([(30.0, 1.0, -8.0), (60.0, 1.0, -8.0)]))[:, 0]
    assert 960 < x[0] < x[1]


@pytest.mark.parametrize("k1", [-0.2, -0.05, 0.0, 0.1])
def test_rays_undo_the_lens(k1):
    camera = Camera(eye=(0.0, 0.0, 0.0), target=(0.0, 0.0, -1.0), width=96, height=54, distortion=k1)
    slopes = np.empty((54, 96, 2))
    _, _, focal, centre_x, centre_y, _ = lens(camera)
    undistort_grid(0, 54, 96, 1.0, focal, centre_x, centre_y, k1, slopes)
    points = np.concatenate([slopes * (1, -1), np.full((54, 96, 1), -1.0)], axis=2).reshape(-1, 3)
    centres = np.stack(np.meshgrid(np.arange(96) + 0.5, np.arange(54) + 0.5), axis=2).reshape(-1, 2)
    assert project(camera, points) == pytest.approx(centres, abs=1e-6)


def test_exposures_repeat_and_differ_between_frames():
    image = np.full((60, 80, 3), 90, np.uint8)
    first = expose(Sensor(), image, 5, 1)
    assert (first == expose(Sensor(), image, 5, 1)).all()
    assert (first != expose(Sensor(), image, 6, 1)).any()
    assert (first != expose(Sensor(), image, 5, 2)).any()
    assert (image == 90).all()


def test_noise_is_as_strong_as_the_sensor_says_and_weaker_in_the_light():
    def deviation(level: int) -> float:
        image = np.full((700, 1100, 3), level, np.uint8)  # more than the pre-made field
        return float((expose(Sensor(noise=6.0), image, 0, 0).astype(float) - level).std())

    assert deviation(40) == pytest.approx(6.0 * (1.25 - 40 / 330) / 1.25, rel=0.1)
    assert deviation(200) < 0.65 * deviation(40)


def test_without_noise_and_blur_a_sensor_changes_nothing():
    image = np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    assert (expose(Sensor(noise=0.0, blur=0.0), image, 0, 0) == image).all()
