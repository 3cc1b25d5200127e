"""One camera: its last picture with what is drawn on it, how busy it was, its tracklets, and where feet were."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.responses import Response

from app.areas import AreaKind
from app.movement.activity import DAY, Hour, activity, days_of
from app.movement.heat import heat
from app.record.areas import areas_of, masks_in_force
from app.record.camera_clocks import clocks_of
from app.record.camera_list import tracklet_times
from app.record.camera_summaries import camera_summaries, unwatched
from app.record.outages import outages_of
from app.record.rows import AuditEntry
from app.record.users import Role
from app.report.heat_map import Shown, draw_heat_map
from app.report.pages import render
from app.web.errors import Refused
from app.web.filters import time_of
from app.web.last_pictures import live_picture
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import Visit, visit

TRACKLETS = 24  # on a page
OUTAGES = 20  # likewise, the latest
CLOCKS = 12  # notes of its own clock, the latest: two hours, where nothing happens
WIDTH = 1000  # of a drawing, in units of its own
_NO_PICTURE = 9 / 16  # height against width, where footage is gone
_WHY = (  # of boxes that are in no tracklet, by their name in `BoxCounts`
    ("sightings", "in pieces too short or small to learn from, which a search finds"),
    ("crossing", "where people overlap, so that nobody knows whom they show"),
    ("short", "in pieces that are too short, and not surely of somebody"),
    ("small", "of people who are too small, and not sure"),
    ("single", "in one frame alone"),
    ("untracked", "in no track, or erased since"),
)

CameraName = Annotated[str, Path(max_length=4000)]
When = Annotated[str, Query(max_length=40)]
routes = Routes()


@dataclass(frozen=True, slots=True)
class _Shown:
    """A tracklet in the list."""

    id: int
    start: float
    end: float
    jpeg: bytes | None


def camera(
    request: Request,
    name: CameraName,
    after: When = "",
    before: When = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10**6)] = 1,
    change: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """A camera in a time, by default on the last day on which somebody came."""
    here = visit(request)
    camera = here.camera_in_address(name)
    site = here.site
    summary = next(iter(camera_summaries(site, camera)), None)
    if summary is None:
        raise Refused(404, "This camera has no footage", "Ingest some of it first.")
    times = tracklet_times(site.database, camera)
    days = days_of(times)
    begin, end = time_of(after, "after"), time_of(before, "before")
    begin = begin if begin is not None else (days[-1] if days else (summary.start or time.time()) // DAY * DAY)
    end = end if end is not None else begin // DAY * DAY + DAY
    within = times.within(begin, end)
    first = (number - 1) * TRACKLETS
    rows = range(first, min(first + TRACKLETS, len(within.ids)))
    shown = _pictured(here, within.ids[rows.start : rows.stop].tolist()) if len(rows) else {}
    tracklets = [
        _Shown(tracklet, float(within.start[row]), float(within.end[row]), shown[tracklet])
        for row in rows
        for tracklet in [int(within.ids[row])]
    ]
    _note(here, camera, {"tracklets": [tracklet.id for tracklet in tracklets]})
    day = begin // DAY * DAY
    hours = activity(times, day, day + DAY)
    picture = here.opened.last_pictures.get(site, camera)
    ratio = _NO_PICTURE if picture is None else picture.height / picture.width
    drawn = areas_of(site.database, camera)
    own = {area.points for area in drawn if area.kind == AreaKind.mask}
    size = (1.0, 1.0) if picture is None else (float(picture.width), float(picture.height))
    return page(
        request,
        "camera.html",
        camera=summary,
        picture=picture,
        width=WIDTH,
        height=round(WIDTH * ratio),
        areas=drawn,
        changed=next((area for area in drawn if area.name == change), None),
        masks=[_shares(polygon, size) for polygon in masks_in_force(site.database, camera) if polygon not in own],
        day=day,
        day_before=max((other for other in days if other < day), default=None),
        day_after=min((other for other in days if other > day), default=None),
        hours=hours,
        most=_most(hours),
        begin=begin,
        end=end,
        tracklets=tracklets,
        total=len(within.ids),
        number=number,
        pages=max(1, -(-len(within.ids) // TRACKLETS)),
        left_out=[(getattr(summary.boxes, part), why) for part, why in _WHY if getattr(summary.boxes, part)],
        unwatched=camera in unwatched(site),
        now=time.time(),
        shown_live=live_picture(site, camera) is not None,
        outages=outages_of(site.database, camera, most=OUTAGES),
        clocks=clocks_of(site.database, camera, most=CLOCKS),
        may_draw=here.session.role >= Role.OPERATOR,
    )


def _most(hours: list[Hour]) -> int:
    """The height of the chart."""
    return max(1, *(hour.tracklets for hour in hours))


def _shares(polygon: tuple[tuple[float, float], ...], size: tuple[float, float]) -> list[tuple[float, float]]:
    """A mask of site.toml, which may be in pixels."""
    if max(max(point) for point in polygon) <= 1:
        return list(polygon)
    return [(x / size[0], y / size[1]) for x, y in polygon] if size != (1.0, 1.0) else []


def _pictured(here: Visit, ids: list[int]) -> dict[int, bytes | None]:
    """The picture in the middle of each tracklet, None where there is none that can be read."""
    pictures: dict[int, bytes | None] = {}
    for tracklet, crops in here.site.crops_of(ids).items():
        try:
            pictures[tracklet] = here.site.crop_jpeg(crops[len(crops) // 2]) if crops else None
        except ValueError:  # `app.site --verify` tells of damage
            pictures[tracklet] = None
    return pictures


def _note(here: Visit, camera: str, of: dict[str, Any]) -> None:
    who = here.who
    here.site.note(AuditEntry(time.time(), who, "view camera", {"camera": camera, **of}))


def picture(request: Request, name: CameraName) -> Response:
    """The last picture, or one that says that the footage is gone."""
    here = visit(request)
    camera = here.camera_in_address(name)
    latest = here.opened.last_pictures.get(here.site, camera)
    if latest is None:
        return Response(render("no_picture.svg", room="app.web"), media_type="image/svg+xml")
    _note(here, camera, {"picture of": latest.time})
    return Response(latest.jpeg, media_type="image/jpeg")


def live(request: Request, name: CameraName) -> Response:
    """The newest picture of a camera that is followed just now. Looking on for a minute is one row of the audit."""
    here = visit(request)
    camera = here.camera_in_address(name)
    newest = live_picture(here.site, camera)
    if newest is None:
        raise Refused(404, "There is no live picture", "Nobody watches this camera just now, or another machine does.")
    if here.opened.live_views.is_new(here.who, here.session.came_from, camera):
        _note(here, camera, {"live picture of": newest.time})
    return Response(newest.jpeg, media_type="image/jpeg")


def heat_map(
    request: Request, name: CameraName, of: Shown = Shown.seconds, after: When = "", before: When = ""
) -> Response:
    """Where feet were, or how long people stay in a place, over the last picture."""
    here = visit(request)
    camera = here.camera_in_address(name)
    latest = here.opened.last_pictures.get(here.site, camera)
    found = heat(here.site, camera, time_of(after, "after"), time_of(before, "before"), who=here.who)
    try:
        drawn = draw_heat_map(found, None if latest is None else latest.pixels(), of)
    except ImportError as error:
        raise Refused(501, "There are no plots here", "Install matplotlib on the machine that serves.") from error
    return Response(drawn, media_type="image/png")


routes.add("/cameras/{name}", camera, Role.VIEWER)
routes.add("/cameras/{name}/picture.jpg", picture, Role.VIEWER)
routes.add("/cameras/{name}/live.jpg", live, Role.VIEWER)
routes.add("/cameras/{name}/heat.png", heat_map, Role.VIEWER)
