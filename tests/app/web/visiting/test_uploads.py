"""Footage that comes over HTTP: whole, in pieces, after a break, and what is refused of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.record import Site
from app.record.jobs import Status, end, job
from app.record.uploads import FOLDER, MOST_BYTES, Uploads
from app.record.users import Role, Users
from app.web.access import Access
from app.web.application import make_application
from app.web.visiting.uploads import MOST_CHUNK
from tests.app.records import copy_of, site_in
from tests.app.sites import figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served
from tests.clips import render_clip

PLACE = "/api/v1/footage/uploads"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return render_clip(tmp_path_factory.mktemp("film") / "a.mp4", 12).path.read_bytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with `root`, and `guard` who sees camera0 alone."""
    path = site_in(tmp_path_factory.mktemp("made"))
    figure_site(path, people=2, cameras=2)
    with Site.open_to_write(path) as site:
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("guard", PASSWORD, Role.OPERATOR, ["camera0"], who="test")
        users.add("looker", PASSWORD, Role.VIEWER, None, who="test")
    return path


@pytest.fixture
def served(made: Path, tmp_path: Path) -> Iterator[Served]:
    """A copy of it, whose jobs nobody does."""
    clock = Clock()
    with Site.open_to_write(copy_of(made, tmp_path)) as site:
        access = Access(Users(site.database), "alice", clock)
        yield Served(site, {}, access, clock, make_application(site, access, {HOST}))


def announce(client: TestClient, film: bytes, **changes: Any) -> Any:
    return client.post(PLACE, json={"camera": "gate", "name": "evening.mp4", "size": len(film)} | changes)


def send(client: TestClient, number: str, offset: int, data: bytes) -> Any:
    return client.patch(f"{PLACE}/{number}", content=data, headers={"upload-offset": str(offset)})


def test_a_film_comes_in_pieces_after_a_break(served: Served, film: bytes) -> None:
    client = served.visitor()
    sha256 = hashlib.sha256(film).hexdigest()
    made = announce(client, film, start=1795185000.0, sha256=sha256)
    assert made.status_code == 201
    number = made.json()["id"]
    assert send(client, number, 0, film[:1000]).json() == {"offset": 1000}
    assert send(client, number, 0, film[:1000]).json() == {"offset": 1000}  # the answer was lost
    wrong = send(client, number, 500, film[500:])
    assert wrong.status_code == 409 and "1000 have come" in wrong.json()["detail"]
    early = client.post(f"{PLACE}/{number}/finish")
    assert early.status_code == 422 and "send the rest" in early.json()["detail"]
    other = served.visitor()  # after a break, by another session
    (state,) = other.get(PLACE).json()
    assert (state["id"], state["offset"], state["state"], state["job"]) == (number, 1000, "coming", None)
    assert send(other, number, 1000, film[1000:] + b"more").status_code == 409
    assert send(other, number, 1000, film[1000:]).json() == {"offset": len(film)}
    done = other.post(f"{PLACE}/{number}/finish")
    assert done.status_code == 202 and done.json()["state"] == "waiting"
    assert other.post(f"{PLACE}/{number}/finish").json() == done.json()  # the answer was lost
    asked = job(served.site.database, done.json()["job"])
    assert asked is not None and asked.kind == "ingest"
    assert asked.options == {"upload": number, "label": "evening.mp4", "camera": "gate"}
    rows = [(row.action, row.who) for row in served.site.audit() if row.action in ("upload", "job")]
    assert rows == [("upload", "alice"), ("job", "alice")]


def test_a_form_brings_a_film_without_a_script(served: Served, film: bytes) -> None:
    client = served.visitor()
    files = {"film": ("../../2026-11-20_14-30-05.MKV", film, "text/html")}
    sent = client.post("/footage", files=files, data={"camera": " gate ", "start": ""})
    assert sent.status_code == 303 and sent.headers["location"] == "/jobs/1"
    (upload,) = Uploads(served.site.path).all()
    assert (upload.wish.camera, upload.wish.start, upload.wish.suffix) == ("gate", 1795185005.0, ".mkv")
    (whole,) = (path for path in (served.site.path / FOLDER).rglob("*.mkv"))
    assert whole.read_bytes() == film and whole.stem == upload.id
    shown = client.get("/footage")
    assert shown.status_code == 200 and "2026-11-20_14-30-05.MKV" in shown.text and "waiting" in shown.text
    assert "waits until the job before it" in client.get("/jobs/1").text


def bad() -> list[tuple[str, bytes]]:
    return [
        ("text", b"no film at all" * 100),
        ("script", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("playlist", b"#EXTM3U\nhttp://192.0.2.1/x.ts\n"),
        ("concat", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("zeros", bytes(5000)),
    ]


@pytest.mark.parametrize(("name", "data"), bad())
def test_what_is_no_film_is_refused_and_removed(served: Served, name: str, data: bytes) -> None:
    client = served.visitor()
    number = announce(client, data, name="<b>x</b>.mp4").json()["id"]
    send(client, number, 0, data)
    refused = client.post(f"{PLACE}/{number}/finish")
    assert refused.status_code == 422 and refused.json()["title"] == "This is no film that can be read"
    assert str(served.site.path) not in refused.text and "<b>x</b>.mp4" in refused.json()["detail"]
    assert client.get(f"{PLACE}/{number}").status_code == 404
    page = client.post("/footage", files={"film": ("<b>x</b>", data)}, data={"camera": "gate"})
    assert page.status_code == 422 and "<b>" not in page.text
    assert not list((served.site.path / FOLDER).iterdir())
    assert job(served.site.database, 1) is None


def test_a_wrong_hash_is_refused_and_the_film_removed(served: Served, film: bytes) -> None:
    client = served.visitor()
    number = announce(client, film, sha256="0" * 64).json()["id"]
    send(client, number, 0, film)
    refused = client.post(f"{PLACE}/{number}/finish")
    assert refused.status_code == 422 and "SHA-256" in refused.json()["detail"]
    assert client.get(PLACE).json() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0},
        {"size": -1},
        {"size": MOST_BYTES + 1},
        {"size": 2**63},
        {"camera": ""},
        {"camera": "../x"},
        {"camera": "a\nb"},
        {"camera": ".x"},
        {"camera": "CAMERA0"},
        {"camera": "x" * 201},
        {"start": 1e300},
        {"start": -1.0},
        {"modified": 1e12},
        {"sha256": "g" * 64},
        {"name": "x" * 1001},
    ],
)
def test_what_can_not_come_is_refused_at_once(served: Served, film: bytes, changes: dict[str, Any]) -> None:
    client = served.visitor()
    refused = announce(client, film, **changes)
    assert refused.status_code == 422 and refused.headers["content-type"] == "application/problem+json"
    assert client.get(PLACE).json() == []


def test_a_label_may_be_any_text(served: Served, film: bytes) -> None:
    client = served.visitor()
    made = announce(client, film, name="\0<i>\n../\N{RIGHT-TO-LEFT OVERRIDE}4pm")
    assert made.status_code == 201 and client.get(PLACE).json()[0]["name"] == made.json()["name"]
    page = client.get("/footage")
    assert page.status_code == 200 and "<i>" not in page.text and "\0" not in page.text


def test_pieces_have_their_limits(served: Served, film: bytes) -> None:
    client = served.visitor()
    number = announce(client, film).json()["id"]
    assert send(client, number, 0, bytes(MOST_CHUNK + 1)).status_code == 413
    assert client.patch(f"{PLACE}/{number}", content=film).status_code == 422  # no offset
    assert send(client, number, -1, film).status_code == 422
    for place in ("..", "%2e%2e%2fsite.db", "b" * 20, "B" * 20, number.upper(), number + "x"):
        assert send(client, place, 0, film).status_code in {404, 405}
        assert (
            client.get(f"{PLACE}/{place}").status_code in {404, 200}
            and "offset" not in client.get(f"{PLACE}/{place}").text
        )


def test_a_full_disk_takes_no_film(served: Served, film: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.app.record.test_uploads import Free

    monkeypatch.setattr("shutil.disk_usage", lambda path: Free(2**40, 0, 2**29))
    refused = announce(served.visitor(), film)
    assert refused.status_code == 507 and "make room" in refused.json()["detail"]


def test_who_sees_one_camera_brings_footage_of_it_alone(served: Served, film: bytes) -> None:
    root, guard = served.user("root"), served.user("guard")
    secret = announce(root, film, camera="camera1", name="secret.mp4").json()["id"]
    for camera in ("camera1", "gate", "Camera0"):
        refused = announce(guard, film, camera=camera)
        assert refused.status_code == 404 and refused.json()["title"] == "There is no such camera"
    for answer in (
        guard.get(f"{PLACE}/{secret}"),
        send(guard, secret, 0, film),
        guard.post(f"{PLACE}/{secret}/finish"),
        guard.delete(f"{PLACE}/{secret}"),
        guard.post(f"/footage/{secret}/remove"),
    ):
        assert answer.status_code == 404
    own = announce(guard, film, camera="camera0").json()["id"]
    assert [state["id"] for state in guard.get(PLACE).json()] == [own]
    page = guard.get("/footage").text
    assert "secret" not in page and "camera1" not in page and "/jobs" not in page
    send(guard, own, 0, film)
    assert guard.post(f"{PLACE}/{own}/finish").status_code == 202
    assert guard.get("/jobs").status_code == guard.get("/api/v1/jobs/1").status_code == 403
    looker = served.user("looker")
    assert announce(looker, film).status_code == looker.get("/footage").status_code == 403


def test_who_may_remove_what(served: Served, film: bytes) -> None:
    root, guard = served.user("root"), served.user("guard")
    coming = announce(guard, film, camera="camera0").json()["id"]
    assert guard.delete(f"{PLACE}/{coming}").status_code == 204
    whole = announce(guard, film, camera="camera0").json()["id"]
    send(guard, whole, 0, film)
    number = guard.post(f"{PLACE}/{whole}/finish").json()["job"]
    assert guard.delete(f"{PLACE}/{whole}").status_code == 403
    assert root.delete(f"{PLACE}/{whole}").status_code == 409  # it is being taken in
    end(served.site.database, number, Status.failed, problem="it broke")
    assert root.get(f"{PLACE}/{whole}").json() | {"state": "not taken in", "problem": "it broke"}
    assert root.post(f"/footage/{whole}/remove").headers["location"] == "/footage"
    assert not list((served.site.path / FOLDER).iterdir())
    removed = [(row.who, row.details["upload"]) for row in served.site.audit() if row.action == "upload removed"]
    assert removed == [("guard", coming), ("root", whole)]
