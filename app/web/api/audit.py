"""Who did what, for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel

from app.record.users import Role
from app.web.api.rows import MOST_ROWS
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes(prefix="/api/v1")


class Entry(BaseModel):
    """A row of the audit."""

    time: float
    who: str
    session: str
    action: str
    details: dict[str, Any]
    hash: str


def get_audit(request: Request, last: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100) -> list[Entry]:
    """The latest rows of the audit, oldest first."""
    entries = visit(request).site.audit()[-last:]
    return [Entry(**{name: getattr(entry, name) for name in Entry.model_fields}) for entry in entries]


routes.add("/audit", get_audit, Role.ADMIN)
