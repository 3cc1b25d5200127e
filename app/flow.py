"""How people move through a site: how many are where, in which zone, over which line, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.asking import this_user
from app.movement.flow import Flow, Interval, Wish, flow
from app.record import Site
from app.report.flow_files import check_folder, write_flow
from app.report.heat_map import write_heat_maps
from app.report.pages import utc
from app.terminal import SITE, JsonOption, SiteOption, errors, moment, output, print_json, table
from reid.foreign import visible


def command(
    site: SiteOption = SITE,
    begin: Annotated[str | None, typer.Option("--from", help="Only from this time on, ISO 8601, UTC.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only before this time.")] = None,
    by: Annotated[Interval, typer.Option(help="Count people by intervals. They begin at round times in UTC.")] = (
        Interval.whole
    ),
    out: Annotated[
        Path | None, typer.Option("--csv", help="A folder to write tables (CSV), plots (SVG) and heat maps (PNG) into.")
    ] = (None),
    as_json: JsonOption = False,
) -> None:
    """Count people: a camera, zone, line and interval, from camera to camera, how long they stay, and how many."""
    wish = Wish(moment(begin, "--from"), moment(end, "--to"), by)
    if out is not None:
        check_folder(out)
    with Site.open_to_write(site) as opened:
        report = flow(opened, wish, who=this_user())
        if out is not None:
            drawn = write_flow(report, out)
            if not (drawn and write_heat_maps(opened, out, report.start, report.end, who=this_user())):
                errors.print("no plots and heat maps: matplotlib is not installed")
    if as_json:
        print_json(report)
    else:
        _print(report)


def _print(report: Flow) -> None:
    people, spread = report.people, ("median s", "10 %", "90 %")
    output.print(
        f"{utc(report.start, '%Y-%m-%d %H:%M:%S')} to {utc(report.end, '%Y-%m-%d %H:%M:%S')} UTC: about "
        f"{people.estimate:,} people ({people.low:,} to {people.high:,}), of {people.identities:,} identities"
    )
    if report.unmerged:
        output.print(f"{report.unmerged:,} tracklets are new since the latest merging: `app.merge` joins them")
    counts = table("from (UTC)", "camera", "people", "arrivals", left=("from (UTC)", "camera"))
    for count in report.counts:
        counts.add_row(utc(count.start, "%Y-%m-%d %H:%M:%S"), count.camera, f"{count.people:,}", f"{count.arrivals:,}")
    output.print(counts)
    lengths = table("stays in", "stays", *spread, left=("stays in",))
    for length in report.lengths:
        s = length.seconds
        lengths.add_row(length.camera, f"{s.count:,}", *(f"{t:.1f}" for t in (s.median, s.p10, s.p90)))
    output.print(lengths)
    ways = table("from", "to", "ways", *spread, left=("from", "to"))
    for way in report.ways:
        s = way.seconds
        ways.add_row(way.origin, way.destination, f"{s.count:,}", *(f"{t:.1f}" for t in (s.median, s.p10, s.p90)))
    output.print(ways)
    if report.zones:
        zones = table("from (UTC)", "zone", "camera", "people", "arrivals", left=("from (UTC)", "zone", "camera"))
        for zone in report.zones:
            since = utc(zone.start, "%Y-%m-%d %H:%M:%S")
            zones.add_row(since, zone.zone, zone.camera, f"{zone.people:,}", f"{zone.arrivals:,}")
        output.print(zones)
        stays = table("stays in zone", "camera", "stays", *spread, left=("stays in zone", "camera"))
        for each in report.zone_lengths:
            s = each.seconds
            stays.add_row(each.zone, each.camera, f"{s.count:,}", *(f"{t:.1f}" for t in (s.median, s.p10, s.p90)))
        output.print(stays)
    if report.lines:
        lines = table(
            "from (UTC)",
            "line",
            "camera",
            "to the right",
            "to the left",
            "people",
            left=("from (UTC)", "line", "camera"),
        )
        for line in report.lines:
            since, crossed = utc(line.start, "%Y-%m-%d %H:%M:%S"), (line.to_right, line.to_left, line.people)
            lines.add_row(since, line.line, line.camera, *(f"{number:,}" for number in crossed))
        output.print(lines)
    for name in report.guessed:
        errors.print(
            f"{visible(name)}: its footage is gone, so where its zones and lines lie is guessed from the boxes"
        )


if __name__ == "__main__":
    from app.terminal import run

    run(command)
