"""Live cameras inside the served site: a process that ends with the server, and is started again when it dies."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.record import Site
from app.record.leases import of_camera
from app.record.live_cameras import live_cameras_of
from app.web import watching
from app.web.watching import Watching
from tests.app.footage.rtsp_server import RtspServer, film_of
from tests.app.scenes import ROOT
from tests.app.stretches import unbroken
from tests.app.web.test_serve import serving

# Stands for the watcher: writes its number down, says a line, and ends when stdin does.
STAND_IN = """
import os, sys
open(sys.argv[1] + "/pids", "a").write(f"{os.getpid()}\\n")
print("hall: its pictures come", file=sys.stderr, flush=True)
sys.stdin.read()
open(sys.argv[1] + "/ended", "a").write("whole\\n")
"""
SERVER = """
import sys, time
from pathlib import Path
from app.web.watching import Watching
Watching(Path(sys.argv[1]), watcher=(sys.executable, "-c", sys.argv[2])).start()
print("started", flush=True)
time.sleep(60)
"""


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)


def pids(site: Path) -> list[int]:
    return [int(line) for line in (site / "pids").read_text().splitlines()] if (site / "pids").exists() else []


def is_there(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FIRST", 0.1)
    monkeypatch.setattr(watching, "LOOK", 0.1)


@pytest.mark.usefixtures("quick")
def test_it_begins_with_the_first_camera_and_is_started_again_when_it_dies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="sightline")
    toml = tmp_path / "site.toml"
    kept = Watching(tmp_path, watcher=(sys.executable, "-c", STAND_IN))
    kept.start()
    try:
        time.sleep(0.3)
        toml.write_text("[cameras.hall]\nurl = 5\n")
        until(lambda: "No live camera is followed" in caplog.text)
        toml.write_text('[cameras.hall]\nurl = "rtsp://hall.lan/1"\npaused = true\n')
        time.sleep(0.3)
        assert not pids(tmp_path)
        toml.write_text('[cameras.hall]\nurl = "rtsp://hall.lan/1"\n')
        until(lambda: len(pids(tmp_path)) == 1)
        until(lambda: "its pictures come" in caplog.text)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        until(lambda: len(pids(tmp_path)) == 2)
        toml.write_text("[cameras.hall\n")  # what became wrong ends nothing
        time.sleep(0.5)
        toml.unlink()
        time.sleep(0.5)
        assert is_there(pids(tmp_path)[1]) and len(pids(tmp_path)) == 2
    finally:
        kept.stop()
    assert (tmp_path / "ended").read_text() == "whole\n"  # the second one had time to end by itself
    assert not any(map(is_there, pids(tmp_path)))
    assert caplog.text.count("its pictures come") == 1  # what it said before is not said again


@pytest.mark.usefixtures("quick")
def test_it_ends_with_the_last_camera(tmp_path: Path) -> None:
    toml = tmp_path / "site.toml"
    toml.write_text("[cameras.hall]\ndevice = 0\n")
    kept = Watching(tmp_path, watcher=(sys.executable, "-c", STAND_IN))
    kept.start()
    try:
        until(lambda: pids(tmp_path))
        toml.write_text("[cameras.hall]\ndevice = 0\npaused = true\n")
        until(lambda: (tmp_path / "ended").exists())
    finally:
        kept.stop()
    assert len(pids(tmp_path)) == 1


@pytest.mark.usefixtures("quick")
def test_where_another_process_watches_it_says_so_once_and_tries_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="sightline")
    (tmp_path / "site.toml").write_text("[cameras.hall]\ndevice = 0\n")
    busy = STAND_IN.replace("hall: its pictures come", "Another process is ingesting hall").replace(
        "sys.stdin.read()", "sys.exit(2)"
    )
    kept = Watching(tmp_path, watcher=(sys.executable, "-c", busy))
    kept.start()
    until(lambda: len(pids(tmp_path)) >= 3)
    kept.stop()
    assert caplog.text.count("Another process is ingesting hall") == 1


@pytest.mark.usefixtures("quick")
def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[cameras.hall]\ndevice = 0\n")
    deaf = STAND_IN.replace("sys.stdin.read()", "import time; time.sleep(60)")
    kept = Watching(tmp_path, watcher=(sys.executable, "-c", deaf), grace=0.3)
    kept.start()
    until(lambda: pids(tmp_path))
    kept.stop()
    assert not is_there(pids(tmp_path)[0])


def test_it_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[cameras.hall]\ndevice = 0\n")
    words = [sys.executable, "-c", SERVER, str(tmp_path), STAND_IN]
    server = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    until(lambda: pids(tmp_path))
    server.kill()
    server.communicate()
    until(lambda: not is_there(pids(tmp_path)[0]))
    assert (tmp_path / "ended").exists()


def test_a_served_site_follows_its_cameras(path: Path, tmp_path: Path) -> None:
    Site.create(path).close()
    with RtspServer(film_of(tmp_path / "film.mp4")) as camera:
        (path / "site.toml").write_text(f'[cameras.hall]\nurl = "{camera.url("me:secret")}"\n')
        with serving(path) as said, Site.open(path) as site:
            until(lambda: live_cameras_of(site.database, time.time()).get("hall") is not None, 90)
            until(lambda: not live_cameras_of(site.database, time.time())["hall"].away, 30)
            with httpx.Client(base_url=said["url"].partition("/enter")[0]) as visitor:
                visitor.get(said["url"])
                shown = visitor.get("/cameras/hall").text
                assert 'id="live"' in shown and "secret" not in shown
                until(lambda: visitor.get("/cameras/hall/live.jpg").status_code == 200)
        with Site.open_to_write(path) as site:
            assert live_cameras_of(site.database, time.time()) == {}
            assert unbroken(site.footage("hall"))
            with site.lease(of_camera("hall")):
                pass
            assert camera.met.most_at_once == 1


def test_without_watching_nothing_is_followed(path: Path) -> None:
    Site.create(path).close()
    (path / "site.toml").write_text('[cameras.hall]\nurl = "rtsp://127.0.0.1:9/x"\n')
    with serving(path, "--no-watch") as said, httpx.Client(base_url=said["url"].partition("/enter")[0]) as visitor:
        visitor.get(said["url"])
        time.sleep(2)
        assert "not watched" in visitor.get("/cameras").text
    with Site.open(path) as site:
        assert site.camera_names() == []
