"""Where people's feet are on a camera's picture, and how long somebody stays in one place: where paths jam."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError
from app.movement.paths import JOINED, Paths, paths_in
from app.movement.sizes import sizes_of
from app.movement.stays import seen_in
from app.record import Site
from app.record.rows import AuditEntry

COLUMNS = 48  # cells along the picture's width. They are square
LEAST_PEOPLE = 3  # in a cell, to say how long somebody stays there


@dataclass(frozen=True, eq=False, slots=True)
class Heat:
    """A grid `(R, C)` over one camera's picture."""

    camera: str
    start: float  # UTC seconds, of the time looked at
    end: float
    seconds: NDArray[np.float64]  # person-seconds that feet were in each cell
    people: NDArray[np.int64]  # different ones in each cell
    guessed: bool  # how large the picture is, as its footage is gone

    @property
    def stay(self) -> NDArray[np.float64]:
        """Mean seconds that a person stays in each cell, NaN where fewer than LEAST_PEOPLE were."""
        return np.where(self.people >= LEAST_PEOPLE, self.seconds / np.maximum(self.people, 1), np.nan)


def heat(site: Site, camera: str, begin: float | None = None, end: float | None = None, *, who: str) -> Heat:
    """Where feet were in `begin`…`end`, UTC seconds, by default in all of the footage. Notes that `who` looked.

    Tracklets that no merging has seen are somebody each. Raises SiteError where the time holds nothing.
    """
    records = site.footage(camera)
    begin = min((f.start for f in records), default=0.0) if begin is None else begin
    end = max((f.start + f.seconds for f in records), default=0.0) if end is None else end
    if not begin < end:
        raise SiteError("The time to look at ends before it begins, or there is no footage: give another one.")
    seen = seen_in(site, [camera], merged=False)
    seen = seen.rows((seen.end >= begin) & (seen.start < end))
    sizes, guessed = sizes_of(site, records, seen.ids)
    width, height = sizes[records[-1].id]
    rows = max(1, round(COLUMNS * height / width))
    seconds, people = grids(paths_in(site, seen, sizes), rows, begin, end)
    site.note(AuditEntry(time.time(), who, "heat map", {"camera": camera, "from": begin, "to": end}))
    return Heat(camera, begin, end, seconds, people, bool(guessed))


def grids(pages: Iterable[Paths], rows: int, begin: float, end: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Person-seconds and different people `(rows, COLUMNS)` each. pages: of one camera, by person.

    A box lasts until the next one of its path, for JOINED seconds at most.
    """
    cells = rows * COLUMNS
    seconds, people = np.zeros(cells), np.zeros(cells, np.int64)
    earlier = np.zeros((0, 2), np.int64)  # person and cell, of the person with whom the page before ended
    for page in pages:
        if not len(page.time):
            continue
        lasts = np.zeros(len(page.time))
        goes_on = page.path[1:] == page.path[:-1]
        lasts[:-1][goes_on] = np.diff(page.time)[goes_on].clip(0, JOINED)
        kept = (page.time >= begin) & (page.time < end)
        column, row = (
            np.minimum((page.feet[kept, k] * count).astype(np.int64), count - 1)
            for k, count in ((0, COLUMNS), (1, rows))
        )
        cell = row * COLUMNS + column
        seconds += np.bincount(cell, lasts[kept], minlength=cells)
        pairs = np.unique(np.stack([page.person[page.path[kept]], cell], 1), axis=0)
        known = np.isin(_keys(pairs, cells), _keys(earlier, cells))
        people += np.bincount(pairs[~known, 1], minlength=cells)
        earlier = np.concatenate([earlier[earlier[:, 0] == page.person[-1]], pairs[pairs[:, 0] == page.person[-1]]])
    return seconds.reshape(rows, COLUMNS), people.reshape(rows, COLUMNS)


def _keys(pairs: NDArray[np.int64], cells: int) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = pairs[:, 0] * cells + pairs[:, 1]
    return keys
