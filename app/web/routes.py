"""Routes that each name the role they ask for. One without can't be made, so nothing is open by accident."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from app.asking import in_session
from app.record.users import Role
from app.web.access import Access, Session
from app.web.errors import PROBLEM_TYPE, Refused

SAFE = {"GET", "HEAD"}
API, METRICS = "/api/v1/", "/metrics"
PROBLEMS = {
    401: "Nobody is signed in.",
    403: "The user, or the key, has no right to this.",
    404: "There is no such thing, or the user may not see it.",
    409: "Other work is under way that this would disturb.",
    413: "The request is too large.",
    422: "Something in the request, or in the site, is not as it should be.",
    428: "The site demands a reason for each search.",
    507: "The disk, or the record, takes nothing more.",
}
PROBLEMS_OF_CHANGES = {400: "The request's body can't be read."}
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
        if f"{self.prefix}{path}".startswith(API):
            options["responses"] = {**_problems(method), **options.get("responses", {})}
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


def _problems(method: str) -> dict[int | str, dict[str, Any]]:
    """What the API's description says of a route's errors."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    known = PROBLEMS if method in SAFE else {**PROBLEMS, **PROBLEMS_OF_CHANGES}
    return {status: {"description": description, "content": content} for status, description in known.items()}


def _checked(role: Role, method: str, whole: bool) -> Callable[..., AsyncIterator[None]]:
    async def check(request: Request) -> AsyncIterator[None]:
        access: Access = request.app.state.access
        session = await run_in_threadpool(access.who_asks, request)
        if session is None:
            raise Refused(401, "Nobody is signed in here", "Sign in, or open the link that the server printed.")
        if session.scopes is not None and not _opens(session.scopes, request.url.path):
            raise Refused(403, "This key does not open that", f"It opens {', '.join(session.scopes)} of the API.")
        if session.role < role:
            raise Refused(403, f"This needs the role {role.name.lower()}", "Ask an administrator of the site.")
        if whole and session.cameras is not None:
            raise Refused(403, "This is about all cameras", "Ask an administrator for the right to all of them.")
        if method not in SAFE and session.scopes is None and not await _has_key(request, session):
            raise Refused(403, "This form is not from this session", "Load the page again, and send it from there.")
        request.state.session = session
        with in_session(f"web, {session.came_from}"):
            yield

    return check


def _opens(scopes: Collection[str], path: str) -> bool:
    """Whether a key of a program opens an address. All of them open the API's description."""
    if not path.startswith(API):
        return path == METRICS and METRICS.strip("/") in scopes
    return path.removeprefix(API).partition("/")[0] in {*scopes, "openapi.json"}


async def _has_key(request: Request, session: Session) -> bool:
    """Whether the session's key came with it: what another site's page sends has the cookie, and no key."""
    given = request.headers.get(KEY_HEADER)
    if given is None and request.headers.get("content-type", "").startswith(("multipart/", "application/x-www-form")):
        value = (await request.form()).get(FORM_KEY)
        given = value if isinstance(value, str) else None
    return given is not None and hmac.compare_digest(given.encode(), session.form_key.encode())
