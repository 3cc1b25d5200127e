"""Small scenes for the tests of trackers."""

from __future__ import annotations

import numpy as np

from trackers.detections import Detections
from trackers.tracked import EmbedOnce, Tracked, Tracker


def boxes(*centres: tuple[float, float], size: tuple[float, float] = (40, 100)) -> np.ndarray:
    half = np.array(size) / 2
    return np.array([[*(np.array(c) - half), *(np.array(c) + half)] for c in centres], np.float32).reshape(-1, 4)


def detections(
    *centres: tuple[float, float], score: float | list[float] = 0.9, size: tuple[float, float] = (40, 100)
) -> Detections:
    return Detections(boxes(*centres, size=size), np.broadcast_to(score, len(centres)).astype(np.float32))


def walkers(people: int, frames: int, seed: int) -> list[Detections]:
    """Random walks that cross, with misses, weak scores and false boxes. The order of boxes changes every frame."""
    rng = np.random.default_rng(seed)
    centres, speed = rng.uniform(0, 600, (people, 2)), rng.normal(0, 4, (people, 2))
    stream = []
    for _ in range(frames):
        speed = speed + rng.normal(0, 0.3, speed.shape)
        centres = centres + speed
        seen = np.concatenate((centres[rng.random(people) > 0.15], rng.uniform(0, 600, (rng.poisson(0.3), 2))))
        seen = seen[rng.permutation(len(seen))] + rng.normal(0, 2, seen.shape)
        scores = rng.normal(0.75, 0.2, len(seen)).clip(0.05, 0.99).astype(np.float32)
        stream.append(Detections(boxes(*map(tuple, seen)), scores))
    return stream


def step(tracker: Tracker, time: float, people: Detections) -> Tracked:
    """One frame, in which nobody is to be told apart by appearance."""
    embed = EmbedOnce(lambda places: np.full((len(places), 4), 0.5, np.float32), len(people))
    return tracker.update(time, people, embed)
