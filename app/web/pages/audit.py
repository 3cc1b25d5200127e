"""Who did what."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from app.record.users import Role
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

LATEST = 200  # rows that are shown

routes = Routes()


def audit(request: Request) -> Response:
    """The latest rows of the audit, newest first."""
    entries = visit(request).site.audit()
    return page(request, "audit.html", entries=entries[: -LATEST - 1 : -1], total=len(entries))


routes.add("/audit", audit, Role.ADMIN)
