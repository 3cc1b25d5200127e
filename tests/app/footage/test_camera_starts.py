"""When a camera's footage began, where names do not settle it alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.footage import survey
from app.remarks import CERTAINTY
from tests.app.recordings import MOMENT, utc
from tests.clips import render_clip, render_sequence

REPEATED = utc(2026, 10, 25, 0, 30)  # 02:30 in Berlin, for the first time. An hour later it is 02:30 again


def film(path: Path, *, seconds: float = 1.0, modified: float) -> None:
    """A film whose file's time is `modified`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    render_clip(path, round(25 * seconds))
    os.utime(path, (modified, modified))


def starts(folder: Path) -> list[tuple[str, float, str]]:
    """Name, start and what it is known by, of the footage of the only camera."""
    [camera] = survey(folder).cameras
    return [(piece.name, pytest.approx(piece.start, abs=0.01), piece.start_source) for piece in camera.footage]


def told(folder: Path) -> dict[str, int]:
    return {remark.what: remark.count for remark in survey(folder).remarks}


def test_a_files_time_is_when_it_ended(tmp_path: Path) -> None:
    film(tmp_path / "hall" / "rec_001.mkv", seconds=2, modified=MOMENT + 2)
    film(tmp_path / "hall" / "rec_002.mkv", seconds=1, modified=MOMENT + 60)
    assert starts(tmp_path) == [("rec_001.mkv", MOMENT, "file time"), ("rec_002.mkv", MOMENT + 59, "file time")]
    assert told(tmp_path) == {"files that start at their file's time": 2}
    assert CERTAINTY["file time"] == "uncertain"


def test_files_copied_together_follow_each_other(tmp_path: Path) -> None:
    for part in (1, 2, 10):
        film(tmp_path / "hall" / f"part{part}.mkv", modified=MOMENT)
    assert [start for _, start, _ in starts(tmp_path)] == [MOMENT - 3, MOMENT - 2, MOMENT - 1]


def test_the_repeated_hour_is_told_by_the_files_times(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[site]\ntime_zone = "Europe/Berlin"\n')
    film(tmp_path / "hall" / "a 2026-10-25 02-30-00.mp4", modified=REPEATED + 3600 + 1)
    film(tmp_path / "hall" / "b 2026-10-25 02-30-00.mp4", modified=REPEATED + 1)
    assert starts(tmp_path) == [
        ("b 2026-10-25 02-30-00.mp4", REPEATED, "name"),
        ("a 2026-10-25 02-30-00.mp4", REPEATED + 3600, "name"),
    ]
    assert told(tmp_path) == {"files in the hour that clocks repeat": 2}


def test_the_repeated_hour_is_told_by_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[site]\ntime_zone = "Europe/Berlin"\n')
    for name in ("2026-10-25_02-30-00.mp4", "2026-10-25_02-30-00_1.mp4"):
        film(tmp_path / "hall" / name, seconds=4, modified=MOMENT)
    assert [start for _, start, _ in starts(tmp_path)] == [REPEATED, REPEATED + 3600]


def test_an_hour_that_clocks_skip_is_told(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[site]\ntime_zone = "Europe/Berlin"\n')
    film(tmp_path / "hall" / "2026-03-29_02-30-00.mp4", modified=MOMENT)
    assert told(tmp_path) == {"files in an hour that clocks skip": 1}


def test_day_and_month_are_settled_by_a_person_or_told(tmp_path: Path) -> None:
    film(tmp_path / "hall" / "10-11-2026_14-30-05.mp4", modified=MOMENT)
    assert starts(tmp_path)[0][1:] == (utc(2026, 11, 10, 14, 30, 5), "uncertain name")
    assert told(tmp_path) == {"files whose names leave open which is day and which is month": 1}
    (tmp_path / "site.toml").write_text('[site]\ndates = "month-first"\n')
    assert starts(tmp_path)[0][1:] == (utc(2026, 10, 11, 14, 30, 5), "name")
    assert told(tmp_path) == {}


def test_pictures_start_at_the_first(tmp_path: Path) -> None:
    render_sequence(tmp_path / "made", 3)
    for number, picture in enumerate(sorted((tmp_path / "made" / "img1").iterdir())):
        target = tmp_path / "videos" / "yard" / f"2026-11-20_14-30-0{5 + number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.rename(target)
    assert starts(tmp_path / "videos") == [("yard", MOMENT, "name")]
    assert starts(tmp_path / "videos" / "yard") == [("yard", MOMENT, "name")]
