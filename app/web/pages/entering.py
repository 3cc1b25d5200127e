"""Coming and going."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.asking import in_session
from app.record.rows import AuditEntry
from app.record.users import LONGEST, Role
from app.search.query import LONGEST_REASON
from app.web.access import COOKIE, Access, address_of
from app.web.errors import Refused
from app.web.opened import opened
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes()


def enter(request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Opens a session by a one-time link, and leaves the link's secret behind."""
    access: Access = request.app.state.access
    secret = access.enter(token, _came_from(request))
    if secret is None:
        raise Refused(403, "This link is used up", "Start `python -m app.serve` again: it prints a new one.")
    return _entered(request, secret, "/")


def sign_in_page(request: Request) -> Response:
    """The form for who has a password."""
    return page(request, "sign_in.html", status=200, then="/", wrong=False)


def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=LONGEST)],
    then: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Opens a session by a password. then: the page that was asked for."""
    access: Access = request.app.state.access
    came_from = _came_from(request)
    secret = access.sign_in(name, password, came_from)
    here = _own_page(then)
    if secret is None:
        with in_session(f"web, {came_from}"):
            who = name if access.users.user(name) else "nobody whom the site knows"
            opened(request).site.note(AuditEntry(time.time(), who, "sign in refused", {}))
        return page(request, "sign_in.html", status=403, then=here, wrong=True)
    return _entered(request, secret, here)


def _own_page(address: str) -> str:
    """An address of this server, else that of the first page."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"


def _came_from(request: Request) -> str:
    return request.client.host if request.client else "nowhere"


def _entered(request: Request, secret: str, then: str) -> Response:
    session = request.app.state.access.session(secret)
    assert session is not None
    with in_session(f"web, {session.came_from}"):
        who = session.user
        opened(request).site.note(AuditEntry(time.time(), who, "sign in", {}))
    answer = RedirectResponse(then, 303)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=_by_tls(request), path="/")
    return answer


def _by_tls(request: Request) -> bool:
    """Whether the browser's way here is encrypted, as this server or the proxy before it knows."""
    access: Access = request.app.state.access
    by_proxy = access.proxy is not None and address_of(request) in access.proxy.addresses
    return request.url.scheme == "https" or (by_proxy and request.headers.get("x-forwarded-proto") == "https")


def say_why(
    request: Request,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)],
    then: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Keeps for the session why somebody searches. then: the search that waits for it."""
    visit(request).session.reason = " ".join(reason.split())
    return RedirectResponse(_own_page(then), 303)


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
routes.add("/sign-in", sign_in_page, Role.NOBODY)
routes.add("/sign-in", sign_in, Role.NOBODY, method="POST")
routes.add("/left", left, Role.NOBODY)
routes.add("/reason", say_why, Role.VIEWER, method="POST")
routes.add("/leave", leave, Role.VIEWER, method="POST")
