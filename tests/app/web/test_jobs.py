"""Jobs, models and settings over HTTP: who may ask for what, how far it is, and what is told as it goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.record import Site
from app.record.job_logs import JobLogs
from app.record.jobs import Status, ask, begin_next, end, job
from app.record.settings import Nightly, SiteSettings, read_settings
from app.record.users import Role, Users
from app.web.access import IDLE_SECONDS, Access
from app.web.application import make_application
from app.web.jobs.runner import Task
from tests.app.records import copy_of, site_in
from tests.app.sites import add_version, figure_site
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = site_in(tmp_path_factory.mktemp("made"))
    figure_site(path, people=2, cameras=2)
    with Site.open_to_write(path) as site:
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        users.add("operator", PASSWORD, Role.OPERATOR, None, who="test")
        users.add("guard", PASSWORD, Role.OPERATOR, ["camera0"], who="test")
    return path


@pytest.fixture
def served(made: Path, tmp_path: Path) -> Iterator[Served]:
    """A copy of that site, whose jobs nobody does."""
    clock = Clock()
    with Site.open_to_write(copy_of(made, tmp_path)) as site:
        access = Access(Users(site.database), "alice", clock)
        yield Served(site, {}, access, clock, make_application(site, access, {HOST}))


def test_work_is_asked_for_and_taken_back(served: Served) -> None:
    client = served.visitor()
    assert "Nothing was asked for yet" in client.get("/jobs").text
    assert client.post("/jobs/merge", data={}).headers["location"] == "/jobs/1"
    assert client.post("/jobs/adapt", data={"minutes": "2.5", "method": "uga"}).headers["location"] == "/jobs/2"
    made = client.post("/api/v1/jobs/merge", json={"method": "utal"})
    assert made.status_code == 202 and made.json()["options"] == {"method": "utal"}
    assert client.post("/api/v1/jobs/retention").json()["kind"] == "retention"
    listed = client.get("/api/v1/jobs", params={"limit": 3}).json()
    assert [one["id"] for one in listed["jobs"]] == [4, 3, 2] and listed["next"] == 2
    assert [one["id"] for one in client.get("/api/v1/jobs?before=2").json()["jobs"]] == [1]
    assert client.post("/jobs/2/cancel").headers["location"] == "/jobs/2"
    assert client.post("/jobs/2/cancel").status_code == 409
    assert client.post("/api/v1/jobs/3/cancel").json()["status"] == "cancelled"
    begin_next(served.site.database)
    JobLogs(served.site.path).append(1, "<script>alert(1)</script> 100 %")
    end(served.site.database, 1, Status.failed, problem="The <b>disk</b> is full.")
    page = client.get("/jobs/1").text
    assert "The &lt;b&gt;disk&lt;/b&gt; is full." in page and "&lt;script&gt;alert(1)" in page
    assert client.get("/api/v1/jobs/1/log").text == "<script>alert(1)</script> 100 %\n"
    assert client.get("/api/v1/jobs/1/log").headers["content-type"].startswith("text/plain")
    for place in ("/jobs/9", "/api/v1/jobs/9", "/api/v1/jobs/9/log", "/api/v1/jobs/9/events"):
        assert client.get(place).status_code == 404


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "1e9", "x", ""])
def test_options_are_checked_when_they_are_asked_for(served: Served, minutes: str) -> None:
    client = served.visitor()
    assert client.post("/jobs/adapt", data={"minutes": minutes, "method": "x"}).status_code == 422
    assert client.post("/api/v1/jobs/adapt", json={"minutes": minutes}).status_code == 422
    assert client.post("/api/v1/jobs/merge", json={"method": "x"}).status_code == 422
    assert client.post("/api/v1/jobs/merge", json={"path": "/etc"}).status_code == 422
    assert client.post("/models/nothing/use").status_code == 422
    assert client.get("/api/v1/jobs").json()["jobs"] == []


def test_each_role_asks_for_its_own_work(served: Served) -> None:
    operator, guard, root = (served.user(name) for name in ("operator", "guard", "root"))
    assert operator.post("/jobs/merge").status_code == 303
    root.post("/jobs/adapt", data={"minutes": "1"})
    assert operator.get("/jobs/2").status_code == 200 and "Cancel" not in operator.get("/jobs/2").text
    assert operator.post("/jobs/2/cancel").status_code == 403
    assert operator.post("/jobs/1/cancel").status_code == 303
    for place in ("/jobs/adapt", "/jobs/retention", "/models", "/models/base/use", "/settings/nightly"):
        assert operator.post(place).status_code == 403, place
    for place in ("/models", "/settings", "/api/v1/settings", "/api/v1/models"):
        assert operator.get(place).status_code == 403 and root.get(place).status_code == 200, place
    for place in ("/jobs", "/jobs/1", "/api/v1/jobs/1/events", "/api/v1/jobs/1/log"):
        assert guard.get(place).status_code == 403, place
    assert guard.post("/jobs/merge").status_code == 403
    key = served.access.users.add_key("operator", "nightly", ["jobs"], who="test")
    program = served.stranger()
    program.headers["authorization"] = f"Bearer {key}"
    assert program.post("/api/v1/jobs/merge", json={}).status_code == 202
    assert program.get("/api/v1/models").status_code == 403


def events(text: str) -> list[Any]:
    """What a stream told: objects, and the names of other events."""
    parts = [dict(line.split(":", 1) for line in part.split("\n")) for part in text.strip().split("\n\n")]
    return [part["event"].strip() if "event" in part else json.loads(part["data"]) for part in parts]


def test_a_stream_tells_of_a_job_to_its_end(served: Served) -> None:
    client, runner = served.visitor(), served.application.state.opened.runner
    number = ask(served.site.database, "merge", {}, who="alice").id
    looks = 0

    def tasks_of(asked: int) -> list[Task]:
        nonlocal looks
        looks += 1
        if looks == 2:
            begin_next(served.site.database)
        if looks == 4:
            end(served.site.database, number, Status.done, report={"identities": 2})
        return [Task("tracklets embedded", looks, 9)] if looks > 1 else []

    runner.tasks_of = tasks_of
    answer = client.get(f"/api/v1/jobs/{number}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    assert told[-1] == "end" and told[-2]["status"] == "done" and told[-2]["report"] == {"identities": 2}
    assert told[0]["status"] == "waiting" and told[0]["tasks"] == []
    assert {"task": "tracklets embedded", "done": 2, "total": 9} in [task for one in told[:-1] for task in one["tasks"]]
    assert f'data-events="/api/v1/jobs/{number}/events"' not in client.get(f"/jobs/{number}").text


def stream(served: Served, cookie: str, path: str) -> Any:
    """A stream's messages as an ASGI application sends them, until it ends or is left."""

    async def listen(leave_after: int | None = None) -> list[str]:
        came: list[str] = []
        left = asyncio.Event()

        async def receive() -> Any:
            if not came:
                await asyncio.sleep(0)
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                came.append(str(message["status"]))
            elif message.get("body"):
                came.append(message["body"].decode())
                if leave_after is not None and len(came) > leave_after:
                    left.set()

        headers = [(b"host", HOST.encode()), (b"cookie", f"sightline={cookie}".encode())]
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
        }
        scope |= {"raw_path": path.encode(), "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1)}
        scope |= {"server": ("127.0.0.1", 8080), "scheme": "http", "root_path": ""}
        await asyncio.wait_for(served.application(scope, receive, send), 20)
        return came

    return listen


def test_a_stream_ends_with_its_session_its_listener_and_its_server(served: Served) -> None:
    streams = served.application.state.streams
    number = ask(served.site.database, "merge", {}, who="alice").id
    path = f"/api/v1/jobs/{number}/events"

    def ended_by(what: Any) -> float:
        cookie = served.visitor().cookies["sightline"]

        async def both() -> float:
            listening = asyncio.ensure_future(stream(served, cookie, path)())
            while not streams._open:
                await asyncio.sleep(0.01)
            began = time.monotonic()
            what(cookie)
            await listening
            return time.monotonic() - began

        took = asyncio.run(both())
        assert streams._open == 0
        return took

    assert ended_by(served.access.leave) < 5
    assert ended_by(lambda _: setattr(served.clock, "seconds", served.clock.seconds + IDLE_SECONDS + 1)) < 5
    left = asyncio.run(stream(served, served.visitor().cookies["sightline"], path)(leave_after=1))
    assert left[0] == "200" and streams._open == 0
    streams.end_with(lambda: True)
    assert asyncio.run(stream(served, served.visitor().cookies["sightline"], path)()) == ["200"]


def test_a_stream_keeps_no_session_alive_and_hears_of_rights(served: Served) -> None:
    client = served.user("operator")
    session = served.access.session(client.cookies["sightline"])
    assert session is not None
    asked = session.asked
    served.clock.seconds += 60
    request: Any = None
    assert served.access.lasts(session, request) and session.asked == asked
    served.access.users.change("operator", Role.OPERATOR, ["camera0"], who="test")
    assert not served.access.lasts(session, request)


def test_streams_are_bounded(served: Served) -> None:
    number = ask(served.site.database, "merge", {}, who="alice").id
    served.application.state.streams._open = 16
    refused = served.visitor().get(f"/api/v1/jobs/{number}/events")
    assert refused.status_code == 503 and "Too many" in refused.json()["title"]


def test_models_are_shown_with_figures_and_curves(served: Served) -> None:
    curves = {"steps": [1, 2, 3], "losses": {"pctd": [3.0, 2.0, 1.5], "ccta": [None, 1.0, 0.5]}}
    gate = {"score": 0.61, "company": 0.5, "cycle": None}
    summary = {"method": "merged", "curves": curves, "gate": gate, "gate_before": gate | {"score": 0.5}}
    model = replace(add_version(served.site.path, "v1"), status="deployed", summary=summary | {"served": "base"})
    served.site.add_model(model)
    client = served.visitor()
    page = client.get("/models").text
    assert page.count("data:image/svg+xml") == 2 and "0.610" in page and "Let v1 serve" in page
    assert [(model["name"], model["serving"]) for model in client.get("/api/v1/models").json()] == [
        ("base", True),
        ("v1", False),
    ]
    assert client.get("/api/v1/models").json()[1]["summary"]["curves"] == curves
    assert client.post("/models/v1/use").headers["location"] == "/jobs/1"
    used = job(served.site.database, 1)
    assert used is not None and (used.kind, used.options) == ("models use", {"model": "v1"})
    assert client.post("/api/v1/models/base/use").status_code == 202


def test_an_encoder_is_sent_and_waits_to_be_added(served: Served) -> None:
    client = served.visitor()
    files = {"encoder": ("../../lean.onnx", b"onnx" * 10, "text/html")}
    sent = client.post("/models", files=files, data={"name": "lean", "input": "bgr", "scale": "half", "force": "true"})
    assert sent.headers["location"] == "/jobs/1"
    asked = job(served.site.database, 1)
    assert asked is not None and asked.kind == "models add"
    assert {k: asked.options[k] for k in ("name", "input", "scale", "force", "label")} == {
        "name": "lean",
        "input": "bgr",
        "scale": "half",
        "force": True,
        "label": "../../lean.onnx",
    }
    assert client.post("/api/v1/models", files=files, data={"name": "lean2"}).status_code == 202
    for name in ("v7", "base", "../x", "", "x" * 65):
        assert client.post("/api/v1/models", files=files, data={"name": name}).status_code == 422, name
    wrong = client.post("/models", files={"encoder": ("x.exe", b"MZ")}, data={"name": "lean3"})
    assert wrong.status_code == 422 and "is no encoder" in wrong.text
    assert client.get("/footage").text.count("lean") == 0  # it is no footage


def test_settings_are_settled_by_forms_and_by_programs(served: Served) -> None:
    client, database = served.visitor(), served.site.database
    assert client.get("/settings").status_code == 200
    form = {"at": "03:30", "merge": "true", "minutes": "12"}
    assert client.post("/settings/nightly", data=form).headers["location"] == "/settings"
    data = {"camera": ["camera0", "camera1"], "days": ["30", " "]}
    assert client.post("/settings/retention", data=data).status_code == 303
    wanted = SiteSettings(Nightly("03:30", merge=True, adapt=False, minutes=12.0, retention=False), {"camera0": 30.0})
    assert read_settings(database) == wanted
    assert client.get("/api/v1/settings").json()["retention"] == {"camera0": 30.0}
    page = client.get("/settings").text
    assert 'value="03:30"' in page and 'value="30"' in page
    for wrong in (
        {"camera": ["camera0"], "days": ["x"]},
        {"camera": ["camera0"], "days": []},
        {"camera": ["camera0"], "days": ["-1"]},
        {"camera": ["nan"], "days": ["3"]},
        {"camera": ["camera0"], "days": ["nan"]},
    ):
        assert client.post("/settings/retention", data=wrong).status_code in {404, 422}, wrong
    assert client.post("/settings/nightly", data={"at": "25:00"}).status_code == 422
    assert client.put("/api/v1/settings", json={"retention": {"attic": 3}}).status_code == 404
    assert client.put("/api/v1/settings", json={"nightly": {"at": "3"}}).status_code == 422
    assert client.put("/api/v1/settings", json={"surprise": 1}).status_code == 422
    assert read_settings(database) == wanted
    assert client.put("/api/v1/settings", json={"retention": {"camera1": 1.5}}).json()["nightly"]["at"] is None
    assert [row.who for row in served.site.audit() if row.action == "settings"] == ["alice"] * 3
