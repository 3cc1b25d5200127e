"""A site's tracks and tracklets as MOTChallenge text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.record import Site
from trackers.motchallenge import Rows, to_rows, write_rows
from trackers.tracklets import Kind


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    files: list[str]
    boxes: int


def track_rows(site: Site, camera: str) -> Rows:
    """MOTChallenge rows of one camera's tracks. Tracks with a single box were tentative and are left out."""
    rows = _rows(site, camera, None)
    ids, boxes = np.unique(rows[:, 1], return_counts=True)
    return rows[np.isin(rows[:, 1], ids[boxes > 1])]


def tracklet_rows(site: Site, camera: str) -> Rows:
    """MOTChallenge rows of one camera's tracklets."""
    return _rows(site, camera, Kind.TRACKLET)


def _rows(site: Site, camera: str, kind: Kind | None) -> Rows:
    """Frames are counted from 1 over all of a camera's footage in the order of time; ids: track or tracklet numbers."""
    before, offset = {}, 0
    for footage in site.footage(camera):
        before[footage.id] = offset
        offset += footage.source_frames
    parts = [np.zeros((0, 7))]
    for segment in site.segments(camera, kind=kind):
        found = site.boxes(segment.id)
        number = segment.track if kind is None else segment.number
        parts.append(
            to_rows(
                found.frames + before[segment.footage_id] + 1,
                np.full(segment.length, number),
                found.boxes,
                found.scores,
            )
        )
    rows = np.concatenate(parts)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def export_rows(site: Site, out: Path, *, kind: Kind | None) -> ExportReport:
    """Writes `out/<camera>.txt` for every camera: tracks, or with a kind only those segments."""
    files, boxes = [], 0
    for camera in site.cameras():
        rows = track_rows(site, camera.camera) if kind is None else tracklet_rows(site, camera.camera)
        path = out / f"{camera.camera}.txt"
        write_rows(path, rows)
        files.append(str(path))
        boxes += len(rows)
    return ExportReport(files, boxes)
