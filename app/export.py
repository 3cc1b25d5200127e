"""What a site holds, as files that other programs read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.asking import this_user
from app.encoders.export import export_model
from app.record import Site
from app.report.motchallenge import export_rows
from app.terminal import SITE, JsonOption, SiteOption, group, output, print_json
from trackers.segments import Kind

commands = group("Write what a site holds as files that other programs read.")


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
    with Site.open_to_write(site) as opened:
        report = export_model(opened, out, version, variant.value, who=this_user())
    if as_json:
        print_json(report)
    else:
        output.print(f"{report.model} ({variant}) in {out}, {report.bytes / 1e6:.1f} MB, SHA-256 {report.sha256}")


def _export(out: Path, site: Path, kind: Kind | None, as_json: bool) -> None:
    with Site.open_to_write(site) as opened:
        report = export_rows(opened, out, kind=kind, who=this_user())
    if as_json:
        print_json(report)
    else:
        output.print(f"{len(report.files)} files, {report.boxes:,} boxes in {out}")


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
