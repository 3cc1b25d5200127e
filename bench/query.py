"""How long a warm process takes from a still on disk to its matches.

Stills are made of the site's own footage: whole frames, read from `--videos`. So people are found, embedded and
searched as for any picture. Reading, finding, embedding and searching are told apart.

    python -m bench.query --site S --videos DIR
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import cv2
import typer

from app.errors import FootageError
from app.footage import open_footage, site_config
from app.footage.discover import discover
from app.record import Site
from app.search.searcher import Searcher, Wish
from app.search.still import cut, people_in, read_still
from app.terminal import JsonOption, SiteOption, print_json
from bench.terminal import run, say
from deploy.detectors import Detector
from deploy.detectors.load import load_detector

WARM_UP = 3  # stills that are not counted
FRAMES = 900  # of a camera's footage, about: stills are spread over so many


@dataclass(frozen=True, slots=True)
class QueryReport:
    """Medians over the stills, ms."""

    start_seconds: float  # until site and detector are ready
    stills: int
    read_ms: float
    find_ms: float
    embed_ms: float
    search_ms: float
    all_ms: float


def stills(videos: Path, folder: Path, count: int) -> list[Path]:
    """Frames spread over the footage, as JPEG files."""
    paths = []
    cameras = discover(videos, site_config(videos, None), None)
    for camera in cameras:
        every = max(1, FRAMES // (count // len(cameras) + 1))
        with open_footage(camera.footage[0], every=every) as decoder:
            for frame in decoder:
                path = folder / f"{camera.name}-{frame.index}.jpg"
                cv2.imwrite(str(path), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
                paths.append(path)
    return paths[:count]


def steps(path: Path, searcher: Searcher, detector: Detector) -> Iterator[float]:
    """The moments (s) before and after reading, finding, embedding and searching. Two, where nobody is found."""
    yield time.perf_counter()
    still = read_still(path)
    yield time.perf_counter()
    people = people_in(still, detector)
    if not len(people.boxes):
        return
    yield time.perf_counter()
    vector = searcher.embed([cut(still.pixels, people.boxes[0])])[0]  # one person, the largest
    yield time.perf_counter()
    (answer,) = searcher.search(vector[None], Wish(), who="bench", still=still.sha256)
    yield time.perf_counter()
    assert answer.matches


def measure(path: Path, videos: Path, count: int) -> QueryReport:
    """Searches so many stills of the footage in the site."""
    began = time.perf_counter()
    milliseconds: list[list[float]] = []  # of each still: reading, finding, embedding, searching
    with Site.open_to_write(path) as site, tempfile.TemporaryDirectory() as folder:
        searcher = Searcher(site)
        detector = load_detector("shipped")
        start_seconds = time.perf_counter() - began
        for still in stills(videos, Path(folder), count + WARM_UP):
            moments = list(steps(still, searcher, detector))
            if len(moments) > 2:
                milliseconds.append([1000 * (after - before) for before, after in pairwise(moments)])
    counted = milliseconds[WARM_UP:]
    if not counted:
        raise FootageError(f"{videos} shows people in fewer than {WARM_UP + 1} stills: raise --stills.")
    read, find, embed, search = (statistics.median(step) for step in zip(*counted, strict=True))
    return QueryReport(
        start_seconds=start_seconds,
        stills=len(counted),
        read_ms=read,
        find_ms=find,
        embed_ms=embed,
        search_ms=search,
        all_ms=statistics.median(map(sum, counted)),
    )


def command(
    videos: Annotated[Path, typer.Option(help="The site's footage.")],
    site: SiteOption,
    stills: Annotated[int, typer.Option(help="How many are searched.", min=1)] = 40,
    as_json: JsonOption = False,
) -> None:
    """Measure how long a warm process takes from a still on disk to its matches."""
    report = measure(site, videos, stills)
    if as_json:
        print_json(report)
        return
    say(f"ready after {report.start_seconds:.2f} s; {report.stills} stills, medians in ms:")
    say(
        f"read {report.read_ms:.1f}  find {report.find_ms:.1f}  embed {report.embed_ms:.1f}  "
        f"search {report.search_ms:.1f}  all {report.all_ms:.1f}"
    )


if __name__ == "__main__":
    run(command)
