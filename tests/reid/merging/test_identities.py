"""Trajectories of simulated sites become identities: constraints hold, and the order does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.evaluate import evaluate_clustering
from reid.merging import MergeError, MergeRules, Seen, identities, trajectories
from reid.merging.motion import CLOCK_SLACK, Motion
from reid.merging.seen import components
from tests.reid.merging.sites import NIGHT, RULES, across, reordered, site, unit, within


def even(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-(similarity - 0.55) * 16))


def together(label: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    return label[pairs[:, 0]] == label[pairs[:, 1]]


def at_once(seen: Seen, slack: float = 0.0) -> NDArray[np.bool_]:
    """(T, T) by loops, as the rule says it."""
    simultaneous = np.zeros((len(seen), len(seen)), bool)
    for i in range(len(seen)):
        for j in range(len(seen)):
            shared = np.minimum(seen.end[i], seen.end[j]) - np.maximum(seen.start[i], seen.start[j])
            simultaneous[i, j] = shared >= slack
    return simultaneous


def test_pieces_become_trajectories_and_identities() -> None:
    made = site(width=14)  # some people look like others
    trajectory = trajectories(made.seen, RULES, within)
    scores = evaluate_clustering(made.person * 100 + made.seen.camera, trajectory)
    assert scores.precision > 0.98 and scores.recall > 0.9
    utal = trajectories(made.seen, RULES, within, "utal")
    assert scores.nmi > evaluate_clustering(made.person * 100 + made.seen.camera, utal).nmi
    who = identities(made.seen, trajectory, RULES, across)
    scores = evaluate_clustering(made.person, who.labels)
    assert scores.precision > 0.98 and scores.recall > 0.85
    for number in np.unique(trajectory):
        assert len(np.unique(who.labels[trajectory == number])) == 1


def test_cameras_that_share_a_view_are_recognised() -> None:
    made = site(80, shared=True)
    trajectory = trajectories(made.seen, RULES, within)
    who = identities(made.seen, trajectory, RULES, across)
    assert who.overlapping == ((10, 11),)
    assert evaluate_clustering(made.person, who.labels).recall > 0.85
    assert evaluate_clustering(made.person, who.labels).precision > 0.98


@pytest.mark.parametrize("seed", range(6))
def test_no_constraint_is_ever_broken(seed: int) -> None:
    """Embeddings that say next to nothing, and rules that would join everything."""
    rng = np.random.default_rng(seed)
    count = 90
    start = NIGHT + rng.uniform(0, 200, count)
    corner = rng.uniform(0, 600, (2, count, 2))
    boxes = np.concatenate([corner, corner + np.array([30, 80])], axis=2).astype(np.float32)
    start[rng.random(count) < 0.1] = np.nan
    seen = Seen(
        ids=rng.permutation(count),
        camera=rng.integers(0, 3, count),
        start=start,
        end=start + rng.uniform(0.1, 15, count),
        embedding=unit(rng.normal(size=(count, 4)) + 0.5),
        first_box=boxes[0],
        last_box=boxes[1],
        cannot_link=rng.integers(0, count, (60, 2)),
        must_link=rng.integers(0, count, (8, 2)),
    )
    said = rng.integers(0, count, (40, 2))
    seen = replace(seen, apart=said[~together(seen.linked, said)])
    rules = MergeRules(neighbours=200)
    trajectory = trajectories(seen, rules, even)
    who = identities(seen, trajectory, rules, even)
    assert len(np.unique(trajectory)) < 0.9 * count and len(np.unique(who.labels)) < len(np.unique(trajectory))

    same_camera = seen.camera[:, None] == seen.camera
    joined = seen.linked[:, None] == seen.linked
    motion = Motion.of(seen)
    every = np.arange(count)
    impossible = ~motion.possible(every[:, None], every) & ~np.eye(count, dtype=bool)
    assert not (at_once(seen) & same_camera & ~impossible & ~np.eye(count, dtype=bool)).any()
    apart = np.zeros((count, count), bool)
    for a, b in np.concatenate([seen.cannot_link, seen.apart]):
        apart[a, b] = apart[b, a] = a != b
    one_trajectory, one_person = trajectory[:, None] == trajectory, who.labels[:, None] == who.labels
    assert not (one_trajectory & ~same_camera).any()
    assert not (one_trajectory & impossible & ~joined).any()
    assert not (one_trajectory & apart & ~joined).any()
    assert (one_trajectory | ~joined | ~same_camera).all()

    unseen = at_once(seen, CLOCK_SLACK + 1e-6) & ~same_camera
    for a, b in who.overlapping:
        unseen[np.ix_(seen.camera == a, seen.camera == b)] = unseen[np.ix_(seen.camera == b, seen.camera == a)] = False
    unit_of = components(count, np.concatenate([np.argwhere(one_trajectory), seen.must_link]))
    assert not (one_person & (impossible | apart) & ~joined).any()
    assert not (one_person & unseen & (unit_of[:, None] != unit_of)).any()
    assert (one_person | ~joined).all()


def test_order_does_not_matter() -> None:
    made = site(40, noise=0.8)
    rng = np.random.default_rng(1)
    count = len(made.seen)
    seen = replace(made.seen, cannot_link=rng.integers(0, count, (30, 2)), must_link=rng.integers(0, count, (3, 2)))
    order = rng.permutation(count)
    shuffled = reordered(seen, order)
    for method in ("constrained", "utal"):
        trajectory = trajectories(seen, RULES, within, method)
        assert (trajectories(shuffled, RULES, within, method) == trajectory[order]).all()
    trajectory = trajectories(seen, RULES, within)
    who, who_shuffled = (
        identities(seen, trajectory, RULES, across),
        identities(shuffled, trajectory[order], RULES, across),
    )
    assert (who_shuffled.labels == who.labels[order]).all()
    assert who_shuffled.transit == who.transit


def test_labels_stay_when_nothing_is_new_and_when_something_is() -> None:
    made = site(50)
    old = made.seen.start < np.quantile(made.seen.start, 0.7)
    before = reordered(made.seen, np.nonzero(old)[0])
    first = trajectories(before, RULES, within)
    who = identities(before, first, RULES, across)
    assert (trajectories(before, RULES, within, previous=first) == first).all()
    assert (identities(before, first, RULES, across, previous=who.labels).labels == who.labels).all()

    previous_trajectory, previous_identity = np.full(len(made.seen), -1), np.full(len(made.seen), -1)
    previous_trajectory[old], previous_identity[old] = first, who.labels
    trajectory = trajectories(made.seen, RULES, within, previous=previous_trajectory)
    now = identities(made.seen, trajectory, RULES, across, previous=previous_identity)
    assert (trajectory[old] == first).mean() > 0.98
    assert (now.labels[old] == who.labels).mean() > 0.95
    new = ~np.isin(trajectory, first)
    assert new.any() and trajectory[new].min() == first.max() + 1


def test_unknown_times_rule_nothing_out() -> None:
    nowhere = np.full(2, np.nan)
    seen = Seen(np.arange(2), np.array([0, 1]), nowhere, nowhere, unit(np.ones((2, 3))))
    assert identities(seen, np.arange(2), RULES, across).labels.tolist() == [0, 0]


def test_corrections_beat_everything() -> None:
    clear, pair = unit(np.eye(4)), np.array([[0, 1]])
    at = np.zeros(4)
    box = np.array([[900.0 * k, 0, 900 * k + 40, 100] for k in range(4)], np.float32)
    seen = Seen(np.arange(4), np.array([0, 0, 0, 1]), at, at + 1, clear, box, box, cannot_link=pair, must_link=pair)
    assert trajectories(seen, RULES, within).tolist() == [0, 0, 1, 2]
    seen = replace(seen, must_link=np.array([[0, 1], [2, 3]]))
    trajectory = trajectories(seen, RULES, within)
    assert identities(seen, trajectory, RULES, across).labels.tolist() == [0, 0, 1, 1]
    alike = Seen(np.arange(2), np.zeros(2, np.int64), np.array([0.0, 5]), np.array([1.0, 6]), unit(np.ones((2, 3))))
    assert trajectories(alike, RULES, within).tolist() == [0, 0]
    assert trajectories(replace(alike, apart=pair), RULES, within).tolist() == [0, 1]
    with pytest.raises(MergeError, match="tracklets 0 and 1 were said to be two people"):
        identities(replace(alike, apart=pair), np.zeros(2, np.int64), RULES, across)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_anything(count: int) -> None:
    nothing = np.zeros(count)
    seen = Seen(np.arange(count), np.zeros(count, np.int64), nothing, nothing, unit(np.ones((count, 3))))
    for method in ("constrained", "utal"):
        trajectory = trajectories(seen, RULES, within, method)
        assert trajectory.tolist() == [0] * count
    assert identities(seen, trajectory, RULES, across).labels.tolist() == [0] * count


def test_a_trajectory_of_several_cameras_is_refused() -> None:
    seen = site(4).seen
    with pytest.raises(MergeError, match="several cameras"):
        identities(seen, np.zeros(len(seen), np.int64), RULES, across)
