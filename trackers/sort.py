"""SORT (Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016): the classic, for reference and comparison.

One `filterpy` filter a track with the state [u, v, s, r, u̇, v̇, ṡ] (centre, area, aspect ratio; eq. 1), IoU and the
Hungarian assignment; the numbers are those of the authors' program. Its unit of time is the frame.
"""

from __future__ import annotations

import lap
import numpy as np
from filterpy.kalman import KalmanFilter
from numpy.typing import NDArray

from trackers.detections import Detections, iou
from trackers.timing import Clock, Timing
from trackers.tracked import Tracked, check_state, usable

Array = NDArray[np.float64]


class Sort:
    """The classic tracker, its output fitted to `Tracked`.

    score: least score of a box (section 3.1 of the paper: above one half). match: IoU_min.
    max_age: a track unseen for more frames than this is forgotten; T_Lost of the paper.
    min_hits: like the authors' program, a box is reported once its track was found in so many frames running after the
        frame of its birth or last loss (in the first `min_hits` frames of all: at once). So the classic keeps the first
        boxes of a track for itself; 0 reports every box, as the other trackers do.
    timing: when given, its buffer in seconds takes the place of `max_age`. The filter still steps by frames.
    """

    def __init__(
        self,
        *,
        score: float = 0.5,
        match: float = 0.3,
        max_age: int = 1,
        min_hits: int = 3,
        timing: Timing | None = None,
    ) -> None:
        self.score, self.match, self.max_age, self.min_hits = score, match, max_age, min_hits
        self._buffered = timing is not None
        self._clock = Clock(timing or Timing())
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._frames = 0

    def update(self, time: float, detections: Detections) -> Tracked:
        """See `Tracker.update`."""
        index = np.flatnonzero(usable(detections) & (detections.scores >= self.score))
        boxes = detections.boxes[index].astype(np.float64)
        self._clock.step(time)
        self._frames += 1
        predicted = np.array([track.predict() for track in self._tracks]).reshape(-1, 4)
        sound = np.isfinite(predicted).all(axis=1)
        self._tracks = [track for track, keep in zip(self._tracks, sound) if keep]

        born = np.ones(len(boxes), bool)
        reported: list[tuple[int, int]] = []
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
        return Tracked(np.array([r[0] for r in reported], np.int64), np.array([r[1] for r in reported], np.intp))

    def _associate(self, predicted: Array, boxes: Array) -> list[tuple[int, int]]:
        """Pairs of track and box. As in the authors' program, pairs below `match` are cut only after the assignment."""
        overlap = iou(predicted, boxes)
        if overlap.size == 0:
            return []
        above = overlap > self.match
        if above.sum(axis=1).max() <= 1 and above.sum(axis=0).max() <= 1:
            return [(int(r), int(c)) for r, c in zip(*above.nonzero(), strict=True)]
        column_of = lap.lapjv(-overlap, extend_cost=True, return_cost=False)[0]
        return [(r, int(c)) for r, c in enumerate(column_of) if c >= 0 and overlap[r, c] >= self.match]

    def _forgotten(self, track: _Track) -> bool:
        if self._buffered:
            return self._clock.now - track.seen > self._clock.timing.lost_after(self._clock.interval)
        return track.missed > self.max_age

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
        check_state(state, {"clock": (6,), "frames": (), "next_id": (), **any_length})
        self._clock.restore(state["clock"])
        self._frames, self._next_id = int(state["frames"]), int(state["next_id"])
        self._tracks = []
        for x, covariance, seen, counts in zip(state["x"], state["P"], state["seen"], state["counts"]):
            track = _Track(np.array([0.0, 0.0, 1.0, 1.0]), int(counts[0]), float(seen))
            track.missed, track.streak = int(counts[1]), int(counts[2])
            track.filter.x, track.filter.P = np.array(x)[:, None], np.array(covariance)
            self._tracks.append(track)


class _Track:
    """One person as the tracker goes.

    seen: time of the last box, s. missed: frames without a box since. streak: frames running with a box.
    """

    def __init__(self, box: Array, id: int, seen: float) -> None:
        self.id, self.seen, self.missed, self.streak = id, seen, 0, 0
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
        """Box x1 y1 x2 y2 in the next frame; not finite when the area has become negative."""
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
    width, height = box[2] - box[0], box[3] - box[1]
    return np.array([[box[0] + width / 2], [box[1] + height / 2], [width * height], [width / height]])
