from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sample_videos.world.body import skeleton
from sample_videos.world.gait import ANKLE, FLAT_FROM, FLAT_TO, HEEL, STANCE, TOES, bones, stride
from sample_videos.world.people import PALETTES, Person, person

CROWD = [person(seed, palette) for seed, palette in itertools.product(range(12), PALETTES)]
LEFT, RIGHT = 7, 10


def moved(matrices: NDArray[np.float64], bone: int, point: NDArray[np.float64]) -> NDArray[np.float64]:
    return matrices[bone, :3, :3] @ point + matrices[bone, :3, 3]


def sole(someone: Person, matrices: NDArray[np.float64], foot: int, ahead: float) -> NDArray[np.float64]:
    """World position of a point of the sole."""
    return moved(matrices, foot, skeleton(someone.shape).joints[foot] + np.array([0, -ANKLE, ahead]))


def walked(someone: Person, turns: float, heading: float = 0.7) -> NDArray[np.float64]:
    way = turns * stride(someone)
    return bones(someone, 3 + way * math.sin(heading), 2 + way * math.cos(heading), heading, 2 * math.pi * turns)


@pytest.mark.parametrize("someone", CROWD[::4])
def test_the_stance_foot_does_not_slide(someone: Person) -> None:
    steps = np.arange(0.005, STANCE - 0.005, 0.01)
    for foot, start in ((LEFT, 0.0), (RIGHT, 0.5)):
        for ahead, begin, end in ((HEEL, 0.0, FLAT_TO), (TOES, FLAT_FROM, STANCE)):
            used = [u for u in steps if begin <= u <= end]
            way = np.array([sole(someone, walked(someone, start + u), foot, ahead) for u in used])
            assert np.sqrt((np.ptp(way, axis=0) ** 2).sum()) < 0.02
            assert np.abs(way[:, 1]).max() < 0.01


@pytest.mark.parametrize("someone", CROWD[::3])
def test_the_lowest_foot_touches_the_ground(someone: Person) -> None:
    for phase, walking in itertools.product(np.linspace(0, 2 * math.pi, 25), (0.0, 0.5, 1.0)):
        matrices = bones(someone, 0, 0, 0, phase, walking)
        lowest = min(sole(someone, matrices, foot, ahead)[1] for foot in (LEFT, RIGHT) for ahead in (HEEL, TOES))
        assert -0.02 < lowest < 0.025


@pytest.mark.parametrize("someone", CROWD[::3])
def test_bones_are_rigid_and_of_the_persons_size(someone: Person) -> None:
    for phase, walking, seat in ((0.3, 1.0, 0.0), (2.0, 0.4, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.45)):
        matrices = bones(someone, 5, -3, 1.1, phase, walking, seat, 4.0)
        assert matrices.shape == (17, 4, 4)
        assert np.allclose(matrices[:, 3], [0, 0, 0, 1])
        turns = matrices[:, :3, :3]
        scale = np.cbrt(np.linalg.det(turns[0]))
        assert scale == pytest.approx(someone.height / 1.75, rel=0.04)
        assert np.allclose(np.einsum("bij,bkj->bik", turns, turns), np.eye(3) * scale**2, atol=1e-9)


@pytest.mark.parametrize("someone", CROWD[::3])
def test_joints_hold_together(someone: Person) -> None:
    joints = skeleton(someone.shape).joints
    for phase, walking, seat in ((1.0, 1.0, 0.0), (4.0, 0.6, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.4)):
        matrices = bones(someone, 1, 2, -2.0, phase, walking, seat, 9.0)
        for bone, parent in ((6, 5), (7, 6), (9, 8), (10, 9), (3, 2), (4, 3), (12, 11), (13, 12), (15, 14), (16, 15)):
            assert np.allclose(moved(matrices, bone, joints[bone]), moved(matrices, parent, joints[bone]), atol=2e-3)


def test_heading_and_position() -> None:
    someone = person(1)
    for heading in (0.0, 1.0, -2.5):
        matrices = bones(someone, 4.0, 7.0, heading, 0.0, walking=0.0)
        head = moved(matrices, 4, np.array([0, 1.65, 0.0]))
        nose = moved(matrices, 4, np.array([0, 1.65, 0.1])) - head
        assert np.hypot(head[0] - 4, head[2] - 7) < 0.25
        assert head[1] == pytest.approx(1.65 * someone.height / 1.75, abs=0.12)
        forward = np.array([math.sin(heading), math.cos(heading)])
        assert (nose[[0, 2]] * forward).sum() > 0.05  # he may look aside


def test_arms_swing_against_the_legs() -> None:
    someone = replace(person(1), manner=replace(person(1).manner, walking=("swing", "swing")))
    joints = skeleton(someone.shape).joints
    matrices = bones(someone, 0, 0, 0, 0.0)
    z = {bone: moved(matrices, bone, joints[bone])[2] for bone in (7, 10, 13, 16)}
    assert z[7] - z[10] > 0.4
    assert z[16] - z[13] > 0.1


def test_movement_is_smooth() -> None:
    """No joint of anyone jumps between frames, neither over a stride nor when starting to walk."""
    for someone in CROWD[::5]:
        joints = np.concatenate([skeleton(someone.shape).joints, np.ones((17, 1))], axis=1)

        def at(
            phase: float, walking: float, who: Person = someone, j: NDArray[np.float64] = joints
        ) -> NDArray[np.float64]:
            return np.einsum("bij,bj->bi", bones(who, 0, 0, 0, phase, walking), j)

        way = np.array([at(phase, 1.0) for phase in np.linspace(0, 2 * math.pi, 200)])
        assert np.abs(np.diff(way, axis=0)).max() < 0.05
        assert np.allclose(way[0], way[-1])
        way = np.array([at(1.2, walking) for walking in np.linspace(0, 1, 100)])
        assert np.abs(np.diff(way, axis=0)).max() < 0.05


def test_sitting_is_on_the_seat_with_feet_on_the_ground() -> None:
    for someone in CROWD:
        if someone.height < 1.55:
            continue
        joints = skeleton(someone.shape).joints
        matrices = bones(someone, 0, 0, 0, 0.0, walking=0.0, seat=0.45)
        hips, knee, ankle = (moved(matrices, bone, joints[bone]) for bone in (5, 6, 7))
        assert 0.03 < hips[1] - 0.45 < 0.15
        assert abs(hips[1] - knee[1]) < 0.16
        assert knee[2] - hips[2] > 0.25
        assert ankle[1] == pytest.approx(ANKLE * someone.height / 1.75, abs=0.03)


def test_someone_who_stands_moves_a_little() -> None:
    someone = person(2)
    still, later = (bones(someone, 0, 0, 0, 0.0, walking=0.0, clock=clock) for clock in (0.0, 4.0))
    assert 1e-4 < np.abs(still - later).max() < 1.0
    feet = [np.array([sole(someone, m, foot, 0.0) for foot in (LEFT, RIGHT)]) for m in (still, later)]
    assert np.abs(feet[0] - feet[1]).max() < 0.01


def test_an_umbrella_is_over_the_head() -> None:
    for someone in CROWD[:6]:
        held = replace(someone, umbrella=True)
        bone = 13 if held.umbrella_side > 0 else 16
        joints = skeleton(held.shape).joints
        matrices = bones(held, 0, 0, 0, 1.0)
        up = joints[bone] + 0.85 * (joints[bone - 1] - joints[bone]) / np.linalg.norm(joints[bone - 1] - joints[bone])
        top, head = moved(matrices, bone, up), moved(matrices, 4, np.array([0, 1.7, 0]))
        assert top[1] > head[1] + 0.1
        assert np.hypot(top[0] - head[0], top[2] - head[2]) < 0.5


def test_a_call_is_short() -> None:
    someone = person(1)
    bones(someone, 0, 0, 0, 0)
    start = time.process_time()
    for n in range(200):
        bones(someone, 0, 0, 0, 0.03 * n)
    assert (time.process_time() - start) / 200 < 0.0008  # some 0.02 ms
