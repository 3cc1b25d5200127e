"""A real browser on a served site."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from app.engine.ingest import ingest
from app.record import Site
from app.search.merging import merge
from tests.app.sites import figure_site
from tests.app.stage import footage_in

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium is installed here: `apt-get install chromium`"
)


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
