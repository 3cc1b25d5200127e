"""How well encoders find people in other cameras.

Crops are cut from films by their truth (`CAMERA.mp4` and `CAMERA/gt/gt.txt` in DIR). They show people of at least 60 px
who are half visible or more. There is one crop per person, camera and second. Each is searched among all others.
`--market` is Market-1501's layout (`query`, `bounding_box_test`). In both, the same person in the same camera is left
out.

Beside the models, ONNX or safetensors, stand a network of random weights and a colour histogram. An ONNX file may take
float pictures (N, 3, H, W), as torchreid's does. It gets RGB with ImageNet's normalisation.

    python -m bench.encoder --films DIR --market DIR --model FILE…
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import av
import cv2
import numpy as np
import torch
import typer
from numpy.typing import NDArray

from app.errors import FootageError
from app.terminal import JsonOption, print_json
from bench.measuring import timed
from bench.terminal import print_table, run, say
from deploy.encoder import OnnxError, OpenEncoder, WeightsEncoder, open_encoder
from deploy.models.base import SHAPE
from reid.benchmarks.parts import BenchmarkError
from reid.encoder import EncoderError, new_encoder
from reid.evaluate import Embeddings, EvaluationError, RetrievalScores, evaluate_retrieval
from reid.normalised import normalised
from trackers.motchallenge import FRAME, HEIGHT, ID, VISIBILITY, boxes_of, read_rows

LEAST_HEIGHT = 60  # px
LEAST_VISIBILITY = 0.5
STRIPES = 6

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Embed = Callable[[list[Image]], NDArray[np.float32]]  # → (N, D), rows of length 1


@dataclass(frozen=True)
class LabelledCrops:
    """Pictures of people, of each the person and the camera."""

    images: list[Image] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    cameras: list[int] = field(default_factory=list)

    def add(self, image: Image, person: int, camera: int) -> None:
        """One more crop."""
        self.images.append(image)
        self.people.append(person)
        self.cameras.append(camera)

    def embedded(self, embed: Embed) -> Embeddings:
        """What an encoder makes of them."""
        return Embeddings(
            rows=torch.from_numpy(embed(self.images)), people=np.array(self.people), cameras=np.array(self.cameras)
        )


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """By contender, and by set of pictures."""

    scores: dict[str, dict[str, RetrievalScores]]
    crops_per_cpu_second: dict[str, float]


def cut_films(folder: Path) -> LabelledCrops:
    """Crops of the people whom the films' truth tells, at native size."""
    crops = LabelledCrops()
    for camera, truth in enumerate(sorted(folder.rglob("gt/gt.txt"))):
        name = truth.parent.parent.name
        video = next(
            (path for path in sorted(folder.rglob(f"{name}.*")) if path.suffix in (".mp4", ".mkv", ".avi")), None
        )
        if video is None:
            raise FootageError(f"There is no film {name}.mp4 to {truth}: put it into {folder}.")
        rows = read_rows(truth)
        rows = rows[(rows[:, HEIGHT] >= LEAST_HEIGHT) & (rows[:, VISIBILITY] >= LEAST_VISIBILITY)]
        with av.open(str(video)) as container:
            rate = float(container.streams.video[0].average_rate or 25)
            seconds = (rows[:, FRAME] - 1) // rate
            _, first = np.unique(np.stack((rows[:, ID], seconds), 1), axis=0, return_index=True)
            rows = rows[first]
            for number, frame in enumerate(container.decode(video=0), 1):
                in_frame = rows[rows[:, FRAME] == number]
                if not len(in_frame):
                    continue
                picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                boxes = boxes_of(in_frame).round().astype(int).clip(0, [picture.shape[1], picture.shape[0]] * 2)
                for (left, top, right, bottom), person in zip(boxes, in_frame[:, ID]):
                    crops.add(picture[top:bottom, left:right].copy(), int(person), camera)
    if not crops.images:
        raise FootageError(f"There is no truth (CAMERA/gt/gt.txt) with people large enough in {folder}.")
    return crops


def read_market(folder: Path) -> LabelledCrops:
    """Names are like 0002_c1s1_000451_03.jpg: person, camera. Person -1 is junk."""
    crops = LabelledCrops()
    for path in sorted(folder.glob("*.jpg")):
        person, camera = path.name.split("_")[:2]
        picture = cv2.imread(str(path))
        if picture is None:
            raise BenchmarkError(f"{path} is no picture: copy it anew.")
        crops.add(picture[..., ::-1].astype(np.uint8, copy=False), int(person), int(camera[1]))
    if not crops.images:
        raise BenchmarkError(f"There are no pictures in {folder}: give the folder that holds query/*.jpg.")
    return crops


def resize(image: Image, height: int, width: int) -> Image:
    """At `height` × `width` px, whatever its own ratio."""
    shrinks = image.shape[0] > height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[return-value]


def histogram(images: list[Image]) -> NDArray[np.float32]:
    """HSV histograms (8 × 4 × 4) of six stripes of the middle half, colours balanced to grey. Compared by Hellinger."""
    rows = []
    for image in images:
        quarter = image.shape[1] // 4
        middle = image[:, quarter : image.shape[1] - quarter].astype(np.float32)
        mean = middle.mean((0, 1))
        balanced = (middle * (mean.mean() / mean.clip(1))).clip(0, 255).astype(np.uint8)
        stripes = np.array_split(cv2.cvtColor(balanced, cv2.COLOR_RGB2HSV), STRIPES)
        ranges = [0, 180, 0, 256, 0, 256]
        parts = [
            cv2.calcHist([stripe], [0, 1, 2], None, [8, 4, 4], ranges).ravel() / stripe[..., 0].size
            for stripe in stripes
        ]
        rows.append(np.sqrt(np.concatenate(parts)))
    return normalised(np.stack(rows).astype(np.float32))


def resized_to(encoder: OpenEncoder) -> Embed:
    """An encoder, with crops brought to its size."""
    return lambda images: encoder.embed(np.stack([resize(image, *encoder.size) for image in images]))


def measure(contenders: dict[str, Embed], sets: dict[str, tuple[LabelledCrops, LabelledCrops]]) -> EncoderReport:
    """Searches with each contender in each set of queries and gallery. Speeds are of the last set's gallery."""
    scores: dict[str, dict[str, RetrievalScores]] = {name: {} for name in contenders}
    speeds: dict[str, float] = {}
    for name, embed in contenders.items():
        for set_name, (query, gallery) in sets.items():
            query_embeddings = query.embedded(embed)
            embedding = timed(partial(gallery.embedded, embed))
            speeds[name] = len(gallery.images) / embedding.cpu_seconds
            scores[name][set_name] = evaluate_retrieval(query_embeddings, embedding.result)
    return EncoderReport(scores=scores, crops_per_cpu_second=speeds)


def _print(report: EncoderReport, sets: dict[str, tuple[LabelledCrops, LabelledCrops]]) -> None:
    heads = ["", "crops/s, one thread"]
    for name in sets:
        heads += [f"{name}: mAP", "rank-1", "rank-5", "mINP"]
    rows = []
    for name, by_set in report.scores.items():
        cells = [f"{100 * value:.1f}" for s in by_set.values() for value in (s.mAP, s.rank1, s.rank5, s.mINP)]
        rows.append((name, f"{report.crops_per_cpu_second[name]:.0f}", *cells))
    print_table(heads, rows)
    by_set = next(iter(report.scores.values()))
    say()
    say(
        "; ".join(
            f"{name}: {by_set[name].queries} queries, {len(gallery.images)} crops"
            for name, (_, gallery) in sets.items()
        )
    )


def command(
    films: Annotated[Path, typer.Option(help="Folder of films with truth.")],
    market: Annotated[Path | None, typer.Option(help="A folder of Market-1501's layout.")] = None,
    model: Annotated[list[Path] | None, typer.Option(help="ONNX or safetensors files, one or several.")] = None,
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well encoders find people in other cameras."""
    torch.set_num_threads(1)
    contenders: dict[str, Embed] = {
        "colour histogram, grey-world, six stripes": histogram,
        "base encoder's network, random weights": resized_to(WeightsEncoder(new_encoder(SHAPE, seed=0))),
    }
    for path in (*(model or []), *(more or [])):  # the first of several is the option's
        contenders[path.name] = resized_to(open_encoder(path, threads=1))
    crops = cut_films(films)
    sets = {films.name: (crops, crops)}
    if market is not None:
        sets[market.name] = (read_market(market / "query"), read_market(market / "bounding_box_test"))
    report = measure(contenders, sets)
    if as_json:
        print_json(report)
    else:
        _print(report, sets)


if __name__ == "__main__":
    run(command, BenchmarkError, EncoderError, EvaluationError, OnnxError)
