"""How well a site counts people, against truth that somebody has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.areas import Area, AreaKind
from app.errors import SiteError
from app.movement.areas import movement_of
from app.movement.flow import Flow, Interval, Times, flow_of
from app.movement.paths import Paths, paths_in, paths_of
from app.movement.people import People
from app.movement.sizes import Size, sizes_of
from app.movement.stays import Stays, seen_in, stays_of
from app.record import Site
from app.remarks import Remark
from app.report.motchallenge import frame_times, read_files, truth_files
from trackers.motchallenge import FRAME, ID, LEFT, WIDTH, Rows
from trackers.visits import FrameTimes, Visit, visits_of

AREAS = (  # of each camera, to count in
    Area(AreaKind.zone, "left half", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))),
    Area(AreaKind.zone, "right half", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))),
    Area(AreaKind.line, "upright", ((0.5, 1.0), (0.5, 0.0))),
    Area(AreaKind.line, "level", ((0.0, 0.6), (1.0, 0.6))),
)


@dataclass(frozen=True, slots=True)
class FlowScores:
    """Errors of counts and times. Shares are 0…1, of what is true."""

    cameras: list[str]
    true_people: int
    people: People
    true_stays: int
    stays: int
    count_error: float
    """People a camera and interval: the sum of differences, of the sum of true counts."""
    interval: Interval
    true_ways: int
    ways: int
    way_error: float
    """Ways from camera to camera: half of the sum of differences of shares, 0 where all go as they truly do.

    1 where only one of the two has ways.
    """
    transit_error: float | None
    """s, of the median a way, weighted by how many truly went there. None where no way is in both."""
    length_error: float
    """s, of the median stay a camera, weighted by true stays."""
    true_zone_people: int
    """People a zone and interval, summed. Zones are the halves of each camera's picture."""
    zone_people: int
    zone_error: float
    """As `count_error`."""
    true_crossings: int
    """Over lines through the middle of each camera's picture, upright and level."""
    crossings: int
    crossing_error: float
    """By line, direction and interval: the sum of differences, of the sum of true crossings."""
    remarks: list[Remark]


def evaluate_flow(site: Site, truth: Path, by: Interval = Interval.minute) -> FlowScores:
    """Compares what a site counts with `truth/<camera>/gt/gt.txt`, where people are numbered alike in all cameras.

    Who truly was there is told by visits, see `trackers.visits`.

    Raises:
        FootageError: there is no truth.
        SiteError: the site has none of its cameras, or nobody came.
    """
    seen = seen_in(site)
    stays = seen.stays()
    sizes, guessed = sizes_of(site, site.footage(), seen.ids)
    true, true_paths, cameras, remarks = _truth(site, truth, stays.names, sizes)
    kept = np.isin(stays.camera, [stays.names.index(name) for name in cameras])
    stays = Stays(stays.person[kept], stays.camera[kept], stays.start[kept], stays.end[kept], stays.names)
    if not len(true) or not len(stays):
        raise SiteError(f"The site at {site.path} or {truth} has nobody, so there is nothing to compare.")
    begin = min(float(stays.start.min()), float(true.start.min()))
    end = max(float(stays.end.max()), float(true.end.max())) + 1e-3
    areas = dict.fromkeys(cameras, AREAS)
    counted, exact = (
        flow_of(each, begin, end, by, areas=movement_of(paths, stays.names, areas, guessed))
        for each, paths in ((stays, paths_in(site, seen, sizes)), (true, true_paths))
    )
    return FlowScores(
        cameras=cameras,
        true_people=len(np.unique(true.person)),
        people=counted.people,
        true_stays=len(true),
        stays=len(stays),
        count_error=_count_error(counted, exact),
        interval=by,
        true_ways=sum(way.seconds.count for way in exact.ways),
        ways=sum(way.seconds.count for way in counted.ways),
        way_error=_way_error(counted, exact),
        transit_error=_time_error(_by_way(counted), _by_way(exact)),
        length_error=_time_error(_by_camera(counted), _by_camera(exact)) or 0.0,
        true_zone_people=sum(count.people for count in exact.zones),
        zone_people=sum(count.people for count in counted.zones),
        zone_error=_difference([count.people for count in counted.zones], [count.people for count in exact.zones]),
        true_crossings=sum(_by_direction(exact)),
        crossings=sum(_by_direction(counted)),
        crossing_error=_difference(_by_direction(counted), _by_direction(exact)),
        remarks=remarks,
    )


def _truth(
    site: Site, truth: Path, names: tuple[str, ...], sizes: Mapping[int, Size]
) -> tuple[Stays, list[Paths], list[str], list[Remark]]:
    """Stays and paths of true people in those of the site's cameras that have truth.

    A path is a visit: all of a person's boxes from its first frame in sight to its last, also those where somebody
    stands before them.
    """
    files = truth_files(truth)
    cameras = [name for name in names if name in files]
    if not cameras:
        raise SiteError(f"The site at {site.path} has none of the cameras {', '.join(files)} that {truth} knows.")
    rows_by_camera, remarks = read_files({name: files[name] for name in cameras}, "truth")
    seen: list[tuple[int, int, float, float]] = []
    paths: list[Paths] = []
    for name, rows in rows_by_camera.items():
        times = frame_times(site, name, int(rows[:, FRAME].max(initial=0)))
        if times is None:
            continue
        camera = names.index(name)
        visits = visits_of(rows, times)
        seen += [
            (visit.person, camera, float(times.begin[visit.first - 1]), float(times.end[visit.last - 1]))
            for visit in visits
        ]
        size = np.array(sizes[site.footage(name)[0].id])
        paths += [_true_path(visit, camera, rows, times, size) for visit in visits]
    columns = np.array(seen, np.float64).reshape(-1, 4)
    person, camera_of = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
    return stays_of(person, camera_of, columns[:, 2], columns[:, 3], names), paths, cameras, remarks


def _true_path(visit: Visit, camera: int, rows: Rows, times: FrameTimes, size: NDArray[np.float64]) -> Paths:
    of_visit = (rows[:, ID] == visit.person) & (rows[:, FRAME] >= visit.first) & (rows[:, FRAME] <= visit.last)
    own = rows[of_visit]
    own = own[np.argsort(own[:, FRAME], kind="stable")]
    left_top, extent = own[:, LEFT : LEFT + 2], own[:, WIDTH : WIDTH + 2]
    return paths_of(
        np.array([visit.person]),
        np.array([camera]),
        np.zeros(len(own), np.int64),
        times.begin[own[:, FRAME].astype(np.int64) - 1],
        np.concatenate([left_top, left_top + extent], 1),
        np.broadcast_to(size, (len(own), 2)),
    )


def _count_error(counted: Flow, exact: Flow) -> float:
    return _difference([count.people for count in counted.counts], [count.people for count in exact.counts])


def _by_direction(flow: Flow) -> list[int]:
    return [number for count in flow.lines for number in (count.to_right, count.to_left)]


def _difference(counted: Sequence[int], exact: Sequence[int]) -> float:
    """The sum of differences, of the sum of what is true. 0 where nothing is and nothing was counted."""
    differences = sum(abs(a - b) for a, b in zip(counted, exact, strict=True))
    return differences / sum(exact) if sum(exact) else float(differences > 0)


def _way_error(counted: Flow, exact: Flow) -> float:
    if not counted.ways or not exact.ways:
        return float(len(counted.ways) != len(exact.ways))
    shares: list[dict[tuple[str, str], float]] = []
    for flow in (counted, exact):
        total = sum(way.seconds.count for way in flow.ways)
        shares.append({(way.origin, way.destination): way.seconds.count / total for way in flow.ways})
    ours, true = (defaultdict(float, share) for share in shares)
    return sum(abs(ours[way] - true[way]) for way in {*ours, *true}) / 2


def _by_way(flow: Flow) -> dict[tuple[str, str], Times]:
    return {(way.origin, way.destination): way.seconds for way in flow.ways}


def _by_camera(flow: Flow) -> dict[tuple[str, str], Times]:
    return {(length.camera, ""): length.seconds for length in flow.lengths}


def _time_error(counted: dict[tuple[str, str], Times], exact: dict[tuple[str, str], Times]) -> float | None:
    """Mean difference of medians, weighted by true counts. None where no key is in both."""
    both = counted.keys() & exact.keys()
    total = sum(exact[key].count for key in both)
    if not total:
        return None
    return sum(exact[key].count * abs(counted[key].median - exact[key].median) for key in both) / total
