"""Attacks works on a site, for as long as is asked, and tells each failure with what makes it again.

- strikes: The n-th call by which a work changes the disk fails, finds it full, or is the work's last. n counts up until
  the work makes no more calls. Then the same command runs again, and all must be there. This needs strace.
- pairs: Two works run at once, and one of them is killed at a random moment. Then both run again.
- soak: Two works at once, again and again, on one site that is never made anew. Each ingest brings other footage, and
  each forget erases others. The site must stay sound, and hold no file that nothing names. Each round tells what the
  site holds and what its works took, so that growth shows.
- mutants: Films, stills, texts and weights with a few bytes changed are read. Each must be refused by an error of ours,
  or be read, and soon.

Works and files are those of the tests, which do a bounded part of the same.

    python -m bench.attack strikes pairs --minutes 60 --seed 0
"""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement, count, product
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.record import Site
from app.record.verify import damage
from app.terminal import JsonOption, print_json
from bench.measuring import MIB, Machine, peak_memory
from bench.terminal import print_table, run, say
from tests.app.records import copy_of
from tests.app.stage import LIMIT, Stage, begun, both_again, ended, footage_in, kill_one_of_two, new_stage
from tests.app.strikes import STRIKES, can_strike, strike_and_go_on
from tests.app.works import BUSY, IMPORTED, TOLD, WORKS
from tests.mutants import TARGETS, attack

FEWEST = 40  # tracklets that a soaked site keeps
STRUCK = ("ingest a", "merge", "forget", "adapt", "models use")
SHOWN = 12  # rounds of a soak, in its table
AT_ONCE = 10  # mutants of one file
SEEDS = 10**6  # of mutants, that each --seed has for itself
Work = Callable[[Path], bool]
"""What an attack does in a new folder. False: there is no more of its kind."""


class TimeIsOver(Exception):
    """All of a kind that time allowed was tried."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a round of the soak left in the site, and what it took."""

    tracklets: int
    footage: int
    versions: int
    """Of the encoder. Each is kept, so that one can go back to it."""
    files: int
    disk_mib: float
    memory_mib: float
    """The most of one work, looked at ten times a second."""


@dataclass(frozen=True, slots=True)
class AttackReport:
    """What was tried, and what broke."""

    machine: Machine
    seed: int
    minutes: float
    tried: dict[str, int]  # by kind
    all_tried: dict[str, bool]  # whether a kind came to its end before its time was over
    failures: dict[str, str]  # by attack, its first line
    soaked: list[Round]  # round by round


class Attempts:
    """Tries attacks of one kind until the time is over, and keeps what breaks."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.tried = 0
        self.failures: dict[str, str] = {}
        self.soaked: list[Round] = []

    def __call__(self, label: str, work: Work) -> bool:
        """Tries one. Raises TimeIsOver."""
        if time.monotonic() > self.end:
            raise TimeIsOver
        self.tried += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                return work(Path(folder))
            except Exception as error:  # noqa: BLE001, whatever breaks is the result
                self.failures[label] = f"{type(error).__name__}: {error}".splitlines()[0]
                say(f"{label}: {self.failures[label]}")
                return True


def strikes(stage: Stage, start: Any, seed: int, attempt: Attempts) -> None:
    """All calls of all works, each struck in each way."""
    for name, strike in product(STRUCK, STRIKES):
        for nth in count(1):
            work = partial(strike_and_go_on, stage, start, name=name, strike=strike, nth=nth)
            if not attempt(f"{name}, {strike} at {nth}", work):
                break


def pairs(stage: Stage, start: Any, seed: int, attempt: Attempts) -> None:
    """Random pairs without end."""
    rng = np.random.default_rng(seed)
    every = list(combinations_with_replacement(WORKS, 2))
    while True:
        names, victim, share = every[rng.integers(len(every))], int(rng.integers(2)), float(rng.uniform(0.02, 0.95))
        label = f"{names[victim]} killed at {share:.3f} of its time beside {names[1 - victim]}"
        attempt(label, partial(_pair, stage=stage, start=start, names=names, victim=victim, share=share))


def _pair(folder: Path, stage: Stage, start: Any, names: tuple[str, str], victim: int, share: float) -> bool:
    path = copy_of(stage.path, folder)
    kill_one_of_two(path, stage, start, names, victim, share)
    both_again(path, stage, start, names)
    return True


def soak(stage: Stage, start: Any, seed: int, attempt: Attempts) -> None:
    """Rounds on one site without end."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = copy_of(stage.path, Path(folder))
        for number in count(1):
            names = tuple(str(name) for name in rng.choice(list(WORKS), 2))
            attempt(
                f"round {number}, {' + '.join(names)}",
                partial(
                    _round,
                    stage=stage,
                    start=start,
                    path=path,
                    names=names,
                    number=number,
                    rng=rng,
                    soaked=attempt.soaked,
                ),
            )


def _round(
    folder: Path,
    stage: Stage,
    start: Any,
    path: Path,
    names: tuple[str, ...],
    number: int,
    rng: np.random.Generator,
    soaked: list[Round],
) -> bool:
    with Site.open(path) as site:
        there = site.tracklet_table().ids
    settings = stage.settings | footage_in(folder, number)
    settings["leaving"] = rng.choice(there, min(2, max(0, len(there) - FEWEST)), replace=False).tolist()
    settings["query_tracklet"] = int(rng.choice(np.setdiff1d(there, settings["leaving"])))
    works = [begun(start, name, path, settings) for name in names]
    memory = _most_memory(works)
    codes = [ended(work) for work in works]
    # Who is asked for may be erased meanwhile, and two of a kind may meet.
    assert set(codes) <= {0, BUSY, TOLD}, f"exit codes {codes}"
    with Site.open_to_write(path) as site:
        sentences = list(damage(site))
        assert not sentences, sentences[0]
        versions = {model.name for model in site.models()}
        tracklets, footage = len(site.tracklet_table()), sum(len(site.footage(camera)) for camera in "ab")
    assert {folder.name for folder in (path / "models").iterdir()} == versions
    assert not list((path / "adapt").glob("v*")) and not list(path.rglob("*.part"))
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    soaked.append(Round(tracklets, footage, len(versions), len(sizes), sum(sizes) / MIB, memory / MIB))
    return True


def _most_memory(works: list[BaseProcess]) -> int:
    """Waits until works have ended, and returns the most bytes that one of them held."""
    most, end = 0, time.monotonic() + LIMIT
    while any(work.is_alive() for work in works) and time.monotonic() < end:
        for work in works:
            with contextlib.suppress(OSError, IndexError):  # it ends just now
                most = max(most, peak_memory(work.pid))
        time.sleep(0.1)
    return most


def mutants(stage: Stage | None, start: Any, seed: int, attempt: Attempts) -> None:
    """Mutants of every kind of file in turn, without end."""

    def attacked(folder: Path, kind: str, number: int) -> bool:
        attack(TARGETS[kind], folder, AT_ONCE, number)
        return True

    for number in count(seed * SEEDS):
        for kind in TARGETS:
            attempt(f"{kind}, seed {number}", partial(attacked, kind=kind, number=number))


ON_A_SITE: dict[str, Callable[[Any, Any, int, Attempts], None]] = {"strikes": strikes, "pairs": pairs, "soak": soak}
KINDS = ON_A_SITE | {"mutants": mutants}


def measure(kinds: list[str], minutes: float, seed: int) -> AttackReport:
    """Attacks by all kinds, each for the same share of the time."""
    report = AttackReport(Machine.now(), seed, minutes, {}, {}, {}, [])
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(IMPORTED)
    with tempfile.TemporaryDirectory() as folder:
        on_a_site = set(kinds) & set(ON_A_SITE)
        stage = new_stage(Path(folder), start, timed="pairs" in kinds) if on_a_site else None
        for kind in kinds:
            attempts = Attempts(60 * minutes / len(kinds))
            try:
                KINDS[kind](stage, start, seed, attempts)
                report.all_tried[kind] = True
            except TimeIsOver:
                report.all_tried[kind] = False
            report.tried[kind] = attempts.tried
            report.failures.update(attempts.failures)
            report.soaked.extend(attempts.soaked)
    return report


def command(
    kinds: Annotated[list[str], typer.Argument(help=f"Of {', '.join(KINDS)}.")],
    minutes: Annotated[float, typer.Option(help="In all.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Attack works on a site, and readers of files, until something breaks or the time is over."""
    if unknown := set(kinds) - set(KINDS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(KINDS)}.")
    if "strikes" in kinds and not can_strike():
        raise typer.BadParameter("strikes need strace, which is not here or may not attach itself.")
    report = measure(kinds, minutes, seed)
    if as_json:
        print_json(report)
    else:
        print_table(
            ["attacks", "tried", "all of them"],
            [[kind, str(tried), "yes" if report.all_tried[kind] else "no"] for kind, tried in report.tried.items()],
        )
        if report.soaked:
            shown = report.soaked[:: max(1, len(report.soaked) // SHOWN)]
            print_table(
                ["tracklets", "footage", "versions", "files", "MiB on disk", "MiB of memory"],
                [
                    [
                        *map(str, (each.tracklets, each.footage, each.versions, each.files)),
                        f"{each.disk_mib:.1f}",
                        f"{each.memory_mib:.0f}",
                    ]
                    for each in shown
                ],
            )
        say(f"{len(report.failures)} failed")
    raise typer.Exit(1 if report.failures else 0)


if __name__ == "__main__":
    run(command)
