"""Noise: shares of each camera's tracklets are broken in two, or put together by twos."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest

from reid.benchmarks import Benchmark, BenchmarkError
from reid.benchmarks.noise import Noise, noisy
from reid.benchmarks.parts import UNKNOWN_TIME, Labels, Part, Seen, Truth
from reid.tracklets import TrackletSource

PEOPLE, CAMERAS, PICTURES = 20, 2, 4


@pytest.fixture
def benchmark() -> Benchmark:
    """One tracklet of each person in each camera, of pictures that are called after it."""
    seen = [
        Seen(
            person,
            f"{camera}",
            [float(k) for k in range(PICTURES)],
            [f"{camera}-{person}-{k}" for k in range(PICTURES)],
        )
        for camera in range(CAMERAS)
        for person in range(PEOPLE)
    ]
    part = Part.of(seen, [f"{camera}" for camera in range(CAMERAS)])
    return Benchmark("made up", "oracle-tracklets", part.source, truth=Truth(part.labels))


def pictures(benchmark: Benchmark) -> list[list[str]]:
    return [[str(picture) for picture in tracklet.pictures] for tracklet in benchmark.train.tracklets]


def labels(benchmark: Benchmark) -> Labels:
    assert benchmark.truth is not None
    return benchmark.truth.train


def test_no_noise_changes_nothing(benchmark: Benchmark) -> None:
    assert noisy(benchmark, Noise()) is benchmark


def test_duplicates_are_halves_of_one_persons_tracklet(benchmark: Benchmark) -> None:
    wrong = noisy(benchmark, Noise(duplicated=0.2), seed=3)
    count = Counter(zip(labels(wrong).people.tolist(), labels(wrong).cameras.tolist()))
    assert len(count) == PEOPLE * CAMERAS
    for camera in range(CAMERAS):
        assert sum(pieces == 2 for (_, where), pieces in count.items() if where == camera) == 0.2 * PEOPLE
    for tracklet, person, camera in zip(wrong.train.tracklets, labels(wrong).people, labels(wrong).cameras):
        assert {str(picture).rsplit("-", 1)[0] for picture in tracklet.pictures} == {f"{camera}-{person}"}
        assert (tracklet.camera, len(tracklet.pictures)) == (str(camera), 4 if count[person, camera] == 1 else 2)
    assert sorted(chain(*pictures(wrong))) == sorted(chain(*pictures(benchmark)))
    assert [tracklet.id for tracklet in wrong.train.tracklets] == list(range(int(1.2 * PEOPLE * CAMERAS)))


def test_mislabelled_ones_show_two_people_of_a_camera(benchmark: Benchmark) -> None:
    wrong = noisy(benchmark, Noise(mislabelled=0.5))
    shown = [{name.rsplit("-", 1)[0] for name in names} for names in pictures(wrong)]
    mixed = [people for people in shown if len(people) == 2]
    assert len(mixed) == 0.5 * PEOPLE * CAMERAS / 2
    assert all(len({name.split("-")[0] for name in people}) == 1 for people in mixed)
    assert all(np.all(np.diff(tracklet.times) >= 0) for tracklet in wrong.train.tracklets)
    assert sorted(chain(*pictures(wrong))) == sorted(chain(*pictures(benchmark)))


def test_the_seed_and_the_shares_decide(benchmark: Benchmark) -> None:
    noise = Noise(duplicated=0.2)
    assert pictures(noisy(benchmark, noise, 1)) == pictures(noisy(benchmark, noise, 1))
    assert pictures(noisy(benchmark, noise, 1)) != pictures(noisy(benchmark, noise, 2))
    prints = {noisy(benchmark, n, seed).train.fingerprint for n in (noise, Noise(0.1)) for seed in (1, 2)}
    assert len(prints) == 4
    assert [str(n) for n in (Noise(), noise, Noise(0.1, 0.5))] == [
        "",
        "0.2-duplicated",
        "0.1-duplicated-0.5-mislabelled",
    ]


def test_what_has_no_noise_is_told(benchmark: Benchmark) -> None:
    with pytest.raises(BenchmarkError, match=r"shares of 0 … 1, not 0.0 and 1.5"):
        noisy(benchmark, Noise(mislabelled=1.5))
    unlabelled = Benchmark("nobody's", "raw-tracklets", TrackletSource((), "nothing"))
    with pytest.raises(BenchmarkError, match="nobody's has no identities"):
        noisy(unlabelled, Noise(0.1))


def test_a_single_picture_cannot_be_broken() -> None:
    part = Part.of(
        [Seen(1, "a", [UNKNOWN_TIME], ["x.jpg"]), Seen(2, "a", [UNKNOWN_TIME] * 2, ["y.jpg", "z.jpg"])], ["a"]
    )
    wrong = noisy(Benchmark("two", "raw-tracklets", part.source, truth=Truth(part.labels)), Noise(duplicated=1.0))
    assert sorted(pictures(wrong)) == [["x.jpg"], ["y.jpg"], ["z.jpg"]]
