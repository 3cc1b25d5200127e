"""Trains several methods under one budget.

    python -m reid.compare --data market1501:DIR --methods utal eea --epochs 20 --out DIR

Every run has as many steps, and a step as many images, whatever the method's paper says. A method may be given with
changes, `eea:inter=False,scale=20`. So ablations are comparisons too, and so are noise experiments:
`eea:noise.duplicated=0.1`. It writes `compare.md`, a table of means and spreads over the seeds. It also writes
`compare.json` and the plots `mAP.png` and `associations.png`. The same command goes on where it was stopped. A run that
is done is not done again.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from reid.benchmarks.parts import RAW
from reid.command import JsonOption, errors, output, print_json, run
from reid.progress import Bars
from reid.train import (
    BROKE_OFF,
    CANNOT_START,
    AccumulateOption,
    BackboneOption,
    CompileOption,
    DataOption,
    EpochsOption,
    HeadOption,
    InitOption,
    OutOption,
    PrecisionOption,
    PresetOption,
    ProtocolOption,
    SetOption,
    SizeOption,
    TestEveryOption,
)
from reid.training import TrainingError, pixels
from reid.training.comparison import compare, contenders_named, plots, table
from reid.training.ranks import rank, ranks_of_torchrun
from reid.whole_file import write_whole

SEEDS = (0, 1, 2)


def command(
    data: DataOption,
    methods: Annotated[list[str], typer.Option(metavar="METHOD[:FIELD=VALUE,…] …", help="One or several.")],
    out: OutOption,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    seeds: Annotated[list[int] | None, typer.Option(help="One or several; default: 0 1 2.")] = None,
    all_splits: Annotated[bool, typer.Option("--all-splits", help="On each random split that the data has.")] = False,
    protocol: ProtocolOption = RAW,
    preset_name: PresetOption = "practical",
    init: InitOption = "base",
    backbone: BackboneOption = None,
    head: HeadOption = None,
    size: SizeOption = None,
    epochs: EpochsOption = None,
    changes: SetOption = None,
    accumulate: AccumulateOption = 1,
    precision: PrecisionOption = "auto",
    compiled: CompileOption = False,
    test_every: TestEveryOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train several methods under one budget and put them into one table. Safe to interrupt."""
    labels, chosen_seeds = dealt(methods, seeds or [], more or [])
    contenders = contenders_named(
        labels,
        changes or [],
        preset_name,
        data=data,
        protocol=protocol,
        epochs=epochs,
        init=init,
        backbone=backbone,
        head=head,
        size=None if size is None else pixels(size),
        accumulate=accumulate,
        precision=precision,
        compile=compiled,
    )
    with ranks_of_torchrun():
        with Bars(errors) as progress:
            trained = compare(
                contenders, chosen_seeds, out, all_splits=all_splits, test_every=test_every, progress=progress
            )
        if rank():
            return
    heading = (
        f"{data}, {protocol}; {preset_name}, from {init}, {epochs} epochs, seeds {', '.join(map(str, chosen_seeds))}; "
        "mean ± standard deviation, %"
    )
    text = f"{heading}\n\n{table(trained)}"
    report = {
        "table": str(out / "compare.md"),
        "plots": [str(path) for path in plots(trained, out)],
        "runs": {
            contender.label: [dataclasses.asdict(result) for result in contender.results] for contender in trained
        },
    }
    write_whole(out / "compare.md", text)
    write_whole(out / "compare.json", json.dumps(report, indent=2) + "\n")
    if as_json:
        print_json(report)
    else:
        for line in text.splitlines():
            output.print(line)


def dealt(methods: list[str], seeds: list[int], more: list[str]) -> tuple[list[str], list[int]]:
    """Methods and seeds of `--methods utal eea --seeds 0 1`.

    An option takes one word, and leaves the others to `more`. No method's name is a number, so they can be told apart.
    """
    numbers = [int(word) for word in more if word.isdecimal()]
    if numbers and not seeds:
        raise TrainingError(f"{numbers[0]} is no method: give seeds with --seeds")
    return [*methods, *(word for word in more if not word.isdecimal())], [*seeds, *numbers] or list(SEEDS)


def main() -> None:
    """Runs the command as a program."""
    run(command, lambda: CANNOT_START, BROKE_OFF)


if __name__ == "__main__":
    main()
