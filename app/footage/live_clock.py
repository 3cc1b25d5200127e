"""When a live camera's pictures were taken: UTC seconds from its stamps, this machine's clock, and the camera's own.

- Stamps give the distances between pictures. This machine's clock gives the anchor.
- No picture arrives before it was taken. So the anchor is where the least delayed picture of the last while was at
  once. Pictures that a network held back keep their true times.
- At the beginning, pictures come that waited in the camera or in libav. Until they are through, nothing is timed.
- The two clocks drift. When the anchor is off by more than `DRIFTED`, it moves, and pictures' distances change by
  `SLEW` at most. When it is off ahead by more than `JUMPED`, it moves at once.
- Stamps of 32 and 33 bits start again. That is seen and counted, and changes nothing.
- Stamps that leave out time or go back are a jump. The next picture was taken when it arrived.
- Where a stream has no stamps, pictures were taken when they arrived.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

DRIFTED = 0.25  # s between anchor and least delay, beyond which the anchor moves
SLEW = 0.05  # of the time that passes, by which it moves
JUMPED = 2.0  # s that stamps may be ahead of this machine's clock from one picture to the next
REORDERED = 1.0  # s that stamps may go back, as B-frames' do
WRAPS = (32, 33)  # bits of stamps: RTP, MPEG-TS
LOOK_BACK = 30.0  # s in which the least delay is looked for
SETTLED = 0.5  # of pictures' distances. Who waited so long for the last few has caught up
FEW = 4
SETTLING = 2.0  # s after which it counts as caught up in any case
CLOCK_SET = 1.0  # s by which this machine's clock and its steady one may come apart between two pictures
MINUTE = 60.0
MINUTES, FEWEST_MINUTES = 1440, 10  # of which the drift is measured


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of one picture's time."""

    time: float  # UTC seconds at which it was taken
    settled: bool  # False for pictures that waited before the stream was opened
    jump: str | None = None  # what its stamp did, in words, where it was taken to follow none before
    set_back: float = 0.0  # seconds by which this machine's clock was set back just before


class LiveClock:
    """The times of one connection's pictures, asked for as their packets arrive."""

    def __init__(self, time_base: Fraction | None) -> None:
        """Begins without an anchor. time_base: seconds of a tick, None for a stream without stamps."""
        self.wraps = self.jumps = 0
        self._time_base = Fraction(1) if time_base is None else time_base
        self._shift = 0  # ticks, from wraps
        self._anchor: float | None = None  # UTC seconds at stamp 0
        self._stamp = self._steady = 0.0  # of the picture before
        self._wall: float | None = None  # likewise
        self._settled, self._began = time_base is None, 0.0
        self._few: deque[tuple[float, float]] = deque(maxlen=FEW)  # stamps and steady clock
        self._delays: deque[tuple[float, float]] = deque()  # wall clock and anchor, with rising anchors
        self._minutes: deque[tuple[float, float]] = deque(maxlen=MINUTES)  # each minute's least anchor
        self._drift: float | None = None  # of the minutes that are over
        self._ahead: deque[tuple[float, float]] = deque()  # wall clock and how far the camera's clock was ahead

    def moment(self, ticks: int | None, wall: float, steady: float) -> Moment:
        """Times a picture whose packet has just arrived.

        Args:
            ticks: Its stamp, None without one.
            wall: This machine's clock, UTC seconds.
            steady: Seconds of a clock that nobody sets.
        """
        waited = steady - self._steady
        set_by = 0.0 if self._wall is None else (wall - self._wall) - waited
        set_by = set_by if abs(set_by) > CLOCK_SET else 0.0
        self._began = steady if self._wall is None else self._began
        self._wall, self._steady = wall, steady
        if ticks is None:
            self._settled |= steady - self._began > SETTLING
            return Moment(wall, self._settled, None, max(0.0, -set_by))
        stamp, jump = float((ticks + self._shift) * self._time_base), None
        if self._anchor is None:
            self._anchor = wall - stamp
        else:
            stamp, jump = self._continued(ticks, stamp, waited)
        if jump is not None or set_by:
            self._delays.clear()
            self._minutes.clear()
            self._drift = None
            self._anchor = wall - stamp if jump is not None else self._anchor + set_by
        self._settle(stamp, steady)
        self._moved(stamp, wall)
        self._stamp = stamp
        return Moment(stamp + self._anchor, self._settled, jump, max(0.0, -set_by))

    def camera_says(self, camera_time: float, wall: float) -> None:
        """Hears what the camera's own clock said when a picture was taken that arrived at `wall`."""
        ahead = camera_time - wall
        while self._ahead and self._ahead[-1][1] <= ahead:
            self._ahead.pop()
        self._ahead.append((wall, ahead))
        while self._ahead[0][0] < wall - LOOK_BACK:
            self._ahead.popleft()

    @property
    def ahead(self) -> float | None:
        """Seconds by which the camera's clock is ahead of this machine's, less what the way takes. None if untold."""
        return self._ahead[0][1] if self._ahead else None

    @property
    def drift(self) -> float | None:
        """Seconds a day by which the camera's stamps run fast, over a day at most. None in the first ten minutes."""
        return self._drift

    def _drifted(self) -> float | None:
        """The drift, once a minute: asked of each picture it would be most of a camera's work."""
        if len(self._minutes) < FEWEST_MINUTES:
            return None
        walls, anchors = np.array(self._minutes).T
        walls -= walls.mean()
        return float(-(walls @ (anchors - anchors.mean())) / (walls @ walls) * 86_400)

    def _continued(self, ticks: int, stamp: float, waited: float) -> tuple[float, str | None]:
        """The stamp in seconds, over wraps, and what it did where it doesn't continue the ones before."""
        if self._plausible(stamp, waited):
            return stamp, None
        for bits in WRAPS:
            for shift in (self._shift + 2**bits, self._shift - 2**bits):  # back, for B-frames around the wrap
                wrapped = float((ticks + shift) * self._time_base)
                if self._plausible(wrapped, waited):
                    self.wraps += int(shift > self._shift)
                    self._shift = shift
                    return wrapped, None
        self.jumps += 1
        by = stamp - self._stamp
        return stamp, f"its stamps {'went back' if by < 0 else 'jumped ahead'} by {abs(by):.1f} s"

    def _plausible(self, stamp: float, waited: float) -> bool:
        return -REORDERED <= stamp - self._stamp <= max(0.0, waited) + JUMPED

    def _settle(self, stamp: float, steady: float) -> None:
        if self._settled:
            return
        self._few.append((stamp, steady))
        passed, waited = stamp - self._few[0][0], steady - self._few[0][1]
        caught_up = len(self._few) == FEW and waited > SETTLED * passed > 0
        self._settled = caught_up or steady - self._began > SETTLING

    def _moved(self, stamp: float, wall: float) -> None:
        """Moves the anchor towards the least delay of the last while."""
        assert self._anchor is not None
        at_once = wall - stamp  # the anchor if this picture had no delay
        while self._delays and self._delays[-1][1] >= at_once:
            self._delays.pop()
        self._delays.append((wall, at_once))
        while self._delays[0][0] < wall - LOOK_BACK:
            self._delays.popleft()
        if not self._minutes or wall - self._minutes[-1][0] >= MINUTE:
            self._drift = self._drifted()
            self._minutes.append((wall, at_once))
        elif at_once < self._minutes[-1][1]:
            self._minutes[-1] = (self._minutes[-1][0], at_once)
        least = self._delays[0][1]
        error = least - self._anchor
        if not self._settled or error > JUMPED:
            self._anchor = least
        elif abs(error) > DRIFTED:
            most = SLEW * max(0.0, stamp - self._stamp)
            self._anchor += max(-most, min(most, error))
