"""Seconds and memory of whole commands.

These are what a person waits for at a terminal, and what a small machine must have. Each command is a process of its
own, from its start to its end. The best of some rounds counts, in which all contenders take turns. Four are measured:
the list of commands, the search by a tracklet of a small site, merging that site, and ingesting VIDEO. `before` is
another checkout of Sightline, with `--before`. The small site is a second of the sample films' hall.

    python -m bench.start VIDEO --detector FILE --before CHECKOUT
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.terminal import JsonOption, print_json
from bench.measuring import MIB, Machine
from bench.processes import ProcessError
from bench.terminal import print_table, run

HERE = Path(__file__).parents[1]
FILM = HERE / "sample_videos" / "films" / "hall.mp4"
MOMENT = ("--from", "2026-11-20T14:30:30", "--to", "2026-11-20T14:30:31")
FIRST_TRACKLET = """
import sys
from pathlib import Path
from app.record import Site
with Site.open(Path(sys.argv[1])) as site:
    print(int(site.tracklet_table().ids[0]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process."""

    seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class StartReport:
    """By contender and command, the least of all rounds."""

    machine: Machine
    rounds: int
    costs: dict[str, dict[str, Cost]]


def cost_of(checkout: Path, python: Path, words: list[str]) -> Cost:
    """Runs `python -m …` of a checkout to its end. Raises ProcessError."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    with tempfile.TemporaryFile() as complaint:
        began = time.perf_counter()
        process = subprocess.Popen(
            [python, "-m", *words], cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=complaint
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            complaint.seek(0)
            raise ProcessError(
                f"{words[0]} of {checkout} ended with {process.returncode}:\n{complaint.read().decode()}"
            )
    return Cost(seconds=seconds, peak_mib=usage.ru_maxrss * 1024 / MIB)


def measure(video: Path, detector: str, checkouts: dict[str, Path], python: Path, rounds: int) -> StartReport:
    """All commands of all checkouts."""
    machine = Machine.now()
    costs: dict[str, dict[str, Cost]] = {name: {} for name in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        sites, tracklets = {}, {}
        for name, checkout in checkouts.items():
            sites[name] = Path(folder) / name
            cost_of(checkout, python, ["app.ingest", str(FILM), "--site", str(sites[name]), *MOMENT])
            listed = subprocess.run(
                [python, "-c", FIRST_TRACKLET, sites[name]],
                cwd=checkout,
                env=os.environ | {"PYTHONPATH": str(checkout)},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            tracklets[name] = listed.stdout.strip()
        for _ in range(rounds):
            for name, checkout in checkouts.items():
                new = str(Path(folder) / "new")
                shutil.rmtree(new, ignore_errors=True)
                works = {
                    "list of commands": ["app", "--help"],
                    "query by a tracklet": ["app.query", tracklets[name], "--site", str(sites[name]), "--json"],
                    "merge": ["app.merge", "--site", str(sites[name]), "--json"],
                    f"ingest {video.name}": ["app.ingest", str(video), "--site", new, "--detector", detector, "--json"],
                }
                for command, words in works.items():
                    cost = cost_of(checkout, python, words)
                    least = costs[name].get(command, cost)
                    costs[name][command] = Cost(
                        seconds=min(least.seconds, cost.seconds), peak_mib=min(least.peak_mib, cost.peak_mib)
                    )
    return StartReport(machine=machine, rounds=rounds, costs=costs)


def command(
    video: Annotated[Path, typer.Argument(help="Footage to ingest.")],
    detector: Annotated[str, typer.Option(help="As for app.ingest.")] = "shipped",
    before: Annotated[Path | None, typer.Option(help="Another checkout, to compare with.")] = None,
    python: Annotated[
        Path, typer.Option(help="The interpreter that runs the commands.", show_default="the one that runs this")
    ] = Path(sys.executable),
    rounds: Annotated[int, typer.Option(help="Of all, in turn.", min=1)] = 3,
    as_json: JsonOption = False,
) -> None:
    """Measure how long whole commands take, and how much memory."""
    checkouts = {"now": HERE} | ({} if before is None else {"before": before.resolve()})
    # Not resolved: a virtual environment's interpreter is a link, and works under its own name alone.
    report = measure(video.resolve(), detector, checkouts, python.absolute(), rounds)
    if as_json:
        print_json(report)
        return
    print_table(
        ["", *(f"{name}, {unit}" for name in report.costs for unit in ("s", "peak MiB"))],
        [
            [words, *(text for costs in report.costs.values() for text in _texts(costs[words]))]
            for words in report.costs["now"]
        ],
    )


def _texts(cost: Cost) -> tuple[str, str]:
    return f"{cost.seconds:.2f}", f"{cost.peak_mib:.0f}"


if __name__ == "__main__":
    run(command)
