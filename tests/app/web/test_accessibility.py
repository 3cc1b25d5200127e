"""Every page can be read, named and reached by everybody: axe-core's rules, the way of the focus, and narrow screens.

Pages are found as a visitor finds them, by links, and from the application's own routes. So a new page is held to the
same without being named here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from app.record import Site, searches
from app.record.camera_clocks import ClockRecord, keep_clock
from app.record.cases import Cases
from app.record.jobs import ask, cancel
from app.record.live_cameras import LiveRecord, put_live_cameras
from app.record.live_pictures import LivePicture, write_live_picture
from app.record.searches import SearchFilters
from app.record.users import SCOPES, Role, Users
from app.web import pages
from tests.app.records import site_in
from tests.app.scenes import ROOT
from tests.app.web.browsing import NEEDS_CHROMIUM, film
from tests.app.web.test_serve import serving

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core comes with axe-playwright-python")
pytestmark = NEEDS_CHROMIUM

LIVE = '[cameras.camera0]\nurl = "rtsp://me:x@10.1.2.3/1"\nrecord = "1h"\n[cameras.gate]\ndevice = 0\n'
PASSWORD = "correct horse battery"
NO_PAGES = {"/enter", "/go", "/tracklets/{number}/film"}  # they lead on to others, or are a film
NARROW, MIDDLE, WIDE = 380, 768, 1280
MOST_STOPS = 600  # of the focus: a search lists many matches
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module", params=["filled", "empty"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a site is served, one that holds something of each kind and one that holds nothing."""
    folder = tmp_path_factory.mktemp("seen")
    path = site_in(folder)
    if request.param == "filled":
        film(path, folder)
    else:
        Site.create(path).close()
    with Site.open_to_write(path) as site:
        users = Users(site.database)
        users.add("root", PASSWORD, Role.ADMIN, None, who="test")
        if request.param == "filled":
            users.add("guard", PASSWORD, Role.VIEWER, ["a"], who="test")
            users.add_key("root", "dashboard", SCOPES, who="root")
            cases = Cases(site)
            cases.add(cases.open("The grey coat", "by the door", who="root"), site.segments("a")[0].id, "", who="root")
            cancel(site.database, ask(site.database, "merge", {}, who="root").id, who="root")
            first = int(site.tracklet_table().ids[0])
            (path / "site.toml").write_text(LIVE, encoding="utf-8")
            now = time.time()
            state = {"rate": 1.0, "offered": 5.0, "ahead": 2.0, "drift": 1.0, "latest": now}
            put_live_cameras(site.database, [LiveRecord("camera0", now + 3600, now, width=64, height=128, **state)])
            keep_clock(site.database, ClockRecord("camera0", now, 2.0, 1.0))
            picture = site.crop_jpeg(site.crops(first)[0])
            write_live_picture(path, "camera0", LivePicture(picture, 64, 128, now))
            searches.save(site.database, "coat", first, SearchFilters(), alert_from=0.7, who="root")
    with serving(path, "--no-watch") as said:
        yield said["url"].partition("/enter")[0]


def routes_of_pages() -> list[APIRoute]:
    """All that a browser shows by itself. What ends in a dot and letters is no page but a file."""
    found = [route for routes in pages.ALL for route in routes.routes if isinstance(route, APIRoute)]
    return [r for r in found if "GET" in r.methods and r.path not in NO_PAGES and not re.search(r"\.\w+$", r.path)]


def addresses(page: Any, base: str) -> dict[str, str | None]:
    """By the path of each route an address that is a page, None where there is none. The first page is open."""
    routes = routes_of_pages()
    found: dict[str, str | None] = dict.fromkeys(route.path for route in routes)
    waiting = [route.path for route in routes if "{" not in route.path]
    if page.locator("#still").count():
        page.set_input_files("#still", ROOT / "sample_videos" / "walk" / "still.jpg")
        page.wait_for_url("**/stills/**")
        waiting.append(page.url.removeprefix(base))
    seen = set()
    while waiting:
        address = waiting.pop(0)
        path = address.partition("?")[0]
        matching = [route.path for route in routes if route.path_regex.match(path)]
        if address in seen or not matching or found[matching[0]]:
            continue
        seen.add(address)
        answer = page.goto(base + address)
        if answer.ok and "text/html" in answer.headers["content-type"]:
            found[matching[0]] = address
            waiting += page.evaluate(
                "[...document.querySelectorAll('a[href^=\"/\"]')].map(a => a.getAttribute('href'))"
            )
    return found


@pytest.fixture(scope="module")
def walked(browser: Any, base: str) -> tuple[Any, dict[str, str | None]]:
    """An admin's cookies, and where each page of the site is to them."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{base}/sign-in")
    page.fill("[name=name]", "root")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/")
    found = addresses(page, base)
    cookies = context.storage_state()
    context.close()
    return cookies, found


@pytest.mark.parametrize(("scheme", "width"), [("light", NARROW), ("dark", WIDE)])
def test_every_page_is_for_everybody(
    browser: Any,
    base: str,
    walked: tuple[Any, dict[str, str | None]],
    scheme: str,
    width: int,
    request: pytest.FixtureRequest,
) -> None:
    cookies, found = walked
    if "filled" in request.node.name:  # else a page of one thing has nothing to show
        unseen = [route for route, address in found.items() if address is None]
        assert not unseen, f"no link leads to {unseen}: give the site of this test what they show"
    size = {"width": width, "height": 900}
    page = browser.new_context(storage_state=cookies, color_scheme=scheme, viewport=size).new_page()
    wrong: list[str] = []
    for address in [*filter(None, found.values()), "/no/such/page"]:
        answer = page.goto(base + address)
        said = [] if answer.ok == (address in found.values()) else [f"answers {answer.status}"]
        said += of_axe(page) + of_focus(page)
        for screen in (MIDDLE, width):
            page.set_viewport_size({"width": screen, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > screen:
                said.append(f"wider than a screen of {screen} px: {page.evaluate(WIDEST)}")
        wrong += [f"{address}: {one}" for one in said]
    page.context.close()
    assert not wrong, "\n".join(wrong)


def of_axe(page: Any) -> list[str]:
    """What axe-core's rules find."""
    options = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}}
    violations = axe.Axe().run(page, options=options).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:160]}"
        for violation in violations
        for node in violation["nodes"][:3]
    ]


def of_focus(page: Any) -> list[str]:
    """The keyboard's way through a page: each stop once, in the order in which one reads, and to be seen."""
    wrong = []
    page.evaluate("window.stops = []; document.body.tabIndex = -1; document.body.focus()")  # to the page's begin
    expected = page.evaluate(STOPS)
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        said = page.evaluate(STOP)
        if said is None:
            break
        wrong += said
    else:
        return [*wrong, f"the focus makes more than {MOST_STOPS} stops"]
    reached = page.evaluate("window.stops.length")
    return wrong if reached >= expected else [*wrong, f"the focus reaches {reached} of {expected} elements"]


WIDEST = """[...document.querySelectorAll('main *')].sort((a, b) =>
  b.getBoundingClientRect().right - a.getBoundingClientRect().right)[0].outerHTML.slice(0, 100)"""
# How many elements the keyboard should reach. Of radio buttons of one name it reaches one.
STOPS = """(() => {
  const groups = new Set();
  return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
    .filter(e => !e.disabled && e.checkVisibility() && e.tabIndex >= 0)
    .filter(e => e.type !== 'radio' || !groups.has(e.name) && groups.add(e.name)).length;
})()"""
# What is wrong with where the focus is: null once it has left the page, or come back to its begin.
STOP = """(() => {
  const here = document.activeElement, before = window.stops.at(-1);
  if (here === document.body || window.stops.includes(here)) return null;
  window.stops.push(here);
  const name = here.outerHTML.slice(0, 100), wrong = [], {outlineStyle, outlineWidth} = getComputedStyle(here);
  if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2) wrong.push('the focus can not be seen: ' + name);
  if (here.tabIndex > 0) wrong.push('a tab index of its own: ' + name);
  const box = here.getBoundingClientRect();
  if (!box.width || !box.height) wrong.push('the focus is on what can not be seen: ' + name);
  if (before && before.isConnected && !before.classList.contains('skip')) {
    if (!(before.compareDocumentPosition(here) & Node.DOCUMENT_POSITION_FOLLOWING)) wrong.push('out of order: ' + name);
    const last = before.getBoundingClientRect();
    if (box.bottom <= last.top && box.left < last.right) wrong.push('the focus jumps up: ' + name);
  }
  return wrong;
})()"""
