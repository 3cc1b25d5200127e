"""Where footage is taken in: in this process, or elsewhere by whoever keeps the same protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Protocol

from app.encoders.embed import Embedder, keep
from app.encoders.versions import open_model, serving, store_of
from app.engine.camera_jobs import CameraJobs, Following, follow
from app.engine.frame_counter import FrameCounter
from app.record import Site
from deploy.detectors import Detector


class Executor(Protocol):
    """Takes jobs of cameras in. A camera's are done one after the other, those of several beside each other."""

    patience: float  # s for which a camera's lease is waited for: a process that died a moment ago may still have it

    def check(self, site: Site) -> None:
        """Raises SiteError where the site can't be reached from where the work is done."""

    def take_in(
        self,
        site: Site,
        cameras: Sequence[CameraJobs],
        detector: Detector,
        following: Following,
        frame_counter: FrameCounter,
        leases: ExitStack,
    ) -> None:
        """Returns when all is committed and embedded. What is wrong with single footage is in the record.

        leases: those of the cameras. Who works in another process gives them back, and takes them there.
        """


class ThisProcess:
    """Threads of this process: one decodes each camera, others detect, follow and embed."""

    patience = 0.0

    def check(self, site: Site) -> None:
        """As `Executor.check`: this process has it open."""

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
        with _embedder(site) as embedder:
            follow(site, cameras, detector, following, frame_counter, embedder)
            with site.writing():
                embedder.close()


@contextmanager
def _embedder(site: Site) -> Iterator[Embedder]:
    """Embeds with the version that serves."""
    model = serving(site)
    embedder = Embedder(partial(keep, site, store_of(site, model.name).add), lambda: open_model(site, model))
    try:
        yield embedder
    except BaseException:  # whatever it is, Ctrl-C too: the thread ends before this one does
        embedder.abandon()
        raise
