"""What all pages have around them."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from app.report.pages import render
from app.web.opened import opened


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """One page, with what all of them show."""
    session = getattr(request.state, "session", None)
    values = {"session": session, "path": request.url.path, "site_name": opened(request).site.path.name, **values}
    return HTMLResponse(render(template, room="app.web", **values), status)
