"""Cameras, for programs: what the site holds of each, and what is drawn on its picture."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import Path, Query, Request
from pydantic import BaseModel, Field

from app.areas import Area, AreaKind
from app.movement.activity import DAY, HOUR, Hour, activity
from app.record.areas import areas_of, draw_area, remove_area
from app.record.camera_list import CameraLine, tracklet_times
from app.record.camera_settings import NamedCamera, name_camera, named_cameras, remove_camera
from app.record.camera_summaries import camera_lines, camera_summaries
from app.record.rows import CameraSummary
from app.record.users import Role
from app.web.errors import Refused
from app.web.filters import time_of
from app.web.routes import Routes
from app.web.visit import Visit, visit
from app.web.visiting.live import Trial, Wanted, tried

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


def get_live(request: Request, name: CameraName) -> NamedCamera:
    """How a live camera stands in site.toml, without its secrets."""
    return _named(visit(request), unquote(name))


def put_live(request: Request, name: CameraName, wanted: Wanted) -> NamedCamera:
    """Adds a live camera, or changes one. It is followed within seconds."""
    here = visit(request)
    return name_camera(here.site, unquote(name), wanted.wish(), who=here.who)


def delete_live(request: Request, name: CameraName) -> list[NamedCamera]:
    """Follows a camera no more. What it showed stays. Returns those that are left."""
    here = visit(request)
    if not remove_camera(here.site, unquote(name), who=here.who):
        raise _no_live_camera()
    return named_cameras(here.site)


def try_live(request: Request, name: CameraName, wanted: Wanted) -> Trial:
    """Connects once, takes a picture and leaves, in at most 20 s. Nothing is kept."""
    return Trial.of(tried(visit(request), unquote(name), wanted))


def _named(here: Visit, name: str) -> NamedCamera:
    for camera in named_cameras(here.site):
        if camera.camera == name:
            return camera
    raise _no_live_camera()


def _no_live_camera() -> Refused:
    return Refused(404, "There is no such live camera", "Name it by PUT, or in site.toml.")


routes.add("/cameras", list_cameras, Role.VIEWER)
routes.add("/cameras/{name}", get_camera, Role.VIEWER)
routes.add("/cameras/{name}/activity", get_activity, Role.VIEWER)
routes.add("/cameras/{name}/areas", list_areas, Role.VIEWER)
routes.add("/cameras/{name}/areas", put_area, Role.OPERATOR, method="PUT")
routes.add("/cameras/{name}/areas", delete_area, Role.OPERATOR, method="DELETE")
routes.add("/cameras/{name}/live", get_live, Role.ADMIN, whole=True)
routes.add("/cameras/{name}/live", put_live, Role.ADMIN, method="PUT", whole=True)
routes.add("/cameras/{name}/live", delete_live, Role.ADMIN, method="DELETE", whole=True)
routes.add("/cameras/{name}/live/try", try_live, Role.ADMIN, method="POST", whole=True)
