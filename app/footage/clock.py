"""Time inside a file: seconds of frames from their stamps, over clocks that jump.

A recorder that reconnects, sets its clock or restarts an encoder goes on in the same file with another clock. The rule
looks at each frame and the one before:

- A step back is B-frames' jitter up to 16 frames. A longer one is a jump.
- A step ahead is a real gap up to `LONGEST_GAP`, or three times the average distance: a recorder on motion, or a camera
  that was away. A longer one is a jump: clocks are set by hours, and few files span them.
- After a jump the frame follows at the usual distance. Later stamps count from there.
- When the file's own stamps fit again, they hold again. So one absurd stamp moves nothing else.
- A stamp that comes a third time in a row counts as none. Frames without one follow at the usual distance.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from app.footage.picture import Resume
from app.remarks import Remark

LONGEST_GAP = 1800  # seconds. Daylight saving moves clocks by 3600, and a longer silence rarely stays in one file
TOLD_GAP = 60  # seconds. A longer gap is believed, but told
REORDER_FRAMES = 16  # no codec holds more frames back
LEAST_JITTER = Fraction(1, 5)  # seconds
MOST_REPEATS = 1  # of a stamp. AVI repeats one for B-frames
CLOSE = 3  # usual distances. So near, the file's own stamps fit beyond doubt

JUMPS = "clock jumps inside files"
GAPS = "gaps of over a minute inside files"
UNSTAMPED = "frames without a time stamp of their own"


class Clock:
    """The seconds of a file's frames, asked for one after the other in presentation order."""

    def __init__(self, time_base: Fraction, origin: Fraction, rate: Fraction, start: Resume | None = None) -> None:
        """Begins at the first frame, or as it stood at the frame that `start` describes.

        Args:
            time_base: Seconds of a tick.
            origin: Seconds on the stamps' own clock at which the footage starts.
            rate: Frames a second, on average.
            start: A frame with a stamp.
        """
        self._time_base, self._origin, self._rate = time_base, origin, rate
        self._gap = max(Fraction(LONGEST_GAP), 3 / rate)
        self._jitter = max(LEAST_JITTER, REORDER_FRAMES / rate)
        self._shift = self._distance = 0
        self._last: Fraction | None = None
        self._latest = Fraction(0)
        self._stamp: int | None = None
        self._repeats = 0
        if start is not None and start.pts is not None:
            self._shift, self._distance = start.shift, start.distance
            self._last = start.pts * time_base - origin - start.shift * time_base
            self._latest = self._last + start.behind * time_base
            # No repeat is remembered: where the next frame has this stamp too, nobody can go on here.
        self.forget()

    def forget(self) -> None:
        """Starts counting anew."""
        self.jumps = self.gaps = self.unstamped = 0

    @property
    def shift(self) -> Fraction:
        """Seconds by which the stamps are ahead of the footage's time, since the last jump."""
        return self._shift * self._time_base

    @property
    def state(self) -> tuple[int, int, int]:
        """`Resume.shift`, `distance` and `behind` of the frame asked for last. It must have a stamp."""
        behind = 0 if self._last is None else ceil((self._latest - self._last) / self._time_base)
        return self._shift, self._distance, behind

    @property
    def end(self) -> Fraction:
        """Seconds at which the latest frame ends, if it lasts as long as usual."""
        return Fraction(0) if self._last is None else self._latest + self._usual

    @property
    def remarks(self) -> list[Remark]:
        """What was met since the last `forget`."""
        told = (
            (
                JUMPS,
                self.jumps,
                "The time stamps step back, or ahead by more than half an hour. The next frame was taken to follow at "
                "once. Check the camera's clock, and split the file there if time really passed.",
            ),
            (
                GAPS,
                self.gaps,
                "The time stamps leave out up to half an hour. They were believed: nothing was recorded there. "
                "Check the recorder if it should record all the time.",
            ),
            (
                UNSTAMPED,
                self.unstamped,
                "These frames were taken to follow at the stream's own rate, or at 25 frames a second where it has "
                "none. Times drift where that is wrong. Export to MP4 or MKV to keep stamps.",
            ),
        )
        return [Remark(what, count, why) for what, count, why in told if count]

    def seconds(self, stamp: int | None) -> Fraction:
        """Seconds since the start of the footage of the next frame, whose stamp is in ticks."""
        if stamp is None:
            self.unstamped += 1
            seconds = Fraction(0) if self._last is None else self._last + 1 / self._rate
        else:
            self._repeats = self._repeats + 1 if stamp == self._stamp else 0
            self._stamp = stamp
            own = stamp * self._time_base - self._origin
            if self._shift and 0 < own - self._latest <= CLOSE * self._usual:
                self._shift = 0
            seconds = own - self._shift * self._time_base
            if self._repeats > MOST_REPEATS:
                self.unstamped += 1
                self._shift = round((own - self._latest - self._usual) / self._time_base)
                seconds = own - self._shift * self._time_base
            elif not self._follows(seconds):
                self.jumps += 1
                if self._shift and self._follows(own) and own > self._latest:
                    self._shift = 0
                else:
                    expected = Fraction(0) if self._last is None else self._latest + self._usual
                    self._shift = round((own - expected) / self._time_base)
                seconds = own - self._shift * self._time_base
            elif self._last is not None and seconds > self._last:
                step = seconds - self._last
                self.gaps += int(step > max(Fraction(TOLD_GAP), 3 * self._usual))
                self._distance = max(1, round(step / self._time_base))
        self._latest = seconds if self._last is None else max(self._latest, seconds)
        self._last = seconds
        return seconds

    def ends(self, duration: int | None) -> None:
        """Counts a last frame that lasts longer than any gap, by its `duration` in ticks, as a jump behind it."""
        self.jumps += int((duration or 0) * self._time_base > self._gap)

    @property
    def _usual(self) -> Fraction:
        """Seconds between frames. A jump in the file makes the average too long, so the last distance counts too."""
        average = 1 / self._rate
        return min(average, self._distance * self._time_base) if self._distance else average

    def _follows(self, seconds: Fraction) -> bool:
        if self._last is None:
            return abs(seconds) <= self._gap
        return self._latest - self._jitter <= seconds <= self._last + self._gap
