"""Cameras, for programs."""

from __future__ import annotations

from fastapi import Request

from app.record.rows import CameraSummary
from app.record.users import Role
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes(prefix="/api/v1")


def list_cameras(request: Request) -> list[CameraSummary]:
    """What the site holds of each camera."""
    here = visit(request)
    return [summary for summary in here.site.cameras() if here.may_see(summary.camera)]


routes.add("/cameras", list_cameras, Role.VIEWER)
