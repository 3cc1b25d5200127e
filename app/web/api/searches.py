"""Searches that are kept, for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import Form, Query, Request, UploadFile
from fastapi import Path as InPath
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.record import searches
from app.record.searches import SavedSearch
from app.record.users import Role
from app.search.searcher import Wish
from app.search.still_apart import still_apart
from app.web.alerts.delivery import alerting_of
from app.web.api.rows import MOST_ROWS, Narrowed
from app.web.api.search import Found, found
from app.web.routes import Routes
from app.web.visit import Visit, visit
from app.web.visiting.searches import keep, kept_search, kept_searches, may_alert, news_of, run_kept, wish_here

routes = Routes(prefix="/api/v1")

SearchId = Annotated[int, InPath(ge=0, lt=2**63)]
Probability = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(ge=-1e11, le=1e11, allow_inf_nan=False)]


class Kept(BaseModel):
    """A kept search. Times are UTC seconds."""

    id: int
    name: str
    who: str
    made: float
    tracklet: int | None
    camera: list[str]
    after: float | None
    before: float | None
    alert_from: float | None
    new: list[int]
    """Tracklets that match and came since somebody opened it."""


class NewSearch(BaseModel):
    """A search to keep, for whom a tracklet shows."""

    name: str = Field(max_length=200)
    tracklet: int = Field(ge=0, lt=2**63)
    camera: list[str] = Field(default=[], max_length=1000)
    after: Seconds | None = None
    before: Seconds | None = None
    alert_from: Probability | None = None


class AlertFrom(BaseModel):
    """From which probability on a search alerts, null for not at all."""

    alert_from: Probability | None


def list_searches(request: Request) -> list[Kept]:
    """One's own, or for an administrator all of them. There are at most 500."""
    here = visit(request)
    kept = kept_searches(here)
    news = news_of(here, kept, alerting_of(request))
    return [_kept(here, search, news[search.id]) for search in kept]


def add_search(request: Request, new: NewSearch) -> Kept:
    """Keeps a search for whom a tracklet shows."""
    here = visit(request)
    wish = Wish(here.searched_cameras(new.camera), new.after, new.before)
    return _kept(here, keep(here, new.name, new.tracklet, wish, alert_from=new.alert_from), [])


def add_search_of_still(
    request: Request, still: UploadFile, name: Annotated[str, Form(max_length=200)], narrowed: Narrowed
) -> Kept:
    """Keeps a search for the one person that a picture shows: cut it to them before."""
    here = visit(request)
    picture = still_apart(still.file.read(), Path("The picture"))
    return _kept(here, keep(here, name, picture, narrowed.wish(here)), [])


def ask_search(request: Request, number: SearchId, top: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20) -> Found:
    """Asks a kept search again. From now on only what comes later is new."""
    here = visit(request)
    kept = kept_search(here, number)
    report, _ = run_kept(here, kept, alerting_of(request), wish_here(here, kept, top))
    return found(report)


def set_alert(request: Request, number: SearchId, wanted: AlertFrom) -> Kept:
    """Makes a kept search alert, or not any more."""
    here = visit(request)
    may_alert(here)
    kept = searches.set_alert(here.site.database, kept_search(here, number).id, wanted.alert_from, who=here.who)
    return _kept(here, kept, news_of(here, [kept], alerting_of(request))[kept.id])


def remove_search(request: Request, number: SearchId) -> Response:
    """Removes a kept search, its picture's bytes too."""
    here = visit(request)
    searches.remove(here.site.database, kept_search(here, number).id, who=here.who)
    alerting_of(request).opened(number)
    return Response(status_code=204)


def _kept(here: Visit, search: SavedSearch, new: list[int]) -> Kept:
    return Kept(
        id=search.id,
        name=search.name,
        who=search.who,
        made=search.made,
        tracklet=search.tracklet,
        camera=[name for name in search.filters.cameras if here.may_see(name)],
        after=search.filters.begin,
        before=search.filters.end,
        alert_from=search.alert_from,
        new=new,
    )


routes.add("/searches", list_searches, Role.VIEWER)
routes.add("/searches", add_search, Role.VIEWER, method="POST", status_code=201)
routes.add("/searches/still", add_search_of_still, Role.VIEWER, method="POST", status_code=201)
routes.add("/searches/{number}/matches", ask_search, Role.VIEWER)
routes.add("/searches/{number}/alert", set_alert, Role.OPERATOR, method="PUT")
routes.add("/searches/{number}", remove_search, Role.VIEWER, method="DELETE", status_code=204, response_class=Response)
