"""Speed of the trackers alone, on one thread.

People walk at random through a full-HD picture, cross each other and are missed in one frame of twenty. There is no
detector and no video. `--peers-python` is the Python of an environment that has `trackers` (Roboflow's), `supervision`,
`norfair` or `ultralytics`. The same stream runs through those by `bench/peers.py`. It may be given more than once,
since they do not all agree on a NumPy. Every figure is the best of several runs.

    python -m bench.trackers --peers-python PATH
"""

from __future__ import annotations

# ruff: noqa: E402 - the number of threads must be set before NumPy is loaded
import os

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ.update(THREADS)

import json
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.terminal import JsonOption, print_json
from bench.measuring import best_of
from bench.processes import finished
from bench.terminal import print_table, run
from reid.normalised import normalised
from trackers import TRACKERS, make_tracker
from trackers.detections import Detections
from trackers.tracked import EmbedOnce

FRAMES = {10: 600, 30: 400, 100: 200}  # by people in view
RATE = 30.0  # frames/s
REPEATS = 4
MISSED = 0.05
LOOKS, DIMENSIONS = 4096, 512  # embeddings to choose from

Speeds = dict[str, dict[int, float]]  # frames/s by tracker and people in view


@dataclass(frozen=True, slots=True)
class TrackerReport:
    """Speeds by tracker and by people in view."""

    unit: str
    threads: int
    speeds: Speeds


def walkers(people: int, frames: int, *, seed: int = 0) -> list[Detections]:
    """`frames` frames of about `people` detections: random walks within 1920×1080 px, reflected at the borders."""
    rng = np.random.default_rng(seed)
    border = np.array([1920.0, 1080.0])
    position, speed = rng.uniform(0, border, (people, 2)), rng.normal(0, 3, (people, 2))
    height = rng.uniform(80, 240, people)
    size = np.stack((0.4 * height, height), axis=1)
    stream = []
    for _ in range(frames):
        speed += rng.normal(0, 0.2, speed.shape)
        position += speed
        outside = (position < 0) | (position > border)
        speed[outside] *= -1
        position = position.clip(0, border)
        centre = position + rng.normal(0, 0.02, size.shape) * size
        boxes = np.concatenate((centre - size / 2, centre + size / 2), axis=1)
        scores = rng.normal(0.8, 0.1, people).clip(0.2, 0.99)
        seen = rng.random(people) >= MISSED
        stream.append(Detections(boxes[seen].astype(np.float32), scores[seen].astype(np.float32)))
    return stream


def track(name: str, stream: list[Detections]) -> None:
    """One tracker through one stream. Who walks is known by the height, so appearance is there at no cost."""
    tracker, looks = make_tracker(name), normalised(np.random.default_rng(0).normal(size=(LOOKS, DIMENSIONS)))
    for number, detections in enumerate(stream):
        height = detections.boxes[:, 3] - detections.boxes[:, 1]
        look = np.rint(10 * height).astype(np.intp) % LOOKS
        tracker.update(number / RATE, detections, EmbedOnce(looks[look].__getitem__, len(detections)))


def our_speeds(streams: dict[int, list[Detections]], repeats: int = REPEATS) -> Speeds:
    """Of each of our trackers. Streams by people in view."""
    works = {(name, people): partial(track, name, stream) for people, stream in streams.items() for name in TRACKERS}
    best = best_of(repeats, works)
    return {
        name: {people: len(stream) / best[name, people].seconds for people, stream in streams.items()}
        for name in TRACKERS
    }


def peer_speeds(python: str, streams: dict[int, list[Detections]], repeats: int = REPEATS) -> Speeds:
    """Of the peers in the other environment, measured by its Python."""
    arrays: dict[str, Any] = {"people": np.array(list(streams))}
    for people, stream in streams.items():
        arrays[f"boxes{people}"] = np.concatenate([detections.boxes for detections in stream])
        arrays[f"scores{people}"] = np.concatenate([detections.scores for detections in stream])
        arrays[f"counts{people}"] = np.array([len(detections) for detections in stream])
    script = Path(__file__).with_name("peers.py").resolve()
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "streams.npz", **arrays)
        # -I keeps this repository off the path: Roboflow's package is called `trackers` as our folder is.
        words = [python, "-I", script, "streams.npz", repeats]
        process = finished(f"{python} with the peers", words, folder=Path(folder), environment=os.environ | THREADS)
    speeds = json.loads(process.output.splitlines()[-1])
    return {name: {int(people): speed for people, speed in of_peer.items()} for name, of_peer in speeds.items()}


def command(
    peers_python: Annotated[
        list[str] | None, typer.Option(help="Python of an environment that has peers; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast the trackers are alone, on one thread, beside other people's."""
    streams = {people: walkers(people, frames) for people, frames in FRAMES.items()}
    speeds = our_speeds(streams)
    for python in peers_python or []:
        speeds |= peer_speeds(python, streams)
    if as_json:
        print_json(TrackerReport(unit="frames/s", threads=1, speeds=speeds))
        return
    rows = [
        (name, *(f"{speed:.0f} ({speed / speeds['sort'][people]:.1f}×)" for people, speed in of_tracker.items()))
        for name, of_tracker in speeds.items()
    ]
    print_table(("frames/s (× sort), people", *map(str, streams)), rows)


if __name__ == "__main__":
    run(command)
