"""The walk of a person in a real browser: a still, its matches, the moment, flow, and the audit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.engine.ingest import ingest
from app.record import Site
from app.search.merging import merge
from tests.app.sites import figure_site
from tests.app.stage import footage_in
from tests.app.web.test_serve import serving
from trackers.segments import Kind

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed here: `apt-get install chromium`")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def filmed(path: Path, tmp_path: Path) -> Path:
    return film(path, tmp_path)


def film(path: Path, folder: Path) -> Path:
    """A merged site with footage that can be played."""
    figure_site(path, people=4, cameras=2)
    settings = footage_in(folder)
    ingest(settings["videos"] / "a", path, detector=f"mot:{settings['detections']}", who="test")
    with Site.open_to_write(path) as site:
        merge(site, who="test")
    return path


def enter(browser: Any, url: str, **options: Any) -> tuple[Any, list[str]]:
    """A page that came by the link, and what goes wrong on it from then on."""
    page = browser.new_context(**options).new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if not is_here(asked.url, url) else None)
    page.goto(url)
    return page, wrong


def is_here(address: str, url: str) -> bool:
    return address.startswith((url.partition("/enter")[0] + "/", "data:", "blob:"))


def test_the_walk(filmed: Path, browser: Any, tmp_path: Path) -> None:
    with Site.open(filmed) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
        still = tmp_path / "still.jpg"
        still.write_bytes(site.crop_jpeg(site.crops(piece.id)[0]))
    with serving(filmed) as said:
        page, wrong = enter(browser, said["url"])
        assert "token" not in page.url
        page.set_input_files("#still", still)  # the form goes off by itself
        page.wait_for_selector(".verdict")
        page.locator(f'a[href="/tracklets/{piece.id}"]').first.click()
        page.wait_for_selector("video")
        page.evaluate("document.querySelector('video').play()")
        for _ in range(100):
            if page.evaluate("document.querySelector('video').currentTime") > 0.3:
                break
            page.wait_for_timeout(100)
        assert page.evaluate("document.querySelector('video').currentTime") > 0.3
        assert page.evaluate("document.querySelector('video').error") is None
        page.click("text=Search with this person")
        page.wait_for_selector(".verdict")
        page.click("nav >> text=Flow")
        assert page.locator("img.plot").count() == 3
        assert page.evaluate("[...document.querySelectorAll('img')].every(i => i.complete && i.naturalWidth > 0)")
        page.click("nav summary")
        page.click("nav >> text=Audit")
        seen = page.locator("tbody tr td:nth-child(4)").all_inner_texts()
        assert [*dict.fromkeys(seen)][:5] == ["flow", "query", "view moment", "view", "sign in"]  # previews are views
        page.click("text=Sign out")
        page.goto(said["url"].partition("/enter")[0] + "/")
        assert "Nobody is signed in here" in page.content()
        assert [message for message in wrong if "401" not in message] == []


def test_the_keyboard_suffices(filmed: Path, browser: Any) -> None:
    with Site.open(filmed) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
    with serving(filmed) as said:
        page, wrong = enter(browser, said["url"])
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(20):
            if page.evaluate("document.activeElement.name") == "tracklet":
                break
            page.keyboard.press("Tab")
        page.keyboard.type(str(piece.id))
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/tracklets/{piece.id}")
        assert wrong == []
