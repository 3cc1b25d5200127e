"""The person detector that ships: `python -m deploy.models.person --out RUN [--recipe cpu|full] [--install]`.

It renders frames of random places (`sample_videos.world.shots`). It trains the network of `person.yaml` on crops of
them from random weights. It writes `person.onnx` with its card `person.md` into RUN. Started again, it goes on where it
was. The network, its loss and the average of its weights are ultralytics'. The loop is our own. So a crop depends on
its number alone and a killed training ends in the same weights.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import math
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import onnx
import torch
import typer
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from deploy.detectors import Frame
from deploy.detectors.onnx import OnnxDetector
from deploy.detectors.ultralytics import load_ultralytics
from deploy.models import OtherRunError, install, shipped
from deploy.models.evaluate import Accuracy, Matched, accuracy, match
from reid.command import JsonOption, errors, output, print_json, run
from reid.progress import Bars, Progress, unheard
from reid.whole_file import sweep, whole_file

ARCHITECTURE = shipped("person.yaml")
STRIDE = 32
GREY = 114  # what OnnxDetector pads with
SIZE = (480, 640)  # (H, W) that a picture is fitted into: 16:9 runs at 640x384, 4:3 at 640x480
LEAST_HEIGHT = 40  # px at that size of the people that the card's figures count: 60 px in a 960x540 picture
GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)  # ultralytics' own weights of the parts of the loss


@dataclass(frozen=True)
class Recipe:
    """All that a training depends on, but for the seed."""

    frames: int  # rendered to train on
    held_out: int  # rendered from another seed, for the figures and the score's scale
    width: int  # px of a rendered frame: people as large as in an input of SIZE
    height: int
    sides: tuple[int, ...]  # px of a batch's square crops, in turn, multiples of STRIDE
    batch: int  # crops
    steps: int
    rate: float  # AdamW's highest learning rate, falls along a cosine to a hundredth
    warm_up: int  # steps
    decay: float  # of weights, not of biases and norms
    save_every: int = 500  # steps
    loaders: int = 1  # processes that cut crops


RECIPES = {
    "cpu": Recipe(6000, 240, 640, 384, (224, 224, 224, 384), 8, 9_000, 2e-3, 300, 0.02),
    "full": Recipe(42_000, 480, 640, 384, (256, 256, 256, 448), 64, 60_000, 2e-3, 1000, 0.05, loaders=12),
}


# Crops ----------------------------------------------------------------------------------------------------------------


class Crops(Dataset):
    """Crop `k` of a training: a random window of a random frame, seen through a random camera. Each from `k` alone.

    Items: uint8 RGB `(3, side, side)` and float32 `(P, 4)` `cx cy w h` as shares of the side.
    """

    def __init__(self, folder: Path, recipe: Recipe, seed: int) -> None:
        self.images = sorted((folder / "images").glob("*.jpg"))
        self.people = [read_labels(folder / "labels" / f"{path.stem}.txt") for path in self.images]
        self.recipe, self.seed = recipe, seed

    def __len__(self) -> int:
        return self.recipe.steps * self.recipe.batch

    def __getitem__(self, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, position = divmod(k, len(self.images))
        frame = int(shuffled(self.seed, epoch, len(self.images))[position])
        rng = np.random.default_rng([self.seed, k])
        side = self.recipe.sides[k // self.recipe.batch % len(self.recipe.sides)]
        image = read_picture(self.images[frame])
        height, width = image.shape[:2]
        crop, boxes = cut(image, self.people[frame] * (width, height, width, height), side, rng)
        crop = another_camera(crop, rng)
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))), torch.from_numpy(boxes / side)


@lru_cache(maxsize=2)
def shuffled(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """(count,) the order of the frames in an epoch."""
    return np.random.default_rng([seed, epoch, count]).permutation(count)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """`(H, W, 3)` RGB. Raises FileNotFoundError where there is no picture."""
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f"{path} is no picture; remove it, and it is rendered again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)  # type: ignore[return-value]


def read_labels(path: Path) -> NDArray[np.float32]:
    """`(P, 4)` `cx cy w h` of a YOLO label file. There are none where it is empty."""
    lines = path.read_text(encoding="utf-8").split()
    return np.array(lines, np.float32).reshape(-1, 5)[:, 1:]


def cut(
    image: NDArray[np.uint8], people: NDArray[np.float32], side: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A `side` x `side` window of `image`, mostly around someone, scaled and perhaps mirrored.

    Boxes are `cx cy w h` px.
    """
    height, width = image.shape[:2]
    scale = np.exp(rng.uniform(np.log(0.6), np.log(1.7 * max(1.0, side / 224))))
    gain = scale * np.exp(rng.uniform(-0.08, 0.08, 2))  # of x, y
    window = side / gain
    if len(people) and rng.random() < 0.85:
        middle = people[rng.integers(len(people)), :2] + rng.uniform(-0.45, 0.45, 2) * window
    else:
        middle = rng.uniform(0, 1, 2) * (width, height)
    spare = np.array([width, height]) - window
    corner = np.where(spare > 0, np.clip(middle - window / 2, 0, np.maximum(spare, 0)), spare * rng.uniform(0, 1, 2))
    x1, y1 = np.maximum(corner, 0).astype(int)
    x2, y2 = np.minimum(np.ceil(corner + window), (width, height)).astype(int)
    left, top = np.round((np.array([x1, y1]) - corner) * gain).astype(int).clip(0)
    w, h = np.minimum(np.round(np.array([x2 - x1, y2 - y1]) * gain).astype(int), (side - left, side - top))
    # Bilinear without smoothing, as pictures are resized before detection. warpAffine would take ten times as long.
    crop: Any = np.full((side, side, 3), GREY, np.uint8)
    crop[top : top + h, left : left + w] = cv2.resize(image[y1:y2, x1:x2], (w, h), interpolation=cv2.INTER_LINEAR)
    centres, sizes = (people[:, :2] - corner) * gain, people[:, 2:] * gain
    low, high = np.clip(centres - sizes / 2, 0, side), np.clip(centres + sizes / 2, 0, side)
    seen = high - low
    kept = (seen.prod(axis=1) > 0.3 * sizes.prod(axis=1)) & (seen[:, 0] >= 3) & (seen[:, 1] >= 10)
    boxes = np.concatenate([(low + high) / 2, seen], axis=1)[kept]
    if rng.random() < 0.5:
        crop, boxes[:, 0] = cv2.flip(crop, 1), side - boxes[:, 0]
    return crop, boxes.astype(np.float32)


def another_camera(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The same picture with another exposure, colours, sharpness, noise and compression."""
    picture: Any = image
    side = image.shape[0]
    if rng.random() < 0.25:  # something in front
        for _ in range(int(rng.integers(1, 4))):
            w, h = rng.integers(side // 24, side // 5, 2)
            x, y = rng.integers(0, side - w), rng.integers(0, side - h)
            patch = picture[rng.integers(0, side - h) :, rng.integers(0, side - w) :][:h, :w].copy()
            picture[y : y + h, x : x + w] = patch if rng.random() < 0.5 else rng.integers(0, 256, 3)
    if rng.random() < 0.15:  # little detail, as from a low resolution
        small = rng.uniform(0.45, 0.9)
        picture = cv2.resize(picture, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)
    blur = rng.random()
    if blur < 0.15:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.4))
    elif blur < 0.22:
        kernel = np.zeros((5, 5), np.float32)
        kernel[2, : int(rng.integers(3, 6))] = 1
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    elif blur < 0.40:  # many cameras sharpen
        amount = rng.uniform(0.3, 1.8)
        soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 1.6))
        picture = cv2.addWeighted(picture, 1 + amount, soft, -amount, 0)
    if rng.random() < 0.3:
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
        hsv[..., 0] += np.uint8(rng.integers(-20, 21) % 256)  # wraps, as hue does
        picture = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
    grey = 1.0 if rng.random() < 0.1 else rng.uniform(-0.6, 0.8)
    plain = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    picture = cv2.addWeighted(picture, 1 - grey, plain, grey, 0)
    levels = np.arange(256) / 255
    curves = []
    gamma, contrast, middle = np.exp(rng.normal(0, 0.3)), np.exp(rng.normal(0, 0.22)), rng.uniform(0.3, 0.7)
    shift = rng.normal(0, 0.06)
    for gain in np.exp(rng.normal(0, 0.08, 3)):
        curves.append(((levels**gamma * gain - middle) * contrast + middle + shift) * 255)
    picture = cv2.LUT(picture, np.clip(np.stack(curves, axis=-1), 0, 255).astype(np.uint8)[None])
    if rng.random() < 0.3:
        noise = np.empty(picture.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 30)))
        cv2.randn(noise, 0, rng.uniform(2, 14))  # type: ignore[call-overload]  # an eighth of NumPy's time
        picture = cv2.add(picture, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return picture


def collate(samples: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A batch in the form that ultralytics' loss takes."""
    boxes = [people for _, people in samples]
    owner = torch.cat([torch.full((len(people),), float(i)) for i, people in enumerate(boxes)])
    return {
        "img": torch.stack([image for image, _ in samples]),
        "batch_idx": owner,
        "cls": torch.zeros(len(owner), 1),
        "bboxes": torch.cat(boxes),
    }


# Training -------------------------------------------------------------------------------------------------------------


def build(seed: int) -> Any:
    """The network with random weights, as ultralytics' DetectionModel."""
    load_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(seed)
    network: Any = DetectionModel(str(ARCHITECTURE), ch=3, nc=1, verbose=False)
    network.args = GAINS
    network.names = {0: "person"}
    return network


def train(frames: Path, out: Path, recipe: Recipe, seed: int, progress: Progress = unheard) -> Any:
    """Trains on the frames in the folder and gives the averaged network.

    It goes on from `out/last.pt` where there is one. Raises OtherRunError where that is of another recipe or seed.
    """
    network = build(seed)
    from ultralytics.utils.torch_utils import ModelEMA

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(
        parameter_groups(network, recipe.decay), lr=recipe.rate, betas=(0.9, 0.99), fused=True
    )
    average = ModelEMA(network, decay=0.9995, tau=1000)
    step = 0
    checkpoint = out / "last.pt"
    origin = {"recipe": asdict(recipe), "seed": seed}
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        if saved["about"] != origin:
            raise OtherRunError(f"{checkpoint} is of another recipe or seed; give another --out, or remove it.")
        network.load_state_dict(saved["network"])
        average.ema.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        step = average.updates = saved["step"]
    if step >= recipe.steps:
        return average.ema
    crops = Crops(frames, recipe, seed)
    batches = DataLoader(
        crops,
        recipe.batch,
        sampler=range(step * recipe.batch, len(crops)),
        num_workers=recipe.loaders,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
    )
    log = out / "log.csv"
    if step == 0:
        log.write_text("step,rate,box,class,distance,crops_per_second\n", encoding="utf-8")
    progress("training steps", step, recipe.steps)
    with log.open("a", encoding="utf-8") as course:
        parts, since = torch.zeros(3), time.perf_counter()
        for batch in batches:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, recipe)
            batch = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
            batch["img"] = batch["img"].to(memory_format=torch.channels_last).float() / 255
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                answer = network(batch["img"])
            answer = {key: floats(value) for key, value in answer.items()}
            loss, _ = network.loss(batch, answer)  # (3,) box, class, distance, each times the batch's size
            optimiser.zero_grad(set_to_none=True)
            loss.sum().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
            average.update(network)
            step += 1
            parts += loss.detach().cpu() / recipe.batch
            if step % 50 == 0 or step == recipe.steps:
                done = (step - 1) % 50 + 1
                speed = done * recipe.batch / (time.perf_counter() - since)
                shares = ",".join(f"{part:.4f}" for part in parts / done)
                course.write(f"{step},{optimiser.param_groups[0]['lr']:.6f},{shares},{speed:.1f}\n")
                course.flush()
                parts, since = torch.zeros(3), time.perf_counter()
            if step % recipe.save_every == 0 or step == recipe.steps:
                state = {"network": network.state_dict(), "average": average.ema.state_dict(), "step": step}
                save(checkpoint, {**state, "optimiser": optimiser.state_dict(), "about": origin})
            progress("training steps", step, recipe.steps)
    return average.ema


def floats(value: Any) -> Any:
    """The same tensor or list of tensors in float32: the loss is computed so."""
    return [tensor.float() for tensor in value] if isinstance(value, list) else value.float()


def parameter_groups(network: torch.nn.Module, decay: float) -> list[dict[str, Any]]:
    """Kernels, which decay, and biases and norms, which do not."""
    kernels = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    undecayed = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": undecayed, "weight_decay": 0.0}]


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    share = min(1.0, step / recipe.steps)
    return recipe.rate * min(1.0, (step + 1) / recipe.warm_up) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def save(path: Path, state: dict[str, Any]) -> None:
    """Whole or not at all."""
    with whole_file(path) as part:
        torch.save(state, part)


# The file -------------------------------------------------------------------------------------------------------------


def export(network: Any, path: Path, *, shift: float = 0.0) -> None:
    """Writes the network as ONNX with a free batch and input size. `shift` is added to every score's logit."""
    network = copy.deepcopy(network).cpu().float().eval()
    network.fuse(verbose=False)
    head = network.model[-1]
    for branch in head.cv3:
        branch[-1].bias.data += shift
    head.export, head.dynamic, head.format = True, True, "onnx"
    free = {0: "batch", 2: "height", 3: "width"}
    with whole_file(path) as part:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing, and that this exporter is the older one: needs no onnxscript
            torch.onnx.export(
                network,
                (torch.zeros(1, 3, *SIZE),),
                str(part),
                input_names=["images"],
                output_names=["output0"],
                dynamic_axes={"images": free, "output0": {0: "batch", 2: "anchors"}},
                opset_version=17,
                dynamo=False,
            )
        model = onnx.load(part)
        properties = {
            "names": {0: "person"},
            "imgsz": list(SIZE),
            "stride": STRIDE,
            "task": "detect",
            "license": "AGPL-3.0",
        }
        onnx.helper.set_model_props(model, {key: str(value) for key, value in properties.items()})
        onnx.save(model, part)


def look(path: Path, frames: Path) -> list[Matched]:
    """What the exported detector finds in the labelled frames of a folder. People under LEAST_HEIGHT do not count."""
    detector = OnnxDetector(path, score=0.01)
    images = sorted((frames / "images").glob("*.jpg"))
    results = []
    for first in range(0, len(images), detector.batch):
        some = images[first : first + detector.batch]
        pictures = [read_picture(image) for image in some]
        answers = detector.detect([Frame("", first + i, 0.0, picture) for i, picture in enumerate(pictures)])
        for image, picture, detections in zip(some, pictures, answers, strict=True):
            height, width = picture.shape[:2]
            people = read_labels(frames / "labels" / f"{image.stem}.txt") * (width, height, width, height)
            boxes = np.concatenate([people[:, :2] - people[:, 2:] / 2, people[:, :2] + people[:, 2:] / 2], axis=1)
            results.append(match(detections, boxes, people[:, 3] >= LEAST_HEIGHT))
    return results


def best_score(frames: Sequence[Matched]) -> float:
    """The score at which the harmonic mean of precision and recall is highest, 0.5 where nothing right is found."""
    scores = np.concatenate([np.zeros(0, np.float32), *(part.scores for part in frames)])
    right = np.concatenate([np.zeros(0, bool), *(part.right for part in frames)])
    if not right.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    harmonic = 2 * hits / (np.arange(1, len(hits) + 1) + sum(part.people for part in frames))
    return float(np.clip(scores[order][np.argmax(harmonic)], 0.02, 0.98))


def write_card(path: Path, model: Path, recipe_name: str, recipe: Recipe, seed: int, figures: Accuracy) -> None:
    """The card of `model`. A table that `bench.detector` wrote beside it as `bench.md` is taken up."""
    data = model.read_bytes()
    network = build(seed)
    count = sum(p.numel() for p in network.parameters())
    table = path.with_name("bench.md")
    measured = table.read_text(encoding="utf-8").strip() if table.is_file() else "See docs/benchmarks/detector.md."
    rows = "\n".join(f"| {name} | {value} |" for name, value in asdict(recipe).items())
    path.write_text(
        f"""# person.onnx, a person detector

| what | |
|---|---|
| SHA-256 | `{hashlib.sha256(data).hexdigest()}` |
| size | {len(data) / 1e6:.2f} MB, {count:,} parameters |
| finds | people (one class), full silhouettes, hidden parts too |
| input | `(B, 3, H, W)` RGB 0..1, H and W multiples of {STRIDE}; made for pictures fitted into {SIZE[1]}x{SIZE[0]} |
| output | `(B, 5, anchors)`: x y w h in px of the input, score; no NMS inside |
| network | `deploy/models/person.yaml`, built by ultralytics |
| licence | AGPL-3.0 |

## Data
{recipe.frames} frames of {recipe.width}x{recipe.height} px, rendered by `sample_videos.world.shots` from seed {seed}:
random places, people, light and cameras. No photograph, no other network and no label made by hand had a part in it.
The named scenes of the films, their people and seeds were not used.

## Recipe `{recipe_name}`
Trained from random weights on crops, each seen through a random camera (`another_camera`), with AdamW; the average of
the weights over the last steps was taken.

| | |
|---|---|
{rows}

Command: `python -m deploy.models.person --out RUN --recipe {recipe_name} --seed {seed}`

## Figures
On {recipe.held_out} rendered frames of other places and people (seed {seed + 1}), people from {LEAST_HEIGHT} px at that
size, IoU 0.5 (scores are shifted so that precision and recall balance best at 0.5):

| average precision | precision | recall | people |
|---|---|---|---|
| {figures.average_precision:.3f} | {figures.precision:.3f} | {figures.recall:.3f} | {figures.people} |

On films and real video:

{measured}

Falls short: it never saw a photograph. People under about 30 px, hidden for the most part, lying or seen straight from
above are often missed.
""",
        encoding="utf-8",
    )


def make(out: Path, name: str, recipe: Recipe, seed: int, progress: Progress = unheard) -> Path:
    """Renders what is missing, trains, exports and writes the card. Gives the ONNX file."""
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    render(out / "frames", recipe.frames, seed, recipe, progress)
    render(out / "held-out", recipe.held_out, seed + 1, recipe, progress)
    network = train(out / "frames", out, recipe, seed, progress)
    return finish(network, out, out / "held-out", name, recipe, seed)


def render(folder: Path, count: int, seed: int, recipe: Recipe, progress: Progress) -> None:
    """The frames that are not in the folder yet, on all cores."""
    from sample_videos.world.shots import write_frames  # numba, which nothing else here needs

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    report = functools.partial(progress, f"cameras rendered for {folder.name}")
    write_frames(folder, count, seed, width=recipe.width, height=recipe.height, workers=workers, done=report)


def finish(network: Any, out: Path, held_out: Path, name: str, recipe: Recipe, seed: int) -> Path:
    """Exports with scores shifted so that 0.5 balances precision and recall best on the held-out frames."""
    model = out / "person.onnx"
    export(network, model)
    best = best_score(look(model, held_out))
    export(network, model, shift=-math.log(best / (1 - best)))
    write_card(out / "person.md", model, name, recipe, seed, accuracy(look(model, held_out), 0.5))
    return model


def command(
    out: Annotated[Path, typer.Option(help="Folder for the frames, the checkpoint and the model.")],
    recipe: Annotated[
        Literal["cpu", "full"], typer.Option(help="cpu: an hour or so; full: larger, for a GPU.")
    ] = "cpu",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    installs: Annotated[
        bool, typer.Option("--install", help="Copy the model and its card into deploy/models.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the person detector in the box: render frames, train, export, write the card."""
    with Bars(errors) as progress:
        model = make(out, recipe, RECIPES[recipe], seed, progress)
    files = [model, model.with_suffix(".md")]
    if installs:
        install(files)
    if as_json:
        print_json({"files": [str(path) for path in files], "installed": installs})
    else:
        output.print(str(model), markup=False, soft_wrap=True)


def main() -> None:
    """Runs the command as a program."""
    run(command, cannot_start=lambda: (OtherRunError,), broke_off=(FileNotFoundError,))


if __name__ == "__main__":
    main()
