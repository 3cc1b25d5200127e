"""What every tracker takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from trackers.detections import Detections

# Of some of a frame's detections, by their places `(K,)`, the appearance `(K, E)` float32, rows of length 1.
Embed = Callable[[NDArray[np.intp]], NDArray[np.float32]]


class EmbedOnce:
    """Embeds a frame's detections when they are first asked for, and remembers them."""

    def __init__(self, embed: Embed, detections: int) -> None:
        self._embed = embed
        self._rows = np.zeros((detections, 0), np.float32)
        self.embedded = np.zeros(detections, bool)  # those that are known

    def __call__(self, places: NDArray[np.intp]) -> NDArray[np.float32]:
        """Appearance `(K, E)` of the detections at some places `(K,)`."""
        new = places[~self.embedded[places]]
        if len(new):
            rows = self._embed(new)
            if not self._rows.size:
                self._rows = np.zeros((len(self.embedded), rows.shape[1]), np.float32)
            self._rows[new], self.embedded[new] = rows, True
        return self._rows[places]

    def of(self, places: NDArray[np.intp]) -> EmbedOnce:
        """The same of some detections `(M,)` alone, which now have the places 0 to M - 1."""
        some = EmbedOnce(lambda rows: self(places[rows]), len(places))
        some._rows, some.embedded = self._rows[places], self.embedded[places]
        return some


class Tracked(NamedTuple):
    """Which detection of a frame belongs to which track. Boxes are observed, never interpolated.

    Tentative tracks are included from their first box on. A track that never gets a second box was tentative, and
    the consumer drops it. Decided that late, the first box of every real track is kept.

    Attributes:
        ids: int64 `(M,)`, ascending.
        detection: intp `(M,)`, index into the frame's detections.
    """

    ids: NDArray[np.int64]
    detection: NDArray[np.intp]


class Tracker(Protocol):
    """One tracker follows one camera. Ids count from 1 in order of birth. Trackers share nothing."""

    def update(self, time: float, detections: Detections, embed: EmbedOnce | None = None) -> Tracked:
        """Takes the detections of the frame at `time` in seconds, also of a frame without people.

        Trackers that go by appearance call `embed` for those detections at which they must look. The others never do.
        A detection is never reported if its score or box is not finite, or if its box has no area. The caller's arrays
        are not changed.
        """
        ...

    def state(self) -> dict[str, NDArray]:
        """All that the tracker knows, as plain arrays fit for `np.savez`. They are copies, safe to keep."""
        ...

    def restore(self, state: dict[str, NDArray]) -> None:
        """Goes on from `state()` of a tracker made with the same options, identical to the last bit."""
        ...

    def drop(self, ids: Collection[int]) -> NDArray[np.int64]:
        """Keeps nothing of some tracks, nor gives their ids again. Returns the ids `(n,)` of those it still knew."""
        ...


LARGEST = 1e7  # px: a coordinate beyond it is an error, and its square would overflow single precision


def usable(detections: Detections) -> NDArray[np.bool_]:
    """`(N,)` mask of detections with a finite box of positive area and a finite score.

    Raises:
        ValueError: Boxes and scores do not fit together.
    """
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
    """Refuses the state of another tracker.

    Args:
        state: What another tracker's `state` may have returned.
        shapes: The expected shape of each array, None for any length.

    Raises:
        ValueError: An array is missing or has another shape.
    """
    for name, expected in shapes.items():
        actual = state[name].shape if name in state else None
        if (
            actual is None
            or len(actual) != len(expected)
            or any(length not in (None, size) for length, size in zip(expected, actual))
        ):
            raise ValueError(f"not a state of this tracker: {name!r} should have shape {expected}, found {actual}")
