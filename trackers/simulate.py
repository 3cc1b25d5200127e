"""Detections as a person detector would give them, made from ground truth: for benchmarks and tests without images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from trackers.detections import Detections, iou
from trackers.motchallenge import CLASS, CONSIDERED, FRAME, HEIGHT, LEFT, TOP, VISIBILITY, WIDTH, Rows

PEDESTRIAN = 1
# The tables of BENCHMARKS.md were made with these figures, and other ones would make them incomparable.
RECALL = 0.93  # of somebody in plain sight
VISIBILITY_GAIN = 1.2  # recall a unit of visibility, of somebody half hidden
JITTER = 0.03  # σ of centre and size, in widths and heights…
HIDDEN_JITTER = 0.03  # …and so much more of somebody hidden
PLAIN_SCORE, VISIBLE_SCORE, SCORE_NOISE = 0.35, 0.5, 0.1  # mean at visibility 0, gain up to 1, and σ
FALSE_SCORE, FALSE_SCORE_NOISE = 0.4, 0.2  # of boxes of nobody and of second boxes
LOWEST_SCORE, HIGHEST_SCORE = 0.05, 0.99
SMALLEST_SIZE = 0.5  # of the true one
NMS_IOU = 0.7


def simulate_detections(
    rows: Rows,
    *,
    seed: int,
    frames: int | None = None,
    false_boxes: float = 0.3,
    part_boxes: float = 0.01,
) -> list[Detections]:
    """Simulated detections of one camera. The same seed gives the same detections.

    The model, for a person of visibility v:

    - Recall: The person is detected with probability min(RECALL, VISIBILITY_GAIN · v), in each frame for itself. That
      is 0.93 in plain sight, 0.6 half hidden, 0.12 nearly hidden, and 0.88 over visibilities above one half.
    - Place: Centre and size have Gaussian noise of σ = JITTER + HIDDEN_JITTER · (1 − v), in widths and heights.
    - Score: It is 0.35 + 0.5 · v plus Gaussian noise of SCORE_NOISE, within 0.05 and 0.99.
    - Boxes of nobody: They are shaped like a random true box of the sequence, anywhere within the range of the truth.
    - Boxes of parts: A second box lies around the upper half of the body. It and those of nobody score 0.4 ± 0.2.
    - Suppression: Greedy non-maximum suppression at NMS_IOU then removes what a detector's would. That costs people who
      stand right behind others.

    Misses do not last. False boxes do not stay where they are. No box is cut to the visible part.

    Args:
        rows: MOTChallenge ground truth `(N, ≥ 7)`. People are its considered rows of class 1 or without a class.
            Visibility is column 9, and 1 where the file has none.
        seed: Of all that is drawn.
        frames: How many frames, by default up to the last one that has rows.
        false_boxes: Mean number of boxes of nobody in a frame, by a Poisson distribution.
        part_boxes: Probability that a detected person has a second box.

    Returns:
        The detections of frames 1, 2, … in descending order of score.
    """
    rng = np.random.default_rng(seed)
    rows = rows[rows[:, CONSIDERED] == 1]
    if rows.shape[1] > CLASS:
        rows = rows[np.isin(rows[:, CLASS], (PEDESTRIAN, -1))]
    last = frames if frames is not None else int(rows[:, FRAME].max(initial=0))
    size = rows[:, [WIDTH, HEIGHT]]
    centre = rows[:, [LEFT, TOP]] + size / 2
    visibility = np.ones(len(rows))
    if rows.shape[1] > VISIBILITY and rows[:, CLASS].max(initial=-1) == PEDESTRIAN:  # MOT15 has coordinates there
        visibility = rows[:, VISIBILITY].clip(0, 1)

    detected = rng.random(len(rows)) < np.minimum(RECALL, VISIBILITY_GAIN * visibility)
    sigma = (JITTER + HIDDEN_JITTER * (1 - visibility))[:, None]
    seen_centre = centre + size * sigma * rng.standard_normal(size.shape)
    seen_size = size * np.maximum(1 + sigma * rng.standard_normal(size.shape), SMALLEST_SIZE)
    score = PLAIN_SCORE + VISIBLE_SCORE * visibility + SCORE_NOISE * rng.standard_normal(len(rows))
    score = score.clip(LOWEST_SCORE, HIGHEST_SCORE)

    part = detected & (rng.random(len(rows)) < part_boxes)
    part_centre, part_size = seen_centre[part] - (0, 0.25) * seen_size[part], seen_size[part] * (1, 0.5)
    nobodies = rng.poisson(false_boxes, last) if len(rows) else np.zeros(last, int)
    model = rng.integers(len(rows), size=nobodies.sum()) if len(rows) else np.zeros(0, int)
    low, high = (centre.min(axis=0), centre.max(axis=0)) if len(rows) else (np.zeros(2), np.zeros(2))
    false_score = FALSE_SCORE + FALSE_SCORE_NOISE * rng.standard_normal(part.sum() + len(model))
    false_score = false_score.clip(LOWEST_SCORE, HIGHEST_SCORE)

    frame = np.concatenate((rows[detected, FRAME], rows[part, FRAME], np.repeat(np.arange(last) + 1, nobodies)))
    all_centres = np.concatenate((seen_centre[detected], part_centre, rng.uniform(low, high, (len(model), 2))))
    all_sizes = np.concatenate((seen_size[detected], part_size, size[model]))
    boxes = np.concatenate((all_centres - all_sizes / 2, all_centres + all_sizes / 2), axis=1).astype(np.float32)
    scores = np.concatenate((score[detected], false_score)).astype(np.float32)

    order = np.lexsort((-scores, frame))
    bounds = np.searchsorted(frame[order], np.arange(1, last + 2))
    everything = Detections(boxes, scores)
    return [_suppress(everything.take(order[a:b])) for a, b in pairwise(bounds)]


def _suppress(detections: Detections) -> Detections:
    """Greedy non-maximum suppression of detections in descending order of score."""
    rival = iou(detections.boxes, detections.boxes) > NMS_IOU
    keep = np.ones(len(detections), bool)
    for index in range(1, len(detections)):
        keep[index] = not (rival[index, :index] & keep[:index]).any()
    return detections.take(keep)
