"""One tracklet: its pictures, and its moment."""

from __future__ import annotations

import time

import numpy as np
from fastapi import Request
from fastapi.responses import Response

from app.encoders.embed import spread
from app.record.rows import AuditEntry
from app.record.users import Role
from app.web.moments import cut_moment
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import TrackletId, visit

CROPS = 24  # on the page

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
    there = here.site.footage_record(piece.footage_id).path.exists()
    return page(request, "tracklet.html", piece=piece, pictures=pictures, identity=identity, has_footage=there)


def moment(request: Request, number: TrackletId) -> Response:
    """A clip of its footage."""
    here = visit(request)
    piece, who = here.tracklet(number), here.who
    here.site.note(AuditEntry(time.time(), who, "view moment", {"tracklet": number}))
    return Response(cut_moment(here.site, piece), media_type="video/mp4")


routes.add("/tracklets/{number}", tracklet, Role.VIEWER)
routes.add("/tracklets/{number}/moment.mp4", moment, Role.VIEWER)
