"""Pages and API of cameras: what they show, to whom, and what they take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.footage import Camera, Footage
from app.record import Site
from app.record.areas import areas_of
from app.record.rows import Chunk
from app.record.users import Role, Users
from app.report.pages import in_address
from app.web.access import Access
from app.web.application import make_application
from app.web.pages.areas import points_of
from app.web.pages.camera import TRACKLETS
from tests.app.records import site_in
from tests.app.sites import START, figure_site, merge_truly
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served
from tests.app.web.test_serve import serving

SEEN, UNSEEN = "camera1", "camera0"
HOSTILE = ("../x", "..", ".", "<b>bold</b>", "a/b", "a%2Fb", "x/areas", "50%", 'é "q" \'s', "?a=1#b", "C:\\x", "a;b")
SQUARE = "0.1 0.1\n0.5, 0.1\n0.5 0.5\n"


@pytest.fixture
def cameras(tmp_path: Path) -> Iterator[Served]:
    """A merged site with a user `guard`, who sees one camera of three, and `viewer`, who may not draw."""
    path = site_in(tmp_path)
    who = figure_site(path, people=14, cameras=3, sightings=1)
    clock = Clock()
    with Site.open_to_write(path) as site:
        merge_truly(site, {tracklet: person for tracklet, person in who.items() if person < 13})
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("guard", PASSWORD, Role.OPERATOR, [SEEN], who="test")
        users.add("viewer", PASSWORD, Role.VIEWER, None, who="test")
        users.add("nobody", PASSWORD, Role.VIEWER, [], who="test")
        access = Access(users, "alice", clock)
        yield Served(site, who, access, clock, make_application(site, access, {HOST}))


def test_the_list_shows_each_camera(cameras: Served) -> None:
    root = cameras.user("root")
    listed = root.get("/cameras").text
    for name in cameras.site.camera_names():
        assert f'href="/cameras/{name}"' in listed and f'src="/cameras/{name}/picture.jpg"' in listed
    assert "26 tracklets, 2 sightings" in listed
    gone = root.get("/cameras/camera0/picture.jpg")
    assert gone.headers["content-type"] == "image/svg+xml" and "not here any more" in gone.text


def test_a_camera_has_its_hours_and_tracklets(cameras: Served) -> None:
    root = cameras.user("root")
    page = root.get("/cameras/camera0").text
    shown = [int(number) for number in re.findall(r'href="/tracklets/(\d+)"', page)]
    entry = cameras.site.audit()[-1]
    assert (entry.action, entry.details) == ("view camera", {"camera": "camera0", "tracklets": shown})
    assert len(shown) == TRACKLETS and page.count("data:image/jpeg") == TRACKLETS
    starts = [cameras.site.searchable(number).start for number in shown]
    assert starts == sorted(starts)
    (bar,) = re.findall(r'<a href="([^"]+)" aria-label="14:00: 26 tracklets">', page)
    assert bar.endswith("#tracklets")
    within = root.get(bar.replace("&amp;", "&").partition("#")[0]).text
    later = re.search(r'<a href="([^"]+)">Later', within)
    assert later is not None
    rest = root.get(later[1].replace("&amp;", "&").partition("#")[0]).text
    last = [int(number) for number in re.findall(r'href="/tracklets/(\d+)"', rest)]
    assert len({*shown, *last}) == 26 and "Page 2 of 2" in rest
    assert "Nobody began" in root.get("/cameras/camera0?after=2026-11-19&before=2026-11-20").text
    for wrong in ("after=x", "page=0", "page=x", "page=99999999999999999999"):
        assert root.get(f"/cameras/camera0?{wrong}").status_code == 422
    assert root.get("/cameras/camera0?page=99").status_code == 200


def test_a_heat_map_is_a_picture(cameras: Served) -> None:
    root = cameras.user("root")
    for of in ("seconds", "stay"):
        answer = root.get(f"/cameras/camera0/heat.png?of={of}")
        assert answer.content.startswith(b"\x89PNG") and answer.headers["content-type"] == "image/png"
        assert cameras.site.audit()[-1].action == "heat map"
    assert root.get("/cameras/camera0/heat.png?of=x").status_code == 422
    assert root.get("/cameras/camera0/heat.png?after=2027-01-01").status_code == 422


def test_areas_are_drawn_by_a_form_without_a_script(cameras: Served) -> None:
    root = cameras.user("root")
    zone = {"area": "<i>seat</i>", "kind": "zone", "points": SQUARE}
    assert root.post("/cameras/camera0/areas", data=zone).headers["location"] == "/cameras/camera0#draw"
    page = root.get("/cameras/camera0").text
    assert "&lt;i&gt;seat&lt;/i&gt;" in page and "<i>seat" not in page and 'points="100.0,' in page
    change = root.get("/cameras/camera0", params={"change": "<i>seat</i>"}).text
    assert "Change &lt;i&gt;seat" in change and "0.5000 0.1000" in change
    moved = {**zone, "area": "seat", "points": SQUARE.replace("0.5", "0.7"), "instead_of": "<i>seat</i>"}
    assert root.post("/cameras/camera0/areas", data=moved).status_code == 303
    (area,) = areas_of(cameras.site.database, "camera0")
    assert (area.name, area.points[1]) == ("seat", (0.7, 0.1))
    for points, why in (
        ("0.1 0.1\n0.2", "These are no points"),
        ("a b", "These are no points"),
        ("nan 0.1\n0.2 0.2\n0.3 0.5", "These are no points"),
        ("0 0\n1 1\n1 0\n0 1", "crosses itself"),
        ("0 0\n640 0\n640 480", "outside of the picture"),
        ("0 0\n1 1", "needs 3 to 50 points"),
    ):
        answer = root.post("/cameras/camera0/areas", data={**zone, "points": points})
        assert answer.status_code == 422 and why in answer.text, points
    assert root.post("/cameras/camera0/areas", data={**zone, "points": "0 0\n" * 2000}).status_code == 422
    assert root.post("/cameras/camera0/areas", data={**zone, "kind": "x"}).status_code == 422
    assert root.post("/cameras/camera0/areas/remove", data={"area": "seat"}).status_code == 303
    assert root.post("/cameras/camera0/areas/remove", data={"area": "seat"}).status_code == 404
    assert cameras.site.audit()[-1].action == "remove area"
    assert areas_of(cameras.site.database, "camera0") == []


def test_points_are_read_in_many_ways() -> None:
    assert points_of(" .5,0.25 ;1 1e-1\r\n\n0 , 1.\n") == ((0.5, 0.25), (1.0, 0.1), (0.0, 1.0))
    assert points_of("") == ()


def test_programs_draw_the_same(cameras: Served) -> None:
    root = cameras.user("root")
    place = "/api/v1/cameras/camera0/areas"
    line = {"kind": "line", "name": "door", "points": [[0.5, 1], [0.5, 0]]}
    assert root.put(place, json=line).json() == line
    assert root.get(place).json() == [line]
    assert root.get("/api/v1/flow").json()["lines"][0]["line"] == "door"
    assert "door" in root.get("/flow").text
    for wrong in ({**line, "points": [[0, 0]]}, {**line, "name": ""}, {**line, "kind": "x"}, {**line, "points": [[0]]}):
        answer = root.put(place, json=wrong)
        assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    bad = '{"kind": "line", "name": "x", "points": [[NaN, 0], [1, 1]]}'
    assert root.put(place, content=bad, headers={"content-type": "application/json"}).status_code == 422
    assert root.delete(place, params={"area": "door"}).json() == []
    assert root.delete(place, params={"area": "door"}).status_code == 404
    assert root.get("/api/v1/cameras/camera0").json()["tracklets"] == 26
    assert [line["tracklets"] for line in root.get("/api/v1/cameras").json()] == [26, 26, 26]
    hours = root.get("/api/v1/cameras/camera0/activity").json()
    assert len(hours) == 24 and {hour["tracklets"] for hour in hours} == {0, 26}
    asked = {"after": "2026-11-20T14:00", "before": "2026-11-20T15:00"}
    only = root.get("/api/v1/cameras/camera0/activity", params=asked).json()
    assert only == [{"start": START // 3600 * 3600, "tracklets": 26}]
    assert root.get("/api/v1/cameras/camera0/activity", params={"after": "1970-01-01"}).status_code == 200
    assert root.get("/api/v1/cameras/camera0/activity?after=2026-01-01&before=2029-01-01").status_code == 422
    for part in ("", "/areas", "/activity"):
        assert root.get(f"/api/v1/cameras/attic{part}").status_code == 404


def test_who_may_not_draw_does_not(cameras: Served) -> None:
    viewer = cameras.user("viewer")
    assert "Keep it" not in viewer.get("/cameras/camera0").text
    zone = {"area": "x", "kind": "zone", "points": SQUARE}
    assert viewer.post("/cameras/camera0/areas", data=zone).status_code == 403
    assert viewer.post("/cameras/camera0/areas/remove", data={"area": "x"}).status_code == 403
    body = {"kind": "line", "name": "door", "points": [[0.5, 1], [0.5, 0]]}
    assert viewer.put("/api/v1/cameras/camera0/areas", json=body).status_code == 403
    assert viewer.delete("/api/v1/cameras/camera0/areas?area=x").status_code == 403
    root = cameras.user("root")
    del root.headers["x-sightline-key"]
    assert root.post("/cameras/camera0/areas", data=zone).status_code == 403
    assert root.put("/api/v1/cameras/camera0/areas", json=body).status_code == 403


def test_a_camera_without_right_is_not_there(cameras: Served) -> None:
    root, guard = cameras.user("root"), cameras.user("guard")
    zone = {"area": "secret bench", "kind": "zone", "points": SQUARE}
    for name in (SEEN, UNSEEN):
        assert root.post(f"/cameras/{name}/areas", data={**zone, "area": f"bench of {name}"}).status_code == 303
    listed = guard.get("/cameras").text
    assert SEEN in listed and UNSEEN not in listed and "camera2" not in listed
    assert [line["camera"] for line in guard.get("/api/v1/cameras").json()] == [SEEN]
    for part in ("", "/picture.jpg", "/heat.png"):
        hidden, missing = guard.get(f"/cameras/{UNSEEN}{part}"), guard.get(f"/cameras/attic{part}")
        assert (hidden.status_code, hidden.text) == (404, missing.text.replace("attic", UNSEEN))
        assert guard.get(f"/cameras/{SEEN}{part}").status_code == 200
    for part in ("", "/areas", "/activity"):
        hidden = guard.get(f"/api/v1/cameras/{UNSEEN}{part}")
        assert (hidden.status_code, hidden.json()) == (404, guard.get(f"/api/v1/cameras/attic{part}").json())
        assert guard.get(f"/api/v1/cameras/{SEEN}{part}").status_code == 200
    assert guard.post(f"/cameras/{UNSEEN}/areas", data=zone).status_code == 404
    assert guard.post(f"/cameras/{SEEN}/areas", data=zone).status_code == 303
    assert guard.delete(f"/api/v1/cameras/{UNSEEN}/areas?area=bench of {UNSEEN}").status_code == 404
    told = guard.get("/api/v1/flow").json()
    assert {count["camera"] for count in told["counts"]} == {SEEN}
    assert {zone["zone"] for zone in told["zones"]} == {f"bench of {SEEN}", "secret bench"}
    assert told["ways"] == [] and told["guessed"] == [SEEN]
    assert UNSEEN not in guard.get("/flow").text
    whole = root.get("/api/v1/flow").json()
    assert len(whole["ways"]) == 2 and told["people"]["identities"] == 13
    nobody = cameras.user("nobody")
    assert nobody.get("/flow").status_code == nobody.get("/api/v1/flow").status_code == 403
    assert nobody.get("/cameras").status_code == 200


def test_names_are_foreign_text(tmp_path: Path) -> None:
    """Through the real server, since Starlette's client for tests decodes addresses twice."""
    path = site_in(tmp_path)
    with Site.create(path) as site:
        for number, name in enumerate(HOSTILE):
            footage = Footage(name, Path("/nowhere"), "x.mp4", START, "name", number + 1, f"print {number}")
            ((record, _),) = site.intake.register([Camera(name, (footage,))], {name: {}}, who="test")[0]
            site.intake.commit(site.intake.begin(record, {}), Chunk([], {}, b"", 1, 1, 0, 1.0), done=True)
    with serving(path) as said, httpx.Client(base_url=said["url"].partition("/enter")[0]) as visitor:
        visitor.get(said["url"])
        listed = visitor.get("/cameras").text
        key = listed.partition('name="key" value="')[2].partition('"')[0]
        visitor.headers["x-sightline-key"] = key
        assert "<b>bold" not in listed
        for name in HOSTILE:
            here = f"/cameras/{in_address(name)}"
            assert f'href="{here}"' in listed, name
            page = visitor.get(here)
            assert page.status_code == 200 and "<b>bold" not in page.text, name
            for part in ("/picture.jpg", "/heat.png"):
                assert visitor.get(here + part).status_code == 200, name
            drawn = visitor.post(f"{here}/areas", data={"area": name, "kind": "zone", "points": SQUARE})
            assert (drawn.status_code, drawn.headers["location"]) == (303, f"{here}#draw")
            api = f"/api/v1{here}"
            assert visitor.get(api).json()["camera"] == name
            (area,) = visitor.get(f"{api}/areas").json()
            assert area["name"] == name
            assert visitor.delete(f"{api}/areas", params={"area": name}).json() == []
        assert visitor.get("/cameras/50%25").status_code == 200  # encoded once, as programs do
        for missing in ("/cameras/..%2f..%2fetc", "/cameras/a/b", "/cameras/%00"):
            assert visitor.get(missing).status_code == 404, missing
    with Site.open(path) as site:
        viewed = [row.details["camera"] for row in site.audit() if row.action == "view camera"]
    assert viewed[: len(HOSTILE)] == list(HOSTILE)
