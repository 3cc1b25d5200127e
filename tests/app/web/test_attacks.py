"""Attacks on a served site that no other test tries. SECURITY.md lists all of them with their tests."""

from __future__ import annotations

import ast
import base64
import io
import re
from urllib.parse import quote

import pytest
from PIL import Image

from app.record.users import Role
from tests.app.scenes import ROOT
from tests.app.web.conftest import PASSWORD, Served

MARKUP = "<img src=x onerror=alert(1)>"


def test_the_list_of_attacks_names_tests_that_are_there() -> None:
    listed = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(listed) >= 30
    for path, name in listed:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_a_forged_cookie_opens_nothing(served: Served) -> None:
    real = served.visitor().cookies["sightline"]
    for forged in ("", "admin", "1", real[:-1], real + "x", real.swapcase(), "proxy 127.0.0.1 alice", "{}", "é" * 40):
        stranger = served.stranger()
        stranger.headers["cookie"] = f"sightline={quote(forged)}"
        assert stranger.get("/").status_code == 401, forged
        assert stranger.post("/leave").status_code == 401


def test_nothing_that_is_sent_becomes_a_header(served: Served) -> None:
    served.access.users.add("heads", PASSWORD, Role.VIEWER, None, who="test")
    line = "/x\r\nSet-Cookie: stolen=1\r\n\r\n<script>"
    data = {"name": "heads", "password": PASSWORD, "then": line}
    answer = served.stranger().post("/sign-in", data=data)
    assert answer.status_code == 303 and "stolen" not in answer.cookies
    assert "\r" not in answer.headers["location"] and "\n" not in answer.headers["location"]
    visitor = served.visitor()
    for place in ("/stills/", "/tracklets/", "/cameras/", "/nothing/"):
        told = visitor.get(place + quote(line))
        assert told.status_code < 500 and "stolen" not in told.cookies and "<script>" not in told.text
        assert not any("stolen" in value for value in told.headers.values())


def test_a_picture_that_is_a_page_is_shown_as_a_picture(served: Served) -> None:
    file = io.BytesIO()
    Image.new("RGB", (200, 400), (90, 120, 60)).save(file, "JPEG", comment=b"<script>alert(1)</script>")
    polyglot = file.getvalue() + b"<html><script>alert(2)</script></html>"
    visitor = served.visitor()
    sent = visitor.post("/stills", files={"still": ("page.html", polyglot, "text/html")})
    assert sent.status_code == 303
    shown = visitor.get(sent.headers["location"])
    assert shown.headers["content-type"].startswith("text/html") and "alert(" not in shown.text
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", shown.text)
    assert pictures
    assert not any(b"alert(" in base64.b64decode(picture) for picture in pictures)  # encoded anew


def test_no_picture_is_decoded_by_the_server(served: Served, still: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded_here(*_: object) -> object:
        raise AssertionError("the server decodes what somebody sent")

    monkeypatch.setattr("app.search.still._decode", decoded_here)
    visitor = served.visitor()
    assert visitor.post("/stills", files={"still": ("x.jpg", still, "image/jpeg")}).status_code == 303
    assert visitor.post("/api/v1/search", files={"still": ("x.jpg", still, "image/jpeg")}).status_code == 200
    kept = visitor.post("/api/v1/searches/still", data={"name": "x"}, files={"still": ("x.jpg", still)})
    assert kept.status_code in {200, 201}, kept.text


def test_names_that_people_give_are_text(served: Served, still: bytes) -> None:
    visitor, number = served.visitor(), next(iter(served.who))
    assert visitor.post("/users", data={"name": MARKUP, "password": PASSWORD, "role": "viewer"}).status_code == 422
    assert visitor.post("/cases", data={"name": MARKUP, "note": MARKUP}).status_code == 303
    kept = visitor.post("/api/v1/searches", json={"name": MARKUP, "tracklet": number})
    assert kept.status_code in {200, 201}, kept.text
    sent = visitor.post("/stills", files={"still": (MARKUP, still, MARKUP)})
    places = ["/", "/cases", "/cases/1", "/users", "/audit", sent.headers["location"], f"/tracklets/{number}"]
    told = 0
    for place in places:
        shown = visitor.get(place).text
        assert MARKUP not in shown, place
        told += "&lt;img src=x" in shown
    assert told >= 2  # they are shown, as text


def test_a_cameras_address_leads_to_no_secret_of_a_machine(served: Served) -> None:
    visitor, secret = served.visitor(), "hunter2"
    inside = ("127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]")
    metadata = ("169.254.169.254", "[fe80::1]", "100.100.100.200", "[fd00:ec2::254]", "168.63.129.16")
    addresses = [f"{scheme}://{host}/latest" for scheme in ("http", "rtsp") for host in (*inside, *metadata)]
    addresses += [f"{scheme}:///etc/passwd" for scheme in ("file", "concat", "pipe", "data", "gopher", "ftp")]
    addresses += ["http://10.0.0.1/x.m3u8", "http://10.0.0.1\r\nHost: x/", "-i /etc/passwd"]
    for address in addresses:
        form = {"name": "gate", "address": address, "user": "me", "password": secret}
        body = {name: form[name] for name in ("address", "user", "password")}
        for answer in (
            visitor.post("/live", data=form),
            visitor.post("/live/try", data=form),
            visitor.put("/api/v1/cameras/gate/live", json=body),
            visitor.post("/api/v1/cameras/gate/live/try", json=body),
        ):
            assert answer.status_code == 422 and secret not in answer.text, address
    for name in ("..", "../../etc", "a/b", "a\\b", ".ssh"):
        assert visitor.post("/live", data={"name": name, "device": "0"}).status_code == 422, name
    assert not (served.site.path / "site.toml").exists()
    assert "try camera" not in {entry.action for entry in served.site.audit()}  # nothing was connected to
