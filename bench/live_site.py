"""Live cameras that feed a site for long: whom they find, how soon, and what it costs.

Films with exact truth are served as RTSP cameras, each by a process of its own, in a loop. `app.watch` follows them, as
a person starts it. The films begin when they were shot, so journeys from camera to camera hold. Each loop's visits are
counted by themselves.

- *Frames*: those that a camera offered at the wanted rate, those that were followed, and those that newer ones took the
  place of. What is neither was dropped in the camera's process, or while it was not connected.
- *Visits* (see `trackers.visits`): those that lie whole between a camera's first and last frame. One is found where a
  tracklet or sighting of its person has a box in it.
- *Delay*: until the embedding is in the file of the version that serves, so that a search finds it. That is looked at
  four times a second. It counts from the last frame of a visit, by the film's clock, to its first tracklet or sighting,
  and is 0 where that came before. And it counts from the last box of each tracklet.
- *Files*: the same films through `app.ingest`. The very frames that live took in the first minutes are written without
  loss and ingested, too.
- *Memory*: resident, by least squares after a fifth of the time. The servers of the films are counted by themselves.

With `--beside`, commands work on the same site meanwhile. With `--blows`, camera processes and the whole program are
killed at random (SIGKILL), and the program is started again at once.

    python -m bench.live_site --minutes 30
    python -m bench.live_site --minutes 10 --cameras 16 --fps 5 --compare 0
    python -m bench.live_site --minutes 10 --compare 0 --beside query,merge,adapt,forget
    python -m bench.live_site --minutes 20 --compare 0 --blows 30
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.footage.site_toml import SITE_TOML
from app.record import Site
from app.record.embeddings import embedded_models, embeddings_of
from app.record.outages import outages_of
from app.record.verify import damage
from app.terminal import JsonOption, errors, print_json
from bench.beside import Beside, working
from bench.live_films import Film, Playing, Served, read_films
from bench.live_report import Beyond, CameraFigures, Delay, LiveSiteReport, Memory, Seen, Struck, Worked, print_report
from bench.live_run import LOOK, WARM, Blow, Blows, FoundLog, Samples, WatchProcess, cpu_share, doubled, lost, slope
from bench.live_truth import Boxes, Shown, file_boxes, in_film, is_long, live_boxes, shown, write_frames
from bench.measuring import Machine
from bench.processes import ProcessError, finished
from bench.terminal import run
from trackers.evaluate import combine_purity

FILMS = Path("sample_videos/films")
STARTING = 120.0  # s for all cameras to be followed, on a machine that is busy. The time counts from then on
SOON = 10.0  # s within which who left is to be found
ENOUGH = 150  # tracklets that are there before commands work beside. Adapting needs 120
FORGOTTEN = 5  # each so-maniest tracklet may be forgotten. The others are searched with
BESIDE = ("query", "merge", "adapt", "forget")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    films: Path
    cameras: int | None  # as many as films where None
    fps: float | None
    minutes: float
    compare: float  # minutes of the very frames that are held against files. 0: nothing is
    beside: tuple[str, ...]
    blows: int
    detector: str
    seed: int


@dataclass(slots=True)
class _Run:
    """What is known when the cameras have ended."""

    served: Served
    said: Any  # by app.watch
    found: FoundLog
    samples: Samples
    blows: list[Blow]
    beside: dict[str, Beside]
    to_erase: list[int]
    stopped: float  # UTC seconds
    left_over: int


def measure(plan: Plan, folder: Path) -> LiveSiteReport:
    """Runs the cameras, then holds them against the truth. folder: for the sites."""
    machine, films = Machine.now(), read_films(plan.films)
    path = folder / "live"
    Site.create(path).close()
    with Served(films, plan.cameras or len(films)) as served, Site.open(path) as site:
        (path / SITE_TOML).write_text(served.settings(plan.fps), "utf-8")
        done = _follow(plan, served, site, folder / "watch.log")
    with Site.open_to_write(path) as site:
        return _report(plan, machine, films, site, done, folder)


def _follow(plan: Plan, served: Served, site: Site, log: Path) -> _Run:
    rng, seconds = random.Random(plan.seed), 60 * plan.minutes
    found, samples = FoundLog(site), Samples(served.ports, served.ids)
    beside: dict[str, Beside] = {}
    to_erase: list[int] = []
    with WatchProcess(site.path, plan.detector, log) as watch:
        watch.start()
        limit = time.monotonic() + STARTING
        while {record.camera for record in site.footage() if record.status != "new"} < set(served.ports.values()):
            if time.monotonic() > limit:
                raise ProcessError(f"Not all cameras are followed within {STARTING:g} s, see {log}.")
            watch.processes()
            time.sleep(LOOK)
        blows = Blows(plan.blows, seconds, list(served.ports.values()), rng)
        end = time.monotonic() + seconds
        with ExitStack() as working_beside:
            while time.monotonic() < end or not blows.over:
                found.look()
                samples.take(watch)
                blows.go_on(watch, site, served.ports)
                if plan.beside and not beside and len(found.at) >= ENOUGH and site.tracklet_count() >= ENOUGH:
                    commands = _commands(plan.beside, site, found, to_erase, rng)
                    beside = working_beside.enter_context(working(site.path, commands))
                time.sleep(LOOK)
        stopped = time.time()
        said = watch.end()
        return _Run(served, said, found, samples, blows.done, beside, to_erase, stopped, watch.left_over())


def _commands(
    beside: Sequence[str], site: Site, found: FoundLog, to_erase: list[int], rng: random.Random
) -> dict[str, Iterator[Sequence[str]]]:
    """By command of BESIDE, the words of each of its runs. Notes in `to_erase` what is forgotten."""

    def searched() -> Iterator[Sequence[str]]:
        while True:
            yield "app.query", str(rng.choice([number for number in list(found.at) if number % FORGOTTEN]))

    def forgotten() -> Iterator[Sequence[str]]:
        while True:
            left = [number for number in list(found.at) if not number % FORGOTTEN and number not in to_erase]
            if left:
                to_erase.append(rng.choice(left))
            yield ("app.forget", "--tracklet", str(to_erase[-1])) if left else ()

    words: dict[str, Iterator[Sequence[str]]] = {
        "query": searched(),
        "merge": repeat(("app.merge",)),
        "adapt": repeat(("app.adapt", "--minutes", "1")),
        "forget": forgotten(),
    }
    return {name: words[name] for name in beside}


def _report(plan: Plan, machine: Machine, films: list[Film], site: Site, done: _Run, folder: Path) -> LiveSiteReport:
    boxes = {each.camera: live_boxes(site, each) for each in done.served.playing}
    spans = {each.camera: _span(site, each) for each in done.served.playing}
    lives = {each.camera: shown(boxes[each.camera], each.film, *spans[each.camera]) for each in done.served.playing}
    cameras = [_camera(plan, site, each, done, boxes[each.camera]) for each in done.served.playing]
    rates = np.array([camera.per_second for camera in cameras])
    seen, beyond = {"live": _seen(lives.values())}, {}
    if plan.compare:
        rate = float(rates.mean())
        for name, words in (("files", ()), (f"files, {rate:.2f} frames/s", ("--fps", f"{rate:.2f}"))):
            errors.print(f"{name} are ingested", markup=False)
            of_files = _ingested(plan, films, folder / f"files {'-'.join(words)}".strip(), plan.films, words)
            seen[name] = _seen(of_files.values())
            pairs = [(lives[each.camera], of_files[each.film.camera], each.film) for each in done.served.playing]
            beyond[name] = _beyond(pairs)
        same, of_same = _very_frames(plan, done.served.playing, boxes, spans, folder)
        seen["live, first minutes"], seen["the very frames"] = _seen(same.values()), _seen(of_same.values())
        beyond["the very frames"] = _beyond(
            [(same[each.camera], of_same[each.camera], each.film) for each in done.served.playing]
        )
    there = set(site.searchable_table().ids.tolist())
    erased = [number for number in done.to_erase if number not in there]
    return LiveSiteReport(
        machine=machine,
        seed=plan.seed,
        minutes=plan.minutes,
        cameras=cameras,
        fairness=float(rates.sum() ** 2 / (len(rates) * (rates**2).sum())) if rates.any() else 0.0,
        seen=seen,
        beyond=beyond,
        delays=_delays(site, done, boxes, lives),
        memory={role: _memory(held) for role, held in sorted(done.samples.of().items())},
        beside={name: _worked(ran) for name, ran in done.beside.items()},
        blows={kind: _struck([blow for blow in done.blows if blow.kind == kind]) for kind in _kinds(done.blows)},
        erased=len(erased),
        erased_left=_still_embedded(site, erased),
        lost=lost(done.blows, site, set(erased)),
        doubled=doubled(site),
        damaged=list(map(str, damage(site))),
        left_over=done.left_over,
        most_connections_at_once=done.served.most_at_once,
    )


def _span(site: Site, playing: Playing) -> tuple[int, int]:
    """A camera's first and last frame that were followed, from 0 over all loops."""
    pieces, film = site.footage(playing.camera), playing.film
    if not pieces:
        return 0, 0
    first, last = min(piece.start for piece in pieces), max(piece.start + piece.seconds for piece in pieces)
    return max(0, round((first - playing.since) * film.rate)), max(0, round((last - playing.since) * film.rate))


def _camera(plan: Plan, site: Site, playing: Playing, done: _Run, boxes: Boxes) -> CameraFigures:
    pieces = site.footage(playing.camera)
    first = min((piece.start for piece in pieces), default=done.stopped)
    taken, seconds = sum(piece.frames for piece in pieces), done.stopped - first
    offered = round(min(plan.fps or playing.film.rate, playing.film.rate) * seconds)
    told = next(camera for camera in done.said["cameras"] if camera["camera"] == playing.camera)
    return CameraFigures(
        camera=playing.camera,
        offered=offered,
        taken=taken,
        skipped=told["skipped"],
        per_second=taken / seconds if seconds else 0.0,
        share=taken / offered if offered else 0.0,
        outages=len(outages_of(site.database, playing.camera, most=1000)),
        clock_off_s=boxes.clock_off,
    )


def _seen(cameras: Any) -> Seen:
    cameras = list(cameras)
    purity = combine_purity([camera.purity for camera in cameras])
    visits = [(is_long(visit), bool(ids)) for camera in cameras for visit, ids in zip(camera.visits, camera.covers)]
    return Seen(
        tracklets=purity.tracklets,
        purity=purity.purity,
        mixed=purity.mixed,
        visits=len(visits),
        found=sum(found for _, found in visits),
        long_visits=sum(long for long, _ in visits),
        long_found=sum(long and found for long, found in visits),
    )


def _beyond(pairs: list[tuple[Shown, Shown, Film]]) -> Beyond:
    """By camera, what live and files show. Files of one loop are held against each of the live ones."""
    visits = both = only_live = only_files = 0
    for live, files, film in pairs:
        of_files = {in_film(visit, film): bool(ids) for visit, ids in zip(files.visits, files.covers)}
        loops = {visit: bool(ids) for visit, ids in zip(files.visits, files.covers)}
        for visit, ids in zip(live.visits, live.covers):
            in_files = loops.get(visit, of_files.get(in_film(visit, film), False))
            visits += 1
            both += bool(ids) and in_files
            only_live += bool(ids) and not in_files
            only_files += not ids and in_files
    return Beyond(visits, both, only_live, only_files)


def _ingested(plan: Plan, films: list[Film], path: Path, videos: Path, words: Sequence[str]) -> dict[str, Shown]:
    """The films from files, by camera."""
    _ingest(plan, videos, path, words)
    with Site.open(path) as site:
        return {film.camera: shown(file_boxes(site, film.camera), film, 0, film.frames - 1) for film in films}


def _very_frames(
    plan: Plan, playing: list[Playing], boxes: dict[str, Boxes], spans: dict[str, tuple[int, int]], folder: Path
) -> tuple[dict[str, Shown], dict[str, Shown]]:
    """By camera, what live shows in its first minutes, and what the very frames that it took show from files.

    Frames are known by their boxes. One in which nobody was tracked is not among them.
    """
    videos = folder / "very frames"
    videos.mkdir()
    live, numbers = {}, {}
    for each in playing:
        first, last = spans[each.camera]
        last = min(last, first + round(60 * plan.compare * each.film.rate))
        taken = np.unique(boxes[each.camera].numbers)
        taken = taken[(taken >= first) & (taken <= last)]
        if len(taken):
            live[each.camera], numbers[each.camera] = shown(boxes[each.camera], each.film, first, last), taken
            write_frames(each.film, taken.tolist(), videos / f"{each.camera}.mp4")
    errors.print("the very frames are ingested", markup=False)
    _ingest(plan, videos, folder / "very frames' site", ())
    files = {}
    with Site.open(folder / "very frames' site") as site:
        for each in playing:
            if each.camera in numbers:
                first, last = spans[each.camera]
                last = min(last, first + round(60 * plan.compare * each.film.rate))
                files[each.camera] = shown(file_boxes(site, each.camera, numbers[each.camera]), each.film, first, last)
    return live, files


def _ingest(plan: Plan, videos: Path, site: Path, words: Sequence[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "app.ingest",
        videos,
        "--site",
        site,
        "--detector",
        plan.detector,
        *words,
        "--json",
    ]
    finished("app.ingest", command)


def _delays(site: Site, done: _Run, boxes: dict[str, Boxes], lives: dict[str, Shown]) -> dict[str, Delay]:
    at = {number: moment for number, moment in done.found.at.items() if moment <= done.stopped}
    of_visits, of_tracklets = [], []
    for each in done.served.playing:
        own, rate = boxes[each.camera], each.film.rate
        for visit, ids in zip(lives[each.camera].visits, lives[each.camera].covers):
            found = min((at[number] for number in ids if number in at), default=None)
            if found is not None:
                of_visits.append(max(0.0, found - (each.since + visit.last / rate)))
        for number in np.unique(own.ids).tolist():
            if number in at:
                of_tracklets.append(at[number] - (each.since + float(own.numbers[own.ids == number].max()) / rate))
    return {"visits": _delay(of_visits), "tracklets and sightings": _delay(of_tracklets)}


def _delay(seconds: list[float]) -> Delay:
    p50, p99 = np.percentile(seconds, [50, 99]).tolist() if seconds else (0.0, 0.0)
    in_time = sum(each <= SOON for each in seconds) / len(seconds) if seconds else 0.0
    return Delay(len(seconds), p50, p99, max(seconds, default=0.0), in_time)


def _memory(held: Any) -> Memory:
    of = slope(held)
    return Memory(
        held.mib[round(WARM * (len(held.mib) - 1))],
        held.mib[-1],
        max(held.mib),
        None if of is None else of[0],
        None if of is None else of[1],
        cpu_share(held),
    )


def _worked(ran: Beside) -> Worked:
    p50 = float(np.median(ran.seconds)) if ran.seconds else 0.0
    return Worked(ran.done, ran.failed, ran.broken_off, p50, max(ran.seconds, default=0.0))


def _kinds(blows: list[Blow]) -> list[str]:
    return sorted({blow.kind for blow in blows})


def _struck(blows: list[Blow]) -> Struck:
    back = [blow.seconds for blow in blows if blow.seconds is not None]
    p50 = float(np.median(back)) if back else 0.0
    return Struck(len(blows), p50, max(back, default=0.0), len(blows) - len(back))


def _still_embedded(site: Site, erased: list[int]) -> int:
    left = set()
    for model in embedded_models(site.database):
        store = embeddings_of(site.database, model)
        for footage in store.files():
            ids = store.check(footage)
            left |= set() if ids is None else set(ids.tolist()) & set(erased)
    return len(left)


def command(
    minutes: Annotated[float, typer.Option(help="For so long cameras are followed.", min=0.05)] = 30.0,
    cameras: Annotated[int | None, typer.Option(help="As many, the films again and again.", min=1)] = None,
    fps: Annotated[float | None, typer.Option(help="Pictures a second of each camera at most; default: all.")] = None,
    compare: Annotated[
        float, typer.Option(help="Hold them against files, and the very frames of so many minutes. 0: don't.", min=0)
    ] = 3.0,
    beside: Annotated[str, typer.Option(help=f"Commands that work meanwhile, by commas: {', '.join(BESIDE)}.")] = "",
    blows: Annotated[int, typer.Option(help="Processes that are killed at random.", min=0)] = 0,
    films: Annotated[Path, typer.Option(help="A folder of CAMERA.mp4 and CAMERA/gt/gt.txt.")] = FILMS,
    detector: Annotated[str, typer.Option(help="As for ingest.")] = "shipped",
    out: Annotated[Path | None, typer.Option(help="A new folder for the sites; default: one that is removed.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Follow films with truth as live cameras, and tell whom they find, how soon, and at what cost."""
    names = tuple(name for name in beside.split(",") if name)
    if unknown := set(names) - set(BESIDE):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(BESIDE)}.")
    plan = Plan(films, cameras, fps, minutes, compare, names, blows, detector, seed)
    if out is not None:
        out.mkdir(parents=True)
        report = measure(plan, out)
    else:
        with tempfile.TemporaryDirectory(prefix="live-site-") as folder:
            report = measure(plan, Path(folder))
    if as_json:
        print_json(report)
    else:
        print_report(report)
    raise typer.Exit(0 if report.sound else 1)


if __name__ == "__main__":
    run(command)
