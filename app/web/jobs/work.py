"""What each kind of job calls: the very function that the command calls, with who asked.

Only the worker imports this. What a kind needs is imported when it is done, as it may bring torch.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from app.asking import Progress
from app.errors import SiteError
from app.record import Site
from app.record.jobs import Job
from app.record.uploads import Upload, Uploads
from app.web.jobs import kinds

Outcome = tuple[dict[str, Any], str]  # the report as plain values, and what was wrong beside it, a sentence or nothing


def do(site: Site, job: Job, progress: Progress) -> Outcome:
    """Does a job. Raises the errors of `app.errors` where it can't, or can't go on."""
    kind = kinds.kind_of(job.kind)
    if kind is None:
        raise SiteError(f"This version of Sightline knows no job {job.kind!r}: use the one that asked for it.")
    return _WORKS[job.kind](site, kind.options.model_validate(job.options), job.who, progress)


def _ingest(site: Site, asked: kinds.IngestOptions, who: str, progress: Progress) -> Outcome:
    from app.engine.ingest import ingest

    uploads = Uploads(site.path)
    upload = _uploaded(uploads, asked.upload)
    report = ingest(uploads.for_ingest(upload, site.database), site.path, who=who, progress=progress)
    errors = [error for camera in report.cameras for error in camera.errors]
    if not any(film.path == uploads.path(upload) for film in site.footage()):
        uploads.remove(upload)
        errors.append(f"{asked.label} is a film that the site has already: it was not kept twice.")
    return dataclasses.asdict(report), " ".join(errors)


def _merge(site: Site, asked: kinds.MergeOptions, who: str, progress: Progress) -> Outcome:
    from app.search.merging import merge

    return dataclasses.asdict(merge(site, who=who, method=asked.method, progress=progress)), ""


def _adapt(site: Site, asked: kinds.AdaptOptions, who: str, progress: Progress) -> Outcome:
    from app.learning.adapt import adapt

    report = adapt(site, who=who, method=asked.method, minutes=asked.minutes, progress=progress)
    return dataclasses.asdict(report), ""


def _use(site: Site, asked: kinds.UseOptions, who: str, progress: Progress) -> Outcome:
    from app.encoders.versions import use

    return dataclasses.asdict(use(site, asked.model, who=who, progress=progress)), ""


def _add(site: Site, asked: kinds.AddOptions, who: str, progress: Progress) -> Outcome:
    from app.encoders.brought import bring
    from deploy.preprocessing import Told

    uploads = Uploads(site.path)
    upload = _uploaded(uploads, asked.upload)
    told = Told(asked.input, asked.scale)
    file = uploads.path(upload)
    report = bring(site, file, who=who, name=asked.name, told=told, force=asked.force, progress=progress)
    uploads.remove(upload)
    return dataclasses.asdict(report), ""


def _retention(site: Site, _: kinds.RetentionOptions, who: str, progress: Progress) -> Outcome:
    from app.record.retention import retain

    done = retain(site, who=who, now=time.time(), progress=progress)
    return dataclasses.asdict(done), " ".join(done.found)


_WORKS: dict[str, Callable[[Site, Any, str, Progress], Outcome]] = {
    "ingest": _ingest,
    "merge": _merge,
    "adapt": _adapt,
    "models use": _use,
    "models add": _add,
    "retention": _retention,
}


def _uploaded(uploads: Uploads, number: str) -> Upload:
    upload = uploads.get(number)
    if upload is None or not upload.is_whole:
        raise SiteError("The file that was uploaded for this is not in the site any more: upload it again.")
    return upload
