"""When a recording began, by its name or its container."""

from __future__ import annotations

from pathlib import PurePath
from zoneinfo import ZoneInfo

import pytest

from app.footage.start_time import from_metadata, from_name
from tests.app.recordings import MOMENT, utc


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
