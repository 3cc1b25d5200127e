"""The walk of somebody who collects: search, choose, export, and what the audit has of it."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

from app.record import Site
from tests.app.web.browsing import NEEDS_CHROMIUM, enter, film
from tests.app.web.test_serve import serving
from trackers.segments import Kind

pytestmark = NEEDS_CHROMIUM


def test_search_collect_export(path: Path, tmp_path: Path, browser: Any) -> None:
    film(path, tmp_path)
    with Site.open(path) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
        still = tmp_path / "still.jpg"
        still.write_bytes(site.crop_jpeg(site.crops(piece.id)[0]))
    with serving(path) as said:
        page, wrong = enter(browser, said["url"])
        page.set_input_files("#still", still)
        page.wait_for_selector(".verdict")
        page.click("#case summary")
        page.check(f'#case input[value="{piece.id}"]')
        page.fill("#case [name=name]", "The grey coat")
        page.click("text=Add to the case")
        page.wait_for_selector("h1 >> text=The grey coat")
        page.fill(f"#t{piece.id} textarea", "first line\nsecond line")
        page.focus(f"#t{piece.id} textarea")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the button after the field
        page.wait_for_url(f"**/cases/1#t{piece.id}")
        assert page.input_value(f"#t{piece.id} textarea") == "first line\nsecond line"
        with page.expect_download() as coming:
            page.click("text=Export as zip")
        zipped = tmp_path / "case.zip"
        coming.value.save_as(zipped)
        assert coming.value.suggested_filename == "case-1.zip"
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(tmp_path / "case")
            assert archive.namelist() == ["clips/001.mp4", "report.html", "case.json", "SHA256SUMS"]
        page.wait_for_selector("text=The zip is whole")
        assert hashlib.sha256(zipped.read_bytes()).hexdigest() in page.inner_text("#export")
        assert page.is_enabled("text=Export as zip") and not page.locator("#export progress").is_visible()
        page.click("nav summary")
        page.click("nav >> text=Audit")
        assert page.locator("tbody tr td:nth-child(4)").first.inner_text() == "case exported"
        assert hashlib.sha256(zipped.read_bytes()).hexdigest() in page.content()
        assert wrong == []
    report = browser.new_context(viewport={"width": 380, "height": 800}).new_page()
    asked: list[str] = []
    report.on("request", lambda request: asked.append(request.url))
    report.goto((tmp_path / "case" / "report.html").as_uri())
    assert "second line" in report.inner_text("main")
    assert report.evaluate("document.documentElement.scrollWidth") <= 380
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert report.evaluate("[...document.querySelectorAll('img')].every(i => i.complete && i.naturalWidth > 0)")
