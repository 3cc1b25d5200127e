"""A live camera as it is seen from outside: pictures and outages without end, whatever happens to its process.

The process takes the pictures, see `app.footage.live`. Here it is watched. When its stream ends, or nothing comes in
time, or it crashes or swells, it is killed. When it is gone a new one is started, at a pace, for as long as the camera
is wanted. So a camera never has two connections at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from app.footage.apart import NotYet, Worker, WorkerError
from app.footage.live import Counts, Ended, LiveOptions, Shape, Taken, live_frames
from app.footage.outage import FOR_A_PERSON, Outage, Why
from deploy.detectors import Frame

LOOK = 0.2  # s between looks at whether the camera is still wanted
MARGIN = 3.0  # s by which this side waits longer than the process, which knows more about why nothing comes
STARTING = 60.0  # s for a process to start, on a machine that is busy
MOST_MEMORY = 3 * 2**29  # bytes of a camera's process. 8K with 16 references takes a third


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between the beginnings of tries to connect."""

    first: float = 1.0
    growth: float = 1.6  # from one to the next, until a picture comes
    most: float = 8.0  # where the camera is away and will come back
    most_for_a_person: float = 30.0  # where somebody has to do something. Cameras lock who guesses passwords
    least: float = 1.0  # after the end of the try before

    def pause(self, failures: int, why: Why, rng: random.Random) -> float:
        """How long after the try before the next begins. failures: in a row, from 1. Up to a quarter is random."""
        most = self.most_for_a_person if why in FOR_A_PERSON else self.most
        return min(most, self.first * self.growth ** min(failures - 1, 20)) * rng.uniform(0.75, 1.0)


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """A picture and its times."""

    frame: Frame  # its index counts all pictures of the connection, from 0. Its time is by this machine's clock
    arrival: float  # UTC seconds at which it came here
    camera_time: float | None  # UTC seconds by the camera's own clock, where it tells
    connection: int  # from 0. A new one begins with another index and perhaps another size


LiveEvent = LiveFrame | Outage


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a camera does, for a page and for metrics."""

    shape: Shape | None = None  # of the present connection or of the last one
    outage: Outage | None = None  # the present one
    connections: int = 0  # that brought pictures
    outages: dict[Why, int] = field(default_factory=dict)  # how many began, by their last cause
    counts: Counts = field(default_factory=Counts)  # of all connections together
    taken: int = 0  # pictures, of all connections together
    ahead: float | None = None  # seconds by which the camera's clock is ahead
    drift: float | None = None  # seconds a day by which its stamps run fast
    unrecorded: str | None = None  # why its film isn't recorded at present


class LiveCamera(Iterator[LiveEvent]):
    """An iterator that ends when the camera is stopped. `take` is for who can't wait.

    Times of pictures rise, over all connections. After `Why.CLOCK` they go on from where this machine's clock was set
    back to. To be used by one thread, except for `stop` and `state`.
    """

    def __init__(
        self,
        name: str,
        options: LiveOptions,
        *,
        pace: Pace = Pace(),
        most_memory: int = MOST_MEMORY,
        seed: int | None = None,
    ) -> None:
        """Connects to nothing before the first picture is asked for.

        Args:
            name: Of the camera.
            options: How its pictures are taken.
            pace: Of tries to connect.
            most_memory: Bytes of its process.
            seed: Of the pauses' random part, so that cameras do not all come back at the same moment.
        """
        self.name = name
        self._options, self._pace = options, pace
        self._rng = random.Random(seed)
        self._worker = Worker(most_memory=most_memory)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._state = LiveState()
        self._events: list[LiveEvent] = []  # that come before anything else is asked for
        self._running = False
        self._asked_since: float | None = None  # steady seconds since when the process owes an item
        self._tried = float("-inf")  # steady seconds at which the last try began
        self._next_try = float("-inf")
        self._failures = 0
        self._last = float("-inf")  # time of the last picture
        self._shape: Shape | None = None  # of the present connection
        self._before = Counts()  # of connections that ended
        self._connection = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __next__(self) -> LiveEvent:
        while not self._stopped.is_set():
            event = self.take(LOOK)
            if event is not None:
                return event
        self.close()
        raise StopIteration

    def stop(self) -> None:
        """Ends the iteration within a second, even while the camera is being opened. From any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Ends the camera's process. By the thread that iterates."""
        self._stopped.set()
        self._worker.close()
        self._running = False

    @property
    def state(self) -> LiveState:
        """How the camera does. From any thread."""
        with self._lock:
            return self._state

    @property
    def process(self) -> int:
        """The id of the camera's process, 0 where there is none."""
        return self._worker.process

    def take(self, wait: float) -> LiveEvent | None:
        """What comes next, the newest picture if it is one. None where nothing did within `wait` seconds."""
        end = time.monotonic() + wait
        while not self._stopped.is_set():
            if self._events:
                return self._events.pop(0)
            left = end - time.monotonic()
            if self._running:
                self._ask(max(0.0, min(LOOK, left)))
            elif time.monotonic() >= self._next_try:
                self._try()
            elif left > 0:
                self._stopped.wait(min(LOOK, left, self._next_try - time.monotonic()))
            if left <= 0 and not self._events:
                return None
        return None

    def _try(self) -> None:
        if self._state.outage is None:
            self._away(time.time(), Why.STARTING, f"{self._options.source} is not connected yet.")
        if not self._worker.close():
            self._fails(Why.CRASHED, "The camera's process can't be ended: a driver or a disk hangs.")
            return
        self._tried = time.monotonic()
        self._asked_since = self._shape = None
        try:
            self._worker.begin(live_frames, self._options)
        except WorkerError as error:
            self._fails(Why.CRASHED, str(error))
            return
        self._running = True

    def _ask(self, wait: float) -> None:
        started = self._worker.process != 0
        if self._asked_since is None:
            self._asked_since = time.monotonic()
        try:
            item = self._worker.item(wait)
        except WorkerError as error:
            why = {"crash": Why.CRASHED, "swell": Why.MEMORY, "fail": Why.UNREADABLE}[error.how]
            # What it raised may hold anything, an address too.
            self._fails(why, "Its stream makes the decoder fail." if error.how == "fail" else str(error))
            return
        if item is not NotYet:
            self._asked_since = None
            self._hear(item)
        elif not started and self._worker.process:
            self._asked_since = None
        else:
            self._look(time.monotonic() - self._asked_since)

    def _look(self, waited: float) -> None:
        """Gives the process up where it owes an item for too long. waited: seconds for it."""
        patience = self._options.patience
        if not self._worker.process:
            if waited > STARTING:
                self._fails(Why.CRASHED, "The camera's process does not start.")
        elif self._shape is None:
            if waited > patience.opening + MARGIN:
                self._fails(Why.OPENING, f"{self._options.source} hangs while it is opened.")
        elif waited > patience.stalled + MARGIN:
            self._fails(Why.STALLED, "The camera's process hangs.")

    def _hear(self, item: Any) -> None:
        if isinstance(item, Shape):
            self._shape = item
            self._connection += 1
        elif isinstance(item, Ended):
            self._fails(item.why, item.reason)
        else:
            pixels, taken = item
            self._hear_picture(pixels, taken)

    def _hear_picture(self, pixels: Any, taken: Taken) -> None:
        if taken.time <= self._last:  # of the last moment before a new connection
            return
        self._failures = 0
        outage = self._state.outage
        if outage is not None:
            changed = _changed(self._state.shape, self._shape)
            reason = f"{outage.reason} {changed}".strip()
            self._events.append(replace(outage, end=max(outage.start, taken.time), reason=reason))
        self._events.extend(taken.breaks)
        frame = Frame(self.name, taken.index, taken.time, pixels)
        self._events.append(LiveFrame(frame, taken.arrival, taken.camera_time, self._connection))
        self._last = taken.time
        outages = Counter(self._state.outages)
        outages.update(jump.why for jump in taken.breaks)
        self._set(
            shape=self._shape,
            outage=None,
            connections=self._connection + 1,
            outages=dict(outages),
            counts=_summed(self._before, taken.counts),
            taken=self._state.taken + 1,
            ahead=taken.ahead,
            drift=taken.drift,
            unrecorded=taken.unrecorded,
        )

    def _fails(self, why: Why, reason: str) -> None:
        """Ends the try or the connection, and says when the next one begins."""
        self._worker.close()
        self._running = False
        self._before = self._state.counts
        self._failures += 1
        start = self._last if self._state.outage is None else self._state.outage.start
        if why is Why.CLOCK:
            self._last = float("-inf")
            start = min(start, time.time())
        self._away(start, why, reason)
        now = time.monotonic()
        pause = self._pace.pause(self._failures, why, self._rng)
        self._next_try = max(self._tried + pause, now + self._pace.least * self._rng.uniform(1.0, 1.25))

    def _away(self, start: float, why: Why, reason: str) -> None:
        """Tells of an outage, or of another cause of one."""
        before = self._state.outage
        outage = Outage(start, None, why, reason)
        if before == outage:
            return
        outages = Counter(self._state.outages)
        if before is None or before.why is not why:
            outages[why] += 1
            self._events.append(outage)
        self._set(outage=outage, outages={kind: count for kind, count in outages.items() if kind is not Why.STARTING})

    def _set(self, **values: Any) -> None:
        with self._lock:
            self._state = replace(self._state, **values)


def _changed(before: Shape | None, now: Shape | None) -> str:
    """How a camera came back otherwise than it went, nothing where it didn't."""
    if before is None or now is None or replace(before, hardware=None) == replace(now, hardware=None):
        return ""
    return f"It came back as {now}, and was {before}."


def _summed(first: Counts, second: Counts) -> Counts:
    return Counts(*(getattr(first, name) + getattr(second, name) for name in Counts.__dataclass_fields__))
