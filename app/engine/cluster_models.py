"""Detectors and encoders as a cluster's actors: one of each a GPU, or a machine where there is none.

Machines may join while a command is under way. So the command places more, and an actor tells tasks which there are.
"""

from __future__ import annotations

import dataclasses
import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.cluster import Cluster, answer, failed
from app.engine.cluster_site import ClusterSite
from app.engine.ray_runtime import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy, ray
from deploy.detectors import Detector, DetectorError, Frame
from deploy.detectors.load import load_detector
from deploy.encoder import OnnxEncoder
from trackers.detections import Detections

CALLS = 8  # of several tasks at once
FRAMES = 8  # of a call at least: it costs some milliseconds, however few it brings
OF_A_GPU = 0.5  # that a detector takes, and an encoder
A_BYTE = 1  # of a machine's memory: Ray places what claims nothing at all on any machine, whatever it is told
ASK_AGAIN = 0.2  # s after which a registry that knows of none is asked once more
_RESTARTED = {"max_restarts": -1, "max_task_retries": -1}  # after any death, elsewhere where its machine is gone


@dataclass(frozen=True, slots=True)
class Loading:
    """How detectors are loaded, as for `load_detector`."""

    download: bool
    device: str | None
    person_class: str | None


@dataclass(frozen=True, slots=True)
class WantedDetector:
    """A detector that is loaded on several machines, and must be the same on all."""

    name: str
    sha256: str | None
    loading: Loading

    def load(self, threads: int | None = None) -> Detector:
        """Loads it here. Raises DetectorError where it can't be had, or is another."""
        detector = load_detector(
            located(self.name),
            threads=threads,
            **dataclasses.asdict(self.loading),
        )
        if detector.sha256 != self.sha256:
            raise DetectorError(
                f"The detector {self.name} of {os.uname().nodename} is another file than where the command was given: "
                "bring the same to all machines."
            )
        return detector


def located(name: str) -> str:
    """A detector's name that means the same wherever a process was started."""
    if name.startswith("mot:"):
        return f"mot:{Path(name.removeprefix('mot:')).absolute()}"
    return str(Path(name).absolute()) if Path(name).is_file() else name


class DetectorActor:
    """Runs a detector for several tasks at once.

    The first call loads it, and is told what stands in the way.
    """

    def __init__(self, wanted: WantedDetector, threads: int) -> None:
        self._wanted, self._threads, self._lock = wanted, threads, threading.Lock()
        self._detector: Detector | None = None

    def batch(self) -> tuple[int, int]:
        """How many frames a call are best, and how many calls at once."""
        detector = self._loaded()
        return detector.batch, detector.calls

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """As `Detector.detect`."""
        return self._loaded().detect(frames)

    def _loaded(self) -> Detector:
        with self._lock:
            if self._detector is None:
                self._detector = self._wanted.load(self._threads)
            return self._detector


class EncoderActor:
    """Runs a version's encoder for several tasks at once.

    Each call says where the file is: what Ray keeps for an actor's start may be lost before it starts again.
    """

    def __init__(self, model: str, threads: int, *, cuda: bool) -> None:
        self._open = partial(OnnxEncoder, cuda=cuda, threads=threads)
        self._model, self._lock = model, threading.Lock()
        self._encoder: OnnxEncoder | None = None

    def size(self, site: ClusterSite) -> tuple[int, int]:
        """Height and width of crops, px."""
        return self._opened(site).size

    def embed(self, site: ClusterSite, crops: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
        """As `OpenEncoder.embed`."""
        return self._opened(site).embed(crops, batch=batch)

    def _opened(self, site: ClusterSite) -> OnnxEncoder:
        with self._lock:
            if self._encoder is None:
                self._encoder = self._open(site.onnx(self._model))
            return self._encoder


class PlacedDetector:
    """A detector that an actor runs. As `Detector`."""

    def __init__(self, wanted: WantedDetector, actor: Any) -> None:
        self.name, self.sha256, self._actor = wanted.name, wanted.sha256, actor
        batch, self.calls = answer(actor.batch.remote())
        self.batch = batch * math.ceil(FRAMES / batch)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """As `Detector.detect`."""
        people: list[Detections] = answer(self._actor.detect.remote(frames))
        return people


class PlacedEncoder:
    """An encoder that an actor runs. As `OpenEncoder`."""

    def __init__(self, site: ClusterSite, actor: Any) -> None:
        self._site, self._actor = site, actor
        self.size: tuple[int, int] = answer(actor.size.remote(site))

    def embed(self, crops: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
        """As `OpenEncoder.embed`."""
        rows: NDArray[np.float32] = answer(self._actor.embed.remote(self._site, crops, batch))
        return rows


@dataclass(frozen=True, slots=True)
class Placed:
    """A detector and an encoder that are near each other."""

    node: str | None  # their machine, None where Ray has none with a free GPU just now
    group: str | None  # Ray's id of the placement group that has their GPU, None where they have none
    detector: Any  # None where each task reads detections from a file
    encoder: Any  # None where nothing is embedded by it


class Registry:
    """Tells tasks which detectors and encoders there are. It knows of none before it is told."""

    def __init__(self) -> None:
        self._placed: list[Placed] = []

    def tell(self, placed: list[Placed]) -> None:
        """These are there now."""
        self._placed = placed

    def placed(self) -> list[Placed]:
        """All that are there, or that Ray is bringing back. None where it was not told yet."""
        return self._placed


class PlacedModels:
    """The detectors and encoders of one command: a pair a GPU, or a machine where the cluster has no GPUs."""

    def __init__(self, cluster: Cluster, wanted: WantedDetector | None, model: str | None) -> None:
        """wanted: None where detections are read from files. model: the version that embeds, None where none does."""
        self._cluster, self._wanted, self._model = cluster, wanted, model
        self._placed: list[Placed] = []
        registry: Any = ray.remote(Registry).options(num_cpus=0, **_RESTARTED)
        self.registry = registry.remote()
        self.look()

    def look(self) -> None:
        """Places more where machines have joined, and tells of all: the registry may have begun anew.

        Those that have a GPU may have come to another machine. Raises SiteError where the cluster fails.
        """
        for place in _new_places(self._cluster, self._placed):
            detector = None if self._wanted is None else place.actor(DetectorActor, self._wanted, place.threads)
            encoder = (
                None
                if self._model is None
                else place.actor(EncoderActor, self._model, place.threads, cuda=place.group is not None)
            )
            self._placed.append(Placed(place.node, place.group, detector, encoder))
        if any(pair.group for pair in self._placed):
            nodes = _nodes_of_groups()
            self._placed = [
                dataclasses.replace(pair, node=nodes.get(pair.group)) if pair.group else pair for pair in self._placed
            ]
        self.registry.tell.remote(self._placed)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where actors run that are near each other."""

    node: str | None  # None for a GPU, whose machine Ray chooses
    group: str | None  # as `Placed.group`
    where: Any  # as Ray takes it
    threads: int  # that each may have

    def actor(self, kind: type, *arguments: Any, **options: Any) -> Any:
        """Begins one there."""
        share = {"num_cpus": 0, **({"num_gpus": OF_A_GPU} if self.group else {"memory": A_BYTE})}
        placing: Any = ray.remote(kind).options(
            max_concurrency=CALLS, scheduling_strategy=self.where, **share, **_RESTARTED
        )
        return placing.remote(*arguments, **options)


def _new_places(cluster: Cluster, placed: Sequence[Placed]) -> list[_Place]:
    """One a GPU, or a machine where there is none, for those that nothing is placed on."""
    machines = cluster.machines()
    gpus = sum(int(machine.gpus) for machine in machines)
    if gpus:  # which of them a pair has is up to Ray, so they are counted
        threads = max(1, min(machine.cpus for machine in machines if machine.gpus))
        more = gpus - sum(pair.group is not None for pair in placed)
        groups = [ray.util.placement_group([{"GPU": 1}]) for _ in range(more)]
        return [_Place(None, group.id.hex(), PlacementGroupSchedulingStrategy(group), threads) for group in groups]
    known = {pair.node for pair in placed}
    return [
        _Place(machine.node, None, NodeAffinitySchedulingStrategy(machine.node, soft=True), machine.cpus)
        for machine in machines
        if machine.cpus and machine.node not in known
    ]


def _nodes_of_groups() -> dict[str, str]:
    """The machine of each placement group that has one just now. Each has one bundle. Raises SiteError as `failed`."""
    try:
        table = ray.util.placement_group_table()
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise failed(error) from error
    return {name: group["bundles_to_node_id"][0] for name, group in table.items() if group["state"] == "CREATED"}


def nearest(registry: Any, number: int) -> Placed:
    """One of the pairs on this machine, else of all, by a number, so that all are asked. registry: the actor."""
    while not (placed := answer(registry.placed.remote())):
        time.sleep(ASK_AGAIN)  # it begins anew, and is told at the command's next look
    here = ray.get_runtime_context().get_node_id()
    near = [pair for pair in placed if pair.node == here] or placed
    return near[number % len(near)]
