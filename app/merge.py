"""Tracklets become trajectories within a camera, and trajectories identities across cameras."""

from __future__ import annotations

from typing import Annotated

import typer

from app.asking import this_user
from app.on_cluster import ClusterOption, spread_over
from app.record import Site
from app.record.rows import Correction
from app.search.merging import merge, undo
from app.search.methods import WithinCamera
from app.terminal import SITE, JsonOption, SiteOption, errors, output, print_json, table
from reid.progress import Bars


def command(
    site: SiteOption = SITE,
    method: Annotated[
        WithinCamera, typer.Option(help="Within a camera: ours, or UTAL's connected components.")
    ] = WithinCamera.constrained,
    take_back: Annotated[bool, typer.Option("--undo", help="Take back the latest merging.")] = False,
    join: Annotated[
        tuple[int, int] | None, typer.Option(help="Two tracklets show one person: kept, and merged again.")
    ] = None,
    split: Annotated[
        tuple[int, int] | None, typer.Option(help="Two tracklets show two people: kept, and merged again.")
    ] = None,
    unsure: Annotated[
        tuple[int, int] | None, typer.Option(help="Nobody knows of two tracklets: takes back what was said.")
    ] = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join tracklets into trajectories within a camera and identities across cameras. Nothing is destroyed."""
    pairs = {"join": join, "split": split, "unsure": unsure}
    if not all(0 <= tracklet < 2**63 for pair in pairs.values() for tracklet in pair or ()):
        raise typer.BadParameter("a tracklet's id has at most 63 bits.", param_hint="--join, --split, --unsure")
    said = [Correction(kind, *pair) for kind, pair in pairs.items() if pair is not None]
    with Site.open_to_write(site) as opened, spread_over(cluster) as spread, Bars(errors) as progress:
        if take_back:
            holds = undo(opened, who=this_user(), spread=spread)
            if as_json:
                print_json({"undone": True, "merged": holds})
            else:
                output.print("The latest merging is undone; " + ("the one before holds." if holds else "none is left."))
            return
        report = merge(opened, who=this_user(), method=method, corrections=said, spread=spread, progress=progress)
    if as_json:
        print_json(report)
        return
    output.print(
        f"{report.tracklets:,} tracklets → {report.trajectories:,} trajectories → {report.identities:,} identities, "
        f"{report.across:,} of them in two cameras or more" + ("" if report.changed else " (as before)")
    )
    if report.transits:
        transits = table("from", "to", "people", "median s", "10 %", "90 %", left=("from", "to"))
        for t in report.transits:
            transits.add_row(
                t["from"], t["to"], str(t["count"]), *(f"{t[key]:.1f}" for key in ("median", "p10", "p90"))
            )
        output.print(transits)


if __name__ == "__main__":
    from app.terminal import run

    run(command)
