"""How much of the public detections tracks cover."""

from __future__ import annotations

import numpy as np

from bench.public_detections import Coverage, coverage
from trackers.motchallenge import to_rows


def test_a_public_detection_is_covered_by_one_track_of_its_frame() -> None:
    boxes = np.array([[0, 0, 10, 20], [100, 0, 110, 20], [0, 0, 10, 20]], np.float32)
    scores = np.ones(3, np.float32)
    public = to_rows(np.array([1, 1, 2]), np.array([1, 2, 1]), boxes, scores)
    tracks = to_rows(np.array([1, 1]), np.array([7, 8]), boxes[[0, 0]], scores[:2])  # both on the first person
    assert coverage(public, tracks) == Coverage(public=3, covered=1, share=0.3333, track_boxes=2)


def test_no_public_detections_are_no_error() -> None:
    nothing = np.zeros((0, 7))
    assert coverage(nothing, nothing) == Coverage(public=0, covered=0, share=0.0, track_boxes=0)
