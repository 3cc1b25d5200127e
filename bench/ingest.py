"""Speed and memory of whole ingest.

The same footage goes through

- `sightline`: Our ingest command, everything it does (tracklets, crops, embeddings, the site on disk).
- `without embedding`: The same, but the encoder is never asked. It shows what embedding costs.
- `another encoder`: The same with the encoder of `--encoder`, such as a version's ONNX, in the place of `base`.
- `naive loop`: What a person writes in an afternoon, nothing stored. It reads with OpenCV and letterboxes. It runs the
  same ONNX through ONNX Runtime with its default threads. It decodes, and tracks by our `sort`. It decodes a YOLOX of
  fixed size only.
- `ultralytics track`: Its own tracking loop (`YOLO(model).track(stream=True)`, ByteTrack), nothing stored. It has the
  ONNX of `--peer-model`, which our ingest runs too for comparison.

Each runs in a process of its own (`bench.ingest_runners`), in turn, several rounds, and the best round counts. `whole`
counts from the start of the process to its end, imports and model loading included. `running` counts from the first
frame on. Then our ingest runs once more on the same footage `--times` as long (the file repeated). So the peak memory
of both can be compared.

    python -m bench.ingest VIDEO --detector FILE.onnx --peer-model MODEL
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import av
import typer

from app.terminal import JsonOption, print_json
from bench.ingest_runners import Run, reads_yolox
from bench.measuring import Machine
from bench.processes import finished
from bench.terminal import print_table, run, say


@dataclass(frozen=True, slots=True)
class RunnerFigures:
    """Of one runner, the best of all rounds."""

    whole: float  # frames/s of the whole process
    running: float  # frames/s from the first frame on
    peak_mib: float


def measure(runner: str, video: Path, model: str, encoder: Path | None = None) -> RunnerFigures:
    """One runner, once, in a process of its own."""
    words = [sys.executable, "-m", "bench.ingest_runners", runner, video, model]
    process = finished(f"{runner} on {video}", [*words, *([] if encoder is None else [encoder])], quiet=True)
    measured = Run(**json.loads(process.output.splitlines()[-1]))
    return RunnerFigures(whole=measured.frames / process.seconds, running=measured.running, peak_mib=measured.peak_mib)


def best(rounds: list[RunnerFigures]) -> RunnerFigures:
    """The highest speeds, and the highest memory."""
    return RunnerFigures(
        whole=max(figures.whole for figures in rounds),
        running=max(figures.running for figures in rounds),
        peak_mib=max(figures.peak_mib for figures in rounds),
    )


def repeated(video: Path, times: int, folder: Path) -> Path:
    """The same packets, `times` over, in one new file in `folder`."""
    target = folder / f"{video.stem}-x{times}{video.suffix}"
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


@dataclass(frozen=True, slots=True)
class Contender:
    """A runner with its model."""

    runner: str
    model: str
    encoder: Path | None = None


def contenders_of(detector: str, encoder: Path | None, peer_model: str | None) -> dict[str, Contender]:
    """All that can run, by name."""
    contenders = {name: Contender(name, detector) for name in ("sightline", "without embedding")}
    if encoder is not None:
        contenders["another encoder"] = Contender("another encoder", detector, encoder)
    if reads_yolox(detector):
        contenders["naive loop"] = Contender("naive loop", detector)
    if peer_model is not None:
        contenders["sightline, peer's model"] = Contender("sightline", peer_model)
        contenders["ultralytics track"] = Contender("ultralytics track", peer_model)
    return contenders


def command(
    video: Annotated[Path, typer.Argument(help="A video file.", exists=True)],
    detector: Annotated[str, typer.Option(help="An ONNX detector, for us and for the naive loop.")],
    encoder: Annotated[Path | None, typer.Option(help="One more runner embeds with this.")] = None,
    peer_model: Annotated[
        str | None, typer.Option(help="An ONNX model that ultralytics' own tracking loop reads.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="The best one counts.", min=1)] = 3,
    times: Annotated[int, typer.Option(help="How much longer the footage of the memory test is.", min=1)] = 10,
    as_json: JsonOption = False,
) -> None:
    """Measure speed and memory of whole ingest, beside a naive loop and another library's."""
    contenders = contenders_of(detector, encoder, peer_model)
    figures: dict[str, list[RunnerFigures]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            figures[name].append(measure(contender.runner, video, contender.model, contender.encoder))
    with tempfile.TemporaryDirectory() as folder:
        long_video = repeated(video, times, Path(folder))
        figures[f"sightline, {times} × as long"] = [measure("sightline", long_video, detector)]
    report = {name: best(rounds_of_name) for name, rounds_of_name in figures.items()}
    if as_json:
        print_json({name: asdict(row) for name, row in report.items()})
        return
    machine = Machine.now()
    say(f"{machine.processor}, {machine.cpus} cores, {video.name}")
    say()
    rows = [(name, f"{r.whole:.1f}", f"{r.running:.1f}", f"{r.peak_mib:.0f}") for name, r in report.items()]
    print_table(("", "frames/s, whole", "frames/s, running", "peak MiB"), rows)


if __name__ == "__main__":
    run(command)
