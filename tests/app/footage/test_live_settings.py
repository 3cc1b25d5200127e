"""What is said of a live camera is taken, or refused in one sentence that holds no secret."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import FootageError
from app.footage.camera_address import camera_address
from app.footage.live_settings import LiveSettings, live_settings

URL = "rtsp://operator:hunter2@hall.lan/hunter2?pwd=hunter2"


@pytest.mark.parametrize(
    ("said", "seconds", "size"),
    [
        ({"record": "90m"}, 5400.0, None),
        ({"record": "7 d", "record_size": "1.5TB"}, 604_800.0, 1_500_000_000_000),
        ({"record": "0.5h", "record_size": "500 MB"}, 1800.0, 500_000_000),
        ({}, None, None),
    ],
)
def test_amounts(said: dict[str, Any], seconds: float | None, size: int | None) -> None:
    expected = LiveSettings(camera_address(URL), 12.5, seconds, size)
    assert live_settings({"url": URL, "fps": 12.5, "mask": [], **said}) == expected


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"url": URL, "device": 0}, "url and device both name a camera"),
        ({"url": [URL]}, "url must be text in quotes"),
        ({"url": URL.replace("rtsp", "rtmp")}, "url: rtmp://hall.lan/… is no address"),
        ({"url": URL.replace("hunter2?", "a.m3u8?")}, "url: rtsp://hall.lan/… is a playlist"),
        ({"device": -1}, "device: -1 is no number of a device"),
        ({"device": True}, "device: True is no number of a device"),
        ({"url": URL, "fps": 0}, "fps = 0 must be a number of pictures a second from 0.1 to 120"),
        ({"url": URL, "fps": "10"}, "fps = '10' must be"),
        ({"url": URL, "fps": float("nan")}, "fps = nan must be"),
        ({"url": URL, "fps": True}, "fps = True must be"),
        ({"url": URL, "record": 24}, 'record = 24 must be an amount in quotes, like "24h", 90m or 7d'),
        ({"url": URL, "record": "24"}, "record = '24' must be"),
        ({"url": URL, "record": "24 years"}, "record = '24 years' must be"),
        ({"url": URL, "record": "0h"}, "record = '0h' must be"),
        ({"url": URL, "record": "-1h"}, "record = '-1h' must be"),
        ({"url": URL, "record": "9999d"}, "longer than ten years"),
        ({"url": URL, "record": URL}, "record = rtsp://hall.lan/… must be"),
        ({"url": URL, "record": "1h", "record_size": "1h"}, "record_size = '1h' must be"),
        ({"url": URL, "record_size": "1GB"}, "give record"),
        ({"url": URL, "paused": "yes"}, "paused must be true or false"),
        ({"paused": True}, "paused is for live cameras"),
        ({"record": "1h"}, "record is for live cameras"),
        ({"record_size": "1GB"}, "record_size is for live cameras"),
    ],
)
def test_what_makes_no_sense(said: dict[str, Any], message: str) -> None:
    with pytest.raises(FootageError) as raised:
        live_settings(said)
    assert message in str(raised.value) and "hunter2" not in str(raised.value)


def test_no_live_camera() -> None:
    assert live_settings({"mask": []}) is None
