"""What is in a site, whether all of it is sound, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Annotated

import typer

from app.asking import this_user
from app.errors import SiteError
from app.record import Site
from app.record.camera_summaries import camera_summaries, unwatched
from app.record.database import FILE
from app.record.live_cameras import LiveRecord, out_of_step
from app.record.outages import OutageRecord, outages_of
from app.record.places import FOLDER
from app.record.rows import BoxCounts, CameraSummary
from app.record.verify import damage
from app.remarks import Remark
from app.site_places import create_command, move_command
from app.terminal import (
    SITE,
    JsonOption,
    SiteOption,
    errors,
    group,
    output,
    print_boxes,
    print_errors,
    print_json,
    print_remarks,
    table,
)
from reid.foreign import visible
from reid.progress import Bars


@dataclass(frozen=True, slots=True)
class SiteReport:
    """A site at a glance."""

    site: str
    cameras: list[CameraSummary]
    hours: float  # of footage
    tracklets: int
    crops: int
    cannot_link: int  # pairs of tracklets known to be different people
    bytes: int  # on disk or in a store, of which:
    database_bytes: int
    crop_bytes: int
    detectors: list[str]  # name and SHA-256 of every detector whose boxes are in the site
    models: list[str] = field(default_factory=list)  # versions of its encoder
    verified: bool = False
    damage: list[str] = field(default_factory=list)  # what --verify found
    remarks: list[Remark] = field(default_factory=list)  # what ingest told of the folders of footage
    repaired: list[str] = field(default_factory=list)  # what --repair did
    outages: list[OutageRecord] = field(default_factory=list)  # of live cameras, the latest first
    unwatched: list[str] = field(default_factory=list)  # live cameras that nobody follows just now
    places: str = ""  # where the record and the pictures are, if elsewhere than in the folder


def describe(site: Site, *, verify: bool = False) -> SiteReport:
    """Counts what a site holds. With `verify` every row and every file is read and checked.

    Raises SiteError where it is too damaged to be counted. With `verify` nothing is counted then.
    """
    found = list(damage(site)) if verify else []
    try:
        return replace(_counted(site), verified=verify, damage=found)
    except SiteError:
        if not found:
            raise
        return SiteReport(str(site.path), [], 0.0, 0, 0, 0, 0, 0, 0, [], verified=True, damage=found)


def _counted(site: Site) -> SiteReport:
    cameras = camera_summaries(site)
    sizes = dict(_files(site.path))
    crop_bytes = sum(size for path, size in sizes.items() if path.is_relative_to(site.path / "crops"))
    places = site.database.places
    elsewhere = 0 if places.store == FOLDER else sum(c.crop_bytes for c in cameras)
    detectors = {
        f"{s['detector']} {s['sha256'] or ''}".strip() for f in site.footage() if (s := f.settings) is not None
    }
    return SiteReport(
        site=str(site.path),
        cameras=cameras,
        hours=sum(c.hours for c in cameras),
        tracklets=sum(c.tracklets for c in cameras),
        crops=sum(c.crops for c in cameras),
        cannot_link=len(site.cannot_link()),
        bytes=sum(sizes.values()) + elsewhere,
        database_bytes=sum(size for path, size in sizes.items() if path.name.startswith(FILE)),
        crop_bytes=crop_bytes + elsewhere,
        detectors=sorted(detectors),
        remarks=site.remarks(),
        outages=outages_of(site.database),
        unwatched=unwatched(site),
        places="" if (places.record, places.store) == (FOLDER, FOLDER) else str(places),
        models=sorted(p.name for p in (site.path / "models").glob("*") if p.is_dir()),
    )


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Files with their sizes. Others may remove some meanwhile."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            status = path.stat()
            if S_ISREG(status.st_mode):
                yield path, status.st_size


commands = group("Show what a site holds, make one whose record or pictures are elsewhere, or move them.")
commands.info.no_args_is_help = False
commands.command("create")(create_command)
commands.command("move")(move_command)


@commands.callback(invoke_without_command=True)
def command(
    context: typer.Context,
    site: SiteOption = SITE,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read and check every row and file; exit 1 if any is damaged.")
    ] = False,
    mend: Annotated[
        bool, typer.Option("--repair", help="Drop what is lost, make again what derives from the rest, then verify.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a site holds. With a command after it, make one that is elsewhere than in its folder, or move it."""
    if context.invoked_subcommand is None:
        show(site, verify=verify, mend=mend, as_json=as_json)


def show(site: Path, *, verify: bool = False, mend: bool = False, as_json: bool = False) -> None:
    """Shows what a site holds. Raises typer.Exit, with 1 if anything is damaged."""
    repaired = []
    if mend:
        from app.encoders.repair import repair  # it brings the encoder, which nobody else here waits for

        with Site.open_to_write(site) as opened, Bars(errors) as progress:
            repaired = repair(opened, who=this_user(), progress=progress)
    with Site.open(site) as opened:
        report = replace(describe(opened, verify=verify or mend), repaired=repaired)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise typer.Exit(1 if report.damage else 0)


def _print(report: SiteReport) -> None:
    camera_table = table(
        "camera",
        "footage",
        "from (UTC)",
        "to",
        "known by",
        "hours",
        "tracks",
        "tracklets",
        "sightings",
        "crops",
        "MB",
        "errors",
        left=("camera", "from (UTC)", "to", "known by"),
    )
    for c in report.cameras:
        camera_table.add_row(
            c.camera,
            str(c.footage),
            _moment(c.start),
            _moment(c.end),
            ", ".join(map(str, c.starts)),
            f"{c.hours:.2f}",
            f"{c.tracks:,}",
            f"{c.tracklets:,}",
            f"{c.sightings:,}",
            f"{c.crops:,}",
            f"{c.crop_bytes / 1e6:.1f}",
            str(len(c.errors)),
        )
    output.print(camera_table)
    for c in report.cameras:
        print_errors(c.camera, c.errors)
        print_remarks(c.remarks, f"{c.camera}: ")
    print_remarks(report.remarks)
    _print_live(report)
    for outage in report.outages:
        until = "still" if outage.end is None else f"{outage.end - outage.start:.0f} s"
        output.print(f"{visible(outage.camera)}: away at {_moment(outage.start)}, {until}: {visible(outage.reason)}")
    output.print(
        f"{report.tracklets:,} tracklets, {report.crops:,} crops, {report.cannot_link:,} pairs of different people"
    )
    print_boxes(sum((camera.boxes for camera in report.cameras), BoxCounts()))
    output.print(
        f"{report.bytes / 1e6:.1f} MB on disk ({report.crop_bytes / 1e6:.1f} crops, {report.database_bytes / 1e6:.1f} "
        "record)"
    )
    if report.places:
        output.print(f"elsewhere than in its folder: {visible(report.places)}")
    for detector in report.detectors:
        output.print(f"detector {detector}")
    output.print(f"models: {', '.join(report.models) or 'none yet'}")
    for sentence in report.repaired:
        output.print(f"Repaired: {sentence}")
    for sentence in report.damage:
        output.print(f"Damaged: {sentence}")
    if report.verified and not report.damage:
        output.print("Every row and every file is sound.")


def _print_live(report: SiteReport) -> None:
    """How live cameras do, and what somebody should know of them."""
    states = [camera.live for camera in report.cameras if camera.live is not None]
    for state in states:
        output.print(f"{visible(state.camera)}: {visible(_live(state))}")
        for warning in state.warnings:
            output.print(f"{visible(state.camera)}: {visible(warning)}")
    if apart := out_of_step(states):
        output.print(visible(apart))
    for name in report.unwatched:
        output.print(f"{visible(name)}: nobody watches it: run `python -m app.watch`, or `python -m app.serve`")


def _live(state: LiveRecord) -> str:
    if state.away:
        return f"away since {_moment(state.away_since)}: {state.away}"
    told = (
        f"live since {_moment(state.since)}, {state.rate:.1f} of {state.offered:.1f} frames a second, "
        f"{state.skipped:,} skipped, {state.width} x {state.height}, {state.decoder}"
    )
    if state.ahead is not None:
        told += f", its clock {abs(state.ahead):.2f} s {'ahead' if state.ahead >= 0 else 'behind'}"
    if state.drift is not None:
        told += f", its stamps {abs(state.drift):.1f} s a day {'fast' if state.drift >= 0 else 'slow'}"
    return told


def _moment(time: float | None) -> str:
    return "–" if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
