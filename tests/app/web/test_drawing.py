"""Zones and lines are drawn in a real browser, by mouse and by keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.areas import AreaKind
from app.engine.ingest import ingest
from app.record import Site
from app.record.areas import areas_of
from tests.app.records import site_in
from tests.app.stage import footage_in
from tests.app.web.browsing import NEEDS_CHROMIUM, enter
from tests.app.web.test_serve import serving

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def filmed(tmp_path: Path) -> Path:
    """A site with footage that is still there."""
    path = site_in(tmp_path)
    settings = footage_in(tmp_path)
    ingest(settings["videos"] / "a", path, detector=f"mot:{settings['detections']}", who="test")
    return path


def drawn(path: Path, name: str) -> tuple[AreaKind, list[tuple[float, float]]]:
    with Site.open(path) as site:
        (area,) = [area for area in areas_of(site.database, "a") if area.name == name]
        return area.kind, [(round(x, 2), round(y, 2)) for x, y in area.points]


def near(points: list[tuple[float, float]], expected: list[tuple[float, float]]) -> bool:
    return len(points) == len(expected) and all(
        abs(a - b) < 0.02 for point, other in zip(points, expected) for a, b in zip(point, other)
    )


def camera_page(browser: Any, url: str, **options: Any) -> tuple[Any, list[str]]:
    page, wrong = enter(browser, url, **options)
    page.goto(url.partition("/enter")[0] + "/cameras")
    page.click("h2 >> a")
    page.wait_for_selector("svg.drawing.live")
    return page, wrong


def test_a_zone_by_mouse(filmed: Path, browser: Any) -> None:
    with serving(filmed) as said:
        page, wrong = camera_page(browser, said["url"], viewport={"width": 1280, "height": 1400})
        box = page.locator("svg.drawing").bounding_box()

        def at(x: float, y: float) -> tuple[float, float]:
            return box["x"] + x * box["width"], box["y"] + y * box["height"]

        for x, y in ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.5, 0.5)):
            page.mouse.click(*at(x, y))
        page.click("text=Undo")
        assert page.locator("g.draft circle").count() == 3
        page.mouse.move(*at(0.8, 0.8))
        page.mouse.down()
        page.mouse.move(*at(0.6, 0.9), steps=3)
        page.mouse.move(*at(0.5, 0.998), steps=3)  # so close to the border it is on it
        page.mouse.up()
        page.mouse.click(*at(0.2, 0.2))  # on the first point: that closes
        assert page.locator("g.draft polygon").count() == 1
        page.mouse.click(*at(0.1, 0.9))
        assert page.locator("g.draft circle").count() == 3
        page.fill("input[name=area]", "bench")
        page.click("text=Keep it")
        page.wait_for_selector("th >> text=bench")
        assert wrong == []
    kind, points = drawn(filmed, "bench")
    assert kind == AreaKind.zone and near(points, [(0.2, 0.2), (0.8, 0.2), (0.5, 1.0)]) and points[2][1] == 1


def test_a_line_by_keyboard_alone(filmed: Path, browser: Any) -> None:
    with serving(filmed) as said:
        page, wrong = camera_page(browser, said["url"])

        def tab_to(what: str) -> None:
            for _ in range(60):
                if page.evaluate(f"document.activeElement.matches({what!r})"):
                    return
                page.keyboard.press("Tab")
            raise AssertionError(what)

        tab_to("[data-do=add]")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Point 1 of 1: 50.0 %")
        for key, times in (("ArrowLeft", 20), ("ArrowUp", 10), ("Shift+ArrowDown", 10)):
            for _ in range(times):
                page.keyboard.press(key)
        for _ in range(2):
            tab_to("[data-do=add]")
            page.keyboard.press("Enter")
        page.keyboard.press("Delete")
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Control+z")
        assert page.locator("[role=status]").inner_text() == "Taken back: 2 points."
        tab_to("select[name=kind]")
        page.keyboard.press("L")
        tab_to("input[name=area]")
        page.keyboard.type("door")
        page.keyboard.press("Enter")
        page.wait_for_selector("th >> text=door")
        assert wrong == []
    kind, points = drawn(filmed, "door")
    assert kind == AreaKind.line and near(points, [(0.3, 0.41), (0.6, 0.41)])


def test_without_scripts_the_form_takes_text(filmed: Path, browser: Any) -> None:
    with serving(filmed) as said:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(said["url"])
        page.goto(said["url"].partition("/enter")[0] + "/cameras/a")
        assert not page.is_visible("text=Add a point")
        page.click("main summary")
        page.fill("textarea", "0.1 0.1\n0.9 0.1\n0.5 0.9")
        page.select_option("select[name=kind]", "mask")
        page.fill("input[name=area]", "screen")
        page.click("text=Keep it")
        page.wait_for_selector("th >> text=screen")
        page.click("text=Change screen")
        assert page.input_value("textarea").startswith("0.1000 0.1000")
        page.click("text=Remove screen")
        assert page.locator("th >> text=screen").count() == 0


def test_a_bar_of_an_hour_leads_to_its_tracklets(filmed: Path, browser: Any) -> None:
    with serving(filmed) as said:
        page, wrong = camera_page(browser, said["url"])
        page.locator("svg.hours a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**#tracklets")
        assert page.locator(".pieces li").count() > 0
        assert wrong == []
