"""Footage becomes a site of pure tracklets: the main job."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.asking import this_user
from app.engine.executor import Executor, ThisProcess
from app.engine.following import Thinning
from app.engine.ingest import IngestReport, ingest
from app.footage import site_config, survey
from app.footage.plan import Plan, plan
from app.on_cluster import ClusterOption, ray_wanted
from app.record.rows import BoxCounts
from app.report.draw import check_folder, draw_cameras
from app.terminal import (
    SITE,
    JsonOption,
    SiteOption,
    errors,
    moment,
    output,
    print_boxes,
    print_errors,
    print_json,
    print_remarks,
    table,
)
from reid.progress import Bars
from trackers import TRACKERS


def command(
    videos: Annotated[
        Path, typer.Argument(help="A folder of footage (a video file or a sub-folder is a camera), or one file.")
    ],
    site: SiteOption = SITE,
    detector: Annotated[
        str,
        typer.Option(
            help="auto, shipped, a .onnx or .pt file, an ultralytics or torchvision model name, or mot:PATH with "
            "public detections. auto: what site.toml names, else ultralytics weights on this machine, else shipped."
        ),
    ] = "auto",
    download: Annotated[
        bool, typer.Option("--download", help="Allow the detector's library to download weights.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Where the detector runs: cpu, cuda, cuda:1; default: CUDA where it works.")
    ] = None,
    person_class: Annotated[
        str | None,
        typer.Option(
            help="Which of the detector's classes is a person, by number or name; needed where its file names none."
        ),
    ] = None,
    tracker: Annotated[
        str | None,
        typer.Option(help=f"One of: {', '.join(TRACKERS)}; default: what the site's footage has, else {TRACKERS[0]}."),
    ] = None,
    every: Annotated[int, typer.Option(help="Look at every N-th frame only.", min=1)] = 1,
    fps: Annotated[float | None, typer.Option(help="Look at F frames a second only (not with --every).")] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", help="Leave out what was before this time (ISO 8601; UTC unless it has an offset)."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Leave out what was from this time on.")] = None,
    start: Annotated[
        str | None, typer.Option(help="When footage started that tells it neither by its name nor inside.")
    ] = None,
    cameras: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Which part of a path below VIDEOS names the camera, as '{camera}/%Y-%m-%d/%H/%M.%S*': times as in "
            "strftime, * is anything; default: what site.toml says, else the parts that tell no time.",
        ),
    ] = None,
    show_plan: Annotated[
        bool,
        typer.Option("--plan", help="Only show which files would become which camera's, and from when to when."),
    ] = False,
    config: Annotated[Path | None, typer.Option(help="A site.toml; default: the one in the footage folder.")] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Take in again, from the beginning, footage that changed or was "
            "ingested with other settings; what came from it before is removed.",
        ),
    ] = False,
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An encoder for a new site to serve with, as `models add` takes it."),
    ] = None,
    cluster: ClusterOption = None,
    draw: Annotated[
        Path | None, typer.Option(help="Also write each camera's video with boxes and track ids here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn footage into a site: detect and track people, cut pure tracklets, keep crops. Safe to interrupt."""
    if tracker is not None and tracker not in TRACKERS:
        raise typer.BadParameter(f"{tracker!r} is none of {', '.join(TRACKERS)}.", param_hint="--tracker")
    if fps is not None and (every > 1 or not 0 < fps < math.inf):
        raise typer.BadParameter("must be above 0, and not given together with --every.", param_hint="--fps")
    thinning = Thinning(every, fps, moment(begin, "--from"), moment(end, "--to"))
    began_at = moment(start, "--start")
    if show_plan:
        _print_plan(plan(videos, survey(videos, site_config(videos, config), began_at, cameras)), as_json=as_json)
        return
    if draw is not None:
        check_folder(draw)
    with Bars(errors) as progress, _executor(cluster, download, device, person_class) as executor:
        report = ingest(
            videos,
            site,
            detector=detector,
            download=download,
            device=device,
            person_class=person_class,
            tracker=tracker,
            thinning=thinning,
            start=began_at,
            config=config,
            pattern=cameras,
            replace=replace,
            encoder=encoder,
            executor=executor,
            who=this_user(),
            progress=progress,
        )
    if draw is not None:
        draw_cameras(site, videos, draw, who=this_user(), start=began_at, config=config, pattern=cameras)
    if as_json:
        print_json(report)
    else:
        _print(report)
    failed = report.encoder_problem is not None or any(camera.errors for camera in report.cameras)
    raise typer.Exit(1 if failed else 0)


@contextmanager
def _executor(cluster: str | None, download: bool, device: str | None, person_class: str | None) -> Iterator[Executor]:
    """Where the work is done. Raises SiteError where there is no such cluster, or no Ray."""
    if cluster is None:
        yield ThisProcess()
        return
    with ray_wanted():
        from app.engine.cluster import connected
        from app.engine.cluster_ingest import ClusterExecutor
        from app.engine.cluster_models import Loading
    with connected(cluster) as machines:
        yield ClusterExecutor(machines, Loading(download, device, person_class))


def _print(report: IngestReport) -> None:
    figures = ("frames", "frames/s", "detections", "tracks", "tracklets", "sightings", "crops", "errors")
    camera_table = table("camera", *figures, "starts known by", left=("camera", "starts known by"))
    for c in report.cameras:
        camera_table.add_row(
            c.camera,
            f"{c.frames:,}",
            f"{c.frames_per_second:.1f}" if c.frames_per_second else "–",
            f"{c.detections:,}",
            f"{c.tracks:,}",
            f"{c.tracklets:,}",
            f"{c.sightings:,}",
            f"{c.crops:,}",
            str(len(c.errors)),
            ", ".join(map(str, c.starts)),
        )
    output.print(camera_table)
    for c in report.cameras:
        print_errors(c.camera, c.errors)
        print_remarks(c.remarks, f"{c.camera}: ")
    print_remarks([*report.left_out, *report.remarks])
    if report.encoder is not None:
        output.print(f"{report.encoder.model}: {report.encoder.input}, scale {report.encoder.scale}")
    if report.encoder_problem is not None:
        output.print(f"base serves: {report.encoder_problem}")
    print_boxes(sum((camera.boxes for camera in report.cameras), BoxCounts()))
    output.print(f"Site {report.site}, {report.seconds:.1f} s")


def _print_plan(planned: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(planned)
        return
    footage_table = table("camera", "file", "from (UTC)", "known by", "seconds", left=("camera", "file", "known by"))
    for camera in planned.cameras:
        for f in camera.footage:
            start = f.start.removesuffix("+00:00").replace("T", " ")
            known_by = f"{f.start_source} ({f.certainty})"
            seconds = "–" if f.seconds is None else f"{f.seconds:.1f}"
            footage_table.add_row(camera.camera, f.file, start[:23], known_by, seconds)
    output.print(footage_table)
    print_remarks([*planned.left_out, *planned.remarks])


if __name__ == "__main__":
    from app.terminal import run

    run(command)
