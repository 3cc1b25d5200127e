"""How fast a Ray cluster on this machine takes footage in, beside one process on as many processors.

The same footage is taken in by one process and by a cluster: one worker on one processor, two on two. Each is done at
two rates of frames. So what each frame costs is told apart from what starting costs. Each site of the cluster is
compared with that of one process: rows, pictures and embeddings.

    python -m bench.cluster sample_videos/films
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.terminal import JsonOption, print_json
from bench.measuring import Machine
from bench.processes import finished
from bench.terminal import print_table, run, say
from tests.app.cluster_runs import differences
from tests.app.ray_cluster import RayCluster


@dataclass(frozen=True, slots=True)
class Speed:
    """What one way to take footage in costs."""

    way: str
    frames: int  # at the higher rate
    seconds: float  # of the whole run at the higher rate, without the start of Python
    frames_per_second: float  # between the two rates: what starting costs is no part of it
    starting: float  # s


@dataclass(frozen=True, slots=True)
class Overhead:
    """What a cluster's frame takes longer than one process's on as many processors."""

    workers: int
    share: float


def on_cores(cores: set[int]) -> list[str]:
    """Words before a command, so that it and all that it starts keep to some processors."""
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))]


def measured(videos: Path, site: Path, rate: float, cores: set[int], cluster: RayCluster | None) -> tuple[int, float]:
    """Frames and seconds of one run, which makes a site."""
    words = [*on_cores(cores), sys.executable, "-m", "app.ingest", videos, "--site", site]
    words += ["--detector", "shipped", "--fps", rate, "--json"]
    words += [] if cluster is None else ["--cluster", cluster.address]
    environment = None if cluster is None else cluster.environment
    report = json.loads(finished("ingest", words, environment=environment, quiet=True).output)
    return sum(camera["frames"] for camera in report["cameras"]), report["seconds"]


def speed_of(way: str, runs: dict[float, list[tuple[int, float]]]) -> Speed:
    """From the best run at each rate."""
    (few, short), (many, long) = (min(runs[rate], key=lambda each: each[1]) for rate in sorted(runs))
    per_second = (many - few) / max(long - short, 1e-9)
    return Speed(way, many, round(long, 2), round(per_second, 2), round(short - few / per_second, 2))


def command(
    videos: Annotated[Path, typer.Argument(help="A folder of footage, of at least two cameras.", exists=True)],
    rounds: Annotated[int, typer.Option(help="The best one counts.", min=1)] = 3,
    rate: Annotated[tuple[float, float], typer.Option(help="The two rates, frames a second of film.")] = (1.0, 4.0),
    as_json: JsonOption = False,
) -> None:
    """Measure one and two workers of a cluster beside one process on as many processors."""
    machine, wrong = Machine.now(), set[str]()
    runs: dict[str, dict[float, list[tuple[int, float]]]] = {}
    available = sorted(os.sched_getaffinity(0))
    for workers in range(1, min(2, len(available)) + 1):
        cores = set(available[:workers])
        with RayCluster([1] * workers, cores=[{core} for core in sorted(cores)]) as cluster:
            for each in [*rate] * rounds:
                with tempfile.TemporaryDirectory(prefix="sightline-") as folder:
                    alone, together = Path(folder) / "alone", Path(folder) / "together"
                    for way, site, where in (("one process", alone, None), ("cluster", together, cluster)):
                        run = measured(videos, site, each, cores, where)
                        runs.setdefault(f"{way}, {workers} CPU", {}).setdefault(each, []).append(run)
                    wrong.update(differences(together, alone))
    speeds = [speed_of(way, of_way) for way, of_way in runs.items()]
    overheads = [
        Overhead(workers, alone.frames_per_second / together.frames_per_second - 1)
        for workers, (alone, together) in enumerate(zip(speeds[::2], speeds[1::2], strict=True), 1)
    ]
    if as_json:
        print_json({"machine": machine, "speeds": speeds, "overheads": overheads, "differences": sorted(wrong)})
        raise typer.Exit(1 if wrong else 0)
    print_table(
        ["", "frames", "s", "frames/s", "start, s"],
        [[s.way, str(s.frames), f"{s.seconds:.1f}", f"{s.frames_per_second:.1f}", f"{s.starting:.1f}"] for s in speeds],
    )
    say()
    for overhead in overheads:
        say(f"A frame takes the cluster {overhead.share:+.1%} on {overhead.workers} CPU.")
    say(f"Differences between sites: {', '.join(sorted(wrong)) or '0'}.")
    say(f"{machine.cpus} cores, {'busy' if machine.busy else 'nothing beside it'}.")
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    run(command)
