"""What 10, 100, 1,000 and 10,000 cameras need, and which part is full first: a simulation with measured costs.

`bench.camera_costs` measures what a camera costs an hour, and `bench.search` what searching costs in PostgreSQL. Here a
day is gone through minute by minute. Work comes as the traffic does, with chance, and each part does what it can. What
it can't do waits. Searches come at random in the busiest hour, and each takes a core of the database for its time.

What is simulated is the queues. That parts scale is taken for granted: so many workers do so many times as much.

    python -m bench.scale --costs costs.json --rows 1000000 --filtered-ms 36.4 --unfiltered-ms 68.9 \
        --vectors-mib 1163 --index-mib 1303
"""

from __future__ import annotations

import dataclasses
import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from app.errors import SiteError
from app.terminal import JsonOption, print_json
from bench.camera_costs import CameraCosts
from bench.measuring import MIB
from bench.search import CAMERAS as GALLERY_CAMERAS
from bench.search import DAYS as GALLERY_DAYS
from bench.terminal import print_table, run, say

CAMERAS = (10, 100, 1_000, 10_000)
FULL = 0.7  # share of a part's capacity, beyond which waiting grows fast
MINUTES = 24 * 60
UNEVEN = 0.5  # spread of a camera's minute, as a share of its mean
MOST_CAMERAS = 10_000_000
SEARCHES = 20_000  # that are simulated
SEARCHED_KINDS = 2  # `own` and `drawn`

HEADS = (
    "machines of 16 cores",
    "pictures, TiB",
    "rows, 10⁹",
    "vectors, 10⁶",
    "searched, GiB",
    "database, cores",
    "commits/s",
    "objects/s",
    "search p50 / p99, ms",
    "full",
)


@dataclass(frozen=True, slots=True)
class Plant:
    """What there is. Workers are added as cameras are, the rest is one of each."""

    worker_cores: int = 16  # of a machine
    database_cores: int = 16
    memory_gib: float = 128.0  # of the database, for what is searched
    database_commits: float = 2_000.0  # a second, on a disk that flushes in half a millisecond
    store_puts: float = 3_500.0  # a second
    store_mib: float = 1_000.0  # a second
    days: float = 30.0  # that all is kept
    searches: float = 0.2  # an hour and camera, in the busiest hour
    unfiltered: float = 0.1  # share of the searches
    people: float = 0.1  # of those in the footage that was measured, in the day's mean


@dataclass(frozen=True, slots=True)
class SearchCosts:
    """What `bench.search` tells of a gallery of so many rows, of CAMERAS × DAYS there."""

    filtered_ms: float  # of a core
    unfiltered_ms: float
    vectors_mib: float  # of all rows, with their keys
    index_mib: float
    rows: float

    @property
    def bytes_of_one(self) -> float:
        """What a search may read of a tracklet or sighting: `own` and `drawn`, with keys and indexes."""
        return SEARCHED_KINDS * (self.vectors_mib + self.index_mib) * MIB / self.rows

    def milliseconds(self, of_a_camera_and_day: float, all_rows: float) -> tuple[float, float]:
        """Filtered and unfiltered.

        A filtered one looks at all rows of as many cameras and days as there. The other grows as HNSW does, with the
        logarithm.
        """
        of_one = self.rows / (GALLERY_CAMERAS * GALLERY_DAYS)
        grown = max(1.0, np.log(max(all_rows, 2.0)) / np.log(self.rows))
        return self.filtered_ms * of_a_camera_and_day / of_one, self.unfiltered_ms * grown


@dataclass(frozen=True, slots=True)
class Part:
    """A part that can be full: what it is asked for a second, and what it can."""

    name: str
    asked: Callable[[float], float]  # by cameras, in the busiest hour
    can: float


@dataclass(frozen=True, slots=True)
class Needs:
    """Of so many cameras."""

    cameras: int
    worker_machines: int
    pictures_tib: float  # of all days
    rows: float
    vectors: float  # as the model made them
    searched_gib: float  # their `own` and `drawn`, with keys and indexes
    database_cores: float  # busy in the busiest hour
    commits_a_second: float
    puts_a_second: float
    lag_seconds: dict[str, float]  # the most that a part's work waited in the day
    search_ms: tuple[float, float] | None  # p50 and p99 in the busiest hour. None: more come than can be answered
    full: list[str]  # parts that are asked for more than FULL of what they can


def traffic() -> NDArray[np.float64]:
    """(MINUTES,) how many people there are, by the day's mean: two rush hours, hardly anybody at night."""
    hour = np.arange(MINUTES) / 60
    shape = 0.05 + np.exp(-(((hour - 8.5) / 1.5) ** 2)) + 0.5 * np.exp(-(((hour - 13) / 2.5) ** 2))
    shape += np.exp(-(((hour - 17.5) / 1.8) ** 2))
    return shape / shape.mean()


def parts(costs: CameraCosts, plant: Plant, search: SearchCosts) -> list[Part]:
    """All but workers, of which there are as many as are needed."""
    busiest = plant.people * busiest_hour()

    def database(cameras: float) -> float:
        filtered, unfiltered = search_ms(costs, plant, search, cameras)
        a_search = ((1 - plant.unfiltered) * filtered + plant.unfiltered * unfiltered) / 1000
        return cameras / 3600 * (busiest * costs.database_cpu_seconds + plant.searches * a_search)

    a_second = busiest / 3600
    return [
        Part("the database's cores", database, plant.database_cores),
        Part("the database's commits", lambda n: n * a_second * costs.commits, plant.database_commits),
        Part(
            "the database's memory", lambda n: gallery(costs, plant, n) * search.bytes_of_one / 2**30, plant.memory_gib
        ),
        Part("the store's objects", lambda n: n * a_second * costs.objects, plant.store_puts),
        Part("the store's bytes", lambda n: n * a_second * costs.pictures_mib, plant.store_mib),
    ]


def gallery(costs: CameraCosts, plant: Plant, cameras: float) -> float:
    """Tracklets and sightings whose vectors are kept."""
    return cameras * plant.people * costs.vectors * 24 * plant.days


def search_ms(costs: CameraCosts, plant: Plant, search: SearchCosts, cameras: float) -> tuple[float, float]:
    """Of a core, filtered and unfiltered."""
    return search.milliseconds(plant.people * costs.vectors * 24, gallery(costs, plant, cameras))


def busiest_hour() -> float:
    """People in it, by the day's mean."""
    return float(traffic().reshape(-1, 60).mean(1).max())


def knee(part: Part) -> int:
    """The most cameras that a part bears without being FULL, by halving."""
    low, high = 0, MOST_CAMERAS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if part.asked(middle) <= FULL * part.can else (low, middle)
    return low


def longest_lag(work: NDArray[np.float64], can: float) -> float:
    """Seconds that work waited at most, where `work` (MINUTES,) comes and `can` a second is done."""
    left = most = 0.0
    for minute in work.tolist():
        left = max(0.0, left + minute - 60 * can)
        most = max(most, left)
    return most / can


def waits(rate: float, service: NDArray[np.float64], cores: int, seed: int) -> tuple[float, float] | None:
    """p50 and p99 in ms from a search's arrival to its answer.

    Args:
        rate: Searches a second, at random moments.
        service: (S,) ms that each takes a core.
        cores: That answer.
        seed: Of the moments.

    Returns:
        None where more come than can be answered.
    """
    if rate * service.mean() / 1000 >= cores:
        return None
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1000 / rate, len(service)))
    free = [0.0] * cores
    heapq.heapify(free)
    took = np.empty(len(service))
    for k, (arrival, length) in enumerate(zip(arrivals.tolist(), service.tolist())):
        end = max(arrival, heapq.heappop(free)) + length
        heapq.heappush(free, end)
        took[k] = end - arrival
    return float(np.median(took)), float(np.quantile(took, 0.99))


def needs(costs: CameraCosts, plant: Plant, search: SearchCosts, cameras: int, seed: int) -> Needs:
    """Goes through a day of so many cameras."""
    rng = np.random.default_rng([seed, cameras])
    uneven = np.maximum(0.0, rng.normal(1.0, UNEVEN / np.sqrt(cameras), MINUTES))
    looked_at = cameras * uneven / 60  # camera-hours a minute. A frame costs about the same, whoever is in it
    come = plant.people * traffic() * looked_at  # the same of the measured footage's people
    machines = int(np.ceil(cameras * costs.worker_cpu_seconds / 3600 / FULL / plant.worker_cores))
    all_parts = parts(costs, plant, search)
    asked = {part.name: part.asked(cameras) for part in all_parts}
    vectors, days = gallery(costs, plant, cameras), cameras * plant.people * 24 * plant.days
    filtered, unfiltered = search_ms(costs, plant, search, cameras)
    service = np.where(rng.random(SEARCHES) < plant.unfiltered, unfiltered, filtered)
    writing = cameras * plant.people * busiest_hour() * costs.database_cpu_seconds / 3600
    left = int(plant.database_cores - writing)
    return Needs(
        cameras=cameras,
        worker_machines=machines,
        pictures_tib=days * costs.pictures_mib / 2**20,
        rows=days * costs.rows,
        vectors=vectors,
        searched_gib=vectors * search.bytes_of_one / 2**30,
        database_cores=asked["the database's cores"],
        commits_a_second=asked["the database's commits"],
        puts_a_second=asked["the store's objects"],
        lag_seconds={
            "workers": longest_lag(looked_at * costs.worker_cpu_seconds, machines * plant.worker_cores),
            "database": longest_lag(come * costs.database_cpu_seconds, plant.database_cores),
            "commits": longest_lag(come * costs.commits, plant.database_commits),
            "store": longest_lag(come * costs.objects, plant.store_puts),
        },
        search_ms=waits(cameras * plant.searches / 3600, service, left, seed) if left > 0 else None,
        full=[part.name for part in all_parts if asked[part.name] > FULL * part.can],
    )


def read_costs(path: Path) -> CameraCosts:
    """What `bench.camera_costs --out` wrote. Raises SiteError where it is no such file."""
    try:
        return CameraCosts(**json.loads(path.read_text(encoding="utf-8"))["costs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SiteError(
            f"{path} has no costs ({error}): make it with `python -m bench.camera_costs VIDEOS --out {path}`."
        ) from error


def command(
    costs: Annotated[Path, typer.Option(help="What `bench.camera_costs --out` wrote.")],
    filtered_ms: Annotated[
        float, typer.Option(help="A filtered search in PostgreSQL, as `bench.search` tells.", min=0)
    ],
    unfiltered_ms: Annotated[float, typer.Option(help="An unfiltered one.", min=0)],
    vectors_mib: Annotated[float, typer.Option(help="All vectors there with their keys.", min=0)],
    index_mib: Annotated[float, typer.Option(help="Their indexes.", min=0)],
    rows: Annotated[float, typer.Option(help="In a gallery of so many.", min=1000)],
    cameras: Annotated[list[int] | None, typer.Option(help="Default: 10, 100, 1,000, 10,000.", min=1)] = None,
    people: Annotated[
        float, typer.Option(help="Of those in the measured footage, in the day's mean.", min=0.001)
    ] = 0.1,
    days: Annotated[float, typer.Option(help="That all is kept.", min=0.1)] = 30.0,
    searches: Annotated[float, typer.Option(help="An hour and camera, in the busiest hour.", min=0.001)] = 0.2,
    seed: Annotated[int, typer.Option(help="Of chance.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Say what cameras need, and which part is full first."""
    measured, search = read_costs(costs), SearchCosts(filtered_ms, unfiltered_ms, vectors_mib, index_mib, rows)
    plant = Plant(people=people, days=days, searches=searches)
    told = [needs(measured, plant, search, count, seed) for count in cameras or CAMERAS]
    knees = sorted((knee(part), part.name) for part in parts(measured, plant, search))
    if as_json:
        print_json({"needs": [dataclasses.asdict(of) for of in told], "full_from": {name: at for at, name in knees}})
        return
    print_table(("cameras", *HEADS), ((f"{of.cameras:,}", *columns(of)) for of in told))
    say()
    say(f"Which part is full first (asked for {100 * FULL:.0f} % of what it can):")
    for at, name in knees:
        say(f"- {name}: from {at + 1:,} cameras on" if at + 1 < MOST_CAMERAS else f"- {name}: never")


def columns(of: Needs) -> tuple[str, ...]:
    """As the table has them."""
    return (
        f"{of.worker_machines:,}",
        f"{of.pictures_tib:,.1f}",
        f"{of.rows / 1e9:,.2f}",
        f"{of.vectors / 1e6:,.1f}",
        f"{of.searched_gib:,.0f}",
        f"{of.database_cores:,.2f}",
        f"{of.commits_a_second:,.1f}",
        f"{of.puts_a_second:,.1f}",
        "never" if of.search_ms is None else f"{of.search_ms[0]:,.0f} / {of.search_ms[1]:,.0f}",
        ", ".join(of.full) or "–",
    )


if __name__ == "__main__":
    run(command)
