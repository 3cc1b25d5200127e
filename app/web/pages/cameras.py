"""The cameras: what the site holds of each, with its last picture."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from app.record.camera_list import camera_list
from app.record.users import Role
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes()


def cameras(request: Request) -> Response:
    """All that the visitor may see. What was left out of folders is of all cameras, so it is for who may see all."""
    here = visit(request)
    seen = [line for line in camera_list(here.site.database) if here.may_see(line.camera)]
    remarks = here.site.remarks() if here.session.cameras is None else []
    return page(request, "cameras.html", cameras=seen, remarks=remarks)


routes.add("/cameras", cameras, Role.VIEWER)
