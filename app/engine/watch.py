"""Live cameras feed a site without end.

A thread a camera takes frames from the process that decodes it, and the newest one wins. One thread detects over all
cameras in turn. The calling thread follows people and writes the record. So whatever a camera does, memory stays as it
is, and where cores do not suffice all cameras get the same share of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from app.encoders.live import LiveEmbedder
from app.encoders.versions import with_base
from app.engine.following import looking, settings_of, tracker_of
from app.engine.newest import Newest
from app.engine.stretch import Followed, LiveStretches
from app.errors import Busy, StorageError
from app.footage import Camera
from app.footage.live_camera import LiveEvent, LiveFrame
from app.footage.outage import Why
from app.record import Site
from app.record.areas import add_missing_areas
from app.record.leases import of_camera
from app.record.outages import begin_outage, end_what_was_left, note_outage
from deploy.detectors import Detector, Frame
from trackers.detections import Detections

log = logging.getLogger("sightline")

LOOK = 0.1  # s for which is waited for a frame, before what is due is committed
AGAIN = 5.0  # s after which a disk that took nothing is tried again


class LiveSource(Protocol):
    """What `app.footage.live_camera.LiveCamera` is."""

    def __iter__(self) -> Iterator[LiveEvent]:
        """Pictures and outages, until it is stopped."""

    def stop(self) -> None:
        """Ends the iteration within a second, from any thread."""


@dataclass(slots=True)
class CameraWatch:
    """How one camera does, as it goes on."""

    camera: str
    frames: int = 0  # that were followed
    skipped: int = 0  # that newer ones took the place of
    tracklets: int = 0
    away: str = "It is not connected yet."  # why it is not to be had just now
    outages: int = 0
    latest: float = 0.0  # UTC seconds, of the last frame


@dataclass(slots=True)
class WatchReport:
    """What was watched."""

    site: str
    seconds: float = 0.0
    cameras: list[CameraWatch] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)  # cameras that another process takes in, a sentence each


@dataclass(frozen=True, slots=True)
class Watched:
    """A camera that is watched, and from where its frames come."""

    camera: Camera
    source: LiveSource
    recordings: Path  # where its recordings lie, or would


def watch(
    site_path: Path,
    cameras: Sequence[Watched],
    detector: Detector,
    stop: threading.Event,
    *,
    tracker: str | None = None,
    who: str,
    told: Callable[[WatchReport], None] = lambda report: None,
) -> WatchReport:
    """Follows live cameras until `stop` is set. Others may search, merge, learn and erase meanwhile.

    told: gets the report some times a second, also while all cameras are away. Raises SiteError where nothing can be
    watched, and Busy where other processes take in all of the cameras.
    """
    began = time.monotonic()
    report = WatchReport(str(site_path))
    with Site.create(site_path) as site, ExitStack() as held:
        free = _leased(site, cameras, held, report)
        with site.writing():
            with_base(site)
        embedder = LiveEmbedder(site)
        held.callback(embedder.close)
        tracker = tracker or tracker_of(site)
        _register([each.camera for each in free], site, who)
        newest, states = Newest(), {each.camera.name: CameraWatch(each.camera.name) for each in free}
        report.cameras = list(states.values())
        stretches = {
            each.camera.name: LiveStretches(
                site,
                each.camera,
                each.recordings,
                Followed(partial(settings_of, detector=detector, tracker=tracker), looking(site), embedder, who),
            )
            for each in free
        }
        for name, stretch in stretches.items():
            stretch.finish_what_was_left()
            end_what_was_left(site.database, name, time.time())
        threads = [
            threading.Thread(
                target=_hear, args=(each, newest, states[each.camera.name], site), name="camera", daemon=True
            )
            for each in free
        ]
        for thread in threads:
            thread.start()
        try:
            for batch in _detected(newest, detector, stop):
                for frame, people in batch:
                    _until_it_is_taken(partial(stretches[frame.camera].take, frame, people), stop)
                    states[frame.camera].latest = frame.time
                for name, stretch in stretches.items():
                    _until_it_is_taken(stretch.write, stop)
                    state = states[name]
                    state.frames, state.tracklets = stretch.frames, stretch.tracklets
                    state.skipped = newest.skipped[name]
                report.seconds = round(time.monotonic() - began, 1)
                told(report)
        finally:
            stop.set()
            for each in free:
                each.source.stop()
            for thread in threads:
                thread.join()
            _ended(stretches.values())
    report.seconds = round(time.monotonic() - began, 1)
    return report


def _ended(stretches: Iterable[LiveStretches]) -> None:
    """Ends all, also where the disk takes nothing of one. Raises StorageError for that."""
    failed = None
    for stretch in stretches:
        try:
            stretch.close()
        except StorageError as error:
            failed = error
    if failed is not None:
        raise failed


def _leased(site: Site, cameras: Sequence[Watched], held: ExitStack, report: WatchReport) -> list[Watched]:
    """The cameras that nobody else takes in just now. Raises Busy where there is none."""
    free, busy = [], None
    for each in cameras:
        try:
            held.enter_context(site.lease(of_camera(each.camera.name)))
            free.append(each)
        except Busy as error:
            busy = error
            report.busy.append(str(error))
    if busy is not None and not free:
        raise busy
    return free


def _register(cameras: Sequence[Camera], site: Site, who: str) -> None:
    """The record knows cameras before their first frame: outages name one, and so do drawings."""
    site.intake.register(cameras, {}, who=who)
    for camera in cameras:
        for remark in add_missing_areas(site.database, camera.name, camera.areas, who):
            log.warning("%s. %s", remark.what, remark.why)


def _hear(watched: Watched, newest: Newest, state: CameraWatch, site: Site) -> None:
    """What a camera's thread does: it passes frames on, and notes when the camera is away."""
    number: int | None = None
    for event in watched.source:
        if isinstance(event, LiveFrame):
            state.away = ""
            newest.put(event.frame)
            continue
        state.away = event.reason if event.end is None else ""
        if event.why is Why.STARTING:  # it was not there yet, and is not away
            continue
        try:
            if number is None:
                state.outages += 1
                number = begin_outage(site.database, watched.camera.name, event.start, event.reason)
            note_outage(site.database, number, event.reason, event.end)
            number = None if event.end is not None else number
        except StorageError as error:  # the outage goes unnoted, and the camera on
            log.warning("%s", error)


def _detected(
    newest: Newest, detector: Detector, stop: threading.Event
) -> Iterator[Sequence[tuple[Frame, Detections]]]:
    """Frames with the people in them, each camera's in order, some at once or none where none came for LOOK seconds.

    The next are detected while these are followed.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="detect") as pool:
        under_way: tuple[list[Frame], Future[list[Detections]]] | None = None
        while not stop.is_set():
            frames = newest.take(detector.batch, 0.0 if under_way else LOOK)
            then = (frames, pool.submit(detector.detect, frames)) if frames else None
            yield [] if under_way is None else list(zip(under_way[0], under_way[1].result(), strict=True))
            under_way = then


def _until_it_is_taken(work: Callable[[], None], stop: threading.Event) -> None:
    """Does work again and again while the disk takes nothing. Newer frames meanwhile take the older's place."""
    while True:
        try:
            return work()
        except StorageError as error:
            log.warning("%s", error)
            if stop.wait(AGAIN):
                return None
