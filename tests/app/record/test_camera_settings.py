"""Live cameras named from a page: written to site.toml, their secrets kept, their addresses judged."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import SiteConfigError, SiteError
from app.footage.camera_address import camera_address
from app.footage.site_toml import read_site_toml
from app.record import Site
from app.record.camera_settings import CameraWish, name_camera, named_cameras, remove_camera, source_to_try
from app.record.live_cameras import LiveRecord, put_live_cameras
from tests.app.sites import figure_site

SECRET = "s/cr:t@é"
HALL = "rtsp://10.1.2.3:8554/user=admin&password=hidden.sdp"


@pytest.fixture
def site(empty: Path) -> Iterator[Site]:
    figure_site(empty, people=1, cameras=1)
    with Site.open_to_write(empty) as opened:
        yield opened


def source(site: Site, name: str = "hall") -> Any:
    live = read_site_toml(site.path / "site.toml").cameras[name].live
    assert live is not None
    return live.source


def name(site: Site, **wish: Any) -> None:
    name_camera(site, "hall", CameraWish(**wish), who="ann")


def test_a_camera_is_added_changed_paused_and_removed(site: Site) -> None:
    assert named_cameras(site) == []
    name(site, address=HALL, user="me", password=SECRET, fps=5, record="24h", time_zone="Europe/Berlin")
    file = site.path / "site.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    (shown,) = named_cameras(site)
    assert (shown.source, shown.has_user, shown.fps, shown.record) == ("rtsp://10.1.2.3:8554", True, 5.0, "24h")
    assert (shown.time_zone, shown.paused) == ("Europe/Berlin", False)
    assert (source(site).user, source(site).password) == ("me", SECRET)
    assert source(site).target == camera_address(HALL).target
    name(site, paused=True, record="7d", record_size="2TB")
    (shown,) = named_cameras(site)
    assert (shown.paused, shown.fps, shown.record_size, shown.has_user) == (True, None, "2TB", True)
    assert read_site_toml(file).followed == {}
    assert remove_camera(site, "hall", who="ann") and not remove_camera(site, "hall", who="ann")
    assert named_cameras(site) == [] and site.camera_names() == ["camera0"]
    noted = [(entry.who, entry.action, entry.details) for entry in site.audit()[-3:]]
    where = {"camera": "hall", "source": "rtsp://10.1.2.3:8554/…"}
    assert noted == [
        ("ann", "name camera", {**where, "changed": ["fps", "record", "time_zone", "url"]}),
        ("ann", "name camera", {**where, "changed": ["fps", "paused", "record", "record_size", "time_zone"]}),
        ("ann", "remove camera", where),
    ]
    told = repr([site.audit(), shown, CameraWish(address=HALL, user="me", password=SECRET)])
    assert SECRET not in told and "hidden" not in told


def test_what_is_left_empty_stays_and_a_password_never_goes_to_another_host(site: Site) -> None:
    name(site, address=HALL, user="me", password=SECRET)
    before = source(site)
    name(site, fps=3)
    assert source(site) == before
    name(site, address="rtsp://10.1.2.3:8554/other")
    assert (source(site).target, source(site).user, source(site).password) == ("/other", "me", SECRET)
    name(site, password="new")
    assert (source(site).user, source(site).password) == ("me", "new")
    name(site, user="you")
    assert (source(site).user, source(site).password) == ("you", "")
    name(site, user="me", password=SECRET)
    for elsewhere in ("rtsp://10.1.2.4:8554/other", "rtsp://10.1.2.3/other", "http://10.1.2.3:8554/other"):
        name(site, address="rtsp://10.1.2.3:8554/other", user="me", password=SECRET)
        name(site, address=elsewhere)
        assert source(site).user is None, elsewhere
    name(site, address="rtsp://she:hers@10.1.2.9/x")
    assert (source(site).user, source(site).password) == ("she", "hers")
    name(site, no_user=True)
    assert source(site).user is None and source(site).target == "/x"
    name(site, device=3)
    assert named_cameras(site)[0].source == "/dev/video3" and named_cameras(site)[0].device == 3


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({}, "needs an address"),
        ({"address": HALL, "device": 0}, "give one of them"),
        ({"device": 99}, "no number of a device"),
        ({"address": "file:///etc/passwd"}, "must begin with"),
        ({"address": "gopher://10.0.0.1/x"}, "must begin with"),
        ({"address": HALL, "password": "x"}, "needs a user"),
        ({"address": HALL, "user": "a\nb", "password": "x"}, "characters that no camera takes"),
        ({"address": HALL, "user": "a:b"}, "characters that no camera takes"),
        ({"address": HALL, "fps": 0.0}, "fps = 0.0 must be"),
        ({"address": HALL, "fps": float("nan")}, "fps = nan must be"),
        ({"address": HALL, "record": "soon"}, "record = 'soon' must be"),
        ({"address": HALL, "record_size": "1GB"}, "give record"),
        ({"address": HALL, "time_zone": "Mars/Base"}, "not a time zone"),
        ({"address": "http://10.0.0.1/x.m3u8"}, "playlist"),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(site: Site, wish: dict[str, Any], why: str) -> None:
    before = len(site.audit())
    with pytest.raises((SiteError, SiteConfigError), match=why) as told:
        name(site, **wish)
    assert "hidden" not in str(told.value)
    assert not (site.path / "site.toml").exists() and len(site.audit()) == before


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "0.0.0.0", "[::ffff:127.0.0.1]"),
        *("169.254.169.254", "[fe80::1]", "100.100.100.200", "[fd00:ec2::254]", "224.0.0.1", "[::]"),
    ],
)
def test_no_address_of_this_machine_or_of_a_clouds_secrets(site: Site, host: str) -> None:
    for scheme in ("rtsp", "http"):
        with pytest.raises(SiteError):
            name(site, address=f"{scheme}://{host}/latest/meta-data")
        with pytest.raises(SiteError):
            source_to_try(site, "", CameraWish(address=f"{scheme}://{host}:80/"))
    assert not (site.path / "site.toml").exists()


def test_a_name_is_judged_by_all_its_addresses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def two(host: str, port: int, **_: object) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("10.0.0.5", "169.254.169.254")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with pytest.raises(SiteError, match="nothing is sent there"):
        name(site, address="rtsp://hall.lan/1")


@pytest.mark.parametrize("camera", ["", " ", ".", "..", "../x", "a/b", "a\\b", "a\nb", " a", "a ", ".a", "x" * 101])
def test_a_name_is_a_folder_of_its_own(site: Site, camera: str) -> None:
    with pytest.raises(SiteError, match="camera's name"):
        name_camera(site, camera, CameraWish(device=0), who="ann")


def test_a_file_that_is_wrong_is_not_touched(site: Site) -> None:
    wrong = "[cameras.hall]\nurl = 5\n"
    (site.path / "site.toml").write_text(wrong)
    for change in (lambda: name(site, device=0), lambda: remove_camera(site, "hall", who="ann")):
        with pytest.raises(SiteConfigError):
            change()
    assert (site.path / "site.toml").read_text() == wrong


def test_what_stands_in_the_file_of_this_machine_may_stay(site: Site) -> None:
    (site.path / "site.toml").write_text('[cameras.hall]\nurl = "rtsp://127.0.0.1:8554/relay"\n')
    name(site, fps=5)
    assert source(site).host == "127.0.0.1" and named_cameras(site)[0].fps == 5


def test_many_at_once_lose_none(site: Site) -> None:
    def add(number: int) -> None:
        name_camera(site, f"camera {number}", CameraWish(device=number), who="ann")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {camera.device for camera in named_cameras(site)} == set(range(8))


def test_what_is_followed_is_not_tried(site: Site) -> None:
    name_camera(site, "camera0", CameraWish(address=HALL, user="me", password=SECRET), who="ann")
    assert str(source_to_try(site, "camera0", CameraWish())).startswith("rtsp://10.1.2.3:8554")
    put_live_cameras(site.database, [LiveRecord("camera0", time.time(), 0.0)])
    for camera in ("camera0", "another", ""):
        with pytest.raises(SiteError, match="is followed just now, as camera0"):
            source_to_try(site, camera, CameraWish(address=HALL))
    assert source_to_try(site, "x", CameraWish(address="rtsp://10.1.2.3:8554/other"))
