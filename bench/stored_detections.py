"""What a detector and an encoder make of footage, stored once for all who track it.

Every box from `WEAK_SCORE` up has its embedding, so that trackers differ in nothing but what they do.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.encoders.embed import embed_pictures
from app.footage import open_footage, site_config
from app.footage.discover import discover
from deploy.detectors import Detector, Frame
from deploy.encoder import OpenEncoder
from reid.whole_file import whole_file
from trackers.bytetrack import WEAK_SCORE
from trackers.detections import Detections, whole_pixels


@dataclass(frozen=True, slots=True)
class StoredDetections:
    """One camera's F frames with N boxes."""

    times: NDArray[np.float64]  # (F,) UTC s
    counts: NDArray[np.int64]  # (F,) boxes of each frame
    boxes: NDArray[np.float32]  # (N, 4) px
    scores: NDArray[np.float32]  # (N,)
    embeddings: NDArray[np.float16]  # (N, D) of length 1
    size: NDArray[np.int64]  # (2,) height and width of the picture, px

    def frames(self) -> Iterator[tuple[float, slice, Detections]]:
        """Time, rows and boxes of each frame."""
        ends = np.cumsum(self.counts)
        for time, start, end in zip(self.times.tolist(), (ends - self.counts).tolist(), ends.tolist()):
            yield time, slice(start, end), Detections(self.boxes[start:end], self.scores[start:end])

    def every(self, stride: int) -> StoredDetections:
        """Every `stride`-th frame: the same people at a lower frame rate."""
        kept = np.zeros(len(self.times), bool)
        kept[::stride] = True
        rows = np.repeat(kept, self.counts)
        return StoredDetections(
            times=self.times[kept],
            counts=self.counts[kept],
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            embeddings=self.embeddings[rows],
            size=self.size,
        )

    def write(self, path: Path) -> None:
        """As a file that `read` takes."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **asdict(self))
        with whole_file(path) as part:
            part.write_bytes(buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> StoredDetections:
        """What `write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**arrays)


def detect_and_embed(videos: Path, detector: Detector, encoder: OpenEncoder) -> Iterator[tuple[str, StoredDetections]]:
    """Each camera of a folder. Each must be one footage."""
    for camera in discover(videos, site_config(videos, None), None):
        (footage,) = camera.footage
        times, counts, boxes, scores, embeddings, size = [], [], [], [], [], (0, 0)
        with open_footage(footage) as decoder:
            frames = iter(decoder)
            while batch := list(islice(frames, detector.batch)):
                pictures = [Frame(camera.name, frame.index, frame.time, frame.image) for frame in batch]
                for frame, found in zip(batch, detector.detect(pictures), strict=True):
                    found = found.take(found.scores >= WEAK_SCORE)
                    size = frame.image.shape[:2]
                    edges = whole_pixels(found.boxes, frame.image.shape)
                    crops = [frame.image[y1:y2, x1:x2] for x1, y1, x2, y2 in edges]
                    times.append(frame.time)
                    counts.append(len(found))
                    boxes.append(found.boxes)
                    scores.append(found.scores)
                    if crops:
                        embeddings.append(embed_pictures(crops, encoder).astype(np.float16))
        yield (
            camera.name,
            StoredDetections(
                times=np.array(times),
                counts=np.array(counts),
                boxes=np.concatenate(boxes),
                scores=np.concatenate(scores),
                embeddings=np.concatenate(embeddings),
                size=np.array(size),
            ),
        )
