"""OC-SORT (Cao et al., "Observation-Centric SORT", CVPR 2023), all tracks at once. Equations have its numbers.

The estimate of an unseen track drifts, what was observed does not. Hence its three parts:

- ORU: It re-updates the filter of a track that is seen again, along a virtual trajectory (eq. 6, 7).
- OCM: It adds the consistency of observed directions to the association (eq. 8).
- OCR: It gives tracks left over a second chance, where they were last observed.

It differs from the authors' program in three ways. The filter is `trackers.kalman`, with steps in seconds. A virtual
trajectory has as many steps as frames were missed, even in time. Every box of a track is reported from its first on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers import kalman
from trackers.array_tracker import ArrayTracker
from trackers.assignment import assign
from trackers.detections import Detections, iou
from trackers.timing import Timing
from trackers.tracked import EmbedOnce, Tracked, usable

Array = NDArray[np.float64]

# The paper's parameters (section 5.1).
DELTA_T = 3  # Δt, frames between the two observations that give a direction
MATCH_IOU = 0.3  # least IoU of a pair
INERTIA = 0.2  # λ of eq. 8, the weight of direction

# Rows of the track array.
FILTER = slice(0, kalman.ROWS)
FROZEN = slice(FILTER.stop, FILTER.stop + kalman.ROWS)  # the filter right after the last observation, for ORU
LAST = slice(FROZEN.stop, FROZEN.stop + 4)  # last observed box, x1 y1 x2 y2
DIRECTION = slice(LAST.stop, LAST.stop + 2)  # unit vector of the observed motion, 0 0 until there are two boxes
RECENT = slice(DIRECTION.stop, DIRECTION.stop + 2 * DELTA_T)  # observed centres, oldest frame first, or nan
ID, SEEN, MISSED, ROWS = RECENT.stop, RECENT.stop + 1, RECENT.stop + 2, RECENT.stop + 3


class OCSort(ArrayTracker):
    """Observation-centric SORT."""

    def __init__(self, *, score: float = 0.6, timing: Timing | None = None) -> None:
        """A tracker that has seen nothing yet.

        Args:
            score: Least score of a box, by default the paper's.
            timing: When a track is forgotten.
        """
        super().__init__(ROWS, timing, ID)
        self.score = score

    def update(self, time: float, detections: Detections, embed: EmbedOnce | None = None) -> Tracked:
        """See `Tracker.update`."""
        index = np.flatnonzero(usable(detections) & (detections.scores >= self.score))
        boxes, scores = detections.boxes[index].astype(np.float64), detections.scores[index].astype(np.float64)
        step = self._clock.step(time)
        tracks = self._recent(SEEN)
        kalman.predict(tracks[FILTER], step)
        earlier = _earlier_centres(tracks)  # 2xT
        detection_of = np.full(tracks.shape[1], -1)  # T, -1 where a track has none
        free = np.ones(len(index), bool)

        # OCM, eq. 8: C = C_IoU + λ C_v, here as similarity. Only pairs that overlap enough may match.
        overlap = iou(kalman.corners(tracks[FILTER]).T, boxes)  # TxD
        momentum = _momentum(tracks[DIRECTION], earlier, boxes) * scores
        rows, columns = assign(np.where(overlap >= MATCH_IOU, overlap + INERTIA * momentum, -1.0), 0.0)
        detection_of[rows], free[columns] = columns, False

        # OCR: what is left over, against the last observation instead of the estimate.
        waiting, left = np.flatnonzero(detection_of < 0), np.flatnonzero(free)
        if len(waiting) and len(left):
            rows, columns = assign(iou(tracks[LAST][:, waiting].T, boxes[left]), MATCH_IOU)
            detection_of[waiting[rows]], free[left[columns]] = left[columns], False

        seen = np.flatnonzero(detection_of >= 0)
        tracks[:, seen] = self._observed(tracks[:, seen], boxes[detection_of[seen]].T, earlier[:, seen])
        lost = np.flatnonzero(detection_of < 0)
        tracks[MISSED, lost] += 1
        _remember(tracks, lost, np.nan)

        born = np.flatnonzero(free)
        if len(born):
            tracks = np.concatenate((tracks, self._begin(boxes[born].T)), axis=1)
            detection_of = np.concatenate((detection_of, born))
        self._tracks = tracks
        seen = np.flatnonzero(detection_of >= 0)
        return Tracked(tracks[ID, seen].astype(np.int64), index[detection_of[seen]])

    def _observed(self, tracks: Array, boxes: Array, earlier: Array) -> Array:
        """`tracks` `(ROWS, N)` after their new observations `boxes` `(4, N)`."""
        measured = kalman.centres(boxes)
        again = np.flatnonzero(tracks[MISSED] > 0)
        if len(again):
            tracks[FILTER, again] = self._re_updated(tracks[:, again], measured[:, again])
        kalman.update(tracks[FILTER], measured)
        tracks[FROZEN] = tracks[FILTER]
        tracks[DIRECTION] = _unit(measured[:2] - earlier)
        tracks[LAST], tracks[SEEN], tracks[MISSED] = boxes, self._clock.now, 0.0
        _remember(tracks, np.arange(tracks.shape[1]), measured[:2])
        return tracks

    def _re_updated(self, tracks: Array, measured: NDArray[np.floating]) -> Array:
        """ORU: filters predicted to now, re-updated along the virtual trajectory from the last observation."""
        filters = tracks[FROZEN].copy()
        start = kalman.centres(tracks[LAST])
        steps = tracks[MISSED] + 1
        dt = (self._clock.now - tracks[SEEN]) / steps
        for number in range(1, int(steps.max()) + 1):
            on = np.flatnonzero(steps >= number)
            part = filters[:, on]
            kalman.predict(part, dt[on])
            between = np.flatnonzero(steps[on] > number)  # the last step's observation is the real one
            virtual = start[:, on] + number / steps[on] * (measured[:, on] - start[:, on])  # eq. 6
            corrected = part[:, between]
            kalman.update(corrected, virtual[:, between])  # eq. 7
            part[:, between] = corrected
            filters[:, on] = part
        return filters

    def _begin(self, boxes: Array) -> Array:
        """New tracks `(ROWS, N)` from boxes `(4, N)`."""
        count = boxes.shape[1]
        measured = kalman.centres(boxes)
        tracks = np.zeros((ROWS, count))
        tracks[FILTER] = tracks[FROZEN] = kalman.initiate(measured)
        tracks[LAST], tracks[SEEN] = boxes, self._clock.now
        tracks[RECENT] = np.nan
        _remember(tracks, np.arange(count), measured[:2])
        tracks[ID] = self._new_ids(count)
        return tracks


def _remember(tracks: Array, columns: NDArray[np.intp], centre: NDArray[np.floating] | float) -> None:
    """Appends the centre observed in this frame, or nan, to the recent centres of some tracks."""
    tracks[RECENT.start : RECENT.stop - 2, columns] = tracks[RECENT.start + 2 : RECENT.stop, columns]
    tracks[RECENT.stop - 2 : RECENT.stop, columns] = centre


def _earlier_centres(tracks: Array) -> Array:
    """`(2, T)`, the oldest observed centre of the last Δt frames, else the last observation's."""
    centre = (tracks[LAST][:2] + tracks[LAST][2:]) / 2
    for frame in range(DELTA_T - 1, -1, -1):
        recent = tracks[RECENT.start + 2 * frame : RECENT.start + 2 * frame + 2]
        centre = np.where(np.isnan(recent), centre, recent)
    return centre


def _unit(vectors: Array) -> Array:
    """Vectors `(2, …)` scaled to length 1. 0 stays 0."""
    length = np.hypot(vectors[0], vectors[1])
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _momentum(direction: Array, earlier: Array, boxes: Array) -> Array:
    """`(T, D)`, (π/2 − |Δθ|)/π of the tracks' direction and the direction to each box. 0 where there is none."""
    intention = _unit(((boxes[:, :2] + boxes[:, 2:]) / 2).T[:, None, :] - earlier[:, :, None])  # 2xTxD
    cosine = direction[0][:, None] * intention[0] + direction[1][:, None] * intention[1]
    momentum = 0.5 - np.arccos(cosine.clip(-1, 1)) / np.pi
    return np.where((direction != 0).any(axis=0)[:, None], momentum, 0.0)
