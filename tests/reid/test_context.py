"""Similarity by company: cameras' own marks go, people gather, and few tracklets or many make no difference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.camera_shift import without_camera
from reid.merging import MergeRules, context, contextual, probability
from reid.methods.merged import WITHIN

RULES = MergeRules()


def crowd(
    people: int = 40, *, cast: float = 0.0, noise: float = 0.9
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Embeddings, cameras and people: six tracklets of each in three cameras; `cast`: what a camera adds to all."""
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


def test_what_a_camera_adds_is_taken_out() -> None:
    rows, camera, person = crowd(cast=1.5)
    plain, _, _ = crowd()
    assert average_precision(rows, camera, person) < 0.5 * average_precision(plain, camera, person)
    assert average_precision(without_camera(rows, camera), camera, person) > 0.85 * average_precision(
        plain, camera, person
    )


def test_a_camera_with_one_tracklet_keeps_its_looks() -> None:
    rows, camera, _ = crowd()
    camera = np.where(np.arange(len(camera)) == 7, 9, camera)
    assert rows[7] @ without_camera(rows, camera)[7] > 0.95
    alone = without_camera(rows[:1], camera[:1])
    assert np.allclose(alone, rows[:1], atol=1e-6)
    assert without_camera(rows[:0], camera[:0]).shape == (0, 32)


@pytest.mark.parametrize("people", [40, 100])  # 600 tracklets are more than WIDTH: projected
def test_company_tells_more_than_looks(people: int) -> None:
    rows, camera, person = crowd(people, cast=0.7, noise=1.2)
    around = contextual(rows, camera)
    assert around.shape == (len(rows), 32 + min(len(rows), context.WIDTH))
    assert np.allclose(np.linalg.norm(around, axis=1), 1, atol=1e-3)
    assert (
        average_precision(around, camera, person)
        > average_precision(without_camera(rows, camera), camera, person) + 0.05
        > average_precision(rows, camera, person) + 0.1
    )


def test_projection_keeps_similarities(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, camera, _ = crowd(100)
    projected = contextual(rows, camera)
    monkeypatch.setattr(context, "WIDTH", len(rows))
    exact = contextual(rows, camera)
    difference = projected @ projected.T - exact @ exact.T
    assert 0 < np.abs(difference).mean() < 0.02  # half of 1 / √512 is 0.022


def test_neighbourhoods_as_written_out() -> None:
    """Of a handful: k-reciprocal sets and weights by loops."""
    rows, camera, _ = crowd(20)
    shifted = without_camera(rows, camera)
    k1 = int(len(rows) * context.SHARE)  # 3, so k2 is 1: nothing is averaged
    assert k1 == 3
    squared = 2 - 2 * (shifted @ shifted.T).astype(float)
    near = np.argsort(squared, axis=1, kind="stable")

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in near[i, : k + 1].tolist() if i in near[j, : k + 1]}

    found = np.zeros_like(squared)
    for i in range(len(rows)):
        members = set(mutual(i, k1))
        for j in mutual(i, k1):
            theirs = mutual(j, round(k1 / 2))
            if len(theirs & mutual(i, k1)) > 2 / 3 * len(theirs):
                members |= theirs
        for j in members:
            found[i, j] = np.exp(-squared[i, j] / squared[i].max())
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    expected = 0.5 * shifted @ shifted.T + 0.5 * found @ found.T
    around = contextual(rows, camera)
    assert np.allclose(around @ around.T, expected, atol=1e-4)


def test_hardly_anything_is_no_reason_to_join() -> None:
    """Three strangers are all there are: that they are each other's neighbours says nothing."""
    rows = unit(np.random.default_rng(0).standard_normal((3, 32)))
    around = contextual(rows, np.array([0, 1, 2]))
    likely = probability(RULES.across)(around @ around.T)
    assert (likely[~np.eye(3, dtype=bool)] < 0.5).all()
    assert contextual(rows[:0], np.zeros(0, np.int64)).shape[0] == 0
    assert contextual(rows[:1], np.zeros(1, np.int64)).shape[0] == 1


def test_probabilities_rise_and_are_stricter_within_a_camera() -> None:
    similarity = np.linspace(-1, 1, 21)
    within, across = probability(RULES.within)(similarity), probability(RULES.across)(similarity)
    assert (np.diff(within) > 0).all() and (within < across).all()
    assert probability(RULES.across)(np.array([RULES.across]))[0] == pytest.approx(0.5)
    assert RULES.within < WITHIN  # learning joins less than merging
