"""What all pages have around them: the site's name, and where one can go."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse

from app.record.users import Role
from app.report.pages import render
from app.web.access import Session
from app.web.opened import opened


class Entry(NamedTuple):
    """A page that others lead to."""

    address: str
    name: str
    role: Role
    whole: bool = False  # whether it is for who may see all cameras


LOOKING = (
    Entry("/", "Search", Role.VIEWER),
    Entry("/cameras", "Cameras", Role.VIEWER),
    Entry("/flow", "Flow", Role.VIEWER),
    Entry("/cases", "Cases", Role.VIEWER),
)
RUNNING = (
    Entry("/footage", "Footage", Role.OPERATOR),
    Entry("/jobs", "Jobs", Role.OPERATOR, whole=True),
    Entry("/live", "Live cameras", Role.ADMIN, whole=True),
    Entry("/models", "Models", Role.ADMIN, whole=True),
    Entry("/alerts", "Alerts", Role.ADMIN, whole=True),
    Entry("/erase", "Erase", Role.ADMIN),
    Entry("/audit", "Audit", Role.ADMIN),
    Entry("/users", "Users", Role.ADMIN),
    Entry("/settings", "Settings", Role.ADMIN, whole=True),
)


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """One page, with what all of them show."""
    session: Session | None = getattr(request.state, "session", None)
    values = {
        "session": session,
        "path": request.url.path,
        "site_name": opened(request).site.path.name,
        "looking": _open_to(session, LOOKING),
        "running": _open_to(session, RUNNING),
        **values,
    }
    return HTMLResponse(render(template, room="app.web", **values), status)


def _open_to(session: Session | None, entries: tuple[Entry, ...]) -> list[Entry]:
    if session is None:
        return []
    return [entry for entry in entries if session.role >= entry.role and (session.cameras is None or not entry.whole)]
