"""Sparse space-time tracklets (SSTT): the sampling by which UTAL's predecessor gets one tracklet a person and camera.

Li, Zhu, Gong, "Unsupervised Person Re-identification by Deep Learning Tracklet Association" (TAUDL), ECCV 2018, §3.1.
UTAL's Table 10 compares it with learning from all tracklets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid.benchmarks.parts import Benchmark, BenchmarkError, Labels, with_train

GAP = 60.0  # s between two instants: P, which is more than people stay in a view. TAUDL names no number
REACH = 1.5  # s around an instant. Image sets have a picture a second, so a detector's miss is forgiven


def sparse(benchmark: Benchmark) -> Benchmark:
    """Keeps those tracklets to train on that are in view at one of their camera's instants, `GAP` seconds apart.

    Tracklets of one instant show different people, as all of them are in view at once. Those of two instants do so
    where nobody stays or comes back. TAUDL asks for space between them, too. That part is left out: crops do not tell
    where a person stood.

    Raises:
        BenchmarkError: The tracklets have no times.
    """
    assert benchmark.truth is not None
    tracklets = list(benchmark.train.tracklets)
    kept = np.array([at_instant(tracklet.times) for tracklet in tracklets], bool)
    if not kept.any():
        raise BenchmarkError(f"{benchmark.name} has no tracklet that is known to be in view at one of SSTT's instants")
    labels = benchmark.truth.train
    return with_train(
        benchmark,
        [tracklet for tracklet, keep in zip(tracklets, kept) if keep],
        Labels(labels.people[kept], labels.cameras[kept]),
        "sparse",
    )


def at_instant(times: NDArray[np.float64]) -> bool:
    """Whether a tracklet that was in view at `times` (n,), in s, comes within REACH of a multiple of GAP."""
    if np.isnan(times).any():
        return False
    first, last = times.min() - REACH, times.max() + REACH
    return bool(np.floor(last / GAP) * GAP >= first)
