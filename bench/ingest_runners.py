"""What bench.ingest measures, each in a process of its own: `python -m bench.ingest_runners RUNNER VIDEO MODEL`.

It imports no more than the runners need, since their start and their memory are measured, too. A JSON object, a `Run`,
goes to stdout.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.onnx_runtime import onnxruntime
from trackers import make_tracker
from trackers.detections import Detections

PERSON = 0  # COCO's class
BOX, OBJECTNESS, CLASSES = slice(0, 4), 4, 5  # columns of a YOLOX row. The classes go on to its end.
CENTRE, SIZE = slice(0, 2), slice(2, 4)  # of the box
COCO_ROW = CLASSES + 80
LEAST_SCORE = 0.1  # of a detection
LEAST_OVERLAP = 0.65  # IoU of two detections that show one person


@dataclass(frozen=True, slots=True)
class Run:
    """How one runner went through the footage."""

    frames: int
    running: float  # frames/s from the first frame on
    peak_mib: float  # of the process


def sightline(video: Path, model: str) -> Run:
    """All that our ingest command does."""
    from app.engine.ingest import ingest

    with tempfile.TemporaryDirectory() as folder:
        (camera,) = ingest(video, Path(folder) / "site", detector=model, who="bench").cameras
    return Run(frames=camera.frames, running=camera.frames_per_second, peak_mib=peak_mib())


def without_embedding(video: Path, model: str) -> Run:
    """The same, but the encoder is never asked."""
    import app.encoders.embed

    app.encoders.embed.embed = lambda tracklets, encoder: iter(())
    return sightline(video, model)


def another_encoder(video: Path, model: str, encoder: Path) -> Run:
    """The same with another encoder in the place of the site's."""
    import app.engine.executor
    from app.record import Site
    from app.record.rows import ModelRecord
    from deploy.encoder import OpenEncoder, open_encoder

    def open_another(site: Site, model: ModelRecord, *, threads: int | None = None) -> OpenEncoder:
        return open_encoder(encoder, threads=threads)

    app.engine.executor.open_model = open_another
    return sightline(video, model)


def naive_loop(video: Path, model: str) -> Run:
    """What a person writes in an afternoon."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name, (_, _, height, width) = session.get_inputs()[0].name, session.get_inputs()[0].shape
    tracker = make_tracker("sort")
    finished_at: list[float] = []
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)
    while True:
        read, image = capture.read()
        if not read:
            return run_of(finished_at)
        scale = min(height / image.shape[0], width / image.shape[1])
        canvas = np.full((height, width, 3), 114, np.uint8)
        small = cv2.resize(image, None, fx=scale, fy=scale)
        canvas[: small.shape[0], : small.shape[1]] = small
        output = session.run(None, {name: canvas.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        corners_and_sizes, scores = decode_yolox(output, height, width)
        kept = cv2.dnn.NMSBoxes(corners_and_sizes.tolist(), scores.tolist(), LEAST_SCORE, LEAST_OVERLAP)
        boxes = corners_and_sizes[kept] / scale
        boxes[:, SIZE] += boxes[:, CENTRE]  # now x1 y1 x2 y2
        detections = Detections(boxes.astype(np.float32), scores[kept].astype(np.float32))
        tracker.update(len(finished_at) / rate, detections)
        finished_at.append(time.perf_counter())


def reads_yolox(model: str) -> bool:
    """Whether the naive loop can run a file.

    It takes pictures of one size and gives rows of box, score and 80 classes.
    """
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    input_shape, output_shape = session.get_inputs()[0].shape, session.get_outputs()[0].shape
    return all(isinstance(side, int) for side in input_shape[2:]) and output_shape[-1] == COCO_ROW


def decode_yolox(output: NDArray[np.float32], height: int, width: int) -> tuple[NDArray, NDArray]:
    """Person candidates of one picture: (N, 4) left, top, width and height, and (N,) scores."""
    grids, strides = [], []
    for step in (8, 16, 32):
        rows, columns = np.mgrid[: height // step, : width // step]
        grids.append(np.stack((columns, rows), axis=-1).reshape(-1, 2))
        strides.append(np.full((len(grids[-1]), 1), step))
    grid, stride = np.concatenate(grids), np.concatenate(strides)
    boxes = output[:, BOX]
    centre, size = (boxes[:, CENTRE] + grid) * stride, np.exp(boxes[:, SIZE]) * stride
    scores = output[:, OBJECTNESS] * output[:, CLASSES + PERSON]
    sure = scores > LEAST_SCORE
    return np.concatenate((centre - size / 2, size), axis=1)[sure], scores[sure]


def ultralytics_track(video: Path, model: str) -> Run:
    """The library's own tracking loop."""
    from deploy.detectors.ultralytics import load_ultralytics

    size = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[2:]
    yolo = load_ultralytics().YOLO(model, task="detect")
    results = yolo.track(
        str(video), stream=True, verbose=False, tracker="bytetrack.yaml", conf=0.1, imgsz=size, device="cpu"
    )
    return run_of([time.perf_counter() for _ in results])


def run_of(finished_at: list[float]) -> Run:
    """A run whose frames were finished at these moments, s."""
    frames = len(finished_at)
    running = (frames - 1) / (finished_at[-1] - finished_at[0])
    return Run(frames=frames, running=running, peak_mib=peak_mib())


def peak_mib() -> float:
    """The most memory that this process held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


RUNNERS: dict[str, Callable[..., Run]] = {
    "sightline": sightline,
    "without embedding": without_embedding,
    "another encoder": another_encoder,
    "naive loop": naive_loop,
    "ultralytics track": ultralytics_track,
}


def main(runner: str, video: str, model: str, *encoder: str) -> None:
    """Runs one of RUNNERS. The encoder is for `another encoder` only."""
    print(json.dumps(dataclasses.asdict(RUNNERS[runner](Path(video), model, *map(Path, encoder)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
