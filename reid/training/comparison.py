"""Several methods under one budget, as a table and plots."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reid.progress import Progress, unheard
from reid.training.benchmark import train_benchmark
from reid.training.errors import TrainingError
from reid.training.run_folder import Result
from reid.training.settings import Changes, Settings

log = logging.getLogger("sightline")

SCORES = {"mAP": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10", "mINP": "mINP"}
TESTS = 10  # during a run, for the plot


@dataclass(frozen=True)
class Contender:
    """A method, with changes or without, and what became of it with each seed."""

    label: str
    results: list[Result]
    epochs: list[list[dict[str, Any]]]
    """Of each seed, the log's lines of epochs."""

    def spread(self, name: str, part: Literal["start", "final"] = "final") -> tuple[float, float] | None:
        """Mean and standard deviation of a score over the seeds. None where there is nothing to test with."""
        parts = [result.start if part == "start" else result.final for result in self.results]
        return mean_and_spread([scores[name] for scores in parts if scores is not None])

    def last(self, name: str) -> tuple[float, float] | None:
        """The same of what the log tells of the last epoch that has it."""
        by_seed = [[line[name] for line in lines if name in line] for lines in self.epochs]
        return mean_and_spread([values[-1] for values in by_seed if values])

    def curve(self, name: str) -> list[tuple[float, float, float]]:
        """Epoch, seconds and value, means over the seeds, of all epochs that tell it."""
        points = []
        for lines in zip(*self.epochs):
            having = [line for line in lines if name in line]
            if having:
                seconds, values = ([line[key] for line in having] for key in ("seconds", name))
                points.append((float(having[0]["epoch"]), statistics.fmean(seconds), statistics.fmean(values)))
        return points


def mean_and_spread(values: Sequence[float]) -> tuple[float, float] | None:
    """Mean and spread: the standard deviation of a sample, or 0 of a single one. None of no values."""
    if not values:
        return None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def contender_named(label: str, lines: Iterable[str]) -> tuple[str, Changes]:
    """A method's name and changes, of `name` or `name:FIELD=VALUE,…`.

    An epoch covers as many images for all methods, unless a line says otherwise.

    Args:
        label: As it is called in the table.
        lines: Changes for all methods, `NAME=VALUE`. The label's own come after them.

    Raises:
        TrainingError: A change is not of that form.
    """
    name, _, own = label.partition(":")
    try:
        return name, Changes.parse(["recipe.epoch=images", *lines, *filter(None, own.split(","))])
    except TrainingError as error:
        raise TrainingError(f"--methods {label}: {error}") from error


def compare(
    contenders: Mapping[str, Settings],
    seeds: Sequence[int],
    out: Path,
    *,
    test_every: int = 0,
    progress: Progress = unheard,
) -> list[Contender]:
    """Trains each contender with each of `seeds`.

    Args:
        contenders: Settings by label. All have the same number of epochs.
        seeds: They take the place of the settings' own.
        out: A folder for the runs, and for the crops that they share.
        test_every: Epochs between two tests. 0 makes TESTS in a run.
        progress: As for `train_benchmark`.

    Raises:
        TrainingError: The epochs differ or nobody named them. Also what `train_benchmark` raises.
    """
    budgets = {settings.epochs for settings in contenders.values()}
    epochs = budgets.pop()
    if epochs is None or budgets:
        raise TrainingError("comparing needs a number of epochs, the same for all methods")
    trained = []
    for label, settings in contenders.items():
        results, logs = [], []
        for seed in seeds:
            folder = out / f"{re.sub(r'[^A-Za-z0-9.=,_-]+', '-', label)}-seed{seed}"
            log.info("%s, seed %d", label, seed)
            seeded, every = dataclasses.replace(settings, seed=seed), test_every or max(1, epochs // TESTS)
            results.append(train_benchmark(seeded, folder, crops=out / "crops", test_every=every, progress=progress))
            lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
            logs.append([line for line in lines if "epoch" in line])
        trained.append(Contender(label, results, logs))
    return trained


def table(contenders: Sequence[Contender]) -> str:
    """Markdown. Figures are means ± standard deviations over the seeds, in percent, but for times."""
    tested = any(contender.results[0].final for contender in contenders)
    heads = ["method", *(SCORES.values() if tested else ()), "true associations", "seconds", "images/s"]
    rows = []
    starts = {contender.results[0].start["mAP"] for contender in contenders if contender.results[0].start}
    if len(starts) == 1:  # the same encoder for all: what it does untrained
        scores = [percent(contenders[0].spread(name, "start")) for name in SCORES]
        rows.append(["*untrained*", *scores, "", "", ""])
    for contender in contenders:
        scores = [percent(contender.spread(name)) for name in SCORES] if tested else []
        seconds, speed = (
            statistics.fmean(getattr(result, name) for result in contender.results)
            for name in ("seconds", "images_per_second")
        )
        precision = percent(contender.last("association_precision"))
        rows.append([contender.label, *scores, precision, f"{seconds:.0f}", f"{speed:.0f}"])
    rule = ["---"] + ["---:"] * (len(heads) - 1)
    return "".join("| " + " | ".join(row) + " |\n" for row in (heads, rule, *rows))


def percent(spread: tuple[float, float] | None) -> str:
    """`41.2 ± 0.3`, of shares, and nothing where there is nothing."""
    return "" if spread is None else f"{100 * spread[0]:.1f} ± {100 * spread[1]:.1f}"


def plots(contenders: Sequence[Contender], out: Path) -> list[Path]:
    """`mAP.png`, over time, where there was a test, and `associations.png`, how many and how many of them true."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        log.warning("no plots: matplotlib is not installed")
        return []
    written = []
    if any(contender.curve("mAP") for contender in contenders):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for contender in contenders:
            start = contender.spread("mAP", "start")
            points = contender.curve("mAP")
            seconds, values = [0.0] * bool(start), [start[0]] if start else []
            axes.plot(
                [*seconds, *(point[1] for point in points)],
                [100 * value for value in (*values, *(point[2] for point in points))],
                marker=".",
                label=contender.label,
            )
        axes.set(xlabel="training time, s", ylabel="mAP, %", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
        written.append(out / "mAP.png")
        figure.savefig(written[-1], dpi=120)
    if any(contender.curve("associations") for contender in contenders):
        figure = Figure(figsize=(7, 6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for number, contender in enumerate(contenders):
            for axes, name, scale in ((above, "associations", 1), (below, "association_precision", 100)):
                points = contender.curve(name)
                if points:
                    epochs, values = [point[0] for point in points], [scale * point[2] for point in points]
                    axes.plot(epochs, values, marker=".", color=f"C{number}", label=contender.label)
        above.set(ylabel="associated pairs", ylim=(0, None))
        below.set(xlabel="epoch", ylabel="of them one person, %", ylim=(0, 100))
        for axes in (above, below):
            axes.grid(alpha=0.3)
        above.legend()
        written.append(out / "associations.png")
        figure.savefig(written[-1], dpi=120)
    return written
