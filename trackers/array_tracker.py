"""What the trackers share that keep all tracks as the columns of one array."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from trackers.timing import CLOCK_NUMBERS, Clock, Timing
from trackers.tracked import check_state


class ArrayTracker:
    """Tracks as a float64 array `(rows, T)` in order of id, with the clock and state that belong to it."""

    def __init__(self, rows: int, timing: Timing | None, id_row: int = 0) -> None:
        self._id_row = id_row
        self._clock = Clock(timing or Timing())
        self._tracks = np.zeros((rows, 0))
        self._next_id = 1

    def state(self) -> dict[str, NDArray]:
        """See `Tracker.state`."""
        return {
            "clock": self._clock.state(),
            "tracks": self._tracks.copy(),
            "next_id": np.array(self._next_id, np.int64),
        }

    def restore(self, state: dict[str, NDArray]) -> None:
        """See `Tracker.restore`."""
        check_state(state, {"clock": (CLOCK_NUMBERS,), "tracks": (len(self._tracks), None), "next_id": ()})
        self._clock.restore(state["clock"])
        self._tracks = np.array(state["tracks"], np.float64, order="C")
        self._next_id = int(state["next_id"])

    def drop(self, ids: Collection[int]) -> NDArray[np.int64]:
        """See `Tracker.drop`."""
        known = self._tracks[self._id_row].astype(np.int64)
        gone = np.isin(known, list(ids))
        self._tracks = self._tracks[:, ~gone]
        return known[gone]

    def _recent(self, seen: int) -> NDArray[np.float64]:
        """The tracks seen recently enough to be found again. Row `seen` holds when each was seen last."""
        lost_after = self._clock.timing.lost_after(self._clock.interval)
        recent = self._clock.now - self._tracks[seen] <= lost_after
        return self._tracks if recent.all() else self._tracks[:, recent]

    def _new_ids(self, count: int) -> NDArray[np.int64]:
        """`(count,)` ids that no track has had."""
        ids = np.arange(self._next_id, self._next_id + count)
        self._next_id += count
        return ids
