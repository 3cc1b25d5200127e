"""Outages of live cameras: begun, ended, and ended by who comes after a death."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.record import Site
from app.record.outages import OutageRecord, begin_outage, end_what_was_left, note_outage, outages_of
from app.record.verify import damage
from tests.app.sites import figure_site


def test_outages_begin_and_end(empty: Path) -> None:
    figure_site(empty, people=1, cameras=2)
    with Site.open_to_write(empty) as site:
        database = site.database
        first = begin_outage(database, "camera0", 10.0, "It refuses.")
        second = begin_outage(database, "camera1", 12.0, "Nothing arrives.")
        assert second > first
        note_outage(database, first, "It refuses, and came back as another.", 20.0)
        assert outages_of(database) == [
            OutageRecord("camera1", 12.0, None, "Nothing arrives."),
            OutageRecord("camera0", 10.0, 20.0, "It refuses, and came back as another."),
        ]
        end_what_was_left(database, "camera0", 99.0)
        end_what_was_left(database, "camera1", 30.0)
        assert [outage.end for outage in outages_of(database)] == [30.0, 20.0]
        assert [outage.camera for outage in outages_of(database, "camera0")] == ["camera0"]
        assert list(damage(site)) == []


def test_the_latest_are_kept(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_site(empty, people=1, cameras=1)
    monkeypatch.setattr("app.record.outages.KEPT", 3)
    with Site.open_to_write(empty) as site:
        for k in range(5):
            begin_outage(site.database, "camera0", float(k), "x")
        assert [outage.start for outage in outages_of(site.database)] == [4.0, 3.0, 2.0]
