"""What every benchmark is read into: tracklets for methods and, apart from them, who they show."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from reid.tracklets import Picture, Tracklet, TrackletDataset, TrackletSource

Protocol = Literal["oracle-tracklets", "raw-tracklets", "sparse-tracklets"]
ORACLE: Protocol = "oracle-tracklets"
RAW: Protocol = "raw-tracklets"
SPARSE: Protocol = "sparse-tracklets"
PROTOCOLS = (ORACLE, RAW, SPARSE)
PATIENCE = 3  # sampling steps that a person may be unseen before a raw tracklet of an image set ends, see `cut`
UNKNOWN_TIME = float("nan")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp")


class BenchmarkError(ValueError):
    """A benchmark that is not there or not as published. The message says what was looked for and where."""


@dataclass(frozen=True)
class Labels:
    """Who is in the tracklets of a part, and where, in the order of its source.

    It is for evaluation and reports only. People are −1 where a picture is junk, which counts for nothing. They are 0
    where it shows nobody who is asked for. Such a distractor counts as wrong. Not every benchmark has these two.
    Numbers mean the same in query and gallery only.
    """

    people: NDArray[np.int64]  # (T,)
    cameras: NDArray[np.int64]  # (T,) 0 …, the same numbers in every part of a benchmark

    def of(self, dataset: TrackletDataset) -> Labels:
        """These labels in the order of a dataset that was built from the part."""
        return Labels(self.people[dataset.source_tracklet], self.cameras[dataset.source_tracklet])


@dataclass(frozen=True)
class Truth:
    """The labels of a benchmark's parts. No method is ever given this."""

    train: Labels
    query: Labels | None = None
    gallery: Labels | None = None


@dataclass(frozen=True)
class Benchmark:
    """One benchmark as a protocol has it. What trains gets `train` and nothing else.

    Testing is single-query: each tracklet of `query` ranks `gallery`. In image sets it is of one picture. The same
    person in the query's own camera is left out, and junk is ignored.
    """

    name: str
    protocol: str
    train: TrackletSource
    query: TrackletSource | None = None  # None: the set has no labels to test with
    gallery: TrackletSource | None = None
    truth: Truth | None = None
    single_shot: bool = False  # the gallery counts with one random picture a person, on average over many draws
    splits: int = 1  # of the set, and results are the mean over all of them


class Seen(NamedTuple):
    """A tracklet with its label, as readers collect them."""

    person: int
    camera: str
    times: Sequence[float] | NDArray[np.float64]  # s
    pictures: Sequence[Picture]


class Photo(NamedTuple):
    """A labelled picture of an image set."""

    person: int
    camera: str
    picture: Picture
    time: float = UNKNOWN_TIME  # s, rising from session to session
    session: str = ""  # a stretch of recording, and nothing is known of the time between two


class Part(NamedTuple):
    """A source and its labels."""

    source: TrackletSource
    labels: Labels

    @classmethod
    def of(cls, seen: Iterable[Seen], cameras: Sequence[str], fingerprint: str | None = None) -> Self:
        """A part of these tracklets.

        Args:
            seen: The tracklets with their labels.
            cameras: All of the benchmark.
            fingerprint: None where all pictures are files.
        """
        rows = list(seen)
        tracklets = tuple(
            Tracklet(i, row.camera, np.array(row.times, np.float64), row.pictures) for i, row in enumerate(rows)
        )
        if fingerprint is None:
            source = TrackletSource.of_files(tracklets)
        else:
            source = TrackletSource(tracklets, fingerprint, sum(len(row.pictures) for row in rows))
        number = {camera: i for i, camera in enumerate(cameras)}
        labels = Labels(
            np.array([row.person for row in rows], np.int64), np.array([number[row.camera] for row in rows], np.int64)
        )
        return cls(source, labels)


def assemble(
    name: str,
    protocol: str,
    train: Sequence[Seen],
    query: Sequence[Seen],
    gallery: Sequence[Seen],
    *,
    single_shot: bool = False,
    splits: int = 1,
    fingerprint: str | None = None,
) -> Benchmark:
    """A benchmark of labelled tracklets."""
    for part, seen in (("training", train), ("query", query), ("gallery", gallery)):
        if not seen:
            raise BenchmarkError(f"{name}: the {part} part holds nobody")
    cameras = sorted({seen.camera for seen in (*train, *query, *gallery)})
    parts = [
        Part.of(seen, cameras, fingerprint and f"{fingerprint} {part}")
        for part, seen in (("train", train), ("query", query), ("gallery", gallery))
    ]
    return Benchmark(
        name=name,
        protocol=protocol,
        train=parts[0].source,
        query=parts[1].source,
        gallery=parts[2].source,
        truth=Truth(*(part.labels for part in parts)),
        single_shot=single_shot,
        splits=splits,
    )


def with_train(benchmark: Benchmark, tracklets: Sequence[Tracklet], labels: Labels, change: str) -> Benchmark:
    """A benchmark with other tracklets to train on.

    Args:
        benchmark: What is tested with stays as it is.
        tracklets: Made of its own. They are numbered anew.
        labels: Who they show, in their order.
        change: What was done, for the fingerprint.
    """
    assert benchmark.truth is not None
    source = TrackletSource(
        tuple(replace(tracklet, id=i) for i, tracklet in enumerate(tracklets)),
        f"{benchmark.train.fingerprint} {change}",
        sum(len(tracklet.pictures) for tracklet in tracklets),
    )
    return replace(benchmark, train=source, truth=replace(benchmark.truth, train=labels))


def photo_tracklets(photos: Iterable[Photo], protocol: str, step: float = np.inf) -> list[Seen]:
    """Tracklets of an image set, of which a picture was taken every `step` seconds.

    `oracle-tracklets` are all pictures of a person in a camera, the setting of UTAL, UGA and EEA. `raw-tracklets` are
    those of a person in a camera and session. They end where nobody of that name was seen for more than
    PATIENCE · step.

    PATIENCE comes from the gaps of 350 of Market-1501's people. They fall off evenly, each 0.6 times as frequent as the
    one a step shorter. That is as when a detector fails now and then. It holds up to 8 steps, behind which returns
    begin. So it is 3 steps (3 s). That is past what trackers bridge and leaves 2.2 fragments a person and camera.
    """
    people: dict[tuple[int, str], list[Photo]] = defaultdict(list)
    for photo in photos:
        people[photo.person, photo.camera].append(photo)
    seen = []
    for (person, camera), shots in sorted(people.items(), key=lambda item: item[0]):
        if not any(np.isnan(photo.time) for photo in shots):  # else they stay as the names order them
            shots.sort(key=lambda photo: photo.time)
        times = np.array([photo.time for photo in shots])
        cuts = np.array([photo.session != after.session for photo, after in pairwise(shots)], bool)
        cuts |= np.diff(times) > PATIENCE * step + 1e-6
        ends = [0, *(np.flatnonzero(cuts) + 1).tolist(), len(shots)] if protocol == RAW else [0, len(shots)]
        for start, end in pairwise(ends):
            seen.append(Seen(person, camera, times[start:end], tuple(photo.picture for photo in shots[start:end])))
    return seen


def each_photo(photos: Iterable[Photo]) -> list[Seen]:
    """Every picture on its own, as query and gallery of image sets have it."""
    return [Seen(photo.person, photo.camera, (photo.time,), (photo.picture,)) for photo in photos]


def one_each(seen: Sequence[Seen], protocol: str) -> list[Seen]:
    """Tracklets of a video set as a protocol has them.

    `raw-tracklets`: all, as the data has them. `oracle-tracklets`: one of each person in each camera, at random, as UGA
    and EEA have it.
    """
    if protocol == RAW:
        return list(seen)
    of_person: dict[tuple[int, str], list[Seen]] = defaultdict(list)
    for tracklet in seen:
        of_person[tracklet.person, tracklet.camera].append(tracklet)
    rng = np.random.default_rng([0])
    return [pieces[rng.integers(len(pieces))] for _, pieces in sorted(of_person.items(), key=lambda item: item[0])]


def find_root(folder: Path, holds: Sequence[str], *inside: str) -> Path:
    """The folder that holds all of `holds`: `folder`, or one of those that the published archive unpacks to."""
    if not folder.is_dir():
        raise BenchmarkError(f"{folder} is no folder: unpack the benchmark and name where it is")
    for root in (folder, *(folder / name for name in inside)):
        if all((root / name).exists() for name in holds):
            return root
    missing = [name for name in holds if not (folder / name).exists()]
    also = f" (nor does {' or '.join(inside)} in it)" if inside else ""
    raise BenchmarkError(f"{folder} does not hold {', '.join(missing)}{also}: that is not the published layout")


def folders(folder: Path) -> list[Path]:
    """Folders in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def pictures(folder: Path) -> list[str]:
    """Paths of the pictures in a folder, by name."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.path for entry in entries if entry.name.lower().endswith(PICTURES) and not entry.name.startswith(".")
        )


def parse_name(pattern: re.Pattern[str], path: str, example: str) -> re.Match[str]:
    """A picture's name, taken apart."""
    parsed = pattern.fullmatch(Path(path).name)
    if parsed is None:
        raise BenchmarkError(f"{path} is not named like {example}: that is not the published layout")
    return parsed


def check_split(name: str, split: int, splits: int) -> None:
    """Refuses a split that a benchmark does not have."""
    if not 0 <= split < splits:
        raise BenchmarkError(f"{name} has splits 0 … {splits - 1}, not {split}")


def json_splits(path: Path, *parts: str) -> list[dict[str, list]]:
    """A list of splits, each with these parts, as Torchreid writes it."""
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
        return [{part: list(split[part]) for part in parts} for split in splits]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no list of splits with {', '.join(parts)} ({error!r})") from error


def matlab(path: Path, *variables: str) -> list[NDArray]:
    """Variables of a MATLAB file before version 7.3."""
    try:
        mat = loadmat(str(path), variable_names=list(variables))
        return [mat[name] for name in variables]
    except (OSError, ValueError, NotImplementedError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no MATLAB file with {', '.join(variables)} ({error})") from error
