"""The gate on generated embeddings: people's directions, cameras' shifts, and noise of known size."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from reid import gate
from reid.gate import GateError, GateScore, better, judge

PEOPLE, CAMERAS, WIDTH = 60, 3, 32


@dataclass(frozen=True)
class Scene:
    """Crops of everybody in every camera. Two by two they walk side by side."""

    rows: NDArray[np.float32]
    tracklet: NDArray[np.int64]
    camera: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    cannot_link: NDArray[np.int64]

    def judged(self) -> GateScore:
        return judge(self.rows, self.tracklet, self.camera, self.start, self.end, self.cannot_link)


def scene(noise: float, *, shift: float = 0.3, seed: int = 0, crops: int = 6, cameras: int = CAMERAS) -> Scene:
    """noise: a crop's, and half as much again that a tracklet has in common, against a person's direction of length 1.

    The draws are the same for every noise.
    """
    rng = np.random.default_rng([seed, crops, cameras])
    people = rng.normal(size=(PEOPLE, WIDTH)) / np.sqrt(WIDTH)
    places = shift * rng.normal(size=(cameras, WIDTH)) / np.sqrt(WIDTH)
    camera, person = (x.ravel() for x in np.indices((cameras, PEOPLE)))
    common = 0.5 * noise * rng.normal(size=(len(camera), WIDTH)) / np.sqrt(WIDTH)
    centre = people[person] + places[camera] + common
    rows = centre[:, None] + noise * rng.normal(size=(len(camera), crops, WIDTH)) / np.sqrt(WIDTH)
    rows = (rows / np.linalg.norm(rows, axis=2, keepdims=True)).reshape(-1, WIDTH).astype(np.float32)
    tracklet = np.repeat(np.arange(len(camera)), crops)
    start = (person // 2) * 10.0
    even = np.flatnonzero(person % 2 == 0)
    return Scene(rows, tracklet, camera, start, start + 5, np.stack([even, even + 1], 1))


def test_a_perfect_encoder_has_all_points() -> None:
    score = scene(0.0, shift=0.0).judged()
    assert score.cycle == pytest.approx(1.0)
    assert score.company == pytest.approx(1.0)
    assert score.split_camera == pytest.approx(1.0)
    assert score.split is not None and score.split >= 1 / CAMERAS - 1e-6  # a person's rows are equal in all cameras
    assert score.stability == pytest.approx(1.0)
    assert score.triangle == pytest.approx(1.0)
    assert score.score == pytest.approx(1.0)
    assert score.apart == pytest.approx(1.0)
    assert not score.collapsed
    assert score.left_out == ()


def test_score_falls_with_noise() -> None:
    scores = [scene(noise).judged().score for noise in (0.3, 0.8, 1.2, 1.8, 2.6)]
    assert all(a > b for a, b in pairwise(scores)), scores


def test_order_of_crops_and_tracklets_of_a_site_do_not_matter() -> None:
    crowd = scene(1.0)
    order = np.argsort(np.random.default_rng(0).permutation(len(crowd.camera))[crowd.tracklet], kind="stable")
    shuffled = replace(crowd, rows=crowd.rows[order], tracklet=crowd.tracklet[order])
    assert shuffled.judged().score == pytest.approx(crowd.judged().score)


@pytest.mark.parametrize("wobble", [0.0, 1e-6])
def test_a_collapsed_encoder_never_passes(wobble: float) -> None:
    serving = scene(2.0)
    rng = np.random.default_rng(0)
    same = np.ones_like(serving.rows) + wobble * rng.normal(size=serving.rows.shape)
    rows = (same / np.linalg.norm(same, axis=1, keepdims=True)).astype(np.float32)
    collapsed = replace(serving, rows=rows).judged()
    assert collapsed.collapsed
    assert collapsed.score < 0.1
    passed, reason = better(collapsed, serving.judged())
    assert not passed
    assert "alike" in reason


def test_everybody_on_one_hub_is_not_stable() -> None:
    """All queries find one tracklet of the other camera: agreement that popularity alone explains."""
    assert gate._agreement(np.zeros(9, np.int64), np.zeros(9, np.int64)).tolist() == [0.0] * 9
    a, b = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    chance = 0.5 * 0.75 + 0.5 * 0.25
    assert gate._agreement(a, b).mean() == pytest.approx((0.75 - chance) / (1 - chance))  # Cohen's κ


def test_better_needs_more_than_noise() -> None:
    serving = scene(1.2).judged()
    passed, reason = better(scene(0.8).judged(), serving)
    assert passed
    assert "gain" in reason
    assert not better(serving, serving)[0]
    # As good an encoder that merely errs elsewhere: the same noise, drawn afresh.
    afresh = [better(scene(1.2, seed=seed).judged(), serving)[0] for seed in range(1, 9)]
    assert sum(afresh) <= 2
    # What is worse is refused however it errs, what is better taken.
    assert not any(better(scene(1.5, seed=seed).judged(), serving)[0] for seed in range(8))
    assert all(better(scene(0.9, seed=seed).judged(), serving)[0] for seed in range(8))


def with_change(score: GateScore, change: np.ndarray) -> GateScore:
    """The same judgement, in which each tracklet's company differs."""
    return replace(score, values=score.values | {"company": score.values["company"] + change})


def test_pieces_of_one_time_are_one_piece_of_evidence() -> None:
    """A gain of twenty tracklets is more than chance where they are spread, and not where they are two blocks."""
    serving = scene(1.2).judged()
    few = np.isin(serving.block, [3, 4])
    spread = np.arange(len(serving.block)) % (len(few) // few.sum()) == 0
    assert spread.sum() == few.sum() == 2 * gate.BLOCK
    assert better(with_change(serving, 0.5 * spread), serving)[0]
    passed, reason = better(with_change(serving, 0.5 * few), serving)
    assert (passed, "may be chance" in reason) == (False, True), reason


def test_who_need_not_gain_is_refused_for_a_loss_alone() -> None:
    serving = scene(1.2).judged()
    passed, reason = better(serving, serving, must_gain=False)
    assert (passed, "no loss that is more than chance" in reason) == (True, True)
    slightly = with_change(serving, np.where(serving.block == 3, -0.5, 0.0))
    assert better(slightly, serving, must_gain=False)[0]
    passed, reason = better(with_change(serving, np.full(len(serving.block), -0.2)), serving, must_gain=False)
    assert (passed, "a loss of" in reason) == (False, True), reason
    passed, reason = better(scene(0.8).judged(), serving, must_gain=False)
    assert (passed, "a gain of" in reason) == (True, True), reason


def test_who_believes_a_mistake_keeps_the_nearest_and_loses_the_company() -> None:
    """Crops are drawn to one tracklet of each other camera, a wrong one, at the cost of all others."""
    before = scene(1.0)
    rows = before.rows.reshape(len(before.camera), -1, WIDTH).copy()
    rng = np.random.default_rng(0)
    own = rng.normal(size=(PEOPLE, WIDTH)) / np.sqrt(WIDTH)
    person = np.tile(np.arange(PEOPLE), CAMERAS)
    wrong = own[(person + 7 * before.camera) % PEOPLE]  # of each camera somebody else's
    fitted = wrong[:, None] + 0.05 * rows
    fitted += rng.normal(size=rows.shape) / np.sqrt(WIDTH)
    fitted = (fitted / np.linalg.norm(fitted, axis=2, keepdims=True)).reshape(-1, WIDTH).astype(np.float32)
    after, was = replace(before, rows=fitted).judged(), before.judged()
    assert after.cycle is not None and was.cycle is not None and after.stability is not None
    assert was.stability is not None and after.company is not None and was.company is not None
    assert after.stability > was.stability
    assert after.company < was.company


def test_company_that_popularity_explains_does_not_count() -> None:
    hub = np.zeros((9, 12), bool)
    hub[:, :5] = True
    assert gate._overlap(hub, hub).tolist() == [0.0] * 9
    a, b = np.eye(4, dtype=bool), np.eye(4, dtype=bool)[[0, 1, 2, 2]]
    assert gate._overlap(a, a).mean() == pytest.approx(1.0)
    assert gate._overlap(a, b).mean() == pytest.approx((0.75 - 0.25) / (1 - 0.25))


def test_people_side_by_side_must_stay_apart() -> None:
    serving = scene(0.8)
    rows = serving.rows.copy().reshape(len(serving.camera), -1, WIDTH)
    rows[serving.cannot_link[:, 1]] = rows[serving.cannot_link[:, 0]][:, ::-1]  # they swap their looks in time
    judged = replace(serving, rows=rows.reshape(-1, WIDTH)).judged()
    before = serving.judged()
    assert judged.apart is not None and before.apart is not None
    assert judged.apart < before.apart
    passed, reason = better(judged, before)
    assert not passed
    assert "side by side" in reason


def test_who_takes_people_for_others_does_not_pass_though_company_is_steady() -> None:
    """Of every twelfth person it sees the same: always the same five, in all cameras."""
    serving = scene(1.2)
    person = np.tile(np.arange(PEOPLE), CAMERAS)
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(12, WIDTH)) / np.sqrt(WIDTH)
    rows = kinds[person % 12][:, None] + 0.02 * rng.normal(size=(len(person), 6, WIDTH))
    rows = (rows / np.linalg.norm(rows, axis=2, keepdims=True)).reshape(-1, WIDTH).astype(np.float32)
    judged, before = replace(serving, rows=rows).judged(), serving.judged()
    assert judged.score > before.score
    assert judged.split is not None and before.split is not None and judged.split < before.split
    passed, reason = better(judged, before)
    assert (passed, "other end" in reason) == (False, True), reason


def test_scores_of_other_tracklets_are_not_compared() -> None:
    with pytest.raises(GateError, match="different tracklets"):
        better(scene(0.5, crops=4).judged(), scene(0.5).judged())


def test_only_the_judged_count_among_all() -> None:
    quiet, noisy = scene(0.5), scene(1.0)
    every = np.ones(len(quiet.camera), bool)
    some = np.arange(len(quiet.camera)) % PEOPLE < 30  # half of the people
    of = (quiet.tracklet, quiet.camera, quiet.start, quiet.end, quiet.cannot_link)
    assert judge(quiet.rows, *of, every).plain() == quiet.judged().plain()
    score = judge(quiet.rows, *of, some)
    assert (score.queries, score.tracklets) == (90, 180)
    whole = quiet.judged()
    for name, values in score.values.items():
        assert np.isnan(values[~some]).all() or name in gate.OF_ALL
        assert np.array_equal(values[some], whole.values[name][some], equal_nan=True)
    assert better(score, judge(noisy.rows, *of, some))[0]
    assert not better(judge(noisy.rows, *of, some), score)[0]
    with pytest.raises(GateError, match="different tracklets"):
        better(score, judge(noisy.rows, *of, ~some))
    with pytest.raises(GateError, match="judged"):
        judge(quiet.rows, *of, some[:-1])


def test_one_camera_is_judged_by_its_own_and_says_so() -> None:
    score = scene(1.0, cameras=1).judged()
    assert score.cycle is None and score.triangle is None
    assert any("2 cameras" in reason for reason in score.left_out)
    assert score.split_camera is not None and score.apart is not None
    assert score.score == pytest.approx((score.split_camera + score.apart) / 2)
    assert better(scene(0.6, cameras=1).judged(), scene(2.0, cameras=1).judged())[0]


def test_two_cameras_have_no_triangle() -> None:
    score = scene(1.0, cameras=2).judged()
    assert score.triangle is None
    assert score.cycle is not None and score.stability is not None
    assert score.company is not None
    assert score.score == pytest.approx((5 * score.company + 2 * score.cycle + 2 * score.stability) / 9)


def test_overlapping_times_stand_for_missing_pairs() -> None:
    crowd = scene(1.0)
    without = replace(crowd, cannot_link=np.zeros((0, 2), np.int64))
    assert without.judged().apart == pytest.approx(crowd.judged().apart)
    nobody_knows = replace(
        without, start=np.full_like(crowd.start, np.nan), end=np.full_like(crowd.end, np.nan)
    ).judged()
    assert nobody_knows.apart is None
    assert any("side by side" in reason for reason in nobody_knows.left_out)


def test_single_crops_tell_too_little() -> None:
    score = scene(1.0, crops=1, cameras=2).judged()
    assert score.queries == 0
    assert score.score == 0.0
    passed, reason = better(score, score)
    assert not passed
    assert "too little" in reason


def test_plain_is_json() -> None:
    plain = json.loads(json.dumps(scene(1.0).judged().plain()))
    assert plain["tracklets"] == PEOPLE * CAMERAS
    assert "values" not in plain


def test_arrays_that_do_not_fit_are_refused() -> None:
    crowd = scene(1.0)
    with pytest.raises(GateError, match="needs a crop"):
        replace(crowd, tracklet=np.where(crowd.tracklet == 3, 4, crowd.tracklet)).judged()
    with pytest.raises(GateError, match="no numbers"):
        replace(crowd, rows=np.where(crowd.rows > 0.5, np.nan, crowd.rows)).judged()
    with pytest.raises(GateError, match="rows are"):
        replace(crowd, start=crowd.start[:-1]).judged()
    with pytest.raises(GateError, match="outside"):
        replace(crowd, cannot_link=np.array([[0, 999]])).judged()
