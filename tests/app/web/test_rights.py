"""Roles, rights to some cameras, keys and proxies, as requests meet them."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from app.errors import SiteError
from app.record import Site
from app.record.users import SCOPES, Role, Users
from app.search.merging import merge
from app.search.query import query
from app.web import api
from app.web.access import Access, Proxy
from app.web.application import make_application
from tests.app.records import site_in
from tests.app.sites import figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served
from tests.app.web.test_application import routes_of

SEEN, UNSEEN = "camera1", "camera0"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A merged site with users: `root`, and `guard` who sees one camera of three."""
    path = site_in(tmp_path_factory.mktemp("shared"))
    who = figure_site(path, people=6, cameras=3, sightings=1)
    clock = Clock()
    with Site.open_to_write(path) as site:
        merge(site, who="test")
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("guard", PASSWORD, Role.OPERATOR, [SEEN], who="test")
        access = Access(users, "alice", clock)
        yield Served(site, who, access, clock, make_application(site, access, {HOST}))


def test_signing_in(shared: Served) -> None:
    client = shared.stranger("192.0.2.1")
    asked = client.get("/flow")
    assert asked.status_code == 401 and 'value="/flow"' in asked.text and 'type="password"' in asked.text
    wrong = client.post("/sign-in", data={"name": "root", "password": "no " + PASSWORD})
    assert wrong.status_code == 403 and "sightline" not in client.cookies and PASSWORD not in wrong.text
    entry = shared.site.audit()[-1]
    assert (entry.action, entry.who, entry.session) == ("sign in refused", "root", "web, 192.0.2.1")
    client.post("/sign-in", data={"name": "<b>typed the password</b>", "password": "x"})
    assert shared.site.audit()[-1].who == "nobody whom the site knows"
    right = client.post("/sign-in", data={"name": "root", "password": PASSWORD, "then": "/flow"})
    assert (right.status_code, right.headers["location"]) == (303, "/flow")
    assert "HttpOnly" in right.headers["set-cookie"] and "SameSite=strict" in right.headers["set-cookie"]
    assert client.get("/users").status_code == 200
    assert (shared.site.audit()[-1].action, shared.site.audit()[-1].who) == ("sign in", "root")


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "javascript:1"])
def test_signing_in_leads_nowhere_else(shared: Served, then: str) -> None:
    client = shared.stranger()
    data = {"name": "root", "password": PASSWORD, "then": then}
    assert client.post("/sign-in", data=data).headers["location"] == "/"


def test_other_pages_can_not_sign_somebody_in(shared: Served) -> None:
    client = shared.stranger()
    data = {"name": "root", "password": PASSWORD}
    assert client.post("/sign-in", data=data, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post("/sign-in", data={**data, "then": "/" + "x" * 5000}).status_code == 413


def test_guessing_is_slowed_down(shared: Served) -> None:
    client = shared.stranger("192.0.2.9")
    codes = [client.post("/sign-in", data={"name": "guard", "password": f"guess {k}"}).status_code for k in range(7)]
    assert codes == [403] * 5 + [429] * 2
    audited = [entry for entry in shared.site.audit() if entry.session == "web, 192.0.2.9"]
    assert len(audited) == 5
    assert shared.user("guard").get("/").status_code == 200  # from elsewhere


# Anything that tells of the camera that may not be seen. 24 tracklets and 3 sightings are of all three cameras.
TELLING = (UNSEEN, "camera2", "27 tracklets", "24 tracklets")


def addresses(served: Served) -> Iterator[tuple[APIRoute, str]]:
    """All that can be asked for by GET, of a tracklet that may be seen."""
    number = next(k for k in served.who if served.site.searchable(k).camera == SEEN)
    for route in routes_of(served):
        if "GET" in route.methods:
            path = route.path.replace("{number}", str(number)).replace("{name}", SEEN)
            yield route, re.sub(r"\{\w+\}", "1", path)


def test_who_sees_one_camera_learns_nothing_of_others(shared: Served) -> None:
    guard, root = shared.user("guard"), shared.user("root")
    unseen_ids = {str(k) for k in shared.who if shared.site.searchable(k).camera != SEEN}
    told = 0
    for route, address in addresses(shared):
        if route.path in {"/enter", "/left", "/sign-in"}:
            continue
        answer = guard.get(address)
        assert answer.status_code < 500, address
        for word in TELLING:
            assert word not in answer.text, f"{address} tells {word}"
        assert not unseen_ids & set(re.findall(r"\d{6,}", answer.text)), address
        told += UNSEEN in root.get(address).text
    assert told >= 5  # to who may see all, these pages do tell


def test_a_camera_that_may_not_be_seen_is_as_one_that_is_not_there(shared: Served) -> None:
    guard = shared.user("guard")
    hidden = next(k for k in shared.who if shared.site.searchable(k).camera == UNSEEN)
    seen = next(k for k in shared.who if shared.site.searchable(k).camera == SEEN)
    nobody = shared.site.searchable(hidden).id + 9999
    for place in ("", "/search", "/moment.mp4", "/film", "/film.json"):
        first, second = (guard.get(f"/tracklets/{number}{place}") for number in (hidden, nobody))
        assert (first.status_code, first.text) == (second.status_code, second.text)
        assert first.status_code == 404
    for path in (f"/tracklets/{seen}/search", f"/api/v1/tracklets/{seen}/search", "/api/v1/tracklets"):
        first, second = (guard.get(path, params={"camera": name}) for name in (UNSEEN, "attic"))
        assert (first.status_code, first.text) == (second.status_code, second.text)
    place = f"/api/v1/tracklets/{seen}/corrections"
    first, second = (guard.post(place, json={"other": other, "said": "join"}) for other in (hidden, nobody))
    assert (first.status_code, first.text) == (second.status_code, second.text) and first.status_code == 404
    assert shared.site.corrections() == []


def test_searches_compare_with_what_may_be_seen(shared: Served) -> None:
    guard = shared.user("guard")
    seen = next(k for k in shared.who if shared.site.searchable(k).camera == SEEN)
    found = guard.get(f"/api/v1/tracklets/{seen}/search").json()["people"][0]
    rows = shared.site.searchable_table()
    of_camera = int((rows.cameras == rows.names.index(SEEN)).sum())
    beside = len(set(shared.site.seen_beside(seen).tolist()) | {seen})
    assert found["gallery"] <= of_camera - 1 and found["gallery"] >= of_camera - beside
    assert {match["camera"] for match in found["matches"]} == {SEEN}
    assert {match["identity"] for match in found["matches"]} <= {None, *range(1, len(found["matches"]) + 1)}


def test_corrections_with_hidden_tracklets_are_not_told(shared: Served) -> None:
    root, guard = shared.user("root"), shared.user("guard")
    hidden = next(k for k in shared.who if shared.site.searchable(k).camera == UNSEEN)
    seen, other = [k for k in shared.who if shared.site.searchable(k).camera == SEEN][:2]
    place = f"/api/v1/tracklets/{seen}/corrections"
    assert root.post(place, json={"other": hidden, "said": "join"}).status_code == 200
    assert guard.post(place, json={"other": other, "said": "split"}).json() == [{"other": other, "said": "split"}]
    for word in (hidden, other):
        assert root.post(place, json={"other": word, "said": "unsure"}).status_code == 200


def test_a_right_that_is_taken_away_is_gone_at_once(shared: Served) -> None:
    shared.access.users.add("temp", PASSWORD, Role.VIEWER, None, who="root")
    temp = shared.user("temp")
    assert temp.get("/flow").status_code == 200
    shared.access.users.change("temp", Role.VIEWER, [], who="root")
    assert temp.get("/flow").status_code == 403
    assert temp.get("/api/v1/tracklets").status_code == 403  # no camera at all
    shared.access.users.remove("temp", who="root")
    assert temp.get("/").status_code == 401


def test_a_site_may_demand_to_know_why_one_searches(shared: Served) -> None:
    root, guard = shared.user("root"), shared.user("guard")
    number = next(k for k in shared.who if shared.site.searchable(k).camera == SEEN)
    place = f"/tracklets/{number}/search"
    assert root.post("/settings/reason", data={"required": "true"}).status_code == 303
    try:
        asked = guard.get(place, params={"camera": SEEN})
        assert asked.status_code == 428 and f'value="{place}?camera={SEEN}"' in asked.text
        assert guard.get(f"/api/v1{place}").status_code == 428
        with pytest.raises(SiteError, match="demands a reason"):
            query(shared.site, number, who="me")
        said = guard.post("/reason", data={"reason": " lost  child ", "then": place})
        assert (said.status_code, said.headers["location"]) == (303, place)
        assert guard.get(place).status_code == 200
        assert shared.site.audit()[-1].details["reason"] == "lost child"
        program = bearer(shared, shared.access.users.add_key("guard", "why", ["tracklets"], who="guard"))
        assert program.get(f"/api/v1{place}").status_code == 428
        assert program.get(f"/api/v1{place}", headers={"x-reason": "case 9"}).status_code == 200
        assert shared.site.audit()[-1].details["reason"] == "case 9"
        assert program.get(f"/api/v1{place}", headers={"x-reason": "x" * 201}).status_code == 422
    finally:
        assert root.post("/settings/reason", data={}).status_code == 303
        shared.access.users.remove_key("guard", "why", who="guard")
    assert root.get(place).status_code == 200 and "reason" not in shared.site.audit()[-1].details


# --- keys


def bearer(served: Served, secret: str) -> TestClient:
    client = served.stranger()
    client.headers["authorization"] = f"Bearer {secret}"
    return client


def test_a_key_opens_its_part_of_the_api_and_no_page(shared: Served) -> None:
    secret = shared.access.users.add_key("guard", "search", ["search", "tracklets"], who="guard")
    program = bearer(shared, secret)
    number = next(k for k in shared.who if shared.site.searchable(k).camera == SEEN)
    still = shared.site.crop_jpeg(shared.site.crops(number)[0])
    assert program.post("/api/v1/search", files={"still": still}).status_code == 200
    assert shared.site.audit()[-1].session == "web, testclient, key search"
    assert program.get("/api/v1/openapi.json").status_code == 200
    for path in ("/api/v1/cameras", "/api/v1/flow", "/api/v1/audit", "/", "/account", "/users"):
        assert program.get(path).status_code == 403, path
    listed = program.get("/api/v1/tracklets").json()["tracklets"]
    assert {tracklet["camera"] for tracklet in listed} == {SEEN}
    for wrong in ("", "x", secret[:-1], secret + "x"):
        assert bearer(shared, wrong).get("/api/v1/tracklets").status_code == 401
    shared.access.users.remove_key("guard", "search", who="guard")
    assert program.get("/api/v1/tracklets").status_code == 401


def test_the_scopes_are_the_parts_of_the_api() -> None:
    paths = [route.path for routes in api.ALL for route in routes.routes if isinstance(route, APIRoute)]
    parts = {path.removeprefix("/api/v1/").partition("/")[0] for path in paths if path.startswith("/api/v1/")}
    assert parts | {"metrics"} == set(SCOPES)


def test_ones_own_keys_and_password(shared: Served) -> None:
    shared.access.users.add("carol", PASSWORD, Role.VIEWER, None, who="root")
    carol = shared.user("carol")
    made = carol.post("/account/keys", data={"name": "<i>phone</i>", "scope": ["flow"]})
    found = re.search(r"<pre><code>([\w-]{40,})</code>", made.text)
    assert found and bearer(shared, found[1]).get("/api/v1/flow").status_code == 200
    shown = carol.get("/account").text
    assert found[1] not in shown and "&lt;i&gt;phone" in shown and "<i>phone" not in shown
    assert carol.post("/account/keys/remove", data={"name": "<i>phone</i>"}).status_code == 303
    assert bearer(shared, found[1]).get("/api/v1/flow").status_code == 401
    other = {"old": "not " + PASSWORD, "password": "another good one"}
    assert carol.post("/account/password", data=other).status_code == 403
    assert carol.post("/account/password", data={**other, "old": PASSWORD}).status_code == 303
    assert carol.get("/account").status_code == 401
    shared.access.users.remove("carol", who="root")


def test_who_came_by_the_link_has_no_account(shared: Served) -> None:
    visitor = shared.visitor()
    assert "You came by the link" in visitor.get("/account").text
    assert visitor.post("/account/keys", data={"name": "x", "scope": ["flow"]}).status_code == 403


def test_an_admin_manages_users(shared: Served) -> None:
    root = shared.user("root")
    new = {"name": "dave", "password": PASSWORD, "role": "viewer", "camera": [SEEN]}
    assert root.post("/users", data=new).status_code == 303
    assert root.post("/users", data=new).status_code == 422
    assert root.post("/users", data={**new, "name": "<script>"}).status_code == 422
    assert root.post("/users", data={**new, "name": "e", "role": "nobody"}).status_code == 422
    dave = shared.access.users.user("dave")
    assert dave is not None and (dave.role, dave.cameras) == (Role.VIEWER, frozenset({SEEN}))
    assert root.post("/users/dave", data={"role": "operator", "every": "true"}).status_code == 303
    changed = shared.access.users.user("dave")
    assert changed is not None and (changed.role, changed.cameras) == (Role.OPERATOR, None)
    assert root.post("/users/dave/password", data={"password": "another good one"}).status_code == 303
    assert "dave" in root.get("/users").text
    assert root.post("/users/root/remove").status_code == 422
    assert root.post("/users/dave/remove").status_code == 303
    assert shared.access.users.user("dave") is None


# --- a proxy that signs people in


def test_only_a_named_proxy_is_believed(shared: Served) -> None:
    proxy = Proxy(frozenset({ipaddress.ip_address("192.0.2.7")}), "Remote-User")
    application = make_application(
        shared.site, Access(shared.access.users, "alice", Clock(), proxy), {HOST, "cameras.example.org"}
    )
    behind = replace(shared, application=application).stranger("192.0.2.7")
    behind.headers["host"] = "cameras.example.org"
    assert behind.get("/").status_code == 401
    shown = behind.get("/", headers={"remote-user": "guard"})
    assert shown.status_code == 200 and ">guard</a>" in shown.text
    key = re.search(r'name="key" value="([^"]+)"', shown.text)
    assert key is not None
    said = {"remote-user": "guard", "x-sightline-key": key[1]}
    assert behind.post("/leave", headers={"remote-user": "guard"}).status_code == 403  # another site's page sent it
    assert behind.post("/leave", headers=said).status_code == 303
    assert behind.get("/", headers={"remote-user": "nobody"}).status_code == 401
    assert behind.get("/users", headers={"remote-user": "guard"}).status_code == 403
    for address in ("192.0.2.8", "127.0.0.1", "testclient"):
        elsewhere = replace(shared, application=application).stranger(address)
        headers = {"remote-user": "root", "x-forwarded-for": "192.0.2.7"}
        assert elsewhere.get("/", headers=headers).status_code == 401
    assert shared.stranger("192.0.2.7").get("/", headers={"remote-user": "root"}).status_code == 401


def test_cookies_are_for_tls_alone_where_there_is_any(shared: Served) -> None:
    proxy = Proxy(frozenset({ipaddress.ip_address("192.0.2.7")}), "Remote-User")
    access = Access(shared.access.users, "alice", Clock(), proxy)
    application = make_application(shared.site, access, {HOST})
    data = {"name": "root", "password": PASSWORD}
    said = {"x-forwarded-proto": "https"}
    behind = replace(shared, application=application).stranger("192.0.2.7").post("/sign-in", data=data, headers=said)
    assert "Secure" in behind.headers["set-cookie"]
    for address, headers in (("192.0.2.7", {}), ("192.0.2.8", said)):
        plain = replace(shared, application=application).stranger(address).post("/sign-in", data=data, headers=headers)
        assert "Secure" not in plain.headers["set-cookie"]
    tls = replace(shared, application=application).stranger()
    tls.base_url = f"https://{HOST}"  # type: ignore[assignment]
    assert "Secure" in tls.post("/sign-in", data=data).headers["set-cookie"]


def test_nothing_secret_is_in_what_is_said(shared: Served, tmp_path: Path) -> None:
    said = json.dumps([[entry.who, entry.session, entry.details] for entry in shared.site.audit()])
    assert PASSWORD not in said and "Bearer" not in said
