"""Tiny films for tests: coloured boxes on a textured ground, each frame carrying its number in its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

COLOURS = ((220, 40, 40), (40, 90, 230), (240, 220, 60), (250, 120, 20), (160, 50, 200), (60, 220, 220))  # RGB
BIT = 8  # pixels: the side of one square of the number, large enough to survive lossy codecs
BITS = 12

Boxes = Sequence[Sequence[float]]  # of one frame: x1 y1 x2 y2 pixels


@dataclass(frozen=True)
class Clip:
    """A rendered film and the truth about it."""

    path: Path
    boxes: tuple[NDArray[np.float32], ...]  # per frame (N, 4) x1 y1 x2 y2 pixels
    times: tuple[float, ...]  # per frame, seconds since the start of the footage


def moving_boxes(frames: int, size: tuple[int, int] = (160, 128), count: int = 2) -> list[NDArray[np.float32]]:
    """`count` boxes that wander to and fro, each in its own row below the frame number. Per frame `(count, 4)`."""
    width, height = size
    box_width, box_height = width // 8, (height - BIT) // (count + 1)
    per_frame = []
    for index in range(frames):
        boxes = []
        for number in range(count):
            reach = width - box_width
            travelled = (index * (2 + number) + number * width // 3) % (2 * reach)
            x = min(travelled, 2 * reach - travelled)
            y = BIT + 2 + number * (box_height + 2)
            boxes.append((x, y, x + box_width, y + box_height))
        per_frame.append(np.array(boxes, np.float32).reshape(-1, 4))
    return per_frame


def draw_frame(index: int, boxes: Boxes | NDArray[np.float32], size: tuple[int, int] = (160, 128)) -> NDArray[np.uint8]:
    """The picture of frame `index`: `(H, W, 3)` RGB. Box k is filled with `COLOURS[k % 6]`."""
    width, height = size
    coarse = np.random.default_rng(7).integers(70, 180, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
    image = np.array(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        image[round(y1) : round(y2), round(x1) : round(x2)] = COLOURS[number % len(COLOURS)]
    for bit in range(BITS):
        image[:BIT, bit * BIT : (bit + 1) * BIT] = 255 if index >> bit & 1 else 0
    return image


def read_number(image: NDArray[np.uint8]) -> int:
    """The frame number in a decoded picture of `draw_frame` at its original size."""
    middle = image[BIT // 2, BIT // 2 : BITS * BIT : BIT].mean(axis=1)
    return sum(1 << bit for bit in range(BITS) if middle[bit] > 127)


def render_clip(
    path: Path,
    boxes: Sequence[Boxes | NDArray[np.float32]] | int = 50,
    *,
    fps: int | Fraction = 25,
    size: tuple[int, int] = (160, 128),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    container: str | None = None,
    gop: int = 12,
    b_frames: int = 0,
    times: Sequence[float] | None = None,
    offset: float = 0.0,
    rotation: int = 0,
    creation_time: str | None = None,
    codec_options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Clip:
    """Encode a film to `path`, whose suffix chooses the container.

    Args:
        boxes: the boxes of each frame, or how many frames to fill with `moving_boxes`.
        times: seconds of each frame, for a variable frame rate, by default k/fps.
        offset: seconds added to all times, as if the video began later than its container.
        container: libav's name of the format, where the suffix should not choose it.
        rotation: degrees counter-clockwise by which a player must turn the pictures to show them upright.
        creation_time: written to the container, like "2026-11-20T14:30:05Z".
    """
    truth = (
        moving_boxes(boxes, size) if isinstance(boxes, int) else [np.array(b, np.float32).reshape(-1, 4) for b in boxes]
    )
    seconds = [
        offset + (float(index / Fraction(fps)) if times is None else times[index]) for index in range(len(truth))
    ]
    clock = Fraction(1, 90_000) if times is not None else 1 / Fraction(fps)
    with av.open(str(path), "w", format=container, options=dict(container_options or {})) as output:
        if creation_time is not None:
            output.metadata["creation_time"] = creation_time
        stream = cast(VideoStream, output.add_stream(codec, rate=Fraction(fps), options=dict(codec_options or {})))
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = clock
        stream.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        if codec not in {"libx264", "libx265"}:
            stream.bit_rate = 4_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        for index, frame_boxes in enumerate(truth):
            frame = av.VideoFrame.from_ndarray(draw_frame(index, frame_boxes, size), format="rgb24")
            frame = frame.reformat(format=pixel_format)
            frame.time_base = clock
            frame.pts = round(Fraction(seconds[index]).limit_denominator(90_000) / clock)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return Clip(path, tuple(truth), tuple(seconds))


def render_sequence(
    folder: Path, boxes: Sequence[Boxes] | int = 10, *, fps: int = 10, size: tuple[int, int] = (160, 128)
) -> Clip:
    """Write a MOTChallenge folder: `img1/000001.png` … and `seqinfo.ini`."""
    truth = (
        moving_boxes(boxes, size) if isinstance(boxes, int) else [np.array(b, np.float32).reshape(-1, 4) for b in boxes]
    )
    (folder / "img1").mkdir(parents=True)
    for index, frame_boxes in enumerate(truth):
        image = cv2.cvtColor(draw_frame(index, frame_boxes, size), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "img1" / f"{index + 1:06d}.png"), image)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={fps}\nseqLength={len(truth)}\n"
        f"imWidth={size[0]}\nimHeight={size[1]}\nimExt=.png\n"
    )
    return Clip(folder, tuple(truth), tuple(index / fps for index in range(len(truth))))
