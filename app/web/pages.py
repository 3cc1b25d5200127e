"""What a person looks at. Pages work before any script runs, and each view of people leaves a row in the audit."""

from __future__ import annotations

import time
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.asking import in_session
from app.encoders.embed import spread
from app.movement.flow import Wish as FlowWish
from app.movement.flow import flow
from app.record.rows import AuditEntry, Correction
from app.report.flow_plots import plots
from app.report.pages import render
from app.report.query_page import values_of
from app.search.matches import QueryView
from app.search.query import query, view
from app.web.access import COOKIE, Access, Role
from app.web.errors import Refused
from app.web.filters import Filters, counted, filters
from app.web.moments import cut_moment
from app.web.opened import Said, TrackletId, opened, session_of
from app.web.routes import Routes
from app.web.stills import Asked
from trackers.segments import Kind

LATEST = 200  # rows of the audit on its page
CROPS = 24  # on a tracklet's page

Narrowed = Annotated[Filters, Depends(filters)]
routes = Routes()


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """One page, with what all of them show."""
    session = getattr(request.state, "session", None)
    values = {"session": session, "path": request.url.path, "site_name": opened(request).site.path.name, **values}
    return HTMLResponse(render(template, room="app.web", **values), status)


# --- coming and going


def enter(request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Opens a session by a one-time link, and leaves the link's secret behind."""
    access: Access = request.app.state.access
    came_from = request.client.host if request.client else "nowhere"
    secret = access.enter(token, came_from)
    if secret is None:
        raise Refused(403, "This link is used up", "Start `python -m app.serve` again: it prints a new one.")
    session = access.session(secret)
    assert session is not None
    with in_session(f"web, {came_from}"):
        who = session.user
        opened(request).site.note(AuditEntry(time.time(), who, "sign in", {}))
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", path="/")
    return answer


def leave(request: Request) -> Response:
    """Ends the session."""
    request.app.state.access.leave(request.cookies.get(COOKIE))
    answer = RedirectResponse("/left", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def left(request: Request) -> Response:
    """What is shown afterwards."""
    return page(request, "left.html")


# --- search


def home(request: Request) -> Response:
    """The search."""
    site = opened(request).site
    return page(request, "home.html", cameras=site.camera_names(), tracklets=site.tracklet_count())


def go(request: Request, tracklet: Annotated[int, Query(ge=0, lt=2**63)]) -> Response:
    """To the tracklet of a number that somebody typed."""
    return RedirectResponse(f"/tracklets/{opened(request).tracklet(tracklet).id}", 303)


def bring_still(request: Request, still: UploadFile) -> Response:
    """Takes a picture to search with."""
    asked = opened(request).stills.add(still.file.read(), session_of(request))
    where = f"/stills/{asked.key}"
    return RedirectResponse(where if len(asked.boxes) != 1 else f"{where}/search?person=1", 303)


def choose(request: Request, key: str) -> Response:
    """The people of a picture, to choose one."""
    return page(request, "choose.html", asked=_asked(request, key), cameras=opened(request).site.camera_names())


def search_still(
    request: Request, key: str, narrowed: Narrowed, person: Annotated[int, Query(ge=0, le=10_000)] = 0
) -> Response:
    """Searches one person of a picture, counted from 1, or with 0 the picture as it is."""
    asked, here = _asked(request, key), opened(request)
    if person > len(asked.boxes):
        raise Refused(404, "There is no such person", f"The picture shows {len(asked.boxes)}.")
    whole = person == 0 or asked.people.whole
    report, still = query(
        here.site,
        asked.still,
        narrowed.wish(),
        box=None if whole else asked.boxes[person - 1],
        whole=whole,
        ready=here.searcher.ready(),
        who=session_of(request).user,
    )
    return _answer(request, view(here.site, report, still), narrowed, f"/stills/{key}/search", {"person": person})


def search_tracklet(request: Request, number: TrackletId, narrowed: Narrowed) -> Response:
    """Searches whom a tracklet shows."""
    here = opened(request)
    is_sighting = here.tracklet(number).kind == Kind.SIGHTING
    report, still = query(here.site, number, narrowed.wish(), ready=here.searcher.ready(), who=session_of(request).user)
    asked = None if is_sighting else number
    again = f"/tracklets/{number}/search"
    return _answer(request, view(here.site, report, still), narrowed, again, {}, asked)


def _answer(
    request: Request, shown: QueryView, narrowed: Filters, again: str, hidden: dict[str, int], asked: int | None = None
) -> HTMLResponse:
    """What was found. asked: the tracklet that was asked with, of which a person can say who else it is."""
    here = opened(request)
    values: dict[str, Any] = {"again": again, "hidden": hidden, "narrowed": narrowed, "asked": asked}
    values |= {"cameras": here.site.camera_names(), "said": {} if asked is None else here.said_of(asked)}
    return page(request, "search.html", **values, **values_of(shown))


def correct(
    request: Request, number: TrackletId, other: Annotated[int, Form(ge=0, lt=2**63)], kind: Annotated[Said, Form()]
) -> Response:
    """Takes a person's word on two tracklets. The next merging obeys it."""
    here = opened(request)
    here.tracklet(number)
    here.site.correct([Correction(kind, number, other)], session_of(request).user, time.time())
    return RedirectResponse(f"/tracklets/{number}/search", 303)


def _asked(request: Request, key: str) -> Asked:
    asked = opened(request).stills.get(key, session_of(request))
    if asked is None:
        raise Refused(404, "This picture is not here any more", "Pictures are kept for 15 minutes: bring it again.")
    return asked


# --- one tracklet


def tracklet(request: Request, number: TrackletId) -> Response:
    """A tracklet's pictures, and its moment."""
    here = opened(request)
    piece = here.tracklet(number)
    who = session_of(request).user
    here.site.note(AuditEntry(time.time(), who, "view", {"tracklet": number}))
    crops = here.site.crops(number)
    pictures = []
    for index in spread(len(crops), CROPS):
        try:
            pictures.append(here.site.crop_jpeg(crops[index]))
        except ValueError:  # `app.site --verify` tells of damage
            continue
    merging = here.site.merging()
    identity = -1 if merging is None else int(merging.of(np.array([number]))[1][0])
    there = here.site.footage_record(piece.footage_id).path.exists()
    return page(request, "tracklet.html", piece=piece, pictures=pictures, identity=identity, has_footage=there)


def moment(request: Request, number: TrackletId) -> Response:
    """A clip of its footage."""
    here = opened(request)
    piece = here.tracklet(number)
    who = session_of(request).user
    here.site.note(AuditEntry(time.time(), who, "view moment", {"tracklet": number}))
    return Response(cut_moment(here.site, piece), media_type="video/mp4")


# --- the site


def cameras(request: Request) -> Response:
    """What the site holds of each camera."""
    site = opened(request).site
    return page(request, "cameras.html", cameras=site.cameras(), remarks=site.remarks())


def flow_page(request: Request, wish: Annotated[FlowWish, Depends(counted)]) -> Response:
    """How people move."""
    here = opened(request)
    asked = {"after": "", "before": "", **request.query_params, "by": wish.by}
    if here.site.merging() is None:
        return page(request, "flow.html", report=None, drawn={}, asked=asked)
    report = flow(here.site, wish, who=session_of(request).user)
    try:
        drawn = plots(report)
    except ImportError:  # of matplotlib: the page says so
        drawn = {}
    return page(request, "flow.html", report=report, drawn=drawn, asked=asked)


def audit(request: Request) -> Response:
    """Who did what."""
    entries = opened(request).site.audit()
    return page(request, "audit.html", entries=entries[: -LATEST - 1 : -1], total=len(entries))


routes.add("/enter", enter, Role.NOBODY, include_in_schema=False)
routes.add("/left", left, Role.NOBODY, include_in_schema=False)
routes.add("/leave", leave, Role.VIEWER, method="POST", include_in_schema=False)
routes.add("/", home, Role.VIEWER, include_in_schema=False)
routes.add("/go", go, Role.VIEWER, include_in_schema=False)
routes.add("/stills", bring_still, Role.VIEWER, method="POST", include_in_schema=False)
routes.add("/stills/{key}", choose, Role.VIEWER, include_in_schema=False)
routes.add("/stills/{key}/search", search_still, Role.VIEWER, include_in_schema=False)
routes.add("/tracklets/{number}", tracklet, Role.VIEWER, include_in_schema=False)
routes.add("/tracklets/{number}/search", search_tracklet, Role.VIEWER, include_in_schema=False)
routes.add("/tracklets/{number}/moment.mp4", moment, Role.VIEWER, include_in_schema=False)
routes.add("/tracklets/{number}/corrections", correct, Role.OPERATOR, method="POST", include_in_schema=False)
routes.add("/cameras", cameras, Role.VIEWER, include_in_schema=False)
routes.add("/flow", flow_page, Role.VIEWER, include_in_schema=False)
routes.add("/audit", audit, Role.ADMIN, include_in_schema=False)
