"""What the page and the API of uploads do alike: files of cameras that the visitor may see, and no others."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from datetime import UTC
from pathlib import PurePath

from app.engine.uploaded import take_film
from app.errors import FootageError, SiteError
from app.footage.discover import VIDEO_SUFFIXES, objection_to
from app.footage.start_time import times_in_names, utc
from app.record.jobs import Job, Status, job_of_upload
from app.record.retention import remove_upload
from app.record.rows import FootageRecord
from app.record.uploads import Upload, Uploads, Wish
from app.record.users import Role
from app.web.errors import Refused
from app.web.visit import Visit

MOST_CHUNK = 32 * 2**20  # bytes of one request
LONGEST_LABEL = 200
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
EARLIEST, LATEST = 0.0, 7_258_118_400.0  # UTC seconds between which footage was filmed: the year 2200
ENCODERS = (".onnx", ".safetensors", ".pth")


@dataclass(frozen=True, slots=True)
class Shown:
    """An upload, and what became of it."""

    upload: Upload
    job: Job | None
    film: FootageRecord | None

    @property
    def state(self) -> str:
        """In a word or two."""
        if not self.upload.is_whole:
            return "coming"
        if self.job is not None and self.job.is_open:
            return "waiting" if self.job.status == Status.waiting else "being taken in"
        if self.film is not None and self.film.status == "done":
            return "taken in"
        return "not taken in"


def film_wish(
    here: Visit,
    *,
    camera: str,
    label: str,
    size: int,
    start: float | None = None,
    modified: float | None = None,
    sha256: str | None = None,
) -> Wish:
    """What somebody wants to send, checked. Raises Refused.

    Where they say no start, the label's time counts, as the name of a file does.
    """
    if not here.may_see(camera):
        raise _no_camera()
    if reason := objection_to(camera):
        raise Refused(422, "This can't be a camera's name", f"It {reason}: give another.")
    names = here.site.camera_names()
    if camera not in names and (alike := [name for name in names if name.casefold() == camera.casefold()]):
        if not here.may_see(alike[0]):
            raise _no_camera()
        raise Refused(422, "This is nearly the name of another camera", f"Write {alike[0]!r}, or give another name.")
    for name, moment in (("start", start), ("modified", modified)):
        if moment is not None and not (math.isfinite(moment) and EARLIEST < moment < LATEST):
            raise Refused(422, f"{name} is no time", "Give UTC seconds between 1970 and 2200.")
    if sha256 is not None and not SHA256.fullmatch(sha256):
        raise Refused(422, "sha256 is no SHA-256", "Give 64 hexadecimal digits, or leave it away.")
    label = short_label(label)
    if start is None:
        (told,) = times_in_names([PurePath(label.replace("/", "_"))])
        start = None if told is None else utc(told.local, UTC)
    suffix = PurePath(label.replace("/", "_")).suffix.lower()
    return Wish(
        camera=camera,
        label=label,
        size=size,
        suffix=suffix if suffix in VIDEO_SUFFIXES else ".mp4",
        start=start,
        modified=modified,
        sha256=sha256,
    )


def _no_camera() -> Refused:
    return Refused(404, "There is no such camera", "The page Cameras lists those that there are.")


def short_label(text: str) -> str:
    """What somebody calls a file, short enough to be shown."""
    return text.encode("utf-8", "replace").decode()[-LONGEST_LABEL:] or "a file"


def begin(here: Visit, wish: Wish) -> Upload:
    """Makes room for a file."""
    return Uploads(here.site.path).begin(wish, who=here.who)


def finish(here: Visit, upload: Upload) -> Job:
    """Takes a film that has come whole, and has it ingested. Raises Refused where it is no film."""
    try:
        job = take_film(here.site, upload, who=here.who)
    except FootageError as error:
        raise Refused(422, "This is no film that can be read", str(error)) from error
    here.opened.runner.look()
    return job


def upload_of(here: Visit, number: str) -> Upload:
    """An upload of footage. Raises Refused where there is none, or the visitor may not see its camera."""
    upload = Uploads(here.site.path).get(number)
    if upload is None or not upload.wish.camera or not here.may_see(upload.wish.camera):
        raise Refused(404, "There is no such upload", "It was removed, or never was.")
    return upload


def shown(here: Visit, upload: Upload) -> Shown:
    """An upload, and what became of it."""
    path = Uploads(here.site.path).path(upload)
    film = next((film for film in here.site.footage(upload.wish.camera) if film.path == path), None)
    return Shown(upload, job_of_upload(here.site.database, upload.id), film)


def all_shown(here: Visit) -> list[Shown]:
    """Uploads of footage that the visitor may see, the newest first."""
    uploads = Uploads(here.site.path).all()
    films = [upload for upload in uploads if upload.wish.camera and here.may_see(upload.wish.camera)]
    return [shown(here, upload) for upload in reversed(films)]


def remove(here: Visit, upload: Upload) -> None:
    """Removes an upload. What has come whole shows people whom the site may know, so that is for administrators.

    Raises Refused for others, and while it is being taken in.
    """
    if upload.is_whole and here.session.role < Role.ADMIN:
        raise Refused(403, "This needs the role admin", "Ask an administrator of the site.")
    job = job_of_upload(here.site.database, upload.id)
    if job is not None and job.is_open:
        raise Refused(409, "This film is being taken in", "Cancel its job first, or wait until it is done.")
    remove_upload(here.site, upload, who=here.who, now=time.time())


def encoder_wish(label: str, size: int) -> Wish:
    """An encoder's file that somebody sends. Raises SiteError where it is none by its name."""
    suffix = PurePath(label.replace("/", "_")).suffix.lower()
    if suffix not in ENCODERS:
        raise SiteError(f"{short_label(label)} is no encoder: send an ONNX file, safetensors of ours, or a .pth.")
    return Wish(camera="", label=short_label(label), size=size, suffix=suffix)
