"""Search in a large gallery: `python -m bench.search [--rows 200000] [--dimensions 512] [--queries 200] [--json]`.

The gallery is drawn so that it looks like an encoder's: directions with a falling spectrum, views of the same person
about 0.7 alike, those of different people 0.2, twenty tracklets a person, over 24 cameras and 30 days. It is written as
a site has it, a file per camera and day. Queries are new views of these people, one at a time; a filtered one looks in
3 cameras on 3 days. What the record needs to turn a filter into ids is not in the times. The peer is NumPy with
float32 rows in memory, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from app.record.embeddings import Embeddings
from app.search.index import FaissIndex
from reid.normalised import normalised

MIB = 2**20
CAMERAS, DAYS = 24, 30
CHOSEN = 3  # cameras, and days, of a filter
TRACKLETS = 20  # of a person, on average
SHARED = 0.2  # of a view's square length: what all people have in common, so the similarity of different people
PERSON, VIEW = 0.5, 0.27  # who it is, and how they look this time
SPREAD = 0.35  # of the views' strength, log-normal: some are good, some are poor
HALF = 0.03  # what sets the two halves of a tracklet apart
FALL = 1.1  # of the spectrum, `rank ** -FALL`; views fall slower, by VIEW_FALL times that
VIEW_FALL = 0.7
TOP = 10

Rows = NDArray[np.float32]


class Crowd:
    """People as an encoder might see them."""

    def __init__(self, people: int, dimensions: int, seed: int = 0) -> None:
        self._rng = np.random.default_rng([seed, people, dimensions])
        self._basis = np.linalg.qr(self._rng.standard_normal((dimensions, dimensions)))[0].astype(np.float32)
        self._centres = self._draw(people, FALL) * PERSON**0.5 + self._basis[-1] * SHARED**0.5

    def views(self, people: NDArray[np.int64]) -> Rows:
        """A new view of each, `(n, D)`."""
        strength = VIEW**0.5 * np.exp(SPREAD * self._rng.standard_normal((len(people), 1), dtype=np.float32))
        return normalised(self._centres[people] + strength * self._draw(len(people), FALL * VIEW_FALL))

    def halves(self, people: NDArray[np.int64]) -> Rows:
        """The halves of a new tracklet of each, `(n, 2, D)`."""
        views = np.repeat(self.views(people), 2, 0)
        return normalised(views + HALF**0.5 * self._draw(len(views), FALL)).reshape(len(people), 2, -1)

    def _draw(self, count: int, fall: float) -> Rows:
        dimensions = len(self._basis)
        variance = np.arange(1, dimensions + 1, dtype=np.float32) ** np.float32(-fall)
        deviation = np.sqrt(variance / variance.sum())
        return (self._rng.standard_normal((count, dimensions), dtype=np.float32) * deviation) @ self._basis


def write(site: Path, crowd: Crowd, people: int, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Writes a site's embeddings; footage f holds camera f % CAMERAS on day f // CAMERAS. Returns whose each row is."""
    store = Embeddings(site / "embeddings" / "bench")
    whose = rng.integers(0, people, rows)
    bounds = np.linspace(0, rows, CAMERAS * DAYS + 1).astype(int)
    for footage, (start, stop) in enumerate(pairwise(bounds)):
        store.write(footage, np.arange(start, stop), crowd.halves(whose[start:stop]))
    return whose


def likeness(index: FaissIndex, whose: NDArray[np.int64], rows: NDArray[np.float16]) -> dict[str, list[float]]:
    """Mean and deviation of similarities within people and between them, on a part of the gallery."""
    some = np.flatnonzero(whose < whose.max() // 20 + 2)[:4000]
    similarity = rows[some].astype(np.float32) @ rows[some].astype(np.float32).T
    same = whose[some][:, None] == whose[some]
    other = ~same
    np.fill_diagonal(same, False)
    return {
        name: [float(similarity[where].mean()), float(similarity[where].std())]
        for name, where in (("same person", same), ("others", other))
    }


def timed(work: Callable[[int], NDArray[np.int64]], queries: int) -> tuple[list[NDArray[np.int64]], dict[str, float]]:
    """The answers, and milliseconds: median and 99th percentile."""
    work(0)  # threads start, pages come in
    answers, took = [], []
    for query in range(queries):
        start = time.perf_counter()
        answers.append(work(query))
        took.append(1e3 * (time.perf_counter() - start))
    return answers, {"p50_ms": float(np.percentile(took, 50)), "p99_ms": float(np.percentile(took, 99))}


def recall(answers: list[NDArray[np.int64]], truth: list[NDArray[np.int64]]) -> float:
    """The share of the true best that was found."""
    return float(np.mean([len(np.intersect1d(a, b)) / max(len(b), 1) for a, b in zip(answers, truth, strict=True)]))


def peak_rss() -> int:
    """The most memory that this process held since the last call, bytes (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def opened(site: Path) -> tuple[FaissIndex, float, int]:
    """The site's index, the seconds it took, and the most memory of the process."""
    peak_rss()
    start = time.perf_counter()
    index = FaissIndex(*Embeddings(site / "embeddings" / "bench").load_whole())
    return index, time.perf_counter() - start, peak_rss()


def measure(site: Path, rows: int, dimensions: int, queries: int) -> dict[str, object]:
    """The report of one gallery."""
    rng = np.random.default_rng([1, rows, dimensions])
    people = max(rows // TRACKLETS, 1)
    crowd = Crowd(people, dimensions)
    whose = write(site, crowd, people, rows, rng)
    asked = crowd.views(rng.integers(0, people, queries))
    footage = np.repeat(np.arange(CAMERAS * DAYS), np.diff(np.linspace(0, rows, CAMERAS * DAYS + 1).astype(int)))
    filters = []
    for _ in range(queries):
        cameras, days = rng.choice(CAMERAS, CHOSEN, False), rng.choice(DAYS, CHOSEN, False)
        filters.append(np.flatnonzero(np.isin(footage % CAMERAS, cameras) & np.isin(footage // CAMERAS, days)))

    index, open_seconds, open_peak = opened(site)
    exact, exact_ms = timed(lambda q: index.search(asked[q : q + 1], TOP).ids[0], queries)
    narrow, narrow_ms = timed(lambda q: index.search(asked[q : q + 1], TOP, filters[q]).ids[0], queries)
    search_peak = peak_rss()

    stored = Embeddings(site / "embeddings" / "bench").load_whole()[1]  # ids are the rows' numbers
    brute = stored.astype(np.float32)

    def best(similarity: NDArray[np.float32]) -> NDArray[np.int64]:
        top = np.argpartition(similarity, -min(TOP, len(similarity)))[-TOP:]
        return top[np.argsort(-similarity[top])]

    peer, peer_ms = timed(lambda q: best(brute @ asked[q]), queries)
    peer_narrow, peer_narrow_ms = timed(lambda q: filters[q][best(brute[filters[q]] @ asked[q])], queries)
    return {
        "rows": rows,
        "dimensions": dimensions,
        "queries": queries,
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "faiss": faiss.__version__,
        "similarity": likeness(index, whose, stored),
        "filter_share": float(np.mean([len(one) for one in filters]) / rows),
        "exact": {**exact_ms, "agrees_with_numpy": recall(exact, peer)},
        "filtered": {**narrow_ms, "agrees_with_numpy": recall(narrow, peer_narrow)},
        "numpy_exact": peer_ms,
        "numpy_filtered": peer_narrow_ms,
        "open_seconds": open_seconds,
        "embeddings_mib": size(site / "embeddings") / MIB,
        "peak_rss_mib": {"open": open_peak / MIB, "search": search_peak / MIB},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="tracklets in the gallery")
    parser.add_argument("--dimensions", type=int, default=512, help="of an embedding")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), arguments.rows, arguments.dimensions, arguments.queries)
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)


def show(report: dict) -> None:
    """The report as a person reads it."""
    alike = ", ".join(f"{name} {mean:.2f} ± {spread:.2f}" for name, (mean, spread) in report["similarity"].items())
    print(f"{report['rows']:,} × {report['dimensions']}, {report['cpus']} cores, load {report['load']:.1f}; {alike}")
    print(f"{'':30}{'p50 ms':>8}{'p99 ms':>8}")
    for name, key, quality in (
        ("unfiltered, exact", "exact", "agrees_with_numpy"),
        (f"filtered to {report['filter_share']:.1%}, exact", "filtered", "agrees_with_numpy"),
        ("NumPy unfiltered", "numpy_exact", ""),
        ("NumPy filtered", "numpy_filtered", ""),
    ):
        row = report[key]
        told = f"  {quality.replace('_', ' ')} {row[quality]:.4f}" if quality else ""
        print(f"  {name:28}{row['p50_ms']:8.2f}{row['p99_ms']:8.2f}{told}")
    memory = ", ".join(f"{name} {mib:.0f}" for name, mib in report["peak_rss_mib"].items())
    print(f"  open {report['open_seconds']:.1f} s; embeddings on disk {report['embeddings_mib']:.0f} MiB")
    print(f"  peak memory of the process, MiB: {memory}")


if __name__ == "__main__":
    main()
