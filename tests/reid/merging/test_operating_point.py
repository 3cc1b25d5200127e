"""The operating point moves with an encoder's similarities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid.merging import MergeRules, Seen, operating_point, same_share
from reid.merging.company import among
from reid.normalised import normalised

RULES = MergeRules()


def crowd(people: int = 40, cameras: int = 4, noise: float = 0.5) -> Seen:
    """One tracklet of each person in each camera, hours apart."""
    rng = np.random.default_rng(people)
    person, camera = np.repeat(np.arange(people), cameras), np.tile(np.arange(cameras), people)
    looks = normalised(rng.standard_normal((people, 64)).astype(np.float32))
    rows = normalised(looks[person] + noise * normalised(rng.standard_normal((len(person), 64)).astype(np.float32)))
    start = 3600.0 * (1 + camera) + 400.0 * person
    return Seen(np.arange(len(person)), camera, start, start + 5.0, rows)


def test_the_point_moves_with_the_similarities(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that finds all more alike, or all less so, joins the same pairs as before."""
    before, after = crowd(), crowd(people=41)
    old = np.sort(np.random.default_rng(0).uniform(-0.2, 0.9, 5000)).astype(np.float32)
    for slope, shift in ((0.8, 0.2), (1.1, -0.1)):
        seen = {id(before): old, id(after): (slope * old + shift)[::2]}  # with fewer trajectories
        monkeypatch.setattr(operating_point, "_similarities", lambda of, rules, seen=seen: seen[id(of)])
        rules = same_share(before, after, RULES)
        point = among(RULES, before.camera).across
        assert rules.across - RULES.across == pytest.approx(slope * point + shift - point, abs=2e-3)
        assert replace(rules, across=RULES.across) == RULES


def test_the_same_encoder_keeps_its_point() -> None:
    before = crowd()
    assert same_share(before, before, RULES).across == pytest.approx(RULES.across, abs=0.02)


def test_too_few_alike_leave_it_as_it_is() -> None:
    few = crowd(people=4)  # 24 pairs
    assert same_share(few, crowd(people=5), RULES) == RULES
    alone = replace(few, camera=np.zeros_like(few.camera))
    assert same_share(alone, alone, RULES) == RULES


def test_many_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = crowd(), crowd(noise=0.8)
    whole = same_share(before, after, RULES).across
    monkeypatch.setattr(operating_point, "MOST", 120)
    assert same_share(before, after, RULES).across == pytest.approx(whole, abs=0.05)
