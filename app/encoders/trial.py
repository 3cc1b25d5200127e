"""How a foreign encoder wants its pictures, found on a site's own tracklets.

Nothing in a file tells whether it was trained with RGB or BGR, and on which scale. So all that it may want are tried:
right ones let the halves of a tracklet find each other, wrong ones far less. Tracklets are added until one way of
preparing is surely best. Where none is, nothing is guessed.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress
from app.encoders.embed import read_crops, spread
from app.errors import SiteError
from app.record import Site
from app.record.halves import pool
from deploy.encoder import OnnxEncoder, OnnxError
from deploy.foreign import ForeignEncoder, convert
from deploy.preprocessing import Input, Preprocessing, Scale, Told
from reid.halves import first_found, information, similarities, surely_more
from reid.pictures import decode_crops

LEAST = 40  # tracklets. From so many on real and rendered people, no way of preparing was ever found wrongly
TOO_EASY = 0.97  # of halves found first: from so many on, a wrong way does as well as the right one
STEPS = (64, 128, 256)  # tracklets: what is surely worse by fewer is not tried with more
CROPS = 4  # of a tracklet
ALIKE = 0.02  # of similarities: two ways that differ less are one to the network, which normalises by itself


@dataclass(frozen=True, slots=True)
class Trial:
    """How well an output does with pictures prepared in one way."""

    output: str
    input: Input
    scale: Scale
    tracklets: int
    first_found: float  # share of tracklets whose halves find each other first, 0…1
    information: float  # nats, see `reid.halves`: it decides


@dataclass(frozen=True, slots=True)
class Chosen:
    """How pictures are prepared for an encoder, and which output is the embedding."""

    preprocessing: Preprocessing
    output: str
    by: Literal["told", "the file", "trial"]
    trials: tuple[Trial, ...] = ()  # the best first

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        trials = [asdict(trial) for trial in self.trials]
        return {**asdict(self.preprocessing), "output": self.output, "by": self.by, "trials": trials}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Chosen:
        """What `plain` made."""
        preprocessing = Preprocessing(plain["input"], plain["scale"])
        return cls(preprocessing, plain["output"], plain["by"], tuple(Trial(**trial) for trial in plain["trials"]))


class _Way:
    """A way of preparing that is tried, and its figures on T tracklets."""

    def __init__(self, output: str, preprocessing: Preprocessing) -> None:
        self.output, self.preprocessing = output, preprocessing
        self._halves: NDArray[np.float32] | None = None  # (T, 2, D)
        self.similarity = np.empty((0, 0), np.float32)  # (T, T)
        self.information = np.empty(0)  # (T,)

    @property
    def mean(self) -> float:
        """Of `information`."""
        return float(self.information.mean())

    @property
    def found(self) -> float:
        """The share of tracklets whose halves find each other first."""
        return first_found(self.similarity)

    def add(self, halves: NDArray[np.float32]) -> None:
        """Further tracklets (T, 2, D)."""
        self._halves = halves if self._halves is None else np.concatenate([self._halves, halves])
        self.similarity = similarities(self._halves[:, 0], self._halves[:, 1])
        self.information = information(self.similarity)

    def trial(self) -> Trial:
        """Its figures, for a report."""
        found, nats = round(self.found, 4), round(self.mean, 4)
        return Trial(
            self.output,
            **asdict(self.preprocessing),
            tracklets=len(self.information),
            first_found=found,
            information=nats,
        )


def choose(site: Site, foreign: ForeignEncoder, told: Told, progress: Progress) -> Chosen:
    """How a foreign encoder's pictures are prepared. What a person did not tell is tried on the site's tracklets.

    progress: told of the ways that are tried. Raises SiteError where nothing is surely best. Raises OnnxError where the
    encoder does not run in any way.
    """
    choices = [choice for choice in foreign.choices if told.allows(choice)]
    if not choices:
        wants = " or ".join(map(str, foreign.choices))
        raise SiteError(f"{foreign.path} takes {wants}, which --input and --scale exclude: leave them out.")
    if len(choices) == 1 and len(foreign.outputs) == 1:
        return Chosen(choices[0], next(iter(foreign.outputs)), "the file" if foreign.ours else "told")
    ways = [_Way(output, choice) for output in foreign.outputs for choice in choices]
    tracklets, tried, worse = _tracklets(site, foreign.size), 0, list[_Way]()
    for most in STEPS:
        more = list(itertools.islice(tracklets, most - tried))
        tried += len(more)
        if tried < LEAST:
            raise SiteError(
                f"{site.path} has {tried} tracklets of two pictures or more, and {LEAST} tell how {foreign.path.name} "
                "wants its pictures: give --input and --scale, or ingest more footage."
            )
        ways = list(_shown(ways, foreign, more, progress))
        best = max(ways, key=lambda way: way.mean)
        worse += [way for way in ways if way.found < TOO_EASY and surely_more(best.information, way.information)]
        ways = sorted((way for way in ways if way not in worse), key=lambda way: -way.mean)
        if len(ways) == 1 or tried < most:
            break
    rivals = [way for way in ways if way.output == best.output]
    same = [way for way in rivals if np.abs(way.similarity - best.similarity).max() < ALIKE]
    if len(same) < len(rivals):
        listed = ", ".join(f"{way.preprocessing} {way.found:.1%}" for way in rivals)
        raise SiteError(
            f"{tried} tracklets of {site.path} do not tell how {foreign.path.name} wants its pictures (halves that "
            f"find each other first: {listed}): give --input and --scale, or ingest more footage."
        )
    usual = min(same, key=lambda way: choices.index(way.preprocessing))
    trials = [way.trial() for way in (*ways, *sorted(worse, key=lambda way: -way.mean))]
    return Chosen(usual.preprocessing, best.output, "trial", tuple(trials))


def _tracklets(site: Site, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Crops (n, H, W, 3) in the order of time, of each of the site's tracklets that has two or more, in any order."""
    ids = np.random.default_rng(0).permutation(site.tracklet_table().ids)
    for _, jpegs in read_crops(site, ids):
        if len(jpegs) > 1 and len(crops := decode_crops([jpegs[k] for k in spread(len(jpegs), CROPS)], *size)) > 1:
            yield crops


def _shown(
    ways: list[_Way], foreign: ForeignEncoder, tracklets: list[NDArray[np.uint8]], progress: Progress
) -> Iterator[_Way]:
    """Those ways in which the encoder runs, with further tracklets in their figures."""
    wrong: OnnxError | None = None
    runs = 0
    tracklet_of_crop = np.repeat(np.arange(len(tracklets)), [len(crops) for crops in tracklets])
    with tempfile.TemporaryDirectory() as folder:
        for done, way in enumerate(ways, 1):
            file = Path(folder, "model.onnx")
            try:
                convert(foreign, file, way.preprocessing, way.output, {})
                rows = OnnxEncoder(file).embed(np.concatenate(tracklets))
            except OnnxError as error:  # as with numbers that overflow on this scale
                wrong = error
                continue
            way.add(pool(rows, tracklet_of_crop))
            runs += 1
            yield way
            progress(f"ways tried with {len(way.information)} tracklets", done, len(ways))
    if wrong is not None and not runs:
        raise wrong
