"""Footage that is brought by a page: films of cameras, piece by piece where a script runs, else in one request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Path, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from app.record.uploads import Uploads
from app.record.users import Role
from app.web.errors import Refused
from app.web.filters import time_of
from app.web.limits import MOST_BYTES
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import Visit, visit
from app.web.visiting import uploads

routes = Routes()


def footage_page(request: Request) -> Response:
    """Films that come or have come, and a form for more."""
    here = visit(request)
    return page(
        request,
        "footage.html",
        uploads=uploads.all_shown(here),
        cameras=here.camera_names(),
        most=MOST_BYTES,
        sees_jobs=here.session.cameras is None,
        admin=here.session.role >= Role.ADMIN,
    )


def bring(
    request: Request,
    film: UploadFile,
    camera: Annotated[str, Form(max_length=200)],
    start: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Takes a whole film in one request."""
    here, data = visit(request), film.file.read()
    if not data:
        raise Refused(422, "No film was chosen", "Choose a file, then send it.")
    wish = uploads.film_wish(
        here,
        camera=camera.strip(),
        label=film.filename or "",
        size=len(data),
        start=time_of(start, "start"),
    )
    upload = uploads.begin(here, wish)
    Uploads(here.site.path).append(upload, 0, data)
    return RedirectResponse(_to(here, uploads.finish(here, upload).id), 303)


def remove(request: Request, upload: Annotated[str, Path(max_length=40)]) -> Response:
    """Removes a film."""
    here = visit(request)
    uploads.remove(here, uploads.upload_of(here, upload))
    return RedirectResponse("/footage", 303)


def _to(here: Visit, job: int) -> str:
    """Where a visitor sees how far a job is: jobs are about all cameras."""
    return f"/jobs/{job}" if here.session.cameras is None else "/footage"


routes.add("/footage", footage_page, Role.OPERATOR)
routes.add("/footage", bring, Role.OPERATOR, method="POST")
routes.add("/footage/{upload}/remove", remove, Role.OPERATOR, method="POST")
