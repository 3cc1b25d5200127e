"""Whether an encoder learns people better from ImageNet's weights than from random ones, and at what speed.

People are rendered once. Each contender learns from the same crops as `base` does (`deploy.models.base`): its loss,
batches and seed. Of several rates that is chosen which tells the held-out rendered people best. Market is searched only
with the chosen.

From ImageNet a larger network learns, which takes longer for an image. So the shape of `base` learns once more, for as
many epochs as fit in the time of the slowest. Times are of the processor: other work beside hardly changes them.

`--market` is Market-1501's layout, as in `bench.encoder`. The weights come with the extra `models` of pyproject.toml.
The same command goes on where it was stopped.

    python -m bench.first_weights --market DIR --out RUN
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from app.terminal import JsonOption, print_json
from bench.encoder import Embed, LabelledCrops, measure, read_market, resized_to
from bench.terminal import print_table, run
from deploy.encoder import OnnxError, open_encoder
from deploy.models import MakingError, OtherRunError
from deploy.models.base import RECIPE, SHAPE, Crops, Recipe, Trained, export_checked, read_log, render, train
from reid.benchmarks.parts import BenchmarkError
from reid.command import errors
from reid.encoder import Encoder, EncoderConfig, EncoderError, new_encoder, save_encoder
from reid.evaluate import EvaluationError, RetrievalScores
from reid.progress import Bars, Progress

RATES = (RECIPE.learning_rate, RECIPE.learning_rate / 4)  # the second as trained weights mostly want it


@dataclass(frozen=True)
class Contender:
    """What learns, from which weights, at which rates."""

    encoder: EncoderConfig
    init: Literal["random", "imagenet"]
    rates: tuple[float, ...]


CONTENDERS = {
    "base, random": Contender(SHAPE, "random", RATES[:1]),
    "MobileNetV2, ImageNet": Contender(EncoderConfig(backbone="mobilenet_v2"), "imagenet", RATES),
    "EfficientNet-Lite0, ImageNet": Contender(EncoderConfig(backbone="efficientnet_lite0"), "imagenet", RATES),
    "EfficientNet-Lite0, random": Contender(EncoderConfig(backbone="efficientnet_lite0"), "random", RATES[:1]),
}


@dataclass(frozen=True)
class Course:
    """One training of one contender, and what came of it."""

    contender: str
    recipe: Recipe
    encoder: Encoder
    trained: Trained

    @property
    def seconds(self) -> float:
        """Of the processor, of the training alone."""
        return self.trained.images / self.trained.images_per_cpu_second


@dataclass(frozen=True, slots=True)
class Row:
    """What the table has of a course."""

    contender: str
    parameters: int
    learning_rate: float
    epochs: int
    minutes: float
    trained: Trained
    market: RetrievalScores | None
    """None where another rate was chosen."""
    crops_per_cpu_second: float | None


def file_name(contender: str) -> str:
    """A contender's name as that of a file."""
    return re.sub(r"\W+", "-", contender).lower()


def learn(
    name: str, contender: Contender, recipe: Recipe, crops: Crops, out: Path, seed: int, progress: Progress
) -> Course:
    """Trains a contender, or goes on where it was stopped."""
    recipe = replace(recipe, encoder=contender.encoder, init=contender.init)
    folder = out / f"{file_name(name)}-{recipe.learning_rate:g}-{recipe.epochs}"
    folder.mkdir(exist_ok=True)
    errors.print(f"{name}, learning rate {recipe.learning_rate:g}, {recipe.epochs} epochs")
    encoder = train(crops, folder, recipe, seed, progress)
    return Course(name, recipe, encoder, read_log(folder, recipe))


def exported(encoder: Encoder, folder: Path, name: str) -> Embed:
    """The encoder as ONNX on one thread."""
    weights, onnx = folder / f"{name}.safetensors", folder / f"{name}.onnx"
    save_encoder(encoder, weights)
    export_checked(weights, onnx)
    return resized_to(open_encoder(onnx, threads=1))


def compare(
    crops: Crops, market: tuple[LabelledCrops, LabelledCrops], out: Path, recipe: Recipe, seed: int, progress: Progress
) -> list[Row]:
    """Trains all and searches on Market with the chosen.

    Args:
        crops: Rendered people.
        market: Queries and gallery.
        out: Where each course has a folder.
        recipe: Of all; encoder, first weights and rate are the contenders'.
        seed: Of everything random.
        progress: Hears of steps.

    Returns:
        A row for each course, in their order.
    """
    courses: list[Course] = []
    chosen: dict[str, Course] = {}
    for name, contender in CONTENDERS.items():
        tried = [
            learn(name, contender, replace(recipe, learning_rate=rate), crops, out, seed, progress)
            for rate in contender.rates
        ]
        courses += tried
        chosen[name] = max(tried, key=lambda course: course.trained.mAP)
    first, contender = next(iter(CONTENDERS.items()))
    longest = max(course.seconds for course in chosen.values())
    epochs = round(recipe.epochs * longest / chosen[first].seconds)
    if epochs > recipe.epochs:
        name = f"{first}, longer"
        chosen[name] = learn(name, contender, replace(recipe, epochs=epochs), crops, out, seed, progress)
        courses.append(chosen[name])
    embeds = {name: exported(course.encoder, out, file_name(name)) for name, course in chosen.items()}
    report = measure(embeds, {"market": market})

    def row(course: Course) -> Row:
        name, is_chosen = course.contender, course is chosen[course.contender]
        return Row(
            contender=name,
            parameters=course.encoder.parameter_count,
            learning_rate=course.recipe.learning_rate,
            epochs=course.recipe.epochs,
            minutes=course.seconds / 60,
            trained=course.trained,
            market=report.scores[name]["market"] if is_chosen else None,
            crops_per_cpu_second=report.crops_per_cpu_second[name] if is_chosen else None,
        )

    return [row(course) for course in courses]


def cells(row: Row) -> tuple[str, ...]:
    """As a table has them."""
    trained, market, speed = row.trained, row.market, row.crops_per_cpu_second
    return (
        row.contender,
        f"{row.parameters / 1e6:.2f} M",
        f"{row.learning_rate:g}",
        f"{trained.images:,}",
        f"{trained.images_per_cpu_second:.0f}",
        f"{row.minutes:.1f}",
        f"{100 * trained.mAP:.1f} / {100 * trained.rank1:.1f}",
        "–" if market is None else f"{100 * market.mAP:.1f} / {100 * market.rank1:.1f}",
        "–" if speed is None else f"{speed:.0f}",
    )


def command(
    market: Annotated[Path, typer.Option(help="A folder of Market-1501's layout.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: crops, and a folder for each training.")],
    people: Annotated[int, typer.Option(help="Rendered; the last 64 or more only validate.", min=256)] = 512,
    epochs: Annotated[int, typer.Option(help="Each shows every crop once.", min=1)] = 4,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that render.", min=1)] = 1,
    as_json: JsonOption = False,
) -> None:
    """Compare ImageNet's weights with random ones as the start of an encoder."""
    torch.set_num_threads(1)
    recipe = replace(RECIPE, people=people, epochs=epochs)
    sets = read_market(market / "query"), read_market(market / "bounding_box_test")
    for contender in CONTENDERS.values():  # weights that are not installed are missed now, not after an hour
        new_encoder(contender.encoder, seed=seed, init=contender.init)
    with Bars(errors) as progress:
        render(out / "crops", recipe, seed, workers, progress)
        rows = compare(Crops(out / "crops"), sets, out, recipe, seed, progress)
    if as_json:
        print_json(rows)
        return
    heads = (
        "",
        "parameters",
        "learning rate",
        "images shown",
        "images/s",
        "minutes of training",
        "held out: mAP / rank-1",
    )
    print_table((*heads, "Market: mAP / rank-1", "crops/s, one thread"), map(cells, rows))


if __name__ == "__main__":
    run(
        command,
        BenchmarkError,
        EncoderError,
        EvaluationError,
        OnnxError,
        OtherRunError,
        broke_off=(MakingError,),
    )
