"""Forms that draw on a camera's picture. They work without a script, which only writes into them."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from app.areas import Area, AreaKind, Point
from app.record.areas import draw_area, remove_area
from app.record.users import Role
from app.report.pages import in_address
from app.web.errors import Refused
from app.web.pages.camera import CameraName
from app.web.routes import Routes
from app.web.visit import visit

MOST_TEXT = 4000  # characters of points

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
AreaName = Annotated[str, Form(max_length=400)]
routes = Routes()


def points_of(text: str) -> tuple[Point, ...]:
    """Points as text: a line each, of x and y as shares of the picture. Raises Refused where it is none."""
    points = []
    for line in filter(None, map(str.strip, re.split(r"[\n;]", text))):
        parts = [part for part in re.split(r"[\s,]+", line) if part]
        if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
            raise Refused(422, "These are no points", "Write one a line, like 0.25 0.5: shares of width and height.")
        points.append((float(parts[0]), float(parts[1])))
    return tuple(points)


def draw(
    request: Request,
    name: CameraName,
    area: AreaName,
    kind: Annotated[AreaKind, Form()],
    points: Annotated[str, Form(max_length=MOST_TEXT)],
    instead_of: AreaName = "",
) -> Response:
    """Draws, or changes what was drawn."""
    here = visit(request)
    camera = here.camera_in_address(name)
    drawing = Area(kind, area, points_of(points))
    draw_area(here.site.database, camera, drawing, here.who, instead_of=instead_of or None)
    return RedirectResponse(f"/cameras/{in_address(camera)}#draw", 303)


def remove(request: Request, name: CameraName, area: AreaName) -> Response:
    """Removes what was drawn."""
    here = visit(request)
    camera = here.camera_in_address(name)
    if not remove_area(here.site.database, camera, area, here.who):
        raise Refused(404, "There is no such drawing", "Somebody may have removed it already.")
    return RedirectResponse(f"/cameras/{in_address(camera)}#draw", 303)


routes.add("/cameras/{name}/areas", draw, Role.OPERATOR, method="POST")
routes.add("/cameras/{name}/areas/remove", remove, Role.OPERATOR, method="POST")
