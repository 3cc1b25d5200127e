"""Live cameras: which there are, how each does, and what an administrator changes of them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.engine.discovery import answering
from app.errors import SiteConfigError
from app.record.camera_settings import (
    LONGEST_NAME,
    NamedCamera,
    name_camera,
    named_cameras,
    remove_camera,
)
from app.record.live_cameras import live_cameras_of
from app.record.users import Role
from app.web.errors import Refused
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit
from app.web.visiting.live import Wanted, as_it_is, tried

Name = Annotated[str, Form(max_length=LONGEST_NAME)]
routes = Routes()


class Named(Wanted):
    """The form of one camera."""

    name: str = ""


def live_cameras(
    request: Request,
    change: Annotated[str, Query(max_length=400)] = "",
    address: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """All of them, with a form for one more, or for one that changes. address: what the form begins with."""
    return _page(request, change=change, address=address)


def set_live_camera(request: Request, wanted: Annotated[Named, Form()]) -> Response:
    """Adds a camera, or changes one."""
    here = visit(request)
    name_camera(here.site, wanted.name.strip(), wanted.wish(), who=here.who)
    return RedirectResponse("/live", 303)


def pause_live_camera(request: Request, name: Name, paused: Annotated[bool, Form()] = False) -> Response:
    """Leaves a camera out for now, or follows it again."""
    here = visit(request)
    camera = next((each for each in named_cameras(here.site) if each.camera == name), None)
    if camera is None:
        raise Refused(404, "There is no such live camera", "Somebody may have removed it already.")
    name_camera(here.site, name, as_it_is(camera, paused=paused), who=here.who)
    return RedirectResponse("/live", 303)


def remove_live_camera(request: Request, name: Name) -> Response:
    """Takes a camera out of site.toml. What it showed stays."""
    here = visit(request)
    if not remove_camera(here.site, name, who=here.who):
        raise Refused(404, "There is no such live camera", "Somebody may have removed it already.")
    return RedirectResponse("/live", 303)


def try_live_camera(request: Request, wanted: Annotated[Named, Form()]) -> Response:
    """Connects once, with what stands in the form, and shows what came."""
    name = wanted.name.strip()
    return _page(request, change=name, typed=wanted, trial=tried(visit(request), name, wanted))


def find_cameras(
    request: Request,
    user: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """The ONVIF cameras that answer in the server's network."""
    return _page(request, found=answering(user or None, password))


def _page(request: Request, *, change: str = "", address: str = "", typed: Named | None = None, **of: Any) -> Response:
    site = visit(request).site
    cameras: list[NamedCamera] = []
    problem = ""
    try:
        cameras = named_cameras(site)
    except SiteConfigError as error:
        problem = str(error)
    return page(
        request,
        "live.html",
        cameras=cameras,
        changed=next((camera for camera in cameras if camera.camera == change), None),
        states=live_cameras_of(site.database, time.time()),
        now=time.time(),
        address=address,
        typed=typed,
        problem=problem,
        **{"trial": None, "found": None, **of},
    )


routes.add("/live", live_cameras, Role.ADMIN, whole=True)
routes.add("/live", set_live_camera, Role.ADMIN, method="POST", whole=True)
routes.add("/live/pause", pause_live_camera, Role.ADMIN, method="POST", whole=True)
routes.add("/live/remove", remove_live_camera, Role.ADMIN, method="POST", whole=True)
routes.add("/live/try", try_live_camera, Role.ADMIN, method="POST", whole=True)
routes.add("/live/find", find_cameras, Role.ADMIN, method="POST", whole=True)
