"""SSTT: tracklets that are in view at instants far from each other, whoever they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid.benchmarks import BenchmarkError, open_benchmark
from reid.benchmarks.sampling import GAP, REACH, at_instant


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ([3 * GAP], True),
        ([2 * GAP + REACH, 2 * GAP + 20], True),
        ([2 * GAP - 9, 2 * GAP - REACH], True),
        ([2 * GAP - 9, 2 * GAP + 9], True),
        ([2 * GAP + REACH + 0.1, 3 * GAP - REACH - 0.1], False),
        ([2 * GAP, np.nan], False),
    ],
)
def test_an_instant_is_met_within_reach(times: list[float], kept: bool) -> None:
    assert at_instant(np.array(times)) is kept


def test_a_benchmark_keeps_those_of_the_instants(draw) -> None:
    # At 25 frames/s, where the first instant of a sequence is 20 s after its begin.
    met, missed, also = "0002_c1s1_000510_01.jpg", "0002_c1s1_000750_01.jpg", "0007_c1s1_002000_01.jpg"
    draw("market/bounding_box_train", met, missed, also)
    for part in ("query", "bounding_box_test"):
        draw(f"market/{part}", "0001_c1s1_001051_00.jpg", "0001_c3s1_000551_00.jpg")
    name = f"market1501:{draw('market')}"
    everything = open_benchmark(name, "raw-tracklets")
    benchmark = open_benchmark(name, "sparse-tracklets")
    tracklets = list(benchmark.train.tracklets)
    assert [Path(str(tracklet.pictures[0])).name for tracklet in tracklets] == [met, also]
    assert [tracklet.id for tracklet in tracklets] == [0, 1]
    assert benchmark.truth is not None
    assert benchmark.truth.train.people.tolist() == [2, 7]
    assert benchmark.train.pictures == 2 and benchmark.train.fingerprint != everything.train.fingerprint


def test_tracklets_without_times_cannot_be_sampled(draw) -> None:
    folder = draw("people/gate/anna", "1.jpg", "2.jpg").parents[1]
    draw("people/hall/anna", "1.jpg", "2.jpg")
    with pytest.raises(BenchmarkError, match="no tracklet that is known to be in view at one of SSTT's instants"):
        open_benchmark(f"folder-of-people:{folder}", "sparse-tracklets")
