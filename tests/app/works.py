"""What goes on in a site at once, each as a function that a process of its own runs to its end or to its death.

A server that has imported IMPORTED forks each of them in moments.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import app.engine.ingest
import app.learning.adapt
import app.learning.plan
import deploy.export
from app.encoders.versions import BASE, digest, in_the_box, use
from app.errors import Busy, SiteError
from app.record import Site
from app.record.forget import forget
from app.record.verify import damage
from app.search.merging import merge
from app.search.query import query
from app.search.searcher import Wish
from deploy.export import Checked, Exported

# What works import, some of it late.
IMPORTED = ["tests.app.works", "tests.app.stops", "reid.training", "torch.utils.tensorboard", "torch._dynamo"]
BUSY = 3  # exit code: another process holds the lease
TOLD = 4  # exit code: an error that a person is told in one sentence
Work = Callable[[Site, dict[str, Any]], None]


def ingest_of(camera: str) -> Work:
    def ingest(site: Site, settings: dict[str, Any]) -> None:
        videos, detections = settings["videos"], settings["detections"]
        report = app.engine.ingest.ingest(videos / camera, site.path, detector=f"mot:{detections}", who="test")
        if report.cameras[0].errors:
            raise AssertionError(report.cameras[0].errors)

    return ingest


def adapting(site: Site, settings: dict[str, Any]) -> None:
    report = app.learning.adapt.adapt(site, who="test", epochs=1, start=BASE, size=(64, 32), force=True)
    if not report.deployed:
        raise AssertionError(report.reason)


def merging(site: Site, settings: dict[str, Any]) -> None:
    merge(site, who="test")


def forgetting(site: Site, settings: dict[str, Any]) -> None:
    there = site.tracklet_table().ids.tolist()
    pending = site.left_to_erase
    leaving = [
        tracklet for tracklet in settings["leaving"] if tracklet in there or tracklet in pending
    ]  # the same command, or what is left
    forget(site, who="test", tracklets=leaving)


def asking(site: Site, settings: dict[str, Any]) -> None:
    report, _ = query(site, settings["query_tracklet"], Wish(top=1000), who="test")
    if not report.people[0].matches:
        raise AssertionError("nobody was found")


def using(site: Site, settings: dict[str, Any]) -> None:
    use(site, BASE, who="test")


def verifying(site: Site, settings: dict[str, Any]) -> None:
    if sentences := list(damage(site)):
        raise AssertionError(sentences)


WORKS: dict[str, Work] = {
    "ingest a": ingest_of("a"),
    "ingest b": ingest_of("b"),
    "adapt": adapting,
    "merge": merging,
    "forget": forgetting,
    "query": asking,
    "models use": using,
    "verify": verifying,
}


def boxed_export(encoder: Any, folder: Path, *_: Any, **__: Any) -> Exported:
    """The box's ONNX file for a version's own: to write one takes most of a short run."""
    onnx = Path(shutil.copy(in_the_box(f"{BASE}.onnx"), folder / deploy.export.ONNX))
    return Exported(onnx, digest(onnx), onnx.stat().st_size, 0, Checked(0, 0.0, True))


def told_probe(
    site: Site, name: str, batch: int, size: tuple[int, int] | None, device: torch.device
) -> app.learning.plan.Start:
    """A machine's speed that nobody measured."""
    return app.learning.plan.Start(name, (128, 64), 100.0)


def cheap_adaptation() -> None:
    """A few tracklets suffice to learn from, in small chunks."""
    app.learning.adapt.LEAST_TRACKLETS = 20
    app.learning.plan._probe = told_probe
    app.engine.ingest.CHUNK = 10
    deploy.export.export_model = boxed_export


def run_work(name: str, path: Path, settings: dict[str, Any]) -> None:
    """Runs one work and ends this process with what came of it: what is raised is told, with exit code 1."""
    torch.set_num_threads(1)
    cheap_adaptation()
    try:
        with Site.open_to_write(path) as site:
            WORKS[name](site, settings)
    except Busy:
        sys.exit(BUSY)
    except SiteError:
        sys.exit(TOLD)
