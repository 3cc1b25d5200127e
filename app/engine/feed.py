"""One live camera that is followed: its thread, its stretch of footage, and how it does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.engine.crops import as_jpeg
from app.engine.newest import Newest
from app.engine.stretch import LiveStretches
from app.errors import StorageError
from app.footage import Camera
from app.footage.live import Counts
from app.footage.live_camera import LiveEvent, LiveFrame, LiveState
from app.footage.outage import Why
from app.footage.shrunk import shrunk
from app.record import Site
from app.record.camera_clocks import ClockRecord, keep_clock
from app.record.live_cameras import LiveRecord
from app.record.live_pictures import LivePicture, write_live_picture
from app.record.outages import begin_outage, note_outage
from deploy.detectors import Frame
from trackers.detections import Detections

log = logging.getLogger("sightline")

PICTURE = 2.0  # s between two pictures that are kept to be looked at
SIDE = 1280  # px of their longer side
QUALITY = 80
WINDOW = 5.0  # s at least, over which rates are taken


class LiveSource(Protocol):
    """What `app.footage.live_camera.LiveCamera` is."""

    def __iter__(self) -> Iterator[LiveEvent]:
        """Pictures and outages, until it is stopped."""

    def stop(self) -> None:
        """Ends the iteration within a second, from any thread."""

    @property
    def state(self) -> LiveState:
        """How the camera does, from any thread."""


@dataclass(slots=True)
class CameraWatch:
    """How one camera does, as it goes on."""

    camera: str
    frames: int = 0  # that were followed
    skipped: int = 0  # that nobody had time for
    tracklets: int = 0
    away: str = "It is not connected yet."  # why it is not to be had just now
    outages: int = 0
    latest: float = 0.0  # UTC seconds, of the last frame


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A camera that is watched, and from where its frames come."""

    camera: Camera
    source: LiveSource
    recordings: Path  # where its recordings lie, or would
    pictured: bool = True  # whether its newest picture is kept in the site's folder


class Feed:
    """What comes from one camera, and where it goes. Its lease is held until `give_back` is called."""

    def __init__(
        self,
        watched: Watched,
        stretches: LiveStretches,
        newest: Newest,
        site: Site,
        give_back: Callable[[], None],
    ) -> None:
        self.watched, self.give_back = watched, give_back
        self.watch = CameraWatch(watched.camera.name)
        self._stretches, self._newest, self._site = stretches, newest, site
        self._since = time.time()
        self._thread = threading.Thread(target=self._hear, name="camera", daemon=True)
        self._pictured = float("-inf")
        self._rates = _Rates()
        self._clock: ClockRecord | None = None  # that was kept last…
        self._connection = -1  # …and on which connection

    def begin(self) -> None:
        """Connects, in a thread of its own."""
        self._thread.start()

    def leave(self) -> None:
        """Says that the camera is not wanted any more."""
        self.watched.source.stop()

    @property
    def has_left(self) -> bool:
        """Whether its process is gone, after `leave`."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Waits until it has left."""
        self._thread.join()

    def take(self, frame: Frame, people: Detections) -> None:
        """Follows one frame. Raises StorageError where the disk takes nothing: the same frame is to be given again."""
        self._stretches.take(frame, people)
        self.watch.latest = frame.time

    def write(self) -> None:
        """Commits what is due. Raises StorageError where the disk takes nothing."""
        self._stretches.write()
        counts = self.watched.source.state.counts
        self.watch.frames, self.watch.tracklets = self._stretches.frames, self._stretches.tracklets
        self.watch.skipped = self._newest.skipped[self.watch.camera] + counts.skipped + counts.lost

    def end(self) -> None:
        """Ends its stretch. Raises StorageError where the disk takes nothing: it is to be called again."""
        self._stretches.close()

    def record(self, now: float) -> LiveRecord:
        """How it does at a time, UTC seconds."""
        state, watch = self.watched.source.state, self.watch
        self._rates.look(time.monotonic(), watch.frames, state.counts)
        shape, outage = state.shape, state.outage
        away = outage.reason if outage is not None else watch.away
        return LiveRecord(
            camera=watch.camera,
            written=now,
            since=self._since,
            frames=watch.frames,
            skipped=watch.skipped,
            rate=0.0 if away else self._rates.rate,
            offered=0.0 if away else self._rates.offered,
            outages=watch.outages,
            away=away,
            away_since=None if not away else self._since if outage is None else max(0.0, outage.start),
            latest=watch.latest or None,
            ahead=state.ahead,
            drift=state.drift,
            width=0 if shape is None else shape.width,
            height=0 if shape is None else shape.height,
            decoder="" if shape is None else f"{shape.codec}, {shape.hardware or 'processor'}",
            unrecorded=state.unrecorded or "",
        )

    def keep_clock(self, now: float) -> None:
        """Keeps what its own clock says now, where that is due. Raises StorageError where the disk takes nothing."""
        state = self.watched.source.state
        if state.outage is not None or state.ahead is None:  # what it told before it went counts no more
            return
        record = ClockRecord(self.watch.camera, now, state.ahead, state.drift)
        if record.is_due(self._clock if state.connections == self._connection else None):
            keep_clock(self._site.database, record)
            self._clock, self._connection = record, state.connections

    def _hear(self) -> None:
        """What the camera's thread does: it passes frames on, and notes when the camera is away."""
        number: int | None = None
        for event in self.watched.source:
            if isinstance(event, LiveFrame):
                self.watch.away = ""
                self._newest.put(event.frame)
                if self.watched.pictured:
                    self._picture(event.frame)
                continue
            self.watch.away = event.reason if event.end is None else ""
            if event.why is Why.STARTING:  # it was not there yet, and is not away
                continue
            try:
                if number is None:
                    self.watch.outages += 1
                    number = begin_outage(self._site.database, self.watch.camera, event.start, event.reason)
                note_outage(self._site.database, number, event.reason, event.end)
                number = None if event.end is not None else number
            except StorageError as error:  # the outage goes unnoted, and the camera on
                log.warning("%s", error)

    def _picture(self, frame: Frame) -> None:
        """Keeps a picture now and then, for who looks at the camera."""
        if time.monotonic() < self._pictured + PICTURE:
            return
        self._pictured = time.monotonic()
        height, width = frame.image.shape[:2]
        jpeg = as_jpeg(shrunk(frame.image, SIDE)[0], QUALITY)
        try:
            write_live_picture(self._site.path, self.watch.camera, LivePicture(jpeg, width, height, frame.time))
        except OSError as error:
            log.warning("The picture of %s can't be kept: %s", self.watch.camera, error.strerror or error)


class _Rates:
    """Frames a second, over the last WINDOW seconds or a little more."""

    def __init__(self) -> None:
        self.rate = self.offered = 0.0
        self._before: tuple[float, int, float] | None = None

    def look(self, now: float, frames: int, counts: Counts) -> None:
        """Takes in how many there are by now. now: steady seconds."""
        # Of what is not decoded, as many would be left out for being beyond the wanted rate as of what is.
        wanted = 1 - counts.thinned / counts.decoded if counts.decoded else 1.0
        offered = (counts.decoded + counts.lost) * wanted
        if self._before is None:
            self._before = (now, frames, offered)
            return
        since, frames_then, offered_then = self._before
        if now - since < WINDOW - 0.5:
            return
        self.rate = max(0.0, frames - frames_then) / (now - since)
        self.offered = max(self.rate, (offered - offered_then) / (now - since))
        self._before = (now, frames, offered)
