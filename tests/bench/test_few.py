"""Small sites are what they say they are."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from bench.few import counts, figures, pairs_of_cameras, stretches
from reid.merging import Seen
from reid.normalised import normalised


def crowd(people: int, cameras: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, people and cameras: everybody in every camera."""
    rng = np.random.default_rng(people)
    person, camera = np.tile(np.arange(people), cameras), np.repeat(np.arange(cameras), people)
    looks = normalised(rng.standard_normal((people, 256)).astype(np.float32))
    rows = normalised(looks[person] + 0.3 * normalised(rng.standard_normal((len(person), 256)).astype(np.float32)))
    return rows, person, camera


@pytest.mark.parametrize("met_again", [0.0, 0.3, 1.0])
def test_pairs_of_cameras_share_as_many_as_asked(met_again: float) -> None:
    for seen, person in islice(pairs_of_cameras(*crowd(40, 3), 20, met_again, 0), 5):
        cameras, sizes = np.unique(seen.camera, return_counts=True)
        assert len(cameras) == 2 and sizes.tolist() == [10, 10]
        here, there = (person[seen.camera == camera] for camera in cameras)
        assert len(set(here)) == len(set(there)) == 10
        assert len(set(here) & set(there)) == round(10 * met_again)


def test_too_few_people_give_no_sites() -> None:
    assert not list(islice(pairs_of_cameras(*crowd(10, 2), 20, 0.3, 0), 5))


def test_stretches_follow_each_other() -> None:
    rows, person, camera = crowd(30, 2)
    start = np.random.default_rng(0).permutation(60).astype(float)
    apart = np.stack([np.arange(0, 28), np.arange(1, 29)], 1)
    seen = Seen(np.arange(60) + 100, camera, start, start + 0.5, rows, cannot_link=apart)
    for small, whom in islice(stretches(seen, person, 20, 0), 5):
        moments = np.sort(small.start)
        assert (np.diff(moments) == 1).all()
        original = small.ids - 100
        assert (whom == person[original]).all() and (small.embedding == rows[original]).all()
        kept = {tuple(original[pair]) for pair in small.cannot_link}
        assert kept == {tuple(pair) for pair in apart.tolist() if set(pair) <= set(original.tolist())}


def test_full_company_joins_what_few_do_not() -> None:
    """Strangers only: all that is joined is wrong."""
    rng = np.random.default_rng(0)
    nobody, camera = np.full(20, np.nan), np.arange(20) % 2
    looks = normalised((rng.standard_normal((20, 512)) + 1.0).astype(np.float32))
    strangers = Seen(np.arange(20), camera, nobody, nobody, looks), np.arange(20)
    assert counts(*strangers).wrong == 0
    now, full = figures("strangers", 20, [strangers])
    assert now.wrong_a_site == 0 < full.wrong_a_site
    assert now.precision is None and full.precision == 0 and now.recall is None
