"""Server-sent events: what changes is told as it does, for as long as somebody listens and may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.web.access import Access
from app.web.errors import Refused
from app.web.visit import visit

MOST = 16  # at once
LOOK = 0.4  # s between two looks
HEARTBEAT = 15.0  # s after which a line comes in any case, so that who has left is noticed


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class Streams:
    """Those of one server."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._open = most, 0
        self._ends: Callable[[], bool] = lambda: False

    def end_with(self, ends: Callable[[], bool]) -> None:
        """From when on all end: a server waits for its answers before it does."""
        self._ends = ends

    def of(self, request: Request, read: Callable[[], tuple[BaseModel, bool] | None]) -> EventStream:
        """A stream of what `read` gives, with whether more is to come. None where there is nothing any more.

        It ends with the event `end`, with the visitor's session, or when they leave. Raises Refused where too many
        listen already.
        """
        if self._open >= self._most:
            raise Refused(503, "Too many pages listen already", "Close one of them, or load this one again.")
        headers = {"X-Accel-Buffering": "no"}  # a proxy is to pass on what comes as it comes
        return EventStream(self._events(request, read), headers=headers)

    async def _events(self, request: Request, read: Callable[[], tuple[BaseModel, bool] | None]) -> AsyncIterator[str]:
        access: Access = request.app.state.access
        session = visit(request).session
        told, quiet = "", time.monotonic()
        self._open += 1
        try:
            while not self._ends() and await run_in_threadpool(access.lasts, session, request):
                now = await run_in_threadpool(read)
                text = "" if now is None else now[0].model_dump_json()
                if text != told:
                    yield f"data: {text}\n\n"
                    told, quiet = text, time.monotonic()
                elif time.monotonic() - quiet > HEARTBEAT:
                    yield ":\n\n"
                    quiet = time.monotonic()
                if now is None or not now[1]:
                    yield "event: end\ndata:\n\n"
                    return
                await asyncio.sleep(LOOK)
        finally:
            self._open -= 1
