"""When a recording began, by its name or its container."""

from __future__ import annotations

import time
from pathlib import PurePath
from zoneinfo import ZoneInfo

import pytest

from app.footage.start_time import from_metadata, from_name, times_in_names
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
        ("2026Y11M20D14H/30M05S60.mp4", MOMENT),
        ("2026Y11M20D14H/E130M05S60.mp4", MOMENT),
        ("20261120/14/30.mp4", MOMENT - 5),
        ("2026/11/20/14/30/05.mp4", MOMENT),
        ("2026112014/30.05.mp4", MOMENT),
        ("2026-11-20/14/front/30.05.mp4", MOMENT),
        ("14/2026-11-20/front/30.05.mp4", MOMENT),
        ("20/11/2026/hall/143005.mp4", MOMENT),
        ("Front Door - 11-20-2026, 2.30.05pm.mp4", MOMENT),
        ("Front Door 11-20-2026, 2.30.05 PM GMT+1.mp4", MOMENT - 3600),
        ("2026-11-20 02-30-05 PM.mp4", MOMENT),
        ("2026-11-20 12-30-05 AM.mp4", utc(2026, 11, 20, 0, 30, 5)),
        ("20261120023005PM.mp4", MOMENT),
        ("Screen Recording 2026-11-20 at 2.30.05\u202fPM.mov", MOMENT),
        ("261120/143005.mp4", MOMENT),
        ("ch01-261120-143005-143505-001001000000.avi", MOMENT),
        ("14-30-05-20261120.mp4", MOMENT),
        ("143005_20261120.mp4", MOMENT),
        ("20-11-2026_14-30-05.mp4", MOMENT),
        ("20112026_143005.mp4", MOMENT),
        ("20 Nov 2026 14h30m05s.mp4", MOMENT),
        ("Nov 20, 2026 2-30-05 PM.mp4", MOMENT),
        ("11-20-26 2-30-05 PM.mp4", MOMENT),
        ("2026-11-20_14-30-05-764415.mp4", MOMENT + 0.764415),
        ("2026-11-20_14-30-05-144005.mp4", MOMENT),  # the end of the recording
        ("20261120_hall_143005.mp4", MOMENT),
        ("2026-11-20 24-00-00.mp4", utc(2026, 11, 21)),
        ("2026-11-20_23-59-60.mp4", None),
        ("20261120_1430.mp4", MOMENT - 5),
        ("1795185005.654321-1795185018.2.mp4", MOMENT + 0.654321),
        ("1795185005123456.mp4", MOMENT + 0.123456),
        ("17951850051234567.mp4", None),
        ("2026-11-20/30.05.mp4", None),
    ],
)
def test_time_in_a_name(name: str, start: float | None) -> None:
    assert from_name(PurePath(name)) == (None if start is None else pytest.approx(start, abs=1e-6))


@pytest.mark.parametrize(
    ("names", "days", "uncertain"),
    [
        (["10-11-2026_14-30-05", "20-11-2026_14-30-05"], [10, 20], False),  # there is no twentieth month
        (["10-11-2026_14-30-05", "x/11-20-2026 2.30.05 PM"], [11, 20], False),  # names of other shapes settle it, too
        (["01-11-2026_14-30-05", "02-11-2026_14-30-05", "03-11-2026_14-30-05"], [1, 2, 3], False),  # follow each other
        (["10-11-2026_14-30-05"], [10], True),
        (["10-11-2026, 2.30.05 PM"], [11], True),  # who has a 12-hour clock likely writes the month first
        (["20.11.26 14.30.05"], [20], True),
    ],
)
def test_names_settle_which_is_the_day(names: list[str], days: list[int], uncertain: bool) -> None:
    times = times_in_names([PurePath(f"{name}.mp4") for name in names])
    assert [(time.local.day, time.uncertain) for time in times if time] == [(day, uncertain) for day in days]


def test_a_person_settles_which_is_the_day() -> None:
    [time] = times_in_names([PurePath("10-11-2026_14-30-05.mp4")], "month-first")
    assert time is not None
    assert (time.local.month, time.local.day, time.uncertain) == (10, 11, False)


@pytest.mark.parametrize(
    ("names", "times"),
    [
        (["20261120_0001", "20261120_0075"], [None, None]),  # they are counted
        (["20261120_0001", "20261120_0130"], ["00:01", "01:30"]),
        (["2026-11-20/12.05", "2026-11-20/30.05"], [None, None]),  # minutes and seconds of nobody knows which hour
        (["2026-11-20_14-30-05-144005", "2026-11-20_14-40-05-764415"], ["14:30", "14:40"]),  # microseconds
    ],
)
def test_one_name_tells_how_another_is_meant(names: list[str], times: list[str | None]) -> None:
    told = times_in_names([PurePath(f"{name}.mp4") for name in names])
    assert [time and f"{time.local:%H:%M}" for time in told] == times


def test_hostile_names_are_read_in_no_time() -> None:
    begun = time.monotonic()
    times_in_names(
        [PurePath("2026-11-20_" * 20), PurePath("1" * 200), PurePath("/".join(["14"] * 300)), PurePath("12.05." * 40)]
    )
    assert time.monotonic() - begun < 5


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


def test_the_phones_own_date_of_creation_goes_before_the_exports() -> None:
    metadata = {"creation_time": "2026-11-25T09:00:00Z", "com.apple.quicktime.creationdate": "2026-11-20T15:30:05+0100"}
    assert from_metadata(metadata, {}) == MOMENT
    assert from_metadata({"creation_time": "1795185005"}) == MOMENT
