"""Upload of footage, piece by piece, for programs. A broken one goes on where it stopped.

First it is announced, then its bytes come with the offset of each piece, last it is finished: that makes a job.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.record.uploads import Uploads
from app.record.users import Role
from app.web.errors import Refused
from app.web.routes import Routes
from app.web.visit import visit
from app.web.visiting import uploads
from app.web.visiting.uploads import MOST_CHUNK, Shown

routes = Routes(prefix="/api/v1")

_BYTES = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
UploadId = Annotated[str, Path(min_length=1, max_length=40)]


class Announced(BaseModel):
    """A film that is to come. Times are UTC seconds."""

    camera: str = Field(max_length=200)
    name: str = Field(max_length=1000)
    """A label. A time in it counts where there is no `start`."""
    size: int = Field(ge=1, lt=2**63)
    start: float | None = None
    """When it began."""
    modified: float | None = None
    """When its file was last written: its end, where nothing else tells the time."""
    sha256: str | None = Field(None, max_length=64)


class UploadState(BaseModel):
    """A film that comes, or has come."""

    id: str
    camera: str
    name: str
    size: int
    offset: int
    """How many bytes have come: where to go on."""
    state: str
    job: int | None
    problem: str


class Offset(BaseModel):
    """How many bytes have come."""

    offset: int


def state_of(shown: Shown) -> UploadState:
    """As programs are told."""
    upload, job = shown.upload, shown.job
    return UploadState(
        id=upload.id,
        camera=upload.wish.camera,
        name=upload.wish.label,
        size=upload.wish.size,
        offset=upload.received,
        state=shown.state,
        job=None if job is None else job.id,
        problem="" if job is None else job.problem,
    )


def list_uploads(request: Request) -> list[UploadState]:
    """Films that come or have come, the newest first."""
    return [state_of(shown) for shown in uploads.all_shown(visit(request))]


def announce(request: Request, film: Announced) -> UploadState:
    """Makes room for a film."""
    here = visit(request)
    wish = uploads.film_wish(
        here,
        camera=film.camera,
        label=film.name,
        size=film.size,
        start=film.start,
        modified=film.modified,
        sha256=film.sha256,
    )
    return state_of(uploads.shown(here, uploads.begin(here, wish)))


def get_upload(request: Request, upload: UploadId) -> UploadState:
    """One of them: `offset` is where to go on."""
    here = visit(request)
    return state_of(uploads.shown(here, uploads.upload_of(here, upload)))


async def send(request: Request, upload: UploadId, upload_offset: Annotated[int, Header(ge=0, lt=2**63)]) -> Offset:
    """Takes the next bytes, the body of the request, at most 32 MiB. Answers 409 where they are not the next ones."""
    here = visit(request)
    film = await run_in_threadpool(uploads.upload_of, here, upload)
    data = bytearray()
    try:
        async for piece in request.stream():
            data += piece
            if len(data) > MOST_CHUNK:
                raise Refused(413, "This piece is too large", f"Send {MOST_CHUNK:,} bytes at most.")
    except ClientDisconnect as error:
        raise Refused(400, "The connection broke", "Ask for the offset, and go on there.") from error
    here_now = await run_in_threadpool(Uploads(here.site.path).append, film, upload_offset, bytes(data))
    if here_now != upload_offset + len(data):
        raise Refused(409, "These are not the next bytes", f"{here_now} have come of {film.wish.size}: go on there.")
    return Offset(offset=here_now)


def finish(request: Request, upload: UploadId) -> UploadState:
    """Takes a film that has come whole: checks its size, its SHA-256 and that it is a film. Then it is ingested."""
    here = visit(request)
    uploads.finish(here, uploads.upload_of(here, upload))
    return state_of(uploads.shown(here, uploads.upload_of(here, upload)))


def remove(request: Request, upload: UploadId) -> Response:
    """Removes a film. One that has come whole only an administrator removes."""
    here = visit(request)
    uploads.remove(here, uploads.upload_of(here, upload))
    return Response(status_code=204)


routes.add("/footage/uploads", list_uploads, Role.OPERATOR)
routes.add("/footage/uploads", announce, Role.OPERATOR, method="POST", status_code=201)
routes.add("/footage/uploads/{upload}", get_upload, Role.OPERATOR)
routes.add("/footage/uploads/{upload}", send, Role.OPERATOR, method="PATCH", openapi_extra=_BYTES)
routes.add("/footage/uploads/{upload}", remove, Role.OPERATOR, method="DELETE", status_code=204)
routes.add("/footage/uploads/{upload}/finish", finish, Role.OPERATOR, method="POST", status_code=202)
