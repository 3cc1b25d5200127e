"""What cameras' own clocks said: kept where it is news, bounded, and told of moments that it covers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.record import Site
from app.record.camera_clocks import (
    COUNTS,
    EVERY,
    ClockRecord,
    clocks_ahead,
    clocks_of,
    drop_clocks_before,
    keep_clock,
)
from app.record.repair import repair
from app.record.verify import damage
from tests.app.records import run_sql
from tests.app.sites import START, figure_site

HALL = ClockRecord("camera0", START, 2.5, None)


@pytest.mark.parametrize(
    ("later", "ahead", "is_due"),
    [
        (5.0, 2.5, False),
        (5.0, 2.7, False),
        (5.0, 2.8, True),
        (5.0, 2.2, True),
        (EVERY - 1, 2.5, False),
        (EVERY, 2.5, True),
        (-3.0, 2.5, True),  # this machine's clock was set back
    ],
)
def test_what_is_no_news_is_not_kept(later: float, ahead: float, is_due: bool) -> None:
    assert replace(HALL, time=START + later, ahead=ahead).is_due(HALL) == is_due
    assert HALL.is_due(None)  # the first after it has connected


def test_each_camera_has_its_own_and_the_latest_are_kept(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_site(empty, people=1, cameras=2)
    monkeypatch.setattr("app.record.camera_clocks.KEPT", 3)
    of_hall = [replace(HALL, time=START + 600 * k, drift=-1.5) for k in range(5)]
    of_yard = replace(HALL, camera="camera1", ahead=-0.3)
    with Site.open_to_write(empty) as site:
        keep_clock(site.database, of_yard)
        for record in of_hall:
            keep_clock(site.database, record)
        assert clocks_of(site.database, "camera0") == of_hall[:1:-1]
        assert clocks_of(site.database, "camera0", most=1) == of_hall[-1:]
        assert clocks_of(site.database, "camera1") == [of_yard]
        assert list(damage(site)) == []


def test_what_counts_for_no_later_moment_leaves(empty: Path) -> None:
    figure_site(empty, people=1, cameras=2)
    with Site.open_to_write(empty) as site:
        for camera in ("camera0", "camera1"):
            for later in (0.0, 600.0, 1200.0):
                keep_clock(site.database, replace(HALL, camera=camera, time=START + later))
        drop_clocks_before(site.database, START + 600 + COUNTS, "camera0")
        assert [record.time - START for record in clocks_of(site.database, "camera0")] == [1200.0, 600.0]
        assert [record.time - START for record in clocks_of(site.database, "camera1")] == [1200.0, 600.0, 0.0]
        drop_clocks_before(site.database, START + 1201 + COUNTS)
        assert clocks_of(site.database, "camera0") == clocks_of(site.database, "camera1") == []


def test_a_moment_by_the_cameras_own_clock(empty: Path) -> None:
    figure_site(empty, people=2, cameras=2)
    with Site.open_to_write(empty) as site:
        first, later = sorted(site.segments("camera0"), key=lambda row: row.start)[::3]
        other = site.segments("camera1")[0]
        assert later.start > first.start
        ids = [first.id, later.id, other.id]
        keep_clock(site.database, replace(HALL, time=first.start - COUNTS))  # too long ago
        assert clocks_ahead(site.database, ids) == {}
        keep_clock(site.database, replace(HALL, time=first.start - COUNTS + 1))
        assert clocks_ahead(site.database, ids) == {}  # their footage is a file, whose times are others
        run_sql(empty, "UPDATE footage SET start_source = 'camera'")
        assert clocks_ahead(site.database, ids) == {first.id: 2.5}
        keep_clock(site.database, replace(HALL, time=first.start, ahead=0.5))
        keep_clock(site.database, replace(HALL, time=later.start, ahead=-7200.0))
        keep_clock(site.database, replace(HALL, time=later.start + 1, ahead=9.0))
        assert clocks_ahead(site.database, ids) == {first.id: 0.5, later.id: -7200.0}
        assert clocks_ahead(site.database, []) == {}


def test_damage_is_told_and_dropped(empty: Path) -> None:
    figure_site(empty, people=1, cameras=1)
    with Site.open_to_write(empty) as site:
        keep_clock(site.database, HALL)
    run_sql(empty, "UPDATE camera_clocks SET ahead = 1")
    with Site.open_to_write(empty) as site:
        assert "row 1 of camera_clocks is damaged" in next(damage(site))
        repair(site, who="me")
        assert list(damage(site)) == [] and clocks_of(site.database, "camera0") == []
