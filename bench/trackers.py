"""Speed of the trackers alone, on one thread: `python -m bench.trackers [--peers-python PATH] [--json]`.

People walk at random through a full-HD picture, cross each other and are missed in one frame of twenty; no detector,
no video. With `--peers-python`, the Python of an environment that has `trackers` (Roboflow's), `supervision`, `norfair`
or `ultralytics`, the same stream runs through those by `bench/peers.py`; it may be given more than once, since they
do not all agree on a NumPy. Every figure is the best of several runs.
"""

from __future__ import annotations

# ruff: noqa: E402 - the number of threads must be set before NumPy is loaded
import os

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ.update(THREADS)

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from trackers import TRACKERS, make_tracker
from trackers.detections import Detections

OBJECTS = {10: 600, 30: 400, 100: 200}  # people: frames
RATE = 30.0  # frames/s
REPEATS = 4
MISSED = 0.05


def walkers(people: int, frames: int, *, seed: int = 0) -> list[Detections]:
    """`frames` frames of about `people` detections: random walks within 1920×1080 px, reflected at the borders."""
    rng = np.random.default_rng(seed)
    border = np.array([1920.0, 1080.0])
    place, speed = rng.uniform(0, border, (people, 2)), rng.normal(0, 3, (people, 2))
    height = rng.uniform(80, 240, people)
    size = np.stack((0.4 * height, height), axis=1)
    stream = []
    for _ in range(frames):
        speed += rng.normal(0, 0.2, speed.shape)
        place += speed
        outside = (place < 0) | (place > border)
        speed[outside] *= -1
        place = place.clip(0, border)
        centre = place + rng.normal(0, 0.02, size.shape) * size
        boxes = np.concatenate((centre - size / 2, centre + size / 2), axis=1)
        scores = rng.normal(0.8, 0.1, people).clip(0.2, 0.99)
        seen = rng.random(people) >= MISSED
        stream.append(Detections(boxes[seen].astype(np.float32), scores[seen].astype(np.float32)))
    return stream


def frames_a_second(name: str, stream: list[Detections]) -> float:
    best = np.inf
    for _ in range(REPEATS):
        tracker = make_tracker(name)
        start = time.perf_counter()
        for number, detections in enumerate(stream):
            tracker.update(number / RATE, detections)
        best = min(best, time.perf_counter() - start)
    return len(stream) / best


def peers(python: str, streams: dict[int, list[Detections]]) -> dict[str, dict[str, float]]:
    """Frames/s by peer and number of people, measured by the other environment's Python."""
    arrays: dict[str, Any] = {"people": np.array(list(streams))}
    for people, stream in streams.items():
        arrays[f"boxes{people}"] = np.concatenate([d.boxes for d in stream])
        arrays[f"scores{people}"] = np.concatenate([d.scores for d in stream])
        arrays[f"counts{people}"] = np.array([len(d) for d in stream])
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "streams.npz", **arrays)
        script = Path(__file__).with_name("peers.py").resolve()
        # -I keeps this repository off the path: Roboflow's package is called `trackers` as our folder is.
        command = [python, "-I", str(script), "streams.npz", str(REPEATS)]
        environment = {**os.environ, **THREADS}
        run = subprocess.run(command, check=False, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        raise SystemExit(f"the peers could not be measured by {python}: see its message above")
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", action="append", default=[], help="Python of an environment that has peers")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    streams = {people: walkers(people, frames) for people, frames in OBJECTS.items()}
    speeds = {name: {str(n): frames_a_second(name, stream) for n, stream in streams.items()} for name in TRACKERS}
    for python in arguments.peers_python:
        speeds |= peers(python, streams)
    if arguments.json:
        print(json.dumps({"unit": "frames/s", "threads": 1, "speeds": speeds}))
        return
    print("| frames/s (× sort), people | " + " | ".join(map(str, OBJECTS)) + " |")
    print("|---|" + "---|" * len(OBJECTS))
    for name, speed in speeds.items():
        cells = (f"{speed[str(n)]:.0f} ({speed[str(n)] / speeds['sort'][str(n)]:.1f}×)" for n in OBJECTS)
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
