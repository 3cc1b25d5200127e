"""Where feet are, in seconds, and by how many people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.errors import SiteError
from app.movement.activity import DAY, HOUR, activity, days_of
from app.movement.heat import COLUMNS, grids, heat
from app.movement.paths import JOINED, Paths
from app.record import Site
from app.record.camera_list import tracklet_times
from tests.app.movement.walks import SECOND, along, walks
from tests.app.sites import START, People

ROWS = 27


def test_seconds_and_people_a_cell() -> None:
    page = walks(along([0.01] * 11), along([0.01] * 6), along([0.99] * 6), people=[1, 1, 2])
    seconds, people = grids([page], ROWS, 0, 100)
    assert seconds.shape == (ROWS, COLUMNS)
    assert seconds[13, 0] == pytest.approx(15 * SECOND) and people[13, 0] == 1
    assert seconds[13, -1] == pytest.approx(5 * SECOND) and people[13, -1] == 1
    assert seconds.sum() == pytest.approx(20 * SECOND) and people.sum() == 2


def test_a_person_on_two_pages_is_one() -> None:
    page = walks(along([0.01] * 11), people=[7])
    assert grids([page, page, page], ROWS, 0, 100)[1].sum() == 1
    assert grids([page, walks(along([0.01] * 3), people=[8]), page], ROWS, 0, 100)[1].sum() == 3  # never of this order


def test_a_gap_counts_no_longer_than_a_path_goes_on() -> None:
    page = walks(along([0.5, 0.5]))
    page.time[1] = 30
    assert grids([page], ROWS, 0, 100)[0].sum() == JOINED
    assert grids([page], ROWS, 50, 100)[0].sum() == 0
    empty = Paths(*(getattr(page, name)[:0] for name in Paths.__slots__))
    assert grids([empty], ROWS, 0, 100)[0].sum() == 0


def test_a_camera_has_a_map_without_merging(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        found = heat(site, "camera0", who="me")
        tracklets = len([number for number in who if number >> 32 == 1])
        assert found.people.sum() == tracklets
        assert found.seconds.sum() == pytest.approx(tracklets * 29 / 5)
        assert found.guessed
        jams = found.stay[np.isfinite(found.stay)]
        assert len(jams) == 2 and jams == pytest.approx(29 / 5)
        assert (site.audit()[-1].who, site.audit()[-1].action) == ("me", "heat map")
        few = replace(found, people=np.minimum(found.people, 2))
        assert np.isnan(few.stay).all()
        with pytest.raises(SiteError, match="no footage"):
            heat(site, "attic", who="me")
        with pytest.raises(SiteError, match="ends before"):
            heat(site, "camera0", START + 5, START, who="me")


def test_activity_by_hour(path: Path, who: People) -> None:
    with Site.open(path) as site:
        times = tracklet_times(site.database, "camera0")
        assert (np.diff(times.start) >= 0).all() and len(times.ids) == len([n for n in who if n >> 32 == 1])
        assert len(tracklet_times(site.database, "attic").ids) == 0
    day = START // DAY * DAY
    hours = activity(times, day, day + DAY)
    assert [hour.start for hour in hours] == [day + k * HOUR for k in range(24)]
    assert {hour.start: hour.tracklets for hour in hours if hour.tracklets} == {START // HOUR * HOUR: len(times.ids)}
    assert days_of(times) == [day]
    assert activity(times, day, day) == []
