"""Attacks the API from its own description: random requests, allowed by it and not, round by round, on a new site each.

No answer may be the server's own error, or one that the description does not tell: status, content type, schema. The
tests do one round of few requests.

    python -m bench.fuzz_api --minutes 10
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from app.terminal import JsonOption, errors, print_json
from bench.measuring import Machine
from bench.terminal import print_table, run, say
from tests.app.web.fuzz import fuzzed_site

EXAMPLES = 50  # of a route and round


@dataclass(frozen=True, slots=True)
class FuzzReport:
    """What was sent, and what broke."""

    machine: Machine
    seed: int
    minutes: float
    rounds: int
    requests: int
    statuses: dict[str, dict[int, int]]  # by route, how often
    failures: dict[str, str]  # by route and kind, with the round, and what makes it again


def measure(minutes: float, seed: int) -> FuzzReport:
    """Rounds until the time is over. What making their sites takes does not count."""
    machine, left = Machine.now(), 60 * minutes
    statuses: dict[str, Counter[int]] = {}
    failures: dict[str, str] = {}
    rounds = 0
    for number in count(seed):
        if left <= 0:
            break
        with tempfile.TemporaryDirectory() as folder, fuzzed_site(Path(folder)) as fuzz:
            began = time.monotonic()
            fuzz.run(number, EXAMPLES, began + left)
            left -= time.monotonic() - began
        rounds += 1
        for route, answered in fuzz.statuses.items():
            statuses.setdefault(route, Counter()).update(answered)
        for failure, again in fuzz.failures.items():
            if failure not in failures:
                failures[failure] = f"seed {number}: {again}"
                errors.print(f"{failure}: {failures[failure]}", soft_wrap=True)
    requests = sum(answered.total() for answered in statuses.values())
    plain = {route: dict(sorted(answered.items())) for route, answered in sorted(statuses.items())}
    return FuzzReport(machine, seed, minutes, rounds, requests, plain, failures)


def command(
    minutes: Annotated[float, typer.Option(help="Of sending, without making the sites.", min=0.01)] = 10.0,
    seed: Annotated[int, typer.Option(help="Of the first round.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Send random requests to the API of small sites until the time is over."""
    report = measure(minutes, seed)
    if as_json:
        print_json(report)
    else:
        print_table(
            ["route", "requests", "answers by status"],
            [
                [route, str(sum(told.values())), ", ".join(f"{code}: {number}" for code, number in told.items())]
                for route, told in report.statuses.items()
            ],
        )
        say(f"{report.requests:,} requests in {report.rounds} rounds, {len(report.failures)} failures")
    raise typer.Exit(1 if report.failures else 0)


if __name__ == "__main__":
    run(command)
