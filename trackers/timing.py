"""The rules of time: what a tracker makes of the stamps of frames, all in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Timing:
    """Rules in seconds, so that the same tracker serves 5 and 60 frames a second, even or uneven."""

    lost_seconds: float = 1.0
    """A track unseen for longer than this is forgotten: ByteTrack's 30 frames at 30 frames a second."""
    lost_frames: int = 10
    """...but never before this many nominal intervals: at 5 frames a second one second is only five chances."""
    first_interval: float = 1 / 30
    """Nominal interval in s until two different stamps have been seen."""
    pause_seconds: float = 1.0
    """A longer interval (and longer than three nominal ones) is a pause; it counts as this much in the average."""
    memory_frames: int = 128
    """Frames over which the nominal interval is averaged, older ones fading out."""
    shortest_step: float = 0.1
    """Least step, as a part of the nominal interval, when the stamps fall behind what was assumed for them."""

    def __post_init__(self) -> None:
        positive = (self.lost_seconds, self.first_interval, self.pause_seconds, self.shortest_step)
        if not all(0 < value < math.inf for value in positive) or self.lost_frames < 1 or self.memory_frames < 1:
            raise ValueError(f"every field of Timing must be positive and finite: {self}")

    def lost_after(self, interval: float) -> float:
        """Seconds without a box after which a track is forgotten; half an interval of grace for rounded stamps."""
        return max(self.lost_seconds, self.lost_frames * interval) + interval / 2


class Clock:
    """Turns the stamps of frames into steps that are always positive, and keeps the nominal interval.

    - A stamp later than the last one: the step is their difference.
    - The same stamp again (rounding, a stuck clock): one nominal interval is assumed, and taken off the step to
      the next later stamp. Stamps rounded to 0.1 s or to whole seconds so become even steps of the true interval.
    - An earlier stamp (a clock set back, a looping file): one nominal interval; the stamps count on from there.

    now: seconds since the first frame. interval: the nominal interval, a fading mean over the stamps.
    """

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.now = 0.0
        self._stamp = math.nan  # the last stamp
        self._ahead = 0.0  # seconds assumed for repeated stamps and not yet paid back
        self._repeats = 0.0  # how often the last stamp was repeated
        self._elapsed, self._frames = 0.0, 0.0  # fading sums; their ratio is the nominal interval

    @property
    def started(self) -> bool:
        return not math.isnan(self._stamp)

    @property
    def interval(self) -> float:
        return self._elapsed / self._frames if self._frames else self.timing.first_interval

    def step(self, stamp: float) -> float:
        """Seconds from the last frame to this one, > 0; one nominal interval at the first frame."""
        if not math.isfinite(stamp):
            raise ValueError(f"the time of a frame must be a finite number of seconds, not {stamp}")
        step = self.interval
        if not self.started:
            self._stamp = stamp
            return step
        since = stamp - self._stamp
        if since > 0:
            self._average(since)
            step = max(since - self._ahead, self.timing.shortest_step * self.interval)
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
        longest = max(self.timing.pause_seconds, 3 * self.interval)
        fade = (1 - 1 / self.timing.memory_frames) ** frames
        self._elapsed = fade * self._elapsed + min(since, frames * longest)
        self._frames = fade * self._frames + frames

    def state(self) -> NDArray[np.float64]:
        return np.array([self.now, self._stamp, self._ahead, self._repeats, self._elapsed, self._frames])

    def restore(self, state: NDArray[np.float64]) -> None:
        self.now, self._stamp, self._ahead, self._repeats, self._elapsed, self._frames = map(float, state)
