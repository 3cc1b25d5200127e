"""A live camera is connected to once, to see what it shows or why it shows nothing. It has a process of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass

from app.engine.crops import as_jpeg
from app.footage.camera_address import CameraSource
from app.footage.camera_connection import Allowed
from app.footage.live import LiveOptions
from app.footage.live_camera import LiveCamera, LiveFrame
from app.footage.outage import Why
from app.footage.shrunk import shrunk
from app.record import Site
from app.record.audit import add_entry
from app.record.rows import AuditEntry

LONGEST = 20.0  # s
SIDE, QUALITY = 960, 85  # px of the picture's longer side, and of its JPEG


@dataclass(frozen=True, slots=True, eq=False)
class CameraTrial:
    """What came of it."""

    jpeg: bytes | None  # its first picture
    said: str  # what it sends, or why nothing came


def try_camera(
    site: Site, source: CameraSource, allowed: Allowed, *, who: str, seconds: float = LONGEST
) -> CameraTrial:
    """Connects, takes one picture and leaves. It takes so many seconds at most, and notes who tried what."""
    trial = _tried(source, allowed, seconds)
    details = {"source": str(source), "result": trial.said}
    with site.database.transaction():
        add_entry(site.database, AuditEntry(time.time(), who, "try camera", details))
    return trial


def _tried(source: CameraSource, allowed: Allowed, seconds: float) -> CameraTrial:
    limit = time.monotonic() + seconds
    with LiveCamera("trial", LiveOptions(source, allowed)) as camera:
        while (left := limit - time.monotonic()) > 0:
            event = camera.take(min(0.5, left))
            if isinstance(event, LiveFrame):
                jpeg = as_jpeg(shrunk(event.frame.image, SIDE)[0], QUALITY)
                return CameraTrial(jpeg, f"It sends {camera.state.shape}.")
            if event is not None and event.why is not Why.STARTING:
                return CameraTrial(None, event.reason)
    return CameraTrial(None, f"{source} sent no picture within {seconds:.0f} s.")
