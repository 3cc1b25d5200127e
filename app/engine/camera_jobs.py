"""What is left to take in of each camera, and how it becomes tracklets: decoded, detected, followed and committed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from app.encoders.embed import Embedder
from app.engine.following import Thinning, looking
from app.engine.frame_counter import FrameCounter
from app.engine.pipeline import Decoded, detections
from app.engine.tracking import FootageTracker, resume_of
from app.errors import FootageError
from app.footage import Camera, Footage
from app.footage.apart import Worker
from app.footage.camera_starts import OVERLAP
from app.footage.decode import DecodedFrame, Span, decode_apart
from app.footage.site_toml import zone_of
from app.record import Site
from app.record.rows import Chunk, FootageRecord, segment_id
from app.remarks import CERTAINTY, Remark, summed
from deploy.detectors import Detector
from deploy.detectors.mot import MotDetector


@dataclass(frozen=True, slots=True)
class Job:
    """One footage that is not done yet."""

    camera: Camera
    footage: Footage
    record: FootageRecord


@dataclass(slots=True)
class CameraJobs:
    """What is left of one camera, in order, and what its earlier footage tells the next."""

    jobs: list[Job]
    shown: list[Span]  # from when to when earlier footage shows the camera, in UTC seconds, as far as that is sure
    noted: bool = False  # whether was told what its detections were taken for

    @property
    def camera(self) -> Camera:
        """The camera that the jobs are of."""
        return self.jobs[0].camera


@dataclass(frozen=True, slots=True)
class Following:
    """What all cameras are followed with."""

    settings: dict[str, dict[str, Any]]  # of each camera: what its tracklets depend on, as plain JSON values
    thinning: Thinning
    chunk: int  # frames between commits


def camera_jobs(site: Site, jobs: list[Job]) -> CameraJobs:
    """The jobs of one camera, at least one, after all of its footage that is done."""
    to_do = {job.record.id for job in jobs}
    done = [
        record for record in site.footage(jobs[0].camera.name) if record.id not in to_do and record.settings is not None
    ]
    return CameraJobs(
        jobs, [span for record in done for span in sure_span(record, (record.settings or {}).get("begin"))]
    )


def sure_span(record: FootageRecord, begin: float | None) -> list[Span]:
    """From when to when a footage shows its camera, in UTC seconds. Nothing where its times are not sure.

    begin: what was before is left out.
    """
    if CERTAINTY[record.start_source] != "sure":
        return []
    return [(max(record.start, begin or record.start), record.start + record.seconds)]


def follow(
    site: Site,
    cameras: Sequence[CameraJobs],
    detector: Detector,
    following: Following,
    frame_counter: FrameCounter,
    embedder: Embedder,
) -> None:
    """Takes all jobs through decoding, detection and tracking. The caller holds the leases of the cameras."""
    by_footage = {job.record.id: (of_camera, job) for of_camera in cameras for job in of_camera.jobs}
    embed, trackers = looking(site), dict[int, FootageTracker]()

    def commit(job: Job, chunk: Chunk, *, done: bool) -> None:
        site.intake.commit(job.record, chunk, done=done)
        for number, crops in chunk.crops.items():
            tracklet = segment_id(job.record.camera_id, number)
            embedder.take(job.record.id, tracklet, [crop.jpeg for crop in crops])
        if done:
            embedder.finish(job.record.id)

    sources = [lambda of_camera=of_camera: decode(site, of_camera, following, frame_counter) for of_camera in cameras]
    with closing(detections(sources, detector)) as stream:
        for item, people in stream:
            of_camera, job = by_footage[item.footage]
            if item.failed:
                site.intake.fail(job.record, item.problems[-1])
                trackers.pop(item.footage, None)
                continue
            tracker = trackers.get(item.footage)
            if tracker is None:  # only now is all that its numbers follow in the record
                settings = following.settings[job.camera.name]
                record = site.intake.begin(job.record, settings)
                tracker = trackers[item.footage] = FootageTracker(
                    job.camera,
                    record,
                    settings["tracker"],
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
                told = [*item.remarks, *_notes(detector, of_camera, tracker, following.thinning)]
                commit(job, tracker.chunk(None, item.problems, told), done=True)
                del trackers[item.footage]


def _notes(detector: Detector, of_camera: CameraJobs, tracker: FootageTracker, thinning: Thinning) -> list[Remark]:
    """What was made of a camera's detections, which is told once a run."""
    if not isinstance(detector, MotDetector) or of_camera.noted:
        return []
    of_camera.noted = True
    camera = of_camera.camera
    whole = thinning == Thinning() and len(camera.footage) == 1
    told = detector.notes(camera.name, tracker.source_frames if whole else None)
    return [Remark(note.what, note.count, note.why) for note in told]


def decode(site: Site, of_camera: CameraJobs, following: Following, frame_counter: FrameCounter) -> Iterator[Decoded]:
    """The frames of one camera, footage by footage, each ending with an item without a frame.

    A moment that earlier footage shows is left out of what follows: a person in both would be two who are never joined.
    """
    thinning = following.thinning
    with Worker() as worker:
        for job in of_camera.jobs:
            record = job.record
            running = record.status == "running"
            problems = tuple(record.problems) if running else ()
            remarks = site.remarks(record.id) if running else []
            seconds = record.seconds
            try:
                for item in decode_apart(
                    worker,
                    job.footage,
                    record.frames + 1,
                    following.chunk,
                    resume=resume_of(site.intake.checkpoint(record.id)),
                    zone=zone_of(job.camera.time_zone),
                    shown=[span for span in of_camera.shown if span[1] - max(span[0], record.start) > OVERLAP],
                    **dataclasses.asdict(thinning),
                ):
                    if not isinstance(item, DecodedFrame):
                        frame_counter.expect(job.camera.name, item)
                        continue
                    if item.frame is not None:
                        seconds = max(seconds, item.frame.time - record.start)
                    if item.frame is None or item.resume is not None:
                        told = tuple(summed([*remarks, *item.remarks]))
                        yield Decoded(record.id, item.frame, item.resume, (*problems, *item.problems), told)
                    else:
                        yield Decoded(record.id, item.frame)
            except FootageError as error:
                yield Decoded(record.id, None, problems=(str(error),), failed=True)
            of_camera.shown += sure_span(dataclasses.replace(record, seconds=seconds), thinning.begin)
