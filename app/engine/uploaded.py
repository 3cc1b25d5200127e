"""An uploaded file that has come whole is looked at, and a job is asked for that takes it into the site."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.camera_starts import facts_of
from app.record import Site
from app.record.jobs import Job, ask, job_of_upload
from app.record.rows import AuditEntry
from app.record.uploads import Upload, Uploads, Wish


def take_film(site: Site, upload: Upload, *, who: str) -> Job:
    """Takes an uploaded film: it is opened for a look, noted, and waits to be ingested. Returns its job.

    A second call returns the same job. Raises SiteError or FootageError where it is not what was announced, or is no
    film. Then it is removed.
    """
    return _take(site, upload, "ingest", {"camera": upload.wish.camera}, who)


def take_encoder(site: Site, upload: Upload, options: Mapping[str, Any], *, who: str) -> Job:
    """Takes an uploaded encoder: it is noted, and waits to be added as a version. Returns its job. Raises SiteError."""
    return _take(site, upload, "models add", options, who)


def _take(site: Site, upload: Upload, kind: str, options: Mapping[str, Any], who: str) -> Job:
    Uploads(site.path).finish(upload, _opened if kind == "ingest" else _unopened)
    asked = job_of_upload(site.database, upload.id)
    if asked is not None:
        return asked
    details = {"upload": upload.id, "file": upload.wish.label, "bytes": upload.wish.size, "camera": upload.wish.camera}
    site.note(AuditEntry(time.time(), who, "upload", details))
    return ask(site.database, kind, {"upload": upload.id, "label": upload.wish.label, **options}, who=who)


def _opened(path: Path, wish: Wish) -> None:
    """Raises FootageError where a file can't be opened as film."""
    try:
        with Worker() as worker:
            facts_of(path, worker)
    except FootageError as error:  # whoever sent it knows no path of this machine
        raise FootageError(str(error).replace(str(path), wish.label)) from error


def _unopened(path: Path, wish: Wish) -> None:
    """An encoder is opened by its job, in a process of its own."""
