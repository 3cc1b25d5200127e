"""Several methods under one budget, as a table and plots."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reid.benchmarks import open_benchmark
from reid.methods import MethodConfig
from reid.progress import Progress, unheard
from reid.traceless import new_figure
from reid.training.benchmark import train_benchmark
from reid.training.errors import TrainingError
from reid.training.run_folder import Result
from reid.training.settings import Changes, Settings

log = logging.getLogger("sightline")

SCORES = {"mAP": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10", "mINP": "mINP"}
TESTS = 10  # during a run, for the plot
BATCH = 60  # images a step, UGA's and EEA's
BUDGET = ("epochs", "batch", "epoch")  # fields of a recipe that a comparison decides


@dataclass(frozen=True)
class Contender:
    """A method, with changes or without, and what became of it with each seed."""

    label: str
    config: MethodConfig
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


def contender_named(label: str, lines: Iterable[str], preset_name: str, **settings: Any) -> Settings:
    """The settings of `name` or `name:FIELD=VALUE,…`.

    Args:
        label: As it is called in the table.
        lines: Changes for all methods, `NAME=VALUE`. The label's own come after them.
        preset_name: Of the method's presets.
        settings: Further fields, as for `Settings.of`.

    Raises:
        TrainingError: There is no such method, or a change is not of that form.
    """
    name, _, own = label.partition(":")
    try:
        changes = Changes.parse([*lines, *filter(None, own.split(","))])
        return Settings.of(name, preset_name, changes, **settings)
    except TrainingError as error:
        raise TrainingError(f"--methods {label}: {error}") from error


def contenders_named(
    labels: Sequence[str], lines: Sequence[str], preset_name: str, **settings: Any
) -> dict[str, Settings]:
    """Settings by label, with one budget: the same number of images a step, and of steps.

    A line or label may name another batch. The table tells what each had.

    Args:
        labels: Of the methods.
        lines: Changes for all.
        preset_name: Of each method's presets.
        settings: Further fields of all, `data` and `protocol` among them.

    Raises:
        TrainingError: As `contender_named` does.
        BenchmarkError: The data can't be read.
    """
    recipes = [contender_named(label, lines, preset_name, **settings).config.recipe for label in labels]
    tracklets = open_benchmark(settings["data"], settings["protocol"]).train.tracklets
    batch = common_batch([recipe.frames for recipe in recipes], len({tracklet.camera for tracklet in tracklets}))
    budget = [f"recipe.batch={batch}", "recipe.epoch=images"]
    return {label: contender_named(label, [*budget, *lines], preset_name, **settings) for label in labels}


def common_batch(frames: Sequence[int], cameras: int) -> int:
    """The smallest batch of at least BATCH images that is whole tracklets, as many of each camera, for all.

    Args:
        frames: Images of a tracklet in a step, of each method.
        cameras: How many there are.
    """
    unit = math.lcm(*frames) * cameras
    return unit * math.ceil(BATCH / unit)


def deviations(config: MethodConfig) -> list[str]:
    """What settings have otherwise than the paper, `NAME=VALUE` each. The budget is none of it."""
    faithful = config.faithful()
    return changed_fields(config, faithful, but=("recipe",)) + [
        f"recipe.{change}" for change in changed_fields(config.recipe, faithful.recipe, but=BUDGET)
    ]


def changed_fields(values: Any, printed: Any, but: Sequence[str]) -> list[str]:
    """`NAME=VALUE` of the fields of two dataclasses of one kind that differ."""
    names = [entry.name for entry in dataclasses.fields(values) if entry.name not in but]
    return [f"{name}={getattr(values, name)}" for name in names if getattr(values, name) != getattr(printed, name)]


def compare(
    contenders: Mapping[str, Settings],
    seeds: Sequence[int],
    out: Path,
    *,
    all_splits: bool = False,
    test_every: int = 0,
    progress: Progress = unheard,
) -> list[Contender]:
    """Trains each contender with each of `seeds`.

    Args:
        contenders: Settings by label. All have the same number of epochs.
        seeds: They take the place of the settings' own.
        out: A folder for the runs, and for the crops that they share.
        all_splits: On each random split of the data, as PRID2011 and iLIDS-VID have ten. Means are over all of them.
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
        for split, seed in itertools.product(splits_of(settings, all_splits), seeds):
            trial = f"{f'-split{split}' if all_splits else ''}-seed{seed}"
            folder = out / f"{re.sub(r'[^A-Za-z0-9.=,_-]+', '-', label)}{trial}"
            crops = out / (f"crops-split{split}" if all_splits else "crops")
            log.info("%s%s", label, trial.replace("-", ", "))
            seeded, every = dataclasses.replace(settings, seed=seed), test_every or max(1, epochs // TESTS)
            if all_splits:
                seeded = dataclasses.replace(seeded, data=on_split(settings.data, split))
            results.append(train_benchmark(seeded, folder, crops=crops, test_every=every, progress=progress))
            lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
            logs.append([line for line in lines if "epoch" in line])
        trained.append(Contender(label, settings.config, results, logs))
    return trained


def splits_of(settings: Settings, all_splits: bool) -> range:
    """The numbers of the data's splits, or just one."""
    return range(open_benchmark(settings.data, settings.protocol).splits if all_splits else 1)


def on_split(data: str, split: int) -> str:
    """`set:DIR` as `set@SPLIT:DIR`. Raises TrainingError where a split is named already."""
    name, _, folder = data.partition(":")
    if "@" in name:
        raise TrainingError(f"{data} names one split already, so not all of them can be taken")
    return f"{name}@{split}:{folder}"


def table(contenders: Sequence[Contender]) -> str:
    """Markdown. Figures are means ± standard deviations over the runs, in percent, but for counts and times."""
    tested = any(contender.results[0].final for contender in contenders)
    counts = ("steps", "images", "seconds", "images/s")
    heads = ["method", "otherwise than printed", *(SCORES.values() if tested else ()), "true associations", *counts]
    rows = []
    starts = {contender.results[0].start["mAP"] for contender in contenders if contender.results[0].start}
    if len(starts) == 1:  # the same encoder for all: what it does untrained
        scores = [percent(contenders[0].spread(name, "start")) for name in SCORES]
        rows.append(["*untrained*", "", *scores, *[""] * 5])
    for contender in contenders:
        scores = [percent(contender.spread(name)) for name in SCORES] if tested else []
        steps, images, seconds, speed = (
            f"{statistics.fmean(getattr(result, name) for result in contender.results):.0f}"
            for name in ("steps", "images", "seconds", "images_per_second")
        )
        precision = percent(contender.last("association_precision"))
        changed = ", ".join(deviations(contender.config)) or "nothing"
        rows.append([contender.label, changed, *scores, precision, steps, images, seconds, speed])
    rule = ["---"] * 2 + ["---:"] * (len(heads) - 2)
    lines = "".join("| " + " | ".join(row) + " |\n" for row in (heads, rule, *rows))
    return f"{lines}\n{budget(contenders)}\n"


def budget(contenders: Sequence[Contender]) -> str:
    """One sentence: whether all had the same number of images and of steps."""
    budgets = {(result.steps, result.images) for contender in contenders for result in contender.results}
    if len(budgets) > 1:
        return "Budgets differ: see the columns of steps and images."
    ((steps, images),) = budgets
    return f"Each run had {steps:,} steps and {images:,} images."


def percent(spread: tuple[float, float] | None) -> str:
    """`41.2 ± 0.3`, of shares, and nothing where there is nothing."""
    return "" if spread is None else f"{100 * spread[0]:.1f} ± {100 * spread[1]:.1f}"


def plots(contenders: Sequence[Contender], out: Path) -> list[Path]:
    """`mAP.png`, over time, where there was a test, and `associations.png`, how many and how many of them true."""
    try:
        figure = new_figure(7, 4.5)
    except ImportError:
        log.warning("no plots: matplotlib is not installed")
        return []
    written = []
    if any(contender.curve("mAP") for contender in contenders):
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
        figure = new_figure(7, 6)
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
