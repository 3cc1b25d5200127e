"""Makes `base` while its people are rendered: `python -m deploy.models.streamed --out RUN [--minutes 7.5]`.

For a machine with a GPU and many cores, rented for minutes. Processes render people (`sample_videos.world.crop_stream`)
all the time, and the encoder learns from those who are there. The loss is that of `deploy.models.base`, and no real
picture is used here either. The learning rate follows the clock: it is zero when the time is over.

RUN gets `base.safetensors` and `figures.json`, from the first minute on and anew each minute. It gets `log.jsonl`,
then `base.onnx` and the card `base.md`. Where the weights are there, the same command only exports them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deploy.models import MakingError, install
from deploy.models.base import (
    SHAPE,
    WARM_UP,
    WEIGHT_DECAY,
    Made,
    contrastive_loss,
    export_checked,
    files_of,
    identity_loss,
    resized,
    write_card,
    write_line,
)
from reid.augment import augment
from reid.command import JsonOption, errors, output, print_json, run
from reid.encoder import Encoder, EncoderConfig, new_encoder, save_encoder
from reid.evaluate import Embeddings, RetrievalScores, evaluate_retrieval
from reid.whole_file import write_whole
from sample_videos.world.crop_stream import Groups, Renderers

HELD_OUT = 0  # the group whose people only validate
ENDING = 0.05  # share of the minutes for the last validation and the files
SAVE_SECONDS = 60.0
LOG_EVERY = 50  # steps
LEARNING_RATE = 3e-3  # at its highest
MOST_GRADIENT = 5.0  # norm. One odd batch must not spoil a run that can't be repeated
WAIT_SECONDS = 0.05  # for people


@dataclass(frozen=True)
class Recipe:
    """What is rendered and how it is trained on. Raises ValueError where the numbers do not divide."""

    groups: Groups
    encoder: EncoderConfig
    people_a_part: int
    """A batch has parts, each of so many people of one group."""
    parts: int = 4
    """In a batch."""
    crops_a_person: int = 4
    """In a part, each from another camera."""
    looks: int = 24
    """Times that each crop is shown, on average, while people are still coming; then the GPU waits for more. Else it
    would learn the first people by heart. Once all people are there, there is no limit."""

    def __post_init__(self) -> None:
        if self.groups.styles % self.crops_a_person:
            raise ValueError(f"{self.groups.styles} cameras can't be dealt into hands of {self.crops_a_person}")
        if self.groups.people % self.people_a_part:
            raise ValueError(f"{self.groups.people} people can't be dealt into parts of {self.people_a_part}")


CROWD = Groups(count=260, people=96, styles=8, shots=2, height=160, width=80)
RECIPES = {
    "full": Recipe(CROWD, SHAPE, people_a_part=32),
    "tiny": Recipe(
        Groups(count=64, people=4, styles=2, shots=1, height=64, width=32),
        EncoderConfig(channels=(4, 8, 8, 8, 8), stripes=2, dimensions=16, height=64, width=32),
        people_a_part=4,
        parts=2,
        crops_a_person=2,
    ),
}


class Pool:
    """Crops of the groups that have come, in the device's memory. There is room for all that may come."""

    def __init__(self, groups: Groups, device: torch.device) -> None:
        self.groups = groups
        self.crops = torch.empty((groups.count, *groups.shape), dtype=torch.uint8, device=device)
        self.flat = self.crops.view(-1, *self.crops.shape[-3:])  # (all crops, height, width, 3)
        self.present: set[int] = set()

    def take_in(self, arrived: dict[int, Path]) -> None:
        """Those of the files that it does not have yet."""
        for number in sorted(arrived.keys() - self.present):
            self.crops[number] = torch.from_numpy(np.load(arrived[number]))
            self.present.add(number)

    def training(self) -> NDArray[np.int64]:
        """(G,) numbers of the groups to learn from."""
        return np.array(sorted(self.present - {HELD_OUT}), np.int64)

    def person(self, crop: Tensor) -> Tensor:
        """(N,) numbers of crops → whom they show, counted over all groups. A group is cameras × people × shots."""
        people, shots = self.groups.people, self.groups.shots
        return self.group(crop) * people + crop // shots % people

    def camera(self, crop: Tensor) -> Tensor:
        """(N,) → which camera, counted over all groups."""
        return crop // (self.groups.people * self.groups.shots)

    def group(self, crop: Tensor) -> Tensor:
        """(N,) → which group."""
        return crop // self.groups.crops


def deal(groups: NDArray[np.int64], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.int64]:
    """Batches that show every crop of some groups once, but for the last, too few.

    Each person's crops are dealt into hands, each from different cameras. A part has one hand of each of its people,
    who are of one group.

    Args:
        groups: (G,) their numbers.
        recipe: How large hands, parts and batches are.
        rng: Of the order.

    Returns:
        (batches, parts, crops of a part) numbers of crops.
    """
    styles, people, shots = recipe.groups.styles, recipe.groups.people, recipe.groups.shots
    everybody, hand = (len(groups), people), recipe.crops_a_person
    hands_a_person = styles * shots // hand
    # Each person goes `shots` times through all cameras, each time in another order, each time to another crop.
    style = rng.permuted(np.tile(np.arange(styles), (*everybody, shots, 1)), axis=-1)
    shot = rng.permuted(np.tile(np.arange(shots), (*everybody, styles, 1)), axis=-1).swapaxes(2, 3)
    shot = np.take_along_axis(shot, style, axis=-1)
    person = np.arange(people)[None, :, None, None]
    crop = ((groups[:, None, None, None] * styles + style) * people + person) * shots + shot
    hands = crop.reshape(*everybody, hands_a_person, hand).swapaxes(1, 2)  # groups × hands of a person × people × crops
    order = rng.permuted(np.tile(np.arange(people), (*hands.shape[:2], 1)), axis=-1)
    hands = np.take_along_axis(hands, order[..., None], axis=2)
    parts = rng.permutation(hands.reshape(-1, recipe.people_a_part * hand))
    return parts[: len(parts) // recipe.parts * recipe.parts].reshape(-1, recipe.parts, parts.shape[1])


class Training(nn.Module):
    """What learns: the encoder, and a prototype of each person who may come.

    People are told from those of their own group only. So prototypes of people who are not there yet change nothing.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.encoder = new_encoder(recipe.encoder, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        shape = recipe.groups.count, recipe.groups.people, recipe.encoder.dimensions
        self.prototypes = nn.Parameter(torch.randn(shape, generator=generator))

    def loss(self, pool: Pool, batch: Tensor, pictures: Tensor) -> Tensor:
        """(2,) identity and contrastive loss of a batch (parts, crops of a part), and its pictures (N, H, W, 3)."""
        crop = batch.flatten()
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=batch.is_cuda):
            embeddings = self.encoder(pictures)
        prototypes = functional.normalize(self.prototypes[pool.group(batch[:, 0])], dim=2)  # parts × people × D
        cosines = (embeddings.unflatten(0, batch.shape) @ prototypes.mT).flatten(0, 1)
        person = pool.person(crop)
        identity = identity_loss(cosines, person % pool.groups.people, torch.ones_like(cosines, dtype=torch.bool))
        return torch.stack([identity, contrastive_loss(embeddings, person, pool.camera(crop), pool.group(crop))])


def learning_rate(share: float) -> float:
    """At `share` 0…1 of the training's time: up, then straight down to nothing.

    Straight, not by a cosine: half of the people come in the second half, and are to be learned too.
    """
    share = min(share, 1.0)
    return LEARNING_RATE * min(share / WARM_UP, (1 - share) / (1 - WARM_UP))


@dataclass
class Course:
    """How far a run is. All times are seconds since it began."""

    begun: float = dataclasses.field(default_factory=time.monotonic)
    first: float | None = None
    """When training began."""
    trained: float = 0.0
    """Spent on training, without waiting and validating."""
    steps: int = 0
    crops_shown: int = 0
    """Crops, each as often as it was shown."""

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.begun


def stream(out: Path, recipe: Recipe, seed: int, minutes: float, workers: int) -> list[str]:
    """Renders and trains for so many minutes, and writes weights, figures and log into `out`.

    Args:
        out: The run's folder.
        recipe: What is rendered and how it is trained on.
        seed: Of everything random but the time.
        minutes: Until weights and figures are there.
        workers: Processes that render.

    Returns:
        What became of each renderer that was lost: the others went on.

    Raises:
        MakingError: There are no people to learn from, or the loss is no number.
    """
    course = Course()
    ends = 60 * minutes * (1 - ENDING)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    log = out / "log.jsonl"
    log.unlink(missing_ok=True)
    with Renderers(out / "crops", recipe.groups, seed, workers) as renderers:
        network = Training(recipe, seed).to(device)
        optimiser = make_optimiser(network)
        pool = Pool(recipe.groups, device)
        before = renderers.arrived().keys()  # of an earlier run
        saved, lost = 0.0, list[str]()

        def save(*, finished: bool) -> None:
            scores = validate(network.encoder, pool)
            save_encoder(network.encoder, files_of(out)[0])
            report = figures(course, recipe, pool, len(pool.present - before), network.encoder, scores)
            report |= {"seed": seed, "renderers": workers, "lost_renderers": lost, "finished": finished}
            write_whole(out / "figures.json", json.dumps(report, indent=2) + "\n")
            write_line(log, {"step": course.steps, "people": report["people"], "validation": report["validation"]})

        while course.seconds < ends:
            lost = tell_new(renderers.lost(), lost)
            rendering = renderers.rendering()  # before the look at files: the last ones must not be missed
            pool.take_in(renderers.arrived())
            training = pool.training()
            crops = len(training) * recipe.groups.crops
            full_batch = recipe.parts * recipe.people_a_part * recipe.crops_a_person <= crops
            if not full_batch and not rendering:
                raise MakingError(
                    "\n".join(["there are too few people to learn from, and nobody renders more:", *lost])
                )
            if not full_batch or (rendering and course.crops_shown >= recipe.looks * crops):
                time.sleep(WAIT_SECONDS)
                continue
            batches = deal(training, recipe, np.random.default_rng([seed, course.steps]))
            if course.first is None:
                course.first = course.seconds
            began = time.monotonic()
            for batch in torch.from_numpy(batches).to(device):
                if course.seconds >= ends:
                    break
                rate = learning_rate((course.seconds - course.first) / (ends - course.first))
                losses = step(network, optimiser, pool, batch, rate, seed * 1_000_003 + course.steps)
                course.steps, course.crops_shown = course.steps + 1, course.crops_shown + batch.numel()
                if course.steps % LOG_EVERY == 0:
                    identity, contrast = losses.tolist()
                    if not math.isfinite(identity + contrast):
                        raise MakingError(
                            f"the loss is no number at step {course.steps}: the weights are a minute older"
                        )
                    line = {"step": course.steps, "seconds": round(course.seconds, 1), "learning_rate": rate}
                    write_line(log, line | {"identity": round(identity, 4), "contrast": round(contrast, 4)})
            if device.type == "cuda":
                torch.cuda.synchronize()
            course.trained += time.monotonic() - began
            if course.seconds - saved > SAVE_SECONDS:
                save(finished=False)
                saved = course.seconds
        if course.first is None:
            raise MakingError(
                f"too few people were rendered within {minutes:g} minutes: a group takes a core about a minute, and "
                "compiling another; give --minutes more"
            )
        lost = tell_new(renderers.lost(), lost)
        save(finished=True)
    return lost


def make_optimiser(network: Training) -> torch.optim.Optimizer:
    """AdamW. Kernels decay, biases and norms do not."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    undecayed = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": undecayed, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=network.prototypes.is_cuda)


def step(
    network: Training, optimiser: torch.optim.Optimizer, pool: Pool, batch: Tensor, rate: float, seed: int
) -> Tensor:
    """Learns from a batch. Gives its two losses (2,), still on the device."""
    config = network.encoder.config
    for group in optimiser.param_groups:
        group["lr"] = rate
    network.train()
    dice = torch.Generator(batch.device).manual_seed(seed)
    pictures = augment(pool.flat[batch.flatten()], config.height, config.width, dice)
    losses = network.loss(pool, batch, pictures)
    optimiser.zero_grad(set_to_none=True)
    losses.sum().backward()
    nn.utils.clip_grad_norm_(network.parameters(), MOST_GRADIENT)
    optimiser.step()
    return losses.detach()


def validate(encoder: Encoder, pool: Pool) -> RetrievalScores | None:
    """People of the group held out against each other, across cameras. None where it is not rendered."""
    if HELD_OUT not in pool.present:
        return None
    crop = torch.arange(HELD_OUT * pool.groups.crops, (HELD_OUT + 1) * pool.groups.crops)
    pictures = [resized(part, encoder.config) for part in pool.flat[crop.to(pool.flat.device)].split(256)]
    rows = encoder.embed(torch.cat(pictures).cpu())
    embedded = Embeddings(rows, pool.person(crop).numpy(), pool.camera(crop).numpy())
    return evaluate_retrieval(embedded, embedded)


def tell_new(lost: list[str], reported: list[str]) -> list[str]:
    """Warns of each renderer that was lost since the last look. The training goes on without it."""
    for message in lost:
        if message not in reported:
            errors.print(f"Warning: {message}; the others go on", markup=False, soft_wrap=True)
    return lost


def figures(
    course: Course, recipe: Recipe, pool: Pool, rendered: int, encoder: Encoder, scores: RetrievalScores | None
) -> dict[str, Any]:
    """What `figures.json` tells. `rendered` are the groups of this run alone."""
    training, groups = len(pool.training()), recipe.groups
    machine = torch.cuda.get_device_name() if pool.flat.is_cuda else f"{platform.machine()} CPU"
    crops = training * groups.crops
    return {
        "machine": machine,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "people": training * groups.people,
        "held_out_people": groups.people if HELD_OUT in pool.present else 0,
        "crops": crops,
        "crops_shown": course.crops_shown,
        "looks": round(course.crops_shown / max(1, crops), 2),
        "steps": course.steps,
        "images_per_second": round(course.crops_shown / max(course.trained, 1e-9), 1),
        "rendered_crops_per_second": round(rendered * groups.crops / course.seconds, 1),
        "seconds": round(course.seconds, 1),
        "seconds_to_first_step": None if course.first is None else round(course.first, 1),
        "seconds_of_training": round(course.trained, 1),
        "parameters": encoder.parameter_count,
        "validation": dataclasses.asdict(scores) if scores else None,
        "recipe": dataclasses.asdict(recipe),
    }


def describe(report: dict[str, Any], command: str) -> str:
    """The lines of the card that say how it was made."""
    used, groups, minutes = report["recipe"], report["recipe"]["groups"], report["seconds"] / 60
    kept = "the last weights" if report["finished"] else "stopped before its time, the weights of its last full minute"
    return f"""\
- **Data**: {report["people"]:,} people rendered by `sample_videos/world` in groups of {groups["people"]}, each person
  in {groups["styles"]} random cameras of the group, {groups["shots"]} crops in each; {report["held_out_people"]} more
  people only to validate. No real picture, no label by hand.
- **Recipe**: `deploy.models.streamed`: people come while it learns; each crop shown {report["looks"]:.0f} times on
  average; a batch has {used["parts"]} × {used["people_a_part"]} × {used["crops_a_person"]} crops; identity softmax and
  supervised contrastive loss across cameras, both among people who share cameras; heavy augmentation
  (`reid/augment.py`); AdamW, rate by the clock; {kept}.
- **Command**: `{command}`; it is bound by time, so another machine gets other weights.
- **Machine**: {report["machine"]}, {report["cores"]} cores, torch {report["torch"]}: {minutes:.1f} minutes,
  {report["images_per_second"]:.0f} images/s trained, {report["rendered_crops_per_second"]:.0f} crops/s rendered."""


def command(
    out: Annotated[Path, typer.Option(help="Folder of the run: crops, log, results.")],
    minutes: Annotated[float, typer.Option(help="Until weights and figures are there.")] = 7.5,
    recipe: Annotated[
        Literal["full", "tiny"], typer.Option(help="full: the encoder in the box; tiny: to try the command anywhere.")
    ] = "full",
    seed: Annotated[int, typer.Option(help="Of everything random but the time.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that render; default: all cores but two.", min=1)] = max(
        1, (os.cpu_count() or 1) - 2
    ),
    installs: Annotated[bool, typer.Option("--install", help="Copy the results into deploy/models.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the encoder `base` by the clock, from people who are rendered while it learns."""
    lost: list[str] = []
    out.mkdir(parents=True, exist_ok=True)
    files = files_of(out)
    weights, onnx, _ = files
    if not weights.is_file():
        lost = stream(out, RECIPES[recipe], seed, minutes, workers)
    worst = export_checked(weights, onnx)
    report = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    line = (
        f"python -m deploy.models.streamed --out RUN --recipe {recipe} --seed {report['seed']} "
        f"--minutes {minutes:g} --install"
    )
    scores = report["validation"] or {"mAP": math.nan, "rank1": math.nan}
    made = Made(describe(report, line), scores["mAP"], scores["rank1"], worst)
    write_card(out, made)
    if installs:
        install(files)
    if as_json:
        print_json({"files": [str(path) for path in files], "installed": installs})
    else:
        output.print(str(weights), markup=False, soft_wrap=True)
    if lost:
        raise MakingError("\n".join(["the weights are made, of fewer people than the machine could render:", *lost]))


def main() -> None:
    """Runs the command as a program."""
    run(command, cannot_start=tuple, broke_off=(MakingError,))


if __name__ == "__main__":
    main()
