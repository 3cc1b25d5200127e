"""A served site, and somebody who came by its link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.record import Site
from app.record.users import Users
from app.web.access import Access
from app.web.application import make_application
from tests.app.records import site_in
from tests.app.sites import People, figure_site
from tests.app.web.browsing import CHROMIUM, FLAGS

HOST = "127.0.0.1:8080"
PASSWORD = "correct horse battery"  # of all users


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Served:
    """A site under its address."""

    site: Site
    who: People
    access: Access
    clock: Clock
    application: FastAPI

    def stranger(self, address: str = "testclient") -> TestClient:
        """Somebody without a session. address: where they come from."""
        return TestClient(
            self.application,
            base_url=f"http://{HOST}",
            follow_redirects=False,
            raise_server_exceptions=False,
            client=(address, 50000),
        )

    def visitor(self) -> TestClient:
        """Somebody who came by a link. Forms get its session's key."""
        client = self.stranger()
        assert client.get("/enter", params={"token": self.access.new_link()}).status_code == 303
        return self._with_key(client)

    def user(self, name: str) -> TestClient:
        """A user who signed in with PASSWORD. Forms get their session's key."""
        client = self.stranger()
        assert client.post("/sign-in", data={"name": name, "password": PASSWORD}).status_code == 303
        return self._with_key(client)

    def _with_key(self, client: TestClient) -> TestClient:
        session = self.access.session(client.cookies["sightline"])
        assert session is not None
        client.headers["x-sightline-key"] = session.form_key
        return client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = site_in(tmp_path_factory.mktemp("served"))
    who = figure_site(path, people=6, cameras=3, sightings=1)
    clock = Clock()
    with Site.open_to_write(path) as site:
        access = Access(Users(site.database), "alice", clock)
        yield Served(site, who, access, clock, make_application(site, access, {HOST}))


@pytest.fixture
def still(served: Served) -> bytes:
    """A picture of somebody whom the site knows."""
    tracklet = next(iter(served.who))
    return served.site.crop_jpeg(served.site.crops(tracklet)[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return site_in(tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
