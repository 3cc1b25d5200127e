"""Transit times are learned from matches that nobody labelled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reid.evaluate import evaluate_clustering
from reid.merging import identities, trajectories
from tests.reid.merging.sites import RULES, WALKS, across, site, within


def test_transit_times_are_learned() -> None:
    made = site(120, noise=0.6, width=20)
    trajectory = trajectories(made.seen, RULES, within)
    who = identities(made.seen, trajectory, RULES, across)
    assert who.overlapping == ()
    learned = {(t.origin - 10, t.destination - 10): t for t in who.transit}
    for way, seconds in WALKS.items():
        assert learned[way].count > 30
        assert learned[way].median == pytest.approx(seconds + 0.4, rel=0.05)  # a piece's gap lies before the way
        assert seconds * 0.85 < learned[way].p10 < learned[way].p90 < seconds * 1.15
    blind = identities(made.seen, trajectory, replace(RULES, passes=1), across)
    with_times, without = (evaluate_clustering(made.person, labels) for labels in (who.labels, blind.labels))
    assert with_times.f1 > without.f1 and with_times.precision > 0.97
