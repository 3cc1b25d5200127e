"""What ResNet-50 at the papers' size does in given minutes: `python -m bench.papers_size --data SET:DIR --out RUN`.

First the images/s of a training step: augmentation, ResNet-50, a classifier, Adam, the pictures on the device already.
fp32 is as PyTorch has it, on CUDA with convolutions in TF32. Then EEA and `merged` learn from DIR, each for as many
epochs as fit into half of the minutes; one epoch, tried before, tells how many. So the figures are those of so many
minutes on that machine, not the papers' epochs. RUN/figures.json is written anew after each part.
"""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import nn
from torch.nn import functional

from reid.augment import augment
from reid.command import print_json, run
from reid.encoder import Backbone, EncoderConfig, new_encoder
from reid.train import BROKE_OFF, CANNOT_START, DataOption
from reid.training import Result, Settings, pixels, preset, train_benchmark

METHODS = ("eea", "merged")
CLASSES = 751  # of the classifier in the step: Market-1501's people
STEP_SHARE = 0.04  # of the minutes, for each precision
WARM_UP = 5  # steps that are not counted
MARGIN = 1.25  # later epochs may take so much longer than the first one
TESTS = 4  # in a run, so that one that is cut off has scores


def step_speed(config: EncoderConfig, precision: str, batch: int, seconds: float, device: torch.device) -> float:
    """Images/s of training steps, after WARM_UP, over about so many seconds."""
    encoder = new_encoder(config, seed=0).to(device).train()
    classifier = nn.Linear(config.dimensions, CLASSES, bias=False).to(device)
    optimiser = torch.optim.Adam([*encoder.parameters(), *classifier.parameters()], 3.5e-4, fused=device.type == "cuda")
    dice = torch.Generator(device).manual_seed(0)
    size = (batch, config.height, config.width, 3)
    crops = torch.randint(0, 256, size, generator=dice, device=device, dtype=torch.uint8)
    people = torch.randint(0, CLASSES, (batch,), generator=dice, device=device)

    def step() -> None:
        pictures = augment(crops, config.height, config.width, dice)
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
    """Given that one epoch, `tried`, took `wall` seconds with all that is around it."""
    return max(1, math.floor((seconds - (wall - tried.seconds)) / (MARGIN * tried.seconds)))


def learn(settings: Settings, out: Path, seconds: float) -> dict[str, Any]:
    """Trains for as many epochs as fit, one tried before; scores are shares."""
    began = time.monotonic()
    crops, name = out / "crops", settings.config.method
    tried = train_benchmark(dataclasses.replace(settings, epochs=1), out / f"{name}-tried", crops=crops)
    wall = time.monotonic() - began
    epochs = epochs_that_fit(seconds - wall, tried, wall)
    result = train_benchmark(
        dataclasses.replace(settings, epochs=epochs), out / name, crops=crops, test_every=max(1, epochs // TESTS)
    )
    recipe = settings.config.recipe
    return {
        "epochs": epochs,
        "epochs_of_the_recipe": recipe.epochs,
        "batch": recipe.batch,
        "seconds": result.seconds,
        "seconds_with_all": round(time.monotonic() - began, 1),
        "images_per_second": result.images_per_second,
        "start": result.start,
        "final": result.final,
    }


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
    height, width = pixels(size)
    ends = time.monotonic() + 60 * minutes
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = EncoderConfig(backbone=backbone, head="embedding-l2", height=height, width=width)
    told: dict[str, Any] = {
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()} CPU",
        "torch": torch.__version__,
        "minutes": minutes,
        "backbone": backbone,
        "size": [height, width],
        "init": init,
        "batch_of_a_step": batch,
        "images_per_second_of_a_step": {},
    }

    def write() -> None:
        (out / "figures.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

    for precision in ("bf16", "fp32"):
        speed = step_speed(config, precision, batch, 60 * minutes * STEP_SHARE, device)
        told["images_per_second_of_a_step"][precision] = round(speed, 1)
        write()
    for number, method in enumerate(METHODS):
        seconds = (ends - time.monotonic()) / (len(METHODS) - number)
        settings = Settings(preset(method), data, init=init, backbone=backbone, size=(height, width))
        told[method] = learn(settings, out, seconds)
        write()
    print_json(told)


def main() -> None:
    """Runs the command as a program."""
    run(command, lambda: CANNOT_START, BROKE_OFF)


if __name__ == "__main__":
    main()
