"""What is looked at before anything reads a request, and the headers of every answer.

A page of another site can let a browser send requests here. By its name for this machine it is told apart. Who is not
signed in may send nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.access import Access
from app.web.errors import Refused, problem
from app.web.routes import API, SAFE

MOST_BYTES = 64 * 2**20  # of a request
SIGN_IN, MOST_OF_STRANGERS = "/sign-in", 4096  # all that who is not signed in may send, and how much
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers would not say whose form they send
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Limits:
    """Around the whole application."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], access: Access) -> None:
        self._app, self._hosts, self._access = app, frozenset(hosts), access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        async def refuse(status: int, title: str, detail: str) -> None:
            of_api = scope["path"].startswith(API)
            refusal = problem(status, title, detail) if of_api else PlainTextResponse(f"{title}. {detail}\n", status)
            await refusal(scope, receive, with_headers)

        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            await refuse(421, "This server has another name", "It answers under the address that it printed.")
            return
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] not in self._hosts:
            await refuse(403, "This request comes from another site's page", "Send it from a page of this server.")
            return
        most = MOST_BYTES
        if scope["method"] not in SAFE and scope["path"] == SIGN_IN:
            most = MOST_OF_STRANGERS
        elif scope["method"] not in SAFE and (
            await run_in_threadpool(self._access.who_asks, HTTPConnection(scope)) is None
        ):
            await refuse(401, "Nobody is signed in here", "Sign in, or open the link that the server printed.")
            return
        said = headers.get("content-length", "0")
        if not said.isdecimal() or len(said) > 18 or int(said) > most:
            await refuse(413, "This is too large", f"It may have {most:,} bytes.")
            return
        await self._app(scope, _bounded(receive, most), with_headers)


def _bounded(receive: Receive, most: int) -> Receive:
    """Lets no more bytes through than `most`, of a request that does not say its length."""
    came = 0

    async def bounded() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise Refused(413, "This is too large", f"It may have {most:,} bytes.")
        return message

    return bounded
