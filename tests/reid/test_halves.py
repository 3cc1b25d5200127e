"""What halves of tracklets tell of each other."""

from __future__ import annotations

import numpy as np
import pytest

from reid.halves import first_found, information, similarities, surely_more
from reid.normalised import normalised


def halves(noise: float, count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    people = rng.standard_normal((count, 32))
    first, second = (normalised(people + noise * rng.standard_normal(people.shape)) for _ in range(2))
    return first, second


def test_it_falls_with_noise_and_ends_at_nothing() -> None:
    told = [information(similarities(*halves(noise))).mean() for noise in (0.1, 0.5, 1.0, 2.0, 50.0)]
    assert told == sorted(told, reverse=True)
    assert np.log(60) >= told[0] > 3.5 and told[-1] < 0.1


def test_contrast_does_not_count() -> None:
    similarity = similarities(*halves(0.5))
    assert np.allclose(information(0.01 * similarity + 0.9), information(similarity), atol=1e-3)


def test_all_alike_tells_nothing() -> None:
    same = np.ones((5, 5), np.float32)
    assert information(same).tolist() == [0.0] * 5
    assert first_found(same) == 0.0


def test_the_share_that_finds_itself_first() -> None:
    similarity = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.8], [0.1, 0.2, 0.7]])
    assert first_found(similarity) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_more_is_sure_only_beyond_chance() -> None:
    good, bad = (information(similarities(*halves(noise))) for noise in (0.3, 1.5))
    assert surely_more(good, bad) and not surely_more(bad, good)
    assert not surely_more(good, good)
    assert not surely_more(good, good + np.random.default_rng(0).normal(0, 1, len(good)) * 0.5)
