"""Cameras of a site.toml that changes while they are followed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.engine.named_cameras import NamedCameras
from app.errors import SiteConfigError

HALL = '[cameras.hall]\nurl = "rtsp://hall.lan/1"\n'
YARD = '[cameras.yard]\nurl = "rtsp://me:secret@yard.lan/1"\nfps = 5\n'


def names(cameras: NamedCameras) -> list[str]:
    return [each.camera.name for each in cameras.watched]


def test_only_what_changed_is_another_object(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "site.toml"
    path.write_text(HALL + "[cameras.films]\nmin_person_height = 20\n")
    cameras = NamedCameras(tmp_path, path)
    (hall,) = cameras.watched
    assert names(cameras) == ["hall"] and cameras.changed() is None
    path.write_text(HALL + YARD)
    assert cameras.changed() == cameras.watched and names(cameras) == ["hall", "yard"]
    yard = cameras.watched[1]
    assert cameras.watched[0] is hall and cameras.changed() is None
    path.write_text(HALL + YARD.replace("fps = 5", "fps = 6"))
    cameras.changed()
    assert cameras.watched[0] is hall and cameras.watched[1] is not yard
    path.write_text(HALL + YARD + "paused = true\n# a remark\n")
    assert cameras.changed() == [hall]
    path.write_text(HALL.replace("rtsp://hall", "ftp://hall") + YARD)
    assert cameras.changed() is None and names(cameras) == ["hall"]
    assert cameras.changed() is None  # it is told once
    assert caplog.text.count("go on as before") == 1 and "secret" not in caplog.text
    path.unlink()
    assert cameras.changed() is None and "can't be read" in caplog.text
    path.write_text("")
    assert cameras.changed() == []


def test_a_time_zone_or_a_zone_changes_a_camera(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(HALL)
    cameras = NamedCameras(tmp_path, path)
    (before,) = cameras.watched
    path.write_text(HALL + "[cameras.hall.zones]\nbench = [[0, 0], [1, 0], [1, 1]]\n")
    (zoned,) = cameras.changed() or []
    assert zoned is not before and [area.name for area in zoned.camera.areas] == ["bench"]
    path.write_text(HALL + 'time_zone = "Europe/Berlin"\n')
    assert cameras.changed() != [zoned]


def test_a_file_that_is_wrong_from_the_start_is_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "site.toml").write_text("[cameras.hall]\nurl = 5\n")
    with pytest.raises(SiteConfigError):
        NamedCameras(tmp_path, tmp_path / "site.toml")
