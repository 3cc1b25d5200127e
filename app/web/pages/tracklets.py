"""One tracklet: its pictures, and its moment."""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
from fastapi import Form, Path, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from app.encoders.embed import spread
from app.record.camera_clocks import clocks_ahead
from app.record.films import film_of
from app.record.live_cameras import IN_STEP
from app.record.rows import AuditEntry
from app.record.users import Role
from app.web.errors import Refused
from app.web.frames import frame_at
from app.web.moments import LONGEST, FilmMoment, cut_moment, film_type, moment_in_film
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import TrackletId, visit
from app.web.visiting.cases import open_cases

CROPS = 24  # on the page
Percent = Annotated[float, Form(ge=0, le=100)]  # of the picture's width or height

routes = Routes()


def tracklet(request: Request, number: TrackletId) -> Response:
    """A tracklet's pictures, and its moment."""
    here = visit(request)
    piece, who = here.tracklet(number), here.who
    here.site.note(AuditEntry(time.time(), who, "view", {"tracklet": number}))
    crops = here.site.crops(number)
    pictures = []
    for index in spread(len(crops), CROPS):
        try:
            pictures.append(here.site.crop_jpeg(crops[index]))
        except ValueError:  # `app.site --verify` tells of damage
            continue
    identity = int(here.identities_of(np.array([number]))[0])
    there = film_of(here.site.footage_record(piece.footage_id), piece.start) is not None
    ahead = clocks_ahead(here.site.database, [number]).get(number, 0.0)
    return page(
        request,
        "tracklet.html",
        piece=piece,
        ahead=ahead if abs(ahead) > IN_STEP else None,
        pictures=pictures,
        identity=identity,
        has_footage=there,
        longest=LONGEST,
        cases=open_cases(here),
    )


def moment(request: Request, number: TrackletId) -> Response:
    """A clip of its footage."""
    here = visit(request)
    piece, who = here.tracklet(number), here.who
    here.site.note(AuditEntry(time.time(), who, "view moment", {"tracklet": number}))
    return Response(cut_moment(here.site, piece), media_type="video/mp4")


def film_moment(request: Request, number: TrackletId) -> FilmMoment | None:
    """Where the moment stands in its film. Null where only a clip of it can be played."""
    here = visit(request)
    return moment_in_film(here.site, here.tracklet(number))


def film(request: Request, number: TrackletId) -> FileResponse:
    """The film itself, or the range of it that is asked for. A session's first range of a moment is noted."""
    here = visit(request)
    piece, who = here.tracklet(number), here.who
    record = here.site.footage_record(piece.footage_id)
    media_type = film_type(record)
    if media_type is None:
        raise Refused(404, "Browsers do not play this film as it is", "Play the clip of the moment.")
    if here.opened.previews.is_first(here.session, "film", number):
        here.site.note(AuditEntry(time.time(), who, "view moment", {"tracklet": number, "film": record.name}))
    return FileResponse(record.path, media_type=media_type)


def crop(request: Request, number: TrackletId, index: Annotated[int, Path(ge=0, lt=2**31)]) -> Response:
    """One of a tracklet's pictures, by time. A session's first of a tracklet is noted, and the others go with it."""
    here = visit(request)
    here.tracklet(number)
    crops, who = here.site.crops(number), here.who
    if index >= len(crops):
        raise Refused(404, "There is no such picture", f"The tracklet has {len(crops)}.")
    if here.opened.previews.is_first(here.session, "moving", number):
        here.site.note(AuditEntry(time.time(), who, "view", {"tracklet": number, "moving": True}))
    try:
        jpeg = here.site.crop_jpeg(crops[index])
    except ValueError as error:
        raise Refused(404, "This picture is damaged", "`python -m app.site --verify` tells of it.") from error
    return Response(jpeg, media_type="image/jpeg")


def box_in_frame(
    request: Request,
    number: TrackletId,
    seconds: Annotated[float, Form(ge=0, le=LONGEST)],
    left: Percent,
    top: Percent,
    width: Percent,
    height: Percent,
) -> Response:
    """Takes a box in a frame of a tracklet's moment to search with. seconds: since the moment began."""
    here = visit(request)
    piece, who = here.tracklet(number), here.who
    here.site.note(AuditEntry(time.time(), who, "view frame", {"tracklet": number, "seconds": seconds}))
    frame = frame_at(here.site, piece, seconds)
    rows, columns = frame.image.shape[:2]
    x, y = left * columns / 100, top * rows / 100
    box = (x, y, x + width * columns / 100, y + height * rows / 100)
    asked = here.opened.stills.add_frame(frame, box, here.session)
    return RedirectResponse(f"/stills/{asked.key}/search?person=1", 303)


routes.add("/tracklets/{number}", tracklet, Role.VIEWER)
routes.add("/tracklets/{number}/moment.mp4", moment, Role.VIEWER)
routes.add("/tracklets/{number}/film.json", film_moment, Role.VIEWER)
routes.add("/tracklets/{number}/film", film, Role.VIEWER)
routes.add("/tracklets/{number}/crops/{index}.jpg", crop, Role.VIEWER)
routes.add("/tracklets/{number}/frame", box_in_frame, Role.VIEWER, method="POST")
