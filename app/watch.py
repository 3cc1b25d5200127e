"""Live cameras feed a site without end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.asking import this_user
from app.engine.discovery import Answering, answering
from app.engine.free_memory import keep_together
from app.engine.named_cameras import NamedCameras
from app.engine.watch import WatchReport, watch
from app.errors import SiteConfigError
from app.footage.recording import keep_only, recordings_of
from app.footage.site_toml import SITE_TOML
from app.on_cluster import ClusterOption, ray_wanted
from app.record import Site
from app.terminal import SITE, JsonOption, SiteOption, errors, output, print_json, secret_of, table
from deploy.detectors.load import load_detector
from reid.foreign import visible
from trackers import TRACKERS

ENDING = 20.0  # s to commit what is under way, once stdin has ended
EVERY = 60.0  # s between two lines that tell how cameras do, and two looks for old recordings


def command(
    site: SiteOption = SITE,
    config: Annotated[
        Path | None, typer.Option(help="The site.toml that names the cameras; default: the one in the site's folder.")
    ] = None,
    detector: Annotated[str, typer.Option(help="As for ingest.")] = "auto",
    device: Annotated[
        str | None, typer.Option(help="Where the detector runs: cpu, cuda, cuda:1; default: CUDA where it works.")
    ] = None,
    person_class: Annotated[
        str | None, typer.Option(help="Which of the detector's classes is a person, by number or name.")
    ] = None,
    tracker: Annotated[
        str | None,
        typer.Option(help=f"One of: {', '.join(TRACKERS)}; default: what the site's footage has, else {TRACKERS[0]}."),
    ] = None,
    discover: Annotated[
        bool, typer.Option("--discover", help="Only list the ONVIF cameras that answer in this network.")
    ] = False,
    user: Annotated[
        str | None,
        typer.Option(
            help="With --discover, a user of the cameras: lists the addresses of their streams, too. The password is "
            "asked for, or read from stdin's first line."
        ),
    ] = None,
    cluster: ClusterOption = None,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when stdin ends. The server that starts it does so.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Follow live cameras until Ctrl-C or SIGTERM. Who leaves a picture is found a few seconds later."""
    if discover:
        found = answering(user, None if user is None else secret_of("Password"))
        _print_found(found, as_json=as_json)
        return
    keep_together()
    named = NamedCameras(site, site / SITE_TOML if config is None else config)
    if not named.watched:
        raise SiteConfigError(
            f'{named.path} names no live camera: give one, as [cameras.hall] url = "rtsp://hall.lan/1".'
        )
    if tracker is not None and tracker not in TRACKERS:
        raise typer.BadParameter(f"{tracker!r} is none of {', '.join(TRACKERS)}.", param_hint="--tracker")
    stop = threading.Event()
    if until_eof:
        threading.Thread(target=_end_with_stdin, args=(stop,), daemon=True).start()
    finder = load_detector(detector, device=device, site_default=named.detector, person_class=person_class)
    Site.create(site).close()
    telling = _Telling(named, changes_only=until_eof)
    if cluster is None:
        _end_with_signals(stop)
        recordings_of(site).mkdir(mode=0o700, exist_ok=True)
        report = watch(
            site, named.watched, finder, stop, tracker=tracker, who=this_user(), told=telling, changed=named.changed
        )
    else:
        with ray_wanted():
            from app.engine.cluster import connected
            from app.engine.cluster_models import Loading
            from app.engine.cluster_watch import watch_on_cluster
        with connected(cluster) as machines, Site.open_to_write(site) as opened:
            _end_with_signals(stop)  # Ray has its own answer to them until here
            loading = Loading(False, device, person_class)
            report = watch_on_cluster(
                machines, opened, named, finder, loading, stop, tracker=tracker, who=this_user(), told=telling
            )
    if until_eof:
        raise typer.Exit(0)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise typer.Exit(1 if report.busy else 0)


def _end_with_signals(stop: threading.Event) -> None:
    """Ends at Ctrl-C and SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())


def _end_with_stdin(stop: threading.Event) -> None:
    """Waits for the end of stdin, then ends: at first by itself, and at last whatever it is at."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    stop.set()
    time.sleep(ENDING)
    os.kill(os.getpid(), signal.SIGKILL)


class _Telling:
    """Tells now and then how cameras do, and removes old recordings."""

    def __init__(self, named: NamedCameras, *, changes_only: bool) -> None:
        """changes_only: whether only those are told of that are away now and were not, or the other way round."""
        self._named, self._changes_only = named, changes_only
        self._next = time.monotonic()
        self._away: dict[str, str] = {}

    def __call__(self, report: WatchReport) -> None:
        """How they do just now."""
        if self._changes_only:
            self._tell_changes(report)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        if not self._changes_only:
            for camera in report.cameras:
                state = camera.away or f"{camera.frames:,} frames, {camera.skipped:,} skipped"
                errors.print(f"{visible(camera.camera)}: {visible(state)}, {camera.tracklets:,} tracklets")
        for each in self._named.watched:
            live = self._named.followed[each.camera.name]
            if live.record_seconds is not None:
                with suppress(OSError):  # a disk that refuses is told by the recording itself
                    keep_only(each.recordings, since=time.time() - live.record_seconds, most_bytes=live.record_bytes)

    def _tell_changes(self, report: WatchReport) -> None:
        now = {camera.camera: camera.away for camera in report.cameras}
        for name, away in now.items():
            if self._away.get(name) != away:
                errors.print(f"{visible(name)}: {visible(away or 'its pictures come')}")
        self._away = now


def _print_found(found: Sequence[Answering], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(camera) for camera in found])
        return
    listed = table("camera", "host", "port", "stream", "codec", "size", left=("camera", "host", "stream", "codec"))
    for camera in found:
        streams = [(stream.url, stream.codec, stream.size) for stream in camera.streams] or [("–", "", "")]
        for stream in streams:
            listed.add_row(camera.name or "–", camera.host, str(camera.port), *stream)
        if camera.problem:
            errors.print(f"{visible(camera.host)}: {visible(camera.problem)}")
    output.print(listed)
    output.print(f"{len(found)} cameras answer")


def _print(report: WatchReport) -> None:
    figures = table("camera", "frames", "skipped", "tracklets", "outages", left=("camera",))
    for camera in report.cameras:
        figures.add_row(
            camera.camera, f"{camera.frames:,}", f"{camera.skipped:,}", f"{camera.tracklets:,}", f"{camera.outages:,}"
        )
    output.print(figures)
    for sentence in report.busy:
        output.print(visible(sentence))
    output.print(f"Site {visible(report.site)}, watched for {report.seconds:.0f} s")


if __name__ == "__main__":
    from app.terminal import run

    run(command)
