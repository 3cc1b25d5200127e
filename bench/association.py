"""Time and memory of association at scale.

Two cameras have so many tracklets each. Measured are reciprocal neighbours across the two with their threshold. So are
soft labels within one of them. Features are random directions around a few thousand people, so that both find some.

    python -m bench.association --tracklets 100000 --device cuda
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn import functional

from app.terminal import JsonOption, print_json
from bench.measuring import MIB, peak_memory, reset_peak_memory
from bench.terminal import run, say
from reid import association

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ReciprocalCost:
    """Of reciprocal neighbours across the cameras."""

    pairs: int
    threshold: float
    seconds: float
    mib: float  # above what was held before


@dataclass(frozen=True, slots=True)
class SoftLabelCost:
    """Of soft labels within one camera."""

    own_weight: float  # mean weight of a tracklet in its own label
    seconds: float
    mib: float  # above what was held before


@dataclass(frozen=True, slots=True)
class AssociationReport:
    """What association costs."""

    tracklets: int  # in each camera
    width: int
    device: str
    threads: int
    features_mib: int
    whole_matrix_mib: int  # what the affinities of the two cameras would take at once
    reciprocal: ReciprocalCost
    soft_labels: SoftLabelCost


def crowd(tracklets: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (2 × tracklets, width) of two cameras, and the camera of each. Three tracklets a person in each."""
    rng = np.random.default_rng([seed, tracklets, width])
    people = torch.from_numpy(rng.standard_normal((tracklets // 3 + 1, width), dtype=np.float32))
    features = people[torch.from_numpy(rng.integers(0, len(people), 2 * tracklets))]
    features += torch.from_numpy(rng.standard_normal(features.shape, dtype=np.float32))
    return functional.normalize(features), torch.arange(2).repeat_interleave(tracklets)


def with_cost(work: Callable[[], Result], device: str) -> tuple[Result, float, float]:
    """The result, seconds, and MiB above what was held before: of the device, else of this process (Linux)."""
    on_cuda = device.startswith("cuda")
    peak = torch.cuda.max_memory_allocated if on_cuda else peak_memory
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    else:
        reset_peak_memory()
    held = peak()
    began = time.perf_counter()
    result = work()
    if on_cuda:
        torch.cuda.synchronize()
    return result, time.perf_counter() - began, (peak() - held) / MIB


def measure(tracklets: int, width: int, neighbours: int, device: str) -> AssociationReport:
    """Associates a crowd. neighbours: of a soft label."""
    features, cameras = (tensor.to(device) for tensor in crowd(tracklets, width))
    first_camera = features[:tracklets]
    association.nearest_per_camera(features[:64], cameras[:64], 2)  # the libraries load

    def associate() -> tuple[int, float]:
        reciprocal = association.reciprocal(association.nearest_per_camera(features, cameras, 2), cameras)
        pairs, similarity = reciprocal.pairs()
        return len(pairs), association.calibrated_threshold(similarity, 0.5)

    (pairs, threshold), seconds, mib = with_cost(associate, device)
    labels, label_seconds, label_mib = with_cost(
        lambda: association.soft_labels(first_camera, cameras[:tracklets], 1, neighbours), device
    )
    return AssociationReport(
        tracklets=tracklets,
        width=width,
        device=device,
        threads=torch.get_num_threads(),
        features_mib=round(features.numel() * 4 / MIB),
        whole_matrix_mib=round(tracklets**2 * 4 / MIB),
        reciprocal=ReciprocalCost(pairs=pairs, threshold=threshold, seconds=seconds, mib=mib),
        soft_labels=SoftLabelCost(own_weight=float(labels.weight[:, 0].mean()), seconds=label_seconds, mib=label_mib),
    )


def command(
    tracklets: Annotated[int, typer.Option(help="In each camera.", min=2)] = 100_000,
    width: Annotated[int, typer.Option(help="Of an embedding.", min=1)] = 512,
    neighbours: Annotated[int, typer.Option(help="Of a soft label.", min=1)] = 4,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Measure time and memory of association at scale."""
    report = measure(tracklets, width, neighbours, device)
    if as_json:
        print_json(report)
        return
    reciprocal, labels = report.reciprocal, report.soft_labels
    say(f"{tracklets:,} × {tracklets:,} tracklets, {width} wide, {device}")
    say(f"  reciprocal neighbours {reciprocal.seconds:8.1f} s  {reciprocal.mib:7.0f} MiB  {reciprocal.pairs:,} pairs")
    say(f"  soft labels           {labels.seconds:8.1f} s  {labels.mib:7.0f} MiB")


if __name__ == "__main__":
    run(command)
