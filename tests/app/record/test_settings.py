"""What is settled of a site, and nightly work, by a clock that is told."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from app.errors import SiteError
from app.record import Site
from app.record.jobs import latest_jobs
from app.record.nightly import ask_for_what_is_due
from app.record.settings import Nightly, SiteSettings, mark_nightly, read_settings, write_settings

pytestmark = pytest.mark.usefixtures("record")


def settle(site: Site, settings: SiteSettings) -> None:
    write_settings(site.database, settings, who="alice")


def test_settings_are_as_they_were_written(site: Site) -> None:
    assert read_settings(site.database) == SiteSettings()
    wanted = SiteSettings(Nightly("03:30", adapt=True, minutes=12.0), {"Größe & Tür": 30, "hall": 0.5})
    settle(site, wanted)
    assert read_settings(site.database) == wanted
    settle(site, wanted)
    settle(site, SiteSettings(wanted.nightly, {"hall": 0.5}))
    rows = [entry for entry in site.audit() if entry.action == "settings"]
    assert [(row.who, sorted(row.details)) for row in rows] == [
        ("alice", ["nightly", "retention"]),
        ("alice", ["retention"]),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        SiteSettings(Nightly("24:00")),
        SiteSettings(Nightly("3:30")),
        SiteSettings(Nightly("03:30; x")),
        SiteSettings(Nightly("03:30", minutes=0)),
        SiteSettings(Nightly("03:30", minutes=float("nan"))),
        SiteSettings(retention={"hall": 0}),
        SiteSettings(retention={"hall": -1}),
        SiteSettings(retention={"hall": float("nan")}),
        SiteSettings(retention={"hall": float("inf")}),
    ],
)
def test_what_makes_no_sense_is_refused(site: Site, wrong: SiteSettings) -> None:
    with pytest.raises(SiteError):
        settle(site, wrong)
    assert read_settings(site.database) == SiteSettings()


def at(day: int, hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp()


def test_nightly_work_is_asked_for_once_a_night(site: Site) -> None:
    assert ask_for_what_is_due(site.database, at(20, 12)) == []  # nobody wants any
    settle(site, SiteSettings(Nightly("03:30", merge=True, adapt=True, minutes=7.0, retention=True)))
    assert ask_for_what_is_due(site.database, time.time()) == []  # the night before it was settled does not count
    with site.database.transaction():
        mark_nightly(site.database, at(20, 12))
    assert ask_for_what_is_due(site.database, at(21, 3, 29)) == []
    assert len(ask_for_what_is_due(site.database, at(21, 3, 30))) == 3
    assert ask_for_what_is_due(site.database, at(21, 3, 31)) == []
    assert ask_for_what_is_due(site.database, at(22, 3, 0)) == []
    made = list(reversed(latest_jobs(site.database, 9)))
    assert [(job.kind, job.options, job.who) for job in made] == [
        ("retention", {}, "nightly"),
        ("merge", {}, "nightly"),
        ("adapt", {"minutes": 7.0}, "nightly"),
    ]


def test_nights_without_a_server_are_made_up_for_once(site: Site) -> None:
    settle(site, SiteSettings(Nightly("03:30", merge=True, retention=False)))
    with site.database.transaction():
        mark_nightly(site.database, at(1, 4))
    assert len(ask_for_what_is_due(site.database, at(9, 17))) == 1
    assert ask_for_what_is_due(site.database, at(9, 18)) == []
    assert len(ask_for_what_is_due(site.database, at(10, 3, 30))) == 1
