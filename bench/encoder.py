"""How well encoders find people in other cameras: `python -m bench.encoder --films DIR [--market DIR] [--model FILE]`.

Crops are cut from films by their truth (`CAMERA.mp4` and `CAMERA/gt/gt.txt` in DIR): people of at least 60 px who are
half visible or more, one crop per person, camera and second; each is searched among all others. `--market` is
Market-1501's layout (`query`, `bounding_box_test`). In both, the same person in the same camera is left out.

Beside the models, ONNX or safetensors, stand a network of random weights and a colour histogram. An ONNX file that
takes float pictures (N, 3, H, W), such as torchreid's, gets RGB with ImageNet's normalisation.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from deploy.encoder import OpenEncoder, WeightsEncoder, open_encoder
from reid.encoder import new_encoder
from reid.evaluate import Embeddings, RetrievalScores, evaluate_retrieval
from reid.normalised import normalised
from trackers.motchallenge import FRAME, HEIGHT, ID, VISIBILITY, boxes_of, read_rows

LEAST_HEIGHT = 60  # px
LEAST_VISIBILITY = 0.5
STRIPES = 6

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Embed = Callable[[list[Image]], NDArray[np.float32]]  # → (N, D), rows of length 1


@dataclass(frozen=True)
class LabelledCrops:
    images: list[Image]
    people: list[int]
    cameras: list[int]

    def embedded(self, embed: Embed) -> Embeddings:
        return Embeddings(torch.from_numpy(embed(self.images)), np.array(self.people), np.array(self.cameras))


def cut_films(folder: Path) -> LabelledCrops:
    found = LabelledCrops([], [], [])
    for camera, truth in enumerate(sorted(folder.rglob("gt/gt.txt"))):
        name = truth.parent.parent.name
        video = next(
            (path for path in sorted(folder.rglob(f"{name}.*")) if path.suffix in (".mp4", ".mkv", ".avi")), None
        )
        if video is None:
            raise SystemExit(f"there is no film {name}.mp4 to {truth}")
        rows = read_rows(truth)
        rows = rows[(rows[:, HEIGHT] >= LEAST_HEIGHT) & (rows[:, VISIBILITY] >= LEAST_VISIBILITY)]
        with av.open(str(video)) as container:
            rate = float(container.streams.video[0].average_rate or 25)
            seconds = (rows[:, FRAME] - 1) // rate
            _, first = np.unique(np.stack((rows[:, ID], seconds), 1), axis=0, return_index=True)
            rows = rows[first]
            for number, frame in enumerate(container.decode(video=0), 1):
                now = rows[rows[:, FRAME] == number]
                if not len(now):
                    continue
                picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                boxes = boxes_of(now).round().astype(int).clip(0, [picture.shape[1], picture.shape[0]] * 2)
                for (left, top, right, bottom), person in zip(boxes, now[:, ID]):
                    found.images.append(picture[top:bottom, left:right].copy())
                    found.people.append(int(person))
                    found.cameras.append(camera)
    if not found.images:
        raise SystemExit(f"no truth (CAMERA/gt/gt.txt) with people large enough in {folder}")
    return found


def read_market(folder: Path) -> LabelledCrops:
    """Names are like 0002_c1s1_000451_03.jpg: person, camera; person -1 is junk."""
    found = LabelledCrops([], [], [])
    for path in sorted(folder.glob("*.jpg")):
        person, camera = path.name.split("_")[:2]
        picture = cv2.imread(str(path))
        if picture is None:
            raise SystemExit(f"{path} is no picture")
        found.images.append(picture[..., ::-1].astype(np.uint8, copy=False))
        found.people.append(int(person))
        found.cameras.append(int(camera[1]))
    if not found.images:
        raise SystemExit(f"no pictures in {folder}")
    return found


def resize(image: Image, height: int, width: int) -> Image:
    shrinks = image.shape[0] > height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[return-value]


def histogram(images: list[Image]) -> NDArray[np.float32]:
    """HSV histograms (8 × 4 × 4) of six stripes of the middle half, colours balanced to grey; compared by Hellinger."""
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
    return lambda images: encoder.embed(np.stack([resize(image, *encoder.size) for image in images]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--market", type=Path)
    parser.add_argument("--model", type=Path, nargs="*", default=[], help="ONNX or safetensors files")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    contenders: dict[str, Embed] = {
        "colour histogram, grey-world, six stripes": histogram,
        "base encoder's network, random weights": resized_to(WeightsEncoder(new_encoder(seed=0))),
    }
    for path in arguments.model:
        contenders[path.name] = resized_to(open_encoder(path, threads=1))
    films = cut_films(arguments.films)
    tests = {arguments.films.name: (films, films)}
    if arguments.market:
        query, gallery = (read_market(arguments.market / part) for part in ("query", "bounding_box_test"))
        tests[arguments.market.name] = (query, gallery)
    scores: dict[str, dict[str, RetrievalScores]] = {name: {} for name in contenders}
    speeds: dict[str, float] = {}
    for name, embed in contenders.items():
        for test, (query, gallery) in tests.items():
            found = query.embedded(embed)
            begun = time.process_time()
            others = gallery.embedded(embed)
            speeds[name] = len(gallery.images) / (time.process_time() - begun)
            scores[name][test] = evaluate_retrieval(found, others)
    if arguments.json:
        table = {
            name: {test: {k: getattr(s, k) for k in s.__slots__} for test, s in of.items()}
            for name, of in scores.items()
        }
        print(json.dumps({"scores": table, "crops_per_cpu_second": speeds}))
        return
    print("| | crops/s, one thread | " + " | ".join(f"{test}: mAP | rank-1 | rank-5 | mINP" for test in tests) + " |")
    print("|---|---|" + "---|" * 4 * len(tests))
    for name, of in scores.items():
        cells = [f"{100 * value:.1f}" for s in of.values() for value in (s.mAP, s.rank1, s.rank5, s.mINP)]
        print(f"| {name} | {speeds[name]:.0f} | " + " | ".join(cells) + " |")
    counts = [
        f"{test}: {next(iter(scores.values()))[test].queries} queries, {len(g.images)} crops"
        for test, (_, g) in tests.items()
    ]
    print("\n" + "; ".join(counts))


if __name__ == "__main__":
    main()
