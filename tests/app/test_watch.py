"""`python -m app.watch`: cameras of a site.toml, until it is told to end. What is wrong is one sentence."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import app.site
import app.watch
from app.errors import FootageError, SiteError
from app.footage.camera_address import CameraAddress
from app.footage.onvif import Profile
from app.footage.ws_discovery import Device
from app.record import Site
from app.record.camera_clocks import clocks_of
from app.record.live_cameras import LiveRecord, live_cameras_of
from app.record.outages import outages_of
from app.terminal import alone
from tests.app.footage.rtsp_server import Behaviour, RtspServer, film_of
from tests.app.scenes import ROOT
from tests.app.stretches import unbroken
from tests.app.typed import Typed


def test_a_camera_is_watched_until_it_is_told_to_end(tmp_path: Path, typed: Typed) -> None:
    site, config = tmp_path / "site", tmp_path / "site" / "site.toml"
    site.mkdir()
    with RtspServer(film_of(tmp_path / "film.mp4"), Behaviour(clock_ahead=-3.0)) as server:
        gone = "rtsp://127.0.0.1:9/x"
        config.write_text(
            f'[cameras.hall]\nurl = "{server.url("me:secret")}"\nrecord = "1h"\n[cameras.attic]\nurl = "{gone}"\n'
        )
        words = [sys.executable, "-m", "app.watch", "--site", str(site), "--json"]
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        recordings, limit = site / "recordings" / "hall", time.monotonic() + 60
        while not list(recordings.glob("*.mp4")) and time.monotonic() < limit:
            time.sleep(0.2)
        with Site.open(site) as opened:
            while time.monotonic() < limit:
                states = live_cameras_of(opened.database, time.time())
                if "hall" in states and states["hall"].rate and clocks_of(opened.database, "hall"):
                    break
                time.sleep(0.2)
        meanwhile = json.loads(typed(alone(app.site.command), "--site", site, "--json").stdout)
        shown = typed(alone(app.site.command), "--site", site).stdout
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "secret" not in said + errors and "Traceback" not in errors
    report = {camera["camera"]: camera for camera in json.loads(said)["cameras"]}
    assert report["hall"]["frames"] > 0 and report["hall"]["away"] == ""
    assert report["attic"]["frames"] == 0 and "refuses connections" in report["attic"]["away"]
    live = {camera["camera"]: camera["live"] for camera in meanwhile["cameras"]}
    assert live["hall"]["frames"] > 0 and (live["hall"]["width"], live["hall"]["away"]) == (160, "")
    assert live["hall"]["decoder"].startswith("h264") and meanwhile["unwatched"] == []
    assert "hall: live since" in shown and "s behind" in shown
    assert "attic: away since" in shown and "secret" not in shown
    assert (site / "recordings").stat().st_mode & 0o077 == 0
    assert json.loads(typed(alone(app.site.command), "--site", site, "--json").stdout)["unwatched"] == ["hall", "attic"]
    with Site.open_to_write(site) as opened:
        films = opened.footage("hall")
        assert unbroken(films) and sum(film.frames for film in films) == report["hall"]["frames"]
        (clock,) = clocks_of(opened.database, "hall")
        assert clock.ahead == pytest.approx(-3.0, abs=0.3) and clocks_of(opened.database, "attic") == []
        assert any("refuses connections" in outage.reason for outage in outages_of(opened.database, "attic"))


def test_a_changed_file_begins_and_ends_just_those_cameras(tmp_path: Path) -> None:
    site, film = tmp_path / "site", film_of(tmp_path / "film.mp4")
    site.mkdir()
    with RtspServer(film) as hall, RtspServer(film) as yard:
        first = f'[cameras.hall]\nurl = "{hall.url()}"\nfps = 5\n'
        (site / "site.toml").write_text(first)
        words = [sys.executable, "-m", "app.watch", "--site", str(site), "--until-eof"]
        process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def until(names: list[str]) -> None:
            limit = time.monotonic() + 90
            states: dict[str, LiveRecord] = {}
            while [name for name, state in states.items() if state.frames] != names:
                assert time.monotonic() < limit, states
                time.sleep(0.3)
                with suppress(SiteError), Site.open(site) as opened:  # it is just being made
                    states = live_cameras_of(opened.database, time.time())

        until(["hall"])
        (site / "site.toml").write_text(first + f'[cameras.yard]\nurl = "{yard.url("me:secret")}"\nfps = 5\n')
        until(["hall", "yard"])
        (site / "site.toml").write_text("[cameras.hall\n")  # it goes on as before
        time.sleep(3)
        (site / "site.toml").write_text(first + "# alone again\n")
        until(["hall"])
        assert process.stdin is not None and process.stderr is not None
        process.stdin.close()
        errors = process.stderr.read()
        assert process.wait(30) == 0, errors
        process.stderr.close()
    assert errors.count("go on as before") == 1 and "secret" not in errors and "Traceback" not in errors
    assert (hall.met.connections, yard.met.connections) == (1, 1)  # nothing disturbed the one that stayed
    with Site.open(site) as opened:
        assert {film.camera for film in opened.footage()} == {"hall", "yard"}
        assert all(unbroken(opened.footage(name)) for name in ("hall", "yard"))


def test_without_a_live_camera_nothing_is_watched(tmp_path: Path, typed: Typed) -> None:
    config = tmp_path / "site.toml"
    config.write_text("[cameras.hall]\nmin_person_height = 20\n")
    done = typed(alone(app.watch.command), "--site", tmp_path / "site", "--config", config)
    assert done.returncode == 2 and "names no live camera" in done.stderr
    done = typed(alone(app.watch.command), "--site", tmp_path / "site")
    assert done.returncode == 2 and "can't be read" in done.stderr
    assert not (tmp_path / "site").exists()


def test_cameras_that_answer_are_listed(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Device("192.0.2.5", 80, "Gate"), Device("192.0.2.6", 8000, "")]
    address = CameraAddress("rtsp", "192.0.2.5", 554, "/main")

    def profiles(host: str, *_: object) -> list[Profile]:
        if host != "192.0.2.5":
            raise FootageError("It does not take this password.")
        return [Profile("main", "H264", 1920, 1080, 25.0, address)]

    monkeypatch.setattr("app.engine.discovery.devices", lambda seconds: found)
    monkeypatch.setattr("app.engine.discovery.profiles", profiles)
    monkeypatch.setattr("app.watch.secret_of", lambda what: "pw")
    assert [camera["host"] for camera in json.loads(typed(alone(app.watch.command), "--discover", "--json").stdout)]
    done = typed(alone(app.watch.command), "--discover", "--user", "me")
    assert "rtsp://192.0.2.5/main" in done.stdout and "1920x1080" in done.stdout and "2 cameras answer" in done.stdout
    assert "does not take this password" in done.stderr
