"""How many frames of each camera are done, and how fast they come."""

from __future__ import annotations

import time

from app.asking import Progress


class FrameCounter:
    """Counts frames by camera. Any thread may say how many to expect."""

    def __init__(self, progress: Progress) -> None:
        self.frames: dict[str, int] = {}
        self._progress = progress
        self._began: dict[str, float] = {}
        self._latest: dict[str, float] = {}
        self._expected: dict[str, int | None] = {}

    def expect(self, camera: str, frames: int | None) -> None:
        """So many more frames of a camera will come. `frames` is None when nobody knows."""
        self._began.setdefault(camera, time.monotonic())
        before = self._expected.get(camera, 0)
        self._expected[camera] = None if frames is None or before is None else before + frames

    def advance(self, camera: str, frames: int = 1) -> None:
        """So many more frames are done."""
        self.frames[camera] = self.frames.get(camera, 0) + frames
        self._latest[camera] = time.monotonic()
        self._progress(f"frames of {camera}", self.frames[camera], self._expected[camera])

    def rate(self, camera: str) -> float:
        """Frames a second, from the camera's start to its latest frame."""
        return self.frames[camera] / max(self._latest[camera] - self._began[camera], 1e-6)
