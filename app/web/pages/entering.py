"""Coming and going."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from app.asking import in_session
from app.record.rows import AuditEntry
from app.web.access import COOKIE, Access, Role
from app.web.errors import Refused
from app.web.opened import opened
from app.web.pages.frame import page
from app.web.routes import Routes

routes = Routes()


def enter(request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Opens a session by a one-time link, and leaves the link's secret behind."""
    access: Access = request.app.state.access
    came_from = request.client.host if request.client else "nowhere"
    secret = access.enter(token, came_from)
    if secret is None:
        raise Refused(403, "This link is used up", "Start `python -m app.serve` again: it prints a new one.")
    session = access.session(secret)
    assert session is not None
    with in_session(f"web, {came_from}"):
        who = session.user
        opened(request).site.note(AuditEntry(time.time(), who, "sign in", {}))
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", path="/")
    return answer


def leave(request: Request) -> Response:
    """Ends the session."""
    request.app.state.access.leave(request.cookies.get(COOKIE))
    answer = RedirectResponse("/left", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def left(request: Request) -> Response:
    """What is shown afterwards."""
    return page(request, "left.html")


routes.add("/enter", enter, Role.NOBODY)
routes.add("/left", left, Role.NOBODY)
routes.add("/leave", leave, Role.VIEWER, method="POST")
