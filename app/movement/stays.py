"""Stays: from when to when a person was in sight of a camera, whatever lies between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError
from app.record import Site

APART = 60.0  # s out of sight of a camera after which the same camera is another stay


@dataclass(frozen=True, eq=False, slots=True)
class Stays:
    """S stays, by person and time."""

    person: NDArray[np.int64]  # (S,) identities, or true people
    camera: NDArray[np.int64]  # (S,) place in `names`
    start: NDArray[np.float64]  # (S,) UTC seconds
    end: NDArray[np.float64]
    names: tuple[str, ...]  # of the cameras

    def __len__(self) -> int:
        return len(self.person)

    def within(self, begin: float, end: float) -> Stays:
        """Those of which some part lies in `begin`…`end`, UTC seconds, each whole."""
        kept = (self.end >= begin) & (self.start < end)
        return Stays(self.person[kept], self.camera[kept], self.start[kept], self.end[kept], self.names)


def stays_of(
    person: NDArray[np.int64],
    camera: NDArray[np.int64],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    names: Sequence[str],
) -> Stays:
    """Joins times `(N,)` in sight, in any order, where no more than APART seconds lie between two of them."""
    order = np.lexsort((start, camera, person))
    person, camera, start, end = person[order], camera[order], start[order], end[order]
    new = np.ones(len(person), bool)
    new[1:] = (person[1:] != person[:-1]) | (camera[1:] != camera[:-1])
    group = np.cumsum(new) - 1
    # Within each person and camera, the latest end so far: a long tracklet may hold later short ones. Groups lie so far
    # apart on one line that one group's ends never reach into the next.
    far = (end.max(initial=0.0) - start.min(initial=0.0)) + APART + 1.0
    until = np.maximum.accumulate(end + group * far) - group * far
    new[1:] |= start[1:] - until[:-1] > APART
    first = np.flatnonzero(new)
    last_end = np.maximum.reduceat(end, first) if len(first) else end
    by_time = np.lexsort((start[first], person[first]))
    first, last_end = first[by_time], last_end[by_time]
    return Stays(person[first], camera[first], start[first], last_end, tuple(names))


def stays_in(site: Site) -> tuple[Stays, int]:
    """Stays of a site's identities, and how many of its tracklets no merging has seen: each is somebody by itself.

    Sightings are left out, as nobody knows who they show. Raises SiteError where the site was never merged.
    """
    table, merging = site.tracklet_table(), site.merging()
    if merging is None:
        raise SiteError(
            f"The site at {site.path} was never merged, so nobody knows who is who: run "
            f"`python -m app.merge --site {site.path}` first."
        )
    identity = merging.of(table.ids)[1]
    stays = stays_of(identity, table.cameras, table.start, table.end, table.names)
    return stays, int((identity < 0).sum())
