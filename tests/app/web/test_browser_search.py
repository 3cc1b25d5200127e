"""What scripts add to a search, in a real browser: keys, moving pictures, words on matches, boxes on a frame."""

from __future__ import annotations

import re
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


def piece_of(site: Path) -> int:
    with Site.open(site) as opened:
        return opened.segments("camera0", kind=Kind.TRACKLET)[0].id


def at_search(page: Any, said: dict[str, Any], tracklet: int) -> None:
    page.goto(said["url"].partition("/enter")[0] + f"/tracklets/{tracklet}/search")
    page.wait_for_selector(".match")


def until(page: Any, true: str) -> None:
    """Playwright's own waiting needs `eval`, which our pages forbid."""
    for _ in range(300):
        if page.evaluate(true):
            return
        page.wait_for_timeout(30)
    raise AssertionError(f"never: {true}")


WHICH = "[...document.querySelectorAll('.match')].indexOf(document.activeElement)"
PRESSED = "[...document.querySelectorAll('.match')[{}].querySelectorAll('form.said button')].map(b => b.ariaPressed)"


def test_keys_walk_through_matches(filmed: Path, browser: Any) -> None:
    tracklet = piece_of(filmed)
    with serving(filmed) as said:
        page, wrong = enter(browser, said["url"])
        at_search(page, said, tracklet)
        for key, place in (("j", 0), ("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("ArrowUp", 0)):
            page.keyboard.press(key)
            assert page.evaluate(WHICH) == place
        place = next(k for k in range(4) if page.evaluate(PRESSED.format(k)))
        while page.evaluate(WHICH) < place:
            page.keyboard.press("j")
        for key, pressed in (("1", 0), ("2", 1), ("3", 2)):
            page.keyboard.press(key)
            until(page, f"{PRESSED.format(place)}[{pressed}] === 'true'")
            assert page.evaluate(PRESSED.format(place)).count("true") == 1
            assert page.evaluate(WHICH) == place  # the page stayed
        with Site.open(filmed) as site:
            said_of = [entry.details["said"] for entry in site.audit() if entry.action == "correct"]
        assert said_of == ["join", "split", "unsure"]
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "words"
        page.keyboard.type("j/?s1 camera:camera0")  # typed, and no keys
        assert page.input_value("[name=words]") == "j/?s1 camera:camera0"
        assert not page.evaluate("document.querySelector('dialog').open")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("?")
        assert page.evaluate("document.querySelector('dialog').open")
        page.keyboard.press("j")
        page.keyboard.press("Escape")
        assert not page.evaluate("document.querySelector('dialog').open")
        page.keyboard.press("Control+j")
        assert page.evaluate(WHICH) == -1
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/tracklets/\d+$"))
        page.go_back()
        page.wait_for_selector(".match")
        page.keyboard.press("j")
        first = page.url
        page.keyboard.press("s")
        page.wait_for_url(lambda url: url != first and url.endswith("/search"))
        assert wrong == []


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_match_that_is_pointed_at_moves(filmed: Path, browser: Any, motion: str) -> None:
    tracklet = piece_of(filmed)
    with serving(filmed) as said:
        page, wrong = enter(browser, said["url"], reduced_motion=motion)
        at_search(page, said, tracklet)
        image = page.locator(".match").first.locator(".crops img").first
        still = image.get_attribute("src")
        page.locator(".match").first.hover()
        if motion == "reduce":
            page.wait_for_timeout(700)
            assert image.get_attribute("src") == still
        else:
            until(page, "document.querySelector('.match .crops img').src.includes('/crops/')")
            shown = set()
            for _ in range(30):
                shown.add(image.get_attribute("src"))
                page.wait_for_timeout(60)
            assert len(shown) > 2
        page.mouse.move(2, 2)
        until(page, "document.querySelector('.match .crops img').src.startsWith('data:')")
        page.keyboard.press("j")  # the focus does the same
        if motion != "reduce":
            until(page, "document.querySelector('.match .crops img').src.includes('/crops/')")
        assert wrong == []
    with Site.open(filmed) as site:
        rows = [entry for entry in site.audit() if entry.action == "view"]
        assert len(rows) == (0 if motion == "reduce" else 1)


def test_a_box_on_a_paused_frame_is_searched(filmed: Path, browser: Any) -> None:
    with Site.open(filmed) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
        boxes = site.boxes(piece.id)
    with serving(filmed) as said:
        page, wrong = enter(browser, said["url"], viewport={"width": 1280, "height": 1000})
        page.goto(said["url"].partition("/enter")[0] + f"/tracklets/{piece.id}")
        page.evaluate("document.querySelector('video').play()")
        until(page, "document.querySelector('video').currentTime > 0.3")
        page.click("#draw")
        page.wait_for_selector(".stage.picking")
        at = page.evaluate("document.querySelector('video').currentTime")
        assert float(page.input_value("[name=seconds]")) == pytest.approx(at, abs=0.001)
        assert page.evaluate("document.querySelector('video').paused")
        place = page.evaluate(
            "(() => {const v = document.querySelector('video'), r = v.getBoundingClientRect(),"
            "s = Math.min(r.width / v.videoWidth, r.height / v.videoHeight);"
            "return [r.x + (r.width - v.videoWidth * s) / 2, r.y + (r.height - v.videoHeight * s) / 2, s]})()"
        )
        x1, y1, x2, y2 = boxes.boxes[int(abs(boxes.times - boxes.times[0] - at).argmin())].tolist()
        left, top, scale = place
        page.mouse.move(left + x1 * scale, top + y1 * scale)
        page.mouse.down()
        page.mouse.move(left + x2 * scale, top + y2 * scale, steps=5)
        page.mouse.up()
        assert float(page.get_attribute(".pick rect", "width")) == pytest.approx((x2 - x1) * scale, abs=2)
        page.click("text=Search this box")
        page.wait_for_selector(".verdict")
        found = page.locator(f'a[href="/tracklets/{piece.id}"]')
        assert found.count() >= 1
        assert wrong == []
    with Site.open(filmed) as site:
        frame = next(entry for entry in site.audit() if entry.action == "view frame")
        assert frame.details == {"tracklet": piece.id, "seconds": round(at, 3)}
        assert site.audit()[-1].details["filters"]["taken by"] == "a"


def test_a_box_is_drawn_by_the_keyboard_too(filmed: Path, browser: Any) -> None:
    with Site.open(filmed) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
    with serving(filmed) as said:
        page, wrong = enter(browser, said["url"])
        page.goto(said["url"].partition("/enter")[0] + f"/tracklets/{piece.id}")
        page.focus("#draw")
        page.keyboard.press("Enter")
        page.wait_for_selector(".stage.picking")
        page.focus("[name=left]")
        before = float(page.get_attribute(".pick rect", "x"))
        for _ in range(5):
            page.keyboard.press("ArrowUp")
        assert float(page.get_attribute(".pick rect", "x")) > before
        page.keyboard.press("Escape")
        page.wait_for_selector(".stage:not(.picking)")
        page.focus("[name=left]")
        page.keyboard.press("Enter")  # sends the form
        page.wait_for_selector(".verdict")
        assert wrong == []


def test_without_scripts_all_of_it_is_there(filmed: Path, browser: Any) -> None:
    with Site.open(filmed) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
    with serving(filmed) as said:
        page, _ = enter(browser, said["url"], java_script_enabled=False)
        page.goto(said["url"].partition("/enter")[0] + f"/tracklets/{piece.id}")
        assert not page.locator("#draw").is_visible()
        page.click("main summary")
        page.click("text=Search this box")
        page.fill("[name=words]", "camera:a")
        page.click("text=Search again")
        page.click('[aria-label="Take away camera:a"]')
        page.locator("form.said button").first.click() if page.locator("form.said").count() else None
        page.fill("[name=name]", "somebody")
        page.click("text=Keep it")
        page.wait_for_selector("text=This search is kept")
        page.click("nav >> text=Search")
        page.click("text=somebody")
        page.click("text=Remove this search")
        assert not page.locator("text=Kept searches").count()
