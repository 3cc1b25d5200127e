"""The moment in its film: what is served of the file, to whom, and in real Chromium the box on the right place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.engine.ingest import ingest
from app.record import Site
from app.record.users import Role, Users
from app.web.access import Access
from app.web.application import make_application
from app.web.frames import frame_at
from tests.app.records import site_in
from tests.app.scenes import CREATED, SIZE, people, write_detections
from tests.app.sites import figure_site
from tests.app.web.browsing import NEEDS_CHROMIUM, enter
from tests.app.web.conftest import HOST, PASSWORD, Clock, Served
from tests.app.web.test_browser_search import until
from tests.app.web.test_serve import serving
from tests.clips import BIT, BITS, read_number, render_clip
from trackers.segments import Kind

FRAMES = 250
CUT = 25  # frames that are in a file and not shown
FILMS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("mp4", {}),
    "front": ("mp4", {"container_options": {"movflags": "faststart"}}),
    "edited": ("mp4", {"b_frames": 3}),  # its stamps begin late, and an edit list takes that back
    "cut": (  # an edit list leaves out its first second
        "mp4",
        {"b_frames": 2, "offset": -CUT / 25, "container_options": {"avoid_negative_ts": "disabled"}},
    ),
    "uneven": ("mp4", {"times": [k / 25 + 0.012 * (k % 3) for k in range(FRAMES)]}),
    "web": ("webm", {"codec": "libvpx-vp9", "codec_options": {"deadline": "realtime", "cpu-used": "8"}}),
    "late": ("mp4", {"offset": 2.0}),
    "old": ("avi", {"codec": "mpeg4"}),
}
PLAYED = ("plain", "front", "edited", "cut", "uneven", "web")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with one film of each kind, in which people come into sight after 4 s."""
    folder = tmp_path_factory.mktemp("filmed")
    path = site_in(folder)
    figure_site(path, people=2, cameras=1)
    for camera, (suffix, options) in FILMS.items():
        film = folder / "videos" / camera / f"1.{suffix}"
        film.parent.mkdir(parents=True)
        clip = render_clip(film, people(FRAMES), size=SIZE, creation_time=CREATED, **options)
        seen = [boxes if 100 <= k < 200 else boxes[:0] for k, boxes in enumerate(clip.boxes[CUT * (camera == "cut") :])]
        write_detections(folder / "detections" / f"{camera}.txt", seen)
    ingest(folder / "videos", path, detector=f"mot:{folder / 'detections'}", who="test")
    return path


@pytest.fixture
def served(filmed: Path) -> Iterator[Served]:
    with Site.open_to_write(filmed) as site:
        users = Users(site.database)
        if not users.all():
            users.add("root", PASSWORD, Role.ADMIN, None, who="test")
            users.add("guard", PASSWORD, Role.VIEWER, ["front"], who="test")
        access = Access(users, "alice", Clock())
        yield Served(site, {}, access, Clock(), make_application(site, access, {HOST}))


def piece_of(site: Site, camera: str) -> int:
    return site.segments(camera, kind=Kind.TRACKLET)[0].id


def test_ranges_of_the_file_are_served_and_noted_once(served: Served) -> None:
    number = piece_of(served.site, "plain")
    place, root = f"/tracklets/{number}/film", served.user("root")
    data = served.site.footage("plain")[0].path.read_bytes()
    before = len(served.site.audit())
    whole = root.get(place)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, data, "video/mp4")
    assert whole.headers["accept-ranges"] == "bytes" and whole.headers["cache-control"] == "no-store"
    for asked, begin, end in (("0-", 0, len(data)), ("10-19", 10, 20), ("-7", len(data) - 7, len(data))):
        part = root.get(place, headers={"range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, data[begin:end])
        assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(data)}"
    same = {"range": "bytes=0-9", "if-range": whole.headers["etag"]}
    assert root.get(place, headers=same).status_code == 206
    assert root.get(place, headers={**same, "if-range": '"another"'}).content == data
    beyond = root.get(place, headers={"range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    rows = [(entry.action, entry.details) for entry in served.site.audit()[before:] if entry.action == "view moment"]
    assert rows == [("view moment", {"tracklet": number, "film": served.site.footage("plain")[0].name})]
    served.user("root").get(place)  # another session sees it for the first time
    assert served.site.audit()[-1].action == "view moment"


def test_where_the_moment_stands_in_its_film(served: Served) -> None:
    root = served.user("root")
    for camera in FILMS:
        number = piece_of(served.site, camera)
        found = root.get(f"/tracklets/{number}/film.json").json()
        assert (found is not None) == (camera in PLAYED), camera
        if found is None:
            continue
        piece, boxes = served.site.searchable(number), served.site.boxes(number)
        start = served.site.footage(camera)[0].start
        assert found["begin"] == pytest.approx(piece.start - start - 3, abs=0.05)
        assert found["end"] == pytest.approx(piece.end - start + 2, abs=0.05)
        assert (found["width"], found["height"]) == SIZE
        np.testing.assert_allclose([box[0] for box in found["boxes"]], boxes.times - start, atol=1e-4)
        np.testing.assert_allclose([box[1:] for box in found["boxes"]], boxes.boxes, atol=0.06)


def test_who_may_not_see_the_camera_gets_no_byte(served: Served) -> None:
    guard = served.user("guard")
    hidden, seen = piece_of(served.site, "plain"), piece_of(served.site, "front")
    for place in ("film", "film.json"):
        refused, missing = guard.get(f"/tracklets/{hidden}/{place}"), guard.get(f"/tracklets/99999999/{place}")
        assert (refused.status_code, refused.text) == (404, missing.text)
        assert guard.get(f"/tracklets/{seen}/{place}").status_code == 200
        assert served.stranger().get(f"/tracklets/{seen}/{place}").status_code == 401


def test_only_the_file_that_was_taken_in_is_served(served: Served) -> None:
    root, number = served.user("root"), piece_of(served.site, "front")
    film = served.site.footage("front")[0].path
    data, place = film.read_bytes(), f"/tracklets/{number}/film"
    assert root.get(f"/tracklets/{piece_of(served.site, 'old')}/film").status_code == 404  # no kind for browsers
    status = film.stat()
    try:
        film.write_bytes(data[:-1] + b"x")  # of the same size
        os.utime(film, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert root.get(place).status_code == 404 and root.get(f"{place}.json").json() is None
        film.write_bytes(data + b"x")
        assert root.get(place).status_code == 404
        film.unlink()
        assert root.get(place).status_code == 404 and root.get(f"{place}.json").json() is None
        assert "not where it was" in root.get(f"/tracklets/{number}").text
        film.symlink_to("/etc/passwd")
        assert root.get(place).status_code == 404
    finally:
        film.unlink(missing_ok=True)
        film.write_bytes(data)
    assert root.get(place).status_code == 200


@pytest.fixture(scope="module")
def entered(filmed: Path, browser: Any) -> Iterator[tuple[str, Any]]:
    """What addresses begin with, and the cookies of somebody who came by the link."""
    with serving(filmed) as said:
        page, _ = enter(browser, said["url"])
        yield said["url"].partition("/enter")[0], page.context.storage_state()


@pytest.fixture
def opened(browser: Any, entered: tuple[str, Any]) -> Iterator[tuple[Any, list[str], str]]:
    """A page, what goes wrong on it, and what addresses begin with."""
    base, cookies = entered
    page, wrong = enter(browser, base, storage_state=cookies)
    yield page, wrong, base
    page.context.close()


VIDEO = "document.querySelector('video')"
# The number of the frame that is shown, and the box that is drawn on it, in pixels of the film.
LOOK = (
    f"(() => {{const v = {VIDEO}, c = document.createElement('canvas').getContext('2d', {{willReadFrequently: true}});"
    "c.canvas.width = v.videoWidth; c.canvas.height = v.videoHeight; c.drawImage(v, 0, 0);"
    f"let n = 0; for (let k = 0; k < {BITS}; k++)"
    f" if (c.getImageData(k * {BIT} + {BIT // 2}, {BIT // 2}, 1, 1).data[0] > 127) n |= 1 << k;"
    "const r = document.querySelector('.boxed rect');"
    "const b = r.hasAttribute('hidden') ? null : ['x', 'y', 'width', 'height'].map(a => +r.getAttribute(a));"
    "return [n, b]})()"
)


@NEEDS_CHROMIUM
@pytest.mark.parametrize("camera", PLAYED)
def test_the_box_is_on_the_frame_that_is_shown(filmed: Path, opened: tuple[Any, list[str], str], camera: str) -> None:
    with Site.open(filmed) as site:
        number = piece_of(site, camera)
        boxes = site.boxes(number)
    page, wrong, base = opened
    page.goto(f"{base}/tracklets/{number}")
    page.wait_for_selector(".player", state="visible")
    page.keyboard.press("Tab")
    page.focus("#play")
    page.keyboard.press("Enter")
    until(page, f"{VIDEO}.currentTime > {VIDEO}.dataset.begin")
    assert "/film#t=" in page.evaluate(f"{VIDEO}.currentSrc")
    page.keyboard.press("Enter")
    until(page, f"{VIDEO}.paused")
    checked = 0
    for since in (0.5, 3.1, 4.0, 5.48, 6.3, 8.6):
        page.evaluate(
            f"(() => {{const s = document.querySelector('.player input'); s.value = {since};"
            "s.dispatchEvent(new Event('input'))})()"
        )
        until(page, f"!{VIDEO}.seeking")
        page.wait_for_timeout(150)
        frame, box = page.evaluate(LOOK)
        place = np.flatnonzero(boxes.frames == frame - CUT * (camera == "cut"))
        assert (box is not None) == bool(len(place)), (since, frame, box)
        if box is not None:
            x1, y1, x2, y2 = boxes.boxes[place[0]]
            np.testing.assert_allclose(box, (x1, y1, x2 - x1, y2 - y1), atol=0.15)
            checked += 1
    assert checked >= 3
    style = "getComputedStyle(document.querySelector('.boxed')).backgroundColor"
    assert page.evaluate(style) == "rgba(0, 0, 0, 0)"  # the film is seen through it
    for width in (380, 900):  # the drawing keeps its place on the picture
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_timeout(100)
        drawn, shown = (
            page.evaluate(f"(r => [r.x, r.y, r.width, r.height])({place}.getBoundingClientRect())")
            for place in ("document.querySelector('.boxed')", VIDEO)
        )
        np.testing.assert_allclose(drawn, shown, atol=1)
    assert wrong == []


@NEEDS_CHROMIUM
def test_the_film_plays_its_moment_and_no_more(filmed: Path, opened: tuple[Any, list[str], str]) -> None:
    with Site.open(filmed) as site:
        number = piece_of(site, "plain")
    page, wrong, base = opened
    page.goto(f"{base}/tracklets/{number}")
    page.wait_for_selector(".player", state="visible")
    page.click("#play")
    until(page, f"{VIDEO}.currentTime > 0")
    page.evaluate(f"{VIDEO}.playbackRate = 8")
    until(page, f"{VIDEO}.currentTime > 5 && {VIDEO}.paused")
    end = page.evaluate(f"{VIDEO}.currentTime")
    assert end == pytest.approx(9.96, abs=0.3)
    page.click("#play")  # again from its begin
    until(page, f"{VIDEO}.currentTime < 4 && !{VIDEO}.paused")
    assert wrong == []


@NEEDS_CHROMIUM
def test_what_the_browser_does_not_play_is_a_clip(filmed: Path, opened: tuple[Any, list[str], str]) -> None:
    with Site.open(filmed) as site:
        old, film = piece_of(site, "old"), site.footage("front")[0].path
        front = piece_of(site, "front")
    page, wrong, base = opened
    page.goto(f"{base}/tracklets/{old}")
    page.wait_for_timeout(300)
    assert not page.locator(".player").is_visible() and page.evaluate(f"{VIDEO}.controls")
    assert page.evaluate(f"{VIDEO}.src").endswith("moment.mp4")
    assert wrong == []
    page.goto(f"{base}/tracklets/{front}")
    page.wait_for_selector(".player", state="visible")
    data = film.read_bytes()
    try:
        film.write_bytes(data + b"x")  # it grows before somebody plays it
        page.click("#play")
        until(page, f"{VIDEO}.currentSrc.endsWith('moment.mp4') && {VIDEO}.currentTime > 0")
        assert not page.locator(".player").is_visible() and page.evaluate(f"{VIDEO}.controls")
    finally:
        film.write_bytes(data)


@NEEDS_CHROMIUM
def test_a_box_on_the_film_is_searched_in_the_frame_that_is_shown(
    filmed: Path, opened: tuple[Any, list[str], str]
) -> None:
    with Site.open(filmed) as site:
        number = piece_of(site, "edited")
        piece = site.searchable(number)
    page, wrong, base = opened
    page.goto(f"{base}/tracklets/{number}")
    page.wait_for_selector(".player", state="visible")
    page.click("#draw")
    page.wait_for_selector(".stage.picking")
    assert float(page.input_value("[name=seconds]")) == pytest.approx(0, abs=0.05)
    page.fill("[name=seconds]", "4.02")
    until(page, f"!{VIDEO}.seeking && {VIDEO}.currentTime > 1")
    page.wait_for_timeout(150)
    assert page.evaluate(f"{VIDEO}.currentTime - {VIDEO}.dataset.begin") == pytest.approx(4.02, abs=0.001)
    shown, _ = page.evaluate(LOOK)
    with Site.open(filmed) as site:
        frame = frame_at(site, piece, 4.02)
    assert read_number(frame.image) == shown == frame.index
    page.click("#draw")  # back to the film, which has our controls and no others
    assert not page.evaluate(f"{VIDEO}.controls") and page.is_visible(".player")
    assert wrong == []
