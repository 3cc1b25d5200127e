"""Search in a large gallery.

The gallery is drawn so that it looks like an encoder's. Directions have a falling spectrum. Views of the same person
are about 0.7 alike, those of different people 0.2. There are twenty tracklets a person, over 24 cameras and 30 days.
The gallery is written as a site has it, a file per camera and day. Queries are new views of these people, one at a
time. A filtered one looks in 3 cameras on 3 days. What the record needs to turn a filter into ids is not in the times.
The peer is NumPy with float32 rows in memory, in the same run. With `--postgres` the same gallery is searched in
PostgreSQL, too.

    python -m bench.search --rows 200000 --dimensions 512 --queries 200
    python -m bench.search --rows 1000000 --queries 100 --postgres
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import faiss
import numpy as np
import typer
from numpy.typing import NDArray

from app.record.folder_embeddings import FolderEmbeddings
from app.search.index import FaissIndex
from app.terminal import JsonOption, print_json
from bench.measuring import MIB, Machine, peak_memory, reset_peak_memory
from bench.terminal import run, say
from reid.normalised import normalised

if TYPE_CHECKING:
    from bench.search_postgres import Stored

CAMERAS, DAYS = 24, 30
CHOSEN = 3  # cameras, and days, of a filter
TRACKLETS = 20  # of a person, on average
SHARED = 0.2  # of a view's square length: what all people have in common, so the similarity of different people
PERSON, VIEW = 0.5, 0.27  # who it is, and how they look this time
SPREAD = 0.35  # of the views' strength, log-normal: some are good, some are poor
HALF = 0.03  # what sets the two halves of a tracklet apart
FALL = 1.1  # of the spectrum, `rank ** -FALL`. That of views is VIEW_FALL times as steep
VIEW_FALL = 0.7
TOP = 10
COMPARED = 4000  # rows whose similarities are told

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Latency:
    """Of a query."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Of similarities."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What search in one gallery costs."""

    rows: int
    dimensions: int
    queries: int
    machine: Machine
    faiss: str
    same_person: Spread
    different_people: Spread
    filter_share: float  # of the rows, that a filter leaves
    exact: Latency
    exact_agrees: float  # share of NumPy's best that was found
    filtered: Latency
    filtered_agrees: float
    numpy_exact: Latency
    numpy_filtered: Latency
    open_seconds: float
    open_peak_mib: float  # of the process, while it opens the index
    search_peak_mib: float
    embeddings_mib: float  # on disk
    postgres: PostgresReport | None


@dataclass(frozen=True, slots=True)
class PostgresReport:
    """The same in PostgreSQL."""

    stored: Stored
    unfiltered: Latency
    unfiltered_agrees: float  # share of NumPy's best that was found
    filtered: Latency
    filtered_agrees: float


class Crowd:
    """People as an encoder might see them."""

    def __init__(self, people: int, dimensions: int, seed: int = 0) -> None:
        self._rng = np.random.default_rng([seed, people, dimensions])
        self._basis = np.linalg.qr(self._rng.standard_normal((dimensions, dimensions)))[0].astype(np.float32)
        self._centres = self._draw(people, FALL) * PERSON**0.5 + self._basis[-1] * SHARED**0.5

    def views(self, people: Ids) -> Rows:
        """A new view of each, `(n, D)`."""
        strength = VIEW**0.5 * np.exp(SPREAD * self._rng.standard_normal((len(people), 1), dtype=np.float32))
        return normalised(self._centres[people] + strength * self._draw(len(people), FALL * VIEW_FALL))

    def halves(self, people: Ids) -> Rows:
        """The halves of a new tracklet of each, `(n, 2, D)`."""
        views = np.repeat(self.views(people), 2, 0)
        return normalised(views + HALF**0.5 * self._draw(len(views), FALL)).reshape(len(people), 2, -1)

    def _draw(self, count: int, fall: float) -> Rows:
        dimensions = len(self._basis)
        variance = np.arange(1, dimensions + 1, dtype=np.float32) ** np.float32(-fall)
        deviation = np.sqrt(variance / variance.sum())
        return (self._rng.standard_normal((count, dimensions), dtype=np.float32) * deviation) @ self._basis


def bounds_of_footage(rows: int) -> NDArray[np.int64]:
    """Where each footage's rows begin, and the end: footage f is camera f % CAMERAS on day f // CAMERAS."""
    return np.linspace(0, rows, CAMERAS * DAYS + 1).astype(np.int64)


def write(store: FolderEmbeddings, crowd: Crowd, people: int, rows: int, rng: np.random.Generator) -> Ids:
    """Writes a site's embeddings. Returns `(rows,)` who each shows."""
    person = rng.integers(0, people, rows)
    for footage, (start, stop) in enumerate(pairwise(bounds_of_footage(rows))):
        store.write(footage, np.arange(start, stop), crowd.halves(person[start:stop]))
    return person


def draw_filters(rows: int, queries: int, rng: np.random.Generator) -> list[Ids]:
    """The rows that each query may find."""
    footage = np.repeat(np.arange(CAMERAS * DAYS), np.diff(bounds_of_footage(rows)))
    filters = []
    for _ in range(queries):
        cameras, days = rng.choice(CAMERAS, CHOSEN, False), rng.choice(DAYS, CHOSEN, False)
        filters.append(np.flatnonzero(np.isin(footage % CAMERAS, cameras) & np.isin(footage // CAMERAS, days)))
    return filters


def similarities(person: Ids, rows: NDArray[np.float16]) -> tuple[Spread, Spread]:
    """Of the same person and of different people, in a part of the gallery."""
    compared = np.flatnonzero(person < person.max() // TRACKLETS + 2)[:COMPARED]
    similarity = rows[compared].astype(np.float32) @ rows[compared].astype(np.float32).T
    same = person[compared][:, None] == person[compared]
    different = ~same
    np.fill_diagonal(same, False)
    of_same, of_different = (
        Spread(mean=float(similarity[pairs].mean()), deviation=float(similarity[pairs].std()))
        for pairs in (same, different)
    )
    return of_same, of_different


def answer_all(search: Callable[[int], Ids], queries: int) -> tuple[list[Ids], Latency]:
    """The answers to queries 0, 1, …, and how long one takes."""
    search(0)  # threads start, pages come in
    answers, milliseconds = [], []
    for query in range(queries):
        start = time.perf_counter()
        answers.append(search(query))
        milliseconds.append(1e3 * (time.perf_counter() - start))
    p50, p99 = np.percentile(milliseconds, (50, 99))
    return answers, Latency(p50_ms=float(p50), p99_ms=float(p99))


def recall(answers: list[Ids], truth: list[Ids]) -> float:
    """The share of the true best that was found."""
    shares = [
        len(np.intersect1d(answer, best)) / max(len(best), 1) for answer, best in zip(answers, truth, strict=True)
    ]
    return float(np.mean(shares))


def best_rows(similarity: Rows) -> Ids:
    """The TOP most similar of `(n,)`, best first."""
    top = np.argpartition(similarity, -min(TOP, len(similarity)))[-TOP:]
    return top[np.argsort(-similarity[top])]


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def in_postgres(
    folder: Path,
    rows: NDArray[np.float16],
    vectors: Rows,
    filters: list[Ids],
    best: tuple[list[Ids], list[Ids]],
) -> PostgresReport:
    """Searches in PostgreSQL. best: the true answers of each query, without its filter and with it."""
    from bench.search_postgres import server, stored  # of whose packages the others need none

    footage = np.repeat(np.arange(CAMERAS * DAYS), np.diff(bounds_of_footage(len(rows))))
    cameras, days = footage % CAMERAS, footage // CAMERAS
    with server(folder) as url, stored(folder / "site", url, rows, cameras, days) as (index, ids, what):
        row = {number: k for k, number in enumerate(ids.tolist())}

        def search(query: int, among: Ids | None) -> Ids:
            return index.search(vectors[query : query + 1], TOP, among).ids[0]

        found = [
            answer_all(lambda q: search(q, None), len(vectors)),
            answer_all(lambda q: search(q, ids[filters[q]]), len(vectors)),
        ]
        agree = [
            recall([np.array([row[number] for number in answer.tolist()]) for answer in answers], truth)
            for (answers, _), truth in zip(found, best, strict=True)
        ]
    return PostgresReport(what, found[0][1], agree[0], found[1][1], agree[1])


def measure(folder: Path, rows: int, dimensions: int, queries: int, *, postgres: bool = False) -> SearchReport:
    """Writes a gallery into `folder` and searches in it."""
    rng = np.random.default_rng([1, rows, dimensions])
    people = max(rows // TRACKLETS, 1)
    crowd, store = Crowd(people, dimensions), FolderEmbeddings(folder / "bench")
    person = write(store, crowd, people, rows, rng)
    vectors = crowd.views(rng.integers(0, people, queries))
    filters = draw_filters(rows, queries, rng)
    machine = Machine.now()

    reset_peak_memory()
    start = time.perf_counter()
    ids, whole = store.load_whole()
    index = FaissIndex(ids=ids, rows=whole)
    open_seconds, open_peak = time.perf_counter() - start, peak_memory()
    del whole
    reset_peak_memory()
    exact, exact_latency = answer_all(lambda q: index.search(vectors[q : q + 1], TOP).ids[0], queries)
    filtered, filtered_latency = answer_all(lambda q: index.search(vectors[q : q + 1], TOP, filters[q]).ids[0], queries)
    search_peak = peak_memory()

    stored = store.load_whole()[1]  # ids are the rows' numbers
    in_memory = stored.astype(np.float32)
    numpy_exact, numpy_latency = answer_all(lambda q: best_rows(in_memory @ vectors[q]), queries)
    numpy_filtered, numpy_filtered_latency = answer_all(
        lambda q: filters[q][best_rows(in_memory[filters[q]] @ vectors[q])], queries
    )
    same_person, different_people = similarities(person, stored)
    on_disk = size(folder)
    best = (numpy_exact, numpy_filtered)
    beside = in_postgres(folder / "postgres", stored, vectors, filters, best) if postgres else None
    return SearchReport(
        rows=rows,
        dimensions=dimensions,
        queries=queries,
        machine=machine,
        faiss=faiss.__version__,
        same_person=same_person,
        different_people=different_people,
        filter_share=float(np.mean([len(allowed) for allowed in filters]) / rows),
        exact=exact_latency,
        exact_agrees=recall(exact, numpy_exact),
        filtered=filtered_latency,
        filtered_agrees=recall(filtered, numpy_filtered),
        numpy_exact=numpy_latency,
        numpy_filtered=numpy_filtered_latency,
        open_seconds=open_seconds,
        open_peak_mib=open_peak / MIB,
        search_peak_mib=search_peak / MIB,
        embeddings_mib=on_disk / MIB,
        postgres=beside,
    )


def _print(report: SearchReport) -> None:
    machine = report.machine
    spreads = ", ".join(
        f"{name} {spread.mean:.2f} ± {spread.deviation:.2f}"
        for name, spread in (("same person", report.same_person), ("others", report.different_people))
    )
    say(f"{report.rows:,} × {report.dimensions}, {machine.cpus} cores, load {machine.load:.1f}; {spreads}")
    say(f"{'':30}{'p50 ms':>8}{'p99 ms':>8}")
    filtered = f"filtered to {report.filter_share:.1%}, exact"
    for name, latency, agrees in (
        ("unfiltered, exact", report.exact, report.exact_agrees),
        (filtered, report.filtered, report.filtered_agrees),
        ("NumPy unfiltered", report.numpy_exact, None),
        ("NumPy filtered", report.numpy_filtered, None),
    ):
        agreement = "" if agrees is None else f"  agrees with numpy {agrees:.4f}"
        say(f"  {name:28}{latency.p50_ms:8.2f}{latency.p99_ms:8.2f}{agreement}")
    say(f"  open {report.open_seconds:.1f} s; embeddings on disk {report.embeddings_mib:.0f} MiB")
    if (beside := report.postgres) is not None:
        what = beside.stored
        say(f"  {what.server}, {what.partitions} partitions, {what.candidates} candidates of each")
        for name, latency, agrees in (
            ("unfiltered, HNSW", beside.unfiltered, beside.unfiltered_agrees),
            (filtered, beside.filtered, beside.filtered_agrees),
        ):
            say(f"  {name:28}{latency.p50_ms:8.2f}{latency.p99_ms:8.2f}  agrees with numpy {agrees:.4f}")
        say(
            f"  written in {what.write_seconds:.0f} s, indexed in {what.index_seconds:.0f} s; vectors "
            f"{what.vectors_mib:.0f} MiB, indexes {what.index_mib:.0f} MiB"
        )
    say(f"  peak memory of the process, MiB: open {report.open_peak_mib:.0f}, search {report.search_peak_mib:.0f}")


def command(
    rows: Annotated[int, typer.Option(help="Tracklets in the gallery.", min=CAMERAS * DAYS)] = 200_000,
    dimensions: Annotated[int, typer.Option(help="Of an embedding.", min=1)] = 512,
    queries: Annotated[int, typer.Option(help="How many, one at a time.", min=1)] = 200,
    postgres: Annotated[bool, typer.Option(help="Search in PostgreSQL with pgvector, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure search in a large gallery, beside NumPy and PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), rows, dimensions, queries, postgres=postgres)
    if as_json:
        print_json(report)
    else:
        _print(report)


if __name__ == "__main__":
    run(command)
