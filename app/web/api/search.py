"""Where else was this person? For programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from fastapi import Query, Request, UploadFile
from pydantic import BaseModel

from app.record.users import Role
from app.search import matches
from app.search.query import QueryReport
from app.search.searcher import Answer
from app.search.still_apart import still_apart
from app.web.api.rows import MOST_ROWS, Narrowed
from app.web.errors import Refused
from app.web.routes import Routes
from app.web.visit import TrackletId, visit

routes = Routes(prefix="/api/v1")


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

    @classmethod
    def of(cls, match: matches.Match) -> Self:
        """Without its pictures."""
        return cls(**{name: getattr(match, name) for name in cls.model_fields})


class Person(BaseModel):
    """What was found of one person of a picture."""

    box: tuple[float, float, float, float] | None
    finding: str
    verdict: str
    gallery: int
    matches: list[Match]


class Found(BaseModel):
    """What a search found."""

    model: str
    still: str
    asked: float
    audit: str
    people: list[Person]


def search_still(
    request: Request,
    still: UploadFile,
    narrowed: Narrowed,
    top: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20,
) -> Found:
    """Searches all people of a picture."""
    here = visit(request)
    picture = still_apart(still.file.read(), Path("The picture"))
    try:
        report, _ = here.search(picture, narrowed.wish(here, top))
    except LookupError as error:
        raise Refused(422, "Nobody was found in the picture", "Send one that shows the person larger.") from error
    return found(report)


def search_tracklet(
    request: Request,
    number: TrackletId,
    narrowed: Narrowed,
    top: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20,
) -> Found:
    """Searches whom a tracklet shows."""
    here = visit(request)
    here.tracklet(number)
    report, _ = here.search(number, narrowed.wish(here, top))
    return found(report)


def found(report: QueryReport) -> Found:
    """What a report has, without its pictures."""
    people = [_person(answer) for answer in report.people]
    return Found(model=report.model, still=report.still, asked=report.asked, audit=report.audit, people=people)


def _person(answer: Answer) -> Person:
    return Person(
        box=answer.box,
        finding=answer.finding,
        verdict=answer.verdict,
        gallery=answer.gallery,
        matches=[Match.of(match) for match in answer.matches],
    )


routes.add("/tracklets/{number}/search", search_tracklet, Role.VIEWER)
routes.add("/search", search_still, Role.VIEWER, method="POST")
