"""What ResNet-50 at the papers' size does in given minutes.

First come the images/s of a training step. Then EEA and `merged` learn from DIR, each for as many epochs as fit into
half of the minutes. So the figures are those of so many minutes on that machine, not the papers' epochs.
RUN/figures.json is written anew after each part. `bench.papers_size_work` is the same without Typer.

    python -m bench.papers_size --data SET:DIR --out RUN
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.terminal import print_json
from bench.papers_size_work import CANNOT_START, Trial, measure
from bench.terminal import run
from reid.encoder import Backbone
from reid.train import DataOption
from reid.training import Diverged


def command(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="A new folder for crops, runs and figures.json.")],
    minutes: Annotated[float, typer.Option(help="In all.")] = 7.5,
    backbone: Annotated[Backbone, typer.Option(help="Of step and runs.")] = "resnet50",
    size: Annotated[str, typer.Option(metavar="HEIGHTxWIDTH", help="Of crops, px.")] = "256x128",
    batch: Annotated[int, typer.Option(help="Of the step alone; the methods have their own.")] = 128,
    init: Annotated[str, typer.Option(help="random, imagenet, or a safetensors file.")] = "random",
) -> None:
    """Measure what ResNet-50 at the papers' size does in given minutes."""
    trial = Trial(data=data, out=out, minutes=minutes, backbone=backbone, size=size, batch=batch, init=init)
    print_json(measure(trial))


if __name__ == "__main__":
    run(command, *CANNOT_START, broke_off=(Diverged,))
