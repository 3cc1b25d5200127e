"""Where else was this person? A picture or a tracklet, and what was found."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import Depends, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.record.rows import Correction
from app.record.users import Role
from app.report.query_page import values_of
from app.search.query import view
from app.web.errors import Refused
from app.web.filters import Filters, filters
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.stills import Asked
from app.web.visit import Said, TrackletId, Visit, visit
from trackers.segments import Kind

Narrowed = Annotated[Filters, Depends(filters)]
routes = Routes()


def home(request: Request) -> Response:
    """The search."""
    here = visit(request)
    tracklets = here.site.tracklet_count(here.session.cameras)
    return page(request, "home.html", cameras=here.camera_names(), tracklets=tracklets)


def go(request: Request, tracklet: Annotated[int, Query(ge=0, lt=2**63)]) -> Response:
    """To the tracklet of a number that somebody typed."""
    return RedirectResponse(f"/tracklets/{visit(request).tracklet(tracklet).id}", 303)


def bring_still(request: Request, still: UploadFile) -> Response:
    """Takes a picture to search with."""
    here = visit(request)
    asked = here.opened.stills.add(still.file.read(), here.session)
    where = f"/stills/{asked.key}"
    return RedirectResponse(where if len(asked.boxes) != 1 else f"{where}/search?person=1", 303)


def choose(request: Request, key: str) -> Response:
    """The people of a picture, to choose one."""
    here = visit(request)
    return page(request, "choose.html", asked=_asked(here, key), cameras=here.camera_names())


def search_still(
    request: Request, key: str, narrowed: Narrowed, person: Annotated[int, Query(ge=0, le=10_000)] = 0
) -> Response:
    """Searches one person of a picture, counted from 1, or with 0 the picture as it is."""
    here = visit(request)
    asked = _asked(here, key)
    if person > len(asked.boxes):
        raise Refused(404, "There is no such person", f"The picture shows {len(asked.boxes)}.")
    whole = person == 0 or asked.people.whole
    box = None if whole else asked.boxes[person - 1]
    report, still = here.search(asked.still, narrowed.wish(here), box=box, whole=whole)
    shown = values_of(view(here.site, report, still))
    return _answer(request, shown, narrowed, f"/stills/{key}/search", {"person": person})


def search_tracklet(request: Request, number: TrackletId, narrowed: Narrowed) -> Response:
    """Searches whom a tracklet shows."""
    here = visit(request)
    is_sighting = here.tracklet(number).kind == Kind.SIGHTING
    report, still = here.search(number, narrowed.wish(here))
    shown = values_of(view(here.site, report, still))
    return _answer(request, shown, narrowed, f"/tracklets/{number}/search", {}, None if is_sighting else number)


def _answer(
    request: Request,
    shown: dict[str, Any],
    narrowed: Filters,
    again: str,
    hidden: dict[str, int],
    asked: int | None = None,
) -> HTMLResponse:
    """What was found. asked: the tracklet that was asked with, of which a person can say who else it is."""
    here = visit(request)
    values: dict[str, Any] = {"again": again, "hidden": hidden, "narrowed": narrowed, "asked": asked}
    values |= {"cameras": here.camera_names(), "said": {} if asked is None else here.said_of(asked)}
    return page(request, "search.html", **values, **shown)


def correct(
    request: Request, number: TrackletId, other: Annotated[int, Form(ge=0, lt=2**63)], kind: Annotated[Said, Form()]
) -> Response:
    """Takes a person's word on two tracklets. The next merging obeys it."""
    here = visit(request)
    said = Correction(kind, here.tracklet(number).id, here.tracklet(other).id)
    here.site.correct([said], here.who, time.time())
    return RedirectResponse(f"/tracklets/{number}/search", 303)


def _asked(here: Visit, key: str) -> Asked:
    asked = here.opened.stills.get(key, here.session)
    if asked is None:
        raise Refused(404, "This picture is not here any more", "Pictures are kept for 15 minutes: bring it again.")
    return asked


routes.add("/", home, Role.VIEWER)
routes.add("/go", go, Role.VIEWER)
routes.add("/stills", bring_still, Role.VIEWER, method="POST")
routes.add("/stills/{key}", choose, Role.VIEWER)
routes.add("/stills/{key}/search", search_still, Role.VIEWER)
routes.add("/tracklets/{number}/search", search_tracklet, Role.VIEWER)
routes.add("/tracklets/{number}/corrections", correct, Role.OPERATOR, method="POST")
