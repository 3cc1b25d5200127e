"""People who are colours: crops as the renderer writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deploy.models.base import Crops


def coloured_crops(folder: Path) -> Crops:
    """Three groups of 4 people in 3 cameras of their own, two crops in each. A person is a colour."""
    rng = np.random.default_rng(0)
    for group in range(3):
        labels = [
            (group * 4 + person, group * 3 + camera) for camera in range(3) for person in range(4) for _ in (0, 1)
        ]
        colours = np.random.default_rng(1).integers(0, 256, (12, 3))[[person for person, _ in labels]]
        pictures = (colours[:, None, None] + rng.integers(-9, 10, (len(labels), 72, 40, 3))).clip(0, 255)
        np.save(folder / f"labels-{group:04d}.npy", np.array(labels, np.int32))
        np.save(folder / f"crops-{group:04d}.npy", pictures.astype(np.uint8))
    return Crops(folder)
