"""Routes that each name the role they ask for. One without can't be made, so nothing is open by accident."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from app.asking import in_session
from app.web.access import COOKIE, Access, Role, Session
from app.web.errors import Refused

SAFE = {"GET", "HEAD"}
FORM_KEY, KEY_HEADER = "key", "x-sightline-key"


class Routes(APIRouter):
    """A router whose routes need a role."""

    def add(
        self,
        path: str,
        endpoint: Callable[..., Any],
        role: Role,
        *,
        method: str = "GET",
        whole: bool = False,
        **options: Any,
    ) -> None:
        """Adds a route. Below its role a request is refused before the endpoint is called.

        whole: it tells or changes something of all cameras, so it is for who has the right to all of them.
        """
        if role > Role.NOBODY:
            options["dependencies"] = [*options.get("dependencies", ()), Depends(_checked(role, method, whole))]
        self.add_api_route(path, endpoint, methods=[method], **options)
        made = self.routes[-1]
        assert isinstance(made, APIRoute)
        made.openapi_extra = {**(made.openapi_extra or {}), "x-role": role.name.lower(), "x-all-cameras": whole}

    def get(self, *_: Any, **__: Any) -> Any:
        """Not for use: it would name no role."""
        raise TypeError("use `add`, which names a role")

    post = put = delete = patch = api_route = get


def _checked(role: Role, method: str, whole: bool) -> Callable[..., AsyncIterator[None]]:
    async def check(request: Request) -> AsyncIterator[None]:
        access: Access = request.app.state.access
        session = access.session(request.cookies.get(COOKIE))
        if session is None:
            raise Refused(401, "Nobody is signed in here", "Open the link that `python -m app.serve` printed.")
        if session.role < role:
            raise Refused(403, f"This needs the role {role.name.lower()}", "Ask an administrator of the site.")
        if whole and session.cameras is not None:
            raise Refused(403, "This is about all cameras", "Ask an administrator for the right to all of them.")
        if method not in SAFE and not await _has_key(request, session):
            raise Refused(403, "This form is not from this session", "Load the page again, and send it from there.")
        request.state.session = session
        with in_session(f"web, {session.came_from}"):
            yield

    return check


async def _has_key(request: Request, session: Session) -> bool:
    """Whether the session's key came with it: what another site's page sends has the cookie, and no key."""
    given = request.headers.get(KEY_HEADER)
    if given is None and request.headers.get("content-type", "").startswith(("multipart/", "application/x-www-form")):
        value = (await request.form()).get(FORM_KEY)
        given = value if isinstance(value, str) else None
    return given is not None and hmac.compare_digest(given.encode(), session.form_key.encode())
