"""Decoding speed on one thread.

Ours is `open_footage`: true presentation times, damage noticed, resumable. The others are plain loops of PyAV and of
OpenCV. PyAV converts to RGB by I420 and OpenCV, or by itself. In all of them a frame ends as an RGB image. The best of
several rounds counts, in turn.

    python -m bench.decode VIDEO…
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import av
import cv2
import typer

from app.footage import discover, open_footage
from app.terminal import JsonOption, print_json
from bench.measuring import best_of
from bench.terminal import print_table, run


@dataclass(frozen=True, slots=True)
class DecodingReport:
    """Speeds by decoder and video."""

    unit: str
    speeds: dict[str, dict[str, float]]


def sightline(video: Path) -> Iterable[object]:
    """Our decoder."""
    (camera,) = discover(video)
    return open_footage(camera.footage[0])


def pyav_i420(video: Path) -> Iterable[object]:
    """PyAV's planes, converted by OpenCV."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield cv2.cvtColor(frame.to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420)


def pyav_rgb(video: Path) -> Iterable[object]:
    """PyAV, converted by itself."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def opencv(video: Path) -> Iterable[object]:
    """OpenCV's reader."""
    capture = cv2.VideoCapture(str(video))
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)


DECODERS: dict[str, Callable[[Path], Iterable[object]]] = {
    "sightline": sightline,
    "PyAV, I420 + OpenCV": pyav_i420,
    "PyAV, rgb24": pyav_rgb,
    "OpenCV": opencv,
}


def count_frames(decode: Callable[[Path], Iterable[object]], video: Path) -> int:
    """Decodes a whole video."""
    return sum(1 for _ in decode(video))


def measure(videos: list[Path], rounds: int) -> DecodingReport:
    """Decodes each video with each decoder."""
    works = {
        (name, video): partial(count_frames, decode, video) for video in videos for name, decode in DECODERS.items()
    }
    best = best_of(rounds, works)
    speeds = {
        name: {str(video): best[name, video].result / best[name, video].cpu_seconds for video in videos}
        for name in DECODERS
    }
    return DecodingReport(unit="frames per CPU second", speeds=speeds)


def command(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", exists=True)],
    rounds: Annotated[int, typer.Option(help="The best one counts.", min=1)] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast videos are decoded on one thread."""
    report = measure(videos, rounds)
    if as_json:
        print_json(report)
        return
    rows = [(name, *(f"{speed:.0f}" for speed in speeds.values())) for name, speeds in report.speeds.items()]
    print_table((report.unit, *(video.name for video in videos)), rows)


if __name__ == "__main__":
    run(command)
