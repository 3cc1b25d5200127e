"""Tracklets of simulated sites are joined: constraints hold, order does not matter, and times are learned."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.evaluate import evaluate_clustering
from reid.merging import MergeError, MergeRules, Seen, identities, trajectories
from reid.merging.motion import Motion
from reid.merging.seen import components, renamed

RULES = MergeRules()
WALKS = {(0, 1): 20.0, (1, 2): 60.0}  # s from camera to camera
NIGHT = 1.7e9  # UTC s: where float32 would have steps of two minutes


def even(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-(similarity - 0.55) * 16))


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
    """People who walk through cameras 10, 11 and 12, each visit broken into pieces; `shared`: 11 sees what 10 does."""
    rng = np.random.default_rng([seed, people])
    looks = unit(rng.normal(size=(people, width)))
    rows: list[tuple[Any, ...]] = []
    for one in range(people):
        now = NIGHT + rng.uniform(0, 20 * people)
        for camera in range(3):
            if camera:
                now += WALKS[camera - 1, camera] * rng.uniform(0.9, 1.1)
            x, started = rng.uniform(0, 800), now
            for _ in range(3):
                last = x + 40
                rows.append((one, 10 + camera, now, now + 2, x, last))
                now, x = now + 2.4, last + 10
            if shared and camera == 0:
                now = started + 0.5 - WALKS[0, 1]
    person, camera, start, end, x, last = (np.array(column) for column in zip(*rows))
    boxes = [np.stack([at, at * 0 + 100, at + 40, at * 0 + 200], axis=1).astype(np.float32) for at in (x, last)]
    embedding = unit(looks[person] + noise * unit(rng.normal(size=(len(rows), width))))
    ids = rng.permutation(10 * len(rows))[: len(rows)]
    return Site(Seen(ids, camera.astype(np.int64), start, end, embedding, *boxes), person)


def reordered(seen: Seen, order: NDArray[np.int64]) -> Seen:
    place = np.argsort(order)
    pairs = {name: place[getattr(seen, name)] for name in ("cannot_link", "must_link", "apart")}
    rows = {f.name: getattr(seen, f.name)[order] for f in fields(seen) if f.name not in pairs}
    return Seen(**rows, **pairs)


def together(label: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    return label[pairs[:, 0]] == label[pairs[:, 1]]


def at_once(seen: Seen, slack: float = 0.0) -> NDArray[np.bool_]:
    """(T, T) by loops, as the rule says it."""
    found = np.zeros((len(seen), len(seen)), bool)
    for i in range(len(seen)):
        for j in range(len(seen)):
            shared = np.minimum(seen.end[i], seen.end[j]) - np.maximum(seen.start[i], seen.start[j])
            found[i, j] = shared >= slack
    return found


def utal_by_hand(embedding: NDArray[np.float32], camera: NDArray[np.int64]) -> NDArray[np.int64]:
    """UTAL's Eq. 4 and 5 with K = 4, and components of tracklets that reach each other by affinities above 0.5."""
    count = len(embedding)
    reach = np.eye(count, dtype=bool)
    for number in np.unique(camera):
        mine = np.nonzero(camera == number)[0]
        squared = np.square(embedding[mine, None].astype(float) - embedding[mine]).sum(2)
        np.fill_diagonal(squared, np.inf)
        near = np.argsort(squared, axis=1)[:, :4]
        sigma2 = np.mean([squared[i, j] for i in range(len(mine)) for j in near[i] if np.isfinite(squared[i, j])])
        for i in range(len(mine)):
            for j in near[i]:
                reach[mine[i], mine[j]] |= np.exp(-squared[i, j] / sigma2) > 0.5
    for k in range(count):  # Warshall
        reach |= reach[:, k : k + 1] & reach[k]
    return (reach & reach.T).argmax(1)


def test_utal_way_is_the_papers() -> None:
    made = site(20, noise=0.9)
    found = trajectories(made.seen, RULES, within, "utal")
    expected = utal_by_hand(made.seen.embedding, made.seen.camera)
    assert evaluate_clustering(expected, found).f1 == 1.0
    assert 20 < len(np.unique(found)) < len(found)


def test_pieces_become_trajectories_and_identities() -> None:
    made = site(width=14)  # some people look like others
    found = trajectories(made.seen, RULES, within)
    scores = evaluate_clustering(made.person * 100 + made.seen.camera, found)
    assert scores.precision > 0.98 and scores.recall > 0.9
    utal = trajectories(made.seen, RULES, within, "utal")
    assert scores.nmi > evaluate_clustering(made.person * 100 + made.seen.camera, utal).nmi
    who = identities(made.seen, found, RULES, across)
    scores = evaluate_clustering(made.person, who.labels)
    assert scores.precision > 0.98 and scores.recall > 0.85
    for trajectory in np.unique(found):
        assert len(np.unique(who.labels[found == trajectory])) == 1


def test_transit_times_are_learned() -> None:
    made = site(120, noise=0.6, width=20)
    found = trajectories(made.seen, RULES, within)
    who = identities(made.seen, found, RULES, across)
    assert who.overlapping == ()
    learned = {(t.origin - 10, t.destination - 10): t for t in who.transit}
    for way, seconds in WALKS.items():
        assert learned[way].count > 30
        assert learned[way].median == pytest.approx(seconds + 0.4, rel=0.05)  # a piece's gap lies before the way
        assert seconds * 0.85 < learned[way].p10 < learned[way].p90 < seconds * 1.15
    blind = identities(made.seen, found, replace(RULES, passes=1), across)
    with_times, without = (evaluate_clustering(made.person, labels) for labels in (who.labels, blind.labels))
    assert with_times.f1 > without.f1 and with_times.precision > 0.97


def test_cameras_that_share_a_view_are_recognised() -> None:
    made = site(80, shared=True)
    found = trajectories(made.seen, RULES, within)
    who = identities(made.seen, found, RULES, across)
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
        *(rng.permutation(count), rng.integers(0, 3, count), start, start + rng.uniform(0.1, 15, count)),
        *(unit(rng.normal(size=(count, 4)) + 0.5), boxes[0], boxes[1]),
        cannot_link=rng.integers(0, count, (60, 2)),
        must_link=rng.integers(0, count, (8, 2)),
    )
    said = rng.integers(0, count, (40, 2))
    seen = replace(seen, apart=said[~together(seen.linked, said)])
    rules = MergeRules(neighbours=200)
    found = trajectories(seen, rules, even)
    who = identities(seen, found, rules, even)
    assert len(np.unique(found)) < 0.9 * count and len(np.unique(who.labels)) < len(np.unique(found))

    same_camera = seen.camera[:, None] == seen.camera
    joined = seen.linked[:, None] == seen.linked
    motion = Motion.of(seen, rules)
    every = np.arange(count)
    impossible = ~motion.possible(every[:, None], every) & ~np.eye(count, dtype=bool)
    assert not (at_once(seen) & same_camera & ~impossible & ~np.eye(count, dtype=bool)).any()
    apart = np.zeros((count, count), bool)
    for a, b in np.concatenate([seen.cannot_link, seen.apart]):
        apart[a, b] = apart[b, a] = a != b
    one_trajectory, one_person = found[:, None] == found, who.labels[:, None] == who.labels
    assert not (one_trajectory & ~same_camera).any()
    assert not (one_trajectory & impossible & ~joined).any()
    assert not (one_trajectory & apart & ~joined).any()
    assert (one_trajectory | ~joined | ~same_camera).all()

    unseen = at_once(seen, rules.clock_slack + 1e-6) & ~same_camera
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
    other = reordered(seen, order)
    for method in ("constrained", "utal"):
        found = trajectories(seen, RULES, within, method)
        assert (trajectories(other, RULES, within, method) == found[order]).all()
    found = trajectories(seen, RULES, within)
    who, again = identities(seen, found, RULES, across), identities(other, found[order], RULES, across)
    assert (again.labels == who.labels[order]).all()
    assert again.transit == who.transit


def test_labels_stay_when_nothing_is_new_and_when_something_is() -> None:
    made = site(50)
    old = made.seen.start < np.quantile(made.seen.start, 0.7)
    before = reordered(made.seen, np.nonzero(old)[0])
    first = trajectories(before, RULES, within)
    who = identities(before, first, RULES, across)
    assert (trajectories(before, RULES, within, previous=first) == first).all()
    assert (identities(before, first, RULES, across, previous=who.labels).labels == who.labels).all()

    previous, known = np.full(len(made.seen), -1), np.full(len(made.seen), -1)
    previous[old], known[old] = first, who.labels
    found = trajectories(made.seen, RULES, within, previous=previous)
    now = identities(made.seen, found, RULES, across, previous=known)
    assert (found[old] == first).mean() > 0.98
    assert (now.labels[old] == who.labels).mean() > 0.95
    unknown = ~np.isin(found, first)
    assert unknown.any() and found[unknown].min() == first.max() + 1


def test_a_number_goes_to_the_group_that_shares_most() -> None:
    previous = np.array([7, 7, 7, 7, 7, 2, 2, -1, -1])
    #                    split ------------  merged  new
    now = np.array([0, 0, 0, 1, 1, 1, 1, 3, 3])
    assert renamed(now, previous).tolist() == [7, 7, 7, 2, 2, 2, 2, 8, 8]
    assert renamed(np.array([5, 3, 5, 3]), None).tolist() == [0, 1, 0, 1]


def moves(*boxes: tuple[float, float, float], rules: MergeRules = RULES, same: bool = True) -> NDArray[np.int64]:
    """Trajectories of tracklets of one second at (start, x, y), all looking the same; people are 100 px high."""
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
    """Rows 0 and 1 are alike, the others like nobody; the times of all others lie between theirs."""
    for between, unknown, expected in ((3, False, 1), (60, False, 2), (60, True, 2), (3, True, 1)):
        others = unit(np.random.default_rng(0).normal(size=(between, 200)))
        alike = np.zeros((2, 200), np.float32)
        alike[:, 0], alike[1, 1] = 0.9, np.sqrt(1 - 0.9**2)
        alike[0, 0] = 1
        start = np.concatenate([[0.0, 10.0 * between + 20], 10.0 * np.arange(1, between + 1)])
        if unknown:
            start[1] = np.nan
        size = len(start)
        seen = Seen(np.arange(size), np.zeros(size, np.int64), start, start + 1, np.concatenate([alike, others]))
        found = trajectories(seen, RULES, within)
        assert len(np.unique(found[:2])) == expected, (between, unknown)


def test_who_came_by_is_counted_as_it_is_by_hand() -> None:
    rng = np.random.default_rng(1)
    seen = site(6, 1).seen
    motion = Motion.of(seen, RULES)
    a, b = rng.integers(len(seen), size=(2, 400))
    same = (seen.camera[a] == seen.camera[b]) & (a != b)
    for one, other, counted in zip(a[same], b[same], motion.crowd(a[same], b[same])):
        first, then = (one, other) if seen.start[one] <= seen.start[other] else (other, one)
        begun = (seen.camera == seen.camera[one]) & (seen.start > seen.end[first]) & (seen.start < seen.start[then])
        assert counted == begun.sum() + 1


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
    found = trajectories(seen, RULES, within)
    assert identities(seen, found, RULES, across).labels.tolist() == [0, 0, 1, 1]
    alike = Seen(np.arange(2), np.zeros(2, np.int64), np.array([0.0, 5]), np.array([1.0, 6]), unit(np.ones((2, 3))))
    assert trajectories(alike, RULES, within).tolist() == [0, 0]
    assert trajectories(replace(alike, apart=pair), RULES, within).tolist() == [0, 1]
    with pytest.raises(MergeError, match="tracklets 0 and 1 were said to be two people"):
        identities(replace(alike, apart=pair), np.zeros(2, np.int64), RULES, across)


def test_contradictions_are_told() -> None:
    made = site(4).seen
    with pytest.raises(MergeError, match=f"tracklets {made.ids[0]} and {made.ids[2]} were said to be two people"):
        replace(made, must_link=np.array([[0, 1], [2, 1]]), apart=np.array([[0, 2]]))
    with pytest.raises(MergeError, match="not of length 1"):
        replace(made, embedding=made.embedding * 2)
    with pytest.raises(MergeError, match="same id"):
        replace(made, ids=np.zeros_like(made.ids))
    with pytest.raises(MergeError, match="outside 0"):
        replace(made, apart=np.array([[0, 1000]]))
    with pytest.raises(MergeError, match="no method 'best'"):
        trajectories(made, RULES, within, "best")
    with pytest.raises(MergeError, match="several cameras"):
        identities(made, np.zeros(len(made), np.int64), RULES, across)
    with pytest.raises(MergeError, match="certainty is a probability"):
        MergeRules(certainty=1.0)
    with pytest.raises(MergeError, match="within is a similarity"):
        MergeRules(within=86.0)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_anything(count: int) -> None:
    nothing = np.zeros(count)
    seen = Seen(np.arange(count), np.zeros(count, np.int64), nothing, nothing, unit(np.ones((count, 3))))
    for method in ("constrained", "utal"):
        found = trajectories(seen, RULES, within, method)
        assert found.tolist() == [0] * count
    assert identities(seen, found, RULES, across).labels.tolist() == [0] * count


def test_twenty_thousand_tracklets_in_bounded_memory() -> None:
    made = site(2223, width=24, noise=0.4)
    assert len(made.seen) > 20_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = trajectories(made.seen, replace(RULES, neighbours=5), within)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 500e6  # a dense float32 matrix would take 1.6 GB
    scores = evaluate_clustering(made.person * 100 + made.seen.camera, found)
    assert scores.precision > 0.95 and scores.recall > 0.8


def test_importing_it_does_not_wait_for_scipy_stats() -> None:
    """That takes a second, at the start of every command."""
    code = "import sys, reid.merging, reid.calibration, reid.gate; sys.exit('scipy.stats' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
