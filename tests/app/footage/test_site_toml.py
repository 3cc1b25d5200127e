"""`site.toml`: what it says is done, and what makes no sense is refused by name."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.areas import Area, AreaKind
from app.errors import SiteConfigError
from app.footage import discover
from app.footage.camera_address import CameraDevice, camera_address
from app.footage.live_settings import LiveSettings
from app.footage.site_toml import SiteConfig, read_site_toml, site_config
from tests.app.recordings import MOMENT, touch, utc


def test_site_toml(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path / "hall" / "2026-11-20_14-30-05.mp4")
    touch(tmp_path / "gate.mp4")
    touch(tmp_path / "door_2026-11-20_14-30-05.mp4")
    touch(
        tmp_path / "site.toml",
        b"""
        [site]
        detector = "yolox"
        time_zone = "Europe/Berlin"
        [cameras.hall]
        name = "Platform 2"
        time_zone = "America/New_York"
        mask = [[[0, 0], [640, 0], [640, 80.5]], [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]]
        min_person_height = 40
        [cameras.hall.zones]
        "the bench" = [[0, 0.5], [0.5, 0.5], [0.5, 1]]
        [cameras.hall.lines]
        door = [[0.5, 0], [0.5, 1]]
        [cameras.gate]
        start = "2026-11-20T08:00:00"
        [cameras.attic]
        start = 2026-11-20T08:00:00Z
        """,
    )
    with caplog.at_level(logging.WARNING):
        cameras = {camera.name: camera for camera in discover(tmp_path)}
    assert "attic" in caplog.text
    platform = cameras["Platform 2"]
    assert platform.footage[0].camera == "Platform 2"
    assert platform.footage[0].start == MOMENT + 5 * 3600
    assert platform.mask == (((0, 0), (640, 0), (640, 80.5)), ((0.1, 0.1), (0.2, 0.1), (0.2, 0.2)))
    assert platform.areas == (
        Area(AreaKind.zone, "the bench", ((0, 0.5), (0.5, 0.5), (0.5, 1))),
        Area(AreaKind.line, "door", ((0.5, 0), (0.5, 1))),
    )
    assert (platform.min_height, platform.time_zone) == (40, "America/New_York")
    assert (cameras["gate"].footage[0].start, cameras["gate"].footage[0].start_source) == (
        utc(2026, 11, 20, 7),
        "given",
    )
    assert cameras["door"].footage[0].start == MOMENT - 3600
    assert read_site_toml(tmp_path / "site.toml").detector == "yolox"
    assert discover(tmp_path, SiteConfig())[0].time_zone is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sight]\n", "unknown key 'sight' in the file; possible are cameras, site"),
        ("[site]\ndetektor = 'x'\n", r"unknown key 'detektor' in \[site\]"),
        ("[cameras.hall]\nzone = 'x'\n", r"unknown key 'zone' in \[cameras.hall\]"),
        ("[site]\ndetector = 3\n", "site.detector = 3 must be text"),
        ("[site]\ntime_zone = 'Mars/Base'\n", "is not a time zone"),
        ("[site]\ntime_zone = '../../etc/passwd'\n", "is not a time zone"),
        ("site = 3\n", "must be a table"),
        ("[cameras]\nhall = 3\n", "must be a table"),
        ("[cameras.hall]\nstart = 'noon'\n", "must be a date and time"),
        ("[cameras.hall]\nstart = 12\n", "must be a date and time"),
        ("[cameras.hall]\nmin_person_height = true\n", "must be a number of pixels"),
        ("[cameras.hall]\nmin_person_height = -1\n", "must be a number of pixels"),
        ("[cameras.hall]\nmin_person_height = nan\n", "must be a number of pixels"),
        ("[cameras.hall]\nmask = [[0, 0], [1, 1], [1, 0]]\n", "list of polygons"),
        ("[cameras.hall]\nmask = [[[0, 0], [1, 1]]]\n", "list of polygons"),
        ("[cameras.hall]\nmask = 'all'\n", "list of polygons"),
        ("[cameras.hall]\nzones = 3\n", "zones must be a table"),
        ("[cameras.hall.zones]\na = 3\n", "zones.a must be a list of points"),
        ("[cameras.hall.zones]\na = [[0, nan], [1, 1], [1, 0]]\n", "zones.a must be a list of points"),
        ("[cameras.hall.zones]\na = [[0, 0], [640, 1], [1, 0]]\n", "zones.a: .* outside of the picture"),
        ("[cameras.hall.zones]\na = [[0, 0], [1, 1], [1, 0], [0, 1]]\n", "zones.a: .* crosses itself"),
        ("[cameras.hall.lines]\na = [[0, 0]]\n", "lines.a: .* needs 2 to 20 points"),
        (
            "[cameras.hall.lines]\na = [[0, 0], [1, 1]]\n[cameras.hall.zones]\na = [[0, 0], [1, 1], [1, 0]]\n",
            "two zones or lines called a",
        ),
        ("[cameras.hall]\nurl = 3\n", "cameras.hall.url must be text in quotes"),
        ("[cameras.hall]\nurl = 'udp://hall'\n", "cameras.hall.url: udp://hall/… is no address that a camera may have"),
        ("[cameras.hall]\ndevice = '0'\n", "cameras.hall.device: '0' is no number of a device"),
        ("[cameras.hall]\nfps = 5\n", "fps is for live cameras: give url or device"),
        ("[site\n", "is not TOML"),
        ("\xff", "is not TOML"),
    ],
)
def test_a_bad_site_toml_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = touch(tmp_path / "site.toml", text.encode("latin-1"))
    with pytest.raises(SiteConfigError, match=message) as error:
        read_site_toml(path)
    assert str(path) in str(error.value)


def test_live_cameras(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = touch(
        tmp_path / "site.toml",
        b"""
        [cameras.hall]
        url = "rtsp://operator:hunter2@hall.lan/stream1"
        fps = 10
        record = "24h"
        record_size = "200GB"
        [cameras.door]
        device = 0
        [cameras.yard]
        min_person_height = 40
        """,
    )
    cameras = read_site_toml(path).cameras
    hall, door = cameras["hall"].live, cameras["door"].live
    assert hall == LiveSettings(camera_address("rtsp://operator:hunter2@hall.lan/stream1"), 10.0, 86_400.0, 200 * 10**9)
    assert door == LiveSettings(CameraDevice(0)) and cameras["yard"].live is None
    assert "hunter2" not in repr(cameras)
    touch(tmp_path / "gate.mp4")
    with caplog.at_level(logging.WARNING):
        discover(tmp_path)
    assert "yard" in caplog.text and "hall" not in caplog.text and "door" not in caplog.text


def test_a_missing_site_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteConfigError, match="can't be read"):
        read_site_toml(tmp_path / "site.toml")


def test_a_named_file_goes_before_the_one_beside_the_footage(tmp_path: Path) -> None:
    assert site_config(tmp_path) == SiteConfig()
    beside = touch(tmp_path / "site.toml", b"[site]\ndetector = 'beside'\n")
    named = touch(tmp_path / "elsewhere" / "named.toml", b"[site]\ndetector = 'named'\n")
    assert site_config(tmp_path).detector == "beside"
    assert site_config(tmp_path, named).detector == "named"
    beside.unlink()
    assert site_config(tmp_path, named).detector == "named"
