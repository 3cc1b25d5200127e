"""The newest frame of each live camera, waiting for its turn: what is older makes room, so nothing ever piles up."""

from __future__ import annotations

import threading
from collections import Counter

from deploy.detectors import Frame


class Newest:
    """A place for one frame a camera. Cameras put frames from threads of their own, and one thread takes them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, Frame] = {}
        self._served: dict[str, int] = {}  # by camera, when it last had its turn
        self._turn = 0
        self.skipped: Counter[str] = Counter()  # by camera, frames that newer ones took the place of

    def put(self, frame: Frame) -> None:
        """A camera's newest frame. One of its own that still waits is skipped."""
        with self._changed:
            self.skipped[frame.camera] += frame.camera in self._waiting
            self._waiting[frame.camera] = frame
            self._changed.notify()

    def take(self, most: int, seconds: float) -> list[Frame]:
        """At most so many frames, each of another camera, after at most so many seconds.

        Cameras whose turn was longest ago come first. So where there are more frames than anybody can look at, all get
        the same share.
        """
        with self._changed:
            if not self._waiting:
                self._changed.wait(seconds)
            chosen = sorted(self._waiting, key=lambda camera: self._served.get(camera, -1))[:most]
            for camera in chosen:
                self._turn += 1
                self._served[camera] = self._turn
            return [self._waiting.pop(camera) for camera in chosen]

    def drop(self, camera: str) -> None:
        """Forgets a camera that is followed no more."""
        with self._changed:
            self._waiting.pop(camera, None)
            self._served.pop(camera, None)
            del self.skipped[camera]
