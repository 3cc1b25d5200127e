"""How fast the synthetic world is shot, on one core: `python -m bench.world [--people 8] [--frames 60] [--json]`.

Frames: 960×540, of every named view, with `--people` people of film quality in sight who walk, truth included; without
and with the sensor's noise. Crops: `shots.take_crop` in random views, everything but the making of meshes and of the
place included, which are given apart. Times are of the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))

import argparse
import json
from time import process_time

import cv2
import numpy as np

from sample_videos.world.cameras import expose
from sample_videos.world.gait import bones, stride
from sample_videos.world.people import Figure, Person, figure, person
from sample_videos.world.places import free_spots
from sample_videos.world.random_places import random_view
from sample_videos.world.renderer import Actor, Stage
from sample_videos.world.scenes import VIEWS
from sample_videos.world.shots import SPOTS, dressed, has_room, scatter, take_crop

VIEWS_FOR_CROPS, CROPS = 4, 100


def film(name: str, cast: list[tuple[Person, Figure]], frames: int) -> dict[str, float]:
    """Seconds a stage and frames a second of one view."""
    view = VIEWS[name]
    start = process_time()
    stage = Stage(view)
    staged = process_time() - start
    rng = np.random.default_rng([1, len(name)])
    spots = scatter(free_spots(view, rng, SPOTS), len(cast), rng)
    rendered = exposed = 0.0
    for frame in range(frames + 1):  # the first is not counted: it prepares people
        start = process_time()
        actors = [
            Actor(looks, bones(who, x, z, 0.7 * number, frame / 15 * 8 / stride(who), 1.0))
            for number, ((who, looks), (x, z)) in enumerate(zip(cast, spots, strict=True))
        ]
        image = stage.shoot(actors).image
        shot = process_time()
        expose(view.camera.sensor, image, frame, 0)
        if frame:
            rendered += shot - start
            exposed += process_time() - start
    return {"stage_s": staged, "frames_per_s": frames / rendered, "with_sensor_per_s": frames / exposed}


def crops() -> dict[str, float]:
    """Crops a second in random views, and seconds that a training person and a place take."""
    rng = np.random.default_rng(2)
    start = process_time()
    cast = [dressed(1_000_000 + number) for number in range(16)]
    dressing = (process_time() - start) / len(cast)
    staging = taking = 0.0
    for done in range(VIEWS_FOR_CROPS + 1):
        start = process_time()
        view = random_view(rng, 960, 540)
        while not has_room(view, spots := free_spots(view, rng, SPOTS)):
            view = random_view(rng, 960, 540)
        stage = Stage(view)
        staged = process_time()
        for number in range(CROPS):
            take_crop(stage, view, spots, cast, number % len(cast), rng, 160, 80)
        if done:  # the first one prepares people
            staging += staged - start
            taking += process_time() - staged
    return {
        "crops_per_s": VIEWS_FOR_CROPS * CROPS / taking,
        "person_s": dressing,
        "place_s": staging / VIEWS_FOR_CROPS,
    }


def main() -> None:
    """Reads the options, measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=8, help="in view")
    parser.add_argument("--frames", type=int, default=60, help="of each view")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    cast = [(who, figure(who)) for who in (person(number) for number in range(arguments.people))]
    film("corridor", cast, 1)  # compiles
    views = {name: film(name, cast, arguments.frames) for name in VIEWS}
    single = crops()
    if arguments.json:
        print(json.dumps({"people": arguments.people, "views": views, "crops": single}, indent=2))
        return
    print(f"| view, 960×540, {arguments.people} people | frames/s | with the sensor | s to build the place |")
    print("|---|---|---|---|")
    for name, figures in views.items():
        rates = f"{figures['frames_per_s']:.1f} | {figures['with_sensor_per_s']:.1f}"
        print(f"| {name} | {rates} | {figures['stage_s']:.2f} |")
    print(
        f"\nTraining crops: {single['crops_per_s']:.0f} a second; {single['person_s']:.2f} s to make a person's mesh, "
        f"{single['place_s']:.2f} s a random place."
    )


if __name__ == "__main__":
    main()
