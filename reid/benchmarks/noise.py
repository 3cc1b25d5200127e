"""Tracklets made wrong or left out on purpose, to see what a method bears.

ID duplication gives one person two tracklets in a camera. Mislabelling puts two people into one tracklet. These are
EEA's Table 8 and UGA's Table 6. The others are what sites are like: strangers, a quiet camera, few cameras, few people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid.benchmarks.parts import Benchmark, BenchmarkError, Labels, with_train
from reid.tracklets import Tracklet


@dataclass(frozen=True)
class Noise:
    """What is wrong with a site's tracklets, as shares of them, and how few there are."""

    duplicated: float = 0.0
    """Broken in two, in the middle of their pictures.

    UGA and EEA add another tracklet of MARS instead. Image sets have no other.
    """
    mislabelled: float = 0.0
    """Put together by twos, at random within the camera."""
    strangers: float = 0.0
    """Share of the people who are seen by one of their cameras only."""
    quiet: float = 0.0
    """Share of the first camera's tracklets that are left out."""
    cameras: int = 0
    """The first so many cameras only. 0: all."""
    tracklets: int = 0
    """So many tracklets only, at random. 0: all."""

    def __str__(self) -> str:
        parts = [f"{share:g}-{name}" for name, share in vars(self).items() if share]
        return "-".join(parts)


def noisy(benchmark: Benchmark, noise: Noise, seed: int = 0) -> Benchmark:
    """A benchmark of which some tracklets to train on are left out, broken or put together, at random by `seed`.

    The truth of a tracklet that shows two people is the first one.

    Raises:
        BenchmarkError: A share is not 0 … 1, a number is negative, or there are no labels.
    """
    shares = noise.duplicated, noise.mislabelled, noise.strangers, noise.quiet
    if not all(0 <= share <= 1 for share in shares) or min(noise.cameras, noise.tracklets) < 0:
        raise BenchmarkError(f"noise is shares of 0 … 1 and numbers from 0 on, not {noise}")
    if noise == Noise():
        return benchmark
    if benchmark.truth is None:
        raise BenchmarkError(f"{benchmark.name} has no identities, and noise is about those")
    rng = np.random.default_rng([seed, 1])
    labels = benchmark.truth.train
    stays = left_in(labels, noise, np.random.default_rng([seed, 2]))
    rows = [
        (tracklet, int(person), int(camera))
        for tracklet, person, camera in zip(benchmark.train.tracklets, labels.people, labels.cameras)
    ]
    wrong: list[tuple[Tracklet, int, int]] = []
    for camera in np.unique(labels.cameras):
        own = [rows[i] for i in rng.permutation(np.flatnonzero(stays & (labels.cameras == camera)))]
        pairs = round(noise.mislabelled * len(own)) // 2
        joined = [(together(own[2 * i][0], own[2 * i + 1][0]), *own[2 * i][1:]) for i in range(pairs)]
        rest = own[2 * pairs :]
        broken = round(noise.duplicated * len(own))
        halves = [(half, *row[1:]) for row in rest[:broken] for half in broken_in_two(row[0])]
        wrong += joined + halves + rest[broken:]
    return with_train(
        benchmark,
        [tracklet for tracklet, _, _ in wrong],
        Labels(np.array([person for _, person, _ in wrong]), np.array([camera for _, _, camera in wrong])),
        f"{noise} {seed}",
    )


def left_in(labels: Labels, noise: Noise, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(T,) the tracklets that are not left out."""
    people, cameras = labels.people, labels.cameras
    stays = np.ones(len(people), bool)
    names = np.unique(people)
    for person in rng.permutation(names)[: round(noise.strangers * len(names))]:
        kept = rng.choice(np.unique(cameras[people == person]))
        stays &= (people != person) | (cameras == kept)
    first = np.flatnonzero(stays & (cameras == cameras.min()))
    stays[rng.permutation(first)[: round(noise.quiet * len(first))]] = False
    if noise.cameras:
        stays &= np.isin(cameras, np.unique(cameras)[: noise.cameras])
    if noise.tracklets:
        stays[rng.permutation(np.flatnonzero(stays))[noise.tracklets :]] = False
    return stays


def together(first: Tracklet, second: Tracklet) -> Tracklet:
    """One tracklet of the pictures of two, in the order of time where it is known."""
    times = np.concatenate([first.times, second.times])
    pictures = [*first.pictures, *second.pictures]
    order = np.argsort(times, kind="stable")  # what has no time stays at the end, in its order
    return replace(first, times=times[order], pictures=tuple(pictures[i] for i in order))


def broken_in_two(tracklet: Tracklet) -> list[Tracklet]:
    """Both halves of a tracklet, or itself where it is one picture."""
    middle = len(tracklet.pictures) // 2
    if not middle:
        return [tracklet]
    return [
        replace(tracklet, times=tracklet.times[part], pictures=tracklet.pictures[part])
        for part in (slice(0, middle), slice(middle, None))
    ]
