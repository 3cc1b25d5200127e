"""Live cameras that a Ray cluster of two nodes on this machine follows. They go on whatever dies, nothing doubles."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import app.watch
from app.record import Site
from app.record.leases import of_camera
from app.record.live_cameras import live_cameras_of
from app.record.move import create
from app.record.places import Places
from tests.app.footage.rtsp_server import RtspServer
from tests.app.ray_cluster import RayCluster, kill
from tests.app.record.test_move import sound
from tests.app.records import new_schema
from tests.app.scenes import ROOT
from tests.app.typed import Typed

FILMS = ROOT / "sample_videos" / "films"
WAITING = 150.0  # s that a machine may take that does much else
USED = ("live", "recordings", "crops", "embeddings")  # folders of a site that show people


def until(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + WAITING
    while not what():
        assert process.poll() is None and time.monotonic() < limit, process.communicate() if process.poll() else ""
        time.sleep(0.5)


def test_cameras_go_on_when_their_process_or_their_machine_dies(postgres: str, s3: Any, tmp_path: Path) -> None:
    s3.create_bucket(Bucket="watched")
    path = tmp_path / "site"
    create(path, Places(new_schema(postgres), "s3://watched/site"), who="test")
    with (
        RtspServer(FILMS / "hall.mp4") as hall,
        RtspServer(FILMS / "plaza.mp4") as plaza,
        RayCluster([1, 1]) as cluster,
    ):
        (path / "site.toml").write_text(
            f'[cameras.hall]\nurl = "{hall.url("me:secret")}"\nfps = 2\nrecord = "1h"\n'
            f'[cameras.plaza]\nurl = "{plaza.url()}"\nfps = 2\n'
        )
        words = [sys.executable, "-m", "app.watch", "--site", str(path), "--cluster", cluster.address, "--json"]
        process = subprocess.Popen(
            words, cwd=ROOT, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        site = Site.open(path)

        def begun(times: int) -> Callable[[], bool]:
            """Whether either camera has so many stretches in all, the latest with frames."""

            def look() -> bool:
                frames = {name: [film.frames for film in site.footage(name)] for name in ("hall", "plaza")}
                return all(f and f[-1] for f in frames.values()) and sum(map(len, frames.values())) >= times

            return look

        def followed() -> bool:
            """Whether pages are told that both cameras' pictures come."""
            live = live_cameras_of(site.database, time.time())
            return sorted(live) == ["hall", "plaza"] and not any(each.away for each in live.values())

        until(begun(2), process)
        nodes = len(cluster.raylets())
        actors = cluster.those("ray::CameraActor")
        assert (nodes, len(actors)) == (2, 2) and not [each for each in USED if (path / each).exists()]
        kill(actors[0])
        until(begun(3), process)
        for pid in cluster.those("ray::CameraActor"):
            kill(pid)
        kill(cluster.raylets()[1])  # a whole machine
        until(begun(5), process)
        until(followed, process)
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=WAITING)
    assert process.returncode == 0, errors
    assert "secret" not in said + errors and "Traceback" not in errors and "film of hall is not recorded" in errors
    assert [camera["camera"] for camera in json.loads(said)["cameras"]] == ["hall", "plaza"]
    assert (hall.met.most_at_once, plaza.met.most_at_once) == (1, 1)
    for name in ("hall", "plaza"):
        films = site.footage(name)
        assert {film.status for film in films} == {"done"} and all(film.frames for film in films)
        assert all(before.start + before.seconds <= after.start for before, after in pairwise(films))
        with Site.open_to_write(path) as opened, opened.lease(of_camera(name)):
            pass  # nobody has it any more
    assert sound(path) and site.tracklet_count() > 0
    site.close()


def test_a_film_or_a_machine_that_can_not_be_reached_is_told(tmp_path: Path, typed: Typed) -> None:
    (tmp_path / "site.toml").write_text('[cameras.hall]\nurl = "rtsp://127.0.0.1:9/x"\n')
    done = typed(app.watch.command, "--site", tmp_path, "--cluster", "nowhere")
    assert done.returncode == 2 and "is no address of a Ray cluster" in done.stderr
