"""Stays: from when to when a person was in sight of a camera, whatever lies between."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """T tracklets, and whom each shows. Sightings are left out, as nobody knows who they show."""

    ids: NDArray[np.int64]  # (T,)
    person: NDArray[np.int64]  # (T,) identities, −1 and less for who is by itself
    camera: NDArray[np.int64]  # (T,) place in `names`
    footage: NDArray[np.int64]  # (T,) ids
    start: NDArray[np.float64]  # (T,) UTC seconds
    end: NDArray[np.float64]
    names: tuple[str, ...]  # of the cameras

    def rows(self, kept: NDArray[np.bool_]) -> Seen:
        """Some of them."""
        columns = ("ids", "person", "camera", "footage", "start", "end")
        return replace(self, **{name: getattr(self, name)[kept] for name in columns})

    def stays(self) -> Stays:
        """The stays of all people."""
        return stays_of(self.person, self.camera, self.start, self.end, self.names)

    @property
    def unmerged(self) -> int:
        """How many tracklets no merging has seen: each is somebody by itself."""
        return int((self.person < 0).sum())


def seen_in(site: Site, cameras: Collection[str] | None = None, *, merged: bool = True) -> Seen:
    """All tracklets of a site, or of some cameras alone: then nothing of others is in it.

    merged: whether it must be known who is who. Raises SiteError where it must, and the site was never merged.
    """
    table, merging = site.tracklet_table(), site.merging()
    if merging is None and merged:
        raise SiteError(
            f"The site at {site.path} was never merged, so nobody knows who is who: run "
            f"`python -m app.merge --site {site.path}` first."
        )
    person = -1 - np.arange(len(table)) if merging is None else merging.of(table.ids)[1]
    kept_names = [k for k, name in enumerate(table.names) if cameras is None or name in cameras]
    place = np.full(len(table.names), -1)
    place[kept_names] = np.arange(len(kept_names))
    camera = place[table.cameras] if len(table) else table.cameras
    seen = Seen(
        table.ids, person, camera, table.footage, table.start, table.end, tuple(table.names[k] for k in kept_names)
    )
    return seen if cameras is None else seen.rows(camera >= 0)
