"""Live cameras as a cluster's actors: each follows one, and begins again on another machine after any death.

What dies is followed by its camera's lease. So one that was believed dead and is not writes nothing beside its
successor. That one ends what was left, as a watcher on one machine does after a death.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from app.encoders.versions import with_base
from app.engine.cluster import Cluster, answer, failed, in_a_folder
from app.engine.cluster_models import Loading, PlacedDetector, PlacedModels, WantedDetector, nearest
from app.engine.cluster_site import ClusterSite
from app.engine.feed import CameraWatch, Watched
from app.engine.following import tracker_of
from app.engine.named_cameras import NamedCameras, watched_camera
from app.engine.ray_runtime import ray
from app.engine.watch import WatchReport, watch
from app.errors import SiteError
from app.footage import Camera
from app.footage.camera_address import CameraDevice
from app.footage.live_settings import LiveSettings
from app.footage.recording import recordings_of
from app.record import Site
from deploy.detectors import Detector, DetectorError

log = logging.getLogger("sightline")

AGAIN = 5.0  # s after which a camera that could not be followed is tried again
LOOK = 1.0  # s between looks at how cameras do, and at which are wanted
ENDING = 60.0  # s in which all have ended who are asked to
OF_A_MACHINE = 0.001  # processors that a camera claims: it goes where there are any, and all of a machine share them
_CALLS = 4  # of an actor at once: it follows, tells, and is told to end
_RESTARTED = {"max_restarts": -1, "max_task_retries": -1}  # after any death, elsewhere where its machine is gone


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """What all cameras are followed with."""

    site: ClusterSite
    detector: WantedDetector
    registry: Any  # the actor that tells where detectors are
    tracker: str
    who: str


@dataclass(frozen=True, slots=True)
class Told:
    """How an actor's camera does."""

    watch: CameraWatch
    problem: str = ""  # why it is not followed just now, empty where it is


class CameraActor:
    """Follows one live camera until it is told to end."""

    def __init__(self) -> None:
        self._wanted, self._ending = True, threading.Event()
        self._told: Told | None = None

    def follow(self, order: LiveOrder, camera: Camera, live: LiveSettings) -> Told:
        """Returns when `stop` was called. What stands in the way is told, and tried again."""
        self._told = Told(CameraWatch(camera.name))
        while self._wanted:
            self._ending = threading.Event()
            try:
                pair = nearest(order.registry, sum(camera.name.encode()))
                detector = PlacedDetector(order.detector, pair.detector)
                self._follow(order, _watched(order, camera, live), detector)
            except (SiteError, DetectorError) as error:
                self._told = Told(replace(self._told.watch, away=str(error)), str(error))
                log.warning("%s", error)
                self._ending.wait(AGAIN)
        return self._told

    def told(self) -> Told | None:
        """How it does, None before it began."""
        return self._told

    def stop(self) -> None:
        """Ends `follow`, once what is under way is committed."""
        self._wanted = False
        self._ending.set()

    def _follow(self, order: LiveOrder, watched: Watched, detector: Detector) -> None:
        if self._wanted:  # else it was told to end just now
            watch(
                order.site.folder(),
                [watched],
                detector,
                self._ending,
                tracker=order.tracker,
                who=order.who,
                told=self._tell,
                opened=lambda _: order.site.open(),
            )

    def _tell(self, report: WatchReport) -> None:
        assert self._told is not None
        watch = report.cameras[0] if report.cameras else self._told.watch
        self._told = Told(watch, report.busy[0] if report.busy else "")


def _watched(order: LiveOrder, camera: Camera, live: LiveSettings) -> Watched:
    """A camera as an actor watches it.

    On several machines its film and its newest picture would stay on one that erasing does not reach.
    """
    return watched_camera(camera, live, recordings_of(order.site.path), kept=in_a_folder(order.site.places))


@dataclass(slots=True)
class _Followed:
    """A camera that an actor follows."""

    watched: Watched  # as it was wanted when the actor began
    actor: Any
    end: Any  # what the actor's `follow` gives
    asked: Any = None  # what its `told` gives, None where nothing is asked
    told: Told | None = None
    since: float = field(default_factory=time.monotonic)


def watch_on_cluster(
    cluster: Cluster,
    site: Site,
    named: NamedCameras,
    detector: Detector,
    loading: Loading,
    stop: threading.Event,
    *,
    tracker: str | None = None,
    who: str,
    told: Callable[[WatchReport], None],
) -> WatchReport:
    """As `watch`, by actors of a cluster. Counts of a camera begin anew with its actor.

    loading: how each machine loads the detector. Raises SiteError where the site can't be reached from all machines, or
    where the cluster fails.
    """
    began = time.monotonic()
    cluster.check_site(site.path, site.database.places)
    with site.writing():
        with_base(site)
    wanted = WantedDetector(detector.name, detector.sha256, loading)
    models = PlacedModels(cluster, wanted, None)
    order = LiveOrder(ClusterSite.of(site, []), wanted, models.registry, tracker or tracker_of(site), who)
    cameras = _Cameras(named, ray.put(order), movable=not in_a_folder(site.database.places))
    try:
        while True:
            cameras.begin_wanted()
            cameras.look()
            report = cameras.report(site, began)
            told(report)
            if stop.wait(LOOK):
                break
            cluster.check_node()
            models.look()
            named.changed()
        cameras.end()
    except ray.exceptions.RayError as error:
        raise failed(error) from error
    return cameras.report(site, began)


class _Cameras:
    """The cameras that actors follow just now."""

    def __init__(self, named: NamedCameras, order: Any, *, movable: bool) -> None:
        """movable: whether there are several machines between which cameras move."""
        self._named, self._order, self._movable = named, order, movable
        self._followed: dict[str, _Followed] = {}
        self._leaving: list[_Followed] = []
        self._unmovable: dict[str, str] = {}  # why a camera is followed by no actor, by its name

    def begin_wanted(self) -> None:
        """Ends those that are not wanted any more, or changed, and begins with others."""
        wanted = {watched.camera.name: watched for watched in self._named.watched}
        for name, followed in list(self._followed.items()):
            if wanted.get(name) is not followed.watched:
                self._leaving.append(self._followed.pop(name))
        self._unmovable = {}
        for name, watched in wanted.items():
            live = self._named.followed[name]
            if self._movable and isinstance(live.source, CameraDevice):
                self._unmovable[name] = f"{name} is a device of one machine: follow it there, without --cluster."
            elif name not in self._followed:
                if self._movable and live.record_seconds is not None:
                    log.warning("The film of %s is not recorded, as its camera moves between machines", name)
                self._followed[name] = self._begun(watched, live)

    def look(self) -> None:
        """Asks how they do, and begins anew with those whose actor failed. Raises RayError where Ray fails."""
        for followed in self._followed.values():
            if followed.asked is None:
                followed.asked = followed.actor.told.remote()
        asked = [followed.asked for followed in self._followed.values()]
        there = set(ray.wait(asked, num_returns=len(asked), timeout=LOOK)[0]) if asked else set()
        for followed in self._followed.values():
            if followed.asked in there:  # else its actor is just beginning again
                followed.told = ray.get(followed.asked) or followed.told
                followed.asked = None
        self._begin_again()
        for leaving in self._leaving:
            leaving.actor.stop.remote()
        self._leaving = [leaving for leaving in self._leaving if not ray.wait([leaving.end], timeout=0)[0]]

    def end(self) -> None:
        """Ends all, each when what is under way is committed."""
        limit = time.monotonic() + ENDING
        left = self._leaving + list(self._followed.values())
        while left and time.monotonic() < limit:
            for followed in left:  # again and again: one that begins again has not heard it
                followed.actor.stop.remote()
            ends = [followed.end for followed in left]
            there = set(ray.wait(ends, num_returns=len(ends), timeout=LOOK)[0])
            for followed in left:
                if followed.end in there:
                    followed.told = answer(followed.end)
            left = [followed for followed in left if followed.end not in there]

    def report(self, site: Site, began: float) -> WatchReport:
        """How they do."""
        told = {name: followed.told for name, followed in self._followed.items()}
        watches = [CameraWatch(name) if each is None else each.watch for name, each in told.items()]
        busy = [each.problem for each in told.values() if each is not None and each.problem]
        seconds = round(time.monotonic() - began, 1)
        return WatchReport(str(site.path), seconds, watches, [*busy, *self._unmovable.values()])

    def _begun(self, watched: Watched, live: LiveSettings) -> _Followed:
        placing: Any = ray.remote(CameraActor).options(
            num_cpus=OF_A_MACHINE, scheduling_strategy="SPREAD", max_concurrency=_CALLS, **_RESTARTED
        )
        actor = placing.remote()
        return _Followed(watched, actor, actor.follow.remote(self._order, watched.camera, live))

    def _begin_again(self) -> None:
        """With those that ended though nobody asked them to: by what nobody foresaw."""
        for name, followed in list(self._followed.items()):
            if time.monotonic() < followed.since + AGAIN or not ray.wait([followed.end], timeout=0)[0]:
                continue
            try:
                ray.get(followed.end)
            except ray.exceptions.RayTaskError as error:
                log.warning("%s could not be followed, and is tried again: %s", name, error.cause)
            ray.kill(followed.actor)
            self._followed[name] = self._begun(followed.watched, self._named.followed[name])
