"""Makes docs/pictures: what the served site looks like, with the sample films. Nobody in them exists.

    python -m app.ingest sample_videos/films --site S
    python -m app.merge --site S
    PYTHONPATH=. python docs/make_screenshots.py S

It needs Playwright and a chromium, and works on a copy of the site.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from app.areas import Area, AreaKind
from app.record import Site
from app.record.areas import draw_area
from app.record.settings import SiteSettings, write_settings

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
SIZE: ViewportSize = {"width": 1200, "height": 1240}  # px
QUALITY = 82  # JPEG
WHO = "screenshots"
ZONE = Area(AreaKind.zone, "by the pillars", ((0.2, 0.45), (0.75, 0.45), (0.85, 0.95), (0.1, 0.95)))
LINE = Area(AreaKind.line, "to the doors", ((0.05, 0.6), (0.95, 0.52)))
PLAN = {"entrance": (0.0, 0.0), "hall": (22.0, 8.0), "plaza": (48.0, 2.0), "street": (30.0, -16.0)}  # m


def main() -> None:
    """Makes them all."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copytree(sys.argv[1], Path(folder) / "station"))
        _prepared(path)
        with _served(path) as link, sync_playwright() as started:
            browser = started.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport=SIZE)
            page.goto(link)
            page.set_input_files("#still", str(ROOT / "sample_videos" / "walk" / "still.jpg"))
            page.wait_for_url("**/stills/**")
            page.click("svg a >> nth=0")
            page.wait_for_selector(".verdict")
            _shoot(page, "search")
            page.locator('a[href$="/person"]').first.click()
            page.wait_for_selector("#plan")
            _shoot(page, "person")
            page.goto(f"{link.partition('/enter')[0]}/cameras/hall")
            page.wait_for_load_state("networkidle")
            _shoot(page, "camera")
            browser.close()


def _prepared(path: Path) -> None:
    """Draws a zone and a line, and places cameras."""
    with Site.open_to_write(path) as site:
        for area in (ZONE, LINE):
            draw_area(site.database, "hall", area, WHO)
        write_settings(site.database, SiteSettings(positions=PLAN), who=WHO)


@contextmanager
def _served(path: Path) -> Iterator[str]:
    words = [sys.executable, "-m", "app.serve", "--site", str(path), "--port", "0", "--json"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said: Any = ""
    while not said.rstrip().endswith("}"):
        said += process.stdout.readline()
    time.sleep(1)
    try:
        yield json.loads(said)["url"]
    finally:
        process.terminate()
        process.wait()


def _shoot(page: Page, name: str) -> None:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(PICTURES / f"{name}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
