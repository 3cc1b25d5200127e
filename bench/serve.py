"""How soon a served site answers: alone, and to many at once.

A site is served by `app.serve`. One client asks for the first page and searches with tracklets, one after the other.
Then `--clients` search at once for `--seconds`. Each search is of another tracklet, through the whole server.
With `--beside` commands work on the same site meanwhile, each again and again. What runs at the end is broken off.
So give a copy of a site: forgetting erases.

    python -m bench.large_site --tracklets 200000 --commands site --site S
    python -m bench.serve --site S
    python -m bench.serve --site S --beside merge,adapt,forget
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer
from numpy.typing import NDArray

from app.record import Site
from app.terminal import SITE, JsonOption, SiteOption, print_json
from bench.beside import Beside, working
from bench.measuring import MIB, Machine, peak_memory
from bench.processes import ProcessError
from bench.terminal import print_table, run, say

PAGES = ("/", "/cameras")
FORGOTTEN = 500  # tracklets that are kept for forgetting, and not searched
BESIDE = ("merge", "adapt", "forget")
ALONE = 20  # requests of each kind


@dataclass(frozen=True, slots=True)
class Answered:
    """How long answers took, in ms."""

    count: int
    errors: int
    p50_ms: float
    p95_ms: float
    first_ms: float

    @classmethod
    def of(cls, seconds: list[float], errors: int) -> Answered:
        """Of at least one answer, the first one first."""
        p50, p95 = np.percentile(seconds, (50, 95)).tolist()
        return cls(len(seconds), errors, 1000 * p50, 1000 * p95, 1000 * seconds[0])


@dataclass(frozen=True, slots=True)
class ServeReport:
    """By request."""

    machine: Machine
    tracklets: int
    answers: dict[str, Answered]
    beside: dict[str, Beside]
    """By command, what went on during the searches at once."""
    memory_mib: float
    """The most that the server held."""


@contextmanager
def served(site: Path) -> Iterator[tuple[str, int]]:
    """The link that a server printed, and its process."""
    words = [sys.executable, "-m", "app.serve", "--site", str(site), "--port", "0", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    try:
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            if not line:
                raise ProcessError("app.serve ended before it printed its link, see its message above.")
            said += line
        yield json.loads(said)["url"], process.pid
    finally:
        process.terminate()
        process.wait()


def asked(client: httpx.Client, places: Iterator[str], count: int) -> Answered:
    """Asks one after the other."""
    seconds, errors = [], 0
    for _, place in zip(range(count), places):
        began = time.perf_counter()
        errors += client.get(place).status_code != 200
        seconds.append(time.perf_counter() - began)
    return Answered.of(seconds, errors)


def at_once(client: httpx.Client, places: Iterator[str], clients: int, wait: float) -> Answered:
    """Many ask at once, each one after the other, until the time is over."""
    seconds: list[float] = []
    errors, end, mutex = 0, time.perf_counter() + wait, threading.Lock()

    def work() -> None:
        nonlocal errors
        while time.perf_counter() < end:
            with mutex:
                place = next(places)
            began = time.perf_counter()
            try:
                wrong = client.get(place).status_code != 200
            except httpx.HTTPError:
                wrong = True
            with mutex:
                seconds.append(time.perf_counter() - began)
                errors += wrong

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Answered.of(seconds, errors)


def searches(ids: NDArray[np.int64], seed: int) -> Iterator[str]:
    """Addresses of searches with tracklets, without end."""
    rng = np.random.default_rng(seed)
    while True:
        yield f"/tracklets/{rng.choice(ids)}/search"


def _words(beside: Sequence[str], ids: NDArray[np.int64]) -> dict[str, Iterator[tuple[str, ...]]]:
    """By command of BESIDE, the words of each of its runs. ids: those that may be forgotten."""
    words: dict[str, Iterator[tuple[str, ...]]] = {
        "merge": repeat(("app.merge",)),
        "adapt": repeat(("app.adapt", "--minutes", "5")),
        "forget": (("app.forget", "--tracklet", str(number)) for number in ids.tolist()),
    }
    return {name: words[name] for name in beside}


def measure(site: Path, clients: int, seconds: float, beside: Sequence[str] = ()) -> ServeReport:
    """Serves a site and asks it, the last time with commands of BESIDE working on it."""
    machine = Machine.now()
    with Site.open(site) as opened:
        ids = opened.tracklet_table().ids
    count = len(ids)
    if "forget" in beside:
        ids, forgotten = np.split(ids, [max(count - FORGOTTEN, count // 2)])
    else:
        forgotten = ids[:0]
    answers = {}
    limits = httpx.Limits(max_connections=clients)
    with served(site) as (url, process):
        with httpx.Client(base_url=url.partition("/enter")[0], timeout=120, limits=limits) as client:
            client.get(url)
            for place in PAGES:
                answers[place] = asked(client, iter([place] * ALONE), ALONE)
            answers["search"] = asked(client, searches(ids, 0), ALONE)
            with working(site, _words(beside, forgotten)) as told:
                answers[f"{clients} searches at once"] = at_once(client, searches(ids, 1), clients, seconds)
        memory = peak_memory(process) / MIB
    return ServeReport(machine, count, answers, told, memory)


def command(
    site: SiteOption = SITE,
    clients: Annotated[int, typer.Option(help="That search at once.", min=1)] = 50,
    seconds: Annotated[float, typer.Option(help="For so long.", min=0.1)] = 60.0,
    beside: Annotated[str, typer.Option(help=f"Commands that work meanwhile, by commas: {', '.join(BESIDE)}.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a served site, alone and at once."""
    commands = [name for name in beside.split(",") if name]
    if unknown := set(commands) - set(BESIDE):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(BESIDE)}.")
    report = measure(site, clients, seconds, commands)
    if as_json:
        print_json(report)
        return
    say(f"{report.tracklets:,} tracklets, {report.memory_mib:.0f} MiB")
    print_table(
        ["asked for", "answers", "errors", "first, ms", "p50, ms", "p95, ms"],
        [
            [name, f"{a.count:,}", str(a.errors), f"{a.first_ms:.0f}", f"{a.p50_ms:.0f}", f"{a.p95_ms:.0f}"]
            for name, a in report.answers.items()
        ],
    )
    for name, ran in report.beside.items():
        say(f"Meanwhile {name}: {ran.done} done, {ran.failed} failed, {ran.broken_off} broken off at the end")


if __name__ == "__main__":
    run(command)
