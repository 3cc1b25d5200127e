from __future__ import annotations

import numpy as np
import pytest

from trackers.detections import iou
from trackers.simulate import simulate_detections


def truth(people: int = 20, frames: int = 100, visibility: float = 1.0) -> np.ndarray:
    """People far apart, standing still."""
    rows = [[f, p + 1, 200 * p, 100, 50, 120, 1, 1, visibility] for f in range(1, frames + 1) for p in range(people)]
    return np.array(rows, float)


def test_the_same_seed_gives_the_same_detections() -> None:
    first, same, of_another_seed = (simulate_detections(truth(), seed=s) for s in (1, 1, 2))
    assert all((a.boxes == b.boxes).all() and (a.scores == b.scores).all() for a, b in zip(first, same, strict=True))
    assert any(len(a) != len(b) for a, b in zip(first, of_another_seed))


@pytest.mark.parametrize(("visibility", "recall", "score"), [(1.0, 0.93, 0.85), (0.5, 0.6, 0.6), (0.1, 0.12, 0.4)])
def test_recall_and_score_follow_visibility(visibility: float, recall: float, score: float) -> None:
    simulated = simulate_detections(truth(visibility=visibility), seed=0, false_boxes=0, part_boxes=0)
    assert sum(map(len, simulated)) / 2000 == pytest.approx(recall, abs=0.03)
    assert np.concatenate([d.scores for d in simulated]).mean() == pytest.approx(score, abs=0.02)


def test_boxes_are_off_by_a_few_percent_of_their_size() -> None:
    simulated = simulate_detections(truth(), seed=0, false_boxes=0, part_boxes=0)
    boxes = np.concatenate([d.boxes for d in simulated])
    assert np.std(boxes[:, 3] - boxes[:, 1]) == pytest.approx(0.03 * 120, rel=0.1)
    assert np.std((boxes[:, 1] + boxes[:, 3]) / 2) == pytest.approx(0.03 * 120, rel=0.1)


def test_false_boxes_and_second_boxes() -> None:
    clean = simulate_detections(truth(), seed=0, false_boxes=0, part_boxes=0)
    noisy = simulate_detections(truth(), seed=0, false_boxes=1.0, part_boxes=0.1)
    more = sum(map(len, noisy)) - sum(map(len, clean))
    assert more == pytest.approx(100 * (1.0 + 0.1 * 0.93 * 20), rel=0.25)


def test_no_two_detections_overlap_beyond_suppression() -> None:
    rows = truth(people=2)
    rows[rows[:, 1] == 2, 2] = 4  # behind the other
    for d in simulate_detections(rows, seed=0):
        assert (np.triu(iou(d.boxes, d.boxes), 1) <= 0.7).all()


def test_only_considered_people_are_seen() -> None:
    rows = truth(people=3)
    rows[rows[:, 1] == 2, 6] = 0
    rows[rows[:, 1] == 3, 7] = 3
    simulated = simulate_detections(rows, seed=0, false_boxes=0, part_boxes=0)
    assert all((d.boxes[:, 0] < 100).all() for d in simulated)


def test_truth_without_visibility_or_class() -> None:
    plain = simulate_detections(truth()[:, :7], seed=0)
    mot15 = truth()
    mot15[:, 7:] = -1
    same = simulate_detections(mot15, seed=0)
    assert all((a.boxes == b.boxes).all() for a, b in zip(plain, same, strict=True))


def test_frames_without_people() -> None:
    assert simulate_detections(np.zeros((0, 9)), seed=0) == []
    assert [len(d) for d in simulate_detections(np.zeros((0, 9)), seed=0, frames=3)] == [0, 0, 0]
    assert len(simulate_detections(truth(frames=5), seed=0, frames=9)) == 9
