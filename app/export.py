"""What a site holds, as files that other programs read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from app.record import Site
from app.terminal import SITE, JsonOption, SiteOption, group, output, print_json
from trackers.motchallenge import Rows, to_rows, write_rows
from trackers.tracklets import Kind

commands = group("Write what a site holds as files that other programs read.")


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


OutArgument = Annotated[Path, typer.Argument(help="A folder; one <camera>.txt is written into it for each camera.")]


@commands.command()
def tracks(out: OutArgument, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """Write tracks as MOTChallenge text, one file a camera, frames from 1."""
    _export(out, site, None, as_json)


@commands.command()
def tracklets(out: OutArgument, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """Write tracklets as MOTChallenge text, one file a camera, frames from 1."""
    _export(out, site, Kind.TRACKLET, as_json)


def _export(out: Path, site: Path, kind: Kind | None, as_json: bool) -> None:
    with Site.open(site) as opened:
        try:
            report = export_rows(opened, out, kind=kind)
        except OSError as error:
            raise typer.BadParameter(f"{out} can't be written ({error.strerror}).", param_hint="OUT") from error
    if as_json:
        print_json(report)
    else:
        output.print(f"{len(report.files)} files, {report.boxes:,} boxes in {out}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
