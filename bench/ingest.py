"""Speed and memory of whole ingest: `python -m bench.ingest VIDEO --detector FILE.onnx [--peer-model MODEL] [--json]`.

The same footage goes through

- `sightline`: our ingest command, everything it does (tracklets, crops, embeddings, the site on disk);
- `without embedding`: the same, but the encoder is never asked: what embedding costs;
- `another encoder`: the same with the encoder of `--encoder`, such as a version's ONNX, in the place of `base`;
- `naive loop`: read with OpenCV, letterbox, the same ONNX through ONNX Runtime with its default threads, decode, our
  `sort`: what a person writes in an afternoon, nothing stored. Only with a YOLOX of fixed size, which it decodes;
- `ultralytics track`: its own tracking loop (`YOLO(model).track(stream=True)`, ByteTrack), nothing stored, with the
  ONNX of `--peer-model`, which our ingest runs too for comparison.

each in a process of its own, in turn, several rounds; the best round counts. `whole` counts from the start of the
process to its end, imports and model loading included; `running` from the first frame on. Then our ingest runs once
more on the same footage `--times` as long (the file repeated), and the peak memory of both runs is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime

from trackers import make_tracker
from trackers.detections import Detections


def sightline(video: Path, model: str) -> tuple[int, float]:
    from app.engine.ingest import ingest

    with tempfile.TemporaryDirectory() as folder:
        (camera,) = ingest(video, Path(folder) / "site", detector=model, who="bench").cameras
    return camera.frames, camera.frames_per_second


def without_embedding(video: Path, model: str) -> tuple[int, float]:
    import app.encoders.embed

    app.encoders.embed.embed = lambda tracklets, encoder: iter(())
    return sightline(video, model)


def another_encoder(encoder: Path, video: Path, model: str) -> tuple[int, float]:
    import app.engine.ingest
    from deploy.encoder import open_encoder

    app.engine.ingest.open_model = lambda site, model: open_encoder(encoder)
    return sightline(video, model)


def naive_loop(video: Path, model: str) -> tuple[int, float]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name, (_, _, height, width) = session.get_inputs()[0].name, session.get_inputs()[0].shape
    tracker = make_tracker("sort")
    done: list[float] = []
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)
    while True:
        read, image = capture.read()
        if not read:
            return running(done)
        scale = min(height / image.shape[0], width / image.shape[1])
        canvas = np.full((height, width, 3), 114, np.uint8)
        small = cv2.resize(image, None, fx=scale, fy=scale)
        canvas[: small.shape[0], : small.shape[1]] = small
        output = session.run(None, {name: canvas.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        boxes, scores = decode_yolox(output, height, width)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.1, 0.65)
        boxes = boxes[kept] / scale
        boxes[:, 2:] += boxes[:, :2]
        found = Detections(boxes.astype(np.float32), scores[kept].astype(np.float32))
        tracker.update(len(done) / rate, found)
        done.append(time.perf_counter())


def reads_yolox(model: str) -> bool:
    """Whether the naive loop can run a file: pictures of one size in, rows of box, score and 80 classes out."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    given, found = session.get_inputs()[0].shape, session.get_outputs()[0].shape
    return all(isinstance(side, int) for side in given[2:]) and found[-1] == 85


def decode_yolox(output: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Left, top, width, height and score of every person candidate of one picture."""
    grids, strides = [], []
    for step in (8, 16, 32):
        rows, columns = np.mgrid[: height // step, : width // step]
        grids.append(np.stack((columns, rows), axis=-1).reshape(-1, 2))
        strides.append(np.full((len(grids[-1]), 1), step))
    grid, stride = np.concatenate(grids), np.concatenate(strides)
    centre, size = (output[:, :2] + grid) * stride, np.exp(output[:, 2:4]) * stride
    scores = output[:, 4] * output[:, 5]
    sure = scores > 0.1
    return np.concatenate((centre - size / 2, size), axis=1)[sure], scores[sure]


def ultralytics_track(video: Path, model: str) -> tuple[int, float]:
    from deploy.detectors.ultralytics import load_ultralytics

    size = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[2:]
    peer = load_ultralytics().YOLO(model, task="detect")
    results = peer.track(
        str(video), stream=True, verbose=False, tracker="bytetrack.yaml", conf=0.1, imgsz=size, device="cpu"
    )
    return running([time.perf_counter() for _ in results])


def running(done: list[float]) -> tuple[int, float]:
    """Frames, and frames/s from the first one on, of the moments at which frames were done."""
    return len(done), (len(done) - 1) / (done[-1] - done[0])


def measure(runner: str, video: Path, model: str, encoder: Path | None) -> tuple[float, float, float]:
    """Frames/s of the whole process and of the running loop, and peak memory in MiB, of one runner."""
    command = [sys.executable, "-m", "bench.ingest", str(video), "--detector", model, "--only", runner]
    command += [] if encoder is None else ["--encoder", str(encoder)]
    begun = time.perf_counter()
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    if run.returncode:
        raise SystemExit(f"{runner} failed on {video}:\n{run.stderr[-2000:]}")
    frames, rate, peak = json.loads(run.stdout.splitlines()[-1])
    return frames / seconds, rate, peak


def repeated(video: Path, times: int, folder: str) -> Path:
    """The same packets, `times` over, in one file."""
    target = Path(folder) / f"{video.stem}-x{times}{video.suffix}"
    with av.open(str(video)) as source, av.open(str(target), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in _packets(video, times):
            packet.stream = stream
            sink.mux(packet)
    return target


def _packets(video: Path, times: int) -> Iterator[av.Packet]:
    offset = 0
    for _ in range(times):
        first, last = None, 0
        with av.open(str(video)) as source:
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is None:
                    continue
                first = packet.dts if first is None else first  # below 0 where pictures come in another order
                last = max(last, packet.dts + (packet.duration or 1))
                packet.pts = None if packet.pts is None else packet.pts + offset
                packet.dts += offset
                yield packet
        offset += last - (first or 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--detector", required=True, help="an ONNX detector, for us and for the naive loop")
    parser.add_argument("--encoder", type=Path, help="one more runner embeds with this")
    parser.add_argument("--peer-model", help="an ONNX model that ultralytics' own tracking loop reads")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=10, help="how much longer the footage of the memory test is")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only is not None:
        runners: dict[str, Callable[[Path, str], tuple[int, float]]] = {
            "sightline": sightline,
            "without embedding": without_embedding,
            "another encoder": partial(another_encoder, arguments.encoder),
            "naive loop": naive_loop,
            "ultralytics track": ultralytics_track,
        }
        frames, rate = runners[arguments.only](arguments.video, arguments.detector)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([frames, rate, peak]))
        return
    ours = ["sightline", "without embedding", *(["another encoder"] if arguments.encoder else [])]
    naive = ["naive loop"] if reads_yolox(arguments.detector) else []
    models = dict.fromkeys((*ours, *naive), arguments.detector)
    if arguments.peer_model:
        models |= {"sightline, peer's model": arguments.peer_model, "ultralytics track": arguments.peer_model}
    rounds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in models}
    for _ in range(arguments.rounds):
        for name, model in models.items():
            rounds[name].append(measure(name.partition(",")[0], arguments.video, model, arguments.encoder))
    with tempfile.TemporaryDirectory() as folder:
        long = repeated(arguments.video, arguments.times, folder)
        rounds[f"sightline, {arguments.times} × as long"] = [measure("sightline", long, arguments.detector, None)]
    best = {name: tuple(map(max, zip(*values, strict=True))) for name, values in rounds.items()}
    if arguments.json:
        print(json.dumps({name: dict(zip(("whole", "running", "peak_mib"), row)) for name, row in best.items()}))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, {arguments.video.name}\n")
    print("| | frames/s, whole | frames/s, running | peak MiB |\n|---|---|---|---|")
    for name, (whole, rate, peak) in best.items():
        print(f"| {name} | {whole:.1f} | {rate:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
