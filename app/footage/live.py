"""What runs in a live camera's own process: it connects, decodes without end, and gives the newest picture away.

Three threads share the work, so that nothing piles up while a picture is waited for or converted:

- The reader takes packets from the camera and times them as they arrive.
- The decoder makes pictures of them. Where it can't keep up, packets are dropped up to the next keyframe.
- The one that is asked converts the newest picture. Those before it, which nobody asked for, are counted.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import av.logging
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.footage.apart import WithPicture
from app.footage.camera_address import CameraSource
from app.footage.camera_connection import Allowed
from app.footage.container import frame_rate
from app.footage.live_clock import LiveClock, Moment
from app.footage.live_open import OpenedCamera, open_camera
from app.footage.outage import CameraError, Outage, Why
from app.footage.recording import Recorder, Recording
from app.footage.rgb import Rgb

BEHIND = 2.0  # s of packets that wait for the decoder at most
MOST_WAITING = 2**26  # bytes of them at most
NEXT = 0.001  # s between pictures at least, so that times rise
EARLY = 0.1  # of the distance between pictures at a wanted rate, by which one may come too early
CLOSING = 0.5  # s for the end of a recording, before the stream's end is told
REMEMBERED = 64  # times of packets in the decoder. It holds back 16 at most
_PRODUCED = struct.Struct("<qi")  # AVProducerReferenceTime: microseconds UTC, and how it was measured


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a camera."""

    connecting: float = 5.0  # for an answer to the connection
    opening: float = 10.0  # for the first picture, all in all
    stalled: float = 8.0  # for the next one


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a camera's pictures are taken."""

    source: CameraSource
    allowed: Allowed = field(default_factory=Allowed)
    fps: float | None = None  # pictures a second at most, all where None
    hardware: bool = True  # decode in hardware where there is some
    patience: Patience = field(default_factory=Patience)
    recording: Recording | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a camera sends, known with its first picture."""

    codec: str
    width: int
    height: int
    rate: Fraction  # pictures a second, as announced
    hardware: str | None  # what decodes it, None for this processor

    def __str__(self) -> str:
        return f"{self.codec}, {self.width} x {self.height}, {float(self.rate):.4g} a second"


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one connection so far."""

    decoded: int = 0
    skipped: int = 0  # wanted, and nobody asked before the next one came
    thinned: int = 0  # beyond the wanted rate
    lost: int = 0  # packets that the decoder had no time for
    damaged: int = 0  # packets and pictures that could not be decoded whole
    wraps: int = 0  # stamps that started again
    jumps: int = 0  # stamps that left out time or went back


@dataclass(frozen=True, slots=True)
class Taken:
    """What comes with a picture."""

    index: int  # of all that were decoded since the connection, from 0
    time: float  # UTC seconds at which it was taken, by this machine's clock. It rises
    arrival: float  # UTC seconds at which it came here
    camera_time: float | None  # UTC seconds by the camera's own clock, where it tells
    ahead: float | None  # seconds by which the camera's clock is ahead
    drift: float | None  # seconds a day by which its stamps run fast
    counts: Counts
    breaks: tuple[Outage, ...] = ()  # jumps of its stamps since the picture before
    unrecorded: str | None = None  # why its film isn't recorded at present


@dataclass(frozen=True, slots=True)
class Ended:
    """Why the stream is over: the last item."""

    why: Why
    reason: str


@dataclass(slots=True)
class _Arrived:
    """A packet and its time."""

    packet: Packet[VideoStream]
    moment: Moment
    arrival: float
    steady: float
    camera_time: float | None


@dataclass(slots=True)
class _Newest:
    """A decoded picture that nobody has asked for yet."""

    frame: VideoFrame
    index: int
    time: float
    arrived: _Arrived


@dataclass(slots=True)
class _Shared:
    """What the threads share, under one lock."""

    waiting: deque[_Arrived | Ended] = field(default_factory=deque)
    waiting_bytes: int = 0
    gap: bool = False  # packets were dropped, and no keyframe came since
    newest: _Newest | None = None
    shape: Shape | None = None
    ended: Ended | None = None
    last_arrival: float = 0.0  # steady seconds
    last_decoded: float = 0.0  # likewise
    decoded: int = 0
    skipped: int = 0
    thinned: int = 0
    lost: int = 0
    damaged: int = 0
    breaks: list[Outage] = field(default_factory=list)


def live_frames(options: LiveOptions) -> Iterator[Shape | WithPicture | Ended]:
    """A camera's shape, then pictures with `Taken`, each the newest when it is asked for, and at last why it ended."""
    av.logging.set_level(None)  # libav's lines hold addresses, and damage would fill the log
    return _Live(options).items()


class _Live:
    """One connection."""

    def __init__(self, options: LiveOptions) -> None:
        self._options = options
        self._shared = _Shared()
        self._changed = threading.Condition()
        self._clock: LiveClock | None = None
        self._opened: OpenedCamera | None = None
        self._rate = _Rate(options.fps)
        self._recorder: Recorder | None = None

    def items(self) -> Iterator[Shape | WithPicture | Ended]:
        """All there is, in the thread that asks."""
        shared, patience = self._shared, self._options.patience
        began = shared.last_decoded = time.monotonic()
        for work in (self._read, self._decode):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        with self._changed:
            while shared.shape is None and shared.ended is None:
                left = began + patience.opening - time.monotonic()
                if left <= 0:
                    yield self._hanging()
                    return
                self._changed.wait(left)
        if shared.shape is not None:
            yield shared.shape
        rgb: Rgb | None = None
        while True:
            with self._changed:
                while shared.newest is None and shared.ended is None:
                    left = shared.last_decoded + patience.stalled - time.monotonic()
                    if left <= 0:
                        yield self._stalled()
                        return
                    self._changed.wait(left)
                newest, shared.newest = shared.newest, None
                ended = shared.ended
                counts, breaks = self._counts(), tuple(shared.breaks)
                shared.breaks.clear()
            if newest is None:
                assert ended is not None
                yield ended
                return
            assert self._opened is not None and self._clock is not None
            ratio = self._opened.stream.codec_context.sample_aspect_ratio
            if rgb is None:
                rgb = Rgb((newest.frame.width, newest.frame.height), ratio)
            arrived = newest.arrived
            ahead, drift = self._clock.ahead, self._clock.drift
            unrecorded = None if self._recorder is None else self._recorder.problem
            taken = Taken(
                newest.index,
                newest.time,
                arrived.arrival,
                arrived.camera_time,
                ahead,
                drift,
                counts,
                breaks,
                unrecorded,
            )
            yield WithPicture(rgb.image(newest.frame, ratio), taken)

    def _hanging(self) -> Ended:
        source, seconds = self._options.source, self._options.patience.opening
        return Ended(Why.OPENING, f"{source} sent no picture within {seconds:g} s: restart the camera if it stays so.")

    def _stalled(self) -> Ended:
        source, seconds = self._options.source, self._options.patience.stalled
        if self._shared.last_arrival > time.monotonic() - seconds / 2:
            return Ended(Why.STALLED, f"{source} sends what can't be decoded, for {seconds:g} s.")
        return Ended(Why.STALLED, f"{source} sent nothing for {seconds:g} s.")

    def _counts(self) -> Counts:
        shared, clock = self._shared, self._clock
        wraps, jumps = (0, 0) if clock is None else (clock.wraps, clock.jumps)
        return Counts(shared.decoded, shared.skipped, shared.thinned, shared.lost, shared.damaged, wraps, jumps)

    # The reader

    def _read(self) -> None:
        source, patience = self._options.source, self._options.patience
        try:
            opened = open_camera(
                source,
                self._options.allowed,
                connecting=patience.connecting,
                waiting=patience.stalled,
                hardware=self._options.hardware,
            )
            ended = self._read_all(opened)
        except CameraError as error:
            ended = Ended(error.why, error.reason)
        except Exception as error:  # noqa: BLE001 - libraries raise nearly anything on damaged streams
            ended = Ended(Why.UNREADABLE, source.hidden_in(f"{source} can't be read: {type(error).__name__}."))
        if self._recorder is not None:
            self._recorder.close(CLOSING)
        with self._changed:
            if ended.why is Why.STALLED and self._shared.shape is None:
                ended = Ended(Why.OPENING, ended.reason)
            self._shared.waiting.append(ended)
            self._changed.notify_all()

    def _read_all(self, opened: OpenedCamera) -> Ended:
        """Reads until the stream is over. The connection is closed by the process's end, which is near."""
        source = self._options.source
        clock = LiveClock(Fraction(opened.stream.time_base or Fraction(1, 90_000)) if opened.stamped else None)
        self._opened, self._clock = opened, clock
        if self._options.recording is not None:
            self._recorder = Recorder(self._options.recording, opened.stream)
        last: float | None = None
        try:
            for packet in opened.container.demux(opened.stream):
                if not packet.size:
                    break
                wall, steady = time.time(), time.monotonic()
                moment = clock.moment(packet.pts if opened.stamped else None, wall, steady)
                if moment.set_back:
                    return Ended(Why.CLOCK, f"This machine's clock was set back by {moment.set_back:.1f} s.")
                camera_time = _camera_time(packet)
                if camera_time is not None:
                    clock.camera_says(camera_time, wall)
                self._arrives(_Arrived(packet, moment, wall, steady, camera_time), last)
                if self._recorder is not None and moment.settled:
                    self._recorder.write(packet, moment.time, _lead(packet))
                last = moment.time
        except (av.FFmpegError, OSError) as error:
            failure = opened.failure()
            if failure is not None:
                return Ended(failure.why, failure.reason)
            if isinstance(error, TimeoutError):
                return Ended(Why.STALLED, f"{source} sent nothing for {self._options.patience.stalled:g} s.")
        failure = opened.failure()
        if failure is not None:
            return Ended(failure.why, failure.reason)
        return Ended(Why.ENDED, f"{source} ended the stream.")

    def _arrives(self, arrived: _Arrived, last: float | None) -> None:
        shared = self._shared
        with self._changed:
            shared.last_arrival = arrived.steady
            if arrived.moment.jump is not None and last is not None:
                end = arrived.moment.time
                reason = f"{self._options.source}: {arrived.moment.jump}."
                shared.breaks.append(Outage(min(last, end), end, Why.JUMPED, reason))
                del shared.breaks[:-REMEMBERED]
            first = shared.waiting[0] if shared.waiting else arrived
            assert isinstance(first, _Arrived)
            if arrived.steady - first.steady > BEHIND or shared.waiting_bytes > MOST_WAITING:
                shared.lost += len(shared.waiting)
                shared.waiting.clear()
                shared.waiting_bytes, shared.gap = 0, True
            shared.waiting.append(arrived)
            shared.waiting_bytes += arrived.packet.size
            self._changed.notify_all()

    # The decoder

    def _decode(self) -> None:
        shared = self._shared
        times: dict[int, _Arrived] = {}
        while True:
            with self._changed:
                while not shared.waiting:
                    self._changed.wait()
                item = shared.waiting.popleft()
                if isinstance(item, Ended):
                    shared.ended = item
                    self._changed.notify_all()
                    return
                shared.waiting_bytes -= item.packet.size
                shared.gap = shared.gap and not item.packet.is_keyframe
                shared.lost += shared.gap
                if shared.gap:
                    continue
            if item.packet.pts is not None:
                times[item.packet.pts] = item
                if len(times) > REMEMBERED:
                    del times[next(iter(times))]
            try:
                frames = item.packet.decode()
            except (av.FFmpegError, OSError):
                frames = []
                shared.damaged += 1
            for frame in frames:
                arrived = item if frame.pts is None else times.pop(frame.pts, item)
                ended = self._offer(frame, arrived)
                if ended is not None:
                    with self._changed:
                        shared.ended = ended
                        self._changed.notify_all()
                    return

    def _offer(self, frame: VideoFrame, arrived: _Arrived) -> Ended | None:
        """Puts a picture where it is taken from. What it returns ends the stream."""
        shared, opened = self._shared, self._opened
        assert opened is not None
        with self._changed:
            index = shared.decoded
            shared.decoded += 1
            shared.last_decoded = time.monotonic()
            shared.damaged += frame.is_corrupt
            if shared.shape is None:
                if not arrived.moment.settled:
                    return None
                shared.shape = Shape(
                    opened.stream.codec_context.name,
                    frame.width,
                    frame.height,
                    frame_rate(opened.stream),
                    opened.hardware,
                )
            elif (frame.width, frame.height) != (shared.shape.width, shared.shape.height):
                return Ended(
                    Why.CHANGED,
                    f"{self._options.source} changed from {shared.shape.width} x {shared.shape.height} to "
                    f"{frame.width} x {frame.height} pixels.",
                )
            wanted = self._rate.wanted(arrived.moment.time)
            if wanted is None:
                shared.thinned += 1
                return None
            shared.skipped += shared.newest is not None
            shared.newest = _Newest(frame, index, wanted, arrived)
            self._changed.notify_all()
        return None


class _Rate:
    """Which pictures are wanted, and their times, which rise."""

    def __init__(self, fps: float | None) -> None:
        self._distance = None if fps is None else 1 / fps
        self._due = self._last = float("-inf")

    def wanted(self, moment: float) -> float | None:
        """The picture's time, None where it comes before another is wanted."""
        if self._distance is not None:
            if moment < self._due - EARLY * self._distance:
                return None
            late = moment - self._due
            self._due = (moment if late > self._distance else self._due) + self._distance
        self._last = max(moment, self._last + NEXT)
        return self._last


def _lead(packet: Packet[VideoStream]) -> float:
    """Seconds by which a packet is decoded before its picture is shown."""
    if packet.pts is None or packet.dts is None:
        return 0.0
    return max(0.0, float((packet.pts - packet.dts) * packet.time_base))


def _camera_time(packet: Packet[VideoStream]) -> float | None:
    """What the camera's own clock said when a picture was taken. libav derives it from RTCP's sender reports."""
    if not packet.has_sidedata("prft"):
        return None
    return float(_PRODUCED.unpack_from(bytes(packet.get_sidedata("prft")))[0]) / 1e6
