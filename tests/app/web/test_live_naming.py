"""Live cameras named on the page and by programs: what is written, shown and refused, and one connection to try."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.footage.camera_address import CameraAddress
from app.footage.onvif import Profile
from app.footage.site_toml import read_site_toml
from app.footage.ws_discovery import Device
from app.record import Site
from app.record.live_cameras import LiveRecord, put_live_cameras
from app.record.users import Role, Users
from app.web.access import Access
from app.web.application import make_application
from tests.app.footage.rtsp_server import RtspServer, film_of
from tests.app.records import site_in
from tests.app.sites import figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served

SECRET = "hunter2"
FORM = {"name": "gate", "address": "rtsp://10.1.2.3/cgi?pwd=letmein", "user": "me", "password": SECRET, "fps": "5"}


@pytest.fixture
def naming(tmp_path: Path) -> Iterator[Served]:
    """A site with an admin `root`, and operators: `half` sees one camera, `olga` all."""
    path = site_in(tmp_path)
    who = figure_site(path, people=1, cameras=2)
    clock = Clock()
    with Site.open_to_write(path) as site:
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("half", PASSWORD, Role.OPERATOR, ["camera0"], who="test")
        users.add("olga", PASSWORD, Role.OPERATOR, None, who="test")
        access = Access(users, "alice", clock)
        yield Served(site, who, access, clock, make_application(site, access, {HOST}))


def test_a_camera_is_named_changed_paused_and_removed_by_forms(naming: Served) -> None:
    root = naming.user("root")
    assert "No live camera yet" in root.get("/live").text
    assert root.post("/live", data={**FORM, "record": "24h"}).headers["location"] == "/live"
    path = naming.site.path / "site.toml"
    assert SECRET in path.read_text() and path.stat().st_mode & 0o777 == 0o600
    shown = root.get("/live").text + root.get("/live?change=gate").text
    assert "rtsp://10.1.2.3, with a password" in shown and "recorded for 24h" in shown and "not watched" in shown
    assert SECRET not in shown and "letmein" not in shown
    same = {"name": "gate", "address": "", "user": "", "password": "", "device": "", "fps": "", "record": ""}
    assert root.post("/live", data=same).status_code == 303
    assert SECRET in path.read_text() and "fps" not in path.read_text()
    assert root.post("/live/pause", data={"name": "gate", "paused": "true"}).status_code == 303
    assert read_site_toml(path).followed == {} and ">paused<" in root.get("/live").text
    assert root.post("/live/pause", data={"name": "gate", "paused": "false"}).status_code == 303
    assert list(read_site_toml(path).followed) == ["gate"]
    assert root.post("/live/remove", data={"name": "gate"}).status_code == 303
    assert read_site_toml(path).cameras == {}
    for gone in ("pause", "remove"):
        assert root.post(f"/live/{gone}", data={"name": "gate"}).status_code == 404
    told = repr(naming.site.audit())
    assert "name camera" in told and SECRET not in told and "letmein" not in told


def test_how_a_camera_does_stands_beside_it(naming: Served) -> None:
    root = naming.user("root")
    (naming.site.path / "site.toml").write_text("[cameras.camera0]\ndevice = 0\n")
    put_live_cameras(naming.site.database, [LiveRecord("camera0", time.time(), 0.0, rate=3.0, offered=3.0)])
    shown = root.get("/live").text
    assert "/dev/video0" in shown and "3.0 of 3.0 frames a second" in shown and 'href="/cameras/camera0"' in shown


def test_a_file_that_is_wrong_is_told(naming: Served) -> None:
    root = naming.user("root")
    (naming.site.path / "site.toml").write_text("[cameras.hall]\nurl = 5\n")
    shown = root.get("/live")
    assert shown.status_code == 200 and "nothing can be changed here until it is mended" in shown.text
    refused = root.post("/live", data=FORM)
    assert refused.status_code == 422 and SECRET not in refused.text
    assert root.get("/api/v1/cameras/hall/live").status_code == 422


def test_programs_name_cameras(naming: Served) -> None:
    root = naming.user("root")
    here, body = "/api/v1/cameras/gate/live", {name: FORM[name] for name in ("address", "user", "password")}
    assert root.get(here).status_code == root.delete(here).status_code == 404
    answer = root.put(here, json={**body, "fps": 2.5})
    expected = {"camera": "gate", "source": "rtsp://10.1.2.3", "device": None, "has_user": True, "fps": 2.5}
    assert answer.json() == root.get(here).json()
    assert expected.items() <= answer.json().items() and SECRET not in answer.text and "letmein" not in answer.text
    changed = root.put(here, json={"paused": True}).json()
    assert (changed["paused"], changed["fps"], changed["has_user"]) == (True, None, True)
    assert root.delete(here).json() == []
    wrong = root.put(here, json={**body, "record": "soon"})
    assert wrong.status_code == 422 and SECRET not in wrong.text


def test_only_an_admin_names_any(naming: Served) -> None:
    for name in ("half", "olga"):
        user = naming.user(name)
        assert user.get("/live").status_code == user.post("/live", data=FORM).status_code == 403
        assert user.post("/live/try", data=FORM).status_code == user.post("/live/find").status_code == 403
        assert user.put("/api/v1/cameras/camera0/live", json={"device": 0}).status_code == 403
        assert user.get("/api/v1/cameras/camera0/live").status_code == 403
    assert not (naming.site.path / "site.toml").exists()


def test_a_camera_is_tried_once(naming: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = naming.user("root")
    monkeypatch.setattr("app.record.camera_settings._judge", lambda source: None)  # the camera is on this machine
    with RtspServer(film_of(tmp_path / "film.mp4")) as camera:
        form = {**FORM, "address": camera.url(path="/pwd=letmein")}
        shown = root.post("/live/try", data=form).text
        assert "It sends h264, 160 x 120" in shown and SECRET not in shown and "letmein" not in shown
        (picture,) = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", shown)
        assert base64.b64decode(picture).startswith(b"\xff\xd8") and 'value="gate"' in shown
        body = {"address": form["address"], "user": "me", "password": SECRET}
        came = root.post("/api/v1/cameras/gate/live/try", json=body).json()
        assert came["said"].startswith("It sends h264") and base64.b64decode(came["picture"]).startswith(b"\xff\xd8")
        naming.application.state.opened.trying.acquire()
        assert root.post("/live/try", data=form).status_code == 409
        naming.application.state.opened.trying.release()
        assert (camera.met.most_at_once, camera.met.connections) == (1, 2)
    refused = root.post("/live/try", data=form).text
    assert "refuses connections" in refused and SECRET not in refused
    assert not (naming.site.path / "site.toml").exists()
    tries = [entry.details for entry in naming.site.audit() if entry.action == "try camera"]
    assert len(tries) == 3 and "letmein" not in repr(tries) and "refuses" in tries[-1]["result"]


def test_what_answers_in_the_network_is_listed(naming: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    root = naming.user("root")
    assert "<h2>Find cameras" in root.get("/live").text
    monkeypatch.setattr("app.engine.discovery.devices", lambda seconds: [Device("192.0.2.5", 80, "<b>Gate")])
    stream = Profile("main", "H264", 1920, 1080, 25.0, CameraAddress("rtsp", "192.0.2.5", 554, "/main"))
    monkeypatch.setattr("app.engine.discovery.profiles", lambda *_: [stream])
    found = root.post("/live/find").text
    assert "&lt;b&gt;Gate" in found and "Add it" in found
    found = root.post("/live/find", data={"user": "me", "password": SECRET}).text
    (link,) = re.findall(r'href="(/live\?address=[^"#]+)', found)
    assert SECRET not in found and 'value="rtsp://192.0.2.5/main"' in root.get(link).text
    monkeypatch.setattr("app.engine.discovery.devices", lambda seconds: [])
    assert "No camera answers" in root.post("/live/find").text
