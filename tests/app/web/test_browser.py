"""The walk of a person in a real browser: a still, its matches, the moment, flow, and the audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.record import Site
from tests.app.web.browsing import NEEDS_CHROMIUM, enter, film
from tests.app.web.test_serve import serving
from trackers.segments import Kind

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def filmed(path: Path, tmp_path: Path) -> Path:
    return film(path, tmp_path)


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
        if seen[4] == "view":  # where the page is slow, the pointer rests on the match, which then moves
            del seen[4]
        assert seen[:6] == ["flow", "query", "view moment", "view", "query", "sign in"]
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
