"""Speed and loss of an encoder's forms.

The trained network in torch, its export to ONNX, and the export in fp16 and int8 embed the same crops. They take turns,
in batches of several sizes, and the best round counts. Beside the wall clock stands the processor's time. On a busy
machine only figures of one thread mean anything. Threads that wait spin, those of torch far more than those of ONNX
Runtime.

Crops are cut from the films by their truth, as bench.encoder does it. The int8 form is calibrated on every eighth
person. The scores are those of the others.

    python -m bench.embedding --model deploy/models/base.safetensors
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from app.terminal import JsonOption, print_json
from bench.encoder import cut_films, resize
from bench.measuring import Machine, Timed, best_of
from bench.terminal import print_table, run, say
from deploy.encoder import OnnxError, OpenEncoder, open_encoder
from deploy.export import ExportError, export_model, write_variant
from deploy.onnx_runtime import onnxruntime
from reid.encoder import EncoderError, load_encoder
from reid.evaluate import Embeddings, EvaluationError, RetrievalScores, evaluate_retrieval

FILMS = Path(__file__).parents[1] / "sample_videos" / "films"
LEAST_CROPS = 128  # embedded a round, in however many batches
BATCHES = (1, 32, 128)
CALIBRATING = 8  # one person of so many
SHOWN = 64  # crops that the export is checked on


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast a form embeds."""

    crops_per_second: float
    crops_per_cpu_second: float

    @classmethod
    def of(cls, crops: int, best: Timed[Any]) -> Self:
        """Of so many crops in the best round."""
        return cls(
            crops_per_second=crops / best.seconds,
            crops_per_cpu_second=crops / max(best.cpu_seconds, 1e-9),  # one batch may cost less than a tick
        )

    def over(self, baseline: Rates) -> Rates:
        """How many times as fast as the baseline."""
        return Rates(
            crops_per_second=self.crops_per_second / baseline.crops_per_second,
            crops_per_cpu_second=self.crops_per_cpu_second / baseline.crops_per_cpu_second,
        )


@dataclass(frozen=True, slots=True)
class FormQuality:
    """What a form of the encoder is worth."""

    bytes: int
    max_difference: float  # of a component from torch's
    least_cosine: float  # of an embedding and torch's
    mAP: float
    rank1: float
    mAP_loss: float  # against torch


@dataclass(frozen=True, slots=True)
class EmbeddingReport:
    """All forms of one encoder."""

    model: str
    machine: Machine
    torch: str
    onnxruntime: str
    crops: int
    calibration_crops: int
    forms: dict[str, FormQuality]
    speeds: dict[int, dict[str, Rates]]  # by batch size and form
    onnx_over_torch: dict[int, Rates]  # by batch size


def measure_speeds(
    forms: Mapping[str, OpenEncoder], crops: NDArray[np.uint8], batches: Sequence[int], rounds: int
) -> dict[int, dict[str, Rates]]:
    """By batch size and form."""
    report = {}
    for batch in batches:
        count = max(LEAST_CROPS // batch, 1) * batch
        repeated = np.resize(crops, (count, *crops.shape[1:]))
        works = {name: partial(form.embed, repeated, batch=batch) for name, form in forms.items()}
        best = best_of(rounds, works, warm_up=True)
        report[batch] = {name: Rates.of(count, timed) for name, timed in best.items()}
    return report


def measure(model: Path, films: Path, threads: int, batches: Sequence[int], rounds: int) -> EmbeddingReport:
    """Exports an encoder, and holds its forms against each other."""
    torch.set_num_threads(threads)
    machine = Machine.now(threads)
    encoder = load_encoder(model)
    labelled = cut_films(films)
    crops = np.stack([resize(image, *encoder.size) for image in labelled.images])
    people, cameras = np.array(labelled.people), np.array(labelled.cameras)
    calibrating = people % CALIBRATING == 0
    with tempfile.TemporaryDirectory() as folder:
        exported = export_model(encoder, Path(folder), {}, crops[:: max(1, len(crops) // SHOWN)])
        files = {
            "torch": model,
            "onnx": exported.path,
            "fp16": write_variant(exported.path, Path(folder) / "fp16.onnx", "fp16").path,
            "int8": write_variant(exported.path, Path(folder) / "int8.onnx", "int8", crops[calibrating]).path,
        }
        forms: dict[str, OpenEncoder] = {name: open_encoder(path, threads=threads) for name, path in files.items()}
        rows = {name: form.embed(crops) for name, form in forms.items()}
        scores: dict[str, RetrievalScores] = {}
        for name in files:
            tested = Embeddings(torch.from_numpy(rows[name]), people, cameras).where(~calibrating)
            scores[name] = evaluate_retrieval(tested, tested)
        qualities = {
            name: FormQuality(
                bytes=path.stat().st_size,
                max_difference=float(np.abs(rows[name] - rows["torch"]).max()),
                least_cosine=float((rows[name] * rows["torch"]).sum(1).min()),
                mAP=scores[name].mAP,
                rank1=scores[name].rank1,
                mAP_loss=scores["torch"].mAP - scores[name].mAP,
            )
            for name, path in files.items()
        }
        speeds = measure_speeds(forms, crops, batches, rounds)
    return EmbeddingReport(
        model=model.name,
        machine=machine,
        torch=torch.__version__,
        onnxruntime=onnxruntime.__version__,
        crops=len(crops),
        calibration_crops=int(calibrating.sum()),
        forms=qualities,
        speeds=speeds,
        onnx_over_torch={batch: rates["onnx"].over(rates["torch"]) for batch, rates in speeds.items()},
    )


def _print(report: EmbeddingReport) -> None:
    machine = report.machine
    say(
        f"{report.model}, {machine.threads} threads of {machine.cpus}, load {machine.load:.1f}, torch {report.torch}, "
        f"ONNX Runtime {report.onnxruntime}; {report.crops:,} crops, int8 calibrated on "
        f"{report.calibration_crops:,} that are not searched"
    )
    rows = []
    for name, form in report.forms.items():
        rates = [report.speeds[batch][name] for batch in report.speeds]
        rows.append(
            (
                name,
                f"{form.bytes / 1e6:.1f}",
                *(f"{rate.crops_per_second:.0f} ({rate.crops_per_cpu_second:.0f})" for rate in rates),
                f"{form.max_difference:.1e}",
                f"{100 * form.mAP:.2f}",
                f"{100 * form.rank1:.2f}",
                f"{100 * form.mAP_loss:.2f}",
            )
        )
    speed_heads = (f"crops/s (a CPU second) in batches of {batch}" for batch in report.speeds)
    print_table(("", "MB", *speed_heads, "max difference", "mAP", "rank-1", "mAP loss"), rows)
    if machine.busy and machine.threads > 1:
        say("The machine is BUSY: speeds and ratios of several threads are no measurement; use --threads 1")
    ratios = ", ".join(
        f"{ratio.crops_per_second:.2f} ({ratio.crops_per_cpu_second:.2f})" for ratio in report.onnx_over_torch.values()
    )
    say(f"ONNX Runtime over torch, by clock (by CPU): {ratios}")


def command(
    model: Annotated[Path, typer.Option(help="A safetensors file.")],
    films: Annotated[
        Path, typer.Option(help="Folder of CAMERA.mp4 with CAMERA/gt/gt.txt; default: the sample films.")
    ] = FILMS,
    threads: Annotated[int, typer.Option(help="Of torch and of ONNX Runtime.", min=1)] = 2,
    batches: Annotated[
        list[int] | None, typer.Option(help="Crops in a batch, one number or several; default: 1 32 128.")
    ] = None,
    more: Annotated[list[int] | None, typer.Argument(hidden=True)] = None,
    rounds: Annotated[int, typer.Option(help="The best one counts.", min=1)] = 7,
    as_json: JsonOption = False,
) -> None:
    """Measure speed and loss of an encoder's forms: torch, ONNX, fp16, int8."""
    sizes = (*batches, *(more or [])) if batches else BATCHES  # the first of several is the option's
    report = measure(model, films, threads, sizes, rounds)
    if as_json:
        print_json(report)
    else:
        _print(report)


if __name__ == "__main__":
    run(command, EncoderError, EvaluationError, ExportError, OnnxError)
