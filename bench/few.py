"""How merging does where a site has few tracklets, as on its first day.

Two kinds of small sites are drawn from what is known:

- *stretches* of a site with truth: so many tracklets one after the other, with their times and places.
- *pairs of cameras* of a benchmark's training part: as many people in either, one tracklet of each and no times. Some
  of them are in both.

Each is merged as it is, and by the rules of full company (`reid.merging.company`), which is how all sites were merged
before. Figures are of pairs in two cameras: joined wrongly in a site, and precision and recall over all sites.

    python -m bench.few --site S --truth DIR --data market1501:DIR --model deploy/models/base.safetensors
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple
from unittest.mock import patch

import numpy as np
import typer
from numpy.typing import NDArray

from app.encoders.seen import seen_tracklets
from app.encoders.versions import serving, store_of
from app.errors import SiteError
from app.record import Site
from app.report.site_accuracy import people_shown
from app.terminal import JsonOption, print_json
from bench.gate import embedded
from bench.terminal import print_table, run, say
from deploy.encoder import open_encoder
from reid.benchmarks import open_benchmark
from reid.benchmarks.parts import RAW, BenchmarkError
from reid.merging import MergeRules, Seen, merge_tracklets
from reid.normalised import normalised
from reid.tracklets import TrackletDataset

SIZES = (6, 20, 60, 120)
MET_AGAIN = (0.0, 0.3, 0.7)  # shares of a camera's people who are in the other, too
DRAWN = 1200  # tracklets of one kind and size, in all sites together
MOST_SITES = 150
HEADS = ("wrong pairs a site", "precision, recall")

Drawn = tuple[Seen, NDArray[np.int64]]  # a small site's tracklets, and whom each shows, (T,), −1 where nobody knows

LabelledRows = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


class Counts(NamedTuple):
    """Of pairs of tracklets in two cameras."""

    right: int  # joined, of one person
    wrong: int  # joined, of two
    missed: int  # of one person, not joined


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all small sites of one kind and size."""

    kind: str
    tracklets: int
    sites: int
    wrong_a_site: float
    precision: float | None  # None where nothing was joined
    recall: float | None  # None where nobody is in two cameras


def counts(seen: Seen, person: NDArray[np.int64]) -> Counts:
    """What merging makes of a small site."""
    identity = merge_tracklets(seen, MergeRules())[1].labels
    a, b = np.triu_indices(len(seen), 1)
    counted = (person[a] >= 0) & (person[b] >= 0) & (seen.camera[a] != seen.camera[b])
    joined, same = (identity[a] == identity[b])[counted], (person[a] == person[b])[counted]
    return Counts(int((joined & same).sum()), int((joined & ~same).sum()), int((same & ~joined).sum()))


def figures(kind: str, tracklets: int, sites: list[Drawn]) -> tuple[Figures, Figures]:
    """As merging is, and by the rules of full company."""

    def summed() -> Figures:
        right, wrong, missed = np.sum([counts(*site) for site in sites], axis=0).tolist()
        return Figures(
            kind=kind,
            tracklets=tracklets,
            sites=len(sites),
            wrong_a_site=wrong / len(sites),
            precision=right / (right + wrong) if right + wrong else None,
            recall=right / (right + missed) if right + missed else None,
        )

    def full(count: int) -> float:
        return 1.0

    now = summed()
    with patch("reid.merging.company.company", full), patch("reid.merging.context.company", full):
        return now, summed()


def stretches(seen: Seen, person: NDArray[np.int64], tracklets: int, seed: int) -> Iterator[Drawn]:
    """Tracklets of a site one after the other, as they begin."""
    rng, order = np.random.default_rng([seed, tracklets]), np.argsort(seen.start)
    while True:
        first = int(rng.integers(0, len(order) - tracklets + 1))
        rows = order[first : first + tracklets]
        new = np.full(len(seen), -1)
        new[rows] = np.arange(tracklets)
        apart = new[seen.cannot_link]
        small = Seen(
            ids=seen.ids[rows],
            camera=seen.camera[rows],
            start=seen.start[rows],
            end=seen.end[rows],
            embedding=seen.embedding[rows],
            first_box=None if seen.first_box is None else seen.first_box[rows],
            last_box=None if seen.last_box is None else seen.last_box[rows],
            cannot_link=apart[(apart >= 0).all(1)],
        )
        yield small, person[rows]


def pairs_of_cameras(
    rows: NDArray[np.float32],
    person: NDArray[np.int64],
    camera: NDArray[np.int64],
    tracklets: int,
    met_again: float,
    seed: int,
) -> Iterator[Drawn]:
    """Half of the tracklets in either of two cameras. Ends where cameras have too few people."""
    rng = np.random.default_rng([seed, tracklets, round(100 * met_again)])
    people, shared = tracklets // 2, round(met_again * (tracklets // 2))
    while True:
        two = rng.choice(np.unique(camera), 2, replace=False)
        here = [rng.permutation(np.unique(person[camera == number])) for number in two]
        both = np.intersect1d(here[0], here[1])
        both = rng.permutation(both)[:shared]
        alone = [np.setdiff1d(names, both) for names in here]
        first = rng.permutation(alone[0])[: people - shared]
        second = rng.permutation(np.setdiff1d(alone[1], first))[: people - shared]
        if len(both) < shared or min(len(first), len(second)) < people - shared:
            return
        chosen = [
            int(rng.choice(np.flatnonzero((person == name) & (camera == number))))
            for number, names in zip(two, (first, second))
            for name in (*both, *names)
        ]
        unknown = np.full(len(chosen), np.nan)
        seen = Seen(np.arange(len(chosen)), camera[chosen], unknown, unknown, rows[chosen])
        yield seen, person[chosen]


def known_site(path: Path, truth: Path) -> Drawn:
    """All tracklets of a site, and whom they show."""
    with Site.open(path) as site:
        seen = seen_tracklets(site, store_of(site, serving(site).name))
        person = people_shown(site, truth)
    return seen, np.array([person.get(number, -1) for number in seen.ids.tolist()], np.int64)


def known_benchmark(name: str, model: Path, crops: Path) -> LabelledRows:
    """Embeddings `(T, D)`, people and cameras `(T,)` of a benchmark's training part."""
    benchmark = open_benchmark(name, RAW)
    if benchmark.truth is None:
        raise BenchmarkError(f"{name} has no labels: choose a benchmark that has.")
    encoder = open_encoder(model)
    dataset = TrackletDataset.build(crops, benchmark.train, *encoder.size)
    labels = benchmark.truth.train.of(dataset)
    images, first = embedded(dataset, encoder), np.argsort(dataset.start)
    rows = np.empty((len(dataset), images.shape[1]), np.float32)
    rows[first] = np.add.reduceat(images, dataset.start[first], 0)
    return normalised(rows), labels.people, labels.cameras


def drawn(source: Iterator[Drawn], tracklets: int) -> list[Drawn]:
    """So many small sites, fewer where there are not as many."""
    return [site for _, site in zip(range(min(MOST_SITES, max(1, DRAWN // tracklets))), source)]


def columns(of: Figures) -> tuple[str, str]:
    """As a table has them."""
    shares = ("–" if share is None else f"{100 * share:.0f}" for share in (of.precision, of.recall))
    return f"{of.wrong_a_site:.2f}", ", ".join(shares)


def command(
    site: Annotated[Path | None, typer.Option(help="A site whose people are known.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder of CAMERA/gt/gt.txt.")] = None,
    data: Annotated[str | None, typer.Option(metavar="SET:FOLDER", help="A benchmark with labels.")] = None,
    model: Annotated[Path, typer.Option(help="The encoder that sees the benchmark.")] = Path(
        "deploy/models/base.safetensors"
    ),
    sizes: Annotated[list[int] | None, typer.Option(help="Tracklets of a site; default: 6, 20, 60, 120.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Merge small sites, and compare with the rules of full company."""
    if (site is None) != (truth is None) or (site is None and data is None):
        raise SiteError("Small sites are drawn from --site S with --truth DIR, from --data SET:FOLDER, or from both.")
    told: list[tuple[Figures, Figures]] = []
    with tempfile.TemporaryDirectory() as crops:
        benchmark = None if data is None else known_benchmark(data, model, Path(crops) / "crops")
    known = None if site is None or truth is None else known_site(site, truth)
    for tracklets in sizes or SIZES:
        if known is not None:
            if tracklets > len(known[0]):
                raise SiteError(f"{site} has {len(known[0])} tracklets: give --sizes up to that.")
            told.append(figures("stretches", tracklets, drawn(stretches(*known, tracklets, seed), tracklets)))
        if benchmark is not None:
            for share in MET_AGAIN:
                if sites := drawn(pairs_of_cameras(*benchmark, tracklets, share, seed), tracklets):
                    told.append(figures(f"two cameras, {100 * share:.0f} % met again", tracklets, sites))
    if as_json:
        print_json({"now": [now for now, _ in told], "full_company": [full for _, full in told]})
        return

    print_table(
        ("small sites", "tracklets", "sites", *HEADS, *(f"in full company: {head}" for head in HEADS)),
        ((now.kind, str(now.tracklets), str(now.sites), *columns(now), *columns(full)) for now, full in told),
    )
    say()
    say("Pairs are of tracklets in two cameras.")


if __name__ == "__main__":
    run(command)
