"""Searches that are kept: asked again, made to alert, removed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.errors import SiteError
from app.record import searches
from app.record.searches import SavedSearch
from app.record.users import Role
from app.report.query_page import values_of
from app.search.query import view
from app.web.alerts.delivery import alerting_of
from app.web.filters import Filters, filters
from app.web.pages.frame import page
from app.web.pages.search import answer, asked_of
from app.web.routes import Routes
from app.web.visit import Visit, visit
from app.web.visiting.searches import keep, kept_search, may_alert, news_of, run_kept, wish_here
from trackers.segments import Kind

Narrowed = Annotated[Filters, Depends(filters)]
SearchId = Annotated[int, Path(ge=0, lt=2**63)]
Probability = Annotated[str, Form(max_length=20)]
routes = Routes()


def keep_search(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    tracklet: Annotated[int | None, Form(ge=0, lt=2**63)] = None,
    still: Annotated[str, Form(max_length=40)] = "",
    person: Annotated[int, Form(ge=0, le=10_000)] = 0,
    camera: Annotated[list[str] | None, Form()] = None,
    after: Annotated[str, Form(max_length=40)] = "",
    before: Annotated[str, Form(max_length=40)] = "",
    alert_from: Probability = "",
) -> Response:
    """Keeps a search: of a tracklet, or of a person in a picture that was brought."""
    here = visit(request)
    wish = Filters(camera or [], after, before).wish(here)
    whom = tracklet if tracklet is not None else asked_of(here, still)
    kept = keep(here, name, whom, wish, person=person, alert_from=_probability(alert_from))
    return RedirectResponse(f"/searches/{kept.id}", 303)


def search(
    request: Request, number: SearchId, narrowed: Narrowed, changed: Annotated[int, Query(ge=0, le=1)] = 0
) -> Response:
    """Asks a kept search again. changed: 1 where the address says what it is narrowed to, and not the search."""
    here = visit(request)
    kept, alerting = kept_search(here, number), alerting_of(request)
    if kept.tracklet is None and not kept.has_picture:
        return page(request, "kept.html", kept=kept)
    wish = narrowed.wish(here) if changed else wish_here(here, kept)
    shown = narrowed if changed else _filters(here, kept)
    new = news_of(here, [kept], alerting)[kept.id]
    report, still = run_kept(here, kept, alerting, wish)
    values = values_of(view(here.site, report, still))
    asked = None
    if kept.tracklet is not None and here.tracklet(kept.tracklet).kind != Kind.SIGHTING:
        asked = kept.tracklet
    address = f"/searches/{number}"
    return answer(request, values, shown, address, hidden={"changed": 1}, asked=asked, kept=kept, new=new)


def remove(request: Request, number: SearchId) -> Response:
    """Removes a kept search, its picture's bytes too."""
    here = visit(request)
    searches.remove(here.site.database, kept_search(here, number).id, who=here.who)
    alerting_of(request).opened(number)
    return RedirectResponse("/", 303)


def set_alert(request: Request, number: SearchId, alert_from: Probability = "") -> Response:
    """From which probability on a kept search alerts. Empty: not at all."""
    here = visit(request)
    may_alert(here)
    searches.set_alert(here.site.database, kept_search(here, number).id, _probability(alert_from), who=here.who)
    return RedirectResponse(f"/searches/{number}", 303)


def _probability(text: str) -> float | None:
    try:
        return float(text) / 100 if text.strip() else None
    except ValueError as error:
        raise SiteError("A search alerts from a probability in percent, as 70.") from error


def _filters(here: Visit, kept: SavedSearch) -> Filters:
    """What a kept search is narrowed to, as its page shows it."""
    names = [name for name in kept.filters.cameras if here.may_see(name)]
    begin, end = (None if time is None else _iso(time) for time in (kept.filters.begin, kept.filters.end))
    return replace(Filters([], "", ""), camera=names, after=begin or "", before=end or "")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


routes.add("/searches", keep_search, Role.VIEWER, method="POST")
routes.add("/searches/{number}", search, Role.VIEWER)
routes.add("/searches/{number}/remove", remove, Role.VIEWER, method="POST")
routes.add("/searches/{number}/alert", set_alert, Role.OPERATOR, method="POST")
