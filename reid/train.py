"""Learns an encoder from tracklets: `python -m reid.train --data market1501:DIR --method eea --out RUN [--json]`.

One loop for all methods. The run's folder holds `settings.json`, `checkpoint.pt`, `log.jsonl` (a line every 50 steps
and every epoch), TensorBoard's files, `model.safetensors` (the last epoch's, never the best on test) and `result.json`.
The same command goes on where it was stopped and ends in the same weights; on the CPU, to the last bit, given the same
number of threads. Started with `torchrun --nproc-per-node N -m reid.train …`, N ranks share each batch and end in what
one rank alone would, up to the order of sums.
"""

from __future__ import annotations

import argparse
import ast
import copy
import dataclasses
import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from reid.augment import augment
from reid.bank import encode_all
from reid.batches import Batches, labelled
from reid.benchmarks import open_benchmark
from reid.benchmarks.parts import PROTOCOLS, RAW, BenchmarkError
from reid.encoder import Encoder, EncoderConfig, EncoderError, load_encoder, new_encoder, save_encoder
from reid.evaluate import EvaluationError
from reid.methods import Bank, Config, Method, Recipe, Tracklets, find, make
from reid.methods.utal import UTAL
from reid.progress import Bars, Progress, unheard
from reid.ranks import from_all_ranks, over_ranks, rank, ranks, sum_gradients, wait_for_ranks
from reid.run import Diverged, Journal, State, TrainingError, claim, digest, load_checkpoint, save_checkpoint
from reid.scoring import TestSet, score
from reid.tracklets import DatasetError, TrackletDataset
from reid.whole_file import sweep, write_whole

log = logging.getLogger("sightline")

BASE = Path(__file__).parents[1] / "deploy" / "models" / "base.safetensors"  # a file, so no floor is imported
LOG_EVERY = 50  # steps between two looks at the losses, the only times that a step waits for the device
CHECKPOINT_SECONDS = 60.0
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Settings:
    """All that decides what a run ends in; a run's folder belongs to one of these."""

    method: str
    data: str
    """`market1501:DIR`, or how a site is called."""
    protocol: str = RAW
    preset: Literal["practical", "faithful"] = "practical"
    """Of the method: as it works, or as the paper has it."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the preset: fields of the method's settings, of its recipe as `recipe.batch`, of EncoderConfig as
    `encoder.ghost`."""
    epochs: int | None = None
    """None: the recipe's."""
    seed: int = 0
    init: str = "base"
    """base (the shipped encoder), random, imagenet (the backbone's weights of Torchvision), or a safetensors file."""
    backbone: str | None = None
    """None: that of the weights, else `light`."""
    head: str | None = None
    """None: that of the weights, so that nothing learned is thrown away; without such, the recipe's."""
    size: tuple[int, int] | None = None
    """Height and width of crops, px; None: those of the weights, else the recipe's."""
    accumulate: int = 1
    """Parts in which a batch goes through the encoder, for want of memory."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 on CUDA."""
    compile: bool = False

    def config(self) -> Config:
        """The method's settings with all changes. Raises TrainingError where one of them does not exist."""
        try:
            kind = find(self.method)[1]
        except ValueError as error:
            raise TrainingError(str(error)) from error
        for name in self.changes:
            if name.rpartition(".")[0] not in ("", "recipe", "encoder"):
                raise TrainingError(f"{name!r} is no setting: it is NAME, recipe.NAME or encoder.NAME")
        config = kind.practical() if self.preset == "practical" else kind()  # type: ignore[call-arg]
        recipe = replace(config.recipe, **self.changed(config.recipe, "recipe"))
        return replace(config, recipe=recipe, **self.changed(config, ""))

    def changed(self, target: Any, part: str) -> dict[str, Any]:
        """Of `changes`, those of a part: fields of `target`. Raises TrainingError where they are not."""
        known = {entry.name: getattr(target, entry.name) for entry in dataclasses.fields(target)}
        known.pop("recipe", None)
        kinds = get_type_hints(type(target))
        found = {}
        for name, value in self.changes.items():
            of, _, inner = name.rpartition(".")
            if of == part:
                if inner not in known:
                    raise TrainingError(f"{self.method} has no setting {name!r}; there are {', '.join(known)}")
                choice = get_args(kinds[inner]) if get_origin(kinds[inner]) is Literal else ()
                if not _fits(value, known[inner]) or (choice and value not in choice):
                    one_of = f"; it is one of {', '.join(map(str, choice))}" if choice else ""
                    raise TrainingError(f"{name} is {known[inner]!r} by default and can't be {value!r}{one_of}")
                found[inner] = value
        return found


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of the one that it replaces; None may become a number and the other way round."""
    if default is None or value is None:
        return value is None or isinstance(value, int | float)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    method: str
    protocol: str
    epochs: int
    seconds: float
    """Training with all that it needs, without tests; over all interruptions."""
    images_per_second: float
    """Of the training steps alone."""
    start: dict[str, float] | None
    """Scores before the first step; None: the data has nothing to test with."""
    final: dict[str, float] | None
    model: str
    """The file."""


# ---------------------------------------------------------------------------------------------------------------------
# The encoder it begins with.


def make_encoder(settings: Settings, recipe: Recipe) -> Encoder:
    """With the weights that `init` names. Raises TrainingError or EncoderError."""
    if settings.init in ("random", "imagenet"):
        source: Any = settings.init
        given = EncoderConfig(head=cast("Any", recipe.head), dropout=recipe.dropout)
        given = replace(given, height=recipe.size[0], width=recipe.size[1])
    else:
        source = BASE if settings.init == "base" else Path(settings.init)
        if not source.is_file() and settings.init == "base":
            raise TrainingError(f"the base encoder is not at {BASE}: make it with `python -m deploy.models.base`")
        if not source.is_file():
            raise TrainingError(f"--init {source}: there is no such file, and it is none of base, random, imagenet")
        given = load_encoder(source).config
    asked: dict[str, Any] = settings.changed(given, "encoder")
    if settings.backbone is not None:
        asked["backbone"] = settings.backbone
    if settings.size is not None:
        asked |= {"height": settings.size[0], "width": settings.size[1]}
    if settings.head is not None:
        asked |= {"head": settings.head, "dropout": recipe.dropout}
    # Dimensions that nobody asked for are those of the new head or backbone.
    if {"head", "backbone", "channels"} & {name for name in asked if asked[name] != getattr(given, name)}:
        asked = {"dimensions": 0} | asked
    encoder = new_encoder(replace(given, **asked), seed=settings.seed, init=source)
    try:
        encoder.embed(torch.zeros((1, *encoder.size, 3), dtype=torch.uint8))
    except RuntimeError as error:
        height, width = encoder.size
        raise TrainingError(f"crops of {height}x{width} px don't go through this encoder: {error}") from error
    return encoder


# ---------------------------------------------------------------------------------------------------------------------
# The loop.


def train(
    dataset: TrackletDataset,
    settings: Settings,
    out: Path,
    *,
    people: NDArray[np.int64] | None = None,
    test: TestSet | None = None,
    test_every: int = 0,
    device: torch.device | None = None,
    progress: Progress = unheard,
) -> Result:
    """Trains on `dataset` into the folder `out`, from its checkpoint where there is one.

    people (T,): who each tracklet shows, if somebody knows; only reports see it, and what says of itself that it is
    supervised. test: scores before and after, and every `test_every` epochs; nothing is ever chosen by them. device:
    None for CUDA where it works. progress: told of "training steps" after each; what it raises ends the run, which
    goes on from the last checkpoint. Raises TrainingError where a setting is wrong or `out` is of another run, Diverged
    where the loss is no number any more.
    """
    # -- what is asked for
    if device is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else CPU
    if settings.precision == "auto":
        settings = replace(settings, precision="bf16" if device.type == "cuda" else "fp32")
    config = settings.config()
    recipe, seed = config.recipe, settings.seed
    epochs = recipe.epochs if settings.epochs is None else settings.epochs
    if min(epochs, settings.accumulate, recipe.batch, recipe.frames) < 1:
        raise TrainingError("epochs, parts, batch and frames must be at least 1")
    settings = replace(settings, epochs=epochs)
    claim(out, {**dataclasses.asdict(settings), "crops": digest(dataset)})
    if rank() == 0:
        sweep(out)
    if (out / "result.json").is_file():
        return Result(**json.loads((out / "result.json").read_text(encoding="utf-8")))

    # -- encoder, method, batches, optimiser
    encoder = make_encoder(settings, recipe).to(device)
    height, width = encoder.size
    if dataset.crops.shape[1:3] != encoder.size:
        raise TrainingError(f"the crops are {dataset.crops.shape[1:3]} px, the encoder takes {encoder.size}")
    # Images get numbers at random too: files of one person follow each other.
    number = np.random.default_rng([seed, len(dataset.crops)]).permutation(len(dataset.crops))
    image_tracklet = np.empty(len(number), np.int64)
    image_tracklet[number] = dataset.tracklet
    image_time = np.empty(len(number))
    image_time[number] = dataset.time
    tracklets = Tracklets(
        torch.from_numpy(dataset.tracklet_camera),
        len(dataset.camera_names),
        torch.from_numpy(image_tracklet),
        torch.from_numpy(dataset.cannot_link),
        torch.from_numpy(image_time),
    )
    identity = torch.from_numpy(people) if people is not None and config.needs_identities else None
    try:
        method = make(settings.method, tracklets, encoder.config.dimensions, config, epochs, seed, identity).to(device)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    batches = Batches(dataset, method, recipe, seed, identity)
    shares = settings.accumulate * ranks()
    if (batches.tracklets // (batches.groups if recipe.camera_by_camera else 1)) % shares:
        raise TrainingError(f"a batch of {batches.tracklets} tracklets can't be shared by {shares} parts and ranks")
    if settings.precision == "fp16" and recipe.optimiser == "rmsprop":
        raise TrainingError("rmsprop can't skip a step of fp16 that overflowed: use --precision bf16")
    averaged = copy.deepcopy(encoder) if recipe.weight_average else None
    over_ranks(encoder, recipe.frames)
    optimiser = make_optimiser(encoder, method, recipe)
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16" and device.type == "cuda")
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(settings.precision, torch.float32)
    forward: Any = torch.compile(encoder) if settings.compile else encoder
    generator = torch.Generator(device)

    def autocast() -> Any:
        return torch.autocast(device.type, kind, enabled=settings.precision != "fp32")

    def encode() -> Bank:
        return encode_all(encoder, dataset, method, number, autocast)

    # -- what was done before
    state = State()
    saved_as: dict[str, Any] = {"encoder": encoder, "method": method, "optimiser": optimiser, "scaler": scaler}
    if averaged is not None:
        saved_as["averaged"] = averaged
    load_checkpoint(out, saved_as, state, device)
    steps = batches.steps * epochs
    restarts = {round(cycle / recipe.cycles * epochs) for cycle in range(1, recipe.cycles)} - {0}
    final = encoder if averaged is None else averaged
    if state.step == 0 and test is not None:
        state.start = score(encoder, test, recipe, device)
    parameters = [p for module in (encoder, method) for p in module.parameters()]
    losses: dict[str, Tensor] = {}  # sums since the last look, on the device

    def look() -> None:
        """Takes the losses since the last look into the epoch's mean; here the device is waited for."""
        values = dict(zip(losses, torch.stack(list(losses.values())).tolist()))
        if not math.isfinite(sum(values.values())):
            raise Diverged(
                f"the loss is no number any more before step {state.step}: lower recipe.learning_rate with --set, "
                f"and another --out; the last good state is in {out / 'checkpoint.pt'}"
            )
        done = (state.step - 1) % batches.steps + 1  # steps of this epoch
        for name, value in values.items():
            state.losses[name] = (state.losses.get(name, 0.0) * (done - state.unread) + value) / done
        losses.clear()
        state.unread = 0

    with Journal(out, state.step, steps, progress) as journal:
        journal.show(state.step)
        saved = time.monotonic()
        for epoch in range(state.step // batches.steps, epochs):
            clock = time.monotonic()
            if state.step % batches.steps == 0:  # else it goes on in the middle of an epoch
                if epoch in restarts:
                    saved_as["optimiser"] = optimiser = make_optimiser(encoder, method, recipe)
                torch.manual_seed(random_seed(seed, epoch, 1))
                state.curves = method.start_epoch(epoch, encode)
                if ranks() > 1:  # a near tie must not fall differently on another rank
                    for tensor in (*method.parameters(), *method.buffers()):
                        distributed.broadcast(tensor.detach(), 0)
                state.curves |= hindsight(method, people)
                state.losses = {}
            encoder.train()
            method.train()
            state.seconds += time.monotonic() - clock
            clock = time.monotonic()
            for rows, crops in batches.epoch(epoch, state.step % batches.steps):
                rate = recipe.rate(state.step / steps)
                for group in optimiser.param_groups:
                    group["lr"] = rate * group["share"]
                # Randomness follows from the step alone, so a run goes on as if it had never been stopped.
                torch.manual_seed(random_seed(seed, state.step, 2))
                generator.manual_seed(random_seed(seed, state.step, 3))
                crops = crops.to(device, non_blocking=True)
                # Each rank does this for the whole batch: so its draws are those of one rank.
                images = crops
                if recipe.augment != "none":
                    images = augment(crops, height, width, generator, mild=recipe.augment == "mild")
                images = images.unflatten(0, rows.shape)  # tracklets, frames, H, W, 3
                optimiser.zero_grad(set_to_none=True)
                seen = []
                for part in range(settings.accumulate):
                    mine = images[part :: settings.accumulate][rank() :: ranks()].flatten(0, 1)
                    with autocast():
                        if recipe.camera_by_camera:
                            embedding = torch.cat([forward(some) for some in mine.chunk(batches.groups)])
                        else:
                            embedding = forward(mine)
                    if ranks() > 1:  # ranks took turns in the tracklets; put them into the batch's order
                        every = from_all_ranks(embedding.float()).unflatten(1, (-1, rows.shape[1]))
                        embedding = every.transpose(0, 1).flatten(0, 2)
                    batch = labelled(embedding, rows[part :: settings.accumulate].ravel(), dataset, number)
                    parts = method.losses(batch)
                    total = torch.stack(list(parts.values())).sum() / shares
                    scaler.scale(total).backward()
                    seen.append(embedding.detach().unflatten(0, (-1, rows.shape[1])))
                    for name, value in parts.items():
                        losses[name] = losses.get(name, 0.0) + value.detach() / settings.accumulate
                if ranks() > 1:
                    sum_gradients(parameters)
                if recipe.clip_value is not None:
                    scaler.unscale_(optimiser)
                    nn.utils.clip_grad_value_(parameters, recipe.clip_value)
                scaler.step(optimiser)
                scaler.update()
                method.after_step(labelled(torch.stack(seen, 1).flatten(0, 2), rows.ravel(), dataset, number))
                if averaged is not None and recipe.weight_average is not None:
                    follow(averaged, encoder, min(recipe.weight_average, (1 + state.step) / (10 + state.step)))
                state.step, state.unread, state.images = state.step + 1, state.unread + 1, state.images + rows.size
                journal.show(state.step)

                ends = state.step % batches.steps == 0
                due = time.monotonic() - saved > CHECKPOINT_SECONDS
                if ends or due or state.step % LOG_EVERY == 0:
                    look()
                    now = time.monotonic()
                    state.seconds, state.training = state.seconds + now - clock, state.training + now - clock
                    if state.step % LOG_EVERY == 0 and not ends:
                        journal.write(state, {"losses": state.losses, "learning_rate": rate})
                    if due and not ends:
                        save_checkpoint(out, saved_as, state)
                        saved = time.monotonic()
                    clock = time.monotonic()
            line = {"epoch": epoch + 1, "losses": state.losses, **state.curves, "learning_rate": rate}
            if test is not None and ((test_every and (epoch + 1) % test_every == 0) or epoch + 1 == epochs):
                state.final = score(final, test, recipe, device)
                line |= state.final
            journal.write(state, line)
            if time.monotonic() - saved > CHECKPOINT_SECONDS or epoch + 1 == epochs:
                save_checkpoint(out, saved_as, state)
                saved = time.monotonic()
    result = Result(
        method=settings.method,
        protocol=settings.protocol,
        epochs=epochs,
        seconds=round(state.seconds, 2),
        images_per_second=round(state.images / state.training, 1),
        start=state.start,
        final=state.final,
        model=str(out / "model.safetensors"),
    )
    if rank() == 0:
        save_encoder(final, out / "model.safetensors")
        write_whole(out / "result.json", json.dumps(dataclasses.asdict(result), indent=2) + "\n")
    wait_for_ranks()
    return result


def random_seed(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**62))


def make_optimiser(encoder: Encoder, method: Method, recipe: Recipe) -> torch.optim.Optimizer:
    """Groups have a `share` of the learning rate. Fused on CUDA, where fp16 then needs no look at the device either."""
    backbone = list(encoder.backbone.parameters())
    others = [*encoder.head.parameters(), *method.parameters()]
    groups = [
        {"params": backbone, "share": recipe.backbone_rate},
        {"params": others, "share": 1.0},
    ]
    rate, decay, fused = recipe.learning_rate, recipe.weight_decay, backbone[0].is_cuda
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, rate, weight_decay=decay, fused=fused)
    if recipe.optimiser == "sgd":
        nesterov, momentum = recipe.nesterov, recipe.momentum
        return torch.optim.SGD(groups, rate, momentum, weight_decay=decay, nesterov=nesterov, fused=fused)
    # The constants of TF-Slim, on which DAL's authors trained: 0.045 is a rate for an ε of 1.
    return torch.optim.RMSprop(groups, rate, alpha=0.9, eps=1.0, weight_decay=decay, momentum=recipe.momentum)


@torch.no_grad()
def follow(averaged: nn.Module, encoder: nn.Module, decay: float) -> None:
    """The moving average of weights and statistics; `decay` starts low, as TensorFlow's does, or short runs stand."""
    for old, new in zip(averaged.state_dict().values(), encoder.state_dict().values()):
        if old.is_floating_point():
            old.lerp_(new, 1 - decay)


def hindsight(method: Method, people: NDArray[np.int64] | None) -> dict[str, float]:
    """What only truth tells of an epoch's associations; nothing that trains sees it."""
    if people is None:
        return {}
    found = {}
    pairs = method.associations().cpu().numpy()
    if len(pairs):
        found["association_precision"] = float((people[pairs[:, 0]] == people[pairs[:, 1]]).mean())
    if isinstance(method, UTAL):
        camera = method.camera.cpu().numpy()
        order = np.lexsort((camera, people))
        one, other = order[:-1], order[1:]  # of the pieces of a person in a camera, each with the next
        same = (people[one] == people[other]) & (camera[one] == camera[other])
        if same.any():
            pieces = torch.from_numpy(np.stack([one, other], 1)[same]).to(method.camera.device)
            found["fragment_similarity"] = method.pairwise_similarity(pieces)  # MPS
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The command.


def train_benchmark(
    settings: Settings, out: Path, *, crops: Path | None = None, test_every: int = 0, progress: Progress = unheard
) -> Result:
    """Reads the benchmark that `settings.data` names and trains on it.

    crops: folder for the datasets, which runs may share; by default in `out`. progress: told of "crops" and of
    "training steps". Raises besides what `train` does BenchmarkError, DatasetError and EncoderError.
    """
    recipe = settings.config().recipe
    benchmark = open_benchmark(settings.data, settings.protocol)
    config = make_encoder(settings, recipe).config
    named = {key: value for key, value in dataclasses.asdict(settings).items() if value not in (None, "auto")}
    if (out / "settings.json").is_file():  # before hours go into crops
        claim(out, named)
    crops = crops or out / "crops"
    if rank():
        wait_for_ranks()  # the first one writes the crops

    def build(part: str, source: Any) -> TrackletDataset:
        folder = crops / f"{settings.protocol}-{part}-{config.height}x{config.width}"
        return TrackletDataset.build(folder, source, config.height, config.width, progress=progress)

    dataset, truth, test = build("train", benchmark.train), benchmark.truth, None
    if benchmark.query is not None and benchmark.gallery is not None and truth is not None:
        query, gallery = build("query", benchmark.query), build("gallery", benchmark.gallery)
        assert truth.query is not None and truth.gallery is not None
        test = TestSet(query, truth.query.of(query), gallery, truth.gallery.of(gallery), benchmark.single_shot)
    if not rank():
        wait_for_ranks()
    people = truth.train.of(dataset).people if truth is not None else None
    return train(dataset, settings, out, people=people, test=test, test_every=test_every, progress=progress)


def change(text: str) -> tuple[str, Any]:
    """`NAME=VALUE` of `--set`."""
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def pixels(text: str) -> tuple[int, int]:
    """`HEIGHTxWIDTH` of `--size`."""
    try:
        height, width = map(int, text.split("x"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, as 256x128") from error
    if not 16 <= min(height, width) <= max(height, width) <= 1024:
        raise argparse.ArgumentTypeError(f"crops are 16 to 1024 px high and wide, not {text}")
    return height, width


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that training and comparing have in common."""
    parser.add_argument("--data", required=True, help="SET:FOLDER, as market1501:DIR or folder-of-tracklets:DIR")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=RAW, help=f"(default {RAW})")
    parser.add_argument(
        "--preset",
        choices=("practical", "faithful"),
        default="practical",
        help="the method as it works (default), or as printed",
    )
    parser.add_argument("--init", default="base", help="base (default), random, imagenet, or a safetensors file")
    parser.add_argument("--backbone", help="where weights don't tell it (default light)")
    parser.add_argument("--head", help="a new one instead of the weights' own")
    parser.add_argument("--size", type=pixels, help="HEIGHTxWIDTH of crops (default: what the weights are for)")
    parser.add_argument("--epochs", type=int, help="(default: the method's recipe)")
    parser.add_argument(
        "--set",
        type=change,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="a field of the method's settings, recipe.FIELD or encoder.FIELD; may be repeated",
    )
    parser.add_argument("--accumulate", type=int, default=1, help="parts in which a batch goes through the encoder")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument(
        "--test-every", type=int, default=0, metavar="N", help="scores every N epochs, for the log only"
    )
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; the same command goes on in it")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def settings_of(arguments: argparse.Namespace, **others: Any) -> Settings:
    names = {entry.name for entry in dataclasses.fields(Settings)}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    return Settings(**(given | {"changes": dict(arguments.changes)} | others))


def run(program: Callable[[], None]) -> None:
    """A command: logs on stderr; what can't start, in one sentence and with exit code 2; what broke, with 1."""
    logging.basicConfig(format="%(message)s")
    try:
        if "TORCHELASTIC_RUN_ID" in os.environ:  # by torchrun
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            # One rank may test, or write crops, for long.
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backend, timeout=timedelta(hours=6))
        log.setLevel(logging.INFO if rank() == 0 else logging.ERROR)
        program()
    except (TrainingError, BenchmarkError, DatasetError, EncoderError, EvaluationError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except Diverged as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on from the last checkpoint.", file=sys.stderr)
        sys.exit(130)
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, help="utal, uga, eea, ssl, dal, merged, single-task or supervised")
    parser.add_argument("--seed", type=int, default=0)
    add_arguments(parser)
    arguments = parser.parse_args()

    def program() -> None:
        settings, out, every = settings_of(arguments), arguments.out, arguments.test_every
        with Bars() as progress:
            result = train_benchmark(settings, out, test_every=every, progress=progress)
        if rank():
            return
        if arguments.json:
            print(json.dumps(dataclasses.asdict(result)))
            return
        print(f"{result.method}: {result.epochs} epochs in {result.seconds:.0f} s")
        if result.start and result.final:
            for name in ("mAP", "rank1"):
                print(f"{name} {100 * result.start[name]:.1f} → {100 * result.final[name]:.1f} %")
        print(result.model)

    run(program)


if __name__ == "__main__":
    main()
