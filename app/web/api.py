"""The same for programs, under `/api/v1`. Errors are `application/problem+json`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Query, Request, UploadFile
from pydantic import BaseModel, Field

from app.movement.flow import Flow, flow
from app.movement.flow import Wish as FlowWish
from app.record.rows import AuditEntry, CameraSummary, Correction
from app.search.query import QueryReport, query
from app.search.searcher import Answer
from app.search.still import still_of
from app.web.access import Role
from app.web.errors import Refused
from app.web.filters import Filters, counted, filters
from app.web.opened import Said, TrackletId, opened, session_of
from app.web.routes import Routes

MOST_ROWS = 1000  # of one page of a list

Narrowed = Annotated[Filters, Depends(filters)]
Number = Annotated[int, Query(ge=0, lt=2**63)]
routes = Routes(prefix="/api/v1")


class Health(BaseModel):
    """That the server answers."""

    status: str


class Tracklet(BaseModel):
    """A tracklet or sighting. Times are UTC seconds."""

    id: int
    camera: str
    start: float
    end: float
    is_sighting: bool
    identity: int | None


class Tracklets(BaseModel):
    """A page of a list, by id."""

    tracklets: list[Tracklet]
    next: int | None
    """`from_id` of the next page, null where this is the last one."""


class Match(BaseModel):
    """A tracklet that may show the person asked for."""

    tracklet: int
    is_sighting: bool
    camera: str
    start: float
    end: float
    similarity: float
    probability: float
    trajectory: int | None
    identity: int | None


class Person(BaseModel):
    """What was found of one person of a picture."""

    box: tuple[float, float, float, float] | None
    finding: str
    verdict: str
    gallery: int
    matches: list[Match]


class Word(BaseModel):
    """What a person says of a tracklet and another one."""

    other: int = Field(ge=0, lt=2**63)
    said: Said


class Found(BaseModel):
    """What a search found."""

    model: str
    still: str
    asked: float
    audit: str
    people: list[Person]


class Entry(BaseModel):
    """A row of the audit."""

    time: float
    who: str
    session: str
    action: str
    details: dict[str, Any]
    hash: str


def healthz() -> Health:
    """Whether the server answers. Nobody need sign in for that, and it tells nothing of the site."""
    return Health(status="ok")


def list_cameras(request: Request) -> list[CameraSummary]:
    """What the site holds of each camera."""
    return opened(request).site.cameras()


def list_tracklets(
    request: Request,
    narrowed: Narrowed,
    from_id: Number = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
) -> Tracklets:
    """Tracklets and sightings by id, a page at a time."""
    site, wish = opened(request).site, narrowed.wish()
    who = session_of(request).user
    site.note(AuditEntry(time.time(), who, "list", {"from id": from_id, "filters": wish.filters()}))
    table = site.searchable_table()
    kept = table.ids >= from_id
    if wish.cameras:
        kept &= np.isin(table.cameras, [k for k, name in enumerate(table.names) if name in wish.cameras])
    if wish.begin is not None:
        kept &= table.end >= wish.begin
    if wish.end is not None:
        kept &= table.start < wish.end
    rows = np.flatnonzero(kept)[: limit + 1]
    merging = site.merging()
    identities = np.full(len(rows), -1) if merging is None else merging.of(table.ids[rows])[1]
    tracklets = [
        Tracklet(
            id=int(table.ids[row]),
            camera=table.names[table.cameras[row]],
            start=float(table.start[row]),
            end=float(table.end[row]),
            is_sighting=bool(table.is_sighting[row]),
            identity=None if identity < 0 else int(identity),
        )
        for row, identity in zip(rows.tolist(), identities.tolist())
    ]
    further = len(rows) > limit
    return Tracklets(tracklets=tracklets[:limit], next=tracklets[limit].id if further else None)


def search_still(
    request: Request,
    still: UploadFile,
    narrowed: Narrowed,
    top: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20,
) -> Found:
    """Searches all people of a picture."""
    here = opened(request)
    picture = still_of(still.file.read(), Path("The picture"))
    try:
        report, _ = query(
            here.site, picture, narrowed.wish(top), ready=here.searcher.ready(), who=session_of(request).user
        )
    except LookupError as error:
        raise Refused(422, "Nobody was found in the picture", "Send one that shows the person larger.") from error
    return _found(report)


def search_tracklet(
    request: Request,
    number: TrackletId,
    narrowed: Narrowed,
    top: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20,
) -> Found:
    """Searches whom a tracklet shows."""
    here = opened(request)
    here.tracklet(number)
    ready = here.searcher.ready()
    report, _ = query(here.site, number, narrowed.wish(top), ready=ready, who=session_of(request).user)
    return _found(report)


def correct(request: Request, number: TrackletId, word: Word) -> list[Word]:
    """Takes a person's word on two tracklets. The next merging obeys it. Returns all that was said of the first."""
    here = opened(request)
    here.tracklet(number)
    here.site.correct([Correction(word.said, number, word.other)], session_of(request).user, time.time())
    return [Word.model_validate({"other": other, "said": said}) for other, said in here.said_of(number).items()]


def _found(report: QueryReport) -> Found:
    people = [_person(answer) for answer in report.people]
    return Found(model=report.model, still=report.still, asked=report.asked, audit=report.audit, people=people)


def _person(answer: Answer) -> Person:
    matches = [Match(**{name: getattr(match, name) for name in Match.model_fields}) for match in answer.matches]
    return Person(
        box=answer.box, finding=answer.finding, verdict=answer.verdict, gallery=answer.gallery, matches=matches
    )


def get_flow(request: Request, wish: Annotated[FlowWish, Depends(counted)]) -> Flow:
    """How people move."""
    return flow(opened(request).site, wish, who=session_of(request).user)


def get_audit(request: Request, last: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100) -> list[Entry]:
    """The latest rows of the audit, oldest first."""
    entries = opened(request).site.audit()[-last:]
    return [Entry(**{name: getattr(entry, name) for name in Entry.model_fields}) for entry in entries]


health = Routes()
health.add("/healthz", healthz, Role.NOBODY)
routes.add("/cameras", list_cameras, Role.VIEWER)
routes.add("/tracklets", list_tracklets, Role.VIEWER)
routes.add("/tracklets/{number}/search", search_tracklet, Role.VIEWER)
routes.add("/tracklets/{number}/corrections", correct, Role.OPERATOR, method="POST")
routes.add("/search", search_still, Role.VIEWER, method="POST")
routes.add("/flow", get_flow, Role.VIEWER)
routes.add("/audit", get_audit, Role.ADMIN)
