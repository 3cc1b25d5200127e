"""What is drawn on cameras' pictures, in the record.

The site keeps what was drawn. `site.toml` adds what the site has not, by name, and changes nothing that is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from sqlalchemy import delete, func, select

from app.areas import MOST_AREAS, Area, AreaError, AreaKind, Point
from app.errors import SiteError
from app.record.audit import add_entry
from app.record.checksums import insert_rows, update_row
from app.record.database import Database
from app.record.rows import AuditEntry
from app.record.schema import areas, cameras
from app.remarks import Remark

_AREAS = (
    select(cameras.c.name.label("camera"), areas.c.kind, areas.c.name, areas.c.points)
    .join_from(areas, cameras)
    .order_by(areas.c.camera_id, areas.c.id)
)


def areas_by_camera(database: Database) -> dict[str, list[Area]]:
    """All drawings by their camera's name, in the order in which they came. Raises SiteError where one is damaged."""
    drawn: dict[str, list[Area]] = {}
    for row in database.all(_AREAS):
        try:
            points = tuple((float(x), float(y)) for x, y in database.json(row.points, "areas"))
            area = Area(AreaKind(row.kind), row.name, points).checked()
        except (TypeError, ValueError) as error:
            raise database.damaged(f"the drawing {row.name!r} of {row.camera}") from error
        drawn.setdefault(row.camera, []).append(area)
    return drawn


def areas_of(database: Database, camera: str) -> list[Area]:
    """A camera's drawings."""
    return areas_by_camera(database).get(camera, [])


def draw_area(database: Database, camera: str, area: Area, who: str, *, instead_of: str | None = None) -> Area:
    """Writes a drawing, in the place of that of the same name, and notes who drew it. Returns it as it was written.

    instead_of: the name of the drawing that it takes the place of, where that had another one.

    Raises SiteError where it makes no sense, has the name of yet another one, or the site has no such camera.
    """
    try:
        area = area.checked()
    except AreaError as error:
        raise SiteError(str(error)) from error
    values = {"kind": str(area.kind), "name": area.name, "points": json.dumps(area.points)}
    with database.transaction():
        camera_id = _camera_id(database, camera)
        number = _number(database, camera_id, area.name)
        if instead_of is not None and instead_of != area.name:
            if number is not None:
                raise SiteError(f"There is a drawing {area.name!r} on {camera} already: give this one another name.")
            number = _number(database, camera_id, instead_of)
        if number is not None:
            update_row(database, areas, number, values)
        else:
            _insert(database, camera_id, values)
        details = {"camera": camera, **values, "points": area.points}
        add_entry(database, AuditEntry(time.time(), who, "draw area", details))
    return area


def remove_area(database: Database, camera: str, name: str, who: str) -> bool:
    """Removes a drawing and notes who did. False where there is none of that name."""
    with database.transaction():
        number = _number(database, _camera_id(database, camera), name)
        if number is None:
            return False
        database.execute(delete(areas).where(areas.c.id == number))
        add_entry(database, AuditEntry(time.time(), who, "remove area", {"camera": camera, "name": name}))
    return True


def add_missing_areas(database: Database, camera: str, given: Sequence[Area], who: str) -> list[Remark]:
    """Writes those of `given`, which `site.toml` names, that the camera has not. What it has stays as it is.

    Returns what is to be told: which the site has otherwise.
    """
    other = []
    with database.transaction():
        camera_id = _camera_id(database, camera)
        there = {area.name: area for area in areas_of(database, camera)}
        for area in given:
            if area.name not in there:
                values = {"kind": str(area.kind), "name": area.name, "points": json.dumps(area.points)}
                _insert(database, camera_id, values)
                details = {"camera": camera, **values, "points": area.points, "from": "site.toml"}
                add_entry(database, AuditEntry(time.time(), who, "draw area", details))
            elif there[area.name] != area:
                other.append(area.name)
    if not other:
        return []
    why = "The site's stay. Remove one from its camera's page to have that of site.toml."
    return [Remark(f"zones and lines of {camera} that site.toml has otherwise ({', '.join(other)})", len(other), why)]


def drawn_masks(database: Database, camera: str) -> tuple[tuple[Point, ...], ...]:
    """The polygons that were drawn on a camera's picture, in which people are left out."""
    return tuple(area.points for area in areas_of(database, camera) if area.kind == AreaKind.mask)


def masks_in_force(database: Database, camera: str) -> list[tuple[Point, ...]]:
    """The mask with which a camera's footage was last taken in: in pixels, or shares where no number is above 1."""
    row = database.first(select(cameras.c.mask).where(cameras.c.name == camera))
    polygons = [] if row is None else database.json(row.mask, "cameras") or []
    return [tuple((float(x), float(y)) for x, y in polygon) for polygon in polygons]


def _insert(database: Database, camera_id: int, values: dict[str, str]) -> None:
    count = database.first(select(func.count()).where(areas.c.camera_id == camera_id))
    if count is not None and count[0] >= MOST_AREAS:
        raise SiteError(f"A camera has at most {MOST_AREAS} zones, lines and masks: remove one first.")
    insert_rows(database, areas, [{"id": database.next_id(areas), "camera_id": camera_id, **values}])


def _camera_id(database: Database, camera: str) -> int:
    row = database.first(select(cameras.c.id).where(cameras.c.name == camera))
    if row is None:
        raise SiteError(f"The site has no camera {camera!r}: the page Cameras lists those that there are.")
    return int(row.id)


def _number(database: Database, camera_id: int, name: str) -> int | None:
    row = database.first(select(areas.c.id).where(areas.c.camera_id == camera_id, areas.c.name == name))
    return None if row is None else int(row.id)
