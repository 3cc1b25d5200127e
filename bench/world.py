"""How fast the synthetic world is shot, on one core.

Frames are 960×540, of every named view, with people of film quality in sight who walk, truth included. They are timed
without and with the sensor's noise. Crops are those of `shots.take_crop` in random views. Their speed is without the
making of meshes and of the place, which is given apart. Times are of the processor. So other work on the machine counts
little.

    python -m bench.world --people 8 --frames 60
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))

from dataclasses import dataclass
from time import process_time
from typing import Annotated

import cv2
import numpy as np
import typer

from app.terminal import JsonOption, print_json
from bench.terminal import print_table, run, say
from sample_videos.world.cameras import expose
from sample_videos.world.gait import bones, stride
from sample_videos.world.people import Figure, Person, figure, person
from sample_videos.world.places import free_spots
from sample_videos.world.random_places import random_view
from sample_videos.world.renderer import Actor, Stage
from sample_videos.world.scenes import VIEWS
from sample_videos.world.shots import SPOTS, dressed, has_room, scatter, take_crop

VIEWS_FOR_CROPS, CROPS = 4, 100
RATE = 15  # frames/s of the film
WALK = 8.0  # 2π × m/s, as the phase of walking grows by 2π a stride


@dataclass(frozen=True, slots=True)
class ViewFigures:
    """Of one view."""

    stage_s: float  # to build the place
    frames_per_s: float
    with_sensor_per_s: float


@dataclass(frozen=True, slots=True)
class CropFigures:
    """Of training crops."""

    crops_per_s: float
    person_s: float  # to make a person's mesh
    place_s: float  # to make a random place


@dataclass(frozen=True, slots=True)
class WorldReport:
    """All views, by name, with so many people, and crops."""

    people: int
    views: dict[str, ViewFigures]
    crops: CropFigures


def film(name: str, cast: list[tuple[Person, Figure]], frames: int) -> ViewFigures:
    """Shoots one view, and one frame more, which is not counted: it prepares people."""
    view = VIEWS[name]
    start = process_time()
    stage = Stage(view)
    built = process_time() - start
    rng = np.random.default_rng([1, len(name)])
    spots = scatter(free_spots(view, rng, SPOTS), len(cast), rng)
    rendered = exposed = 0.0
    for frame in range(frames + 1):
        start = process_time()
        actors = [
            Actor(looks, bones(walker, x, z, 0.7 * number, frame / RATE * WALK / stride(walker), 1.0))
            for number, ((walker, looks), (x, z)) in enumerate(zip(cast, spots, strict=True))
        ]
        image = stage.shoot(actors).image
        shot = process_time()
        expose(view.camera.sensor, image, frame, 0)
        if frame:
            rendered += shot - start
            exposed += process_time() - start
    return ViewFigures(stage_s=built, frames_per_s=frames / rendered, with_sensor_per_s=frames / exposed)


def take_crops() -> CropFigures:
    """Takes CROPS crops in each of so many random views, and of one more, which is not counted."""
    rng = np.random.default_rng(2)
    start = process_time()
    cast = [dressed(1_000_000 + number) for number in range(16)]
    dressing = (process_time() - start) / len(cast)
    staging = taking = 0.0
    for view_number in range(VIEWS_FOR_CROPS + 1):
        start = process_time()
        view = random_view(rng, 960, 540)
        while not has_room(view, spots := free_spots(view, rng, SPOTS)):
            view = random_view(rng, 960, 540)
        stage = Stage(view)
        staged = process_time()
        for number in range(CROPS):
            take_crop(stage, view, spots, cast, number % len(cast), rng, 160, 80)
        if view_number:  # the first one prepares people
            staging += staged - start
            taking += process_time() - staged
    return CropFigures(
        crops_per_s=VIEWS_FOR_CROPS * CROPS / taking, person_s=dressing, place_s=staging / VIEWS_FOR_CROPS
    )


def measure(people: int, frames: int) -> WorldReport:
    """Films every view with so many people, and takes crops."""
    cv2.setNumThreads(1)
    cast = [(walker, figure(walker)) for walker in map(person, range(people))]
    film("corridor", cast, 1)  # compiles
    return WorldReport(people=people, views={name: film(name, cast, frames) for name in VIEWS}, crops=take_crops())


def command(
    people: Annotated[int, typer.Option(help="In view.", min=1)] = 8,
    frames: Annotated[int, typer.Option(help="Of each view.", min=1)] = 60,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast the synthetic world is shot, on one core."""
    report = measure(people, frames)
    if as_json:
        print_json(report)
        return
    rows = [
        (name, f"{view.frames_per_s:.1f}", f"{view.with_sensor_per_s:.1f}", f"{view.stage_s:.2f}")
        for name, view in report.views.items()
    ]
    print_table((f"view, 960×540, {people} people", "frames/s", "with the sensor", "s to build the place"), rows)
    crops = report.crops
    say()
    say(
        f"Training crops: {crops.crops_per_s:.0f} a second; {crops.person_s:.2f} s to make a person's mesh, "
        f"{crops.place_s:.2f} s a random place."
    )


if __name__ == "__main__":
    run(command)
