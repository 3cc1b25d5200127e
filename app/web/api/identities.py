"""Who is who, for programs."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import Query, Request
from pydantic import BaseModel

from app.record.users import Role
from app.search.person import person_of
from app.web.api.rows import MOST_ROWS, Number
from app.web.api.search import Match
from app.web.routes import Routes
from app.web.visit import TrackletId, visit

routes = Routes(prefix="/api/v1")


class Identity(BaseModel):
    """Tracklets that one merging took for one person. Another merging may number them anew."""

    id: int
    tracklets: list[int]


class Identities(BaseModel):
    """A page of a list, by id."""

    identities: list[Identity]
    next: int | None
    """`from_id` of the next page, null where this is the last one."""


class Stop(BaseModel):
    """A stay in sight of one camera. Times are UTC seconds."""

    camera: str
    start: float
    end: float
    seconds_since: float | None  # the stop before ended, negative where both saw them at once
    usual_seconds: float | None  # that people take, the median


class Person(BaseModel):
    """Whom a tracklet shows."""

    tracklet: int
    matches: list[Match]
    stops: list[Stop]
    left_out: int


def list_identities(
    request: Request, from_id: Number = 0, limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100
) -> Identities:
    """Identities of the latest merging, a page at a time. It tells of no picture and no time."""
    merging = visit(request).site.merging()
    if merging is None:
        return Identities(identities=[], next=None)
    numbers = np.unique(merging.identities[merging.identities >= from_id])
    listed = [
        Identity(id=number, tracklets=merging.ids[merging.identities == number].tolist())
        for number in numbers[:limit].tolist()
    ]
    return Identities(identities=listed, next=int(numbers[limit]) if len(numbers) > limit else None)


def get_person(request: Request, number: TrackletId) -> Person:
    """Whom a tracklet shows, by all that was joined to it."""
    here = visit(request)
    here.tracklet(number)
    shown = person_of(here.opened.searcher.ready(), number, here.session.cameras, who=here.who)
    matches = [Match.of(match) for match in here.renumbered(shown.matches)]
    stops = [
        Stop(
            camera=leg.stop.camera,
            start=leg.stop.start,
            end=leg.stop.end,
            seconds_since=leg.stop.gap,
            usual_seconds=None if leg.usual is None else leg.usual.median,
        )
        for leg in shown.legs
    ]
    return Person(tracklet=number, matches=matches, stops=stops, left_out=shown.left_out)


routes.add("/identities", list_identities, Role.VIEWER, whole=True)
routes.add("/tracklets/{number}/person", get_person, Role.VIEWER)
