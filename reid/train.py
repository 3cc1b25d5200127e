"""Learns an encoder from tracklets: `python -m reid.train --data market1501:DIR --method eea --out RUN`.

Started with `torchrun --nproc-per-node N -m reid.train …`, N ranks share each batch. `reid.training` is the library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid.benchmarks.parts import RAW, BenchmarkError, Protocol
from reid.command import JsonOption, errors, output, print_json, run
from reid.encoder import Backbone, EncoderError, Head
from reid.evaluate import EvaluationError
from reid.progress import Bars
from reid.tracklets import DatasetError
from reid.training import Changes, Diverged, Settings, TrainingError, pixels, train_benchmark
from reid.training.ranks import rank, ranks_of_torchrun
from reid.training.settings import PrecisionName

CANNOT_START = (TrainingError, BenchmarkError, DatasetError, EncoderError, EvaluationError)
BROKE_OFF = (Diverged,)

DataOption = Annotated[str, typer.Option(help="SET:FOLDER, as market1501:DIR or folder-of-tracklets:DIR.")]
OutOption = Annotated[Path, typer.Option(help="The run's folder; the same command goes on in it.")]
ProtocolOption = Annotated[Protocol, typer.Option(help="What counts as a tracklet.")]
PresetOption = Annotated[
    str,
    typer.Option(
        "--preset",
        help="practical is the method as it works, faithful as printed. Some have more: faithful-mars of eea, "
        "faithful-video of ssl, faithful-small of dal.",
    ),
]
InitOption = Annotated[str, typer.Option(help="base, random, imagenet, or a safetensors file.")]
BackboneOption = Annotated[Backbone | None, typer.Option(help="Where weights don't tell it; default: light.")]
HeadOption = Annotated[Head | None, typer.Option(help="A new one instead of the weights' own.")]
SizeOption = Annotated[
    str | None, typer.Option(metavar="HEIGHTxWIDTH", help="Of crops, px; default: what the weights are for.")
]
EpochsOption = Annotated[int | None, typer.Option(help="Default: the method's recipe.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A field of the method's settings, recipe.FIELD, encoder.FIELD or noise.FIELD; may be repeated.",
    ),
]
AccumulateOption = Annotated[int, typer.Option(help="Parts in which a batch goes through the encoder.")]
PrecisionOption = Annotated[PrecisionName, typer.Option(help="auto: bf16 on CUDA, else fp32.")]
CompileOption = Annotated[bool, typer.Option("--compile", help="With torch.compile.")]
TestEveryOption = Annotated[int, typer.Option(metavar="N", help="Scores every N epochs, for the log only.")]


def command(
    data: DataOption,
    method: Annotated[str, typer.Option(help="utal, uga, eea, ssl, dal, merged, single-task or supervised.")],
    out: OutOption,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
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
    """Learn an encoder from a benchmark's tracklets, by one method. Safe to interrupt."""
    settings = Settings.of(
        method,
        preset_name,
        Changes.parse(changes or []),
        data=data,
        protocol=protocol,
        epochs=epochs,
        seed=seed,
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
            result = train_benchmark(settings, out, test_every=test_every, progress=progress)
        if rank():
            return
    if as_json:
        print_json(result)
        return
    output.print(f"{result.method}: {result.epochs} epochs in {result.seconds:.0f} s")
    if result.start and result.final:
        for name in ("mAP", "rank1"):
            output.print(f"{name} {100 * result.start[name]:.1f} → {100 * result.final[name]:.1f} %")
    output.print(result.model)


def main() -> None:
    """Runs the command as a program."""
    run(command, lambda: CANNOT_START, BROKE_OFF)


if __name__ == "__main__":
    main()
