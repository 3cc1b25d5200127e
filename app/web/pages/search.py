"""Where else was this person? A picture or a tracklet, and what was found."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.record.rows import Correction
from app.record.searches import SavedSearch
from app.record.users import Role
from app.report.query_page import values_of
from app.search.query import view
from app.web.alerts.delivery import alerting_of
from app.web.errors import Refused
from app.web.filters import LONGEST, Filters, filters, with_words
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.stills import Asked
from app.web.visit import Said, TrackletId, Visit, visit
from app.web.visiting.cases import open_cases
from app.web.visiting.searches import kept_searches, news_of
from trackers.segments import Kind

Narrowed = Annotated[Filters, Depends(filters)]
routes = Routes()


def home(request: Request) -> Response:
    """The search."""
    here = visit(request)
    tracklets = here.site.tracklet_count(here.session.cameras)
    kept = kept_searches(here)
    news = news_of(here, kept, alerting_of(request))
    return page(request, "home.html", cameras=here.camera_names(), tracklets=tracklets, kept=kept, news=news)


def go(request: Request, tracklet: Annotated[int, Query(ge=0, lt=2**63)]) -> Response:
    """To the tracklet of a number that somebody typed."""
    return RedirectResponse(f"/tracklets/{visit(request).tracklet(tracklet).id}", 303)


def bring_still(request: Request, still: UploadFile, words: Annotated[str, Form(max_length=LONGEST)] = "") -> Response:
    """Takes a picture to search with. words: what the search is narrowed to."""
    here = visit(request)
    narrowed = with_words(Filters([], "", ""), words)
    narrowed.wish(here)  # says what is wrong with them before the picture is looked at
    asked = here.opened.stills.add(still.file.read(), here.session)
    where, pairs = f"/stills/{asked.key}", narrowed.pairs()
    if len(asked.boxes) == 1:
        where, pairs = f"{where}/search", [("person", "1"), *pairs]
    return RedirectResponse(f"{where}?{urlencode(pairs)}" if pairs else where, 303)


def choose(request: Request, key: str, narrowed: Narrowed) -> Response:
    """The people of a picture, to choose one."""
    here = visit(request)
    narrowed.wish(here)
    values: dict[str, Any] = {
        "narrowed": narrowed,
        "narrowing": urlencode(narrowed.pairs()),
        "cameras": here.camera_names(),
    }
    return page(request, "choose.html", asked=asked_of(here, key), chips=narrowed.chips(f"/stills/{key}", {}), **values)


def search_still(
    request: Request, key: str, narrowed: Narrowed, person: Annotated[int, Query(ge=0, le=10_000)] = 0
) -> Response:
    """Searches one person of a picture, counted from 1, or with 0 the picture as it is."""
    here = visit(request)
    asked = asked_of(here, key)
    if person > len(asked.boxes):
        raise Refused(404, "There is no such person", f"The picture shows {len(asked.boxes)}.")
    whole = person == 0 or asked.people.whole
    wish = narrowed.wish(here)
    if asked.taken is not None:
        wish = replace(wish, inside=asked.taken[0], at=asked.taken[1])
    box = None if whole else asked.boxes[person - 1]
    report, still = here.search(asked.still, wish, box=box, whole=whole)
    shown = values_of(view(here.site, report, still))
    keep = {"still": key, "person": person}
    return answer(request, shown, narrowed, f"/stills/{key}/search", hidden={"person": person}, keep=keep)


def search_tracklet(request: Request, number: TrackletId, narrowed: Narrowed) -> Response:
    """Searches whom a tracklet shows."""
    here = visit(request)
    is_sighting = here.tracklet(number).kind == Kind.SIGHTING
    report, still = here.search(number, narrowed.wish(here))
    shown = values_of(view(here.site, report, still))
    asked = None if is_sighting else number
    return answer(request, shown, narrowed, f"/tracklets/{number}/search", asked=asked, keep={"tracklet": number})


def answer(
    request: Request,
    shown: dict[str, Any],
    narrowed: Filters,
    again: str,
    *,
    hidden: Mapping[str, int] = {},
    asked: int | None = None,
    keep: Mapping[str, object] | None = None,
    kept: SavedSearch | None = None,
    new: Collection[int] = (),
) -> HTMLResponse:
    """What was found.

    Args:
        request: who asks.
        shown: what the page of answers names.
        narrowed: the filters.
        again: the address of the same search.
        hidden: what else that address needs.
        asked: the tracklet that was asked with, of which a person can say who else it is.
        keep: with what this search could be kept. None where it is.
        kept: the search that is.
        new: tracklets that came since it was opened.
    """
    here = visit(request)
    ids = [match.tracklet for match in shown["view"].matches]
    counts = {tracklet: len(crops) for tracklet, crops in here.site.crops_of(ids).items()}
    values: dict[str, Any] = {"again": again, "hidden": hidden, "narrowed": narrowed, "asked": asked, "keep": keep}
    values |= {"cameras": here.camera_names(), "said": {} if asked is None else here.said_of(asked)}
    values |= {
        "chips": narrowed.chips(again, hidden),
        "kept": kept,
        "new": new,
        "counts": counts,
        "cases": open_cases(here),
    }
    return page(request, "search.html", **values, **shown)


def correct(
    request: Request, number: TrackletId, other: Annotated[int, Form(ge=0, lt=2**63)], kind: Annotated[Said, Form()]
) -> Response:
    """Takes a person's word on two tracklets. The next merging obeys it."""
    here = visit(request)
    said = Correction(kind, here.tracklet(number).id, here.tracklet(other).id)
    here.site.correct([said], here.who, time.time())
    return RedirectResponse(f"/tracklets/{number}/search", 303)


def asked_of(here: Visit, key: str) -> Asked:
    """A picture that a visitor brought. Raises Refused where it is not here."""
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
