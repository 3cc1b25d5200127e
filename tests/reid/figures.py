"""Pictures of people for the trainings' tests: coloured figures, as Market-1501 names its files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 64, 32
CAMERAS = 3


def figure(rng: np.random.Generator, person: int, camera: int, background: int) -> NDArray[np.uint8]:
    """(64, 32, 3) RGB: hair, shirt, trousers and perhaps a bag, in a camera's light, before a place's background."""
    who = np.random.default_rng([1, person])
    hair, shirt, trousers, bag = who.uniform(0, 255, (4, 3))
    has_bag, waist = who.random() < 0.5, who.uniform(28, 38)
    where = np.random.default_rng([2, camera, background])
    picture = np.empty((HEIGHT, WIDTH, 3))
    picture[:] = np.random.default_rng([3, camera]).uniform(60, 200, 3) + where.normal(0, 25, 3)
    picture[:, : where.integers(4, 28)] += where.normal(0, 30, 3)
    top, middle, wide = rng.integers(2, 7), rng.integers(13, 20), rng.integers(5, 8)
    waist = int(waist + rng.integers(-2, 3))
    picture[top : top + 10, middle - 3 : middle + 3] = [200, 160, 130]
    picture[top : top + 4, middle - 3 : middle + 3] = hair
    picture[top + 10 : waist, middle - wide : middle + wide] = shirt
    picture[waist:60, middle - wide + 1 : middle + wide - 1] = trousers
    if has_bag:
        picture[waist - 10 : waist, middle - wide : middle - wide + 4] = bag
    light = np.random.default_rng([4, camera])
    picture = 255 * (np.clip(picture, 0, 255) / 255 * light.uniform(0.6, 1.1, 3)) ** light.uniform(0.6, 1.6)
    return np.clip(picture + rng.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


def market(folder: Path, *, people: int = 24, tested: int = 16, frames: int = 4, seed: int = 0) -> Path:
    """People with two tracklets in each camera to train on, and others to test with."""
    rng = np.random.default_rng([seed, people, tested])
    for person in range(1, people + tested + 1):
        for camera in range(1, CAMERAS + 1):
            for piece in range(2):
                part = "bounding_box_train" if person <= people else ("query", "bounding_box_test")[piece]
                for frame in range(frames if part != "query" else 1):
                    picture = figure(rng, person, camera, background=person * 2 + piece)
                    name = f"{person:04d}_c{camera}s{piece + 1}_{1000 * person + 25 * frame:06d}_01.jpg"
                    path = folder / part / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(path), picture[:, :, ::-1])
    return folder
