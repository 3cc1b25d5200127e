"""Makes the encoder in the box: `python -m deploy.models.base --out RUN [--install]`.

It renders people (`sample_videos.world.shots`). It trains a light encoder on their free labels from random weights. It
writes `base.safetensors`, `base.onnx` and the card `base.md` into RUN. No real picture is used, neither to train nor to
choose anything. The last epoch's weights are kept, and validation is on rendered people that were held out. The same
command continues where it was stopped, to the same result. Nobody is told from people of another group. Each group has
cameras of its own, so the background would give the answer away.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deploy.export import forget_origin
from deploy.models import BASE, MakingError, OtherRunError, install
from deploy.onnx_runtime import onnxruntime
from reid.augment import augment
from reid.command import JsonOption, errors, output, print_json, run
from reid.encoder import Encoder, EncoderConfig, export_onnx, load_encoder, new_encoder, save_encoder
from reid.encoder.packaged import PACKAGES
from reid.evaluate import Embeddings, RetrievalScores, evaluate_retrieval
from reid.progress import Bars, Progress, unheard
from reid.whole_file import sweep, whole_file

SCALE = 16.0  # of the cosines in the identity softmax
SMOOTHING = 0.1  # of its labels
TEMPERATURE = 0.1  # τ of the contrastive loss
WARM_UP = 0.04  # share of all steps in which the learning rate rises
WEIGHT_DECAY = 0.02  # of kernels, not of biases and norms
CHECKPOINT_SECONDS = 60.0
LOG_EVERY = 50  # steps
SHAPE = EncoderConfig(channels=(16, 32, 80, 192, 320))
STORED = (160, 80)  # px, height and width of the rendered crops, larger than the encoder's, to reframe without loss


@dataclass(frozen=True)
class Recipe:
    """How much is rendered and how it is trained on."""

    people: int  # rendered, the held-out ones among them
    held_out: int  # at least so many of the last people validate, in whole groups
    styles: int  # cameras that see each person
    shots: int  # crops in each camera
    epochs: int  # each shows every crop once
    people_a_batch: int
    encoder: EncoderConfig  # its shape
    crops_a_person: int = 4  # in a batch, from different cameras where it can be
    groups_a_batch: int = 2
    learning_rate: float = 2e-3
    init: Literal["random", "imagenet"] = "random"  # first weights of the backbone; those of the head are random


RECIPE = Recipe(people=9664, held_out=64, styles=6, shots=2, epochs=8, people_a_batch=24, encoder=SHAPE)


class Crops:
    """The shards that `write_crops` made. Pictures stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        labels = sorted(folder.glob("labels-*.npy"))
        self.shards = [np.load(path.with_name(path.name.replace("labels", "crops")), mmap_mode="r") for path in labels]
        both = np.concatenate([np.load(path) for path in labels])
        self.people, self.cameras = both[:, 0].astype(np.int64), both[:, 1].astype(np.int64)
        self.starts = np.cumsum([0] + [len(shard) for shard in self.shards])
        self.groups = groups_of(self.people, self.cameras)  # of each crop

    def take(self, index: NDArray[np.int64]) -> Tensor:
        """(len(index), H, W, 3) uint8."""
        shards = np.searchsorted(self.starts, index, side="right") - 1
        return torch.from_numpy(np.stack([self.shards[s][i - self.starts[s]] for s, i in zip(shards, index)]))


def groups_of(people: NDArray[np.int64], cameras: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) for each crop, which set of people it belongs to that are linked through cameras, counted from 0."""
    group = people.copy()
    while True:
        before = group.copy()
        for linked in (cameras, people):
            least = np.full(linked.max() + 1, np.iinfo(np.int64).max)
            np.minimum.at(least, linked, group)
            group = least[linked]
        if np.array_equal(group, before):
            return np.unique(group, return_inverse=True)[1]


def batches(
    crops: Crops, training: NDArray[np.int64], recipe: Recipe, seed: int, epoch: int
) -> Iterator[NDArray[np.int64]]:
    """Crop numbers, a batch at a time, that show every training crop once an epoch.

    The last, too few ones are left out. Each person's crops are dealt into hands of `crops_a_person`, each from as many
    cameras as it can be. A batch holds hands of several people from a few groups.

    Args:
        crops: All crops.
        training: (N,) numbers of those that train.
        recipe: Its `people_a_batch`, `groups_a_batch` and `crops_a_person` count.
        seed: Of the order, with the epoch.
        epoch: Counted from 0.

    Yields:
        (B,) crop numbers.
    """
    rng = np.random.default_rng([seed, epoch])
    people_a_part = recipe.people_a_batch // recipe.groups_a_batch
    parts = []
    for group in np.unique(crops.groups[training]):
        members = training[crops.groups[training] == group]
        hands: list[NDArray[np.int64]] = []
        for person in np.unique(crops.people[members]):
            own = rng.permutation(members[crops.people[members] == person])
            turn = np.zeros(len(own), np.int64)  # how many of the camera came before
            for camera in np.unique(crops.cameras[own]):
                seen = crops.cameras[own] == camera
                turn[seen] = np.arange(seen.sum())
            own = own[np.argsort(turn, kind="stable")]
            hands += [own[k : k + recipe.crops_a_person] for k in range(0, len(own), recipe.crops_a_person)]
        dealt = [hands[k] for k in rng.permutation(len(hands))]
        parts += [dealt[k : k + people_a_part] for k in range(0, len(dealt) - people_a_part + 1, people_a_part)]
    order = rng.permutation(len(parts))
    for k in range(0, len(order) - recipe.groups_a_batch + 1, recipe.groups_a_batch):
        yield np.concatenate([hand for part in order[k : k + recipe.groups_a_batch] for hand in parts[part]])


def identity_loss(cosines: Tensor, people: Tensor, rivals: Tensor) -> Tensor:
    """Softmax over who it is, labels smoothed, among the people of the same group only.

    Args:
        cosines: (B, P) of embeddings and people's prototypes.
        people: (B,) who each crop shows.
        rivals: (B, P) bool, who is in the crop's group.

    Returns:
        () the mean over the batch.
    """
    logits = (SCALE * cosines.float()).masked_fill(~rivals, -torch.inf)
    log_shares = logits - logits.logsumexp(1, keepdim=True)
    true = log_shares.gather(1, people[:, None])[:, 0]
    even = log_shares.masked_fill(~rivals, 0.0).sum(1) / rivals.sum(1)
    return -((1 - SMOOTHING) * true + SMOOTHING * even).mean()


def contrastive_loss(embeddings: Tensor, people: Tensor, cameras: Tensor, groups: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al., 2020, eq. 2) across cameras.

    Attracted is the same person in other cameras, repelled are other people of the group. The same person in the same
    camera is neither, which the evaluation leaves out too.

    Args:
        embeddings: (B, D) of length 1.
        people: (B,).
        cameras: (B,).
        groups: (B,).

    Returns:
        () the mean over the crops that have a match.
    """
    logits = (embeddings.float() @ embeddings.float().T) / TEMPERATURE
    same = people[:, None] == people
    positive = same & (cameras[:, None] != cameras)
    matches = positive.sum(1)
    counted = (~same & (groups[:, None] == groups)) | positive | (matches == 0)[:, None]  # the last: no row is empty
    log_shares = logits - logits.masked_fill(~counted, -torch.inf).logsumexp(1, keepdim=True)
    each = -log_shares.masked_fill(~positive, 0.0).sum(1) / matches.clamp(min=1)
    return each.sum() / (matches > 0).sum().clamp(min=1)


class Training(nn.Module):
    """What learns: the encoder and a prototype of each person."""

    def __init__(self, recipe: Recipe, people: int, seed: int) -> None:
        super().__init__()
        self.encoder = new_encoder(recipe.encoder, seed=seed, init=recipe.init)
        generator = torch.Generator().manual_seed(seed)
        self.prototypes = nn.Parameter(torch.randn(people, recipe.encoder.dimensions, generator=generator))


def train(crops: Crops, out: Path, recipe: Recipe, seed: int, progress: Progress = unheard) -> Encoder:
    """Trains on all but the last groups of `crops`, from the checkpoint in `out` where there is one.

    Writes `checkpoint.pt` every minute and `log.jsonl`, a line every 50 steps and every epoch.

    Raises:
        EncoderError: The recipe's first weights are not there.
        OtherRunError: The checkpoint is of another recipe or seed.
        MakingError: The loss is no number any more.
    """
    config = recipe.encoder
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    validating = held_out(crops, recipe)
    training = np.flatnonzero(~validating)
    network = Training(recipe, int(crops.people.max()) + 1, seed).to(device)
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    undecayed = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": undecayed, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
    )
    people = torch.from_numpy(crops.people).to(device)
    cameras = torch.from_numpy(crops.cameras).to(device)
    groups = torch.from_numpy(crops.groups).to(device)
    group_of_person = torch.full((len(network.prototypes),), -1, device=device).scatter(0, people, groups)
    steps_an_epoch = sum(1 for _ in batches(crops, training, recipe, seed, 0))
    steps = steps_an_epoch * recipe.epochs

    fixed = dataclasses.asdict(recipe) | {"seed": seed, "crops": len(crops.people)}
    done, seconds = load_checkpoint(out, network, optimiser, fixed)
    log = open_log(out / "log.jsonl", done)
    if not done:
        machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
        machine = f"{machine}, torch {torch.__version__}"
        write_line(log, {"step": 0, "machine": machine, "threads": torch.get_num_threads()})
    saved = logged = time.monotonic()
    begun, crops_shown, cpu_logged = saved - seconds, 0, time.process_time()
    progress("training steps", done, steps)
    for epoch in range(done // steps_an_epoch, recipe.epochs):
        network.train()
        first = epoch * steps_an_epoch
        for step, batch in enumerate(batches(crops, training, recipe, seed, epoch), first):
            if step < done:
                continue
            for parameters in optimiser.param_groups:
                parameters["lr"] = learning_rate(recipe, step, steps)
            dice = torch.Generator(device).manual_seed(seed * 1_000_003 + step)
            pictures = augment(crops.take(batch).to(device, non_blocking=True), config.height, config.width, dice)
            batch_index = torch.from_numpy(batch).to(device)
            person, camera, group = people[batch_index], cameras[batch_index], groups[batch_index]
            embeddings = network.encoder(pictures)
            cosines = embeddings @ functional.normalize(network.prototypes).T
            identity = identity_loss(cosines, person, group[:, None] == group_of_person)
            contrast = contrastive_loss(embeddings, person, camera, group)
            optimiser.zero_grad(set_to_none=True)
            (identity + contrast).backward()
            optimiser.step()
            done, crops_shown = step + 1, crops_shown + len(batch)
            progress("training steps", done, steps)
            if done % LOG_EVERY == 0:
                now = time.monotonic()
                losses = {"identity": round(identity.item(), 4), "contrast": round(contrast.item(), 4)}
                if not math.isfinite(sum(losses.values())):
                    raise MakingError(f"the loss is no number at step {done}: start anew with a lower rate")
                line = {
                    "step": done,
                    "of": steps,
                    **losses,
                    "images_per_second": round(crops_shown / (now - logged), 1),
                    "images_per_cpu_second": round(crops_shown / (time.process_time() - cpu_logged), 1),
                }
                write_line(log, line | {"seconds": round(now - begun)})
                logged, crops_shown, cpu_logged = now, 0, time.process_time()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_checkpoint(out, network, optimiser, fixed, done, time.monotonic() - begun)
                saved = time.monotonic()
        scores = validate(network.encoder, crops, validating)
        write_line(
            log, {"step": done, "epoch": epoch + 1, "mAP": round(scores.mAP, 4), "rank1": round(scores.rank1, 4)}
        )
        logged, crops_shown, cpu_logged = time.monotonic(), 0, time.process_time()
    save_checkpoint(out, network, optimiser, fixed, done, time.monotonic() - begun)
    return network.encoder.cpu().eval()


def held_out(crops: Crops, recipe: Recipe) -> NDArray[np.bool_]:
    """(N,) which crops are of the last groups, that together have `held_out` people or more."""
    kept = np.zeros(len(crops.people), bool)
    for group in reversed(range(int(crops.groups.max()) + 1)):
        if len(np.unique(crops.people[kept])) >= recipe.held_out:
            break
        kept |= crops.groups == group
    return kept


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def validate(encoder: Encoder, crops: Crops, validating: NDArray[np.bool_]) -> RetrievalScores:
    """Held-out rendered people against each other, across cameras."""
    index = np.flatnonzero(validating)
    parts = [resized(crops.take(index[k : k + 256]), encoder.config) for k in range(0, len(index), 256)]
    rows = encoder.embed(torch.cat(parts))
    encoder.train()
    embedded = Embeddings(rows, crops.people[index], crops.cameras[index])
    return evaluate_retrieval(embedded, embedded)


def resized(crops: Tensor, config: EncoderConfig) -> Tensor:
    """(N, H, W, 3) uint8 → the encoder's size."""
    size = (config.height, config.width)
    images = functional.interpolate(crops.permute(0, 3, 1, 2).float(), size=size, mode="area")
    return images.round().to(torch.uint8).permute(0, 2, 3, 1)


def save_checkpoint(
    out: Path, network: nn.Module, optimiser: torch.optim.Optimizer, fixed: dict[str, Any], done: int, seconds: float
) -> None:
    """All that the next step needs. Randomness is drawn afresh from seed and step."""
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "fixed": fixed,
        "done": done,
        "seconds": seconds,
    }
    with whole_file(out / "checkpoint.pt") as part:
        torch.save(state, part)


def load_checkpoint(
    out: Path, network: nn.Module, optimiser: torch.optim.Optimizer, fixed: dict[str, Any]
) -> tuple[int, float]:
    """Steps done and seconds spent, 0 where nothing was saved."""
    path = out / "checkpoint.pt"
    if not path.is_file():
        return 0, 0.0
    state = torch.load(path, weights_only=True, map_location="cpu")
    if json.dumps(state["fixed"]) != json.dumps(fixed):
        raise OtherRunError(
            f"{path} is of another recipe, seed or encoder: give another --out, or remove it to start anew"
        )
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["done"]), float(state["seconds"])


def open_log(path: Path, done: int) -> Path:
    """Forgets what was logged after the last checkpoint: it will be done again."""
    lines = path.read_text(encoding="utf-8").splitlines() if done and path.is_file() else []
    kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= done]
    path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    return path


def write_line(path: Path, values: dict[str, Any]) -> None:
    """Adds a line of JSON to a log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")


def export(out: Path, seed: int) -> None:
    """Weights → ONNX, checked against them, and the card."""
    weights, onnx, _ = files_of(out)
    worst = export_checked(weights, onnx)
    write_card(out, made(out, RECIPE, seed, worst))


def export_checked(weights: Path, onnx: Path) -> float:
    """Weights → ONNX. Gives how far its rows are from torch's. Raises MakingError where they are too far."""
    encoder = load_encoder(weights)
    export_onnx(encoder, onnx)
    forget_origin(onnx)
    config = encoder.config
    crops = np.random.default_rng(0).integers(0, 256, (7, config.height, config.width, 3), np.uint8)
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    worst = float(np.abs(session.run(None, {"crops": crops})[0] - encoder.embed(torch.from_numpy(crops)).numpy()).max())
    if worst > 1e-3:
        raise MakingError(f"{onnx} differs from the trained network by {worst:.2g}: not installed")
    return worst


def files_of(out: Path) -> tuple[Path, Path, Path]:
    """Weights, ONNX, card."""
    return out / f"{BASE}.safetensors", out / f"{BASE}.onnx", out / f"{BASE}.md"


@dataclass(frozen=True)
class Made:
    """What a card tells of an encoder's making."""

    how: str  # lines of the list: data, recipe, command, machine
    mAP: float  # of the rendered people who were held out
    rank1: float
    worst: float  # difference of the ONNX file's rows


@dataclass(frozen=True)
class Trained:
    """What a training's log tells of it."""

    machine: str
    threads: int
    images: int  # shown, each as often as it was
    images_per_second: float  # of the training alone, the median
    images_per_cpu_second: float  # the same by the processor's time, which other work on the machine hardly changes
    mAP: float  # of the rendered people who were held out
    rank1: float


def read_log(out: Path, recipe: Recipe) -> Trained:
    """What `log.jsonl` of a finished training has."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    scores = [line for line in lines if "mAP" in line][-1]
    speeds = [line for line in lines if "images_per_second" in line]
    return Trained(
        machine=lines[0]["machine"],
        threads=lines[0]["threads"],
        images=scores["step"] * recipe.people_a_batch * recipe.crops_a_person,
        images_per_second=float(np.median([line["images_per_second"] for line in speeds])),
        images_per_cpu_second=float(np.median([line["images_per_cpu_second"] for line in speeds])),
        mAP=scores["mAP"],
        rank1=scores["rank1"],
    )


def origin(recipe: Recipe) -> str:
    """Where a training's first weights come from, for a card."""
    if recipe.init == "random":
        return "random weights"
    package = PACKAGES.get(recipe.encoder.backbone)
    source = f"the package {package.name} ({package.licence})" if package else "Torchvision (BSD-3-Clause)"
    return f"ImageNet weights of the backbone {recipe.encoder.backbone}, from {source}"


def made(out: Path, recipe: Recipe, seed: int, worst: float) -> Made:
    """What the card tells, from the recipe and the log."""
    trained = read_log(out, recipe)
    threads = f" --threads {trained.threads}" if trained.threads > 1 else ""
    how = f"""\
- **Data**: {recipe.people:,} people rendered by `sample_videos/world`, each in {recipe.styles} random cameras,
  {recipe.shots} crops in each; {recipe.held_out} or more of them only to validate. No real picture, no label by hand.
- **Start**: {origin(recipe)}.
- **Recipe**: {recipe.epochs} epochs; a batch has {recipe.people_a_batch} × {recipe.crops_a_person} crops;
  identity softmax and supervised contrastive loss across cameras, both among people who share cameras; heavy
  augmentation (`reid/augment.py`); AdamW, cosine schedule; the last epoch's weights.
- **Command**: `python -m deploy.models.base --out RUN --seed {seed}{threads} --install`
- **Machine**: {trained.machine}: {trained.images:,} images at {trained.images_per_second:.0f} a second, the median."""
    return Made(how, trained.mAP, trained.rank1, worst)


def write_card(out: Path, made: Made) -> None:
    """Writes the card beside weights and ONNX. `figures.md` there, which `bench.encoder` prints, becomes a part."""
    weights, onnx, text = files_of(out)
    encoder = load_encoder(weights)
    config = encoder.config
    figures = out / "figures.md"
    bench = figures.read_text(encoding="utf-8").strip() if figures.is_file() else "See `python -m bench.encoder`."
    sums = [
        f"| `{path.name}` | {path.stat().st_size:,} | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |"
        for path in (weights, onnx)
    ]
    told = f"""# {BASE.capitalize()} encoder

Turns a crop of a person into a vector by which the same person is found in other cameras.
Every site begins with it; it is named `{BASE}` wherever a model is asked for.

- **In**: `crops`, (batch, {config.height}, {config.width}, 3) uint8 RGB, as cut; preprocessing is part of the graph.
- **Out**: `embedding`, (batch, {config.dimensions}) float32, rows of length 1; their dot product is the affinity.
- **Network**: `reid/encoder`, {encoder.parameter_count:,} parameters.
{made.how}
- **Licence**: that of this repository.

## Figures

Rendered people who were held out, across cameras: mAP {made.mAP:.3f}, rank-1 {made.rank1:.3f}.
The ONNX file's rows differ from torch's by at most {made.worst:.1e}.

{bench}

## Files

| file | bytes | SHA-256 |
|---|---|---|
{chr(10).join(sums)}
"""
    text.write_text(told, encoding="utf-8")


def render(folder: Path, recipe: Recipe, seed: int, workers: int, progress: Progress = unheard) -> None:
    """All crops, or those that are still missing."""
    from sample_videos.world.shots import write_crops  # numba, which nothing else here needs

    height, width = STORED
    write_crops(
        folder,
        recipe.people,
        seed,
        styles=recipe.styles,
        shots=recipe.shots,
        height=height,
        width=width,
        workers=workers,
        done=functools.partial(progress, "groups of people rendered"),
    )


def command(
    out: Annotated[Path, typer.Option(help="Folder of the run: crops, checkpoint, log, results.")],
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that render; default: all cores.", min=1)] = os.cpu_count()
    or 1,
    threads: Annotated[int, typer.Option(help="Of training on the CPU; another number, another result.", min=1)] = 1,
    installs: Annotated[bool, typer.Option("--install", help="Copy the results into deploy/models.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the encoder in the box: render people, train on their free labels, export, write the card."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    files = files_of(out)
    if not files[0].is_file():
        with Bars(errors) as progress:
            render(out / "crops", RECIPE, seed, workers, progress)
            encoder = train(Crops(out / "crops"), out, RECIPE, seed, progress)
        save_encoder(encoder, files[0])
    try:
        export(out, seed)
    except ImportError as error:
        raise MakingError(f"{error}: the weights are done; the same command exports it where onnxscript is") from error
    if installs:
        install(files)
    if as_json:
        print_json({"files": [str(path) for path in files], "installed": installs})
    else:
        output.print(str(files[0]), markup=False, soft_wrap=True)


def main() -> None:
    """Runs the command as a program."""
    run(command, cannot_start=lambda: (OtherRunError,), broke_off=(MakingError,))


if __name__ == "__main__":
    main()
