"""Renders crops of people in the background, for a training that takes them while they come.

A group of people is one file, written whole or not at all. So nobody waits for a process that was killed, and files of
an earlier run count as rendered. Who is in a group and how they look follows from the seed alone.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from sample_videos.world.people import Figure, Person
from sample_videos.world.shots import crops_of_group, save_array, training_person

AHEAD = 3  # casts that a process dresses while it waits, 96 people take some 120 MB
LOOK_SECONDS = 0.2  # between two looks at whether the waiting is over
COMPILED = "compiled"  # a file that says so, as killed processes can leave an Event that nobody can set


@dataclass(frozen=True)
class Groups:
    """What is rendered: groups of people, each with cameras of its own."""

    count: int  # groups, at most
    people: int  # of a group
    styles: int  # cameras of a group, each of which sees all of its people
    shots: int  # crops of a person in a camera
    height: int  # px, of crops
    width: int  # px

    @property
    def shape(self) -> tuple[int, int, int, int, int, int]:
        """Of a group's file, uint8 RGB: cameras, people, crops of a person in a camera, height, width, 3."""
        return self.styles, self.people, self.shots, self.height, self.width, 3

    @property
    def crops(self) -> int:
        """In a group."""
        return self.styles * self.people * self.shots


class Renderers:
    """Processes that render into a folder, as a context. They end with it, and with the process that began them.

    Process k of n renders the groups k, k + n, k + 2n, … in this order.
    """

    def __init__(self, folder: Path, groups: Groups, seed: int, workers: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.groups = folder, groups
        (folder / COMPILED).unlink(missing_ok=True)
        spawn = multiprocessing.get_context("spawn")
        self.processes = [
            spawn.Process(target=render_share, args=(folder, groups, seed, share, workers), daemon=True)
            for share in range(workers)
        ]

    def __enter__(self) -> Renderers:
        for process in self.processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()

    def arrived(self) -> dict[int, Path]:
        """Number → file of every group that is rendered."""
        return {
            int(path.stem.removeprefix("group-")): path
            for path in sorted(self.folder.glob("group-*.npy"))
            if int(path.stem.removeprefix("group-")) < self.groups.count
        }

    def rendering(self) -> bool:
        """Whether a process is still at work."""
        return any(process.is_alive() for process in self.processes)

    def lost(self) -> list[str]:
        """What became of each process that ended before its groups were rendered. The others do not wait for it."""
        ends = [(share, process.exitcode) for share, process in enumerate(self.processes) if process.exitcode]
        if ends:
            (self.folder / COMPILED).touch()  # perhaps it was the one that compiles
        return [
            f"renderer {share} of {len(self.processes)} was killed by signal {-code}"
            if code < 0
            else f"renderer {share} of {len(self.processes)} failed with exit code {code}, see its traceback above"
            for share, code in ends
        ]


def render_share(folder: Path, groups: Groups, seed: int, share: int, shares: int) -> None:
    """Every `shares`-th group from `share` on, but for those on disk.

    The first process compiles the renderer, into Numba's cache, for all. It takes about a minute. The others dress
    people meanwhile, which is nearly half of the work.
    """
    cv2.setNumThreads(1)
    if share == 0:
        compile_renderer()
        (folder / COMPILED).touch()
    compiled = share == 0
    numbers = deque(number for number in range(share, groups.count, shares) if not file_of(folder, number).is_file())
    dressed: deque[tuple[int, list[tuple[Person, Figure]]]] = deque()
    while (numbers or dressed) and parent_lives():
        compiled = compiled or (folder / COMPILED).exists()
        if numbers and (not dressed or (not compiled and len(dressed) < AHEAD)):
            number = numbers.popleft()
            first = number * groups.people
            dressed.append((number, [training_person(seed, first + index) for index in range(groups.people)]))
        elif not compiled:
            time.sleep(LOOK_SECONDS)
        else:
            number, cast = dressed.popleft()
            rng = np.random.default_rng([seed, number])
            crops = crops_of_group(cast, rng, groups.styles, groups.shots, groups.height, groups.width)
            save_array(file_of(folder, number), crops)


def compile_renderer() -> None:
    """Renders a few crops, so that all that draws is compiled and cached."""
    rng = np.random.default_rng(0)
    crops_of_group([training_person(0, number) for number in range(2)], rng, 2, 4, 160, 80)


def file_of(folder: Path, number: int) -> Path:
    """Where group `number` goes."""
    return folder / f"group-{number:04d}.npy"


def parent_lives() -> bool:
    """Whether the process that began this one still runs. True in one that nobody began."""
    parent = multiprocessing.parent_process()
    return parent is None or parent.is_alive()
