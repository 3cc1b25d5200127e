"""Time and memory of association at scale: `python -m bench.association [--tracklets 100000] [--device cuda] [--json]`.

One pair of cameras with so many tracklets each: reciprocal neighbours across the two with their threshold, and soft
labels within one of them. Features are random directions around a few thousand people, so that both find something.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reid import association

MIB = 2**20


def crowd(tracklets: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (2 × tracklets, width) of two cameras, and the camera of each; three tracklets a person in each."""
    rng = np.random.default_rng([seed, tracklets, width])
    people = torch.from_numpy(rng.standard_normal((tracklets // 3 + 1, width), dtype=np.float32))
    features = people[torch.from_numpy(rng.integers(0, len(people), 2 * tracklets))]
    features += torch.from_numpy(rng.standard_normal(features.shape, dtype=np.float32))
    return functional.normalize(features), torch.arange(2).repeat_interleave(tracklets)


def peak(device: str, *, reset: bool = False) -> int:
    """The most memory held since the last reset, bytes: of the device, or of this process (Linux)."""
    if device.startswith("cuda"):
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def measured(work: Callable[[], Any], device: str) -> tuple[Any, float, float]:
    """The result, seconds, and MiB above what was held before."""
    before = peak(device, reset=True)
    start = time.perf_counter()
    result = work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return result, time.perf_counter() - start, (peak(device) - before) / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracklets", type=int, default=100_000, help="in each camera")
    parser.add_argument("--width", type=int, default=512, help="of an embedding")
    parser.add_argument("--neighbours", type=int, default=4, help="of a soft label")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    features, camera = (tensor.to(arguments.device) for tensor in crowd(arguments.tracklets, arguments.width))
    one = features[: arguments.tracklets]
    association.nearest_per_camera(features[:64], camera[:64], 2)  # the libraries load

    def associate() -> tuple[int, float]:
        found = association.reciprocal(association.nearest_per_camera(features, camera, 2), camera)
        pairs, similarity = found.pairs()
        return len(pairs), association.calibrated_threshold(similarity, 0.5)

    (pairs, threshold), seconds, mib = measured(associate, arguments.device)
    labels, label_seconds, label_mib = measured(
        lambda: association.soft_labels(one, camera[: arguments.tracklets], 1, arguments.neighbours), arguments.device
    )
    report = {
        "tracklets": arguments.tracklets,
        "width": arguments.width,
        "device": arguments.device,
        "threads": torch.get_num_threads(),
        "features_mib": round(features.numel() * 4 / MIB),
        "whole_matrix_mib": round(arguments.tracklets**2 * 4 / MIB),
        "reciprocal": {"pairs": pairs, "threshold": threshold, "seconds": seconds, "mib": mib},
        "soft_labels": {
            "own_weight": float(labels.weight[:, 0].mean()),
            "seconds": label_seconds,
            "mib": label_mib,
        },
    }
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"{arguments.tracklets:,} × {arguments.tracklets:,} tracklets, {arguments.width} wide, {arguments.device}")
    print(f"  reciprocal neighbours {seconds:8.1f} s  {mib:7.0f} MiB  {pairs:,} pairs")
    print(f"  soft labels           {label_seconds:8.1f} s  {label_mib:7.0f} MiB")


if __name__ == "__main__":
    main()
