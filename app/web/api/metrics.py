"""What the server counts, for Prometheus. It tells of all cameras, so it is for who may see all of them."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import PlainTextResponse

from app.record.users import Role
from app.web.metrics import CONTENT_TYPE
from app.web.routes import METRICS, Routes

routes = Routes()


def metrics(request: Request) -> PlainTextResponse:
    """In Prometheus' text format."""
    return PlainTextResponse(request.app.state.metrics.text(), media_type=CONTENT_TYPE)


routes.add(METRICS, metrics, Role.VIEWER, whole=True, response_class=PlainTextResponse)
