"""How live cameras do: one row each, believed for a while, and told in sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.record import Site
from app.record.live_cameras import LiveRecord, drop_live_camera, live_cameras_of, out_of_step, put_live_cameras
from app.record.repair import repair
from app.record.verify import damage
from tests.app.records import run_sql
from tests.app.sites import figure_site

HALL = LiveRecord("camera0", 100.0, 50.0, frames=9, rate=2.0, offered=2.1, latest=99.0, ahead=0.4, decoder="h264")


def test_each_camera_has_one_row_which_is_written_in_its_place(empty: Path) -> None:
    figure_site(empty, people=1, cameras=2)
    away = LiveRecord("camera1", 100.0, 50.0, away="It refuses.", away_since=60.0)
    with Site.open_to_write(empty) as site:
        put_live_cameras(site.database, [HALL, away])
        assert live_cameras_of(site.database, 101.0) == {"camera0": HALL, "camera1": away}
        later = replace(HALL, written=105.0, frames=20, drift=-1.5)
        put_live_cameras(site.database, [later])
        assert live_cameras_of(site.database, 106.0)["camera0"] == later
        assert list(damage(site)) == []
        drop_live_camera(site.database, "camera1")
        assert list(live_cameras_of(site.database, 106.0)) == ["camera0"]


def test_who_died_is_not_believed(empty: Path) -> None:
    figure_site(empty, people=1, cameras=1)
    with Site.open_to_write(empty) as site:
        put_live_cameras(site.database, [HALL])
        assert live_cameras_of(site.database, 129.0) and not live_cameras_of(site.database, 131.0)


def test_damage_is_told_and_dropped(empty: Path) -> None:
    figure_site(empty, people=1, cameras=1)
    with Site.open_to_write(empty) as site:
        put_live_cameras(site.database, [HALL])
    run_sql(empty, "UPDATE live_cameras SET frames = 1")
    with Site.open_to_write(empty) as site:
        assert "row 1 of live_cameras is damaged" in next(damage(site))
        repair(site, who="me")
        assert list(damage(site)) == [] and live_cameras_of(site.database, 101.0) == {}


def test_what_somebody_should_know_is_a_sentence() -> None:
    assert HALL.warnings == [] and not HALL.shares
    sharing = replace(HALL, rate=1.0, offered=5.0)
    assert "it follows 1.0 of 5.0 frames a second" in " ".join(sharing.warnings)
    assert not replace(sharing, away="It refuses.").shares
    assert "1.6 s behind this machine" in " ".join(replace(HALL, ahead=-1.6).warnings)
    assert "not recorded: The disk is full" in " ".join(replace(HALL, unrecorded="The disk is full.").warnings)


def test_cameras_out_of_step_are_named() -> None:
    yard, gate = replace(HALL, camera="yard", ahead=-0.7), replace(HALL, camera="gate", ahead=None)
    assert out_of_step([HALL, replace(yard, ahead=-0.5), gate]) is None and out_of_step([HALL, gate]) is None
    assert "camera0 is 1.1 s ahead of yard" in str(out_of_step([HALL, yard, gate]))
