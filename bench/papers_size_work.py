"""What bench.papers_size does, for a machine that has neither Typer nor rich.

`python -m bench.papers_size_work --data SET:DIR --out RUN` takes the options of bench.papers_size.

First come the images/s of a training step. It has augmentation, ResNet-50, a classifier and Adam, with the pictures on
the device already. Its fp32 is as PyTorch has it, on CUDA with convolutions in TF32. Then EEA and `merged` learn, each
for as many epochs as fit into half of the minutes. One epoch, tried before, tells how many.
"""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from reid.augment import augment
from reid.benchmarks.parts import BenchmarkError
from reid.encoder import Backbone, EncoderConfig, EncoderError, new_encoder
from reid.evaluate import EvaluationError
from reid.tracklets import DatasetError
from reid.training import Diverged, Result, Settings, TrainingError, pixels, preset, train_benchmark

METHODS = ("eea", "merged")
CLASSES = 751  # of the classifier in the step: Market-1501's people
STEP_SHARE = 0.04  # of the minutes, for each precision
WARM_UP = 5  # steps that are not counted
MARGIN = 1.25  # later epochs may take so much longer than the first one
TESTS = 4  # in a run, so that one that is cut off has scores
CANNOT_START = (BenchmarkError, DatasetError, EncoderError, EvaluationError, TrainingError)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried, and for how long. The fields are the command's options."""

    data: str  # SET:DIR
    out: Path  # gets crops, runs and figures.json
    minutes: float = 7.5  # in all
    backbone: str = "resnet50"  # of step and runs
    size: str = "256x128"  # HEIGHTxWIDTH of crops, px
    batch: int = 128  # of the step alone, as the methods have their own
    init: str = "random"  # random, imagenet, or a safetensors file


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """What a method did in its part of the minutes. Scores are shares."""

    epochs: int
    epochs_of_the_recipe: int
    batch: int
    seconds: float  # of training
    seconds_with_all: float  # crops, the epoch tried before and tests included
    images_per_second: float
    start: dict[str, float] | None
    final: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """All that a trial measured. Parts that are not done yet are missing."""

    machine: str
    torch: str
    minutes: float
    backbone: str
    size: tuple[int, int]  # height and width, px
    init: str
    batch_of_a_step: int
    images_per_second_of_a_step: dict[str, float] = dataclasses.field(default_factory=dict)  # by precision
    methods: dict[str, MethodFigures] = dataclasses.field(default_factory=dict)

    def write(self, out: Path) -> None:
        """Writes figures.json anew."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        (out / "figures.json").write_text(text + "\n", encoding="utf-8")


def step_speed(config: EncoderConfig, precision: str, batch: int, seconds: float, device: torch.device) -> float:
    """Images/s of training steps, after WARM_UP, over about so many seconds."""
    encoder = new_encoder(config, seed=0).to(device).train()
    classifier = nn.Linear(config.dimensions, CLASSES, bias=False).to(device)
    optimiser = torch.optim.Adam([*encoder.parameters(), *classifier.parameters()], 3.5e-4, fused=device.type == "cuda")
    generator = torch.Generator(device).manual_seed(0)
    size = (batch, config.height, config.width, 3)
    crops = torch.randint(0, 256, size, generator=generator, device=device, dtype=torch.uint8)
    people = torch.randint(0, CLASSES, (batch,), generator=generator, device=device)

    def step() -> None:
        pictures = augment(crops, config.height, config.width, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = classifier(encoder(pictures))
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(logits.float(), people).backward()
        optimiser.step()

    def clock() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.monotonic()

    for _ in range(WARM_UP):
        step()
    began, steps = clock(), 0
    while (passed := clock() - began) < seconds or not steps:  # waits after each step, which costs 1 % or so
        step()
        steps += 1
    return steps * batch / passed


def epochs_that_fit(seconds: float, tried: Result, wall: float) -> int:
    """How many epochs fit into so many seconds.

    Args:
        seconds: What is left.
        tried: A run of one epoch.
        wall: Seconds that it took with all that is around it.
    """
    return max(1, math.floor((seconds - (wall - tried.seconds)) / (MARGIN * tried.seconds)))


def learn(settings: Settings, out: Path, seconds: float) -> MethodFigures:
    """Trains for as many epochs as fit, one tried before."""
    began = time.monotonic()
    crops, name = out / "crops", settings.config.method
    tried = train_benchmark(dataclasses.replace(settings, epochs=1), out / f"{name}-tried", crops=crops)
    wall = time.monotonic() - began
    epochs = epochs_that_fit(seconds - wall, tried, wall)
    result = train_benchmark(
        dataclasses.replace(settings, epochs=epochs), out / name, crops=crops, test_every=max(1, epochs // TESTS)
    )
    recipe = settings.config.recipe
    return MethodFigures(
        epochs=epochs,
        epochs_of_the_recipe=recipe.epochs,
        batch=recipe.batch,
        seconds=result.seconds,
        seconds_with_all=round(time.monotonic() - began, 1),
        images_per_second=result.images_per_second,
        start=result.start,
        final=result.final,
    )


def measure(trial: Trial) -> TrialFigures:
    """Runs a trial. figures.json is there after each part."""
    ends = time.monotonic() + 60 * trial.minutes
    height, width = pixels(trial.size)
    backbone = cast(Backbone, trial.backbone)  # EncoderConfig says which there are
    config = EncoderConfig(backbone=backbone, head="embedding-l2", height=height, width=width)
    trial.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    figures = TrialFigures(
        machine=torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()} CPU",
        torch=torch.__version__,
        minutes=trial.minutes,
        backbone=trial.backbone,
        size=(height, width),
        init=trial.init,
        batch_of_a_step=trial.batch,
    )
    for precision in ("bf16", "fp32"):
        speed = step_speed(config, precision, trial.batch, 60 * trial.minutes * STEP_SHARE, device)
        figures.images_per_second_of_a_step[precision] = round(speed, 1)
        figures.write(trial.out)
    for number, method in enumerate(METHODS):
        seconds = (ends - time.monotonic()) / (len(METHODS) - number)
        settings = Settings(preset(method), trial.data, init=trial.init, backbone=backbone, size=(height, width))
        figures.methods[method] = learn(settings, trial.out, seconds)
        figures.write(trial.out)
    return figures


def trial_of(words: list[str]) -> Trial:
    """The trial that pairs of `--option` and value ask for."""
    values = {option.removeprefix("--"): value for option, value in zip(words[::2], words[1::2], strict=True)}
    fields = {field.name for field in dataclasses.fields(Trial)}
    if unknown := set(values) - fields:
        raise TrainingError(f"There is no option --{min(unknown)}: there are {', '.join(sorted(fields))}.")
    trial = Trial(**values)  # type: ignore[arg-type]
    return dataclasses.replace(trial, out=Path(trial.out), minutes=float(trial.minutes), batch=int(trial.batch))


def main() -> None:
    """Runs a trial and prints its figures."""
    try:
        print(json.dumps(dataclasses.asdict(measure(trial_of(sys.argv[1:]))), indent=2))
    except (*CANNOT_START, Diverged) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, Diverged) else 2)


if __name__ == "__main__":
    main()
