"""Trains several methods under one budget: `python -m reid.compare --data market1501:DIR --methods utal eea --epochs 20
--out DIR`.

Every run has as many epochs, and an epoch as many images, whatever the method's paper says. A method may be given with
changes, `eea:inter=False,scale=20`, so ablations are comparisons too. Writes `compare.md`, a table of means and
spreads over the seeds, `compare.json`, and the plots `mAP.png` and `associations.png`. The same command goes on where
it was stopped; a run that is done is not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid.progress import Bars, Progress, unheard
from reid.ranks import rank
from reid.run import TrainingError
from reid.train import Result, Settings, add_arguments, change, run, settings_of, train_benchmark
from reid.whole_file import write_whole

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

    def spread(self, name: str, part: str = "final") -> tuple[float, float] | None:
        """Mean and standard deviation of a score over the seeds; None where there is nothing to test with."""
        found = [scores[name] for result in self.results if (scores := getattr(result, part)) is not None]
        return mean_and_spread(found)

    def last(self, name: str) -> tuple[float, float] | None:
        """The same of what the log tells of the last epoch that has it."""
        found = [[line[name] for line in lines if name in line] for lines in self.epochs]
        return mean_and_spread([values[-1] for values in found if values])

    def curve(self, name: str) -> list[tuple[float, float, float]]:
        """Epoch, seconds and value, means over the seeds, of all epochs that tell it."""
        points = []
        for lines in zip(*self.epochs):
            told = [line for line in lines if name in line]
            if told:
                seconds, values = ([line[key] for line in told] for key in ("seconds", name))
                points.append((float(told[0]["epoch"]), statistics.fmean(seconds), statistics.fmean(values)))
        return points


def mean_and_spread(values: Sequence[float]) -> tuple[float, float] | None:
    """Spread: the standard deviation of a sample; 0 of a single one."""
    if not values:
        return None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def compare(
    settings: Settings,
    methods: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    test_every: int | None = None,
    progress: Progress = unheard,
) -> list[Contender]:
    """Trains `methods` (`name` or `name:FIELD=VALUE,…`) with each of `seeds`, all else as in `settings`.

    Raises what `reid.train.train_benchmark` raises, TrainingError also before the first run where a later one could
    not start.
    """
    if settings.epochs is None:
        raise TrainingError("comparing needs a number of epochs, the same for all methods")
    planned = {}
    for label in methods:
        name, _, listed = label.partition(":")
        try:
            own = dict(change(part) for part in listed.split(",") if part)
        except argparse.ArgumentTypeError as error:
            raise TrainingError(f"--methods {label}: {error}") from error
        changes = {"recipe.epoch": "images", **settings.changes, **own}
        planned[label] = dataclasses.replace(settings, method=name, changes=changes)
        planned[label].config()
    contenders = []
    for label, of_method in planned.items():
        results, epochs = [], []
        for seed in seeds:
            folder = out / f"{re.sub(r'[^A-Za-z0-9.=,_-]+', '-', label)}-seed{seed}"
            log.info("%s, seed %d", label, seed)
            each = test_every or max(1, settings.epochs // TESTS)
            seeded = dataclasses.replace(of_method, seed=seed)
            result = train_benchmark(seeded, folder, crops=out / "crops", test_every=each, progress=progress)
            lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
            results.append(result)
            epochs.append([line for line in lines if "epoch" in line])
        contenders.append(Contender(label, results, epochs))
    return contenders


def table(contenders: Sequence[Contender], settings: Settings, seeds: Sequence[int]) -> str:
    """Markdown, figures in percent but for times."""
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
    lines = [
        f"{settings.data}, {settings.protocol}; {settings.preset}, from {settings.init}, {settings.epochs} epochs, "
        f"seeds {', '.join(map(str, seeds))}; mean ± standard deviation, %",
        "",
        *("| " + " | ".join(row) + " |" for row in (heads, ["---"] + ["---:"] * (len(heads) - 1), *rows)),
    ]
    return "\n".join(lines) + "\n"


def percent(spread: tuple[float, float] | None) -> str:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", required=True, metavar="METHOD[:FIELD=VALUE,…]")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add_arguments(parser)
    arguments = parser.parse_args()

    def program() -> None:
        settings, out = settings_of(arguments, method=""), arguments.out
        every = arguments.test_every
        with Bars() as progress:
            contenders = compare(settings, arguments.methods, arguments.seeds, out, test_every=every, progress=progress)
        if rank():
            return
        text = table(contenders, settings, arguments.seeds)
        found = {
            "table": str(out / "compare.md"),
            "plots": [str(path) for path in plots(contenders, out)],
            "runs": {c.label: [dataclasses.asdict(result) for result in c.results] for c in contenders},
        }
        write_whole(out / "compare.md", text)
        write_whole(out / "compare.json", json.dumps(found, indent=2) + "\n")
        print(json.dumps(found) if arguments.json else text)

    run(program)


if __name__ == "__main__":
    main()
