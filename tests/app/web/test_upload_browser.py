"""Footage is brought by a page of a site that has nothing yet, watched as it is taken in, and its camera appears."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.record import Site
from tests.app.scenes import SIZE, people
from tests.app.web.browsing import NEEDS_CHROMIUM, enter
from tests.app.web.test_serve import serving
from tests.clips import render_clip

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return render_clip(tmp_path / "2026-11-20_14-30-00.mp4", people(120), size=SIZE).path


def test_a_film_is_brought_and_its_camera_appears(path: Path, film: Path, browser: Any) -> None:
    Site.create(path).close()
    with serving(path) as said:
        page, wrong = enter(browser, said["url"])
        page.click("nav summary")
        page.click("nav >> text=Footage")
        page.fill("[name=camera]", "Front <b>door")
        page.set_input_files("#film", film)
        page.click("#upload button")
        page.wait_for_url("**/jobs/1")
        page.wait_for_selector(".tasks progress", timeout=60_000)  # it is told as it goes on
        page.wait_for_selector("h1 .status.done", timeout=120_000)  # the page loads again by itself
        assert "ingest is done" in page.inner_text(".log[aria-label=Log]")
        page.click("nav >> text=Cameras")
        assert "Front <b>door" in page.locator("h2").all_inner_texts()
        assert "2026-11-20 14:30:00" in page.inner_text("main")
        page.click("nav summary")
        page.click("nav >> text=Footage")
        assert "taken in" in page.inner_text("table")
        assert wrong == []


def test_a_broken_upload_goes_on_and_no_film_is_told(path: Path, film: Path, browser: Any, tmp_path: Path) -> None:
    Site.create(path).close()
    text = tmp_path / "notes.mp4"
    text.write_text("no film\n" * 2000)
    with serving(path) as said:
        page, wrong = enter(browser, said["url"])
        page.goto(said["url"].partition("/enter")[0] + "/footage")
        page.fill("[name=camera]", "gate")
        sent: list[str] = []
        page.on("request", lambda asked: sent.append(asked.method) if asked.method == "PATCH" else None)
        broken: list[bool] = []

        def break_once(route: Any) -> None:
            if broken or route.request.method != "PATCH":
                route.continue_()
            else:
                broken.append(True)
                route.abort()

        page.route("**/api/v1/footage/uploads/*", break_once)
        page.set_input_files("#film", text)
        page.click("#upload button")
        page.wait_for_selector("#upload .wrong:not([hidden])")
        assert "This is no film that can be read" in page.inner_text("#upload .wrong")
        assert len(sent) == 2 and broken  # it was sent again by itself
        assert page.is_enabled("#upload button")
        assert not list((path / "uploads").iterdir())
        assert [line for line in wrong if not re.search("ERR_FAILED|422", line)] == []
