"""Similarity by company: people gather, and few tracklets or many make no difference."""

from __future__ import annotations

import numpy as np
import pytest

from reid.camera_shift import without_camera
from reid.merging import MergeRules, context, contextual, probability
from reid.merging.company import SHARE
from reid.methods.merged import WITHIN
from tests.reid.crowds import average_precision, crowd, unit

RULES = MergeRules()


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
    k1 = int(len(rows) * SHARE)  # 3, so k2 is 1: nothing is averaged
    assert k1 == 3
    squared = 2 - 2 * (shifted @ shifted.T).astype(float)
    near = np.argsort(squared, axis=1, kind="stable")

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in near[i, : k + 1].tolist() if i in near[j, : k + 1]}

    encoding = np.zeros_like(squared)
    for i in range(len(rows)):
        members = set(mutual(i, k1))
        for j in mutual(i, k1):
            theirs = mutual(j, round(k1 / 2))
            if len(theirs & mutual(i, k1)) > 2 / 3 * len(theirs):
                members |= theirs
        for j in members:
            encoding[i, j] = np.exp(-squared[i, j] / squared[i].max())
    encoding /= np.linalg.norm(encoding, axis=1, keepdims=True)
    told = 0.5 * len(rows) / 480  # neighbours count less among few
    expected = (1 - told) * shifted @ shifted.T + told * encoding @ encoding.T
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
