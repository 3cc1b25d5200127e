"""Footage becomes a site of pure tracklets: the main job."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.asking import Progress, unheard
from app.encoders.embed import Embedder
from app.encoders.versions import bring_up_to_date, open_model, store_of, with_base
from app.engine.following import Thinning, looking, settings_of, tracker_of
from app.engine.pipeline import Decoded, detections
from app.engine.tracking import FootageTracker, resume_of
from app.errors import Busy, FootageError, SiteError, StorageError
from app.footage import Camera, Footage, site_config, survey
from app.footage.apart import Worker
from app.footage.camera_starts import OVERLAP
from app.footage.decode import DecodedFrame, decode_apart
from app.footage.site_toml import zone_of
from app.record import Site
from app.record.areas import add_missing_areas, drawn_masks
from app.record.leases import of_camera
from app.record.rows import BoxCounts, Chunk, FootageRecord, segment_id
from app.remarks import CERTAINTY, Remark, Starts, summed
from deploy.detectors import Detector
from deploy.detectors.load import load_detector
from deploy.detectors.mot import MotDetector
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


@dataclass(frozen=True, slots=True)
class _Job:
    """One footage that is not done yet."""

    camera: Camera
    footage: Footage
    record: FootageRecord


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
    who: str,
    progress: Progress = unheard,
) -> IngestReport:
    """Turns the footage at `videos` into tracklets of the site at `site_path`.

    It goes on where an earlier run stopped. Others may take in other cameras meanwhile, search, merge, learn and erase.

    start: UTC seconds for footage that does not tell its own. pattern: which part of a path names the camera, see
    `CameraPattern`. person_class: which of the detector's classes is a person, by number or name, where its file does
    not tell. tracker: one of `trackers.TRACKERS`, None for what the site's footage has, else the first. replace: take
    footage in again that changed or was ingested otherwise. encoder: a file that a new site is to serve with, in the
    place of base. Raises FootageError, SiteError or DetectorError where it can't start or can't go on. What is wrong
    with single footage is in the report.
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
        if encoder is not None:
            from app.encoders.brought import begin_with, bring  # they bring the ONNX library

            begin_with(site, encoder, who=who)
        leased = _leased(site, cameras, leases, reports)
        free = [
            dataclasses.replace(camera, mask=(*camera.mask, *drawn_masks(site.database, camera.name)))
            for camera in leased
        ]
        with _embedder(site) as embedder:
            tracker = tracker or tracker_of(site)
            settings = {camera.name: settings_of(camera, finder, tracker, person_class, thinning) for camera in free}
            registered = site.intake.register(free, settings, who=who, replace=replace)
            for camera in free:
                remarks += add_missing_areas(site.database, camera.name, camera.areas, who)
            site.intake.tell(readable(str(videos.absolute())), [*found.left_out, *remarks])
            jobs = _jobs(free, registered, reports)
            frame_counter = _FrameCounter(progress)
            _follow(site, jobs, finder, settings, thinning, frame_counter, embedder)
            for name in frame_counter.frames:
                reports[name].frames_per_second = round(frame_counter.rate(name), 1)
            with site.writing():
                embedder.close()
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


def _leased(site: Site, cameras: list[Camera], leases: ExitStack, reports: dict[str, CameraReport]) -> list[Camera]:
    """The cameras whose footage nobody else takes in just now. Others are an error in their report.

    Raises Busy where there is none.
    """
    free, busy = [], None
    for camera in cameras:
        try:
            leases.enter_context(site.lease(of_camera(camera.name)))
            free.append(camera)
        except Busy as error:
            busy = error
            reports[camera.name].errors.append(str(error))
    if busy is not None and not free:
        raise busy
    return free


class _FrameCounter:
    """Counts frames by camera, and how fast they come. Any thread may say how many to expect."""

    def __init__(self, progress: Progress) -> None:
        self.frames: dict[str, int] = {}
        self._progress = progress
        self._began: dict[str, float] = {}
        self._latest: dict[str, float] = {}
        self._expected: dict[str, int | None] = {}

    def expect(self, camera: str, frames: int | None) -> None:
        """So many more frames of a camera will come. `frames` is None when nobody knows."""
        self._began.setdefault(camera, time.monotonic())
        before = self._expected.get(camera, 0)
        self._expected[camera] = None if frames is None or before is None else before + frames

    def advance(self, camera: str) -> None:
        """One more frame is done."""
        self.frames[camera] = self.frames.get(camera, 0) + 1
        self._latest[camera] = time.monotonic()
        self._progress(f"frames of {camera}", self.frames[camera], self._expected[camera])

    def rate(self, camera: str) -> float:
        """Frames a second, from the camera's start to its latest frame."""
        return self.frames[camera] / max(self._latest[camera] - self._began[camera], 1e-6)


@contextmanager
def _embedder(site: Site) -> Iterator[Embedder]:
    """Embeds with the site's model. A new site gets the shipped one."""
    with site.writing():
        model = with_base(site)
    embedder = Embedder(site, store_of(site, model.name), lambda: open_model(site, model))
    try:
        yield embedder
    except BaseException:  # whatever it is, Ctrl-C too: the thread ends before this one does
        embedder.abandon()
        raise


def _jobs(
    cameras: list[Camera], registered: list[list[tuple[FootageRecord, str | None]]], reports: dict[str, CameraReport]
) -> list[list[_Job]]:
    """What is left to do, a list a camera. What stands in the way is written into the reports."""
    jobs: list[list[_Job]] = []
    for camera, registered_footage in zip(cameras, registered, strict=True):
        camera_jobs: list[_Job] = []
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
                camera_jobs.append(_Job(camera, footage, record))  # once, where one film has two names
        # Interrupted footage goes first, as the numbers that follow in the record are still free.
        jobs.append(sorted(camera_jobs, key=lambda job: job.record.status != "running"))
    return [camera_jobs for camera_jobs in jobs if camera_jobs]


def _follow(
    site: Site,
    jobs: list[list[_Job]],
    detector: Detector,
    settings: dict[str, dict[str, Any]],
    thinning: Thinning,
    frame_counter: _FrameCounter,
    embedder: Embedder,
) -> None:
    """Takes all jobs through decoding, detection and tracking, committing a chunk every CHUNK frames of a camera."""

    def commit(job: _Job, chunk: Chunk, *, done: bool) -> None:
        site.intake.commit(job.record, chunk, done=done)
        for number, crops in chunk.crops.items():
            tracklet = segment_id(job.record.camera_id, number)
            embedder.take(job.record.id, tracklet, [crop.jpeg for crop in crops])
        if done:
            embedder.finish(job.record.id)

    noted: set[str] = set()  # cameras of whose detections was told what was made of them

    def notes(job: _Job, tracker: FootageTracker) -> list[Remark]:
        if not isinstance(detector, MotDetector) or job.camera.name in noted:
            return []
        noted.add(job.camera.name)
        whole = thinning == Thinning() and len(job.camera.footage) == 1
        told = detector.notes(job.camera.name, tracker.source_frames if whole else None)
        return [Remark(note.what, note.count, note.why) for note in told]

    embed = looking(site)
    by_footage = {job.record.id: job for camera in jobs for job in camera}
    trackers: dict[int, FootageTracker] = {}
    sources = [
        lambda camera_jobs=camera_jobs: _decode(site, camera_jobs, thinning, frame_counter) for camera_jobs in jobs
    ]
    with closing(detections(sources, detector)) as stream:
        for item, people in stream:
            job = by_footage[item.footage]
            if item.failed:
                site.intake.fail(job.record, item.problems[-1])
                trackers.pop(item.footage, None)
                continue
            tracker = trackers.get(item.footage)
            if tracker is None:  # only now is all that its numbers follow in the record
                record = site.intake.begin(job.record, settings[job.camera.name])
                tracker = trackers[item.footage] = FootageTracker(
                    job.camera,
                    record,
                    settings[job.camera.name]["tracker"],
                    site.intake.checkpoint(item.footage),
                    embed=embed,
                    before=site.intake.before(record),
                )
            if item.frame is not None:
                tracker.take(item.frame, people)
                frame_counter.advance(job.camera.name)
                if item.resume is not None:
                    commit(job, tracker.chunk(item.resume, item.problems, item.remarks), done=False)
            else:
                tracker.finish()
                commit(job, tracker.chunk(None, item.problems, [*item.remarks, *notes(job, tracker)]), done=True)
                del trackers[item.footage]


def _decode(site: Site, jobs: list[_Job], thinning: Thinning, frame_counter: _FrameCounter) -> Iterator[Decoded]:
    """The frames of one camera, footage by footage, each ending with an item without a frame.

    A moment that earlier footage shows is left out of what follows: a person in both would be two who are never joined.
    """
    shown = _shown(site, jobs)
    with Worker() as worker:
        for job in jobs:
            record = job.record
            running = record.status == "running"
            problems = tuple(record.problems) if running else ()
            remarks = site.remarks(record.id) if running else []
            begin, end = max(record.start, thinning.begin or record.start), record.start + record.seconds
            try:
                for item in decode_apart(
                    worker,
                    job.footage,
                    record.frames + 1,
                    CHUNK,
                    resume=resume_of(site.intake.checkpoint(record.id)),
                    zone=zone_of(job.camera.time_zone),
                    shown=[span for span in shown if span[1] - max(span[0], record.start) > OVERLAP],
                    **dataclasses.asdict(thinning),
                ):
                    if not isinstance(item, DecodedFrame):
                        frame_counter.expect(job.camera.name, item)
                        continue
                    if item.frame is not None:
                        end = item.frame.time
                    if item.frame is None or item.resume is not None:
                        told = tuple(summed([*remarks, *item.remarks]))
                        yield Decoded(record.id, item.frame, item.resume, (*problems, *item.problems), told)
                    else:
                        yield Decoded(record.id, item.frame)
            except FootageError as error:
                yield Decoded(record.id, None, problems=(str(error),), failed=True)
            if CERTAINTY[record.start_source] == "sure":
                shown.append((begin, end))


def _shown(site: Site, jobs: list[_Job]) -> list[tuple[float, float]]:
    """From when to when a camera's footage that is done shows it, in UTC seconds, as far as that is sure."""
    to_do = {job.record.id for job in jobs}
    spans = []
    for record in site.footage(jobs[0].camera.name):
        if record.id not in to_do and record.settings is not None and CERTAINTY[record.start_source] == "sure":
            begin = max(record.start, record.settings.get("begin") or record.start)
            spans.append((begin, record.start + record.seconds))
    return spans
