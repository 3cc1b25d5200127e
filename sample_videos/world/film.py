"""The command that shoots the films: `python -m sample_videos.world.film --out DIR --cameras plaza street`."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sample_videos.world.cameras import expose
from sample_videos.world.gait import bones, stride
from sample_videos.world.people import PALETTES, Figure, Person, figure, person
from sample_videos.world.places import View
from sample_videos.world.renderer import Actor, Stage
from sample_videos.world.routes import Step, Walker, walk
from sample_videos.world.scenes import SITES, VIEWS
from sample_videos.world.truth import FilmTimes, box_rows, write_boxes, write_calibration, write_presence
from sample_videos.world.whole_file import whole_file

CELL = 0.018  # m, of the people's meshes
FRAMES_A_TASK = 15
LATEST_START = 4  # s that a camera may start after the first one
MOST_PEOPLE = 999  # seeds of films' people are seed × 1000 + number, and those of training people a million and up
CRF = 29  # four films of a minute at 960x540 take 5 MB
TASK = "world.json"  # holds the task, and is the sign that a folder holds films of ours

Image = NDArray[np.uint8]
errors = Console(stderr=True, highlight=False)
output = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


class FilmError(ValueError):
    """What cannot be filmed. The message says what to do."""


@dataclass(frozen=True)
class Task:
    """What to film. The same task gives the same films."""

    seed: int
    people: int
    seconds: float
    cameras: tuple[str, ...]
    palette: str
    fps: int
    width: int
    height: int
    start: str  # UTC, ISO 8601, whole seconds: MP4 keeps no fractions

    def __post_init__(self) -> None:
        unknown = [name for name in self.cameras if name not in VIEWS]
        if unknown or not self.cameras:
            what = f"There is no camera {unknown[0]!r}" if unknown else "No camera was named"
            raise FilmError(f"{what}; the cameras are {', '.join(VIEWS)}.")
        if len(set(self.cameras)) < len(self.cameras):
            raise FilmError("A camera is named twice: name each once.")
        if self.palette not in PALETTES:
            raise FilmError(f"There is no palette {self.palette!r}; the palettes are {', '.join(PALETTES)}.")
        if not (1 <= self.people <= MOST_PEOPLE and 0 <= self.seed < 999):
            raise FilmError(f"The world has 1…{MOST_PEOPLE} people and seeds 0…998.")
        if not 0 < self.seconds <= 3600 or not 1 <= self.fps <= 60:
            raise FilmError("A film has 1…60 frames a second and lasts at most 3600 seconds.")
        if self.width % 2 or self.height % 2 or not (64 <= self.width <= 3840 and 36 <= self.height <= 2160):
            raise FilmError("The size must be even numbers of pixels, 64x36…3840x2160.")

    @property
    def frames(self) -> int:
        """Of each film."""
        return max(1, round(self.seconds * self.fps))

    def view(self, camera: str) -> View:
        """A camera's view, at the size and with the blur that this task asks for."""
        named = VIEWS[camera]
        sensor = named.camera.sensor
        sensor = replace(sensor, blur=sensor.blur * self.width / named.camera.width)
        return replace(named, camera=replace(named.camera, width=self.width, height=self.height, sensor=sensor))

    def late(self, camera: str) -> int:
        """Seconds that a camera starts after `start`."""
        return int(np.random.default_rng([self.seed, 2, list(VIEWS).index(camera)]).integers(0, LATEST_START + 1))

    def times(self, camera: str) -> FilmTimes:
        """When a camera's frames are taken."""
        start = datetime.fromisoformat(self.start) + timedelta(seconds=self.late(camera))
        return FilmTimes(start, self.fps, self.frames)


def shoot(folder: Path, task: Task, *, workers: int, cell: float) -> None:
    """Films the cameras of a task, with truth. Cameras whose film is there already are left alone.

    Args:
        folder: Where the films go.
        task: What to film.
        workers: How many processes render.
        cell: m, the size of the quads of the people's meshes.

    Raises:
        FilmError: The folder holds anything else.
    """
    _claim(folder, task)
    todo = [camera for camera in task.cameras if not (folder / f"{camera}.mp4").exists()]
    if todo:
        with tempfile.TemporaryDirectory() as scratch, _processes(workers) as spread, _progress() as progress:
            cast = _dress(task, cell, Path(scratch), spread, progress)
            routes = _route(task, cast)
            for camera in todo:
                _shoot_camera(folder, task, camera, routes[VIEWS[camera].place.name], Path(scratch), spread, progress)
    write_presence(folder, {camera: task.times(camera) for camera in task.cameras})


def _claim(folder: Path, task: Task) -> None:
    file = folder / TASK
    wanted = json.loads(json.dumps(asdict(task)))
    if file.exists():
        try:
            recorded = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            recorded = {}
        differences = [f"{key} {recorded.get(key)}" for key in wanted if recorded.get(key) != wanted[key]]
        if differences:
            raise FilmError(f"{folder} holds films of another task ({', '.join(differences)}): choose another folder.")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FilmError(f"{folder} holds other things: choose an empty or a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")


def _route(task: Task, cast: dict[int, Person]) -> dict[str, list[list[Step]]]:
    places = {VIEWS[camera].place.name: VIEWS[camera].place for camera in task.cameras}
    walkers = [Walker(number, someone.manner.speed, stride(someone)) for number, someone in cast.items()]
    return walk(list(places.values()), walkers, task.frames / task.fps + LATEST_START, task.fps, task.seed)


# --- in parallel ------------------------------------------------------------------------------------------------------

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@contextmanager
def _processes(workers: int) -> Iterator[Spread]:
    """A `map` over processes that keeps the order. It runs in this process if there is but one."""
    if workers == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(workers, _ignore_interrupts) as pool:
        yield pool.imap


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors)


def _dress(task: Task, cell: float, scratch: Path, spread: Spread, progress: Progress) -> dict[int, Person]:
    """Makes everybody's figure, once, where all processes find it."""
    cast = {number: person(task.seed * 1000 + number, task.palette) for number in range(1, task.people + 1)}
    bar = progress.add_task("people", total=len(cast))
    make = functools.partial(_make_figure, cell, scratch)
    for _ in spread(make, cast.items()):
        progress.advance(bar)
    return cast


def _make_figure(cell: float, scratch: Path, member: tuple[int, Person]) -> None:
    number, someone = member
    with (scratch / f"{number}.pickle").open("wb") as file:
        pickle.dump((someone, figure(someone, cell)), file)


@functools.lru_cache(maxsize=256)
def _member(scratch: Path, number: int) -> tuple[Person, Figure]:
    with (scratch / f"{number}.pickle").open("rb") as file:
        someone: tuple[Person, Figure] = pickle.load(file)
    return someone


@functools.lru_cache(maxsize=1)
def _stage(view: View) -> Stage:
    return Stage(view)


def _shoot_frames(
    task: Task, camera: str, scratch: Path, part: tuple[int, list[list[Step]]]
) -> list[tuple[Image, list[tuple[float, ...]]]]:
    """Frames from a first one on (counted from 0), and their truth."""
    first, frames = part
    view = task.view(camera)
    stage = _stage(view)
    shots = []
    for frame, steps in enumerate(frames, first):
        actors = []
        for step in steps:
            someone, looks = _member(scratch, step.person)
            pose = bones(
                someone,
                step.x,
                step.z,
                step.heading,
                step.phase,
                walking=step.walking,
                seat=step.seat,
                clock=step.clock,
            )
            actors.append(Actor(looks, pose))
        shot = stage.shoot(actors)
        image = expose(view.camera.sensor, shot.image, frame, task.seed)
        shots.append((image, box_rows(frame + 1, [step.person for step in steps], shot)))
    return shots


def _shoot_camera(
    folder: Path,
    task: Task,
    camera: str,
    routes: list[list[Step]],
    scratch: Path,
    spread: Spread,
    progress: Progress,
) -> None:
    """One film and its truth. The film appears last and whole, so that it stands for a finished camera."""
    routes = routes[task.late(camera) * task.fps :][: task.frames]
    parts = [(first, routes[first : first + FRAMES_A_TASK]) for first in range(0, task.frames, FRAMES_A_TASK)]
    bar = progress.add_task(camera, total=task.frames)
    rows = []
    with whole_file(folder / f"{camera}.mp4") as film:
        with _Encoder(film, task, camera) as encoder:
            for shots in spread(functools.partial(_shoot_frames, task, camera, scratch), parts):
                for image, seen in shots:
                    encoder.write(image)
                    rows += seen
                    progress.advance(bar)
        write_boxes(folder, camera, rows)
        write_calibration(folder, camera, task.view(camera).camera, task.times(camera))


class _Encoder:
    """An MP4 of H.264, with the time of its first frame as creation time. The same frames give the same bytes."""

    def __init__(self, path: Path, task: Task, camera: str) -> None:
        self.container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        start = task.times(camera).start.astimezone(UTC)
        self.container.metadata["creation_time"] = start.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.container.metadata["title"] = camera
        options = {"crf": str(CRF), "preset": "medium", "threads": "1", "g": str(4 * task.fps)}
        options["x264-params"] = "cpu-independent=1"  # with AVX-512 the same frames gave one of two films by chance
        self.stream = self.container.add_stream("libx264", rate=task.fps, options=options)
        self.stream.width, self.stream.height, self.stream.pix_fmt = task.width, task.height, "yuv420p"

    def write(self, image: Image) -> None:
        self.container.mux(self.stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))

    def __enter__(self) -> _Encoder:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.container.mux(self.stream.encode(None))
        self.container.close()


# --- the command ------------------------------------------------------------------------------------------------------


def _print_list(wanted: bool) -> None:
    if not wanted:
        return
    for site, views in SITES.items():
        output.print(site, markup=False)
        for view in views:
            output.print(f"  {view.name:<12} {view.says}", markup=False)
    raise typer.Exit()


def film(
    out: Annotated[Path, typer.Option(help="A new folder, or one of this command's that is not complete yet.")],
    cameras: Annotated[list[str], typer.Option(help="The cameras to film, one or several names.")],
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    seed: Annotated[int, typer.Option(help="Other seeds, other people on other ways.")] = 7,
    people: Annotated[int, typer.Option(help="How many live in the world.")] = 56,
    seconds: Annotated[float, typer.Option(help="Length of each film.")] = 60,
    palette: Annotated[str, typer.Option(help=f"What they wear: {', '.join(PALETTES)}.")] = "everyday",
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 15,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "960x540",
    start: Annotated[str, typer.Option(help="When the first camera starts.")] = "2026-11-20T14:30:00Z",
    list_views: Annotated[
        bool, typer.Option("--list", is_eager=True, callback=_print_list, help="List the cameras and end.")
    ] = False,
) -> None:
    """Films people in a synthetic place with several cameras, with the truth of who is where in every frame.

    An interrupted run goes on where it was with the same command.
    """
    width, height = _size(size)
    task = Task(
        seed=seed,
        people=people,
        seconds=seconds,
        cameras=(*cameras, *(more or [])),  # `--cameras plaza street` leaves all but the first to the arguments
        palette=palette,
        fps=fps,
        width=width,
        height=height,
        start=_start(start),
    )
    shoot(out, task, workers=_cores(), cell=CELL)
    output.print(f"{out}: {len(task.cameras)} films of {task.frames} frames with {people} people.", markup=False)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(text: str) -> tuple[int, int]:
    """Width and height."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise FilmError(f"{text!r} is no size: it should look like 960x540.")
    return int(width), int(height)


def _start(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FilmError(f"{text!r} is no time: it should look like 2026-11-20T14:30:00Z.") from None
    if moment.microsecond:
        raise FilmError(f"{text} is no whole second, and a film keeps no parts of one.")
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()


def main() -> None:
    """Runs the command."""
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    program.command()(film)
    try:
        program()
    except FilmError as error:
        errors.print(f"Error: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != 130:  # 130 is what Typer makes of a KeyboardInterrupt
            raise
        errors.print("Interrupted. Finished films are kept; the same command goes on from there.")
        sys.exit(130)


if __name__ == "__main__":
    main()
