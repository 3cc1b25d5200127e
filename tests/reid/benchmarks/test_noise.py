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
    with pytest.raises(BenchmarkError, match=r"shares of 0 … 1 and numbers from 0 on, not 1.5-mislabelled"):
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


def shown(benchmark: Benchmark) -> Counter[tuple[int, int]]:
    return Counter(zip(labels(benchmark).people.tolist(), labels(benchmark).cameras.tolist()))


def test_strangers_are_seen_by_one_camera(benchmark: Benchmark) -> None:
    fewer = noisy(benchmark, Noise(strangers=0.25))
    cameras = Counter(person for person, _ in shown(fewer))
    assert len(cameras) == PEOPLE
    assert sorted(cameras.values()) == [1] * (PEOPLE // 4) + [2] * (PEOPLE - PEOPLE // 4)
    assert len({camera for person, camera in shown(fewer) if cameras[person] == 1}) == 2  # not all in the same


def test_a_quiet_camera_sees_few(benchmark: Benchmark) -> None:
    count = Counter(camera for _, camera in shown(noisy(benchmark, Noise(quiet=0.9))))
    assert count == {0: PEOPLE // 10, 1: PEOPLE}


def test_few_cameras_and_few_tracklets(benchmark: Benchmark) -> None:
    fewer = noisy(benchmark, Noise(cameras=1, tracklets=7))
    assert len(fewer.train.tracklets) == 7 and {camera for _, camera in shown(fewer)} == {0}
    assert set(chain(*pictures(fewer))) < set(chain(*pictures(benchmark)))
    assert len({noisy(benchmark, Noise(tracklets=7), seed).train.fingerprint for seed in (0, 1)}) == 2


@pytest.mark.parametrize("noise", [Noise(quiet=1.5), Noise(strangers=-0.1), Noise(cameras=-1), Noise(tracklets=-5)])
def test_impossible_noise_is_refused(benchmark: Benchmark, noise: Noise) -> None:
    with pytest.raises(BenchmarkError, match="noise is shares of 0 … 1 and numbers from 0 on"):
        noisy(benchmark, noise)
