"""Footage is taken in on the machines of a Ray cluster: a task a footage, those of a camera one after the other.

A task decodes, follows and commits. It holds its camera's lease, and asks actors for detections and embeddings. One
whose process dies begins again, waits for the dead one's lease, and goes on behind the last commit. Footage on which it
dies again and again is left, and the camera's next begins. The process that gave the command numbers cameras and
footage, and writes embeddings.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.asking import unheard
from app.encoders.embed import Embedder, keep
from app.encoders.versions import BASE, find, serving, store_of
from app.engine.camera_jobs import CameraJobs, Following, Job, camera_jobs, follow, sure_span
from app.engine.cluster import PATIENCE, Cluster, DiedTooOften, answer
from app.engine.cluster_models import (
    Loading,
    PlacedDetector,
    PlacedEncoder,
    PlacedModels,
    WantedDetector,
    nearest,
)
from app.engine.cluster_site import ClusterSite
from app.engine.following import Thinning
from app.engine.frame_counter import FrameCounter
from app.engine.ray_runtime import DEATHS, ray
from app.errors import Busy
from app.footage import Camera, Footage
from app.footage.decode import Span
from app.record import Site
from app.record.leases import of_camera
from deploy.detectors import Detector
from deploy.detectors.mot import MotDetector

LOOK = 2.0  # s between looks how far tasks are
# Ray gives a task's processor to others while it waits for an actor, and the memory that it claims to nobody. So memory
# bounds how many cameras a machine takes in at once.
OF_A_TASK = 512 * 2**20  # bytes

Rows = tuple[int, NDArray[np.int64], NDArray[np.float32]]  # a footage's id, ids of its tracklets, and their halves


@dataclass(frozen=True, slots=True)
class Order:
    """What all tasks of a run work with."""

    site: ClusterSite
    detector: WantedDetector
    registry: Any  # the actor that tells where detectors and encoders are
    thinning: Thinning
    chunk: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a camera's earlier footage tells the next. See `CameraJobs`."""

    shown: tuple[Span, ...]
    noted: bool


def take_in_footage(
    order: Order, camera: Camera, footage: Footage, number: int, settings: dict[str, Any], earlier: Earlier
) -> tuple[Earlier, list[Rows]]:
    """What a task does. number: the footage's id. Returns what it tells the next, and its embeddings."""
    rows: list[Rows] = []
    with order.site.open() as site, site.lease(of_camera(camera.name, PATIENCE)):
        record = site.footage_record(number)
        if record.status == "done":  # by a task that died just then, or by another process
            noted = earlier.noted or order.detector.name.startswith("mot:")
            return Earlier((*earlier.shown, *sure_span(record, order.thinning.begin)), noted), rows
        if record.status == "running" and record.settings != settings:
            raise Busy(
                f"Another process took in {record.name} of {camera.name} with other settings meanwhile: run the same "
                "command again."
            )
        pair = nearest(order.registry, number)
        detector: Detector = (
            order.detector.load() if pair.detector is None else PlacedDetector(order.detector, pair.detector)
        )
        jobs = CameraJobs([Job(camera, footage, record)], list(earlier.shown), earlier.noted)
        following = Following({camera.name: settings}, order.thinning, order.chunk)
        embedder = Embedder(lambda *written: rows.append(written), lambda: PlacedEncoder(order.site, pair.encoder))
        try:
            follow(site, [jobs], detector, following, FrameCounter(unheard), embedder)
            embedder.close()
        except BaseException:  # whatever it is: the thread ends before the task does
            embedder.abandon()
            raise
    return Earlier(tuple(jobs.shown), jobs.noted), rows


class ClusterExecutor:
    """Takes footage in by tasks of a cluster. As `Executor`."""

    patience = PATIENCE

    def __init__(self, cluster: Cluster, loading: Loading) -> None:
        """loading: how each machine loads the detector."""
        self._cluster, self._loading = cluster, loading

    def check(self, site: Site) -> None:
        """As `Executor.check`."""
        self._cluster.check_site(site.path, site.database.places)

    def take_in(
        self,
        site: Site,
        cameras: Sequence[CameraJobs],
        detector: Detector,
        following: Following,
        frame_counter: FrameCounter,
        leases: ExitStack,
    ) -> None:
        """As `Executor.take_in`."""
        leases.close()  # tasks take them
        if not cameras:
            return
        model = serving(site)
        wanted = WantedDetector(detector.name, detector.sha256, self._loading)
        at = ClusterSite.of(site, [find(site, BASE), model])
        read = isinstance(detector, MotDetector)
        models = PlacedModels(self._cluster, None if read else wanted, model.name)
        order = ray.put(Order(at, wanted, models.registry, following.thinning, following.chunk))
        task = ray.remote(take_in_footage).options(num_returns=2, num_cpus=1, memory=OF_A_TASK, max_retries=DEATHS)
        chains = []
        for jobs in cameras:
            frame_counter.expect(jobs.camera.name, None)
            chains.append(_submitted(task, order, jobs, following.settings[jobs.camera.name]))
        add, progress = store_of(site, model.name).add, _Progress(site, frame_counter)
        ended = set[str]()  # cameras of which footage has ended: what detections are taken for is told
        while chains := [chain for chain in chains if chain]:
            under_way = {chain[0][0]: chain for chain in chains}  # a camera's tasks end in their order
            for embeddings in ray.wait(list(under_way), timeout=LOOK)[0]:
                chain = under_way[embeddings]
                _, job = chain.popleft()
                try:
                    rows: list[Rows] = answer(embeddings)
                except DiedTooOften as error:
                    self._cluster.check_node()  # raises where Ray itself is gone
                    _leave(site, job, str(error))
                    if rest := [job for _, job in chain]:  # they waited for what it would tell
                        left = dataclasses.replace(camera_jobs(site, rest), noted=job.camera.name in ended)
                        chains.append(_submitted(task, order, left, following.settings[job.camera.name]))
                        chain.clear()
                    continue
                for footage, ids, halves in rows:
                    with site.writing():
                        keep(site, add, footage, ids, halves)
                ended.add(job.camera.name)
                progress.look(job)
            self._cluster.check_node()
            models.look()
            progress.look_at([chain[0][1] for chain in chains if chain])


def _submitted(task: Any, order: Any, of_one: CameraJobs, settings: dict[str, Any]) -> deque[tuple[Any, Job]]:
    """A camera's tasks, each with what refers to its embeddings. Each begins when the one before has ended."""
    camera = ray.put(of_one.camera)
    earlier: Any = Earlier(tuple(of_one.shown), of_one.noted)
    chain = deque[tuple[Any, Job]]()
    for job in of_one.jobs:
        footage = dataclasses.replace(job.footage, path=job.footage.path.absolute())
        earlier, embeddings = task.remote(order, camera, footage, job.record.id, settings, earlier)
        chain.append((embeddings, job))
    return chain


def _leave(site: Site, job: Job, problem: str) -> None:
    """Leaves footage on which tasks die. What was committed of it stays."""
    with site.lease(of_camera(job.camera.name, PATIENCE)):
        site.intake.fail(job.record, problem)


class _Progress:
    """Counts frames of tasks, as the record has them."""

    def __init__(self, site: Site, frame_counter: FrameCounter) -> None:
        self._site, self._frame_counter = site, frame_counter
        self._frames: dict[int, int] = {}  # of each footage at the last look
        self._looked = time.monotonic()

    def look(self, job: Job) -> None:
        """Counts what of a footage was committed since the last look."""
        before, now = (
            self._frames.get(job.record.id, job.record.frames),
            self._site.footage_record(job.record.id).frames,
        )
        if now > before:
            self._frame_counter.advance(job.camera.name, now - before)
        self._frames[job.record.id] = now

    def look_at(self, under_way: Iterable[Job]) -> None:
        """Counts what of footage that is under way was committed, now and then."""
        if time.monotonic() - self._looked >= LOOK:
            self._looked = time.monotonic()
            for job in under_way:
                self.look(job)
