"""The report on a query: one page that needs nothing but itself, and says honestly when nothing was found."""

from __future__ import annotations

import base64
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import SiteError
from app.report import outlined
from app.report.query_page import write_report
from app.report.query_sheet import write_sheet
from app.search.matches import Finding, QueryView
from tests.app.query_views import MATCHES, match, view

VOID = {"meta", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """A page taken apart. It fails where elements are not closed as they were opened."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, list[str]] = {}  # by the element that they stand in
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.words.setdefault(self.open[-1], []).append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(text for tag, texts in self.words.items() if tag != "style" for text in texts)


def report(folder: Path, **changes: object) -> Page:
    write_report(view(**changes), folder / "report.html")
    return Page(folder / "report.html")


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    page = report(tmp_path)
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert {"default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"} <= set(policy.split("; "))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form", "a", "base"}
    assert "http:" not in page.source and "https:" not in page.source and "url(" not in page.source
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "srcset", "action")], tag
        if "src" in attributes:
            assert tag == "img" and re.match(r"data:image/jpeg;base64,[\w+/=]+$", attributes["src"] or "")
    # The policy comes before anything that it governs.
    assert page.source.index("Content-Security-Policy") < page.source.index("<style")


def test_tracklets_are_called_as_commands_call_them(tmp_path: Path) -> None:
    """By the id that query, merge and forget take, not by their number in the camera."""
    number = (3 << 32) + 5
    page = report(tmp_path, matches=[match(number, 0.9)])
    assert page.words["h3"] == [f"Tracklet {number}"]
    assert f"tracklet {number}" in page.text and "tracklet 5" not in page.text


def test_the_page_says_what_was_found(tmp_path: Path) -> None:
    page = report(tmp_path)
    for words in ("station", "base 1.0", "1,234 tracklets", "Cameras", "hall, street", "2026-11-21 12:16:39"):
        assert words in page.text
    assert "Likely seen here" in page.words["h2"] and "Two cameras saw this person." in page.words["p"]
    assert [text for text in page.words["strong"] if text.endswith("%")] == [
        "93 %",
        "93 %",
        "31 %",
        "81 %",
        "44 %",
        "2 %",
    ]
    assert page.words["h3"] == ["Identity 4", "Identity 9", "Tracklet 5"]
    assert page.words["h4"] == ["Trajectory 11", "Trajectory 12", "Trajectory 13"]
    assert "never proof" in page.text and "Nothing of this left the machine" in page.text and "log" in page.text
    widths = re.findall(r'class="bar".*<rect class="p\d" width="([\d.]+)%"', page.source)
    assert widths == ["93.0", "31.0", "81.0", "44.0", "2.0"]
    times = {t["datetime"] for t in page.all("time")}
    assert {"2026-11-21T12:00:00Z", "2026-11-21T12:00:10Z"} <= times


def test_the_journey_is_told_of_the_best_identity(tmp_path: Path) -> None:
    page = report(tmp_path)
    journeys = page.source[page.source.index('<ol class="journey"') : page.source.index("</ol>")]
    assert journeys.count("<li>") == 2 and "40 s later" in journeys and "<svg" in journeys
    assert journeys.index("hall") < journeys.index("street")
    alone = tuple(replace(m, identity=None, trajectory=None) for m in MATCHES)
    for without in (view(finding=Finding.UNSEEN), view(matches=alone), view(matches=MATCHES[:1])):
        write_report(without, tmp_path / "without.html")
        assert "Journey" not in Page(tmp_path / "without.html").text


def test_the_timeline_has_a_lane_a_camera_and_a_bar_a_match(tmp_path: Path) -> None:
    page = report(tmp_path)
    assert [t["class"] for t in page.all("text")].count("lane") == 3
    bars = [bar for bar in page.all("rect") if "x" in bar]  # the others show probabilities
    assert Counter(b["class"] for b in bars) == {"p4": 2, "p2": 1, "p1": 1, "p0": 1}
    for bar in bars:
        left, width = (float((bar[name] or "").rstrip("%")) for name in ("x", "width"))
        assert 0 <= left <= left + width <= 100
    assert "hall, 2026-11-21T12:00:00Z – 2026-11-21T12:00:10Z, 93 %, tracklet 1" in page.words["title"]
    (drawing,) = [s for s in page.all("svg") if s.get("class") == "timeline"]
    assert drawing["role"] == "img" and drawing["aria-label"]


def test_not_seen_is_said_plainly(tmp_path: Path) -> None:
    page = report(tmp_path, finding=Finding.UNSEEN, matches=MATCHES[-1:], verdict="The best of 1,234 reaches 2 %.")
    assert "Not seen here" in page.words["h2"] and "Nearest, not likely" in page.words["h2"]
    assert "Likely seen here" not in page.text and "2 %" in page.words["strong"]
    assert "None of them is likely to be this person" in page.text


def test_what_nobody_knows_is_said_as_such(tmp_path: Path) -> None:
    page = report(tmp_path, finding=Finding.PERHAPS)
    assert "Perhaps seen here" in page.words["h2"] and "Matches" in page.words["h2"]
    assert "Not seen here" not in page.text and "None of them is likely" not in page.text


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    page = report(
        tmp_path, finding=Finding.UNSEEN, matches=(), gallery=0, verdict="No tracklet lies in this time.", filters={}
    )
    assert "Not seen here" in page.words["h2"] and "0 tracklets" in page.text
    assert not page.all("rect") and len(page.all("img")) == 2


HOSTILE = "<script>alert('\"&\0\x1b\u202e</script>--><img src=x onerror=1>"


def test_everything_is_escaped(tmp_path: Path) -> None:
    nasty = tuple(replace(m, camera=HOSTILE + str(m.tracklet % 2)) for m in MATCHES)
    page = report(
        tmp_path, site=HOSTILE, model=HOSTILE, filters={HOSTILE: HOSTILE}, matches=nasty, verdict=HOSTILE + "\udcff"
    )
    plain = report(tmp_path, matches=tuple(replace(m, camera=f"c{m.tracklet % 2}") for m in MATCHES))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]  # no element more
    assert not re.search(r"[\x00-\x08\x1b]", page.source) and "onerror" not in str(page.tags[0])
    assert all("onerror" not in attributes for _, attributes in page.tags)


def test_pictures_have_words_and_the_page_a_language(tmp_path: Path) -> None:
    page = report(tmp_path)
    assert page.all("html") == [{"lang": "en"}]
    assert all(image.get("alt") for image in page.all("img"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    named = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes} == named


def test_it_fits_dark_paper_and_telephones(tmp_path: Path) -> None:
    page = report(tmp_path)
    for rule in ("prefers-color-scheme:dark", "@media print", "max-width:620px"):
        assert rule in page.source
    assert any(m.get("name") == "viewport" for m in page.all("meta"))


def pictures(page: Page) -> list[np.ndarray]:
    encoded = [base64.b64decode((image["src"] or "").split(",")[1]) for image in page.all("img")]
    return [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB) for jpeg in encoded]


def test_the_still_is_shown_with_its_box_and_the_person(tmp_path: Path) -> None:
    still = view().still.copy()
    scene, person = pictures(report(tmp_path, still=still))[:2]
    assert scene.shape == (120, 160, 3) and person.shape == (80, 30, 3)
    assert np.abs(person.astype(int) - (200, 40, 40)).mean() < 15
    assert np.abs(scene[60, 60].astype(int) - outlined.COLOUR).max() < 60  # the box's edge
    np.testing.assert_array_equal(still, view().still)  # not drawn into the caller's picture
    page = report(tmp_path, still=np.zeros((3000, 4000, 3), np.uint8), box=(1000, 0, 2000, 3000))
    assert [picture.shape for picture in pictures(page)[:2]] == [(720, 960, 3), (480, 160, 3)]


def test_a_still_that_is_the_person_is_shown_once(tmp_path: Path) -> None:
    page = report(tmp_path, box=None, matches=())
    assert len(page.all("img")) == 1 and "The whole picture is the person" in page.text


def test_a_match_without_pictures_says_so(tmp_path: Path) -> None:
    page = report(tmp_path, matches=(match(1, 0.9, crops=0),))
    assert "No picture of it can be shown" in page.text


@pytest.mark.parametrize("write", [write_report, write_sheet])
def test_files_are_for_their_owner_and_whole(
    write: Callable[[QueryView, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "out.png"
    path.parent.mkdir()
    path.write_bytes(b"before")
    path.chmod(0o644)
    write(view(), path)
    whole = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and whole != b"before"
    assert [p.name for p in path.parent.iterdir()] == ["out.png"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SiteError, match=r"out\.png can't be written \(No space left on device\): check the folder"):
        write(view(), path)
    assert path.read_bytes() == whole and [p.name for p in path.parent.iterdir()] == ["out.png"]


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SiteError, match="can't be written"):
        write_report(view(), tmp_path / "file" / "report.html")
    with pytest.raises(SiteError, match="can't be written"):
        write_report(view(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_same_view_gives_the_same_page(tmp_path: Path) -> None:
    assert report(tmp_path).source == report(tmp_path).source
