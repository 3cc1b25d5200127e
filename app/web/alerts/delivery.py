"""Alerts while a site is served: looks at what is new, and takes what it finds to a webhook and a broker.

One process of a site does so, which holds the lease of it. It looks only after the site changed, and rests for longer
the longer a look took. What a place does not take is tried again after ever longer pauses, for a day.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from app.asking import in_session
from app.errors import Busy, SiteError
from app.record import Site, searches
from app.record.alert_settings import MQTT, WEBHOOK, AlertSettings, read_alert_settings
from app.record.leases import ALERTING
from app.record.rows import AuditEntry
from app.search.alerts import Alert, Rights, Watcher, still_to, waiting
from app.search.warm import WarmSearcher
from app.web.alerts.home_assistant import Broker
from app.web.alerts.webhook import NotTaken, post

log = logging.getLogger("sightline")

POLL = 3.0  # s between two questions whether the site changed
REST = 5.0  # times as long as a look took, until the next
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # s until a place that took nothing is tried again
DAY = 86400.0  # s after which an alert that nobody took is given up
MOST_REFUSALS = 5  # of one alert, by a place that is there
_WEBHOOKS_OWN: dict[str, Any] = {
    "webhook_url": "",
    "webhook_secret": "",
    "webhook_private": False,
    "webhook_picture": False,
}
MOST_AT_ONCE = 20  # deliveries to a place, between two looks

Counting = Callable[[str, str], None]


@dataclass(slots=True)
class _Place:
    """How it goes with a webhook or a broker."""

    failures: int = 0  # one after the other
    again: float = 0.0  # monotonic seconds, before which it is not tried
    problem: str = ""  # the latest, empty where the last delivery was taken


class Alerting:
    """What a server does for alerts. `step` is called again and again by a thread of its own."""

    def __init__(
        self,
        site: Site,
        searcher: WarmSearcher,
        *,
        count: Counting = lambda to, result: None,
        rights: Rights = lambda who: None,
        clock: Callable[[], float] = time.monotonic,
        post: Callable[..., None] = post,
    ) -> None:
        self._site, self._searcher, self._watcher = site, searcher, Watcher(site)
        self._count, self._rights, self._clock, self._post = count, rights, clock, post
        self._lease = ExitStack()
        self._has_lease = False
        self._seen: object = None  # the state of the site that was looked at
        self._rest_until = 0.0
        self._pending = True  # whether something may wait to be delivered
        self._places = {WEBHOOK: _Place(), MQTT: _Place()}
        self._refusals: dict[tuple[str, int, str], int] = {}
        self._broker: Broker | None = None
        self._broker_of: AlertSettings | None = None
        self._news: dict[int, list[tuple[int, str]]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # --- what pages ask

    def news(self, number: int) -> list[tuple[int, str]]:
        """Tracklets that match a kept search and came since it was opened, each with its camera."""
        return self._news.get(number, [])

    def opened(self, number: int) -> None:
        """That somebody looked at a kept search."""
        self._news.pop(number, None)

    def problems(self) -> dict[str, str]:
        """What is wrong with each place, empty where all is well."""
        return {name: place.problem for name, place in self._places.items() if place.problem}

    def changed(self) -> None:
        """That somebody changed where alerts are taken: places are tried at once."""
        for place in self._places.values():
            place.again, place.failures, place.problem = 0.0, 0, ""

    # --- the thread

    def start(self) -> None:
        """Begins to look."""
        self._thread = threading.Thread(target=self._run, name="alerting", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and says to the broker that nobody looks any more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=30.0)
        if self._broker is not None:
            self._broker.close()
            self._broker = None
        self._lease.close()

    def _run(self) -> None:
        told = ""
        with in_session("server"):
            while not self._ended.wait(POLL):
                try:
                    self.step()
                    told = ""
                except Exception as error:  # noqa: BLE001  # it looks again, whatever it was
                    if type(error).__name__ != told:  # once, not every few seconds
                        log.warning("Looking for alerts failed (%s), it is tried again", type(error).__name__)
                    told = type(error).__name__

    def step(self) -> None:
        """Looks if the site changed, then delivers what waits."""
        is_first = self._take_lease()
        settings = read_alert_settings(self._site.database)
        if is_first:
            self._announce(settings)
        self._look(settings, is_first)
        if is_first and self._pending:
            self._deliver(settings)

    def _take_lease(self) -> bool:
        """Whether this process is the one that alerts. Another one counts what is new, no more."""
        if not self._has_lease:
            try:
                self._lease.enter_context(self._site.lease(ALERTING))
            except Busy:
                return False
            self._has_lease = True
            self._seen = None  # what came while the other process alerted no more is looked at
        return True

    def _look(self, settings: AlertSettings, is_first: bool) -> None:
        state = self._site.searched_state()
        if state == self._seen or self._clock() < self._rest_until:
            return
        began = self._clock()
        if searches.saved(self._site.database):
            searcher = self._searcher.ready()
            began = self._clock()  # what a search would have waited for is no reason to rest
            found = self._watcher.look(searcher, settings.channels(), self._rights, alerts=is_first)
            self._news = found.news
            self._pending |= found.alerts > 0
        self._seen = state
        self._rest_until = self._clock() + REST * (self._clock() - began)

    # --- delivery

    def _announce(self, settings: AlertSettings) -> None:
        """Keeps the broker informed of which searches alert."""
        wanted = replace(settings, **_WEBHOOKS_OWN)
        if wanted != self._broker_of:
            if self._broker is not None:
                self._broker.close(forget=True)
                self._broker = None
            self._broker_of = wanted
        if not settings.mqtt_host:
            return
        if self._broker is None and self._clock() >= self._places[MQTT].again:
            try:
                self._broker = Broker(settings, self._site.path.name)
            except SiteError as error:
                self._failed(MQTT, str(error))
        if self._broker is not None:
            kept = searches.saved(self._site.database)
            self._broker.announce({search.key: search.name for search in kept if search.alert_from is not None})

    def _deliver(self, settings: AlertSettings) -> None:
        alerts = waiting(self._site)
        self._pending = bool(alerts)
        for name, place in self._places.items():
            for alert in [alert for alert in alerts if name in still_to(alert)][:MOST_AT_ONCE]:
                if name not in settings.channels():
                    self._done(alert, name)
                elif time.time() - alert.since > DAY:
                    self._give_up(alert, name)
                elif self._clock() >= place.again and not self._ended.is_set():
                    self._try(alert, name, settings)

    def _try(self, alert: Alert, name: str, settings: AlertSettings) -> None:
        key = (alert.search.key, alert.tracklet, name)
        try:
            self._take(alert, name, settings)
        except NotTaken as error:
            self._count(name, "failed")
            self._failed(name, str(error))
            self._refusals[key] = self._refusals.get(key, 0) + error.lasting
            if self._refusals[key] >= MOST_REFUSALS:
                self._give_up(alert, name)
            return
        self._count(name, "taken")
        place = self._places[name]
        place.failures, place.again, place.problem = 0, 0.0, ""
        self._done(alert, name)

    def _take(self, alert: Alert, name: str, settings: AlertSettings) -> None:
        content = content_of(alert, settings.address)
        if name == MQTT:
            if self._broker is None:
                raise NotTaken(self._places[MQTT].problem or "the broker can't be reached")
            self._broker.tell(alert.search.key, content)
            return
        if settings.webhook_picture:
            content["picture"] = self._picture(alert)
        self._post(
            settings.webhook_url,
            settings.webhook_secret,
            content,
            delivery=content["id"],
            private=settings.webhook_private,
        )

    def _picture(self, alert: Alert) -> str | None:
        """The middle crop as base64, None where it can't be read or the person was just erased."""
        crops = self._site.crops(alert.tracklet)
        try:
            return base64.b64encode(self._site.crop_jpeg(crops[len(crops) // 2])).decode("ascii")
        except (ValueError, IndexError):
            return None

    def _failed(self, name: str, why: str) -> None:
        place = self._places[name]
        if why != place.problem:
            log.warning("An alert was not taken: %s", why)
        place.problem, place.failures = why, place.failures + 1
        place.again = self._clock() + min(FIRST_PAUSE * 2 ** min(place.failures - 1, 10), LONGEST_PAUSE)

    def _give_up(self, alert: Alert, name: str) -> None:
        self._count(name, "given up")
        who = "alert"
        details = {"for": alert.search.who, "search": alert.search.name, "results": [alert.tracklet], "to": [name]}
        self._site.note(AuditEntry(time.time(), who, "alert given up", details))
        self._done(alert, name)

    def _done(self, alert: Alert, name: str) -> None:
        self._refusals.pop((alert.search.key, alert.tracklet, name), None)
        searches.set_delivered(self._site.database, alert.search.id, alert.tracklet, name)


def alerting_of(request: Request) -> Alerting:
    """That of the server which answers a request."""
    found: Alerting = request.app.state.alerting
    return found


def content_of(alert: Alert, address: str) -> dict[str, Any]:
    """What a place is told of an alert. `id` is the same at each try, so who gets it twice can tell."""
    return {
        "id": f"{alert.search.key}-{alert.tracklet}",
        "search": alert.search.name,
        "camera": alert.camera,
        "start": _iso(alert.start),
        "end": _iso(alert.end),
        "probability": round(alert.probability, 3),
        "tracklet": alert.tracklet,
        "link": f"{address.rstrip('/')}/tracklets/{alert.tracklet}",
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
