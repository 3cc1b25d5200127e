"""Footage becomes a site of pure tracklets: the main job."""

from __future__ import annotations

import dataclasses
import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.asking import Progress, unheard
from app.encoders.versions import bring_up_to_date, with_base
from app.engine.camera_jobs import Following, Job, camera_jobs
from app.engine.executor import Executor, ThisProcess
from app.engine.following import Thinning, settings_of, tracker_of
from app.engine.frame_counter import FrameCounter
from app.errors import Busy, SiteError, StorageError
from app.footage import Camera, site_config, survey
from app.record import Site
from app.record.areas import add_missing_areas, drawn_masks
from app.record.leases import of_camera
from app.record.rows import BoxCounts, FootageRecord
from app.remarks import Remark, Starts
from deploy.detectors import Detector
from deploy.detectors.load import load_detector
from reid.foreign import readable

if TYPE_CHECKING:
    from app.encoders.brought import Brought

log = logging.getLogger("sightline")

CHUNK = 300  # frames between commits: at most this much, a camera, is done again after a kill


@dataclass(slots=True)
class CameraReport:
    """What the site holds of one camera after an ingest.

    The rate is this run's. It is 0 where nothing was left to do.
    """

    camera: str
    footage: int
    frames: int = 0
    frames_per_second: float = 0.0
    detections: int = 0
    tracks: int = 0
    tracklets: int = 0
    sightings: int = 0
    crops: int = 0
    errors: list[str] = field(default_factory=list)
    starts: list[Starts] = field(default_factory=list)  # by what it is known when its footage began
    remarks: list[Remark] = field(default_factory=list)  # what was taken for something, or contradicts itself
    boxes: BoxCounts = field(default_factory=BoxCounts)  # what became of the detections


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did."""

    site: str
    seconds: float
    cameras: list[CameraReport]
    left_out: list[Remark]  # of the folder of footage
    remarks: list[Remark]
    encoder: Brought | None = None  # of `encoder`
    encoder_problem: str | None = None  # why it does not serve


def ingest(
    videos: Path,
    site_path: Path,
    *,
    detector: str = "auto",
    download: bool = False,
    device: str | None = None,
    person_class: str | None = None,
    tracker: str | None = None,
    thinning: Thinning = Thinning(),
    start: float | None = None,
    config: Path | None = None,
    pattern: str | None = None,
    replace: bool = False,
    encoder: Path | None = None,
    executor: Executor = ThisProcess(),
    who: str,
    progress: Progress = unheard,
) -> IngestReport:
    """Turns the footage at `videos` into tracklets of the site at `site_path`.

    It goes on where an earlier run stopped. Others may take in other cameras meanwhile, search, merge, learn and erase.

    start: UTC seconds for footage that does not tell its own. pattern: which part of a path names the camera, see
    `CameraPattern`. person_class: which of the detector's classes is a person, by number or name, where its file does
    not tell. tracker: one of `trackers.TRACKERS`, None for what the site's footage has, else the first. replace: take
    footage in again that changed or was ingested otherwise. encoder: a file that a new site is to serve with, in the
    place of base. executor: where the work is done. Raises FootageError, SiteError or DetectorError where it can't
    start or can't go on. What is wrong with single footage is in the report.
    """
    began = time.monotonic()
    settings_file = site_config(videos, config)
    found = survey(videos, settings_file, start, pattern)
    cameras = found.cameras
    finder = load_detector(
        detector,
        download=download,
        device=device,
        site_default=settings_file.detector,
        person_class=person_class,
    )
    remarks = [*found.remarks, *_assumed(finder)]
    reports = {camera.name: CameraReport(camera.name, len(camera.footage)) for camera in cameras}
    brought, encoder_problem = None, None
    with Site.create(site_path) as site, ExitStack() as leases:
        executor.check(site)
        if encoder is not None:
            from app.encoders.brought import begin_with, bring  # they bring the ONNX library

            begin_with(site, encoder, who=who)
        leased = _leased(site, cameras, leases, reports, executor.patience)
        free = [
            dataclasses.replace(camera, mask=(*camera.mask, *drawn_masks(site.database, camera.name)))
            for camera in leased
        ]
        with site.writing():
            with_base(site)
        tracker = tracker or tracker_of(site)
        settings = {camera.name: settings_of(camera, finder, tracker, person_class, thinning) for camera in free}
        registered = site.intake.register(free, settings, who=who, replace=replace)
        for camera in free:
            remarks += add_missing_areas(site.database, camera.name, camera.areas, who)
        site.intake.tell(readable(str(videos.absolute())), [*found.left_out, *remarks])
        left = [camera_jobs(site, jobs) for jobs in _jobs(free, registered, reports)]
        frame_counter = FrameCounter(progress)
        executor.take_in(site, left, finder, Following(settings, thinning, CHUNK), frame_counter, leases)
        for name in frame_counter.frames:
            reports[name].frames_per_second = round(frame_counter.rate(name), 1)
        with site.writing():
            bring_up_to_date(site, progress)
        if encoder is not None:
            try:
                brought = bring(site, encoder, who=who, judge=False, progress=progress)
            except StorageError:
                raise
            except SiteError as error:  # the footage is taken in, and base serves
                encoder_problem = str(error)
        for summary in site.cameras():
            if (report := reports.get(summary.camera)) is not None:
                report.frames, report.detections, report.tracks = summary.frames, summary.detections, summary.tracks
                report.tracklets, report.sightings = summary.tracklets, summary.sightings
                report.crops = summary.crops
                report.errors = [*summary.errors, *report.errors]
                report.starts, report.remarks, report.boxes = summary.starts, summary.remarks, summary.boxes
    seconds = round(time.monotonic() - began, 3)
    return IngestReport(
        str(site_path), seconds, list(reports.values()), found.left_out, remarks, brought, encoder_problem
    )


def _assumed(detector: Detector) -> list[Remark]:
    """What had to be taken for granted of a detector whose file does not tell it."""
    assumed: tuple[str, ...] = getattr(detector, "assumed", ())  # others tell all, or have a layout of their own
    why = "Check these where nobody is found, or the wrong things are."
    return [Remark(f"things assumed of the detector ({'; '.join(assumed)})", len(assumed), why)] if assumed else []


def _leased(
    site: Site, cameras: list[Camera], leases: ExitStack, reports: dict[str, CameraReport], patience: float
) -> list[Camera]:
    """The cameras whose footage nobody else takes in just now. Others are an error in their report.

    patience: seconds until all of them are free. Raises Busy where none is.
    """
    free, busy = [], None
    limit = time.monotonic() + patience
    for camera in cameras:
        try:
            leases.enter_context(site.lease(of_camera(camera.name, wait=max(0.0, limit - time.monotonic()))))
            free.append(camera)
        except Busy as error:
            busy = error
            reports[camera.name].errors.append(str(error))
    if busy is not None and not free:
        raise busy
    return free


def _jobs(
    cameras: list[Camera], registered: list[list[tuple[FootageRecord, str | None]]], reports: dict[str, CameraReport]
) -> list[list[Job]]:
    """What is left to do, a list a camera. What stands in the way is written into the reports."""
    jobs: list[list[Job]] = []
    for camera, registered_footage in zip(cameras, registered, strict=True):
        camera_jobs: list[Job] = []
        for footage, (record, objection) in zip(camera.footage, registered_footage, strict=True):
            if objection is not None:
                reports[camera.name].errors.append(objection)
            elif record.camera != camera.name:
                log.info(
                    "%s is the same film as %s of camera %s: not ingested again",
                    footage.path,
                    record.name,
                    record.camera,
                )
            elif record.status != "done" and record.id not in [job.record.id for job in camera_jobs]:
                camera_jobs.append(Job(camera, footage, record))  # once, where one film has two names
        # Interrupted footage goes first, as the numbers that follow in the record are still free.
        jobs.append(sorted(camera_jobs, key=lambda job: job.record.status != "running"))
    return [camera_jobs for camera_jobs in jobs if camera_jobs]
