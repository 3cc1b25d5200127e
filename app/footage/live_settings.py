"""What `site.toml` or a page says of one live camera: where it is, how fast, and what of it is kept to be watched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import FootageError
from app.footage.camera_address import CameraSource, camera_address, camera_device, hidden

KEYS = frozenset({"url", "device", "fps", "record", "record_size", "paused"})
RATES = (0.1, 120.0)  # pictures a second that can be asked for
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
MOST_SECONDS = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Of one camera."""

    source: CameraSource
    fps: float | None = None  # pictures a second at most
    record_seconds: float | None = None  # for how long its film is kept. None: it isn't recorded
    record_bytes: int | None = None  # of its film at most
    paused: bool = False  # whether nobody follows it for now


def live_settings(table: Mapping[str, Any]) -> LiveSettings | None:
    """Reads the keys of KEYS, None where there is neither an address nor a device.

    Raises:
        FootageError: One of them makes no sense. The sentence begins with its name and holds no secret.
    """
    source = _source(table)
    fps = table.get("fps")
    if fps is not None and not _is_rate(fps):
        raise FootageError(f"fps = {fps!r:.40} must be a number of pictures a second from {RATES[0]:g} to {RATES[1]:g}")
    record = table.get("record")
    seconds = None if record is None else _amount("record", record, _SECONDS, "24h", "90m or 7d")
    if seconds is not None and seconds > MOST_SECONDS:
        raise FootageError(f'record = "{record:.40}" is longer than ten years: give fewer days')
    size = table.get("record_size")
    most = None if size is None else _amount("record_size", size, _BYTES, "200GB", "500MB or 2TB")
    paused = table.get("paused", False)
    if not isinstance(paused, bool):
        raise FootageError("paused must be true or false, without quotes")
    if source is None:
        for key in ("fps", "record", "record_size", "paused"):
            if key in table:
                raise FootageError(f"{key} is for live cameras: give url or device beside it")
        return None
    if most is not None and seconds is None:
        raise FootageError('record_size limits a recording: give record = "24h" beside it')
    return LiveSettings(
        source, None if fps is None else float(fps), seconds, None if most is None else int(most), paused
    )


def _source(table: Mapping[str, Any]) -> CameraSource | None:
    url, device = table.get("url"), table.get("device")
    if url is not None and device is not None:
        raise FootageError("url and device both name a camera: give one of them")
    if device is not None:
        try:
            return camera_device(device)
        except FootageError as error:
            raise FootageError(f"device: {error}") from None
    if url is None:
        return None
    if not isinstance(url, str):
        raise FootageError('url must be text in quotes, like "rtsp://hall.lan/stream1"')
    try:
        return camera_address(url)
    except FootageError as error:
        raise FootageError(f"url: {error}") from None


def _is_rate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and RATES[0] <= value <= RATES[1]


def _amount(key: str, value: object, units: Mapping[str, int], example: str, others: str) -> float:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([A-Za-z]{1,2})", value) if isinstance(value, str) else None
    if match is None or match[2] not in units or float(match[1]) == 0:
        shown = hidden(value) if isinstance(value, str) and "://" in value else f"{value!r:.40}"
        raise FootageError(f'{key} = {shown} must be an amount in quotes, like "{example}", {others}')
    return float(match[1]) * units[match[2]]
