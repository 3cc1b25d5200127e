"""In a real browser: a live picture that goes on by itself, and a camera that is tried without typing twice."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.engine.crops import as_jpeg
from app.record import Site
from app.record.live_cameras import LiveRecord, put_live_cameras
from app.record.live_pictures import LivePicture, write_live_picture
from tests.app.sites import figure_site
from tests.app.web.browsing import NEEDS_CHROMIUM, enter
from tests.app.web.test_serve import serving
from tests.app.web.test_watching import until

pytestmark = NEEDS_CHROMIUM


def shown(width: int) -> LivePicture:
    return LivePicture(as_jpeg(np.full((36, width, 3), 90, np.uint8)), width, 36, time.time())


@pytest.fixture
def site(path: Path) -> Path:
    """One whose `camera0` is followed, as far as the record says."""
    figure_site(path, people=1, cameras=1)
    with Site.open_to_write(path) as opened:
        put_live_cameras(opened.database, [LiveRecord("camera0", time.time() + 600, time.time(), width=64, height=36)])
    write_live_picture(path, "camera0", shown(64))
    return path


def test_a_live_picture_goes_on_by_itself(browser: Any, site: Path) -> None:
    with serving(site, "--no-watch") as said:
        page, wrong = enter(browser, said["url"])
        page.goto(said["url"].partition("/enter")[0] + "/cameras/camera0")
        width = "document.querySelector('img.live').naturalWidth"
        until(lambda: page.evaluate(width) == 64)
        write_live_picture(site, "camera0", shown(80))
        until(lambda: page.evaluate(width) == 80)
        assert "every two seconds" in page.locator("#live [role=status]").inner_text()
        assert wrong == []
        for script in (True, False):
            context = browser.new_context(java_script_enabled=script, storage_state=page.context.storage_state())
            still = context.new_page()
            still.goto(page.url)
            assert still.locator("img.live").is_visible()
            context.close()


def test_a_password_stays_in_the_form_while_a_camera_is_tried(browser: Any, site: Path) -> None:
    with serving(site, "--no-watch") as said:
        base = said["url"].partition("/enter")[0]
        page, wrong = enter(browser, said["url"], viewport={"width": 380, "height": 800})
        page.goto(f"{base}/live")
        page.fill("#camera [name=name]", "gate")
        page.fill("#camera [name=address]", "rtsp://169.254.169.254/1")
        page.fill("#camera [name=user]", "me")
        page.fill("#camera [name=password]", "hunter2")
        page.click("text=Try it")
        until(lambda: "nothing is sent there" in page.locator("#tried").inner_text())
        assert page.input_value("#camera [name=password]") == "hunter2" and page.url == f"{base}/live"
        page.fill("#camera [name=address]", "rtsp://10.1.2.3/letmein")
        page.check("#camera [name=paused]")
        page.click("text=Keep this")
        page.wait_for_selector("text=rtsp://10.1.2.3, with a password")
        assert "letmein" not in page.content() and "hunter2" not in page.content()
        page.click("td a:has-text('Change')")
        page.wait_for_url(re.compile("change=gate"))
        assert page.get_attribute("#camera [name=password]", "placeholder") == "as it is"
        assert page.evaluate("document.documentElement.scrollWidth") == 380
        assert [said for said in wrong if "422" not in said] == []
