"""Where else was this person? A still, or a tracklet of the site, against all that the site saw."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.asking import this_user
from app.record import Site
from app.record.private_files import check_writable
from app.search.matches import Match, groups, percent
from app.search.query import QueryReport, query, view
from app.search.searcher import Answer, Box, Wish
from app.search.still import Still, read_still
from app.terminal import SITE, JsonOption, SiteOption, errors, moment, output, print_json, print_remarks
from reid.progress import Bars

ID_DIGITS = 18  # of a tracklet. The record's numbers have 63 bits


def command(
    still: Annotated[str, typer.Argument(help="A picture: a whole scene or a crop; or the id of a tracklet.")],
    site: SiteOption = SITE,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be repeated.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Only who was there at or after this time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only who was there before this time.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When the still was taken, with --in: leaves out the impossible.")
    ] = None,
    inside: Annotated[str | None, typer.Option("--in", help="The camera of the site that took the still.")] = None,
    top: Annotated[int, typer.Option(help="How many tracklets.", min=1, max=1000)] = 20,
    person: Annotated[int | None, typer.Option(help="Only this one of several people, from 1.", min=1)] = None,
    box: Annotated[str | None, typer.Option(help="Where the person is: x1,y1,x2,y2 in pixels.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="The picture as it is shows the person.")] = False,
    rerank: Annotated[bool, typer.Option("--rerank", help="k-reciprocal re-ranking of the best.")] = False,
    expand: Annotated[bool, typer.Option("--expand", help="Search again with sure matches beside the still.")] = False,
    detector: Annotated[str, typer.Option(help="What finds people in the still; as for ingest.")] = "shipped",
    reason: Annotated[str, typer.Option(help="Why, for the audit. A site may demand it.")] = "",
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report here.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet (PNG) here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find a person in all cameras from one still. Every query is noted in the site's audit."""
    if box is not None and whole:
        raise typer.BadParameter("give --box or --whole, not both.", param_hint="--box")
    if (at is None) != (inside is None):
        raise typer.BadParameter("--at and --in tell when and where the still was taken: give both.", param_hint="--at")
    check_writable(*(path for path in (report, sheet) if path is not None))
    wish = Wish(
        tuple(camera or ()),
        moment(begin, "--from"),
        moment(end, "--to"),
        moment(at, "--at"),
        inside,
        top,
        rerank,
        expand,
    )
    asked_for = _asked_for(still)
    where = _box(box)
    with Site.open_to_write(site) as opened:
        try:
            with Bars(errors) as progress:
                answered, picture = query(
                    opened,
                    asked_for,
                    wish,
                    person=person,
                    box=where,
                    whole=whole,
                    detector=detector,
                    who=this_user(),
                    reason=reason,
                    progress=progress,
                )
        except LookupError as error:
            output.print(f"{error.args[0]}")
            raise typer.Exit(1) from error
        if report is not None or sheet is not None:
            pages = view(opened, answered, picture)
            if report is not None:
                from app.report.query_page import write_report

                write_report(pages, report)
            if sheet is not None:
                from app.report.query_sheet import write_sheet

                write_sheet(pages, sheet)
    if as_json:
        print_json(_plain(answered))
    else:
        for number, answer in enumerate(answered.people, 1):
            _print(answer, number if len(answered.people) > 1 else None)
        print_remarks(answered.remarks)


def _asked_for(text: str) -> Still | int:
    """The still of that name, or the id of a tracklet where there is no such file."""
    if text.isdecimal() and len(text) <= ID_DIGITS and not Path(text).exists():
        return int(text)
    return read_still(Path(text))


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        x1, y1, x2, y2 = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not x1,y1,x2,y2 in pixels.", param_hint="--box") from error
    return x1, y1, x2, y2


def _plain(report: QueryReport) -> dict[str, Any]:
    """Without pictures."""
    names = [name for name in Match.__dataclass_fields__ if name != "crops"]
    people = [
        {
            **{name: getattr(answer, name) for name in ("box", "seen", "finding", "verdict", "gallery")},
            "matches": [{name: getattr(match, name) for name in names} for match in answer.matches],
        }
        for answer in report.people
    ]
    return {
        **{name: getattr(report, name) for name in ("site", "model", "still", "asked", "filters")},
        "people": people,
        "remarks": [asdict(remark) for remark in report.remarks],
    }


def _print(answer: Answer, number: int | None) -> None:
    if number is not None:
        where = "" if answer.box is None else " at " + ",".join(f"{side:.0f}" for side in answer.box)
        output.print(f"Person {number}{where}", style="bold")
    output.print(answer.verdict)
    for person in groups(answer.matches):
        name = "not merged" if person.number is None else f"identity {person.number}"
        output.print(f"{name}: {percent(person.probability)}")
        for match in person.matches:
            start, end = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(t)) for t in (match.start, match.end))
            output.print(
                f"  {percent(match.probability):>6}  {match.similarity:.3f}  {match.camera:<14} {start}–{end[11:]} UTC"
                f"  {match.name}"
            )


if __name__ == "__main__":
    from app.terminal import run

    run(command)
