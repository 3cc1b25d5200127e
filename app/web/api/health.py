"""Whether the server answers."""

from __future__ import annotations

from pydantic import BaseModel

from app.record.users import Role
from app.web.routes import Routes

routes = Routes()


class Health(BaseModel):
    """That the server answers."""

    status: str


def healthz() -> Health:
    """Whether the server answers. Nobody need sign in for that, and it tells nothing of the site."""
    return Health(status="ok")


routes.add("/healthz", healthz, Role.NOBODY)
