"""What a site's zones and lines see, by its boxes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from app.areas import Area, AreaKind
from app.movement import paths as paths_module
from app.movement.areas import movement_in
from app.movement.flow import Interval, Wish, flow
from app.movement.paths import paths_in
from app.movement.sizes import sizes_of
from app.movement.stays import seen_in
from app.record import Site
from app.record.areas import draw_area
from tests.app.sites import START, STAY, People, merge_truly

# Figures stand with their feet at 50 or 150 px of the width, of which boxes reach 170, and at 100 px of the height.
LEFT = Area(AreaKind.zone, "left", ((0.0, 0.0), (0.55, 0.0), (0.55, 1.0), (0.0, 1.0)))
MASK = Area(AreaKind.mask, "mask", LEFT.points)
DOOR = Area(AreaKind.line, "door", ((0.55, 1.0), (0.55, 0.0)))


def test_a_zone_counts_who_stands_in_it(path: Path, who: People) -> None:
    people = len(set(who.values()))
    with Site.open_to_write(path) as site:
        merge_truly(site, who)
        for area in (LEFT, MASK, DOOR):
            draw_area(site.database, "camera0", area, "me")
        found = flow(site, Wish(by=Interval.hour), who="test")
        (first, *_) = found.zones
        assert (first.camera, first.zone, first.people, first.arrivals) == ("camera0", "left", people // 2, people // 2)
        assert {(count.camera, count.line) for count in found.lines} == {("camera0", "door")}
        assert sum(count.to_left + count.to_right for count in found.lines) == 0  # they stand still
        (length,) = found.zone_lengths
        assert length.seconds.count == people // 2
        assert length.seconds.median == pytest.approx(2 * STAY + 1, abs=0.5)  # two pieces, a second apart
        assert found.guessed == ["camera0"]
        entry = site.audit()[-1]
        assert (entry.action, entry.details["by"]) == ("flow", "hour")


def test_a_report_of_some_cameras_knows_nothing_of_others(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        merge_truly(site, who)
        for name in ("camera0", "camera1"):
            draw_area(site.database, name, LEFT, "me")
            draw_area(site.database, name, DOOR, "me")
        whole = flow(site, who="test")
        found = flow(site, who="test", cameras={"camera0"})
        assert "camera1" not in repr(found) and "camera2" not in repr(found)
        assert found.ways == [] and len(whole.ways) == 2
        assert (found.start, {count.camera for count in found.counts}) == (START, {"camera0"})
        assert next(zone for zone in whole.zones if zone.camera == "camera0").people == found.zones[0].people
        assert site.audit()[-1].details["cameras"] == ["camera0"]
        new = {tracklet: number for tracklet, number in who.items() if tracklet >> 32 == 1}
        merge_truly(site, new)  # all others are new since
        assert flow(site, who="test").unmerged == len(who) - len(new)
        assert flow(site, who="test", cameras={"camera0"}).unmerged == 0
        only = flow(site, who="test", cameras={"camera1"})
        assert only.unmerged == only.people.identities == len([t for t in who if t >> 32 == 2])


def test_a_person_whose_tracklets_follow_has_one_path(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        merge_truly(site, who)
        seen = seen_in(site)
        sizes, _ = sizes_of(site, site.footage(), seen.ids)
        (page,) = paths_in(site, seen, sizes)
        assert len(page.person) == 3 * len(set(who.values()))  # a second lies between the two pieces
        assert len(page.time) == 30 * len(who)
        assert (np.diff(page.path) >= 0).all() and page.feet.max() <= 1


def test_pages_hold_a_bounded_part_of_a_site(path: Path, who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    with Site.open_to_write(path) as site:
        merge_truly(site, who)
        draw_area(site.database, "camera0", LEFT, "me")
        seen = seen_in(site)
        whole = movement_in(site, seen, 0, np.inf)
        sizes, _ = sizes_of(site, site.footage(), seen.ids)
        for tracklets, seconds in ((4, 1e9), (1000, 2 * STAY)):
            monkeypatch.setattr(paths_module, "_PAGE_TRACKLETS", tracklets)
            monkeypatch.setattr(paths_module, "_PAGE_SECONDS", seconds)
            pages = list(paths_in(site, seen, sizes))
            assert len(pages) > 10 and max(len(page.time) for page in pages) <= 4 * 30
            assert sum(len(page.time) for page in pages) == 30 * len(who)
            again = movement_in(site, seen, 0, np.inf)
            assert again.stays.start.tolist() == whole.stays.start.tolist()


def test_memory_does_not_grow_with_the_paths(path: Path, who: People) -> None:
    """A site that is asked again and again, page by page, takes as much as one page does."""
    with Site.open_to_write(path) as site:
        merge_truly(site, who)
        seen = seen_in(site)
        sizes, _ = sizes_of(site, site.footage(), seen.ids)
        many = type(seen)(*(np.tile(getattr(seen, name), 40) for name in ("ids",)), *_spread(seen, 40), seen.names)
        tracemalloc.start()
        points = 0
        for page in paths_in(site, many, sizes):
            points += len(page.time)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert points == 40 * 30 * len(who) == 72_000
        assert peak < 4 * 2**20  # all at once would take 72,000 points of 64 bytes, and their boxes as much again


def _spread(seen: object, times: int) -> tuple[np.ndarray, ...]:
    """Copies of people, each at another time."""
    later = np.repeat(np.arange(times), len(seen.ids))  # type: ignore[attr-defined]
    person, camera, footage, start, end = (
        np.tile(getattr(seen, name), times) for name in ("person", "camera", "footage", "start", "end")
    )
    return person + 1000 * later, camera, footage, start + 1e5 * later, end + 1e5 * later
