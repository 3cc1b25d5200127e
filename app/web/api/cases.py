"""Cases, for programs. Times are UTC seconds."""

from __future__ import annotations

import time
from itertools import islice
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.record import cases as record
from app.record.cases import LONGEST_NAME, LONGEST_NOTE, CaseErased, Cases
from app.record.rows import AuditEntry
from app.record.users import Role
from app.web.api.rows import MOST_ROWS
from app.web.routes import Routes
from app.web.visit import TrackletId, Visit, visit
from app.web.visiting.cases import ZIP, CaseId, collect, erased, exported, seen_case, seen_cases

routes = Routes(prefix="/api/v1")


class CaseText(BaseModel):
    """What a person calls a case, and says of it."""

    name: str = Field(max_length=LONGEST_NAME)
    note: str = Field("", max_length=LONGEST_NOTE)


class ItemText(BaseModel):
    """What a person says of a tracklet."""

    note: str = Field("", max_length=LONGEST_NOTE)


class Case(CaseText):
    """What somebody collects who looks for a person."""

    id: int
    who: str
    made: float
    closed: float | None
    items: int


class Item(ItemText):
    """A tracklet or sighting in a case."""

    tracklet: int
    camera: str
    start: float
    end: float
    is_sighting: bool
    who: str
    made: float


class WholeCase(BaseModel):
    """A case, and what it holds by time."""

    case: Case
    items: list[Item]


class CaseList(BaseModel):
    """A page of a list, the latest first."""

    cases: list[Case]
    next: int | None
    """`before` of the next page, null where this is the last one."""


def list_cases(
    request: Request,
    before: Annotated[int | None, Query(ge=0, lt=2**63, description="Only cases with lower ids.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
) -> CaseList:
    """Cases, a page at a time."""
    older = (case for case in seen_cases(visit(request)) if before is None or case.id < before)
    rows = list(islice(older, limit + 1))
    cases = [_case(case) for case in rows[:limit]]
    return CaseList(cases=cases, next=cases[-1].id if len(rows) > limit else None)


def open_case(request: Request, text: CaseText) -> Case:
    """Makes a case."""
    here = visit(request)
    return _case(seen_case(here, Cases(here.site).open(text.name, text.note, who=here.who)))


def get_case(request: Request, number: CaseId) -> WholeCase:
    """One case."""
    here = visit(request)
    case, who = seen_case(here, number), here.who
    here.site.note(AuditEntry(time.time(), who, "view case", {"case": number}))
    return WholeCase(case=_case(case), items=[_item(item) for item in Cases(here.site).items(number)])


def change_case(request: Request, number: CaseId, text: CaseText) -> Case:
    """Gives a case another name and note."""
    here = visit(request)
    Cases(here.site).change(seen_case(here, number).id, text.name, text.note, who=here.who)
    return _case(seen_case(here, number))


def put_item(request: Request, number: CaseId, tracklet: TrackletId, text: ItemText) -> Item:
    """Adds a tracklet to a case, or gives it another note there."""
    here = visit(request)
    collect(here, number, [tracklet], text.note)
    return next(_item(item) for item in Cases(here.site).items(number) if item.tracklet == tracklet)


def remove_item(request: Request, number: CaseId, tracklet: TrackletId) -> Case:
    """Takes a tracklet out of a case. It stays in the site."""
    here = visit(request)
    Cases(here.site).remove(seen_case(here, number).id, tracklet, who=here.who)
    return _case(seen_case(here, number))


def close_case(request: Request, number: CaseId) -> Case:
    """Closes a case: nothing in it changes any more."""
    return _ended(visit(request), number, True)


def reopen_case(request: Request, number: CaseId) -> Case:
    """Opens a closed case again."""
    return _ended(visit(request), number, False)


def _ended(here: Visit, number: int, closed: bool) -> Case:
    cases = Cases(here.site)
    (cases.close if closed else cases.reopen)(seen_case(here, number).id, who=here.who)
    return _case(seen_case(here, number))


def export(request: Request, number: CaseId) -> Response:
    """A zip with a report and clips in which all other people are blurred. It comes as it is made."""
    return exported(visit(request), number)


def erase_case(
    request: Request,
    number: CaseId,
    people: Annotated[bool, Query(description="Whether the people in it are erased, too.")] = False,
) -> CaseErased:
    """Erases a case for good."""
    here = visit(request)
    return erased(here, seen_case(here, number).id, people=people)


def _case(case: record.Case) -> Case:
    return Case(**{name: getattr(case, name) for name in Case.model_fields})


def _item(item: record.CaseItem) -> Item:
    names = ("tracklet", "camera", "start", "end", "note", "who", "made")
    return Item(**{name: getattr(item, name) for name in names}, is_sighting=item.kind == "sighting")


_ZIPPED = {200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}, "description": "The zip."}}

routes.add("/cases", list_cases, Role.VIEWER)
routes.add("/cases", open_case, Role.OPERATOR, method="POST")
routes.add("/cases/{number}", get_case, Role.VIEWER)
routes.add("/cases/{number}", change_case, Role.OPERATOR, method="PUT")
routes.add("/cases/{number}/items/{tracklet}", put_item, Role.OPERATOR, method="PUT")
routes.add("/cases/{number}/items/{tracklet}", remove_item, Role.OPERATOR, method="DELETE")
routes.add("/cases/{number}/close", close_case, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/reopen", reopen_case, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/export", export, Role.OPERATOR, method="POST", responses=_ZIPPED, response_class=Response)
routes.add("/cases/{number}", erase_case, Role.ADMIN, method="DELETE")
