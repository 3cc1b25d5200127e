"""Retention: what a camera saw leaves the site when it is older than the site's settings say.

Its tracklets are erased as `forget` does. So are films that were uploaded, once they are wholly older or none of the
people they showed is in the site any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.asking import Progress, unheard
from app.record import Site
from app.record.camera_clocks import drop_clocks_before
from app.record.forget import forget
from app.record.job_logs import JobLogs
from app.record.jobs import drop_jobs_before, open_jobs
from app.record.rows import AuditEntry, FootageRecord
from app.record.settings import read_settings
from app.record.uploads import STALE, Upload, Uploads

DAY = 86_400.0  # s
JOBS_KEPT = 30 * DAY  # s after their end


@dataclass(slots=True)
class Retained:
    """What retention erased."""

    tracklets: dict[str, int] = field(default_factory=dict)  # or sightings, by camera
    files: int = 0  # that were uploaded
    file_bytes: int = 0
    jobs: int = 0  # that ended long ago, with their logs
    found: list[str] = field(default_factory=list)  # what a look afterwards found of those erased, a sentence each
    left: list[str] = field(default_factory=list)  # what may still hold bytes and can't be reached, a sentence each


def retain(site: Site, *, who: str, now: float, progress: Progress = unheard) -> Retained:
    """Erases what the site's settings let go at a time, UTC seconds, and notes what was erased for `who`.

    A film stays until it was taken in to its end. Interrupted, the same call erases the rest.
    """
    done = Retained()
    limits = {camera: now - DAY * days for camera, days in read_settings(site.database).retention.items()}
    for number, (camera, before) in enumerate(sorted(limits.items())):
        progress("cameras", number, len(limits))
        if len(site.segments_before(before, camera)) or site.interrupted_before(before, camera):
            erased = forget(site, who=who, before=before, of_camera=camera, progress=progress)
            done.tracklets[camera] = erased.tracklets
            done.found += erased.found
            done.left += [sentence for sentence in erased.left if sentence not in done.left]
        drop_clocks_before(site.database, before, camera)  # also where it saw nobody
    progress("cameras", len(limits), len(limits))
    uploads = Uploads(site.path)
    for film in site.footage():
        upload = uploads.owner(film.path)
        if upload is not None and _may_leave(site, film, limits):
            _erase(site, upload, who, now, done)
    tidy(site, who=who, now=now, done=done)
    return done


def tidy(site: Site, *, who: str, now: float, done: Retained | None = None) -> Retained:
    """Removes uploads that nothing was made of in their time, and jobs that ended long ago, whatever the settings say.

    done: to be added to.
    """
    done = Retained() if done is None else done
    uploads = Uploads(site.path)
    used = {job.options.get("upload") for job in open_jobs(site.database)}
    used |= {upload.id for film in site.footage() if (upload := uploads.owner(film.path)) is not None}
    for upload in uploads.all():
        if upload.id not in used and upload.made < now - STALE:
            _erase(site, upload, who, now, done)
    logs = JobLogs(site.path)
    for job in drop_jobs_before(site.database, now - JOBS_KEPT):
        logs.remove(job)
        done.jobs += 1
    return done


def remove_upload(site: Site, upload: Upload, *, who: str, now: float) -> None:
    """Removes what was uploaded, its bytes too, and notes who did."""
    Uploads(site.path).remove(upload)
    details = {"upload": upload.id, "camera": upload.wish.camera, "bytes": upload.received}
    site.note(AuditEntry(now, who, "upload removed", details))


def _erase(site: Site, upload: Upload, who: str, now: float, done: Retained) -> None:
    remove_upload(site, upload, who=who, now=now)
    done.files += 1
    done.file_bytes += upload.received


def _may_leave(site: Site, film: FootageRecord, limits: Mapping[str, float]) -> bool:
    """Whether a film can't be taken in, is wholly older than its camera keeps, or shows nobody of the site any more."""
    if film.status != "done":
        return film.status == "failed"
    too_old = film.camera in limits and film.start + film.seconds < limits[film.camera]
    return too_old or (film.detections > 0 and not site.has_segments(film.id))
