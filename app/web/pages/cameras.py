"""The cameras: what the site holds of each, with its last picture."""

from __future__ import annotations

import time

from fastapi import Request
from fastapi.responses import Response

from app.record.camera_list import CameraLine
from app.record.camera_summaries import camera_lines, unwatched
from app.record.live_cameras import out_of_step
from app.record.users import Role
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes()


def cameras(request: Request) -> Response:
    """All that the visitor may see. What was left out of folders is of all cameras, so it is for who may see all."""
    here = visit(request)
    seen = [line for line in camera_lines(here.site) if here.may_see(line.camera)]
    missed = [name for name in unwatched(here.site) if here.may_see(name)]
    listed = {line.camera for line in seen}
    return page(
        request,
        "cameras.html",
        cameras=[*seen, *(CameraLine(name) for name in missed if name not in listed)],
        unwatched=missed,
        known=set(here.camera_names()),
        now=time.time(),
        apart=out_of_step([line.live for line in seen if line.live is not None]),
        remarks=here.site.remarks() if here.session.cameras is None else [],
    )


routes.add("/cameras", cameras, Role.VIEWER)
