"""Embeddings of people in cameras, for the tests that compare tracklets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def crowd(
    people: int = 40, *, cast: float = 0.0, noise: float = 0.9
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Embeddings, cameras and people: six tracklets of each in three cameras. `cast`: what a camera adds to all."""
    rng = np.random.default_rng([3, people])
    looks, marks = rng.standard_normal((people, 32)), rng.standard_normal((3, 32))
    person, camera = np.repeat(np.arange(people), 6), np.tile([0, 0, 1, 1, 2, 2], people)
    rows = looks[person] + noise * rng.standard_normal((len(person), 32)) + cast * marks[camera]
    return unit(rows), camera, person


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def average_precision(rows: NDArray[np.float32], camera: NDArray[np.int64], person: NDArray[np.int64]) -> float:
    """Of pairs across cameras, those of one person first."""
    a, b = np.triu_indices(len(rows), 1)
    a, b = (x[camera[a] != camera[b]] for x in (a, b))
    same = (person[a] == person[b])[np.argsort(-np.einsum("pd,pd->p", rows[a], rows[b]))]
    return float((np.cumsum(same) / np.arange(1, len(same) + 1) * same).sum() / same.sum())
