"""What a site holds, as files that other programs read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from app.errors import SiteError
from app.record import Site
from app.terminal import SITE, JsonOption, SiteOption, group, output, print_json
from reid.whole_file import whole_file
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


class Variant(StrEnum):
    """Of a model's file."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


@commands.command()
def model(
    out: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    site: SiteOption = SITE,
    version: Annotated[str | None, typer.Option("--model", help="base, v1, …; default: the one that serves.")] = None,
    variant: Annotated[
        Variant, typer.Option(help="fp16 is half as large; int8 faster where the CPU has VNNI, and a little worse.")
    ] = Variant.fp32,
    as_json: JsonOption = False,
) -> None:
    """The site's encoder as one ONNX file: uint8 RGB crops (N, height, width, 3) in, embeddings of length 1 out."""
    with Site.open(site) as opened:
        report = export_model(opened, out, version, variant.value)
    if as_json:
        print_json(report)
    else:
        output.print(
            f"{report.model} ({variant}) in {out}, {report.bytes / 1e6:.1f} MB, SHA-256 {report.sha256}", markup=False
        )


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What was written."""

    model: str
    path: str
    variant: str
    bytes: int
    sha256: str


def export_model(
    site: Site, out: Path, version: str | None = None, variant: Literal["fp32", "fp16", "int8"] = "fp32"
) -> ModelFile:
    """Writes a version's ONNX file, or a smaller variant of it, calibrated on the site's crops. Raises SiteError."""
    from app import models

    known = models.serving(site) if version is None else models.find(site, version)
    encoder = models.open_model(site, known)  # checks that the file is what was deployed
    source = models.folder_of(site, known.name) / models.ONNX
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if variant == "fp32":
            with whole_file(out) as part:
                shutil.copyfile(source, part)
        else:
            from deploy.export import CALIBRATION, ExportError
            from deploy.export import variant as write_variant

            try:
                write_variant(source, out, variant, _some_crops(site, CALIBRATION, encoder.size))
            except ExportError as error:
                raise SiteError(f"{error}.") from error
    except OSError as error:
        raise SiteError(f"{out} can't be written ({error.strerror}).") from error
    return ModelFile(known.name, str(out), variant, out.stat().st_size, models.digest(out))


def _some_crops(site: Site, count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crops of tracklets spread over the site, `(n, height, width, 3)`."""
    from app.embed import read_crops
    from reid.tracklets import decode_crops

    ids = site.tracklet_table().ids
    chosen = ids[np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int))] if len(ids) else ids
    return decode_crops([jpegs[len(jpegs) // 2] for _, jpegs in read_crops(site, chosen) if jpegs], *size)


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
