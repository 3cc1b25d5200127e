"""Tracklets of one camera become trajectories: what nobody can do stays apart, a broken track goes on."""

from __future__ import annotations

import resource
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.evaluate import evaluate_clustering
from reid.merging import MergeError, MergeRules, Seen, trajectories
from tests.reid.merging.sites import RULES, site, unit, within


def utal_by_hand(embedding: NDArray[np.float32], camera: NDArray[np.int64]) -> NDArray[np.int64]:
    """UTAL's Eq. 4 and 5 with K = 4, and components of tracklets that reach each other by affinities above 0.5."""
    count = len(embedding)
    reach = np.eye(count, dtype=bool)
    for number in np.unique(camera):
        members = np.nonzero(camera == number)[0]
        squared = np.square(embedding[members, None].astype(float) - embedding[members]).sum(2)
        np.fill_diagonal(squared, np.inf)
        near = np.argsort(squared, axis=1)[:, :4]
        sigma2 = np.mean([squared[i, j] for i in range(len(members)) for j in near[i] if np.isfinite(squared[i, j])])
        for i in range(len(members)):
            for j in near[i]:
                reach[members[i], members[j]] |= np.exp(-squared[i, j] / sigma2) > 0.5
    for k in range(count):  # Warshall
        reach |= reach[:, k : k + 1] & reach[k]
    return (reach & reach.T).argmax(1)


def test_utal_way_is_the_papers() -> None:
    made = site(20, noise=0.9)
    label = trajectories(made.seen, RULES, within, "utal")
    expected = utal_by_hand(made.seen.embedding, made.seen.camera)
    assert evaluate_clustering(expected, label).f1 == 1.0
    assert 20 < len(np.unique(label)) < len(label)


def moves(*boxes: tuple[float, float, float], rules: MergeRules = RULES, same: bool = True) -> NDArray[np.int64]:
    """Trajectories of tracklets of one second at (start, x, y), all looking the same. People are 100 px high."""
    start, x, y = np.array(boxes, np.float64).T
    box = np.stack([x, y, x + 40, y + 100], axis=1).astype(np.float32)
    count = len(boxes)
    embedding = unit(np.ones((count, 4))) if same else unit(np.eye(count))
    seen = Seen(np.arange(count), np.zeros(count, np.int64), start, start + 1, embedding, box, box)
    return trajectories(seen, rules, within)


def test_nobody_is_in_two_places_or_faster_than_people() -> None:
    assert moves((0, 0, 0), (0.5, 0, 0)).tolist() == [0, 1]
    assert moves((0, 0, 0), (1, 0, 0)).tolist() == [0, 1]  # a frame that shows both
    assert moves((0, 0, 0), (1.2, 0, 0)).tolist() == [0, 0]
    assert moves((0, 0, 0), (1.2, 300, 0)).tolist() == [0, 1]  # three heights in 0.2 s
    assert moves((0, 0, 0), (3, 300, 0)).tolist() == [0, 0]
    assert moves((3, 300, 0), (0, 0, 0)).tolist() == [0, 0]
    assert moves((0, 0, 0), (2, 150, 0), (1.5, 800, 0)).tolist() == [0, 0, 1]


def test_a_broken_track_goes_on_where_it_broke() -> None:
    """Looks alone would not do it."""
    lukewarm = unit(np.array([[1, 0], [0.72, np.sqrt(1 - 0.72**2)]]))
    box = np.array([[0, 0, 40, 100], [5, 0, 45, 100]], np.float32)
    for gap, expected in ((0.3, 1), (30.0, 2)):
        seen = Seen(np.arange(2), np.zeros(2, np.int64), np.array([0, 1 + gap]), np.array([1, 2 + gap]), lukewarm)
        unplaced = trajectories(seen, RULES, within)
        placed = trajectories(replace(seen, first_box=box, last_box=box), RULES, within)
        assert (len(np.unique(unplaced)), len(np.unique(placed))) == (2, expected)


def test_the_more_came_by_since_the_more_alike_it_must_look() -> None:
    """Rows 0 and 1 are alike, the others like nobody. The times of all others lie between theirs."""
    for between, timeless, expected in ((3, False, 1), (60, False, 2), (60, True, 2), (3, True, 1)):
        strangers = unit(np.random.default_rng(0).normal(size=(between, 200)))
        alike = np.zeros((2, 200), np.float32)
        alike[:, 0], alike[1, 1] = 0.9, np.sqrt(1 - 0.9**2)
        alike[0, 0] = 1
        start = np.concatenate([[0.0, 10.0 * between + 20], 10.0 * np.arange(1, between + 1)])
        if timeless:
            start[1] = np.nan
        size = len(start)
        seen = Seen(np.arange(size), np.zeros(size, np.int64), start, start + 1, np.concatenate([alike, strangers]))
        trajectory = trajectories(seen, RULES, within)
        assert len(np.unique(trajectory[:2])) == expected, (between, timeless)


def test_twenty_thousand_tracklets_in_bounded_memory() -> None:
    made = site(2223, width=24, noise=0.4)
    assert len(made.seen) > 20_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trajectory = trajectories(made.seen, replace(RULES, neighbours=5), within)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 500e6  # a dense float32 matrix would take 1.6 GB
    scores = evaluate_clustering(made.person * 100 + made.seen.camera, trajectory)
    assert scores.precision > 0.95 and scores.recall > 0.8


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(MergeError, match="no method 'best'"):
        trajectories(site(4).seen, RULES, within, "best")
