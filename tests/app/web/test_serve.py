"""`python -m app.serve`: a link on stdout, and nobody but this machine."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import app.serve
from app.terminal import alone
from tests.app.scenes import ROOT
from tests.app.sites import figure_site
from tests.app.typed import Typed


@contextmanager
def serving(site: Path, *options: str) -> Iterator[dict[str, Any]]:
    """What the command says, while it serves."""
    words = [sys.executable, "-m", "app.serve", "--site", str(site), "--port", "0", "--json", *options]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    said = ""
    try:
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        yield json.loads(said)
    finally:
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, ""), errors
    assert "Traceback" not in errors and "token" not in errors


def test_the_link_opens_the_site(path: Path) -> None:
    figure_site(path, people=2, cameras=2)
    with serving(path) as said:
        assert said["token"] in said["url"]
        base = said["url"].partition("/enter")[0]
        with httpx.Client(base_url=base) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
            assert client.get("/").status_code == 401
            assert client.get(said["url"]).headers["location"] == "/"
            shown = client.get("/")
            assert shown.status_code == 200 and "8 tracklets in 2 cameras" in " ".join(shown.text.split())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines"),
        (["--host", "192.0.2.1"], "can be reached from other machines"),
        (["--host", "nowhere"], "is no address"),
        (["--port", "70000"], "less than or equal to 65535"),
        (["--proxy", "x"], "is no address"),
        (["--proxy", "127.0.0.1", "--proxy-header", "a b"], "is no header's name"),
        (["--name", "a/b"], "is no name like"),
        (["--key", "k.pem"], "go together"),
        (["--key", "k.pem", "--certificate", "c.pem"], "can't be used for TLS"),
    ],
)
def test_without_users_only_this_machine_is_answered(path: Path, typed: Typed, words: list[str], why: str) -> None:
    figure_site(path, people=1, cameras=1)
    done = typed(alone(app.serve.command), "--site", path, *words)
    assert done.returncode == 2
    assert why in " ".join(done.stderr.replace("│", " ").split())


def test_a_port_that_is_taken_is_told(path: Path, typed: Typed) -> None:
    figure_site(path, people=1, cameras=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = typed(alone(app.serve.command), "--site", path, "--port", taken.getsockname()[1])
    assert done.returncode == 2 and "give another --port" in " ".join(done.stderr.split())


def test_without_a_site_nothing_is_served(tmp_path: Path, typed: Typed) -> None:
    done = typed(alone(app.serve.command), "--site", tmp_path / "none")
    assert done.returncode == 2 and "There is no site" in done.stderr
    assert not list(tmp_path.iterdir())
