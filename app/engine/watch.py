"""Live cameras feed a site without end.

A thread a camera takes frames from the process that decodes it, and the newest one wins. One thread detects over all
cameras in turn. The calling thread follows people and writes the record. So whatever a camera does, memory stays as it
is, and where cores do not suffice all cameras get the same share of them.

Cameras come, change and go meanwhile. The others do not notice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.encoders.live import LiveEmbedder
from app.encoders.versions import with_base
from app.engine.feed import CameraWatch, Feed, Watched
from app.engine.following import looking, settings_of, tracker_of
from app.engine.free_memory import give_back
from app.engine.newest import Newest
from app.engine.stretch import Followed, LiveStretches
from app.errors import Busy, StorageError
from app.footage import Camera
from app.record import Site
from app.record.areas import add_missing_areas
from app.record.leases import of_camera
from app.record.live_cameras import drop_live_camera, put_live_cameras
from app.record.live_pictures import remove_live_picture
from app.record.outages import end_what_was_left
from deploy.detectors import Detector, Frame
from trackers.detections import Detections

log = logging.getLogger("sightline")

LOOK = 0.1  # s for which is waited for a frame, before what is due is committed
AGAIN = 5.0  # s after which a disk that took nothing is tried again
CHANGES = 2.0  # s between two looks at which cameras are wanted, and at those that another process took in
TELL = 5.0  # s between two notes of how cameras do
TIDY = 60.0  # s between two times that free memory is given back


@dataclass(slots=True)
class WatchReport:
    """What was watched."""

    site: str
    seconds: float = 0.0
    cameras: list[CameraWatch] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)  # cameras that another process takes in, a sentence each


def watch(
    site_path: Path,
    cameras: Sequence[Watched],
    detector: Detector,
    stop: threading.Event,
    *,
    tracker: str | None = None,
    who: str,
    told: Callable[[WatchReport], None] = lambda report: None,
    changed: Callable[[], Sequence[Watched] | None] = lambda: None,
    opened: Callable[[Path], Site] = Site.create,
) -> WatchReport:
    """Follows live cameras until `stop` is set. Others may search, merge, learn and erase meanwhile.

    A camera that another process takes in is left to it, and tried again every few seconds.

    told: gets the report some times a second, also while all cameras are away. changed: is asked every few seconds
    which cameras are wanted from now on, and says None where they are the same. Those that stay are the same objects.
    opened: opens the site to write.
    Raises SiteError where nothing can be watched, and Busy where other processes take in all of the cameras.
    """
    began = time.monotonic()
    report = WatchReport(str(site_path))
    with opened(site_path) as site:
        with site.writing():
            with_base(site)
        embedder = LiveEmbedder(site)
        followed = _Followed(site, detector, tracker or tracker_of(site), embedder, who, cameras)
        try:
            followed.begin_wanted()
            if cameras and not followed.feeds and followed.busy:
                raise Busy(next(iter(followed.busy.values())))
            due, tidy = time.monotonic() + CHANGES, time.monotonic() + TIDY
            for batch in _detected(followed.newest, detector, stop):
                for frame, people in batch:
                    feed = followed.feeds.get(frame.camera)
                    if feed is not None:  # else it went meanwhile
                        _until_it_is_taken(partial(feed.take, frame, people), stop)
                for feed in followed.feeds.values():
                    _until_it_is_taken(feed.write, stop)
                if time.monotonic() >= due:
                    due = time.monotonic() + CHANGES
                    followed.change(changed(), stop)
                followed.tell()
                if time.monotonic() >= tidy:
                    tidy = time.monotonic() + TIDY
                    give_back()
                report.seconds = round(time.monotonic() - began, 1)
                report.cameras = [feed.watch for feed in followed.feeds.values()]
                report.busy = list(followed.busy.values())
                told(report)
        finally:
            stop.set()
            followed.close()
            embedder.close()
    report.seconds = round(time.monotonic() - began, 1)
    return report


class _Followed:
    """The cameras that are followed just now, and those that are wanted."""

    def __init__(
        self,
        site: Site,
        detector: Detector,
        tracker: str,
        embedder: LiveEmbedder,
        who: str,
        wanted: Sequence[Watched],
    ) -> None:
        self.newest = Newest()
        self.feeds: dict[str, Feed] = {}
        self.busy: dict[str, str] = {}  # why a camera that is wanted is not followed, by its name
        self._site, self._detector, self._tracker = site, detector, tracker
        self._embedder, self._who, self._wanted = embedder, who, list(wanted)
        self._told = float("-inf")

    def begin_wanted(self) -> None:
        """Begins with those wanted that are not followed yet, and that nobody else takes in."""
        self.busy = {}
        for watched in self._wanted:
            name = watched.camera.name
            if name in self.feeds:
                continue
            lease = self._site.lease(of_camera(name))
            try:
                lease.__enter__()
            except Busy as error:
                self.busy[name] = str(error)
                continue
            try:
                self.feeds[name] = self._begun(watched, partial(lease.__exit__, None, None, None))
            except BaseException as error:
                lease.__exit__(None, None, None)
                if not isinstance(error, StorageError):
                    raise
                self.busy[name] = str(error)  # it is tried again
                log.warning("%s", error)

    def change(self, wanted: Sequence[Watched] | None, stop: threading.Event) -> None:
        """Ends those that are not wanted any more, each when its process is gone, and begins with others."""
        if wanted is not None:
            self._wanted = list(wanted)
        for name, feed in list(self.feeds.items()):
            if any(feed.watched is each for each in self._wanted):
                continue
            feed.leave()
            if feed.has_left:
                del self.feeds[name]
                _until_it_is_taken(feed.end, stop)
                self._drop(feed)
                end_what_was_left(self._site.database, name, time.time())
        self.begin_wanted()

    def tell(self) -> None:
        """Writes how they do into the record, now and then."""
        if time.monotonic() < self._told + TELL:
            return
        self._told = time.monotonic()
        now = time.time()
        try:
            put_live_cameras(self._site.database, [feed.record(now) for feed in self.feeds.values()])
            for feed in self.feeds.values():
                feed.keep_clock(now)
        except StorageError as error:  # it goes untold
            log.warning("%s", error)

    def close(self) -> None:
        """Ends all. Raises StorageError where the disk takes nothing of one."""
        for feed in self.feeds.values():
            feed.leave()
        for feed in self.feeds.values():
            feed.join()
        try:
            _ended(self.feeds.values())
        finally:
            for feed in self.feeds.values():
                self._drop(feed)

    def _begun(self, watched: Watched, give_back: Callable[[], None]) -> Feed:
        site, camera = self._site, watched.camera
        settings = partial(settings_of, detector=self._detector, tracker=self._tracker)
        _register(camera, site, self._who)
        stretches = LiveStretches(
            site,
            camera,
            watched.recordings,
            Followed(settings, looking(site), self._embedder, self._who),
        )
        stretches.finish_what_was_left()
        end_what_was_left(site.database, camera.name, time.time())
        remove_live_picture(site.path, camera.name)
        self._told = float("-inf")
        feed = Feed(watched, stretches, self.newest, site, give_back)
        feed.begin()
        return feed

    def _drop(self, feed: Feed) -> None:
        """Takes away what tells that a camera is followed, and lets others take it in."""
        name = feed.watch.camera
        self.newest.drop(name)
        try:
            remove_live_picture(self._site.path, name)
            drop_live_camera(self._site.database, name)
        except (OSError, StorageError) as error:  # nobody believes it for long
            log.warning("%s", error)
        feed.give_back()


def _register(camera: Camera, site: Site, who: str) -> None:
    """The record knows a camera before its first frame: outages name it, and so do drawings."""
    site.intake.register([camera], {}, who=who)
    for remark in add_missing_areas(site.database, camera.name, camera.areas, who):
        log.warning("%s. %s", remark.what, remark.why)


def _ended(feeds: Iterable[Feed]) -> None:
    """Ends all, also where the disk takes nothing of one. Raises StorageError for that."""
    failed = None
    for feed in feeds:
        try:
            feed.end()
        except StorageError as error:
            failed = error
    if failed is not None:
        raise failed


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
