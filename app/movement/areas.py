"""What goes on in the zones and at the lines of a site: who is in which zone and when, and who crosses which line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.areas import Area, AreaKind
from app.movement.lines import Crossings, crossings
from app.movement.paths import Paths, paths_in
from app.movement.sizes import sizes_of
from app.movement.stays import Seen, Stays, stays_of
from app.movement.zones import spells
from app.record import Site
from app.record.areas import areas_by_camera

Place = tuple[str, str]  # a camera, and the name of a zone or line on its picture


@dataclass(frozen=True, eq=False, slots=True)
class AreaMovement:
    """Stays in zones, and crossings of lines."""

    zones: tuple[Place, ...]
    stays: Stays  # their `camera` is the place in `zones`
    lines: tuple[Place, ...]
    crossings: Crossings
    guessed: tuple[str, ...] = ()
    """Cameras whose footage is all gone: how large their picture was is guessed from the boxes."""


def movement_in(site: Site, seen: Seen, begin: float, end: float) -> AreaMovement:
    """What goes on in the areas of all cameras of `seen`, of all who were there in `begin`…`end`, UTC seconds.

    Whoever stays beyond that is there with the whole stay.
    """
    drawn = areas_by_camera(site.database)
    areas = {
        name: [area for area in drawn.get(name, ()) if area.kind != AreaKind.mask]
        for name in seen.names
        if any(area.kind != AreaKind.mask for area in drawn.get(name, ()))
    }
    if not areas:
        return movement_of((), seen.names, {})
    with_areas = np.isin(seen.camera, [seen.names.index(name) for name in areas])
    there = seen.rows(with_areas & _of_visitors(seen, begin, end))
    used = set(np.unique(there.footage).tolist())
    records = [record for name in areas for record in site.footage(name) if record.id in used]
    sizes, guessed = sizes_of(site, records, seen.ids)
    return movement_of(paths_in(site, there, sizes), seen.names, areas, guessed)


def movement_of(
    pages: Iterable[Paths], names: Sequence[str], areas: Mapping[str, Sequence[Area]], guessed: Sequence[str] = ()
) -> AreaMovement:
    """What goes on in areas, by paths. names: of the paths' cameras. areas: by the name of their camera."""
    zones = [(name, area) for name in areas for area in areas[name] if area.kind == AreaKind.zone]
    lines = [(name, area) for name in areas for area in areas[name] if area.kind == AreaKind.line]
    inside: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]] = []
    crossed: list[Crossings] = []
    for page in pages:
        by_camera = {names[k]: page.of_camera(k) for k in np.unique(page.camera).tolist()}
        for number, (name, area) in enumerate(zones):
            if name in by_camera:
                person, start, end = spells(by_camera[name], area)
                inside.append((person, np.full(len(person), number, np.int64), start, end))
        for number, (name, area) in enumerate(lines):
            if name in by_camera:
                crossed.append(crossings(by_camera[name], area, number))
    empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    person, zone, start, end = (np.concatenate(column) for column in zip(empty, *inside))
    return AreaMovement(
        zones=tuple((name, area.name) for name, area in zones),
        stays=stays_of(person, zone, start, end, [area.name for _, area in zones]),
        lines=tuple((name, area.name) for name, area in lines),
        crossings=Crossings.joined(crossed),
        guessed=tuple(guessed),
    )


def _of_visitors(seen: Seen, begin: float, end: float) -> NDArray[np.bool_]:
    """All tracklets `(T,)` of people in the cameras in which a time saw them."""
    key = np.stack([seen.person, seen.camera], 1)
    _, group = np.unique(key, axis=0, return_inverse=True)
    group = group.reshape(-1)
    visited = np.zeros(len(seen.ids), bool)
    visited[group[(seen.end >= begin) & (seen.start < end)]] = True
    return visited[group]
