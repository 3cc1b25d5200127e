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
from app.web.errors import Refused
from app.web.routes import SAFE

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

        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            refusal = PlainTextResponse("This server answers under the address that it printed, and no other.\n", 421)
            await refusal(scope, receive, with_headers)
            return
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] not in self._hosts:
            refusal = PlainTextResponse("This request comes from another site's page.\n", 403)
            await refusal(scope, receive, with_headers)
            return
        most = MOST_BYTES
        if scope["method"] not in SAFE and scope["path"] == SIGN_IN:
            most = MOST_OF_STRANGERS
        elif scope["method"] not in SAFE and (
            await run_in_threadpool(self._access.who_asks, HTTPConnection(scope)) is None
        ):
            refusal = PlainTextResponse("Nobody is signed in here.\n", 401)
            await refusal(scope, receive, with_headers)
            return
        said = headers.get("content-length", "0")
        if not said.isdecimal() or len(said) > 18 or int(said) > most:
            refusal = PlainTextResponse(f"This is too large: it may have {most:,} bytes.\n", 413)
            await refusal(scope, receive, with_headers)
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
