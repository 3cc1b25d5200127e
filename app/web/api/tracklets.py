"""Tracklets, and a person's word on two of them, for programs."""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
from fastapi import Query, Request
from pydantic import BaseModel, Field

from app.record.camera_clocks import clocks_ahead
from app.record.rows import AuditEntry, Correction
from app.record.users import Role
from app.web.api.rows import MOST_ROWS, Narrowed, Number
from app.web.routes import Routes
from app.web.visit import Said, TrackletId, visit

routes = Routes(prefix="/api/v1")


class Tracklet(BaseModel):
    """A tracklet or sighting. Times are UTC seconds."""

    id: int
    camera: str
    start: float
    end: float
    is_sighting: bool
    identity: int | None
    camera_start: float | None
    """`start` by a live camera's own clock, null where it told none then."""


class Tracklets(BaseModel):
    """A page of a list, by id."""

    tracklets: list[Tracklet]
    next: int | None
    """`from_id` of the next page, null where this is the last one."""


class Word(BaseModel):
    """What a person says of a tracklet and another one."""

    other: int = Field(ge=0, lt=2**63)
    said: Said


def list_tracklets(
    request: Request,
    narrowed: Narrowed,
    from_id: Number = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
) -> Tracklets:
    """Tracklets and sightings by id, a page at a time."""
    here = visit(request)
    site, wish, who = here.site, narrowed.wish(here), here.who
    site.note(AuditEntry(time.time(), who, "list", {"from id": from_id, "filters": wish.filters()}))
    table = site.searchable_table()
    kept = (table.ids >= from_id) & here.seen_rows(table)
    if wish.cameras:
        kept &= np.isin(table.cameras, [k for k, name in enumerate(table.names) if name in wish.cameras])
    if wish.begin is not None:
        kept &= table.end >= wish.begin
    if wish.end is not None:
        kept &= table.start < wish.end
    rows = np.flatnonzero(kept)[: limit + 1]
    ids = table.ids[rows]
    identities, ahead = here.identities_of(ids), clocks_ahead(site.database, ids.tolist())
    tracklets = [
        Tracklet(
            id=number,
            camera=table.names[table.cameras[row]],
            start=float(table.start[row]),
            end=float(table.end[row]),
            is_sighting=bool(table.is_sighting[row]),
            identity=None if identity < 0 else int(identity),
            camera_start=float(table.start[row]) + ahead[number] if number in ahead else None,
        )
        for row, number, identity in zip(rows.tolist(), ids.tolist(), identities.tolist())
    ]
    further = len(rows) > limit
    return Tracklets(tracklets=tracklets[:limit], next=tracklets[limit].id if further else None)


def correct(request: Request, number: TrackletId, word: Word) -> list[Word]:
    """Takes a person's word on two tracklets. The next merging obeys it. Returns all that was said of the first."""
    here = visit(request)
    said = Correction(word.said, here.tracklet(number).id, here.tracklet(word.other).id)
    here.site.correct([said], here.who, time.time())
    return [Word.model_validate({"other": other, "said": said}) for other, said in here.said_of(number).items()]


routes.add("/tracklets", list_tracklets, Role.VIEWER)
routes.add("/tracklets/{number}/corrections", correct, Role.OPERATOR, method="POST")
