"""One person's page, and how people are erased from a page or by a program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from app.encoders.versions import serving
from app.record import Site, searches
from app.record.rows import Correction
from app.record.searches import SearchFilters
from app.record.users import Role, Users
from app.record.verify import damage
from app.search.merging import merge
from app.web.access import Access
from app.web.application import make_application
from reid.calibration import Calibration
from tests.app.records import site_in
from tests.app.sites import figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served


@pytest.fixture
def merged(tmp_path: Path) -> Iterator[Served]:
    path = site_in(tmp_path)
    who = figure_site(path, people=4, cameras=3)
    clock = Clock()
    with Site.open_to_write(path) as site:
        first = [tracklet for tracklet, person in sorted(who.items()) if person == who[min(who)]]
        merge(site, who="test", corrections=[Correction("join", *pair) for pair in pairwise(first)])
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("guard", PASSWORD, Role.VIEWER, ["camera1"], who="test")
        access = Access(users, "alice", clock)
        yield Served(site, who, access, clock, make_application(site, access, {HOST}))


def shown_on(text: str) -> set[int]:
    return {int(number) for number in re.findall(r'href="/tracklets/(\d+)/search"', text)}


def test_all_that_was_joined_is_shown_by_time(merged: Served) -> None:
    visitor, number = merged.user("root"), min(merged.who)
    merging = merged.site.merging()
    assert merging is not None
    joined = set(merging.ids[merging.identities == merging.identities[merging.ids == number]].tolist())
    assert len(joined) > 2
    answer = visitor.get(f"/tracklets/{number}/person")
    assert answer.status_code == 200 and shown_on(answer.text) == joined
    entry = merged.site.audit()[-1]
    assert (entry.action, entry.who) == ("view person", "root")
    assert entry.details == {"tracklet": number, "shown": sorted(joined)}
    told = visitor.get(f"/api/v1/tracklets/{number}/person").json()
    assert {match["tracklet"] for match in told["matches"]} == joined and told["left_out"] == 0
    starts = [match["start"] for match in told["matches"]]
    assert starts == sorted(starts)
    assert [stop["seconds_since"] is None for stop in told["stops"]] == [True, *[False] * (len(told["stops"]) - 1)]
    of_itself = next(match for match in told["matches"] if match["tracklet"] == number)
    assert of_itself["similarity"] == pytest.approx(1, abs=1e-3)
    assert visitor.get("/tracklets/5/person").status_code == 404


def test_a_way_is_drawn_on_the_plan(merged: Served) -> None:
    root, number = merged.user("root"), min(merged.who)
    assert 'class="plan"' not in root.get(f"/tracklets/{number}/person").text
    placed = {"camera": ["camera0", "camera1", "camera2"], "right": ["0", "10,5", ""], "up": ["0", "-3", "1"]}
    assert root.post("/settings/positions", data=placed).status_code == 303
    assert root.get("/api/v1/settings").json()["positions"] == {"camera0": [0.0, 0.0], "camera1": [10.5, -3.0]}
    shown = root.get(f"/tracklets/{number}/person").text
    assert 'class="plan"' in shown and shown.count('class="passed"') == 2
    seen = next(k for k in merged.who if merged.site.searchable(k).camera == "camera1")
    assert "camera0" not in merged.user("guard").get(f"/tracklets/{seen}/person").text
    for wrong in ({**placed, "right": ["x", "1", "1"]}, {**placed, "up": ["1"]}, {**placed, "up": ["1e9", "1", "1"]}):
        assert root.post("/settings/positions", data=wrong).status_code == 422
    assert root.put("/api/v1/settings", json={"positions": {"attic": [0, 0]}}).status_code == 404


def test_a_viewer_of_one_camera_sees_what_it_saw_of_the_person(merged: Served) -> None:
    guard = merged.user("guard")
    number = next(k for k in merged.who if merged.site.searchable(k).camera == "camera1")
    told = guard.get(f"/api/v1/tracklets/{number}/person").json()
    assert {match["camera"] for match in told["matches"]} == {"camera1"} == {stop["camera"] for stop in told["stops"]}
    assert {match["identity"] for match in told["matches"]} <= {None, 1}
    assert guard.get("/api/v1/identities").status_code == 403
    assert "/erase" not in guard.get(f"/tracklets/{number}/person").text


def test_identities_are_listed_a_page_at_a_time(merged: Served) -> None:
    visitor = merged.user("root")
    listed, after = [], 0
    while after is not None:
        part = visitor.get("/api/v1/identities", params={"from_id": after, "limit": 3}).json()
        listed += part["identities"]
        after = part["next"]
    assert sorted(k for identity in listed for k in identity["tracklets"]) == sorted(merged.who)
    assert len({identity["id"] for identity in listed}) == len(listed) > 3


def test_a_person_is_erased_from_their_page(merged: Served) -> None:
    root, number = merged.user("root"), min(merged.who)
    page = root.get(f"/tracklets/{number}/person").text
    form = page[page.index('action="/erase"') :]
    named = [int(k) for k in re.findall(r'name="tracklet" value="(\d+)"', form)]
    assert number in named
    asked = root.get("/erase", params={"tracklet": named})
    assert f"{len(named)} tracklets would leave" in asked.text and asked.text.count("data:image/jpeg") == len(named)
    assert merged.site.audit()[-1].details == {"tracklets": sorted(named)}
    done = root.post("/erase", data={"tracklet": named})
    assert done.status_code == 200 and "Nothing of them" in done.text
    assert not set(named) & set(merged.site.searchable_table().ids.tolist())
    assert merged.site.audit()[-1].action == "forget" and list(damage(merged.site)) == []
    assert root.get(f"/tracklets/{number}").status_code == 404
    assert root.get("/erase", params={"tracklet": named}).status_code == 422


def test_kept_searches_for_the_erased_are_shown_and_leave_when_ticked(merged: Served) -> None:
    root, number = merged.user("root"), max(merged.who)
    with merged.site.writing():  # four drawn figures say nothing of how alike people are
        merged.site.set_calibration(serving(merged.site).name, Calibration().to_json())
    picture = merged.site.crop_jpeg(merged.site.crops(number)[0])
    kept = [searches.save(merged.site.database, name, picture, SearchFilters(), who="guard").id for name in "ab"]
    asked = root.get("/erase", params={"tracklet": number}).text
    for search in kept:
        assert f'name="search" value="{search}" checked' in asked
    done = root.post("/erase", data={"tracklet": number, "search": kept[0]})
    assert done.status_code == 200 and "was removed" in done.text
    assert f'href="/searches/{kept[1]}"' in done.text and "stays" in done.text
    assert [search.id for search in searches.saved(merged.site.database)] == [kept[1]]
    other = next(k for k, person in merged.who.items() if person != merged.who[number])
    picture = merged.site.crop_jpeg(merged.site.crops(other)[0])
    last = searches.save(merged.site.database, "c", picture, SearchFilters(), who="guard").id
    told = root.post("/api/v1/forget", json={"tracklets": [other], "searches": None}).json()
    assert [(search["id"], search["removed"]) for search in told["searches"]] == [(last, True)]
    assert [search.id for search in searches.saved(merged.site.database)] == [kept[1]]


def test_all_before_a_time_are_erased(merged: Served) -> None:
    root, table = merged.user("root"), merged.site.searchable_table()
    limit = sorted(table.end.tolist())[5] + 0.001
    for wrong in ({}, {"before": "soon"}):
        assert root.post("/erase", data=wrong).status_code == 422
    told = root.post("/api/v1/forget", json={"before": limit}).json()
    assert told["tracklets"] == 6 and told["found"] == []
    assert merged.site.searchable_table().end.min() >= limit
    for body in ({}, {"tracklets": [5]}, {"tracklets": [-1]}, {"identities": [10**6]}, {"before": "x"}):
        assert root.post("/api/v1/forget", json=body).status_code == 422
    guard = merged.user("guard")
    assert guard.post("/api/v1/forget", json={"before": limit}).status_code == 403
    assert guard.get("/erase").status_code == 403
