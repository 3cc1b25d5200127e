"""Discovery: whose footage is what, when it began, and what is refused."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path, PurePath
from zoneinfo import ZoneInfo

import pytest

from app.errors import FootageError, SiteConfigError
from app.footage import discover, grown
from app.footage.fingerprint import fingerprint
from app.footage.site_toml import SiteConfig, read_site_toml
from app.footage.start_time import from_metadata, from_name
from tests.clips import render_clip, render_sequence


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


MOMENT = utc(2026, 11, 20, 14, 30, 5)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("2026-11-20_14-30-05.mp4", MOMENT),
        ("20261120_143005.mp4", MOMENT),
        ("20261120143005.mp4", MOMENT),
        ("20261120143005.264", MOMENT),
        ("2026-11-20T14:30:05Z.mp4", MOMENT),
        ("2026-11-20T14:30:05.25Z.mp4", MOMENT + 0.25),
        ("2026-11-20 14.30.05.mp4", MOMENT),
        ("WhatsApp Video 2026-11-20 at 14.30.05.mp4", MOMENT),
        ("2026.11.20-14.30.05,5.mkv", MOMENT + 0.5),
        ("VID_20261120_143005123.mp4", MOMENT + 0.123),
        ("20261120_143005_123.mp4", MOMENT + 0.123),
        ("2026_1120_143005_0017.MP4", MOMENT),
        ("WIN_20261120_14_30_05_Pro.mp4", MOMENT),
        ("ch01_20261120143005-20261120144005.mp4", MOMENT),
        ("hall-2026-11-20_14h30m05s.avi", MOMENT),
        ("2026-11-20_14-30-05-14-40-05.mp4", MOMENT),
        ("2026-11-20_14-30.mp4", MOMENT - 5),
        ("2026-11-20_14-30-05+0200.mp4", MOMENT - 7200),
        ("2026-11-20T14:30:05+02:00.mp4", MOMENT - 7200),
        ("20261120T143005-0500.mp4", MOMENT + 18_000),
        ("2026-11-20_14-30-05-0500.mp4", MOMENT),  # a counter
        ("hall", None),
        ("cam_1790000000.mp4", 1_790_000_000),
        ("cam_1790000000123.mp4", 1_790_000_000.123),
        ("cam_0000000017.mp4", None),
        ("cam_9999999999.mp4", None),
        ("cam_2026112014.mp4", None),
        ("cam_12345678901.mp4", None),
        ("2026-02-31_14-30-05.mp4", None),
        ("2026-13-20_14-30-05.mp4", None),
        ("2026-11-20_25-30-05.mp4", None),
        ("20261120.mp4", None),
        ("20261120_0001.mp4", None),
        ("1280x720_143005.mp4", None),
        ("2026-11-20/14-30-05.mp4", MOMENT),
        ("2026-11-20/143005.mp4", MOMENT),
        ("2026/11/20/14-30-05.mp4", MOMENT),
        ("2026-11-20/14/30.05.mp4", MOMENT),
        ("2026-11-20/14/12.05.mp4", utc(2026, 11, 20, 14, 12, 5)),
        ("2026-11-20/001/dav/14/14.30.05-14.40.05[M][0@0][0].dav", MOMENT),
        ("2026-11-20/14-30.mp4", MOMENT - 5),
        ("2026-11-20/part3.mp4", None),
    ],
)
def test_time_in_a_name(name: str, start: float | None) -> None:
    assert from_name(PurePath(name)) == (None if start is None else pytest.approx(start, abs=1e-6))


def test_a_time_without_zone_is_in_the_cameras_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert from_name(PurePath("2026-11-20_14-30-05.mp4"), berlin) == MOMENT - 3600
    assert from_name(PurePath("2026-07-20_14-30-05.mp4"), berlin) == utc(2026, 7, 20, 12, 30, 5)
    assert from_name(PurePath("2026-11-20T14:30:05Z.mp4"), berlin) == MOMENT
    assert from_name(PurePath("1790000000.mp4"), berlin) == 1_790_000_000


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2026-11-20T14:30:05.000000Z", MOMENT),
        ("2026-11-20 14:30:05", MOMENT),
        ("2026-11-20T16:30:05+02:00", MOMENT),
        ("1904-01-01T00:00:00.000000Z", None),
        ("1970-01-01T00:00:00.000000Z", None),
        ("2000-01-01T00:00:10.000000Z", None),
        ("2150-01-01T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_creation_time(text: str, start: float | None) -> None:
    assert from_metadata({}, {"creation_time": text}) == start


def touch(path: Path, content: bytes = b"x", modified: float = MOMENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return path


def test_files_are_cameras_and_folders_are_cameras_with_segments(tmp_path: Path) -> None:
    touch(tmp_path / "hall.mp4")
    touch(tmp_path / "Street.AVI")
    for part in (1, 2, 9, 10):
        touch(tmp_path / "plaza" / f"part{part}.mp4")
    touch(tmp_path / "gate" / "2026-11-21" / "08-00-00.mp4")
    touch(tmp_path / "gate" / "2026-11-20" / "08-00-00.mp4")
    render_sequence(tmp_path / "MOT-1", 3)
    for passed_over in (
        "notes.txt",
        "a.json",
        "hall.srt",
        ".hidden.mp4",
        "._hall.mp4",
        "GX01.LRV",
        "hall.part",
        "gt/gt.txt",
    ):
        touch(tmp_path / passed_over)
    touch(tmp_path / "no-suffix")
    touch(tmp_path / "README.unknown")
    cameras = {camera.name: [item.name for item in camera.footage] for camera in discover(tmp_path)}
    assert cameras == {
        "gate": ["2026-11-20/08-00-00.mp4", "2026-11-21/08-00-00.mp4"],
        "hall": ["hall.mp4"],
        "MOT-1": ["MOT-1"],
        "plaza": ["part1.mp4", "part2.mp4", "part9.mp4", "part10.mp4"],
        "Street": ["Street.AVI"],
    }
    assert [camera.name for camera in discover(tmp_path)] == ["gate", "hall", "MOT-1", "plaza", "Street"]


def test_a_file_of_unknown_kind_is_footage_if_it_opens_as_video(tmp_path: Path) -> None:
    render_clip(tmp_path / "a.mp4", 3).path.rename(tmp_path / "export.vid")
    touch(tmp_path / "other.vid", b"no video\n" * 100)
    assert [camera.name for camera in discover(tmp_path)] == ["export"]


def test_a_single_file_and_a_single_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = touch(tmp_path / "x" / "hall.mp4")
    [camera] = discover(film)
    assert (camera.name, camera.footage[0].name, camera.footage[0].path) == ("hall", "hall.mp4", film)
    render_sequence(tmp_path / "MOT-1", 3)
    [camera] = discover(tmp_path / "MOT-1")
    assert (camera.name, camera.footage[0].name) == ("MOT-1", "MOT-1")
    monkeypatch.chdir(tmp_path / "MOT-1")
    assert discover(Path())[0].name == "MOT-1"


def test_nothing_to_be_found(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="does not exist: give a video file"):
        discover(tmp_path / "missing")
    with pytest.raises(FootageError, match="holds no footage: put video files there"):
        discover(tmp_path)
    touch(tmp_path / "0001.jpg")
    with pytest.raises(FootageError, match=r"needs a seqinfo.ini"):
        discover(tmp_path)
    with pytest.raises(FootageError, match="is not a video"):
        discover(tmp_path / "0001.jpg")


def test_cameras_with_the_same_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "Hall.mp4")
    touch(tmp_path / "hall.avi")
    with pytest.raises(FootageError, match=r"two cameras .* rename one"):
        discover(tmp_path)


@pytest.mark.parametrize(
    "name", ["a\nb.mp4", "a\x1bb.mp4", "a\\b.mp4", " a.mp4", "a .mp4", "\u2028.mp4", "x" * 220 + ".mp4"]
)
def test_unsafe_camera_names_are_refused(tmp_path: Path, name: str) -> None:
    touch(tmp_path / name)
    with pytest.raises(FootageError, match="can't be a camera's name") as error:
        discover(tmp_path)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)


@pytest.mark.parametrize("name", ["../x", "..", "a/b", ""])
def test_unsafe_names_in_site_toml_are_refused(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "hall.mp4")
    touch(tmp_path / "site.toml", f'[cameras.hall]\nname = "{name}"\n'.encode())
    with pytest.raises((FootageError, SiteConfigError), match="name"):
        discover(tmp_path)


def test_where_the_start_comes_from(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    render_clip(tmp_path / "a" / "x.mp4", 3)
    render_clip(tmp_path / "stated.mp4", 3, creation_time="2026-11-20T10:00:00Z")
    render_clip(tmp_path / "named_2026-11-20_14-30-05.mp4", 3, creation_time="2026-11-20T10:00:00Z")
    touch(tmp_path / "broken.mp4", modified=MOMENT + 7)
    os.utime(tmp_path / "a" / "x.mp4", (0, MOMENT + 3))
    starts = {camera.name: (camera.footage[0].start, camera.footage[0].start_source) for camera in discover(tmp_path)}
    assert starts == {
        "a": (MOMENT + 3, "file time"),
        "stated": (utc(2026, 11, 20, 10), "container"),
        "named_2026-11-20_14-30-05": (MOMENT, "name"),
        "broken": (MOMENT + 7, "file time"),
    }
    given = {camera.name: camera.footage[0].start_source for camera in discover(tmp_path, start=5.0)}
    assert given == {"a": "given", "stated": "container", "named_2026-11-20_14-30-05": "name", "broken": "given"}


def test_segments_without_times_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "hall").mkdir()
    for part in (1, 2, 10):
        render_clip(tmp_path / "hall" / f"part{part}.mp4", 50)
    [camera] = discover(tmp_path, start=1000.0)
    assert [(item.name, item.start) for item in camera.footage] == [
        ("part1.mp4", 1000.0),
        ("part2.mp4", 1002.0),
        ("part10.mp4", 1004.0),
    ]


def test_site_toml(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path / "hall" / "2026-11-20_14-30-05.mp4")
    touch(tmp_path / "gate.mp4")
    touch(tmp_path / "gate_2026-11-20_14-30-05.mp4")
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
    assert (platform.min_height, platform.time_zone) == (40, "America/New_York")
    assert (cameras["gate"].footage[0].start, cameras["gate"].footage[0].start_source) == (
        utc(2026, 11, 20, 7),
        "given",
    )
    assert cameras["gate_2026-11-20_14-30-05"].footage[0].start == MOMENT - 3600
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
        ("[site\n", "is not TOML"),
        ("\xff", "is not TOML"),
    ],
)
def test_a_bad_site_toml_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = touch(tmp_path / "site.toml", text.encode("latin-1"))
    with pytest.raises(SiteConfigError, match=message) as error:
        read_site_toml(path)
    assert str(path) in str(error.value)


def test_a_missing_site_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteConfigError, match="can't be read"):
        read_site_toml(tmp_path / "site.toml")


@pytest.mark.parametrize("size", [0, 1, 5000, 8 * 2**20, 8 * 2**20 + 1, 30 * 2**20])
def test_fingerprints(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.mp4"
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    path.write_bytes(data)
    mark = fingerprint(path)
    assert fingerprint(path) == mark
    assert grown(path, size, mark)
    path.write_bytes(data + b"more")
    assert fingerprint(path) != mark
    assert grown(path, size, mark)
    if size:
        path.write_bytes(data[:-1])
        assert not grown(path, size, mark)
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) + b"more")
        assert not grown(path, size, mark)
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert not grown(path, size, mark)
    path.unlink()
    assert not grown(path, size, mark)


def test_small_files_are_compared_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    data = bytearray(7 * 2**20)
    path.write_bytes(data)
    mark = fingerprint(path)
    data[3_333_333] = 1
    path.write_bytes(data)
    assert fingerprint(path) != mark


def test_sequences_grow_too(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 5).path
    [camera] = discover(folder)
    item = camera.footage[0]
    images = sorted((folder / "img1").iterdir())
    assert item.size == sum(image.stat().st_size for image in images)
    assert grown(folder, item.size, item.fingerprint)
    (folder / "img1" / "000006.png").write_bytes(images[0].read_bytes())
    assert grown(folder, item.size, item.fingerprint)
    assert discover(folder)[0].footage[0].fingerprint != item.fingerprint
    images[2].write_bytes(images[1].read_bytes())
    assert not grown(folder, item.size, item.fingerprint)


def test_footage_that_can_not_be_read_is_listed_for_the_decoder_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "MOT-1").mkdir()
    (tmp_path / "MOT-1" / "seqinfo.ini").write_text("[Sequence]\nframeRate=30\n")
    touch(tmp_path / "empty.mp4", b"")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    assert [(camera.name, camera.footage[0].size) for camera in discover(tmp_path)] == [("empty", 0), ("MOT-1", 0)]


def test_folders_that_link_in_circles_end(tmp_path: Path) -> None:
    touch(tmp_path / "hall" / "a.mp4")
    (tmp_path / "hall" / "again").symlink_to(tmp_path / "hall")
    assert [item.name for item in discover(tmp_path)[0].footage] == ["a.mp4"]
