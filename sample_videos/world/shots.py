"""What models learn from: single frames of random places and crops of single people, with their labels for free.

Every place, person and pose here is drawn at random (`random_places.random_view`, `people.person`). None of the named
views and none of the films' people are used. So the films stay a fair test. Both writers work in units that a process
does alone. They skip units already on disk, and give the same files whatever the number of processes.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_videos.world.cameras import expose, project
from sample_videos.world.gait import bones
from sample_videos.world.people import PALETTES, Figure, Person, figure, person
from sample_videos.world.places import Point, View, free_spots
from sample_videos.world.random_places import random_view
from sample_videos.world.renderer import Actor, Stage
from sample_videos.world.whole_file import whole_file

FIRST_PERSON = 1_000_000  # seeds of training people, the films' are below
CELL = 0.024  # m, of the meshes: people in training shots are small
FRAMES_A_STAGE = 12
CAST = 160  # people that one process draws its frames' people from, as a mesh takes longer than a frame
PEOPLE_A_GROUP = 64  # share their cameras in `write_crops`
SPOTS = 600  # ground points tried in a view, people stand on the free ones
TRIES = 20_000  # to picture somebody, a view where it takes as many has no place for them
SITTING, STANDING = 0.07, 0.25  # shares of people
Progress = Callable[[int, int], None]  # takes how many units of how many are done
SIZES = 50, 420  # px, heights of people that are cropped
LABELLED = 0.25  # least visibility of a labelled person…
SMALLEST = 16  # …and least height, px


def write_frames(
    folder: Path, count: int, seed: int, *, width: int, height: int, workers: int, done: Progress = lambda *_: None
) -> None:
    """Renders `count` frames as `images/000123.jpg` with YOLO labels `labels/000123.txt` (`0 cx cy w h`, relative)."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    units = range(0, count, FRAMES_A_STAGE)
    task = functools.partial(write_frames_of_stage, folder, count, seed, width, height)
    in_processes(task, units, workers, done)


def write_frames_of_stage(folder: Path, count: int, seed: int, width: int, height: int, first: int) -> None:
    """The frames `first`… that one random camera takes."""
    numbers = range(first, min(first + FRAMES_A_STAGE, count))
    if (folder / "images" / f"{numbers[-1]:06d}.jpg").is_file():
        return
    rng = np.random.default_rng([seed, first])
    view = random_view(rng, width, height)
    stage, spots = Stage(view), free_spots(view, rng, SPOTS)
    for number in numbers:
        cast = rng.choice(CAST, size=crowd_size(rng), replace=False)
        where = scatter(spots, len(cast), rng)
        shot = stage.shoot([pose(cast_member(seed, int(member)), spot, rng) for member, spot in zip(cast, where)])
        image = expose(view.camera.sensor, shot.image, number, seed)
        sizes = shot.boxes[:, 2:] - shot.boxes[:, :2]
        kept = (shot.visibility >= LABELLED) & (sizes[:, 1] >= SMALLEST)
        centres = (shot.boxes[:, 2:] + shot.boxes[:, :2]) / 2
        rows = np.concatenate([centres, sizes], axis=1)[kept] / (width, height, width, height)
        (folder / "labels" / f"{number:06d}.txt").write_text(
            "".join(f"0 {x:.5f} {y:.5f} {w:.5f} {h:.5f}\n" for x, y, w, h in rows), encoding="utf-8"
        )
        quality = int(rng.integers(45, 96))
        done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        with whole_file(folder / "images" / f"{number:06d}.jpg") as part:
            part.write_bytes(data.tobytes())


def write_crops(
    folder: Path,
    people: int,
    seed: int,
    *,
    styles: int,
    shots: int,
    height: int,
    width: int,
    workers: int,
    done: Progress = lambda *_: None,
) -> None:
    """Renders every one of `people` people in `styles` random cameras, `shots` crops each.

    A group of people is one shard: `crops-0003.npy` (N, height, width, 3) uint8 RGB and `labels-0003.npy` (N, 2) int32.
    Labels are person and camera, both counted from 0 over all shards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    task = functools.partial(write_crops_of_group, folder, people, seed, styles, shots, height, width)
    in_processes(task, range(0, people, PEOPLE_A_GROUP), workers, done)


def write_crops_of_group(
    folder: Path, people: int, seed: int, styles: int, shots: int, height: int, width: int, first: int
) -> None:
    """The crops of people `first`… in the cameras that they share."""
    group = first // PEOPLE_A_GROUP
    if (folder / f"crops-{group:04d}.npy").is_file():
        return
    rng = np.random.default_rng([seed, group])
    numbers = range(first, min(first + PEOPLE_A_GROUP, people))
    crops = crops_of_group([training_person(seed, number) for number in numbers], rng, styles, shots, height, width)
    labels = [(number, group * styles + style) for style in range(styles) for number in numbers for _ in range(shots)]
    save_array(folder / f"labels-{group:04d}.npy", np.array(labels, np.int32))
    save_array(folder / f"crops-{group:04d}.npy", crops.reshape(-1, height, width, 3))


def crops_of_group(
    cast: list[tuple[Person, Figure]], rng: np.random.Generator, styles: int, shots: int, height: int, width: int
) -> NDArray[np.uint8]:
    """(styles, people, shots, height, width, 3) of a cast, in `styles` random cameras that they share."""
    taken: list[NDArray[np.uint8]] = []
    while len(taken) < styles * len(cast) * shots:
        taken += crops_of_view(random_view(rng, 960, 540), cast, rng, shots, height, width) or []
    return np.stack(taken).reshape(styles, len(cast), shots, height, width, 3)


def crops_of_view(
    view: View, cast: list[tuple[Person, Figure]], rng: np.random.Generator, shots: int, height: int, width: int
) -> list[NDArray[np.uint8]] | None:
    """`shots` crops of each of the cast, one after the other. None where there is no place for one of them."""
    if not has_room(view, spots := free_spots(view, rng, SPOTS)):
        return None
    stage, crops = Stage(view), []
    for index in range(len(cast)):
        for _ in range(shots):
            crop = take_crop(stage, view, spots, cast, index, rng, height, width)
            if crop is None:
                return None
            crops.append(crop)
    return crops


def has_room(view: View, spots: NDArray[np.float64]) -> bool:
    """Whether anybody, a child too, is of a useful size somewhere."""
    feet, heads = (project(view.camera, np.insert(spots, 1, height, axis=1))[:, 1] for height in (0.0, 1.6))
    sizes = feet - heads
    return int(((sizes > 1.5 * SIZES[0]) & (sizes < 0.8 * SIZES[1]) & (feet < view.camera.height)).sum()) >= 10


def take_crop(
    stage: Stage,
    view: View,
    spots: NDArray[np.float64],
    cast: list[tuple[Person, Figure]],
    index: int,
    rng: np.random.Generator,
    height: int,
    width: int,
) -> NDArray[np.uint8] | None:
    """(height, width, 3) one person of the cast, loosely framed as detectors do, perhaps half hidden by another.

    None where none of TRIES ground points shows enough of them.
    """
    camera = view.camera
    for _ in range(TRIES):
        x, z = spots[rng.integers(len(spots))]
        tall = cast[index][0].height
        feet, head = project(camera, np.array([(x, 0.0, z), (x, tall, z)]))
        size = feet[1] - head[1]
        if not SIZES[0] <= size <= SIZES[1] or not (
            0 <= feet[0] < camera.width and size * 0.8 <= feet[1] < camera.height + 8
        ):
            continue
        actors = [pose(cast[index], (x, z), rng)]
        if rng.random() < 0.3:  # someone else, mostly nearer to the camera
            towards = np.array([camera.eye[0] - x, camera.eye[2] - z])
            aside = towards / np.hypot(*towards) * rng.uniform(-0.8, 1.2) + rng.normal(0, 0.45, 2)
            neighbour = cast[int(rng.integers(len(cast)))]
            actors.append(pose(neighbour, (x + aside[0], z + aside[1]), rng))
        half = 0.5 * size * rng.uniform(0.36, 0.56)
        middle = (feet[0] + head[0]) / 2 + rng.normal(0, 0.04) * size
        top, bottom = head[1] - rng.uniform(-0.04, 0.12) * size, feet[1] + rng.uniform(-0.08, 0.10) * size
        window = (
            max(0, round(middle - half)),
            max(0, round(top)),
            min(camera.width, round(middle + half)),
            min(camera.height, round(bottom)),
        )
        if window[2] - window[0] < 16 or window[3] - window[1] < 40:
            continue
        shot = stage.shoot(actors, window=window)
        if shot.visibility[0] >= 0.45:
            break
    else:
        return None
    image = expose(camera.sensor, shot.image, int(rng.integers(1 << 20)), 0)
    shrinks = image.shape[0] > height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[return-value]


def crowd_size(rng: np.random.Generator) -> int:
    """0…14 people, five or so the most often."""
    return int(min(14, rng.negative_binomial(3, 0.36)))


@functools.lru_cache(maxsize=CAST)
def cast_member(seed: int, number: int) -> tuple[Person, Figure]:
    """A training person, kept for the process's next frames."""
    return training_person(seed, number)


def training_person(seed: int, number: int) -> tuple[Person, Figure]:
    """Person `number`, below 100,000, of all that a seed has. None is in the films."""
    return dressed(FIRST_PERSON + seed * 100_000 + number)


def dressed(seed: int) -> tuple[Person, Figure]:
    """The person of a seed, in the clothes of a random palette."""
    palette = str(np.random.default_rng([seed, 1]).choice(sorted(PALETTES)))
    someone = person(seed, palette)
    return someone, figure(someone, CELL)


def scatter(spots: NDArray[np.float64], count: int, rng: np.random.Generator) -> list[Point]:
    """Where `count` people are: apart, or side by side in small groups, never in each other."""
    taken: list[Point] = []
    while len(taken) < count:
        x, z = spots[rng.integers(len(spots))]
        if taken and rng.random() < 0.35:  # beside the last one
            angle, apart = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 0.9)
            x, z = taken[-1][0] + apart * np.sin(angle), taken[-1][1] + apart * np.cos(angle)
        if all(np.hypot(x - taken_x, z - taken_z) > 0.45 for taken_x, taken_z in taken):
            taken.append((float(x), float(z)))
    return taken


def pose(who: tuple[Person, Figure], spot: Point, rng: np.random.Generator) -> Actor:
    """Someone who walks, stands or sits there."""
    someone, looks = who
    doing = rng.random()
    seat = float(rng.uniform(0.4, 0.5)) if doing < SITTING else 0.0
    walking = 0.0 if doing < SITTING + STANDING else float(rng.uniform(0.5, 1.0))
    heading, phase = rng.uniform(-np.pi, np.pi), rng.uniform(0, 2 * np.pi)
    clock = float(rng.uniform(0, 60))
    return Actor(looks, bones(someone, *spot, float(heading), float(phase), walking=walking, seat=seat, clock=clock))


def in_processes(task: Callable[[int], None], units: range, workers: int, done: Progress) -> None:
    """Does every unit in one of `workers` processes. Tells `done` how many of how many are."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for number, _ in enumerate(pool.imap_unordered(task, units), start=1):
            done(number, len(units))


def save_array(path: Path, array: NDArray[np.generic]) -> None:
    """Writes a .npy file, whole or not at all."""
    with whole_file(path) as part, part.open("wb") as file:
        np.save(file, array)
