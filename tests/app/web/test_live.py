"""Pages, API and metrics of live cameras: how each does, and to whom that is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.engine.crops import as_jpeg
from app.footage import Camera
from app.record import Site
from app.record.camera_clocks import ClockRecord, keep_clock
from app.record.live_cameras import LiveRecord, drop_live_camera, put_live_cameras
from app.record.live_pictures import LivePicture, write_live_picture
from app.record.users import Role, Users
from app.web.access import Access
from app.web.application import make_application
from app.web.live_views import LiveViews
from tests.app.records import run_sql, site_in
from tests.app.sites import figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served

TOML = '[cameras.camera0]\nurl = "rtsp://10.0.0.1/x"\n[cameras.attic]\nurl = "rtsp://me:secret@10.0.0.2/x"\n'


def states() -> list[LiveRecord]:
    """Two that are live, one of which has shown nobody yet, and one that is away."""
    now = time.time()
    of_gate = {"rate": 1.5, "offered": 5.0, "ahead": -1.9}
    return [
        LiveRecord(
            "camera0", now, now - 600, 2990, 12, 5.0, 5.0, 1, latest=now - 0.4, ahead=0.3, width=640, height=480
        ),
        LiveRecord("camera1", now, now - 600, away="rtsp://10.0.0.9 refuses connections.", away_since=now - 180),
        LiveRecord("gate", now, now - 90, 80, 400, latest=now, width=64, height=36, decoder="h264, vaapi", **of_gate),
    ]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Served]:
    """A site whose three cameras are followed, beside one that nobody follows. `guard` sees `camera0` alone."""
    path = site_in(tmp_path)
    who = figure_site(path, people=2, cameras=2)
    (path / "site.toml").write_text(TOML, encoding="utf-8")
    clock = Clock()
    with Site.open_to_write(path) as site:
        site.intake.register([Camera("gate", ())], {}, who="test")
        put_live_cameras(site.database, states())
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("guard", PASSWORD, Role.VIEWER, ["camera0"], who="test")
        access = Access(users, "alice", clock)
        yield Served(site, who, access, clock, make_application(site, access, {HOST}))


def test_the_list_says_how_live_cameras_do(live: Served) -> None:
    listed = " ".join(live.user("root").get("/cameras").text.split())
    assert "5.0 of 5.0 frames a second" in listed and 'href="/cameras/gate"' in listed
    assert "For 3 min. rtsp://10.0.0.9 refuses connections." in listed
    assert "follows 1.5 of 5.0 frames a second" in listed
    assert "Its clock is 1.9 s behind this machine&#39;s" in listed
    assert "Cameras are out of step: camera0 is 2.2 s ahead of gate" in listed
    assert "not watched" in listed and "attic" in listed and "secret" not in listed


def test_a_page_shows_a_live_camera_that_has_shown_nobody_yet(live: Served) -> None:
    shown = " ".join(live.user("root").get("/cameras/gate").text.split())
    assert "h264, vaapi" in shown and "1.90 s behind" in shown and "live.jpg" not in shown
    assert live.user("root").get("/cameras/camera1").status_code == 200
    for state in states():
        drop_live_camera(live.site.database, state.camera)
    assert live.user("root").get("/cameras/gate").status_code == 404
    gone = live.user("root").get("/cameras/camera0").text
    assert "nobody follows it just now" in gone and 'id="live"' not in gone


def test_the_newest_picture_is_shown_and_noted_once_a_minute(live: Served) -> None:
    seconds = iter(range(0, 4000, 31))
    opened = live.application.state.opened
    live.application.state.opened = replace(opened, live_views=LiveViews(lambda: float(next(seconds))))
    root, jpeg = live.user("root"), as_jpeg(np.zeros((36, 64, 3), np.uint8))
    assert root.get("/cameras/gate/live.jpg").status_code == 404
    write_live_picture(live.site.path, "gate", LivePicture(jpeg, 64, 36, 1234.5))
    assert 'src="/cameras/gate/live.jpg"' in root.get("/cameras/gate").text
    assert root.get("/cameras/gate/picture.jpg").content == jpeg
    before = len(live.site.audit())
    for _ in range(4):
        assert root.get("/cameras/gate/live.jpg").content == jpeg
    noted = [entry.details for entry in live.site.audit()[before:]]
    assert noted == [{"camera": "gate", "live picture of": 1234.5}] * 2
    put_live_cameras(live.site.database, [LiveRecord("gate", time.time() - 31, 0.0)])  # its watcher died
    assert root.get("/cameras/gate/live.jpg").status_code == 404


def test_programs_get_the_same(live: Served) -> None:
    told = {camera["camera"]: camera for camera in live.user("root").get("/api/v1/cameras").json()}
    assert list(told) == ["camera0", "camera1", "gate"]
    assert told["gate"]["footage"] == 0 and told["gate"]["live"]["ahead"] == -1.9
    assert told["camera1"]["live"]["away"].startswith("rtsp://10.0.0.9 refuses")
    assert live.user("root").get("/api/v1/cameras/gate").json()["live"] == told["gate"]["live"]


def test_who_sees_one_camera_learns_nothing_of_how_others_do(live: Served) -> None:
    guard = live.user("guard")
    listed = guard.get("/cameras").text
    assert "5.0 of 5.0" in listed
    for other in ("gate", "attic", "camera1", "out of step", "refuses", "not watched"):
        assert other not in listed, other
    assert [camera["camera"] for camera in guard.get("/api/v1/cameras").json()] == ["camera0"]
    write_live_picture(live.site.path, "gate", LivePicture(b"\xff\xd8secret", 64, 36, 1234.5))
    for part in ("", "/live.jpg", "/picture.jpg"):
        assert guard.get(f"/cameras/gate{part}").status_code == 404
    assert guard.get("/metrics").status_code == 403


def test_metrics_tell_of_each_live_camera(live: Served) -> None:
    lines = live.user("root").get("/metrics").text.splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if line.startswith("sightline_camera_"))
    up = {name: told[f'sightline_camera_up{{camera="{name}"}}'] for name in ("camera0", "camera1", "gate", "attic")}
    assert up == {"camera0": "1.0", "camera1": "0.0", "gate": "1.0", "attic": "0.0"}
    assert told['sightline_camera_frames_taken{camera="camera0"}'] == "2990.0"
    assert told['sightline_camera_frames_skipped{camera="gate"}'] == "400.0"
    assert told['sightline_camera_frames_per_second{camera="gate"}'] == "1.5"
    assert told['sightline_camera_frames_per_second_offered{camera="gate"}'] == "5.0"
    assert told['sightline_camera_clock_ahead_seconds{camera="gate"}'] == "-1.9"
    assert told['sightline_camera_outages{camera="camera0"}'] == "1.0"
    assert 0 <= float(told['sightline_camera_last_frame_age_seconds{camera="camera0"}']) < 60
    assert 'sightline_camera_clock_ahead_seconds{camera="camera1"}' not in told


def test_a_tracklet_is_told_by_the_cameras_own_clock_where_that_is_another(live: Served) -> None:
    user = live.user("guard")
    piece = live.site.segments("camera0")[0]
    run_sql(live.site.path, "UPDATE footage SET start_source = 'camera'")

    def by_camera() -> tuple[str, float | None]:
        page = " ".join(user.get(f"/tracklets/{piece.id}").text.split())
        (listed,) = user.get("/api/v1/tracklets", params={"from_id": piece.id, "limit": 1}).json()["tracklets"]
        assert listed["start"] == piece.start
        return page.partition("By the camera's own clock</dt><dd>")[2].partition("</dd>")[0], listed["camera_start"]

    assert by_camera() == ("", None)
    keep_clock(live.site.database, ClockRecord("camera0", piece.start - 60, 0.8, None))
    assert by_camera() == ("", pytest.approx(piece.start + 0.8))
    keep_clock(live.site.database, ClockRecord("camera0", piece.start - 30, -3600.5, None))
    shown, start = by_camera()
    assert "13:29:59" in shown and "3600.5 s behind" in shown and start == pytest.approx(piece.start - 3600.5)


def test_a_cameras_page_shows_what_its_clock_said_also_when_nobody_follows_it(live: Served) -> None:
    drop_live_camera(live.site.database, "camera0")
    root, now = live.user("root"), time.time()
    assert "Its own clock" not in root.get("/cameras/camera0").text
    keep_clock(live.site.database, ClockRecord("camera0", now - 600, 2.5, None))
    keep_clock(live.site.database, ClockRecord("camera0", now, -0.25, -1.5))
    shown = " ".join(root.get("/cameras/camera0").text.split()).partition("Its own clock")[2]
    assert "0.25 s behind</td><td>1.5 s slow" in shown
    assert "2.50 s ahead</td><td>not measured yet" in shown
    assert "Its own clock" not in root.get("/cameras/camera1").text
