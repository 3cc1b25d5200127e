"""Adapting beside a running ingest: with how many threads, how fast, and whether it ends in its time.

A site adapts for `--minutes`, alone, then while another process ingests VIDEO again and again into a site of its own.
Threads are those that adapting chooses, or a fixed number. Each runs in a process of its own, on a copy of the site.

    python -m bench.beside_ingest --site S --video VIDEO --minutes 2
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.terminal import JsonOption, print_json
from bench.measuring import Machine
from bench.processes import finished
from bench.terminal import print_table, run

HERE = Path(__file__).parents[1]
CHOSEN = "chosen"
# Adapts a site. A number of threads takes the place of the choice among them.
ADAPT = """
import sys
import app.adapt, app.terminal
import torch
from reid.training import loop
threads = sys.argv.pop(1)
if threads != "chosen":
    class Fixed:
        def __init__(self, most):
            torch.set_num_threads(int(threads))
        def after_step(self):
            pass
    loop.ThreadChoice = Fixed
app.terminal.run(app.adapt.command)
"""
AGAIN = """
import shutil, subprocess, sys
video, site = sys.argv[1:]
while True:
    shutil.rmtree(site, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "app.ingest", video, "--site", site, "--json"], capture_output=True)
"""


@dataclass(frozen=True, slots=True)
class BesideRun:
    """One adaptation."""

    beside: bool
    threads: str
    minutes: float  # that it took
    images_per_second: float  # of the training steps
    epochs: float


@dataclass(frozen=True, slots=True)
class BesideReport:
    """All of them."""

    machine: Machine
    asked_minutes: float
    runs: list[BesideRun]


@contextmanager
def ingesting(video: Path, folder: Path) -> Iterator[None]:
    """Another process ingests meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-c", AGAIN, video, folder / "ingested"], cwd=HERE, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def measure(site: Path, video: Path, minutes: float, threads: list[str]) -> BesideReport:
    """Adapts with each number of threads, alone and beside an ingest."""
    machine, runs = Machine.now(), []
    for beside in (False, True):
        for number in threads:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                shutil.copytree(site, folder / "site")
                words = [sys.executable, "-c", ADAPT, number, "--site", folder / "site", "--minutes", minutes]
                words += ["--start", "base", "--size", "128x64", "--force", "--json"]
                began = time.perf_counter()
                if beside:
                    with ingesting(video, folder):
                        done = finished(f"adapt with {number} threads", words, folder=HERE, quiet=True)
                else:
                    done = finished(f"adapt with {number} threads", words, folder=HERE, quiet=True)
                report = json.loads(done.output)
                runs.append(
                    BesideRun(
                        beside=beside,
                        threads=number,
                        minutes=(time.perf_counter() - began) / 60,
                        images_per_second=report["images_per_second"],
                        epochs=report["epochs"],
                    )
                )
    return BesideReport(machine=machine, asked_minutes=minutes, runs=runs)


def command(
    site: Annotated[Path, typer.Option(help="A site that may adapt. It stays as it is.")],
    video: Annotated[Path, typer.Option(help="Footage to ingest meanwhile.")],
    minutes: Annotated[float, typer.Option(help="For each adaptation.")] = 2.0,
    threads: Annotated[list[str] | None, typer.Option(help=f"Numbers, or {CHOSEN}.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure adapting beside a running ingest."""
    report = measure(site.resolve(), video.resolve(), minutes, threads or [CHOSEN, "1", str(os.cpu_count() or 1)])
    if as_json:
        print_json(report)
        return
    print_table(
        [f"asked for {minutes:g} minutes", "threads", "minutes", "images/s", "epochs"],
        [
            [
                "beside an ingest" if entry.beside else "alone",
                entry.threads,
                f"{entry.minutes:.2f}",
                f"{entry.images_per_second:.0f}",
                f"{entry.epochs:g}",
            ]
            for entry in report.runs
        ],
    )


if __name__ == "__main__":
    run(command)
