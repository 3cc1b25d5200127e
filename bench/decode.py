"""Decoding speed on one thread: `python -m bench.decode VIDEO… [--json]`.

Ours (`open_footage`: true presentation times, damage noticed, resumable) against plain loops of PyAV, converting to RGB
by I420 and OpenCV or by itself, and of OpenCV; each frame ends as an RGB image. The best of several rounds, in turn.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import cv2

from app.footage import discover, open_footage


def ours(video: Path) -> Iterable[object]:
    (camera,) = discover(video)
    return open_footage(camera.footage[0])


def pyav_i420(video: Path) -> Iterable[object]:
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield cv2.cvtColor(frame.to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420)


def pyav_rgb(video: Path) -> Iterable[object]:
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def opencv(video: Path) -> Iterable[object]:
    capture = cv2.VideoCapture(str(video))
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)


DECODERS: dict[str, Callable[[Path], Iterable[object]]] = {
    "sightline": ours,
    "PyAV, I420 + OpenCV": pyav_i420,
    "PyAV, rgb24": pyav_rgb,
    "OpenCV": opencv,
}


def frames_a_second(decode: Callable[[Path], Iterable[object]], video: Path) -> float:
    begun = time.process_time()
    frames = sum(1 for _ in decode(video))
    return frames / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    best = {name: dict.fromkeys(map(str, arguments.videos), 0.0) for name in DECODERS}
    for _ in range(arguments.rounds):
        for video in arguments.videos:
            for name, decode in DECODERS.items():
                best[name][str(video)] = max(best[name][str(video)], frames_a_second(decode, video))
    if arguments.json:
        print(json.dumps({"unit": "frames per CPU second", "speeds": best}))
        return
    print("| frames per CPU second | " + " | ".join(video.name for video in arguments.videos) + " |")
    print("|---|" + "---|" * len(arguments.videos))
    for name, speeds in best.items():
        print(f"| {name} | " + " | ".join(f"{speed:.0f}" for speed in speeds.values()) + " |")


if __name__ == "__main__":
    main()
