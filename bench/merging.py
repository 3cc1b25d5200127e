"""What merging many tracklets costs: seconds and memory, in this process or on a Ray cluster.

Tracklets are drawn: twenty a person, over cameras and thirty days, with the embeddings of `bench.search`. Merging is
that of `app.merge`, without the record: tracklets are described by their neighbours, then joined within cameras and
across them. The labels' digest tells whether two ways gave the same.

    python -m bench.merging --tracklets 200000
    python -m bench.merging --tracklets 200000 --cluster auto
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from app.on_cluster import ClusterOption, spread_over
from app.terminal import JsonOption, print_json
from bench.measuring import MIB, Machine, peak_memory, reset_peak_memory, timed
from bench.search import Crowd
from bench.terminal import print_table, run
from reid.merging import MergeRules, Seen, in_context, merge_tracklets

BEGAN = 1795185600.0  # 2026-11-20T14:40:00Z
DAY, OPEN = 86400.0, 36000.0  # s: of a day, and that people come in
DAYS, A_PERSON = 30, 20
STAY = 6.0  # s that a tracklet lasts
PICTURE = np.array([1920.0, 1080.0, 1920.0, 1080.0], np.float32)
BOX = np.array([0.0, 0.0, 64.0, 160.0], np.float32)
_CHUNK = 2**16  # embeddings drawn at once


@dataclass(frozen=True, slots=True)
class MergingReport:
    """What one merging cost."""

    machine: Machine
    tracklets: int
    cameras: int
    dimensions: int
    describing: float  # s: neighbours of all
    joining: float  # s: within cameras and across them
    processor: float  # s of both, of this process
    before_mib: float  # what the tracklets take, and Python
    peak_mib: float  # of this process
    trajectories: int
    identities: int
    digest: str


def drawn(tracklets: int, cameras: int, dimensions: int) -> Seen:
    """Tracklets of people who come by some twenty times, in the order of cameras and times."""
    rng = np.random.default_rng(tracklets)
    people = max(tracklets // A_PERSON, 1)
    crowd, person = Crowd(people, dimensions), rng.integers(0, people, tracklets)
    camera = np.sort(rng.integers(0, cameras, tracklets))
    start = BEGAN + DAY * rng.integers(0, DAYS, tracklets) + rng.uniform(0, OPEN, tracklets)
    start = start[np.lexsort((start, camera))]
    embedding = np.empty((tracklets, dimensions), np.float32)
    for first in range(0, tracklets, _CHUNK):
        embedding[first : first + _CHUNK] = crowd.views(person[first : first + _CHUNK])
    boxes = rng.uniform(0, 1, (2, tracklets, 2)).astype(np.float32).repeat(2, 2)[..., [0, 2, 1, 3]] * PICTURE + BOX
    return Seen(
        ids=np.arange(tracklets),
        camera=camera,
        start=start,
        end=start + STAY,
        embedding=embedding,
        first_box=boxes[0],
        last_box=boxes[1],
    )


def measure(tracklets: int, cameras: int, dimensions: int, cluster: str | None) -> MergingReport:
    """Merges drawn tracklets once."""
    machine, seen = Machine.now(), drawn(tracklets, cameras, dimensions)
    reset_peak_memory()
    before = peak_memory()
    with spread_over(cluster) as spread:
        around = timed(lambda: in_context(seen, spread))
        merged = timed(lambda: merge_tracklets(seen, MergeRules(), around=around.result, spread=spread))
    trajectory, identity = merged.result[0], merged.result[1].labels
    return MergingReport(
        machine=machine,
        tracklets=tracklets,
        cameras=cameras,
        dimensions=dimensions,
        describing=round(around.seconds, 1),
        joining=round(merged.seconds, 1),
        processor=round(around.cpu_seconds + merged.cpu_seconds, 1),
        before_mib=round(before / MIB),
        peak_mib=round(peak_memory() / MIB),
        trajectories=len(np.unique(trajectory)),
        identities=len(np.unique(identity)),
        digest=hashlib.sha256(trajectory.tobytes() + identity.tobytes()).hexdigest()[:16],
    )


def command(
    tracklets: Annotated[int, typer.Option(help="Drawn at random.", min=1)] = 200_000,
    cameras: Annotated[int, typer.Option(help="That see them.", min=1)] = 20,
    dimensions: Annotated[int, typer.Option(help="Of an embedding.", min=1)] = 256,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure merging, in this process or on a cluster."""
    report = measure(tracklets, cameras, dimensions, cluster)
    if as_json:
        print_json(report)
        return
    print_table(
        [
            "tracklets",
            "describing, s",
            "joining, s",
            "processor, s",
            "MiB before",
            "MiB peak",
            "trajectories",
            "identities",
            "digest",
        ],
        [
            [
                f"{report.tracklets:,}",
                f"{report.describing:.0f}",
                f"{report.joining:.0f}",
                f"{report.processor:.0f}",
                f"{report.before_mib:,.0f}",
                f"{report.peak_mib:,.0f}",
                f"{report.trajectories:,}",
                f"{report.identities:,}",
                report.digest,
            ]
        ],
    )


if __name__ == "__main__":
    run(command)
