"""What every tracker takes and gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from trackers.detections import Detections


class Tracked(NamedTuple):
    """Which detection of a frame belongs to which track; only observed boxes, never an interpolated one.

    ids: int64 ``(M,)``, ascending. detection: intp ``(M,)``, index into the detections that were given.

    Tentative tracks are included from their first box on. A track that never gets a second box was tentative, and
    the consumer drops it: decided later, this keeps the first box of every real track.
    """

    ids: NDArray[np.int64]
    detection: NDArray[np.intp]


class Tracker(Protocol):
    """One tracker follows one camera. Ids count from 1 in order of birth; nothing is shared between objects."""

    def update(self, time: float, detections: Detections) -> Tracked:
        """Take the detections of the frame at `time` (seconds); frames without people must be given too.

        Boxes that are not finite or have no area, and scores that are not finite, are passed over: they are never
        reported. The given arrays are not changed.
        """
        ...

    def state(self) -> dict[str, NDArray]:
        """Everything the tracker knows, as plain arrays, fit for `np.savez`: copies, safe to keep."""
        ...

    def restore(self, state: dict[str, NDArray]) -> None:
        """Go on from `state()` of a tracker made with the same options, identical to the last bit."""
        ...


LARGEST = 1e7  # px: a coordinate beyond it is an error, and its square would overflow single precision


def usable(detections: Detections) -> NDArray[np.bool_]:
    """`(N,)` mask of detections with a finite box of positive area and a finite score."""
    boxes, scores = detections.boxes, detections.scores
    if boxes.shape != (len(scores), 4) or scores.ndim != 1:
        raise ValueError(f"boxes must be (N, 4) and scores (N,), not {boxes.shape} and {scores.shape}")
    if not len(scores):
        return np.zeros(0, bool)
    x1, y1, x2, y2 = boxes.T
    sound = (x2 > x1) & (y2 > y1)  # which nan never is
    if not (boxes.min() > -LARGEST and boxes.max() < LARGEST and np.isfinite(scores.sum())):
        sound &= (x1 > -LARGEST) & (y1 > -LARGEST) & (x2 < LARGEST) & (y2 < LARGEST) & np.isfinite(scores)
    return sound


def check_state(state: dict[str, NDArray], shapes: dict[str, tuple[int | None, ...]]) -> None:
    """Refuse a state of another tracker; `shapes` gives each array's expected shape, `None` for any length."""
    for name, shape in shapes.items():
        found = state[name].shape if name in state else None
        if found is None or len(found) != len(shape) or any(s not in (None, f) for s, f in zip(shape, found)):
            raise ValueError(f"not a state of this tracker: {name!r} should have shape {shape}, found {found}")
