"""Cases: what a person collects while looking for somebody."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from app.encoders.embed import spread
from app.record.cases import LONGEST_NAME, LONGEST_NOTE, MOST_ITEMS, Cases
from app.record.rows import AuditEntry
from app.record.users import Role
from app.web.exports import Exporting
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import TrackletId, Visit, visit
from app.web.visiting.cases import CaseId, collect, erased, export_state, exported, seen_case, seen_cases

PICTURES = 3  # of an item
NEW = 0  # instead of a case's number: the one that is to be opened

Name = Annotated[str, Form(max_length=2 * LONGEST_NAME)]
Note = Annotated[str, Form(max_length=2 * LONGEST_NOTE)]
routes = Routes()


def cases_page(request: Request) -> Response:
    """All cases."""
    return page(request, "cases.html", cases=list(seen_cases(visit(request))), limits=(LONGEST_NAME, LONGEST_NOTE))


def open_case(request: Request, name: Name = "", note: Note = "") -> Response:
    """Makes a case."""
    here = visit(request)
    return _to(Cases(here.site).open(name, note, who=here.who))


def case_page(request: Request, number: CaseId) -> Response:
    """One case, with what it holds."""
    here = visit(request)
    case, who = seen_case(here, number), here.who
    items = Cases(here.site).items(number)
    here.site.note(AuditEntry(time.time(), who, "view case", {"case": number}))
    pictures = _pictures(here, [item.tracklet for item in items])
    return page(
        request, "case_page.html", case=case, items=items, pictures=pictures, limits=(LONGEST_NAME, LONGEST_NOTE)
    )


def change(request: Request, number: CaseId, name: Name = "", note: Note = "") -> Response:
    """Gives a case another name and note."""
    here = visit(request)
    Cases(here.site).change(seen_case(here, number).id, name, note, who=here.who)
    return _to(number)


def add(
    request: Request,
    case: Annotated[int, Form(ge=0, lt=2**63)],
    tracklet: Annotated[list[int] | None, Form(max_length=MOST_ITEMS)] = None,
    name: Name = "",
    note: Note = "",
) -> Response:
    """Adds people to a case, or to a new one of that name."""
    here = visit(request)
    pieces = [here.tracklet(number).id for number in tracklet or []]
    if case == NEW and pieces:
        case = Cases(here.site).open(name, "", who=here.who)
    collect(here, case, pieces, note)
    return _to(case)


def note_item(request: Request, number: CaseId, tracklet: TrackletId, note: Note = "") -> Response:
    """Gives an item another note."""
    collect(visit(request), number, [tracklet], note)
    return _to(number, f"#t{tracklet}")


def remove(request: Request, number: CaseId, tracklet: TrackletId) -> Response:
    """Takes somebody out of a case."""
    here = visit(request)
    Cases(here.site).remove(seen_case(here, number).id, tracklet, who=here.who)
    return _to(number)


def close(request: Request, number: CaseId) -> Response:
    """Closes a case."""
    here = visit(request)
    Cases(here.site).close(seen_case(here, number).id, who=here.who)
    return _to(number)


def reopen(request: Request, number: CaseId) -> Response:
    """Opens a closed case again."""
    here = visit(request)
    Cases(here.site).reopen(seen_case(here, number).id, who=here.who)
    return _to(number)


def export(request: Request, number: CaseId) -> Response:
    """The case as a zip."""
    return exported(visit(request), number)


def export_progress(request: Request, number: CaseId) -> Exporting | None:
    """How far this session's export of the case is, or how it ended."""
    return export_state(visit(request), number)


def erase(request: Request, number: CaseId, people: Annotated[bool, Form()] = False) -> Response:
    """Erases a case, with or without the people in it."""
    here = visit(request)
    case = seen_case(here, number)
    done = erased(here, case.id, people=people)
    found = [] if done.forgotten is None else done.forgotten.found
    return page(request, "case_erased.html", 500 if found else 200, case=case, done=done)


def _pictures(here: Visit, tracklets: list[int]) -> dict[int, list[bytes]]:
    shown: dict[int, list[bytes]] = {}
    for tracklet, crops in here.site.crops_of(tracklets).items():
        shown[tracklet] = []
        for k in spread(len(crops), PICTURES):
            try:
                shown[tracklet].append(here.site.crop_jpeg(crops[k]))
            except ValueError:  # `app.site --verify` tells of damage
                continue
    return shown


def _to(number: int, part: str = "") -> RedirectResponse:
    return RedirectResponse(f"/cases/{number}{part}", 303)


routes.add("/cases", cases_page, Role.VIEWER)
routes.add("/cases", open_case, Role.OPERATOR, method="POST")
routes.add("/cases/items", add, Role.OPERATOR, method="POST")
routes.add("/cases/{number}", case_page, Role.VIEWER)
routes.add("/cases/{number}", change, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/items/{tracklet}", note_item, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/items/{tracklet}/remove", remove, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/close", close, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/reopen", reopen, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/export", export, Role.OPERATOR, method="POST")
routes.add("/cases/{number}/export.json", export_progress, Role.OPERATOR)
routes.add("/cases/{number}/erase", erase, Role.ADMIN, method="POST")
