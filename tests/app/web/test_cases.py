"""Cases on pages and for programs: who may do what with them, and who learns nothing of them."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.asking import Progress
from app.errors import StorageError
from app.record import Site
from app.record.cases import Cases
from app.record.users import Role, Users
from app.web.access import Access
from app.web.application import make_application
from tests.app.records import copy_of, site_in
from tests.app.sites import People, figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served

ROLES = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}
API = "/api/v1/cases"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, People]:
    """A site with a user of each role, and `guard`, an operator who sees one camera of three. Only to be copied."""
    path = site_in(tmp_path_factory.mktemp("cased"))
    who = figure_site(path, people=3, cameras=3)
    with Site.open_to_write(path) as site:
        users = Users(site.database)
        for name, role in ROLES.items():
            users.add(name, PASSWORD, role, None, who="test")
        users.add("guard", PASSWORD, Role.OPERATOR, ["camera1"], who="test")
    return path, who


@pytest.fixture
def cased(made: tuple[Path, People], tmp_path: Path) -> Iterator[Served]:
    """A copy of that site, served."""
    with Site.open_to_write(copy_of(made[0], tmp_path)) as site:
        access = Access(Users(site.database), "alice", Clock())
        yield Served(site, made[1], access, Clock(), make_application(site, access, {HOST}))


def of_camera(served: Served, camera: str) -> int:
    return next(k for k in sorted(served.who) if served.site.searchable(k).camera == camera)


def actions(served: Served) -> list[tuple[str, str]]:
    return [(e.who, e.action) for e in served.site.audit() if "case" in e.action]


def test_a_case_from_its_opening_to_its_end(cased: Served) -> None:
    visitor = cased.user("admin")
    assert "No case yet" in visitor.get("/cases").text
    number = of_camera(cased, "camera0")
    assert 'action="/cases/items"' in visitor.get(f"/tracklets/{number}").text
    made = visitor.post(
        "/cases/items", data={"tracklet": number, "case": 0, "name": "<b>Red</b>", "note": "by the\r\ndoor"}
    )
    place = made.headers["location"]
    assert (made.status_code, place) == (303, "/cases/1")
    shown = visitor.get(place)
    assert shown.status_code == 200 and "<b>Red" not in shown.text and "&lt;b&gt;Red" in shown.text
    assert "by the\ndoor</textarea>" in shown.text and shown.text.count("data:image/jpeg") == 3
    assert f'href="/tracklets/{number}"' in shown.text
    other = of_camera(cased, "camera2")
    assert '<option value="1">' in visitor.get(f"/tracklets/{other}/search").text
    assert visitor.post("/cases/items", data={"tracklet": [other, number], "case": 1}).headers["location"] == place
    assert visitor.post(f"{place}/items/{other}", data={"note": "goes"}).headers["location"] == f"{place}#t{other}"
    assert [item.note for item in Cases(cased.site).items(1)] == ["", "goes"]
    assert visitor.post(f"{place}/items/{number}/remove").status_code == 303
    assert visitor.post(place, data={"name": "Blue", "note": "n"}).headers["location"] == place
    assert visitor.post(f"{place}/close").status_code == 303
    closed = visitor.get(place).text
    assert "Remove from the case" not in closed and "Open it again" in closed and "<p>goes</p>" in closed
    assert '<span class="tag">closed</span>' in visitor.get("/cases").text
    assert visitor.post(f"{place}/items/{number}", data={"note": "x"}).status_code == 422
    assert '<option value="1">' not in visitor.get(f"/tracklets/{other}").text
    assert visitor.post(f"{place}/reopen").status_code == 303
    erased = visitor.post(f"{place}/erase", data={"people": "false"})
    assert erased.status_code == 200 and "stay in the site" in erased.text
    assert visitor.get(place).status_code == 404 and cased.site.searchable(other)
    said = [action.removeprefix("case ") for _, action in actions(cased) if action != "view case"]
    assert said == ["open", "add", "add", "add", "add", "remove", "change", "close", "reopen", "erase"]


def test_people_leave_with_a_case_where_that_is_said(cased: Served) -> None:
    visitor, number = cased.user("admin"), of_camera(cased, "camera0")
    kept = of_camera(cased, "camera1")
    visitor.post("/cases/items", data={"tracklet": number, "case": 0, "name": "x"})
    erased = visitor.post("/cases/1/erase", data={"people": "true"})
    assert erased.status_code == 200 and "1 tracklet left the site" in erased.text and "Nothing of them" in erased.text
    assert visitor.get(f"/tracklets/{number}").status_code == 404
    assert visitor.get(f"/tracklets/{kept}").status_code == 200


def test_an_export_is_a_zip_whose_digest_the_audit_has(cased: Served) -> None:
    visitor, number = cased.user("operator"), of_camera(cased, "camera0")
    visitor.post("/cases/items", data={"tracklet": number, "case": 0, "name": "../../x"})
    for place in ("/cases/1/export", f"{API}/1/export"):
        answer = visitor.post(place)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"] == 'attachment; filename="case-1.zip"'
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert archive.testzip() is None and archive.namelist() == ["report.html", "case.json", "SHA256SUMS"]
        assert json.loads(archive.read("case.json"))["case"]["name"] == "../../x"
        entry = cased.site.audit()[-1]
        assert (entry.who, entry.action, entry.session) == ("operator", "case exported", "web, testclient")
        assert entry.details["sha256"] == hashlib.sha256(answer.content).hexdigest()


def test_how_far_an_export_is_is_told_to_who_asked_for_it(cased: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, number = cased.user("operator"), of_camera(cased, "camera0")
    visitor.post("/cases/items", data={"tracklet": number, "case": 0, "name": "x"})
    state = "/cases/1/export.json"
    assert visitor.get(state).json() is None
    answer = visitor.post("/cases/1/export")
    told = visitor.get(state).json()
    assert (told["done"], told["total"], told["broken"], told["without_clip"]) == (1, 1, False, 1)
    assert told["sha256"] == hashlib.sha256(answer.content).hexdigest() and told["size"] == len(answer.content)
    assert cased.user("operator").get(state).json() is None  # another session
    during = []

    def broken(site: Site, number: int, out: object, *, who: str, progress: Progress) -> None:
        progress("items exported", 1, 3)
        during.append(visitor.get(state).json())
        raise StorageError("The disk is full.")

    monkeypatch.setattr("app.web.exports.export_case", broken)
    assert visitor.post("/cases/1/export").status_code == 507
    assert (during[0]["done"], during[0]["total"], during[0]["sha256"], during[0]["broken"]) == (1, 3, None, False)
    assert visitor.get(state).json()["broken"]


def test_one_export_at_a_time(cased: Served) -> None:
    visitor = cased.user("operator")
    visitor.post("/cases", data={"name": "x"})
    with cased.application.state.opened.exports._lock:
        answer = visitor.post(f"{API}/1/export")
    assert answer.status_code == 409 and "exported just now" in answer.json()["detail"]
    assert visitor.post(f"{API}/1/export").status_code == 200


CHANGES: list[tuple[str, str, dict[str, Any], Role]] = [
    ("POST", "/cases", {"data": {"name": "x"}}, Role.OPERATOR),
    ("POST", "/cases/1", {"data": {"name": "x"}}, Role.OPERATOR),
    ("POST", "/cases/items", {"data": {"case": 1, "tracklet": 1}}, Role.OPERATOR),
    ("POST", "/cases/1/close", {}, Role.OPERATOR),
    ("POST", "/cases/1/reopen", {}, Role.OPERATOR),
    ("POST", "/cases/1/export", {}, Role.OPERATOR),
    ("POST", "/cases/1/erase", {}, Role.ADMIN),
    ("POST", API, {"json": {"name": "x"}}, Role.OPERATOR),
    ("PUT", f"{API}/1", {"json": {"name": "x"}}, Role.OPERATOR),
    ("PUT", f"{API}/1/items/1", {"json": {}}, Role.OPERATOR),
    ("DELETE", f"{API}/1/items/1", {}, Role.OPERATOR),
    ("POST", f"{API}/1/export", {}, Role.OPERATOR),
    ("DELETE", f"{API}/1", {}, Role.ADMIN),
]


@pytest.mark.parametrize(("method", "place", "body", "role"), CHANGES)
def test_a_role_below_changes_nothing(cased: Served, method: str, place: str, body: dict[str, Any], role: Role) -> None:
    Cases(cased.site).open("x", "", who="test")
    below = "viewer" if role == Role.OPERATOR else "operator"
    visitor = cased.user(below)
    audited = actions(cased)
    assert visitor.request(method, place, **body).status_code == 403
    assert actions(cased) == audited
    seen = visitor.get("/cases/1")
    assert seen.status_code == 200 and "Erase" not in seen.text
    right = cased.user("admin")
    del right.headers["x-sightline-key"]
    assert right.request(method, place, **body).status_code == 403  # another site's page would send it so
    assert actions(cased) == [*audited, (below, "view case")]


def test_a_viewer_sees_what_a_case_holds(cased: Served) -> None:
    cases = Cases(cased.site)
    cases.add(cases.open("Red", "a note", who="test"), of_camera(cased, "camera0"), "an item", who="test")
    viewer = cased.user("viewer")
    text = viewer.get("/cases/1").text
    assert "a note" in text and "an item" in text and "<form" not in text.partition("<main")[2]
    assert "Open a case" not in viewer.get("/cases").text
    assert viewer.get(f"{API}/1").json()["items"][0]["note"] == "an item"
    assert "into a case" not in viewer.get(f"/tracklets/{of_camera(cased, 'camera0')}").text


def test_a_case_with_a_hidden_camera_is_as_one_that_is_not_there(cased: Served) -> None:
    cases = Cases(cased.site)
    seen, hidden = of_camera(cased, "camera1"), of_camera(cased, "camera0")
    visible, mixed = cases.open("Visible", "", who="test"), cases.open("Secret of camera0", "", who="test")
    cases.add(visible, seen, "", who="test")
    for tracklet in (seen, hidden):
        cases.add(mixed, tracklet, "", who="test")
    guard = cased.user("guard")
    for place in ("/cases", f"/tracklets/{seen}", f"/tracklets/{seen}/search", API):
        assert "Visible" in guard.get(place).text and "Secret" not in guard.get(place).text
    nobody = mixed + 7
    asked: list[tuple[str, str, dict[str, Any]]] = [("GET", "/cases/{n}", {}), ("GET", f"{API}/{{n}}", {})]
    asked += [(method, re.sub(r"/1(/|$)", r"/{n}\1", place), body) for method, place, body, _ in CHANGES]
    audited = len(actions(cased))
    for method, place, body in asked:
        if "{n}" not in place or "erase" in place or (method, place) == ("DELETE", f"{API}/{{n}}"):
            continue
        place = place.replace("/items/1", f"/items/{seen}")
        answers = [guard.request(method, place.format(n=number), **body) for number in (mixed, nobody)]
        assert {answer.status_code for answer in answers} == {404}, place
        assert answers[0].text == answers[1].text, place
    for number in (mixed, nobody):
        assert guard.post("/cases/items", data={"case": number, "tracklet": seen}).status_code == 404
    for tracklet in (hidden, 12345):
        answer = guard.put(f"{API}/{visible}/items/{tracklet}", json={})
        assert answer.status_code == 404 and "camera0" not in answer.text
    assert len(actions(cased)) == audited
    assert guard.post(f"{API}/{visible}/export").status_code == 200


def test_programs_do_the_same(cased: Served) -> None:
    visitor, (a, b) = cased.user("admin"), sorted(cased.who)[:2]
    made = visitor.post(API, json={"name": "One", "note": "x"}).json()
    assert (made["id"], made["name"], made["note"], made["items"], made["closed"]) == (1, "One", "x", 0, None)
    item = visitor.put(f"{API}/1/items/{a}", json={"note": "first"}).json()
    assert (item["tracklet"], item["camera"], item["note"], item["is_sighting"]) == (a, "camera0", "first", False)
    assert visitor.put(f"{API}/1/items/{b}", json={}).status_code == 200
    assert visitor.put(f"{API}/1", json={"name": "Uno"}).json()["items"] == 2
    assert visitor.request("DELETE", f"{API}/1/items/{b}").json()["items"] == 1
    assert visitor.request("DELETE", f"{API}/1/items/{b}").status_code == 422
    whole = visitor.get(f"{API}/1").json()
    assert whole["case"]["name"] == "Uno" and [one["tracklet"] for one in whole["items"]] == [a]
    assert visitor.post(f"{API}/1/close").json()["closed"] is not None
    refused = visitor.put(f"{API}/1/items/{b}", json={})
    assert refused.status_code == 422 and refused.headers["content-type"] == "application/problem+json"
    assert visitor.post(f"{API}/1/reopen").json()["closed"] is None
    for k in range(4):
        visitor.post(API, json={"name": f"Case {k}"})
    first = visitor.get(API, params={"limit": 3}).json()
    assert [case["id"] for case in first["cases"]] == [5, 4, 3] and first["next"] == 3
    rest = visitor.get(API, params={"limit": 3, "before": 3}).json()
    assert [case["id"] for case in rest["cases"]] == [2, 1] and rest["next"] is None
    assert visitor.get(f"{API}/99").json()["title"] == "There is no such case"
    gone = visitor.request("DELETE", f"{API}/1", params={"people": "true"}).json()
    assert gone["items"] == 1 and gone["forgotten"]["tracklets"] == 1
    assert visitor.get(f"/tracklets/{a}").status_code == 404
    for text in (
        {},
        {"name": ""},
        {"name": " "},
        {"name": "x" * 101},
        {"name": "a\0b"},
        {"name": "x", "note": "y" * 4001},
    ):
        assert visitor.post(API, json=text).status_code == 422, text


def test_a_key_needs_its_scope(cased: Served) -> None:
    for scope, status in (("cases", 200), ("search", 403)):
        secret = cased.access.users.add_key("viewer", scope, [scope], who="viewer")
        program: TestClient = cased.stranger()
        program.headers["authorization"] = f"Bearer {secret}"
        assert program.get(API).status_code == status
        assert program.get("/cases").status_code == 403


@pytest.mark.parametrize(
    "data",
    [
        {"case": 1},
        {"case": 1, "tracklet": "x"},
        {"case": -1, "tracklet": 1},
        {"case": 0, "tracklet": 4294967297, "name": ""},
        {"case": 1, "tracklet": [4294967297] * 201},
        {"tracklet": 4294967297},
        {"case": 1, "tracklet": 4294967297, "note": "x" * 4001},
        {"case": 10**30, "tracklet": 4294967297},
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(cased: Served, data: dict[str, Any]) -> None:
    Cases(cased.site).open("x", "", who="test")
    answer = cased.user("operator").post("/cases/items", data=data)
    assert answer.status_code == 422 and "broke" not in answer.text
    assert html.unescape(answer.text)
    assert Cases(cased.site).case(1).items == 0 and len(Cases(cased.site).all()) == 1
