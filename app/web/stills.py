"""Pictures that somebody asks with. They stay in memory, for who brought them, and for a while."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from app.engine.crops import as_jpeg
from app.footage.shrunk import shrunk
from app.search.matches import STILL_QUALITY
from app.search.still import People, Still, cut, people_in, still_of
from app.search.still_apart import still_apart
from app.web.access import Session
from deploy.detectors import Detector, Frame
from deploy.detectors.load import load_detector

KEPT_SECONDS = 900.0
MOST = 20  # of all sessions. The oldest one leaves for the next
FRAME_QUALITY = 95  # JPEG, of a frame that is searched with
SHOWN_SIDE = 1280  # px of a still's longer side, as pages show it

Box = tuple[float, float, float, float]  # x1 y1 x2 y2 px of the still


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A picture and the people in it."""

    key: str
    session: Session
    still: Still
    people: People
    shown: bytes  # JPEG
    at: float
    taken: tuple[str, float] | None = None  # by which camera of the site, and when in UTC seconds

    @property
    def boxes(self) -> list[Box]:
        """Where the people are, in pixels of the file."""
        scaled = self.people.boxes.astype(float) * self.still.reduced
        return [(float(a), float(b), float(c), float(d)) for a, b, c, d in scaled]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the file, px."""
        height, width = self.still.pixels.shape[:2]
        return width * self.still.reduced, height * self.still.reduced


class Stills:
    """Keeps the latest pictures. Each is known to the session that brought it, and to no other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._asked: OrderedDict[str, Asked] = OrderedDict()

    def add(self, data: bytes, session: Session) -> Asked:
        """Reads a picture and finds the people in it. Raises StillError."""
        still = still_apart(data, Path("The picture"))
        return self._keep(still, people_in(still, _detector()), session)

    def add_frame(self, frame: Frame, box: Box, session: Session) -> Asked:
        """Takes a frame of the site's own footage, in which somebody drew a box, px. Raises StillError."""
        still = still_of(as_jpeg(frame.image, FRAME_QUALITY), Path("The frame"))
        cut(still.pixels, box)  # says what is wrong with it
        people = People(np.array([box], np.float32), np.ones(1, np.float32), False)
        return self._keep(still, people, session, (frame.camera, frame.time))

    def _keep(self, still: Still, people: People, session: Session, taken: tuple[str, float] | None = None) -> Asked:
        shown = as_jpeg(shrunk(still.pixels, SHOWN_SIDE)[0], STILL_QUALITY)
        asked = Asked(secrets.token_urlsafe(12), session, still, people, shown, self._clock(), taken)
        with self._mutex:
            self._forget_old()
            while len(self._asked) >= MOST:
                self._asked.popitem(last=False)
            self._asked[asked.key] = asked
        return asked

    def get(self, key: str, session: Session) -> Asked | None:
        """A picture of this session, while it is kept."""
        with self._mutex:
            self._forget_old()
            asked = self._asked.get(key)
        return asked if asked is not None and asked.session is session else None

    def _forget_old(self) -> None:
        now = self._clock()
        for key in [key for key, asked in self._asked.items() if now - asked.at > KEPT_SECONDS]:
            del self._asked[key]


@cache
def _detector() -> Detector:
    return load_detector("shipped")
