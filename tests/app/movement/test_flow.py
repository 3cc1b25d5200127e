"""What a time holds is counted by interval, way and length."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from app.errors import SiteError
from app.movement.flow import Interval, Times, Wish, flow, flow_of
from app.movement.people import MEASURED, how_many
from app.record import Site
from tests.app.movement.test_stays import stays
from tests.app.sites import START, People, merge_truly


def test_counts_ways_and_lengths() -> None:
    seen = stays((1, 0, 0, 50), (1, 1, 70, 80), (2, 0, 30, 130), (3, 1, 60, 61), (3, 0, 65, 66), (9, 0, 900, 910))
    found = flow_of(seen, 0, 180, Interval.minute)
    assert [(c.camera, c.start, c.people, c.arrivals) for c in found.counts] == [
        ("hall", 0, 2, 2),
        ("plaza", 0, 0, 0),
        ("hall", 60, 2, 1),  # person 2 goes on to be there, person 3 comes
        ("plaza", 60, 2, 2),
        ("hall", 120, 1, 0),
        ("plaza", 120, 0, 0),
    ]
    assert [(way.origin, way.destination, way.seconds) for way in found.ways] == [
        ("hall", "plaza", Times(1, 20, 20, 20)),
        ("plaza", "hall", Times(1, 4, 4, 4)),
    ]
    lengths = {length.camera: length.seconds for length in found.lengths}
    assert (lengths["hall"].count, lengths["hall"].median) == (3, 50)
    assert found.people == how_many(3)


def test_who_was_there_before_is_counted_as_the_time_begins() -> None:
    seen = stays((1, 0, 0, 500))
    found = flow_of(seen, 90, 200, Interval.minute)
    assert [(c.start, c.end, c.people, c.arrivals) for c in found.counts if c.camera == "hall"] == [
        (90, 120, 1, 1),
        (120, 180, 1, 0),
        (180, 200, 1, 0),
    ]
    assert flow_of(seen, 90, 200, Interval.whole).counts[0].people == 1


@pytest.mark.parametrize(
    ("begin", "end", "by", "why"),
    [
        (5, 5, Interval.whole, "ends before it begins"),
        (9, 5, Interval.hour, "ends before it begins"),
        (0, math.nan, Interval.hour, "ends before it begins"),
        (0, 1e9, Interval.minute, "intervals are more than 10,000"),
    ],
)
def test_times_that_hold_nothing_are_refused(begin: float, end: float, by: Interval, why: str) -> None:
    with pytest.raises(SiteError, match=why):
        flow_of(stays((1, 0, 0, 5)), begin, end, by)


def test_a_site_is_counted_once_it_is_merged(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        with pytest.raises(SiteError, match=r"app\.merge"):
            flow(site, who="test")
        merge_truly(site, who)
        found = flow(site, Wish(by=Interval.hour), who="test")
        people = len(set(who.values()))
        assert found.people.identities == people
        assert {count.camera for count in found.counts} == {f"camera{k}" for k in range(3)}
        assert all(count.people == people for count in found.counts if count.start == found.start)
        assert {(way.origin, way.destination) for way in found.ways} == {("camera0", "camera1"), ("camera1", "camera2")}
        assert all(way.seconds.count == people for way in found.ways)
        assert (found.start, found.unmerged) == (START, 0)
        entry = site.audit()[-1]
        assert (entry.who, entry.action, entry.details["by"]) == ("test", "flow", "hour")


def test_people_lie_between_what_measured_sites_say() -> None:
    people = how_many(100)
    assert people.low < 100 * min(MEASURED) < people.estimate < 100 * max(MEASURED) < people.high
    assert how_many(0) == how_many(0).__class__(0, 0, 0, 0)


def test_counts_are_those_that_a_loop_finds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = [
            (int(rng.integers(4)), int(rng.integers(2)), start, start + float(rng.choice([0, 30, 60, 400])))
            for start in rng.integers(0, 60, 20).astype(float) * 15
        ]
        seen = stays(*rows)
        begin, end = 100.0, float(rng.choice([600.0, 630.0]))
        for count in flow_of(seen, begin, end, Interval.minute).counts:
            camera = seen.names.index(count.camera)
            within = (seen.camera == camera) & (seen.end >= count.start) & (seen.start < count.end)
            came = within & ((seen.start >= count.start) | (count.start == begin))
            assert count.people == len(set(seen.person[within].tolist()))
            assert count.arrivals == int(came.sum())
