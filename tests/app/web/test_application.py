"""What the server answers, to whom, and what it refuses."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from PIL import Image

from app.record.users import Role
from app.web import api, pages
from app.web.limits import HEADERS, MOST_BYTES
from app.web.routes import Routes
from tests.app.web.conftest import HOST, Served

# Where nobody need be signed in, and where only an admin may be.
OPEN = {
    "GET /enter",
    "GET /sign-in",
    "POST /sign-in",
    "GET /left",
    "GET /healthz",
    "GET /static/style.css",
    "GET /static/{name}.js",
}
ADMINS = {
    "GET /alerts",
    "POST /alerts",
    "GET /api/v1/alerts",
    "PUT /api/v1/alerts",
    "GET /audit",
    "GET /erase",
    "POST /erase",
    "POST /api/v1/forget",
    "POST /cases/{number}/erase",
    "DELETE /api/v1/cases/{number}",
    "GET /users",
    "POST /users",
    "POST /users/{name}",
    "POST /users/{name}/password",
    "POST /users/{name}/remove",
    "GET /api/v1/audit",
    "POST /jobs/adapt",
    "POST /jobs/retention",
    "GET /live",
    "POST /live",
    "POST /live/find",
    "POST /live/pause",
    "POST /live/remove",
    "POST /live/try",
    "GET /api/v1/cameras/{name}/live",
    "PUT /api/v1/cameras/{name}/live",
    "DELETE /api/v1/cameras/{name}/live",
    "POST /api/v1/cameras/{name}/live/try",
    "GET /models",
    "POST /models",
    "POST /models/{name}/use",
    "GET /settings",
    "POST /settings/nightly",
    "POST /settings/positions",
    "POST /settings/reason",
    "POST /settings/retention",
    "POST /api/v1/jobs/adapt",
    "POST /api/v1/jobs/retention",
    "GET /api/v1/models",
    "POST /api/v1/models",
    "POST /api/v1/models/{name}/use",
    "GET /api/v1/settings",
    "PUT /api/v1/settings",
}


def routes_of(served: Served) -> list[APIRoute]:
    """All that can be asked for."""

    def walk(routes: list) -> Iterator[APIRoute]:
        for route in routes:
            if isinstance(route, APIRoute):
                yield route
            else:
                yield from walk(route.original_router.routes)

    return list(walk(served.application.routes))


def named(route: APIRoute) -> str:
    """Method and path."""
    return f"{' '.join(sorted(route.methods))} {route.path}"


def test_every_route_names_its_role(served: Served) -> None:
    roles = {named(route): route.openapi_extra["x-role"] for route in routes_of(served) if route.openapi_extra}
    assert len(roles) == len(routes_of(served)) > 15
    assert {path for path, role in roles.items() if role == "nobody"} == OPEN
    assert {path for path, role in roles.items() if role == "admin"} == ADMINS


def test_a_route_without_a_role_cannot_be_made() -> None:
    routes = Routes()
    with pytest.raises(TypeError):
        routes.get("/x")(lambda: None)
    with pytest.raises(TypeError):
        routes.add("/x", lambda: None)  # type: ignore[call-arg]


def address_of(route: APIRoute) -> str:
    return re.sub(r"\{number\}", "4294967297", re.sub(r"\{key\}", "abc", route.path)).replace("{index}", "0")


def test_nobody_is_answered_without_a_session(served: Served) -> None:
    stranger = served.stranger()
    closed = [route for route in routes_of(served) if named(route) not in OPEN]
    assert len(closed) > 12
    audited = len(served.site.audit())
    for route in closed:
        for method in route.methods:
            answer = stranger.request(method, address_of(route))
            assert answer.status_code == 401, route.path
            if route.path.startswith("/api/") and method == "GET":
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["status"] == 401
    assert stranger.get("/api/v1/openapi.json").status_code == 401
    assert len(served.site.audit()) == audited


def test_a_role_below_is_refused(served: Served) -> None:
    visitor = served.visitor()
    session = served.access.session(visitor.cookies["sightline"])
    assert session is not None
    session.role = Role.VIEWER
    assert visitor.get("/cameras").status_code == 200
    for path in ("/audit", "/users", "/api/v1/audit"):
        assert visitor.get(path).status_code == 403


def test_the_link_is_left_behind(served: Served) -> None:
    stranger = served.stranger()
    stranger.cookies.set("sightline", "chosen-by-somebody")
    link = served.access.new_link()
    answer = stranger.get("/enter", params={"token": link})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "chosen-by-somebody" not in cookie
    assert served.site.audit()[-1].action == "sign in"
    assert served.stranger().get("/enter", params={"token": link}).status_code == 403


def test_signing_out_ends_the_session(served: Served) -> None:
    visitor = served.visitor()
    secret = visitor.cookies["sightline"]
    assert visitor.post("/leave").headers["location"] == "/left"
    stranger = served.stranger()
    stranger.cookies.set("sightline", secret)
    assert stranger.get("/").status_code == 401
    assert stranger.get("/left").status_code == 200


PLACES = (
    "/",
    "/cameras",
    "/nothing",
    "/tracklets/1",
    "/tracklets/x",
    "/flow?after=<b>",
    "/static/style.css",
    "/healthz",
)


@pytest.mark.parametrize("place", PLACES)
def test_every_answer_has_the_strict_headers(served: Served, place: str) -> None:
    for client in (served.visitor(), served.stranger()):
        answer = client.get(place)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, place
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert not re.search(r"<[^>]+ (style|on\w+)=|<style|<script>|https?://(?!127)", answer.text), place
        assert "<b>" not in answer.text


def test_another_name_for_this_machine_is_not_answered(served: Served) -> None:
    visitor = served.visitor()
    for host in ("evil.example", "127.0.0.1", "127.0.0.1:81", ""):
        assert visitor.get("/healthz", headers={"host": host}).status_code == 421


def test_pages_of_other_sites_can_send_nothing(served: Served, still: bytes) -> None:
    visitor = served.visitor()
    key = visitor.headers.pop("x-sightline-key")
    files = {"still": ("x.jpg", still, "image/jpeg")}
    for origin in ("https://evil.example", "null", f"http://{HOST}.evil.example"):
        assert visitor.post("/stills", files=files, data={"key": key}, headers={"origin": origin}).status_code == 403
    for wrong in ({}, {"key": ""}, {"key": key[:-1]}, {"key": "é"}):
        assert visitor.post("/stills", files=files, data=wrong).status_code == 403
    assert visitor.post("/leave").status_code == 403
    other = served.visitor().headers["x-sightline-key"]
    assert visitor.post("/stills", files=files, data={"key": other}).status_code == 403
    right = visitor.post("/stills", files=files, data={"key": key}, headers={"origin": f"http://{HOST}"})
    assert right.status_code == 303


def test_a_still_leads_to_its_matches(served: Served, still: bytes) -> None:
    visitor = served.visitor()
    sent = visitor.post("/stills", files={"still": ("../../x.jpg", still, "text/html")})
    assert sent.status_code == 303 and sent.headers["location"].endswith("/search?person=1")
    answer = visitor.get(sent.headers["location"])
    assert answer.status_code == 200, answer.text
    found = [int(number) for number in re.findall(r'href="/tracklets/(\d+)"', answer.text)]
    asked = next(iter(served.who))
    assert served.who[found[0]] == served.who[asked]
    entry = served.site.audit()[-1]
    assert (entry.action, entry.who, entry.session) == ("query", "alice", "web, testclient")
    assert set(found) == set(entry.details["results"])
    one = visitor.get(f"{sent.headers['location']}&camera=camera1&after=2026-11-20T14:00")
    shown = {int(number) for number in re.findall(r'href="/tracklets/(\d+)"', one.text)}
    table = served.site.searchable_table()
    assert shown and {table.names[k] for k in table.cameras[table.at(np.array(sorted(shown)))]} == {"camera1"}


def test_a_still_is_its_sessions_own_and_for_a_while(served: Served, still: bytes) -> None:
    visitor, other = served.visitor(), served.visitor()
    where = visitor.post("/stills", files={"still": still}).headers["location"]
    assert visitor.get(where).status_code == 200
    assert other.get(where).status_code == 404
    assert visitor.get(where.replace("person=1", "person=2")).status_code == 404


def bomb() -> bytes:
    """A PNG of 60,000 × 60,000 px in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def svg() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def html_in_gif() -> bytes:
    return b"GIF89a/*<script>alert(1)</script>*/" + bytes(40)


@pytest.mark.parametrize("make", [bomb, svg, html_in_gif, bytes, lambda: b"%PDF-1.7", lambda: b"\xff\xd8\xff\xe0" * 9])
def test_what_is_no_picture_is_refused_in_a_sentence(served: Served, make: object) -> None:
    assert callable(make)
    data = make()
    for place in ("/stills", "/api/v1/search"):
        answer = served.visitor().post(place, files={"still": ("x.jpg", data, "image/jpeg")})
        assert answer.status_code == 422, answer.text
        assert "alert(1)" not in answer.text


def test_too_much_is_refused_before_it_is_read(served: Served) -> None:
    visitor = served.visitor()

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(2**20)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    said = {**headers, "content-length": str(10**12)}
    assert visitor.post("/stills", content=b"--x\r\n", headers=said).status_code == 413
    assert visitor.post("/stills", content=b"--x\r\n", headers={**headers, "content-length": "-1"}).status_code == 413
    assert visitor.post("/stills", content=endless(), headers=headers).status_code in {400, 413}
    assert served.stranger().post("/stills", content=b"--x", headers=headers).status_code == 401


def test_paths_stay_inside(served: Served) -> None:
    visitor = served.visitor()
    for place in (
        "/static/..%2f..%2fserve.js",
        "/static/%2e%2e/still.js",
        "/static/nothing.js",
        "/tracklets/..%2f..%2faudit",
        "/stills/..%2f..%2fsite.db",
        "/../../etc/passwd",
    ):
        assert visitor.get(place).status_code in {404, 422}, place
    assert visitor.get("/static/still.js").headers["content-type"].startswith("text/javascript")


def test_numbers_that_no_tracklet_has(served: Served) -> None:
    visitor = served.visitor()
    for number in ("0", "1", str(2**63 - 1), str(2**63), str(10**30), "-1", "x", "1e3"):
        for place in ("", "/search", "/moment.mp4", "/film", "/film.json"):
            assert visitor.get(f"/tracklets/{number}{place}").status_code in {404, 422}, number
        assert visitor.get("/go", params={"tracklet": number}).status_code in {404, 422}


def test_a_tracklet_is_shown_and_noted(served: Served) -> None:
    visitor, number = served.visitor(), next(iter(served.who))
    answer = visitor.get(visitor.get("/go", params={"tracklet": number}).headers["location"])
    assert answer.status_code == 200
    assert answer.text.count("data:image/jpeg") == len(served.site.crops(number))
    assert "can't be played" in answer.text  # it was never filmed
    assert (served.site.audit()[-1].action, served.site.audit()[-1].details) == ("view", {"tracklet": number})
    gone = visitor.get(f"/tracklets/{number}/moment.mp4")
    assert gone.status_code == 404 and "not where it was" in gone.text


def test_the_api_says_the_same(served: Served, still: bytes) -> None:
    visitor = served.visitor()
    assert [camera["camera"] for camera in visitor.get("/api/v1/cameras").json()] == ["camera0", "camera1", "camera2"]
    ids: list[int] = []
    after: int | None = 0
    while after is not None:
        part = visitor.get("/api/v1/tracklets", params={"from_id": after, "limit": 7}).json()
        ids += [tracklet["id"] for tracklet in part["tracklets"]]
        after = part["next"]
    assert ids == sorted(served.site.searchable_table().ids.tolist())
    found = visitor.post("/api/v1/search", files={"still": still}).json()
    assert served.who[found["people"][0]["matches"][0]["tracklet"]] == served.who[next(iter(served.who))]
    same = visitor.get(f"/api/v1/tracklets/{ids[0]}/search", params={"top": 3}).json()
    assert len(same["people"][0]["matches"]) == 3
    rows = visitor.get("/api/v1/audit", params={"last": 2}).json()
    assert [row["action"] for row in rows] == ["query", "query"]
    wrong = visitor.get("/api/v1/flow")
    assert wrong.status_code == 422 and "app.merge" in wrong.json()["detail"]
    assert visitor.get("/api/v1/nothing").json()["status"] == 404
    assert visitor.get("/api/v1/tracklets", params={"limit": 0}).json()["status"] == 422
    assert visitor.get("/api/v1/tracklets", params={"camera": "attic"}).status_code == 404
    assert visitor.get("/api/v1/tracklets/" + str(ids[0]) + "/search?camera=attic").status_code == 404


def test_the_schema_names_all_routes_of_the_api(served: Served) -> None:
    schema = served.visitor().get("/api/v1/openapi.json").json()
    listed = {route.path for routes in api.ALL for route in routes.routes if isinstance(route, APIRoute)}
    assert set(schema["paths"]) == listed
    shown = {route.path for routes in pages.ALL for route in routes.routes if isinstance(route, APIRoute)}
    assert len(shown) > 10 and not shown & set(schema["paths"])


def test_a_grey_and_a_wide_picture_are_read(served: Served) -> None:
    for size, mode in (((64, 128), "L"), ((2000, 40), "RGB")):
        file = io.BytesIO()
        Image.new(mode, size, 128).save(file, "PNG")
        sent = served.visitor()
        answer = sent.post("/stills", files={"still": file.getvalue()})
        assert answer.status_code == 303
        assert sent.get(answer.headers["location"]).status_code == 200


def test_the_health_needs_nobody_and_tells_nothing(served: Served) -> None:
    client: TestClient = served.stranger()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert MOST_BYTES < 2**27


def test_a_persons_word_is_kept_and_taken_back(served: Served) -> None:
    visitor = served.visitor()
    number, other = sorted(served.who)[:2]
    place = f"/tracklets/{number}/corrections"
    for said in ("join", "split"):
        answer = visitor.post(place, data={"other": other, "kind": said})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/tracklets/{number}/search")
        assert [(c.kind, c.a, c.b) for c in served.site.corrections()] == [(said, number, other)]
        entry = served.site.audit()[-1]
        assert (entry.action, entry.who, entry.details) == ("correct", "alice", {"said": said, "of": [number, other]})
        shown = visitor.get(answer.headers["location"]).text
        assert f'value="{said}" aria-pressed="true"' in shown
    api_place = f"/api/v1/tracklets/{other}/corrections"
    assert visitor.post(api_place, json={"other": number, "said": "join"}).json() == [{"other": number, "said": "join"}]
    assert visitor.post(api_place, json={"other": number, "said": "unsure"}).json() == []
    assert served.site.corrections() == []
    for wrong in ({"other": number, "said": "maybe"}, {"other": -1, "said": "join"}, {}):
        assert visitor.post(api_place, json=wrong).status_code == 422
    for nobody, status in ((other, 422), (5, 404)):  # itself, and who is not there
        assert visitor.post(api_place, json={"other": nobody, "said": "join"}).status_code == status
    session = served.access.session(visitor.cookies["sightline"])
    assert session is not None
    session.role = Role.VIEWER
    assert visitor.post(place, data={"other": other, "kind": "join"}).status_code == 403
    assert served.site.corrections() == []
