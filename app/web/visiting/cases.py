"""Cases as a visitor meets them.

A case with a tracklet of a camera that they may not see is to them a case that is not there: its name and notes may
tell of that camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

from fastapi import Path
from fastapi.responses import StreamingResponse

from app.errors import SiteError
from app.record.cases import Case, CaseErased, Cases
from app.search.forgetting import forget_people
from app.web.errors import Refused
from app.web.exports import Exporting
from app.web.piped import piped
from app.web.visit import Visit

CaseId = Annotated[int, Path(ge=0, lt=2**63)]
ZIP = "application/zip"


def seen_cases(here: Visit) -> Iterator[Case]:
    """All cases that the visitor may see, the latest first."""
    return (case for case in Cases(here.site).all() if _may_see(here, case))


def open_cases(here: Visit) -> list[Case]:
    """Those that a tracklet can be added to."""
    return [case for case in seen_cases(here) if case.closed is None]


def seen_case(here: Visit, number: int) -> Case:
    """A case. Raises Refused where there is none, or the visitor may not see all that it holds."""
    try:
        case = Cases(here.site).case(number)
    except LookupError:
        case = None
    if case is None or not _may_see(here, case):
        raise Refused(404, "There is no such case", "It was erased, or never was. The page Cases lists all.")
    return case


def collect(here: Visit, number: int, tracklets: Sequence[int], note: str) -> None:
    """Adds tracklets with a note to a case. Raises Refused, or SiteError where it takes none."""
    if not tracklets:
        raise SiteError("Nobody was chosen: tick somebody who is to come into the case.")
    case = seen_case(here, number)
    for piece in [here.tracklet(tracklet) for tracklet in tracklets]:
        Cases(here.site).add(case.id, piece.id, note, who=here.who)


def erased(here: Visit, number: int, *, people: bool) -> CaseErased:
    """Erases a case, with its people where that is asked for."""
    forgetting = partial(forget_people, searcher=here.opened.searcher.ready)
    return Cases(here.site).erase(number, people=people, who=here.who, forgetting=forgetting)


def export_state(here: Visit, number: int) -> Exporting | None:
    """How far the visitor's export of a case is. Raises Refused where they may not see the case."""
    return here.opened.exports.state(here.session, seen_case(here, number).id)


def exported(here: Visit, number: int) -> StreamingResponse:
    """A case as a zip, sent as it is made. Raises Refused, or Busy while another one is made."""
    case = seen_case(here, number)
    headers = {"Content-Disposition": f'attachment; filename="case-{case.id}.zip"'}
    return StreamingResponse(
        piped(partial(here.opened.exports.write, here.site, here.session, case.id)), media_type=ZIP, headers=headers
    )


def _may_see(here: Visit, case: Case) -> bool:
    return all(here.may_see(camera) for camera in case.cameras)
