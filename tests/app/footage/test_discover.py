"""Discovery: whose footage is what, when it began, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.errors import FootageError, SiteConfigError
from app.footage import discover
from tests.app.recordings import MOMENT, touch, utc
from tests.clips import render_clip, render_sequence


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
        "a": (pytest.approx(MOMENT + 3 - 3 / 25), "file time"),
        "stated": (utc(2026, 11, 20, 10), "container"),
        "named": (MOMENT, "name"),
        "broken": (MOMENT + 7, "file time"),
    }
    sources = {camera.name: camera.footage[0].start_source for camera in discover(tmp_path, start=5.0)}
    assert sources == {"a": "given", "stated": "container", "named": "name", "broken": "given"}


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
