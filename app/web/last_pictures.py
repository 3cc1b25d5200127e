"""The last picture of each camera, kept in memory until there is a later one, or its footage is gone.

Of a camera that is followed live it is the newest that its watcher keeps.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.engine.crops import as_jpeg
from app.footage.shrunk import shrunk
from app.record import Site
from app.record.live_cameras import live_cameras_of
from app.record.live_pictures import read_live_picture
from app.report.camera_picture import latest_picture, pieces_there

MOST = 64  # pictures. The one that nobody asked for the longest leaves for the next
SIDE = 1280  # px of the longer side
QUALITY = 85


@dataclass(frozen=True, slots=True, eq=False)
class LastPicture:
    """A camera's last picture."""

    jpeg: bytes
    width: int  # px of the footage's frames, which may be larger than the picture
    height: int
    time: float  # UTC seconds

    def pixels(self) -> NDArray[np.uint8]:
        """RGB `(H, W, 3)`."""
        decoded = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None  # it was encoded here
        return np.asarray(decoded[:, :, ::-1], np.uint8)


class LastPictures:
    """Those of one site. One at a time is decoded."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], LastPicture | None] = OrderedDict()
        self._mutex = threading.Lock()

    def get(self, site: Site, camera: str) -> LastPicture | None:
        """A camera's last picture. None where its footage is gone, or none of it can be decoded."""
        now = live_picture(site, camera)
        if now is not None:
            return now
        pieces = pieces_there(site, camera)
        if not pieces:
            return None
        key = (camera, pieces[0].id, pieces[0].frames)
        with self._mutex:
            if key not in self._kept:
                for old in [other for other in self._kept if other[0] == camera]:
                    del self._kept[old]
                self._kept[key] = _made(site, camera)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
            return self._kept[key]


def live_picture(site: Site, camera: str) -> LastPicture | None:
    """The newest picture of a camera that is followed just now. None of others, or where another machine follows it."""
    if camera not in live_cameras_of(site.database, time.time()):
        return None
    newest = read_live_picture(site.path, camera)
    return None if newest is None else LastPicture(newest.jpeg, newest.width, newest.height, newest.time)


def _made(site: Site, camera: str) -> LastPicture | None:
    latest = latest_picture(site, camera)
    if latest is None:
        return None
    height, width = latest.pixels.shape[:2]
    return LastPicture(as_jpeg(shrunk(latest.pixels, SIDE)[0], QUALITY), width, height, latest.time)
