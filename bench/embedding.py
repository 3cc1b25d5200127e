"""Speed and loss of an encoder's forms: `python -m bench.embedding --model deploy/models/base.safetensors [--json]`.

The trained network in torch, its export to ONNX, and the export's variants in fp16 and int8, on the same crops, in
batches of several sizes, in turn; the best round counts. Beside the wall clock stands the processor's time. On a busy
machine only figures of one thread mean anything: of several, one that waits for another that may not run spins, which
costs both clock and processor, and torch far more than ONNX Runtime; the report says `busy` then.

Crops are cut from the films by their truth, as bench.encoder does it; int8 is calibrated on every eighth person, and
the scores are those of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from bench.encoder import cut_films, resize
from deploy.encoder import OpenEncoder, open_encoder
from deploy.export import export_model, write_variant
from reid.encoder import load_encoder
from reid.evaluate import Embeddings, evaluate_retrieval

FILMS = Path(__file__).parents[1] / "sample_videos" / "films"
LEAST_CROPS = 128  # embedded a round, in however many batches
CALIBRATING = 8  # one person of so many


def best_rates(
    forms: Mapping[str, Callable[[], Any]], crops: int, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, dict[str, float]]:
    """Of each form the best of `rounds`, in turn, after one that is not counted: crops a second, and a CPU second."""
    seconds = dict.fromkeys(forms, np.inf)
    processor = dict(seconds)
    for turn in range(rounds + 1):
        for name, work in forms.items():
            begun, spent = clock(), time.process_time()
            work()
            if turn:
                seconds[name] = min(seconds[name], clock() - begun)
                processor[name] = min(processor[name], time.process_time() - spent)
    return {
        name: {"crops_per_second": crops / seconds[name], "crops_per_cpu_second": crops / max(processor[name], 1e-9)}
        for name in forms
    }


def speeds(
    forms: dict[str, OpenEncoder], crops: NDArray[np.uint8], batches: Sequence[int], rounds: int
) -> dict[int, dict[str, dict[str, float]]]:
    """By batch size and form."""
    report = {}
    for batch in batches:
        count = max(LEAST_CROPS // batch, 1) * batch
        shown = np.resize(crops, (count, *crops.shape[1:]))
        works = {name: partial(one.embed, shown, batch=batch) for name, one in forms.items()}
        report[batch] = best_rates(works, count, rounds)
    return report


def measure(model: Path, films: Path, threads: int, batches: Sequence[int], rounds: int) -> dict[str, Any]:
    """The report: versions, files, speeds, and scores beside torch's."""
    torch.set_num_threads(threads)
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1  # before this adds to it
    encoder = load_encoder(model)
    cut = cut_films(films)
    crops = np.stack([resize(image, *encoder.size) for image in cut.images])
    people, cameras = np.array(cut.people), np.array(cut.cameras)
    calibrating = people % CALIBRATING == 0
    with tempfile.TemporaryDirectory() as folder:
        exported = export_model(encoder, Path(folder), {}, crops[:: max(1, len(crops) // 64)])
        files = {
            "torch": model,
            "onnx": exported.path,
            "fp16": write_variant(exported.path, Path(folder) / "fp16.onnx", "fp16").path,
            "int8": write_variant(exported.path, Path(folder) / "int8.onnx", "int8", crops[calibrating]).path,
        }
        forms: dict[str, OpenEncoder] = {name: open_encoder(path, threads=threads) for name, path in files.items()}
        rows = {name: form.embed(crops) for name, form in forms.items()}
        quality: dict[str, dict[str, float]] = {}
        for name, path in files.items():
            tested = Embeddings(torch.from_numpy(rows[name]), people, cameras).where(~calibrating)
            scores = evaluate_retrieval(tested, tested)
            quality[name] = {
                "bytes": path.stat().st_size,
                "max_difference": float(np.abs(rows[name] - rows["torch"]).max()),
                "least_cosine": float((rows[name] * rows["torch"]).sum(1).min()),
                "mAP": scores.mAP,
                "rank1": scores.rank1,
                "mAP_loss": quality["torch"]["mAP"] - scores.mAP if quality else 0.0,
            }
        timed = speeds(forms, crops, batches, rounds)
    return {
        "model": model.name,
        "threads": threads,
        "cpus": cpus,
        "load": load,
        "busy": load + threads > cpus + 0.5,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "crops": len(crops),
        "calibration_crops": int(calibrating.sum()),
        "forms": quality,
        "speeds": timed,
        "onnx_over_torch": {
            batch: {key: of["onnx"][key] / of["torch"][key] for key in of["onnx"]} for batch, of in timed.items()
        },
    }


def show(report: dict[str, Any]) -> None:
    """The report as a person reads it."""
    print(
        f"{report['model']}, {report['threads']} threads of {report['cpus']}, load {report['load']:.1f}, "
        f"torch {report['torch']}, ONNX Runtime {report['onnxruntime']}; {report['crops']:,} crops, int8 calibrated on "
        f"{report['calibration_crops']:,} that are not searched"
    )
    batches = list(report["speeds"])
    print("| | MB | crops/s (a CPU second) in batches of " + " | ".join(f"{batch}" for batch in batches), end="")
    print(" | max difference | mAP | rank-1 | mAP loss |\n|---|---|" + "---|" * (len(batches) + 4))
    for name, form in report["forms"].items():
        rates = [report["speeds"][batch][name] for batch in batches]
        cells = [f"{rate['crops_per_second']:.0f} ({rate['crops_per_cpu_second']:.0f})" for rate in rates]
        cells += [f"{form['max_difference']:.1e}", f"{100 * form['mAP']:.2f}", f"{100 * form['rank1']:.2f}"]
        print(f"| {name} | {form['bytes'] / 1e6:.1f} | {' | '.join(cells)} | {100 * form['mAP_loss']:.2f} |")
    ratios = [
        f"{of['crops_per_second']:.2f} ({of['crops_per_cpu_second']:.2f})" for of in report["onnx_over_torch"].values()
    ]
    if report["busy"] and report["threads"] > 1:
        print("The machine is BUSY: speeds and ratios of several threads are no measurement; use --threads 1")
    print(f"ONNX Runtime over torch, by clock (by CPU): {', '.join(ratios)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a safetensors file")
    parser.add_argument("--films", type=Path, default=FILMS, help="CAMERA.mp4 with CAMERA/gt/gt.txt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure(arguments.model, arguments.films, arguments.threads, arguments.batches, arguments.rounds)
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)


if __name__ == "__main__":
    main()
