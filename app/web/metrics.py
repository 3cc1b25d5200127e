"""What the server counts, for Prometheus. Each application has a registry of its own, and no collector beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.record import Site
from app.record.camera_summaries import unwatched
from app.record.counts import footage_by_camera, jobs_by_status, searchable_by_camera
from app.record.live_cameras import LiveRecord, live_cameras_of

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_OTHER = "none"  # in place of a path that no route has
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """Counters of one application, and what its site holds when it is asked."""

    def __init__(self, site: Site) -> None:
        self._registry = CollectorRegistry()
        names = ("route", "method")
        self.requests = Counter("sightline_requests", "Requests answered.", (*names, "status"), registry=self._registry)
        self.seconds = Histogram(
            "sightline_request_seconds", "How long answers took.", names, buckets=_SECONDS, registry=self._registry
        )
        self.searches = Counter("sightline_searches", "Searches answered.", registry=self._registry)
        self.alerts = Counter(
            "sightline_alerts", "Alerts by place and what became of them.", ("to", "result"), registry=self._registry
        )
        self._registry.register(_Held(site))

    def alert(self, to: str, result: str) -> None:
        """That an alert was `taken`, `failed` at this try, or is `given up`."""
        self.alerts.labels(to, result).inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Held(Collector):
    """What a site holds now."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Any]:
        """A family of figures each."""
        searchable = GaugeMetricFamily("sightline_searchable", "Tracklets and sightings.", labels=("camera", "kind"))
        for camera, kind, count in searchable_by_camera(self._site.database):
            searchable.add_metric((camera, kind), count)
        yield searchable
        footage = GaugeMetricFamily("sightline_footage", "Pieces of footage.", labels=("camera", "status"))
        seconds = GaugeMetricFamily("sightline_footage_seconds", "Seconds of footage.", labels=("camera", "status"))
        for camera, status, count, length in footage_by_camera(self._site.database):
            footage.add_metric((camera, status), count)
            seconds.add_metric((camera, status), length)
        yield footage
        yield seconds
        jobs = GaugeMetricFamily("sightline_jobs", "Jobs by status.", labels=("status",))
        for status, count in jobs_by_status(self._site.database):
            jobs.add_metric((status,), count)
        yield jobs
        yield from self._live()
        yield GaugeMetricFamily("sightline_memory_bytes", "Memory that the server holds.", value=_resident())

    def _live(self) -> Iterator[Any]:
        """How live cameras do. One that nobody watches is not up."""
        now = time.time()
        states = live_cameras_of(self._site.database, now)
        up = GaugeMetricFamily("sightline_camera_up", "Whether a live camera's pictures come.", labels=("camera",))
        for name in unwatched(self._site):
            up.add_metric((name,), 0)
        for name, state in states.items():
            up.add_metric((name,), not state.away)
        yield up
        for name, words, value_of in _OF_LIVE:
            family = GaugeMetricFamily(f"sightline_camera_{name}", words, labels=("camera",))
            for camera, state in states.items():
                value = value_of(state, now)
                if value is not None:
                    family.add_metric((camera,), value)
            yield family


_OF_LIVE: tuple[tuple[str, str, Callable[[LiveRecord, float], float | None]], ...] = (
    ("frames_taken", "Frames that were followed since watching began.", lambda state, _: state.frames),
    ("frames_skipped", "Frames that nobody had time for since then.", lambda state, _: state.skipped),
    ("frames_per_second", "Frames a second that are followed.", lambda state, _: state.rate),
    ("frames_per_second_offered", "Frames a second that the camera offers.", lambda state, _: state.offered),
    ("outages", "Outages since watching began.", lambda state, _: state.outages),
    ("clock_ahead_seconds", "Seconds by which its clock is ahead of this machine's.", lambda state, _: state.ahead),
    (
        "last_frame_age_seconds",
        "Seconds since its last frame.",
        lambda state, now: None if state.latest is None else max(0.0, now - state.latest),
    ),
)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


class Counted:
    """Around the whole application: counts requests by the template of their route, never by what they name."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, heard)
        finally:
            route = getattr(scope.get("route"), "path", _OTHER)
            method = scope["method"] if scope["method"] in _METHODS else _OTHER
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.seconds.labels(route, method).observe(time.monotonic() - began)
            if status == 200 and route.endswith(("/search", "/searches/{number}", "/matches")):
                self._metrics.searches.inc()
