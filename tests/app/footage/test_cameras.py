"""Whose footage a file is, by its path and name."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from app.footage.cameras import cameras_of
from app.footage.start_time import times_in_names


def owners(*names: str) -> list[str]:
    """The camera of each file. `site` is the folder's name."""
    paths = [PurePath(name) for name in names]
    cameras, _ = cameras_of(paths, times_in_names(paths), "site")
    return [camera.camera for camera in cameras]


@pytest.mark.parametrize(
    ("names", "cameras"),
    [
        (["hall.mp4", "plaza/part1.mp4", "plaza/part2.mp4"], ["hall", "plaza", "plaza"]),
        (["front/2026-11-20/14/30.05.mp4", "11/2026-11-20/14/30.05.mp4"], ["front", "11"]),
        (["2026-11-20/14/front/30.05.mp4", "2026-11-20/15/back/12.05.mp4"], ["front", "back"]),
        (["2026-11-20/14/1/30.05.mp4", "2026-11-20/14/2/30.05.mp4"], ["1", "2"]),
        (["14/2026-11-20/front/30.05.mp4"], ["front"]),
        (["2026/11/20/Front_00_20261120143005.mp4", "2026/11/20/Back_01_20261120143005.mp4"], ["Front_00", "Back_01"]),
        (["2026/11/Front/20261120_143005.mp4", "2026/11/Back/20261120_143005.mp4"], ["Front", "Back"]),
        (["20/11/2026/hall/143005.mp4"], ["hall"]),
        (["recordings/front/2026-11-20_14-30-05.mp4", "recordings/back/2026-11-20_14-30-05.mp4"], ["front", "back"]),
        (["recordings/a.mp4", "recordings/b.mp4"], ["recordings", "recordings"]),
        (["11/20261120_143005.mp4", "12/20261120_143005.mp4"], ["11", "12"]),
        (["2026/11/20/clip_001.mp4", "2026/11/20/clip_002.mp4"], ["clip", "clip"]),
        (["20261120/record/A261120_143005_143020.264", "20261120/P261120_143005_143105.264"], ["site", "site"]),
    ],
)
def test_levels_that_tell_time_name_no_camera(names: list[str], cameras: list[str]) -> None:
    assert owners(*names) == cameras


@pytest.mark.parametrize(
    ("names", "cameras"),
    [
        (
            ["NVR_ch1_main_20261120143000_20261120143002.mp4", "NVR_ch1_main_20261120143002_20261120143004.mp4"],
            {"NVR_ch1_main"},
        ),
        (["2026-11-20_14-30-05.mp4", "2026-11-20_15-30-05.mp4"], {"site"}),
        (["2026_1120_143005_0001F.MP4", "2026_1120_143105_0002F.MP4"], {"site"}),
        (["20261120_143005_AB12_ACCC8E0A1B2C.mkv", "20261120_153005_AB13_ACCC8E0A1B2C.mkv"], {"ACCC8E0A1B2C"}),
        (["front-1795185005.65-abc123.mp4", "front-1795185105.65-def456.mp4"], {"front"}),
        (["Front Door 11-20-2026, 2.30.05 PM.mp4", "Front Door 11-20-2026, 3.30.05 PM.mp4"], {"Front Door"}),
        (["101_20261120_143000.mp4", "102_20261120_143010.mp4"], {"101", "102"}),
        (["192.168.1.164_20261120143005.mp4", "192.168.1.165_20261120143105.mp4"], {"192.168.1.164", "192.168.1.165"}),
        (["x_20261120143005_0001.mp4", "x_20261120143005_0002.mp4"], {"x_0001", "x_0002"}),  # at one moment
    ],
)
def test_files_whose_names_differ_in_time_are_one_camera(names: list[str], cameras: set[str]) -> None:
    assert set(owners(*names)) == cameras


def test_channels_in_one_folder_are_a_camera_each() -> None:
    assert owners("nvr/ch01_20261120143005.mp4", "nvr/ch02_20261120143005.mp4") == ["nvr ch01", "nvr ch02"]
    dahua = "dvr1/2026-11-20/{}/dav/14/14.{}.05-14.40.05[M][0@0][0].dav"
    names = [dahua.format(channel, minute) for channel in ("001", "002") for minute in (30, 40)]
    assert owners(*names) == ["dvr1 001", "dvr1 001", "dvr1 002", "dvr1 002"]
    # Parts of one recording follow each other, and an event is of the camera that records all the time.
    assert set(owners("a/part1/2026-11-20_14-30-05.mp4", "a/part2/2026-11-20_15-30-05.mp4")) == {"a"}
    assert set(owners("a/event/2026-11-20_14-30-05.mp4", "a/all/2026-11-20_14-00-00.mp4")) == {"a"}


def test_what_was_grouped_or_told_apart_is_said() -> None:
    paths = [PurePath(f"x_20261120143{n}05.mp4") for n in range(3)] + [
        PurePath(f"nvr/ch{n}_20261120143005.mp4") for n in (1, 2)
    ]
    _, remarks = cameras_of(paths, times_in_names(paths), "site")
    assert {remark.what: remark.count for remark in remarks} == {
        "files grouped by their names": 3,
        "files told apart by their channel": 2,
    }
