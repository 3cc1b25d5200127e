"""Tracklets as rows of crops: one look tells whether each row is one person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.asking import this_user
from app.record import Site
from app.report.contact_sheet import contact_sheet
from app.terminal import SITE, JsonOption, SiteOption, output, print_json


def command(
    out: Annotated[Path, typer.Argument(help="The PNG to write.")],
    site: SiteOption = SITE,
    camera: Annotated[str | None, typer.Option(help="Only this camera.")] = None,
    rows: Annotated[int, typer.Option(help="At most about this many tracklets, spread evenly.", min=1, max=400)] = 60,
    columns: Annotated[int, typer.Option(help="Crops a row.", min=1, max=32)] = 12,
    as_json: JsonOption = False,
) -> None:
    """Draw tracklets as rows of crops, by camera and time."""
    if out.suffix.lower() != ".png":
        raise typer.BadParameter(f"{out} must end in .png.", param_hint="OUT")
    with Site.open_to_write(site) as opened:
        sheet = contact_sheet(opened, out, who=this_user(), camera=camera, rows=rows, columns=columns)
    if as_json:
        print_json(sheet)
    else:
        output.print(f"{sheet.path}: {sheet.tracklets} of {sheet.of} tracklets")


if __name__ == "__main__":
    from app.terminal import run

    run(command)
