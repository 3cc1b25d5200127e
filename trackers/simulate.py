"""Detections as a person detector would give them, made from ground truth: for benchmarks and tests without images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from trackers.detections import Detections, iou
from trackers.motchallenge import CLASS, CONSIDERED, FRAME, HEIGHT, LEFT, TOP, VISIBILITY, WIDTH, Rows

PEDESTRIAN = 1


def simulate_detections(
    rows: Rows,
    *,
    seed: int,
    frames: int | None = None,
    recall: float = 0.93,
    visibility_gain: float = 1.2,
    jitter: float = 0.03,
    hidden_jitter: float = 0.03,
    score_noise: float = 0.1,
    false_boxes: float = 0.3,
    part_boxes: float = 0.01,
    nms_iou: float = 0.7,
) -> list[Detections]:
    """Simulated detections of frames 1, 2, … `frames` (default: the last frame that has rows).

    `rows` is MOTChallenge ground truth `(N, ≥ 7)`; people are its considered rows of class 1 (or without a class).
    Visibility v is column 9, and 1 where the file has none. The model:

    - A person is found with probability min(recall, visibility_gain · v), each frame for itself: 0.93 in plain
      sight, 0.6 half hidden, 0.12 nearly hidden; 0.88 over visibilities above one half.
    - Centre and size are off by Gaussian noise of σ = jitter + hidden_jitter · (1 − v) of the width and height.
    - The score is 0.35 + 0.5 · v plus Gaussian noise of `score_noise`, within 0.05 and 0.99.
    - A frame has Poisson(`false_boxes`) boxes of nobody, shaped like a random true box of the sequence, anywhere
      within the range of the truth; a found person has a second box around the upper half of the body with
      probability `part_boxes`. Both score 0.4 ± 0.2.
    - Greedy non-maximum suppression at `nms_iou` then removes what a detector's would, which costs people who
      stand right behind others.

    Not modelled: misses that last, false boxes that stay in place, boxes cut to the visible part. The same seed
    gives the same detections.
    """
    rng = np.random.default_rng(seed)
    rows = rows[rows[:, CONSIDERED] == 1]
    if rows.shape[1] > CLASS:
        rows = rows[np.isin(rows[:, CLASS], (PEDESTRIAN, -1))]
    last = frames if frames is not None else int(rows[:, FRAME].max(initial=0))
    size = rows[:, WIDTH : HEIGHT + 1]
    centre = rows[:, LEFT : TOP + 1] + size / 2
    visibility = np.ones(len(rows))
    if rows.shape[1] > VISIBILITY and rows[:, CLASS].max(initial=-1) == PEDESTRIAN:  # MOT15 has coordinates there
        visibility = rows[:, VISIBILITY].clip(0, 1)

    found = rng.random(len(rows)) < np.minimum(recall, visibility_gain * visibility)
    sigma = (jitter + hidden_jitter * (1 - visibility))[:, None]
    seen_centre = centre + size * sigma * rng.standard_normal(size.shape)
    seen_size = size * np.maximum(1 + sigma * rng.standard_normal(size.shape), 0.5)
    score = (0.35 + 0.5 * visibility + score_noise * rng.standard_normal(len(rows))).clip(0.05, 0.99)

    part = found & (rng.random(len(rows)) < part_boxes)
    part_centre, part_size = seen_centre[part] - (0, 0.25) * seen_size[part], seen_size[part] * (1, 0.5)
    nobodies = rng.poisson(false_boxes, last) if len(rows) else np.zeros(last, int)
    model = rng.integers(len(rows), size=nobodies.sum()) if len(rows) else np.zeros(0, int)
    low, high = (centre.min(axis=0), centre.max(axis=0)) if len(rows) else (np.zeros(2), np.zeros(2))
    false_score = (0.4 + 0.2 * rng.standard_normal(part.sum() + len(model))).clip(0.05, 0.99)

    frame = np.concatenate((rows[found, FRAME], rows[part, FRAME], np.repeat(np.arange(last) + 1, nobodies)))
    all_centres = np.concatenate((seen_centre[found], part_centre, rng.uniform(low, high, (len(model), 2))))
    all_sizes = np.concatenate((seen_size[found], part_size, size[model]))
    boxes = np.concatenate((all_centres - all_sizes / 2, all_centres + all_sizes / 2), axis=1).astype(np.float32)
    scores = np.concatenate((score[found], false_score)).astype(np.float32)

    order = np.lexsort((-scores, frame))
    bounds = np.searchsorted(frame[order], np.arange(1, last + 2))
    everything = Detections(boxes, scores)
    return [_suppress(everything.take(order[a:b]), nms_iou) for a, b in pairwise(bounds)]


def _suppress(detections: Detections, nms_iou: float) -> Detections:
    """Greedy non-maximum suppression of detections in descending order of score."""
    rival = iou(detections.boxes, detections.boxes) > nms_iou
    keep = np.ones(len(detections), bool)
    for index in range(1, len(detections)):
        keep[index] = not (rival[index, :index] & keep[:index]).any()
    return detections.take(keep)
