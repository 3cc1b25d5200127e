"""Among few, the nearest is no reason to join."""

from __future__ import annotations

import numpy as np
import pytest

from reid.merging import MergeRules, Seen, merge_tracklets
from reid.merging.company import MOST, among, company
from reid.normalised import normalised

RULES = MergeRules()


@pytest.mark.parametrize("people", [4, 6, 10, 20, 60])
def test_strangers_who_are_somewhat_alike_stay_apart(people: int) -> None:
    rng = np.random.default_rng(people)
    looks = normalised((rng.standard_normal((people, 512)) + 1.0).astype(np.float32))  # a cosine of about a half
    nobody = np.full(people, np.nan)
    seen = Seen(np.arange(people), np.arange(people) % 2, nobody, nobody, looks)
    labels = merge_tracklets(seen, RULES)[1].labels
    assert len(np.unique(labels)) == people


@pytest.mark.parametrize("people", [2, 3, 10, 30])
def test_who_is_alike_by_themselves_is_joined(people: int) -> None:
    rng = np.random.default_rng(people)
    one = normalised((rng.standard_normal((people, 512)) + 1.0).astype(np.float32))
    other = normalised(one + 0.3 * normalised(rng.standard_normal((people, 512)).astype(np.float32)))
    nobody = np.full(2 * people, np.nan)
    seen = Seen(np.arange(2 * people), np.repeat([0, 1], people), nobody, nobody, np.concatenate([one, other]))
    labels = merge_tracklets(seen, RULES)[1].labels
    assert (labels[:people] == labels[people:]).all() and len(np.unique(labels)) == people


def test_full_company_has_the_rules_as_they_are() -> None:
    assert company(480) == company(100_000) == 1
    assert among(RULES, np.arange(600) % 4) == RULES


def test_the_more_strangers_the_surer() -> None:
    """Until neighbours tell more."""
    points = [among(RULES, np.arange(count) % 2).across for count in (2, 6, 12, 20, 24)]
    assert (np.diff(points) > 0).all() and RULES.across < points[0] and points[-1] < MOST
    assert among(RULES, np.zeros(0, np.int64)).across == pytest.approx(points[0], abs=0.01)
