"""How long people take from one camera to another, learned from matches that nobody labelled.

Each ordered pair of cameras has densities of the time from leaving one to appearing in the other. That among confident
matches is held against that among all pairs of people. Times are compared on a scale that is even near 0 and
logarithmic far off. A second more matters after three and not after a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.merging.motion import CLOCK_SLACK

_GRID = 512  # points of a density
_FEWEST = 8  # matches from which on times are evidence: fewer would mostly confirm themselves
_DOUBT = 20.0  # matches at which the learned density counts as much as not knowing
_MOST = 1000  # visits of a camera that the background is estimated from
_NARROWEST = 0.15  # bandwidth on the scale: 15 % of a long time
_SMOOTH = 0.3  # the background's
_FLOOR = 0.02  # of the background density, where hardly anybody could be compared


@dataclass(frozen=True, slots=True)
class TransitTime:
    """What was learned of the way from one camera to another. Negative times: views that overlap."""

    origin: int  # camera, as the caller numbers them
    destination: int
    count: int  # of confident matches
    median: float  # s
    p10: float  # s, 10th percentile
    p90: float


@dataclass(frozen=True, eq=False)
class Visits:
    """V trajectories as stays in front of a camera."""

    camera: NDArray[np.int64]  # (V,) 0 … C − 1
    start: NDArray[np.float64]  # (V,) s. NaN: unknown
    end: NDArray[np.float64]

    def way(
        self, a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Of visits a and b (P,), the camera of the earlier and that of the later.

        The third is the time in s from leaving to appearing.
        """
        swap = self.start[b] < self.start[a]
        first, second = np.where(swap, b, a), np.where(swap, a, b)
        return self.camera[first], self.camera[second], self.start[second] - self.end[first]


@dataclass(frozen=True, eq=False)
class Transits:
    """Log-odds that transit times add. They are 0 between cameras of which nothing is known."""

    times: tuple[TransitTime, ...]  # `origin` and `destination` 0 … C − 1
    grid: NDArray[np.float64]  # (G,) on the scale
    log_odds: dict[tuple[int, int], NDArray[np.float64]]  # (G,)

    def evidence(self, visits: Visits, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """(P,) of pairs of visits in different cameras."""
        origin, destination, seconds = visits.way(a, b)
        odds = np.zeros(len(a))
        for (first_camera, second_camera), table in self.log_odds.items():
            on_way = (origin == first_camera) & (destination == second_camera) & np.isfinite(seconds)
            odds[on_way] = np.interp(_scaled(seconds[on_way]), self.grid, table)
        return odds


NOTHING = Transits((), np.zeros(1), {})


def learned(visits: Visits, a: NDArray[np.int64], b: NDArray[np.int64]) -> Transits:
    """Transit times from matches: pairs (P,) of visits, in different cameras, one right after the other.

    The learned density is mixed with the background, the less the more matches there are. So no time ever becomes
    impossible. The background is that of all pairs of visits of the two cameras that do not come at once.
    """
    origin, destination, seconds = visits.way(a, b)
    timed = np.isfinite(seconds)
    if not timed.any():
        return NOTHING
    scale = _scaled(seconds)
    everything = visits.end[np.isfinite(visits.end)].max() - visits.start[np.isfinite(visits.start)].min()
    grid = np.linspace(min(scale[timed].min(), _scaled(np.array(-CLOCK_SLACK))) - 1, _scaled(everything) + 1, _GRID)
    times, tables = [], {}
    for first_camera, second_camera in sorted(set(zip(origin[timed].tolist(), destination[timed].tolist()))):
        on_way = timed & (origin == first_camera) & (destination == second_camera)
        low, middle, high = np.percentile(seconds[on_way], [10, 50, 90]).tolist()
        count = int(on_way.sum())
        times.append(
            TransitTime(origin=first_camera, destination=second_camera, count=count, median=middle, p10=low, p90=high)
        )
        if count < _FEWEST:
            continue
        background = _background(
            visits, first_camera, second_camera, min(-CLOCK_SLACK, float(seconds[on_way].min())), grid
        )
        # As a normal density's, which few strays do not widen.
        spread = np.diff(np.percentile(scale[on_way], [25, 75]))[0] / 1.34
        width = max(_NARROWEST, 0.9 * float(spread) * count**-0.2)  # Silverman's rule
        density = _density(scale[on_way], width, grid)
        trust = count / (count + _DOUBT)
        tables[first_camera, second_camera] = np.log(trust * density / background + 1 - trust)
    return Transits(tuple(times), grid, tables)


def _background(
    visits: Visits, first_camera: int, second_camera: int, least: float, grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    stays = []
    for camera in (first_camera, second_camera):
        camera_visits = np.nonzero((visits.camera == camera) & np.isfinite(visits.start) & np.isfinite(visits.end))[0]
        stays.append(camera_visits[:: 1 + len(camera_visits) // _MOST])
    seconds = visits.start[stays[1]] - visits.end[stays[0]][:, None]
    later = visits.start[stays[1]] >= visits.start[stays[0]][:, None]
    density = _density(_scaled(seconds[later & (seconds >= least)]), _SMOOTH, grid)
    return np.maximum(density, _FLOOR)


def _density(values: NDArray[np.float64], width: float, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """(G,) a kernel density estimate: a histogram on the grid, smoothed."""
    step = grid[1] - grid[0]
    counts = np.histogram(values, bins=_GRID, range=(grid[0] - step / 2, grid[-1] + step / 2))[0]
    reach = int(np.ceil(4 * width / step))
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) * step / width))
    smooth = np.convolve(counts, kernel, mode="full")[reach : reach + _GRID]
    return smooth / (kernel.sum() * step * max(1, len(values)))


def _scaled(seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.sign(seconds) * np.log1p(np.abs(seconds))
