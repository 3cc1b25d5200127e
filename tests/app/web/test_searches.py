"""Kept searches on pages and for programs, with the rights of who asks; where alerts are taken; what is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.record import Site, searches
from app.record.alert_settings import read_alert_settings
from app.record.database import FILE
from app.record.looking import patterns_in
from app.record.users import Role, Users
from app.web.access import Access
from app.web.application import make_application
from tests.app.records import site_in
from tests.app.sites import figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served
from tests.app.web.test_rights import SEEN, UNSEEN

SECRET = "sixteen-letters-or-more"


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site with `root`, an operator who sees all, and a viewer who sees one camera."""
    path = site_in(tmp_path_factory.mktemp("shared"))
    who = figure_site(path, people=6, cameras=3)
    clock = Clock()
    with Site.open_to_write(path) as site:
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("olga", PASSWORD, Role.OPERATOR, None, who="test")
        users.add("guard", PASSWORD, Role.VIEWER, [SEEN], who="test")
        access = Access(users, "alice", clock)
        yield Served(site, who, access, clock, make_application(site, access, {HOST}))


def tracklet_in(served: Served, camera: str) -> int:
    return next(k for k in sorted(served.who) if served.site.searchable(k).camera == camera)


def kept_at(answer: Any) -> int:
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rpartition("/")[2])


def found_on(page: str) -> set[int]:
    return {int(number) for number in re.findall(r'href="/tracklets/(\d+)"', page)}


def day_after(served: Served) -> None:
    figure_site(served.site.path, people=4, cameras=3, day=1)
    served.application.state.alerting.step()


def test_a_search_is_kept_asked_again_and_removed(served: Served) -> None:
    visitor = served.visitor()
    tracklet = tracklet_in(served, "camera0")
    shown = visitor.get(f"/tracklets/{tracklet}/search?camera=camera1&after=2026-11-20T14:00").text
    assert f'name="tracklet" value="{tracklet}"' in shown and 'name="camera" value="camera1"' in shown
    form = {"name": "red <b>coat</b>", "tracklet": tracklet, "camera": ["camera1"], "after": "2026-11-20T14:00"}
    number = kept_at(visitor.post("/searches", data=form))
    home = visitor.get("/").text
    assert f'href="/searches/{number}"' in home and "red &lt;b&gt;coat" in home and "<b>coat" not in home
    page = visitor.get(f"/searches/{number}")
    assert page.status_code == 200 and "This search is kept" in page.text and "camera:camera1" in page.text
    table = served.site.searchable_table()
    assert found_on(page.text) and {table.names[k] for k in table.cameras[table.at(sorted(found_on(page.text)))]} == {
        "camera1"
    }
    assert served.site.audit()[-1].action == "query"
    wider = visitor.get(f"/searches/{number}?changed=1")
    assert found_on(wider.text) - found_on(page.text)
    assert visitor.post(f"/searches/{number}/alert", data={"alert_from": "70"}).status_code == 303
    assert searches.saved_one(served.site.database, number).alert_from == 0.7
    assert 'value="70" selected' in visitor.get(f"/searches/{number}").text
    assert visitor.post(f"/searches/{number}/alert", data={"alert_from": "often"}).status_code == 422
    assert visitor.post(f"/searches/{number}/remove").headers["location"] == "/"
    assert visitor.get(f"/searches/{number}").status_code == 404
    assert f"/searches/{number}" not in visitor.get("/").text
    done = [entry.action for entry in served.site.audit()]
    assert {"save search", "set alert", "remove search"} <= set(done)


def test_of_a_still_only_the_person_is_kept(served: Served, still: bytes) -> None:
    visitor = served.visitor()
    where = visitor.post("/stills", files={"still": ("x.jpg", still, "image/jpeg")}).headers["location"]
    key = where.split("/")[2]
    assert f'name="still" value="{key}"' in visitor.get(where).text
    number = kept_at(visitor.post("/searches", data={"name": "visitor", "still": key, "person": 1}))
    picture = searches.picture_of(served.site.database, number)
    assert picture[:3] == b"\xff\xd8\xff" and picture != still
    asked = next(iter(served.who))
    page = visitor.get(f"/searches/{number}")
    assert served.who[int(re.findall(r'href="/tracklets/(\d+)"', page.text)[0])] == served.who[asked]
    part = {picture[100:200]}
    files = [served.site.path / FILE, served.site.path / f"{FILE}-wal"]
    assert any(patterns_in(file, part) for file in files)
    visitor.post(f"/searches/{number}/remove")
    assert not any(patterns_in(file, part) for file in files)
    assert visitor.post("/searches", data={"name": "x", "still": "gone"}).status_code == 404
    assert visitor.post("/searches", data={"name": "x", "still": key, "person": 2}).status_code == 404
    assert visitor.post("/searches", data={"name": "  ", "tracklet": asked}).status_code == 422


def test_words_narrow_a_search_and_chips_take_them_away(served: Served, still: bytes) -> None:
    visitor, tracklet = served.visitor(), tracklet_in(served, "camera0")
    words = "camera:camera1 after:2026-11-20T14:00"
    page = visitor.get(f"/tracklets/{tracklet}/search", params={"words": words}).text
    same = visitor.get(f"/tracklets/{tracklet}/search?camera=camera1&after=2026-11-20T14:00").text
    assert found_on(page) == found_on(same)
    assert 'aria-label="Take away camera:camera1"' in page
    without = re.search(r'href="([^"]+)" aria-label="Take away camera:camera1"', page)
    assert without
    wider = visitor.get(without[1].replace("&amp;", "&")).text
    assert found_on(wider) - found_on(page)
    assert "Take away camera:camera1" not in wider and "Take away after" in wider
    wrong = visitor.get(f"/tracklets/{tracklet}/search", params={"words": "colour:red"})
    assert wrong.status_code == 422 and "colour:red is no filter" in wrong.text
    unknown = visitor.get(f"/tracklets/{tracklet}/search", params={"words": "camera:attic"})
    assert unknown.status_code == 404
    files = {"still": ("x.jpg", still, "image/jpeg")}
    sent = visitor.post("/stills", files=files, data={"words": words})
    assert sent.headers["location"].endswith("/search?person=1&camera=camera1&after=2026-11-20T14%3A00")
    assert visitor.post("/stills", files=files, data={"words": "red"}).status_code == 422


def test_what_came_since_is_counted_until_somebody_looks(shared: Served) -> None:
    olga = shared.user("olga")
    form = {"name": "coat", "tracklet": tracklet_in(shared, UNSEEN), "alert_from": "5"}
    number = kept_at(olga.post("/searches", data=form))
    shared.application.state.alerting.step()
    assert "new</strong>" not in olga.get("/").text
    day_after(shared)
    found = re.search(r"(\d+) new</strong>", olga.get("/").text)
    assert found and int(found[1]) > 0
    listed = olga.get("/api/v1/searches").json()
    assert [len(search["new"]) for search in listed] == [int(found[1])]
    page = olga.get(f"/searches/{number}").text
    assert page.count("since it was last opened") == len(set(listed[0]["new"]) & found_on(page)) > 0
    assert (
        "new</strong>" not in olga.get("/").text
        and "since it was last opened" not in olga.get(f"/searches/{number}").text
    )


def test_a_search_is_its_owners(shared: Served) -> None:
    olga, guard, root = (shared.user(name) for name in ("olga", "guard", "root"))
    hers = kept_at(olga.post("/searches", data={"name": "coat", "tracklet": tracklet_in(shared, SEEN)}))
    for place in (f"/searches/{hers}", f"/api/v1/searches/{hers}/matches"):
        assert guard.get(place).status_code == 404 and root.get(place).status_code == 200
    assert guard.post(f"/searches/{hers}/remove").status_code == 404
    assert guard.delete(f"/api/v1/searches/{hers}").status_code == 404
    assert guard.get("/api/v1/searches").json() == [] and "Kept searches" not in guard.get("/").text
    # Their own is of the camera that they see, whatever they ask for. Its name tells nothing of others'.
    assert guard.post("/searches", data={"name": "coat", "tracklet": tracklet_in(shared, UNSEEN)}).status_code == 404
    form = {"name": "coat", "tracklet": tracklet_in(shared, SEEN)}
    assert guard.post("/searches", data={**form, "camera": UNSEEN}).status_code == 404
    own = kept_at(guard.post("/searches", data=form))
    assert searches.saved_one(shared.site.database, own).filters.cameras == (SEEN,)
    day_after(shared)
    (mine,) = guard.get("/api/v1/searches").json()
    assert {shared.site.searchable(tracklet).camera for tracklet in mine["new"]} <= {SEEN}
    page = guard.get(f"/searches/{own}").text
    assert UNSEEN not in page and {shared.site.searchable(k).camera for k in found_on(page)} == {SEEN}
    for place in (f"/searches/{own}/alert", f"/searches/{hers}/alert"):
        assert guard.post(place, data={"alert_from": "50"}).status_code == 403
    assert guard.post("/searches", data={**form, "alert_from": "50"}).status_code == 403
    # A right that is taken away counts at once, for alerts too.
    shared.access.users.change("guard", Role.VIEWER, ["camera2"], who="test")
    assert guard.get(f"/searches/{own}").status_code == 404 and guard.get("/api/v1/searches").json() == []
    assert shared.access.rights_of("guard") == {"camera2"}
    assert shared.access.rights_of("alice") is None and shared.access.rights_of("nobody") == frozenset()


def test_programs_keep_searches(served: Served, still: bytes) -> None:
    visitor, tracklet = served.visitor(), tracklet_in(served, "camera0")
    before = visitor.get("/api/v1/searches").json()
    wanted = {"name": "coat", "tracklet": tracklet, "camera": ["camera1"], "after": 1.5, "alert_from": 0.9}
    made = visitor.post("/api/v1/searches", json=wanted)
    assert made.status_code == 201
    kept = made.json()
    assert (kept["camera"], kept["after"], kept["alert_from"], kept["new"]) == (["camera1"], 1.5, 0.9, [])
    found = visitor.get(f"/api/v1/searches/{kept['id']}/matches", params={"top": 2}).json()
    assert len(found["people"][0]["matches"]) == 2
    assert visitor.put(f"/api/v1/searches/{kept['id']}/alert", json={"alert_from": None}).json()["alert_from"] is None
    files = {"still": ("x.jpg", still, "image/jpeg")}
    other = visitor.post("/api/v1/searches/still", files=files, data={"name": "visitor"}).json()
    assert other["tracklet"] is None
    listed = visitor.get("/api/v1/searches").json()
    assert len(listed) == len(before) + 2 and kept | {"alert_from": None} in listed and other in listed
    for number in (kept["id"], other["id"]):
        assert visitor.delete(f"/api/v1/searches/{number}").status_code == 204
    assert visitor.get("/api/v1/searches").json() == before
    for wrong in ({"alert_from": 2}, {"alert_from": 0}, {"after": 1e300}, {"name": ""}, {"tracklet": 5}):
        answer = visitor.post("/api/v1/searches", json={**wanted, **wrong})
        assert answer.status_code in (404, 422) and answer.headers["content-type"] == "application/problem+json"


# --- where alerts are taken

FORM = {
    "webhook_url": "https://8.8.8.8/in?token=TOP-URL",
    "webhook_secret": f"TOP-{SECRET}",
    "mqtt_host": "localhost",
    "mqtt_port": "1883",
    "mqtt_user": "sightline",
    "mqtt_password": "TOP-PASS",
    "mqtt_prefix": "homeassistant",
}


def test_no_secret_of_alerts_is_shown_again(served: Served) -> None:
    visitor = served.visitor()
    assert visitor.post("/alerts", data=FORM).headers["location"] == "/alerts"
    page = visitor.get("/alerts").text
    assert "https://8.8.8.8" in page and "TOP" not in page and "0600" in page
    told = visitor.get("/api/v1/alerts")
    assert "TOP" not in told.text and told.json()["mqtt_has_password"] and told.json()["webhook"] == "https://8.8.8.8"
    assert "TOP" not in json.dumps([entry.details for entry in served.site.audit()])
    kept = read_alert_settings(served.site.database)
    assert (kept.webhook_url, kept.mqtt_password) == (FORM["webhook_url"], "TOP-PASS")
    empty = {**FORM, "webhook_url": "", "webhook_secret": "", "mqtt_password": ""}
    visitor.post("/alerts", data=empty)
    assert read_alert_settings(served.site.database) == kept
    visitor.post("/alerts", data={**empty, "mqtt_host": "127.0.0.1"})  # another broker is not told the password
    assert read_alert_settings(served.site.database).mqtt_password == ""
    visitor.put("/api/v1/alerts", json={"no_webhook": True})
    assert read_alert_settings(served.site.database).channels() == ()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"webhook_url": "http://127.0.0.1:8080/"}, "this machine itself"),
        ({"webhook_url": "http://169.254.169.254/latest"}, "beside it reach"),
        ({"webhook_url": "http://10.0.0.5/"}, "a private network"),
        ({"webhook_url": "file:///etc/passwd"}, "begins with https"),
        ({"webhook_url": "https://user:TOP@8.8.8.8/"}, "no name and password"),
        ({"webhook_secret": "short"}, "16 letters"),
        ({"mqtt_host": "169.254.169.254"}, "beside it reach"),
        ({"mqtt_host": "mqtt://broker"}, "by its host alone"),
        ({"mqtt_prefix": "a/+/b"}, "prefix"),
        ({"mqtt_port": "70000"}, "65535"),
        ({"address": "javascript:alert(1)"}, "own address"),
        ({"address": "https://me:TOP@x.example"}, "own address"),
    ],
)
def test_where_nothing_is_sent_is_refused(served: Served, changed: dict[str, str], why: str) -> None:
    visitor = served.visitor()
    before = read_alert_settings(served.site.database)
    answer = visitor.post("/alerts", data={**FORM, **changed})
    assert answer.status_code == 422 and why in answer.text.replace("&#39;", "'"), answer.text
    assert "TOP" not in answer.text
    assert read_alert_settings(served.site.database) == before


def test_only_an_admin_says_where_alerts_go(shared: Served) -> None:
    for name, status in (("root", 200), ("olga", 403), ("guard", 403)):
        client = shared.user(name)
        assert client.get("/alerts").status_code == client.get("/api/v1/alerts").status_code == status


# --- what is counted


def values(client: TestClient) -> dict[str, float]:
    text = client.get("/metrics").text
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line and not line.startswith("#")
    }


def test_metrics_count_by_route_and_tell_nothing_of_what_was_asked(served: Served) -> None:
    visitor, tracklet = served.visitor(), tracklet_in(served, "camera0")
    before = values(visitor)
    visitor.get(f"/tracklets/{tracklet}/search")
    visitor.get("/tracklets/5/search")
    visitor.get("/nothing/at/all?secret=TOP")
    after = values(visitor)
    route = '{method="GET",route="/tracklets/{number}/search",status="%s"}'
    for status in (200, 404):
        name = f"sightline_requests_total{route % status}"
        assert after[name] - before.get(name, 0) == 1
    assert after["sightline_searches_total"] - before.get("sightline_searches_total", 0) == 1
    assert 'sightline_request_seconds_count{method="GET",route="/tracklets/{number}/search"}' in after
    assert after['sightline_searchable{camera="camera0",kind="tracklet"}'] == 10
    assert after['sightline_searchable{camera="camera0",kind="sighting"}'] == 2
    assert after['sightline_footage{camera="camera1",status="done"}'] == 1
    assert after['sightline_footage_seconds{camera="camera1",status="done"}'] == 600
    assert after["sightline_memory_bytes"] > 10**7
    text = visitor.get("/metrics").text
    assert str(tracklet) not in text and "TOP" not in text and "/nothing" not in text and "python_info" not in text


def test_two_applications_count_apart(served: Served) -> None:
    other = make_application(served.site, served.access, {HOST})
    served.visitor().get("/")
    assert b'route="/"' not in other.state.metrics.text()


def test_metrics_are_for_who_may_see_all(shared: Served) -> None:
    for name, status in (("root", 200), ("olga", 200), ("guard", 403)):
        assert shared.user(name).get("/metrics").status_code == status
    secret = shared.access.users.add_key("olga", "prometheus", ["metrics"], who="olga")
    program = TestClient(shared.application, base_url=f"http://{HOST}")
    headers = {"authorization": f"Bearer {secret}"}
    assert "sightline_requests_total" in program.get("/metrics", headers=headers).text
    assert program.get("/api/v1/tracklets", headers=headers).status_code == 403


# --- previews, and boxes in frames


def test_moving_pictures_leave_one_row_a_tracklet_and_session(served: Served) -> None:
    visitor, tracklet = served.visitor(), tracklet_in(served, "camera0")
    crops = served.site.crops(tracklet)
    before = len(served.site.audit())
    for index, crop in enumerate(crops):
        answer = visitor.get(f"/tracklets/{tracklet}/crops/{index}.jpg")
        assert answer.content == served.site.crop_jpeg(crop) and answer.headers["content-type"] == "image/jpeg"
    rows = served.site.audit()[before:]
    assert [(row.action, row.details) for row in rows] == [("view", {"tracklet": tracklet, "moving": True})]
    served.visitor().get(f"/tracklets/{tracklet}/crops/0.jpg")
    assert len(served.site.audit()[before:]) == 3  # another session: its sign in, and its view
    for place in (f"{tracklet}/crops/{len(crops)}.jpg", "5/crops/0.jpg", f"{tracklet}/crops/-1.jpg"):
        assert visitor.get(f"/tracklets/{place}").status_code in (404, 422)


def test_who_may_not_see_a_camera_sees_none_of_its_pictures(shared: Served) -> None:
    guard, tracklet = shared.user("guard"), tracklet_in(shared, UNSEEN)
    assert guard.get(f"/tracklets/{tracklet}/crops/0.jpg").status_code == 404
    data = {"seconds": 1, "left": 0, "top": 0, "width": 50, "height": 50}
    assert guard.post(f"/tracklets/{tracklet}/frame", data=data).status_code == 404


def test_a_frame_that_is_not_there_is_told(served: Served) -> None:
    visitor, tracklet = served.visitor(), tracklet_in(served, "camera0")
    data: dict[str, Any] = {"seconds": 1, "left": 0, "top": 0, "width": 50, "height": 50}
    answer = visitor.post(f"/tracklets/{tracklet}/frame", data=data)
    assert answer.status_code == 404 and "not where it was" in answer.text
    assert served.site.audit()[-1].action == "view frame"
    for wrong in ({"seconds": -1}, {"seconds": "nan"}, {"left": 101}, {"width": "x"}, {"height": None}):
        assert visitor.post(f"/tracklets/{tracklet}/frame", data={**data, **wrong}).status_code == 422
