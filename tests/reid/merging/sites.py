"""Simulated sites: people who walk through cameras, their tracklets, and who they are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid.merging import MergeRules, Seen

RULES = MergeRules()
WALKS = {(0, 1): 20.0, (1, 2): 60.0}  # s from camera to camera
NIGHT = 1.7e9  # UTC s: where float32 would have steps of two minutes


def within(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """One pair in a hundred is one person before looks."""
    return 1 / (1 + 99 * np.exp(-(similarity - 0.55) * 16))


def across(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + 19 * np.exp(-(similarity - 0.55) * 16))


@dataclass(frozen=True)
class Site:
    seen: Seen
    person: NDArray[np.int64]


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def site(people: int = 60, seed: int = 0, *, noise: float = 0.5, width: int = 48, shared: bool = False) -> Site:
    """People who walk through cameras 10, 11 and 12, each visit broken into pieces. `shared`: 11 sees what 10 does."""
    rng = np.random.default_rng([seed, people])
    looks = unit(rng.normal(size=(people, width)))
    rows: list[tuple[Any, ...]] = []
    for person_number in range(people):
        clock = NIGHT + rng.uniform(0, 20 * people)
        for camera in range(3):
            if camera:
                clock += WALKS[camera - 1, camera] * rng.uniform(0.9, 1.1)
            x, started = rng.uniform(0, 800), clock
            for _ in range(3):
                last = x + 40
                rows.append((person_number, 10 + camera, clock, clock + 2, x, last))
                clock, x = clock + 2.4, last + 10
            if shared and camera == 0:
                clock = started + 0.5 - WALKS[0, 1]
    person, camera, start, end, x, last = (np.array(column) for column in zip(*rows))
    boxes = [np.stack([at, at * 0 + 100, at + 40, at * 0 + 200], axis=1).astype(np.float32) for at in (x, last)]
    embedding = unit(looks[person] + noise * unit(rng.normal(size=(len(rows), width))))
    ids = rng.permutation(10 * len(rows))[: len(rows)]
    seen = Seen(
        ids=ids,
        camera=camera.astype(np.int64),
        start=start,
        end=end,
        embedding=embedding,
        first_box=boxes[0],
        last_box=boxes[1],
    )
    return Site(seen, person)


def reordered(seen: Seen, order: NDArray[np.int64]) -> Seen:
    new_row = np.argsort(order)
    pairs = {name: new_row[getattr(seen, name)] for name in ("cannot_link", "must_link", "apart")}
    rows = {f.name: getattr(seen, f.name)[order] for f in fields(seen) if f.name not in pairs}
    return Seen(**rows, **pairs)
