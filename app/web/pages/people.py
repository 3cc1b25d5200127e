"""One person: where and when the cameras saw them, and the ways in between."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from app.record.settings import read_settings
from app.record.users import Role
from app.report.plan_view import plan_view
from app.report.timeline import lay_out
from app.search.person import person_of
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import TrackletId, visit
from app.web.visiting.cases import open_cases

routes = Routes()


def person(request: Request, number: TrackletId) -> Response:
    """Whom a tracklet shows, by all that was joined to it."""
    here = visit(request)
    here.tracklet(number)
    shown = person_of(here.opened.searcher.ready(), number, here.session.cameras, who=here.who)
    matches = here.renumbered(shown.matches)
    settled = read_settings(here.site.database).positions
    positions = {name: place for name, place in settled.items() if here.may_see(name)}
    return page(
        request,
        "person.html",
        person=shown,
        matches=matches,
        timeline=lay_out(matches),
        plan=plan_view([leg.stop for leg in shown.legs], positions),
        said=here.said_of(number),
        asked=number,
        cases=open_cases(here),
    )


routes.add("/tracklets/{number}/person", person, Role.VIEWER)
