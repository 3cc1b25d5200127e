"""Who leaves a live camera's picture alerts, and counts in its zone, within ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from app.areas import Area, AreaKind
from app.engine.feed import Watched
from app.engine.watch import watch
from app.footage import Camera
from app.footage.live_camera import LiveEvent, LiveFrame, LiveState
from app.movement.flow import Wish, flow
from app.record import Site, searches
from app.record.alert_settings import AlertSettings, write_alert_settings
from app.record.searches import SearchFilters
from app.search.merging import merge
from app.search.warm import WarmSearcher
from app.web.alerts.delivery import Alerting
from deploy.detectors import Frame
from tests.app.scenes import SIZE, people
from tests.app.web.alerts.test_delivery import LEAST, SECRET, URL, Hook
from tests.clips import draw_frame
from trackers.detections import Detections

SOON = 10.0  # s from leaving to being known
VISIT, AWAY = 20, 55  # frames that somebody is there, and is not: longer than a tracklet waits for them
NOBODY = np.empty((0, 4), np.float32)
WALK = people(VISIT, count=1)
WHOLE = Area(AreaKind.zone, "all", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


class Street:
    """A camera of ten frames a second, past which the same person walks again and again."""

    state = LiveState()

    def __init__(self) -> None:
        self.left: list[float] = []  # UTC seconds, when they were seen last
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[LiveEvent]:
        index = 0
        while not self._stopped.wait(0.1):
            place, now = index % (VISIT + AWAY), time.time()
            boxes = WALK[place] if place < VISIT else NOBODY
            yield LiveFrame(Frame("street", index, now, draw_frame(index, boxes, SIZE)), now, None, 0)
            if place == VISIT - 1:
                self.left.append(now)
            index += 1

    def stop(self) -> None:
        self._stopped.set()


class Seeing:
    """Finds who is in a frame of the street."""

    name, sha256, batch, calls = "seeing", "0" * 64, 1, 1

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        boxes = [WALK[f.index % (VISIT + AWAY)] if f.index % (VISIT + AWAY) < VISIT else NOBODY for f in frames]
        return [Detections(each, np.full(len(each), 0.9, np.float32)) for each in boxes]


def _wait(until: Callable[[], object], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not until() and time.monotonic() < ends:
        time.sleep(0.1)


@pytest.mark.usefixtures("sqlite_only")  # it takes its time, and other tests do the same on both
def test_who_comes_again_alerts_and_is_in_the_zone_within_ten_seconds(empty: Path) -> None:
    street, stop, hook = Street(), threading.Event(), Hook()
    watched = Watched(Camera("street", (), areas=(WHOLE,)), street, Path("recordings"))
    watching = threading.Thread(target=lambda: watch(empty, [watched], Seeing(), stop, who="test"))
    watching.start()
    _wait(lambda: street.left)
    with Site.open_to_write(empty) as site:
        alerting = Alerting(site, WarmSearcher(site), post=hook)
        try:
            settings = AlertSettings(webhook_url=URL, webhook_secret=SECRET, address="https://site.example/")
            write_alert_settings(site.database, settings, who="root")
            _wait(lambda: len(site.searchable_table()))
            merge(site, who="test")
            first = int(site.searchable_table().ids[0])
            searches.save(site.database, "coat", first, SearchFilters(), alert_from=LEAST, who="alice")
            alerting.start()
            before = len(street.left)
            _wait(lambda: len(street.left) > before)
            _wait(lambda: any(content["tracklet"] != first for content in hook.taken))
            known = time.time()
            assert any(content["tracklet"] != first for content in hook.taken)
            assert known - street.left[before] < SOON
            (count,) = flow(site, Wish(begin=street.left[before] - 2.0, end=known), who="test").zones
            assert (count.zone, count.people) == ("all", 1)
        finally:
            alerting.stop()
            stop.set()
            watching.join()
