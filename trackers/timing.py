"""The rules of time: what a tracker makes of the stamps of frames, all in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIRST_INTERVAL = 1 / 30  # s, the nominal interval until two different stamps have been seen: a usual frame rate
PAUSE_SECONDS = 1.0  # s, a longer interval, and longer than three nominal ones, is a pause and averaged as this much
MEMORY_FRAMES = 128  # over which the nominal interval is averaged: long enough for stamps rounded to whole seconds
SHORTEST_STEP = 0.1  # of the nominal interval, when the stamps fall behind what was assumed: time never stands still
CLOCK_NUMBERS = 6  # in a clock's state


@dataclass(frozen=True, slots=True)
class Timing:
    """When a track is forgotten, in seconds, so that the same tracker serves 5 and 60 frames a second.

    Attributes:
        lost_seconds: A track unseen for longer is forgotten. ByteTrack's 30 frames at 30 frames a second.
        lost_frames: But never before this many nominal intervals. At 5 frames a second a second is only five chances.
    """

    lost_seconds: float = 1.0
    lost_frames: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.lost_seconds < math.inf or self.lost_frames < 1:
            raise ValueError(f"every field of Timing must be positive and finite: {self}")

    def lost_after(self, interval: float) -> float:
        """Seconds without a box after which a track is forgotten. Half an interval of grace is for rounded stamps."""
        return max(self.lost_seconds, self.lost_frames * interval) + interval / 2


class Clock:
    """Turns the stamps of frames into steps that are always positive, and keeps the nominal interval.

    - A stamp later than the last one: The step is their difference.
    - The same stamp again (rounding, a stuck clock): One nominal interval is assumed. It is taken off the step to the
      next later stamp. So stamps rounded to 0.1 s or to whole seconds become even steps of the true interval.
    - An earlier stamp (clock set back, looping file): One nominal interval. The stamps count on from there.

    Attributes:
        timing: When a track is forgotten.
        now: Seconds since the first frame.
    """

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.now = 0.0
        self._stamp = math.nan  # the last stamp
        self._ahead = 0.0  # seconds assumed for repeated stamps and not yet paid back
        self._repeats = 0.0  # how often the last stamp was repeated
        self._elapsed, self._frames = 0.0, 0.0  # fading sums, their ratio is the nominal interval

    @property
    def started(self) -> bool:
        """Whether there was a frame."""
        return not math.isnan(self._stamp)

    @property
    def interval(self) -> float:
        """The nominal interval in seconds, a fading mean over the stamps."""
        return self._elapsed / self._frames if self._frames else FIRST_INTERVAL

    def step(self, stamp: float) -> float:
        """Seconds from the last frame to this one, above 0. At the first frame it is one nominal interval.

        Raises:
            ValueError: `stamp` is not finite.
        """
        if not math.isfinite(stamp):
            raise ValueError(f"the time of a frame must be a finite number of seconds, not {stamp}")
        step = self.interval
        if not self.started:
            self._stamp = stamp
            return step
        since = stamp - self._stamp
        if since > 0:
            self._average(since)
            step = max(since - self._ahead, SHORTEST_STEP * self.interval)
            self._ahead += step - since
            self._repeats = 0.0
        elif since == 0:
            self._ahead += step
            self._repeats += 1
        else:
            self._ahead = self._repeats = 0.0
        self._stamp = stamp
        self.now += step
        return step

    def _average(self, since: float) -> None:
        frames = self._repeats + 1
        longest = max(PAUSE_SECONDS, 3 * self.interval)
        fade = (1 - 1 / MEMORY_FRAMES) ** frames
        self._elapsed = fade * self._elapsed + min(since, frames * longest)
        self._frames = fade * self._frames + frames

    def state(self) -> NDArray[np.float64]:
        """`(CLOCK_NUMBERS,)`, all that a clock knows."""
        return np.array([self.now, self._stamp, self._ahead, self._repeats, self._elapsed, self._frames])

    def restore(self, state: NDArray[np.float64]) -> None:
        """Goes on where the clock stood whose `state` this is."""
        self.now, self._stamp, self._ahead, self._repeats, self._elapsed, self._frames = map(float, state)
