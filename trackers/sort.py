"""SORT (Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016), for reference and comparison.

It is the classic. A track has a `filterpy` filter. Its state is [u, v, s, r, u̇, v̇, ṡ] (centre, area, aspect ratio,
eq. 1). Tracks and boxes are matched by IoU and the Hungarian assignment. The numbers are those of the authors' program.
Its unit of time is the frame.
"""

from __future__ import annotations

from collections.abc import Collection

import lap
import numpy as np
from filterpy.kalman import KalmanFilter
from numpy.typing import NDArray

from trackers.detections import Detections, iou
from trackers.timing import CLOCK_NUMBERS, Clock, Timing
from trackers.tracked import EmbedOnce, Tracked, check_state, usable

Array = NDArray[np.float64]

MIN_SCORE = 0.5  # of a box (section 3.1)
MIN_IOU = 0.3  # of a pair, IoU_min of the paper
MAX_AGE = 1  # frames, a track unseen for more is forgotten, T_Lost of the paper


class Sort:
    """The classic tracker, its output fitted to `Tracked`."""

    def __init__(self, *, min_hits: int = 3, timing: Timing | None = None) -> None:
        """A tracker that has seen nothing yet.

        Args:
            min_hits: A box is reported once its track had a box in so many frames running. They count after its birth
                or last loss. In the first `min_hits` frames of all it is reported at once. So does the authors'
                program. The classic keeps the first boxes of a track for itself. With 0 every box is reported, as the
                other trackers do.
            timing: Its buffer in seconds replaces `MAX_AGE`. The filter still steps by frames.
        """
        self.min_hits = min_hits
        self._buffered = timing is not None
        self._clock = Clock(timing or Timing())
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._frames = 0

    def update(self, time: float, detections: Detections, embed: EmbedOnce | None = None) -> Tracked:
        """See `Tracker.update`."""
        index = np.flatnonzero(usable(detections) & (detections.scores >= MIN_SCORE))
        boxes = detections.boxes[index].astype(np.float64)
        self._clock.step(time)
        self._frames += 1
        predicted = np.array([track.predict() for track in self._tracks]).reshape(-1, 4)
        sound = np.isfinite(predicted).all(axis=1)
        self._tracks = [track for track, keep in zip(self._tracks, sound) if keep]

        born = np.ones(len(boxes), bool)
        reported: list[tuple[int, int]] = []  # id and detection
        for row, column in self._associate(predicted[sound], boxes):
            track = self._tracks[row]
            track.update(boxes[column], self._clock.now)
            born[column] = False
            if track.streak >= self.min_hits or self._frames <= self.min_hits:
                reported.append((track.id, int(index[column])))
        for column in np.flatnonzero(born).tolist():
            self._tracks.append(_Track(boxes[column], self._next_id, self._clock.now))
            if self.min_hits <= 0 or self._frames <= self.min_hits:
                reported.append((self._next_id, int(index[column])))
            self._next_id += 1
        self._tracks = [track for track in self._tracks if not self._forgotten(track)]
        reported.sort()
        ids, detection = [id for id, _ in reported], [detection for _, detection in reported]
        return Tracked(np.array(ids, np.int64), np.array(detection, np.intp))

    def _associate(self, predicted: Array, boxes: Array) -> list[tuple[int, int]]:
        """Pairs of track and box. As in the authors' program, pairs below `MIN_IOU` are cut after the assignment."""
        overlap = iou(predicted, boxes)
        if overlap.size == 0:
            return []
        above = overlap > MIN_IOU
        if above.sum(axis=1).max() <= 1 and above.sum(axis=0).max() <= 1:
            return [(int(r), int(c)) for r, c in zip(*above.nonzero(), strict=True)]
        column_of = lap.lapjv(-overlap, extend_cost=True, return_cost=False)[0]
        return [(r, int(c)) for r, c in enumerate(column_of) if c >= 0 and overlap[r, c] >= MIN_IOU]

    def _forgotten(self, track: _Track) -> bool:
        if self._buffered:
            return self._clock.now - track.seen > self._clock.timing.lost_after(self._clock.interval)
        return track.missed > MAX_AGE

    def state(self) -> dict[str, NDArray]:
        """See `Tracker.state`."""
        return {
            "clock": self._clock.state(),
            "frames": np.array(self._frames, np.int64),
            "next_id": np.array(self._next_id, np.int64),
            "x": np.array([track.filter.x[:, 0] for track in self._tracks]).reshape(-1, 7),
            "P": np.array([track.filter.P for track in self._tracks]).reshape(-1, 7, 7),
            "seen": np.array([track.seen for track in self._tracks], np.float64),
            "counts": np.array([(t.id, t.missed, t.streak) for t in self._tracks], np.int64).reshape(-1, 3),
        }

    def restore(self, state: dict[str, NDArray]) -> None:
        """See `Tracker.restore`."""
        any_length = {"x": (None, 7), "P": (None, 7, 7), "seen": (None,), "counts": (None, 3)}
        check_state(state, {"clock": (CLOCK_NUMBERS,), "frames": (), "next_id": (), **any_length})
        self._clock.restore(state["clock"])
        self._frames, self._next_id = int(state["frames"]), int(state["next_id"])
        self._tracks = []
        for x, covariance, seen, (id, missed, streak) in zip(
            state["x"], state["P"], state["seen"], state["counts"].tolist()
        ):
            track = _Track(np.array([0.0, 0.0, 1.0, 1.0]), id, float(seen))
            track.missed, track.streak = missed, streak
            track.filter.x, track.filter.P = np.array(x)[:, None], np.array(covariance)
            self._tracks.append(track)

    def drop(self, ids: Collection[int]) -> NDArray[np.int64]:
        """See `Tracker.drop`."""
        gone = [track.id for track in self._tracks if track.id in ids]
        self._tracks = [track for track in self._tracks if track.id not in ids]
        return np.array(gone, np.int64)


class _Track:
    """One person as the tracker goes."""

    def __init__(self, box: Array, id: int, seen: float) -> None:
        self.id = id
        self.seen = seen  # s, time of the last box
        self.missed = 0  # frames without a box since
        self.streak = 0  # frames running with a box
        f = self.filter = KalmanFilter(dim_x=7, dim_z=4)
        f.F = np.eye(7)
        f.F[:3, 4:] = np.eye(3)
        f.H = np.eye(4, 7)
        f.R[2:, 2:] *= 10
        f.P[4:, 4:] *= 1000  # nothing is known of the first velocity
        f.P *= 10
        f.Q[6, 6] *= 0.01
        f.Q[4:, 4:] *= 0.01
        f.x[:4] = _measured(box)

    def predict(self) -> Array:
        """Box x1 y1 x2 y2 in the next frame. It is not finite when the area has become negative."""
        x = self.filter.x
        if x[6, 0] + x[2, 0] <= 0:
            x[6] = 0
        self.filter.predict()
        if self.missed > 0:
            self.streak = 0
        self.missed += 1
        u, v, s, r = self.filter.x[:4, 0]
        if s * r <= 0:
            return np.full(4, np.nan)
        width = np.sqrt(s * r)
        height = s / width
        return np.array([u - width / 2, v - height / 2, u + width / 2, v + height / 2])

    def update(self, box: Array, now: float) -> None:
        self.seen, self.missed, self.streak = now, 0, self.streak + 1
        self.filter.update(_measured(box))


def _measured(box: Array) -> Array:
    """[u, v, s, r] `(4, 1)` of a box x1 y1 x2 y2."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    return np.array([[x1 + width / 2], [y1 + height / 2], [width * height], [width / height]])
