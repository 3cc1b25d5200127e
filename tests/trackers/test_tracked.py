"""Which detections a tracker looks at, and whose states it takes."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.detections import Detections
from trackers.tracked import LARGEST, check_state, usable


def frame(*boxes: list[float], scores: list[float] | None = None) -> Detections:
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores or [0.9] * len(boxes), np.float32))


def test_usable_boxes_are_finite_with_an_area_and_a_score() -> None:
    detections = frame(
        [0, 0, 10, 10],
        [10, 0, 0, 10],  # right of its right edge
        [0, 5, 10, 5],  # flat
        [np.nan, 0, 10, 10],
        [0, 0, np.inf, 10],
        [0, 0, 2 * LARGEST, 10],
        [0, 0, 10, 10],
        scores=[0.1, 0.9, 0.9, 0.9, 0.9, 0.9, np.nan],
    )
    assert usable(detections).tolist() == [True] + [False] * 6


def test_the_short_way_for_sound_frames_says_the_same() -> None:
    sound = frame([0, 0, 10, 10], [5, 5, 5, 9], [-20, -30, 4, 9])
    assert usable(sound).tolist() == [True, False, True]
    assert usable(Detections.empty()).tolist() == []


@pytest.mark.parametrize(("boxes", "scores"), [((2, 4), (3,)), ((2, 5), (2,)), ((2, 4), (2, 1))])
def test_arrays_that_do_not_belong_together_are_refused(boxes: tuple[int, ...], scores: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"boxes must be \(N, 4\) and scores \(N,\)"):
        usable(Detections(np.zeros(boxes, np.float32), np.zeros(scores, np.float32)))


def test_a_state_must_have_every_array_in_its_shape() -> None:
    shapes: dict[str, tuple[int | None, ...]] = {"tracks": (3, None), "next_id": ()}
    state = {"tracks": np.zeros((3, 7)), "next_id": np.array(1)}
    check_state(state, shapes)
    for wrong in (
        {"next_id": np.array(1)},
        {**state, "tracks": np.zeros((4, 7))},
        {**state, "tracks": np.zeros(3)},
        {**state, "next_id": np.zeros(1)},
    ):
        with pytest.raises(ValueError, match="not a state of this tracker"):
            check_state(wrong, shapes)
