"""A camera more or less in site.toml, and nothing else of it changed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from app.errors import SiteConfigError
from app.footage.site_toml_edit import with_camera, without_live

PATH = Path("site.toml")
BY_HAND = """# The station, by Ann
[site]
time_zone = "Europe/Berlin"   # as its recorders have it

[cameras.hall]   # above the stairs
url = 'rtsp://hall.lan/1'
fps = 5
# nobody walks here
mask = [[[0, 0], [1, 0], [1, 0.2]]]

[cameras.films]
min_person_height = 30
"""


def test_remarks_order_and_other_keys_stay() -> None:
    more = with_camera(PATH, BY_HAND, "Gate 2", {"url": 'rtsp://a:"\\b@gate/1', "device": None, "fps": 2.5})
    assert more.startswith(BY_HAND)
    assert tomllib.loads(more)["cameras"]["Gate 2"] == {"url": 'rtsp://a:"\\b@gate/1', "fps": 2.5}
    changed = with_camera(PATH, BY_HAND, "hall", {"url": "rtsp://hall.lan/2", "fps": None, "record": "24h"})
    assert (
        changed.replace("/2", "/1").replace('"rtsp://hall.lan/1"', "'rtsp://hall.lan/1'").splitlines()[:6]
        == (BY_HAND.splitlines()[:6])
    )
    assert "# nobody walks here" in changed and "fps" not in changed
    less = without_live(PATH, BY_HAND, "hall")
    assert tomllib.loads(less)["cameras"]["hall"] == {"mask": [[[0, 0], [1, 0], [1, 0.2]]]}
    assert without_live(PATH, more, "Gate 2").rstrip() == BY_HAND.rstrip()
    assert without_live(PATH, BY_HAND, "attic") == BY_HAND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cameras = {a = {device = 0}}\n",
        "cameras.a.device = 0\n",
        "[cameras]\na.device = 0\n",
        '[cameras.a]\ndevice = 0\n[site]\ntime_zone = "UTC"\n[cameras.b]\ndevice = 1\n',
        "[cameras.a.zones]\nbench = [[0, 0], [1, 0], [1, 1]]\n",
    ],
)
def test_however_it_is_written(text: str) -> None:
    wanted = tomllib.loads(text)
    wanted.setdefault("cameras", {})["gate"] = {"device": 3}
    new = with_camera(PATH, text, "gate", {"device": 3, "url": None})
    assert tomllib.loads(new) == wanted
    wanted["cameras"].pop("gate")
    assert tomllib.loads(without_live(PATH, new, "gate")) in (wanted, tomllib.loads(text))


def test_what_can_not_be_changed_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.footage.site_toml_edit.tomlkit.dumps", lambda document: "x = 1\n")
    with pytest.raises(SiteConfigError, match="change it by hand"):
        with_camera(PATH, BY_HAND, "hall", {"fps": 3})
