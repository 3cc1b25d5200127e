"""Cameras, for programs: what the site holds of each, and what is drawn on its picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import BaseModel, Field

from app.areas import Area, AreaKind
from app.movement.activity import DAY, HOUR, Hour, activity
from app.record.areas import areas_of, draw_area, remove_area
from app.record.camera_list import CameraLine, tracklet_times
from app.record.camera_summaries import camera_lines, camera_summaries
from app.record.rows import CameraSummary
from app.record.users import Role
from app.web.errors import Refused
from app.web.filters import time_of
from app.web.routes import Routes
from app.web.visit import visit

MOST_HOURS = 24 * 366  # of one answer

CameraName = Annotated[str, Path(max_length=4000, description="Its name. One with `/` or `%` is encoded twice.")]
routes = Routes(prefix="/api/v1")


class Drawing(BaseModel):
    """A zone, line or mask. Points are shares of the picture's width and height, from 0 to 1."""

    kind: AreaKind
    name: str = Field(max_length=400)
    points: list[tuple[float, float]] = Field(max_length=100)

    @classmethod
    def of(cls, area: Area) -> Drawing:
        """As the site has it."""
        return cls(kind=area.kind, name=area.name, points=list(area.points))


def list_cameras(request: Request) -> list[CameraLine]:
    """What the site holds of each camera, at a glance, and how those do that are followed live.

    One camera's own address tells more.
    """
    here = visit(request)
    return [line for line in camera_lines(here.site) if here.may_see(line.camera)]


def get_camera(request: Request, name: CameraName) -> CameraSummary:
    """What the site holds of one camera."""
    here = visit(request)
    summaries = camera_summaries(here.site, here.camera_in_address(name))
    if not summaries:
        raise Refused(404, "This camera has no footage", "Ingest some of it first.")
    return summaries[0]


def get_activity(
    request: Request,
    name: CameraName,
    after: Annotated[str, Query(max_length=40, description="From this time on, ISO 8601, UTC.")] = "",
    before: Annotated[str, Query(max_length=40, description="Before this time.")] = "",
) -> list[Hour]:
    """Tracklets by the hour in which they began, by default on the last day that has any."""
    here = visit(request)
    times = tracklet_times(here.site.database, here.camera_in_address(name))
    last = float(times.start[-1]) if len(times.start) else 0.0
    begin, end = time_of(after, "after"), time_of(before, "before")
    begin = last // DAY * DAY if begin is None else begin
    end = begin // DAY * DAY + DAY if end is None else end
    if not begin < end or (end - begin) / HOUR > MOST_HOURS:
        raise Refused(422, "This is no time to look at", f"Give one of at most {MOST_HOURS:,} hours.")
    return activity(times, begin, end)


def list_areas(request: Request, name: CameraName) -> list[Drawing]:
    """What is drawn on a camera's picture."""
    here = visit(request)
    return [Drawing.of(area) for area in areas_of(here.site.database, here.camera_in_address(name))]


def put_area(request: Request, name: CameraName, drawing: Drawing) -> Drawing:
    """Draws, in the place of what has the same name. A mask holds from the next ingest on."""
    here = visit(request)
    area = Area(drawing.kind, drawing.name, tuple(drawing.points))
    return Drawing.of(draw_area(here.site.database, here.camera_in_address(name), area, here.who))


def delete_area(
    request: Request, name: CameraName, area: Annotated[str, Query(max_length=400, description="Its name.")]
) -> list[Drawing]:
    """Removes a drawing. Returns those that are left."""
    here = visit(request)
    camera = here.camera_in_address(name)
    if not remove_area(here.site.database, camera, area, here.who):
        raise Refused(404, "There is no such drawing", "Somebody may have removed it already.")
    return [Drawing.of(left) for left in areas_of(here.site.database, camera)]


routes.add("/cameras", list_cameras, Role.VIEWER)
routes.add("/cameras/{name}", get_camera, Role.VIEWER)
routes.add("/cameras/{name}/activity", get_activity, Role.VIEWER)
routes.add("/cameras/{name}/areas", list_areas, Role.VIEWER)
routes.add("/cameras/{name}/areas", put_area, Role.OPERATOR, method="PUT")
routes.add("/cameras/{name}/areas", delete_area, Role.OPERATOR, method="DELETE")
