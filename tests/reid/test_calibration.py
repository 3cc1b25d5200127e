"""Calibration on similarities of known distribution and generated tracklets. Metrics against plain transcriptions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from reid.calibration import (
    DEFAULT,
    Calibration,
    CalibrationError,
    Curve,
    even_weights,
    fit_curve,
    open_set,
    reliability,
    searches,
)


def tracklets(
    people: int = 80, cameras: int = 3, *, shift: float = 0.8, noise: float = 0.7, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Halves (T, 2, D), camera, person and cannot-link pairs: two tracklets of each person in each camera."""
    rng, width = np.random.default_rng([seed, people]), 48
    looks = rng.normal(size=(people, width))
    camera, person, _ = (x.ravel() for x in np.indices((cameras, people, 2)))
    view = shift * rng.normal(size=(cameras, people, width))  # how a camera sees a person
    centre = looks[person] + view[camera, person] + noise * rng.normal(size=(len(person), width))
    halves = centre[:, None] + 0.5 * noise * rng.normal(size=(len(person), 2, width))
    halves /= np.linalg.norm(halves, axis=2, keepdims=True)
    even = np.flatnonzero((person % 2 == 0) & (np.arange(len(person)) % 2 == 0))
    return halves.astype(np.float32), camera, person, np.stack([even, even + 2], 1)


def test_recovers_a_known_curve() -> None:
    """Equal normal distributions have a logistic curve: slope (m₁ − m₀) / σ², middle half-way."""
    rng = np.random.default_rng(0)
    curve = fit_curve(rng.normal(0.7, 0.15, 4000), rng.normal(0.1, 0.15, 40_000))
    assert curve.slope == pytest.approx(0.6 / 0.15**2, rel=0.07)
    assert curve.middle == pytest.approx(0.4, abs=0.01)


def test_kinds_that_do_not_overlap_give_a_finite_curve() -> None:
    curve = fit_curve(np.linspace(0.8, 0.9, 50), np.linspace(0.0, 0.1, 50))
    assert 0.1 < curve.middle < 0.8
    assert 0 < curve.slope < 1000


def test_a_curve_never_falls() -> None:
    assert fit_curve(np.linspace(0.0, 0.1, 50), np.linspace(0.8, 0.9, 50)).slope > 0


def test_learned_without_labels_it_is_close_to_truth() -> None:
    halves, camera, person, pairs = tracklets()
    calibration = Calibration.fit(halves, camera, pairs)
    assert calibration.source == "this site's tracklets, without labels"
    rows = halves.sum(1) / np.linalg.norm(halves.sum(1), axis=1, keepdims=True)
    left, right = np.triu_indices(len(rows), 1)
    similarity, same = np.einsum("pd,pd->p", rows[left], rows[right]), person[left] == person[right]
    apart = camera[left] != camera[right]
    halves_only = np.einsum("td,td->t", halves[:, 0], halves[:, 1])
    naive = fit_curve(halves_only, np.einsum("pd,pd->p", *(rows[end] for end in pairs.T)))
    weight = even_weights(same[apart])
    said = calibration.probability(similarity[apart], True)
    naively = Calibration(across=naive).probability(similarity[apart], True)
    error, naive_error = (reliability(p, same[apart], weight=weight).error for p in (said, naively))
    assert error < 0.5 * naive_error
    assert error < 0.1


def test_probability_is_monotone_and_heeds_the_prior() -> None:
    calibration = Calibration.fit(*_without_people(tracklets()))
    similarity = np.linspace(-1, 1, 201)
    for across in (False, True):
        said = calibration.probability(similarity, across)
        assert (np.diff(said) >= 0).all() and said[0] < 0.01 and said[-1] > 0.9
        assert (calibration.probability(similarity, across, prior=0.01) <= said).all()
    assert calibration.probability(calibration.across.middle, True) == pytest.approx(0.5)
    assert isinstance(calibration.probability(0.3, False), float)
    mixed = calibration.probability([0.4, 0.4], [False, True])
    assert mixed == pytest.approx([calibration.probability(0.4, False), calibration.probability(0.4, True)])
    # The same evidence says more across cameras, where all similarities are lower…
    assert calibration.across.middle < calibration.within.middle
    # …and is never surer than a curve fitted to the halves of tracklets alone.
    assert calibration.within.slope < 60


def _without_people(crowd: tuple[NDArray, NDArray, NDArray, NDArray]) -> tuple[NDArray, NDArray, NDArray]:
    return crowd[0], crowd[1], crowd[3]


@pytest.mark.parametrize("count", [0, 1, 12])
def test_too_little_data_falls_back_and_says_so(count: int) -> None:
    halves, camera, _, _ = tracklets()
    calibration = Calibration.fit(halves[:count], camera[:count], np.zeros((0, 2), int))
    assert calibration == Calibration()
    assert calibration.source == DEFAULT


def test_what_is_missing_stays_the_default() -> None:
    halves, camera, _, pairs = tracklets()
    first_camera = camera == 0
    inside = first_camera[pairs].all(1)
    calibration = Calibration.fit(halves[first_camera], camera[first_camera], pairs[inside])
    assert calibration.source_within != DEFAULT and calibration.source_across == DEFAULT
    assert calibration.across == Calibration().across
    assert "across cameras default" in calibration.source
    halves[:, 1] = halves[:, 0]  # tracklets of one crop: the halves are the same picture
    single = Calibration.fit(halves, camera, pairs)
    assert single.source_within == DEFAULT and single.source_across != DEFAULT


def test_collapsed_embeddings_fall_back() -> None:
    halves, camera, _, pairs = tracklets()
    calibration = Calibration.fit(np.ones_like(halves), camera, pairs)
    assert (calibration.within, calibration.across) == (Calibration().within, Calibration().across)


def test_json_round_trip() -> None:
    for calibration in (Calibration(), Calibration.fit(*_without_people(tracklets()))):
        assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration
    with pytest.raises(CalibrationError, match="fields"):
        Calibration.from_json({"within": [1.0]})
    with pytest.raises(CalibrationError, match="slopes"):
        Calibration.from_json(Calibration(within=Curve(-1.0, 0.0)).to_json())


def test_the_same_seed_fits_the_same() -> None:
    arguments = _without_people(tracklets())
    assert Calibration.fit(*arguments) == Calibration.fit(*arguments)


def test_arrays_that_do_not_fit_are_refused() -> None:
    halves, camera, _, pairs = tracklets()
    with pytest.raises(CalibrationError, match="halves are"):
        Calibration.fit(halves[:, 0], camera, pairs)
    with pytest.raises(CalibrationError, match="outside"):
        Calibration.fit(halves, camera, np.array([[0, len(halves)]]))
    with pytest.raises(CalibrationError, match="no numbers"):
        Calibration.fit(np.full_like(halves, np.nan), camera, pairs)
    with pytest.raises(CalibrationError, match="prior"):
        Calibration().probability(0.5, True, prior=1.0)


def test_reliability_equals_a_calculation_by_hand() -> None:
    measured = reliability([0.05, 0.15, 0.12, 0.95, 1.0], [0, 0, 1, 1, 1], bins=10)
    assert measured.count.tolist() == [1, 2, 2]
    assert measured.predicted == pytest.approx([0.05, 0.135, 0.975])
    assert measured.observed == pytest.approx([0.0, 0.5, 1.0])
    assert measured.error == pytest.approx((1 * 0.05 + 2 * 0.365 + 2 * 0.025) / 5)
    weighted = reliability([0.2, 0.2, 0.9], [1, 0, 1], weight=[1, 3, 4])
    assert weighted.error == pytest.approx((4 * abs(0.2 - 0.25) + 4 * 0.1) / 8)
    assert even_weights([True, False, False]).tolist() == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("seed", range(3))
def test_open_set_equals_a_transcription(seed: int) -> None:
    rng = np.random.default_rng(seed)
    enrolled, right, strangers = rng.normal(0.6, 0.2, 300), rng.random(300) < 0.8, rng.normal(0.3, 0.2, 200)
    scores = open_set(enrolled, right, strangers)
    for rate in (0.01, 0.1):
        # the lowest of all thresholds at which no more than the rate are false alarms
        least = min(t for t in strangers if (strangers > t).sum() <= rate * len(strangers))
        assert scores.threshold[rate] == pytest.approx(least)
        assert scores.detected[rate] == pytest.approx(
            sum(r and k > least for k, r in zip(enrolled, right)) / len(enrolled)
        )


def test_searches_equal_a_loop() -> None:
    rng = np.random.default_rng(1)
    q, g = rng.normal(size=(20, 4)), rng.normal(size=(60, 4))
    who, people, where, cameras = (rng.integers(0, n, k) for n, k in ((8, 20), (8, 60), (3, 20), (3, 60)))
    enrolled, right, strangers = [], [], []
    for row, person, camera in zip(q.astype(np.float32), who, where):
        similarity = g.astype(np.float32) @ row
        there, is_stranger = (people == person) & (cameras != camera), people != person
        if there.any():
            best = int(np.argmax(np.where(there | is_stranger, similarity, -np.inf)))
            enrolled.append(similarity[best])
            right.append(people[best] == person)
            strangers.append(similarity[is_stranger].max())
    searched = searches(q, g, (who, people), (where, cameras))
    assert searched[0] == pytest.approx(enrolled, abs=1e-5)
    assert searched[1].tolist() == right
    assert searched[2] == pytest.approx(strangers, abs=1e-5)


def test_false_alarms_are_about_as_promised() -> None:
    """Galleries of strangers whose similarities fall off like those of the pairs that the tail was learned from."""
    rng = np.random.default_rng(0)
    calibration = Calibration.fit(*_without_people(tracklets(people=300, cameras=2)))
    strangers = rng.normal(size=(400, 48))
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    queries = rng.normal(size=(1000, 48))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    best = (queries @ strangers.T).max(1)
    threshold = calibration.threshold(400, 0.1)
    assert calibration.source_tail == "people seen side by side"
    assert 0.03 < (best > threshold).mean() < 0.3
    assert calibration.threshold(400, 0.01) > threshold > calibration.threshold(10, 0.1)
    assert calibration.is_seen(threshold, 400) and not calibration.is_seen(threshold - 0.01, 400)
    with pytest.raises(CalibrationError):
        calibration.threshold(0)


def test_with_identities_false_alarms_are_as_promised_whatever_side_by_side_would_say() -> None:
    """Half of the people are on the site, and the others ask. One in twenty on it was not joined to itself."""
    halves, camera, person, _ = tracklets(people=300, cameras=2)
    here = person < 150
    rows = halves.sum(1) / np.linalg.norm(halves.sum(1), axis=1, keepdims=True)
    nobody = np.zeros((0, 2), np.int64)
    joined = np.where(person % 20 == 0, 1000 + np.arange(len(person)), person)
    calibration = Calibration.fit(halves[here], camera[here], nobody, joined[here])
    assert calibration.source_tail.startswith("the best matches of tracklets outside")
    assert (len(calibration.strangers), calibration.strangers_gallery) == (101, int(here.sum()))
    best = (rows[~here] @ rows[here].T).max(1)
    for rate in (0.1, 0.3):
        assert 0.3 * rate < (best > calibration.threshold(calibration.strangers_gallery, rate)).mean() < 1.5 * rate
    joint = joined[here][:, None] == joined[here]
    apart = camera[here][:, None] != camera[here]
    assert calibration.share == pytest.approx(joint[apart].mean())
    similarity, same = (rows[here] @ rows[here].T)[apart], (person[here][:, None] == person[here])[apart]

    def error(calibration: Calibration) -> float:
        measured = reliability(calibration.probability(similarity, True, prior=calibration.share), same)
        rated = measured.predicted > 0.1
        assert rated.sum() > 4
        return float(np.abs(measured.predicted - measured.observed)[rated].mean())

    assert error(calibration) < 0.6 * error(Calibration.fit(halves[here], camera[here], nobody))
    assert error(calibration) < 0.25
    few = here & (person < 30)
    best = (rows[~here] @ rows[few].T).max(1)
    threshold = calibration.threshold(int(few.sum()), 0.1)
    assert threshold < calibration.threshold(calibration.strangers_gallery, 0.1)
    assert 0.02 < (best > threshold).mean() < 0.2
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration
    # An encoder that is far too sure of what it learned from: the others tell how sure it may be.
    learned = person % 3 > 0
    sure = halves.copy()
    mean = np.stack([rows[person == number].mean(0) for number in range(300)])
    sure[learned] += 3 * mean[person[learned], None].astype(np.float32)
    misled, cautious = (
        Calibration.fit(sure[here], camera[here], nobody, joined[here], fresh) for fresh in (None, ~learned[here])
    )
    assert cautious.across.middle < misled.across.middle
    with pytest.raises(CalibrationError, match="learned from"):
        Calibration.fit(halves, camera, nobody, person, learned[:-1])
    alone = Calibration.fit(halves[here], camera[here], nobody, np.zeros(int(here.sum()), np.int64))
    assert not alone.strangers  # one identity: there is no other to tell it from
    with pytest.raises(CalibrationError, match="identities"):
        Calibration.fit(halves, camera, nobody, person[:-1])


def test_who_was_joined_wrongly_is_still_among_the_strangers() -> None:
    halves, camera, person, pairs = tracklets()
    rows = halves.sum(1) / np.linalg.norm(halves.sum(1), axis=1, keepdims=True)
    similarity = np.where(person[:, None] == person, -1.0, rows @ rows.T)
    wrong = person.copy()
    for first in np.argsort(-similarity.max(1))[:60]:  # the most alike of two people become one
        wrong[wrong == wrong[similarity[first].argmax()]] = wrong[first]
    lax = Calibration.fit(halves, camera, pairs, wrong)
    strict = Calibration.fit(halves, camera, pairs, wrong, sure=person)
    truly = Calibration.fit(halves, camera, pairs, person)
    assert lax.threshold(len(rows)) < strict.threshold(len(rows)) == truly.threshold(len(rows))
    assert (strict.within, strict.across, strict.share) == (lax.within, lax.across, lax.share)
    with pytest.raises(CalibrationError, match="identities are"):
        Calibration.fit(halves, camera, pairs, wrong, sure=person[1:])
