"""ByteTrack (Zhang et al., ECCV 2022) with the height-modulated IoU of Hybrid-SORT (Yang et al., AAAI 2024).

All tracks are the columns of one array, in order of id. A frame costs one similarity matrix of tracks and detections,
of which the three associations take parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers import kalman
from trackers.assignment import assign
from trackers.detections import Detections, coverage
from trackers.timing import Clock, Timing
from trackers.tracked import Tracked, check_state, usable

Array = NDArray[np.float64]
Boxes = NDArray[np.floating]  # the detector's single precision is kept until a filter takes them

# Rows of the track array: the Kalman filter, then these.
FILTER = slice(0, kalman.ROWS)
ID, SEEN, STATUS, ROWS = kalman.ROWS, kalman.ROWS + 1, kalman.ROWS + 2, kalman.ROWS + 3
# What STATUS holds. A tentative track has one box, of the last frame; so the tentative are the last columns.
TENTATIVE, TRACKED, LOST = 0.0, 1.0, 2.0


class ByteTrack:
    """Strong boxes are matched first, weak ones then keep tracks alive in occlusion; only strong ones begin tracks.

    Similarities are height-modulated IoU, for strong boxes times the score. Defaults are ByteTrack's, where not said.

    strong, weak: scores from which a box is strong, and from which it is looked at. 0.5 is the default of ByteTrack's
        program; its paper has 0.6, for a detector trained on the scenes themselves.
    birth: score from which an unmatched box begins a track, ByteTrack's strong + 0.1. The track is tentative and dies
        unless matched in the next frame, except in the first frame of all, whose tracks are confirmed at once.
    match, rescue, confirm: least similarity of a strong box to a confirmed or lost track, of a weak box to a track seen
        in the last frame, of a strong box to a tentative track.
    twin: similarity of a lost track to another's box from which the two are one, and the later born is dropped
        (ByteTrack: IoU .85 of the two, the longer-lived stays).
    covered: coverage (intersection over the smaller) from which an unmatched box lies on a person already tracked in
        this frame and begins no track: detectors put second boxes on halves of people. Ours, 1 or more turns it off.
    """

    def __init__(
        self,
        *,
        strong: float = 0.5,
        weak: float = 0.1,
        birth: float = 0.6,
        match: float = 0.2,
        rescue: float = 0.5,
        confirm: float = 0.3,
        twin: float = 0.8,
        covered: float = 0.9,
        timing: Timing | None = None,
    ) -> None:
        self.strong, self.weak, self.birth = strong, weak, birth
        self.match, self.rescue, self.confirm = match, rescue, confirm
        self.twin, self.covered = twin, covered
        self._clock = Clock(timing or Timing())
        self._tracks: Array = np.zeros((ROWS, 0))
        self._next_id = 1

    def update(self, time: float, detections: Detections) -> Tracked:
        """See `Tracker.update`."""
        keep, scores = usable(detections), detections.scores
        first = not self._clock.started
        step = self._clock.step(time)
        above = scores >= self.strong
        strong = (keep & above).nonzero()[0]
        weak = (keep & ~above & (scores >= self.weak)).nonzero()[0]
        index = np.concatenate((strong, weak))
        # 4xD, strong first, coordinates contiguous: NumPy is eight times slower on the strided view.
        boxes = np.ascontiguousarray(detections.boxes[index].T)
        scores = scores[strong]

        tracks = self._remembered()  # ROWSxT
        kalman.predict(tracks[FILTER], step)
        similarity = height_iou(kalman.corners(tracks).astype(np.float32), boxes)  # TxD
        confirmed = np.count_nonzero(tracks[STATUS])
        found = np.full(tracks.shape[1], -1)  # T, the detection of each track
        free = np.ones(len(strong), bool)  # the strong detections not yet matched

        # 1. Strong boxes to confirmed and lost tracks.
        rows, columns = assign(similarity[:confirmed, : len(strong)] * scores, self.match)
        found[rows], free[columns] = columns, False

        # 2. Weak boxes to tracks seen in the last frame that got none: people half hidden.
        if len(weak):
            waiting = ((found < 0) & (tracks[STATUS] == TRACKED)).nonzero()[0]
            rows, columns = assign(similarity[waiting, len(strong) :], self.rescue)
            found[waiting[rows]] = columns + len(strong)

        # 3. The strong boxes left over to tentative tracks.
        if confirmed < len(found):
            left = free.nonzero()[0]
            rows, columns = assign(similarity[confirmed:, left] * scores[left], self.confirm)
            found[confirmed + rows], free[left[columns]] = left[columns], False

        # What ends: tentative tracks without a box, and of twins the later born.
        stays = found >= 0
        stays[:confirmed] = True
        seen, lost = (found >= 0).nonzero()[0], (found[:confirmed] < 0).nonzero()[0]
        if len(lost):
            other, one = (similarity[lost[:, None], found[seen]] >= self.twin).nonzero()
            stays[np.maximum(lost[other], seen[one])] = False
        born = (free & (scores >= self.birth)).nonzero()[0]
        if len(born) and len(seen):
            born = born[coverage(boxes[:, born].T, boxes[:, found[seen]].T).max(axis=1) < self.covered]
        if not stays.all():
            tracks, found = tracks[:, stays], found[stays]

        # Tracks with a box are corrected by it, those without are lost.
        seen, lost = (found >= 0).nonzero()[0], (found < 0).nonzero()[0]
        filters = tracks[FILTER].take(seen, axis=1)
        kalman.update(filters, kalman.centres(boxes.take(found[seen], axis=1)))
        tracks[FILTER, seen] = filters
        tracks[SEEN, seen] = self._clock.now
        tracks[STATUS] = TRACKED
        tracks[STATUS, lost] = LOST
        tracks[kalman.SIZE_VELOCITY, lost] = 0.0  # an unseen box would grow or shrink without end

        if len(born):
            begun = self._begin(boxes[:, born], TRACKED if first else TENTATIVE)
            tracks, found = np.concatenate((tracks, begun), axis=1), np.concatenate((found, born))
            seen = (found >= 0).nonzero()[0]
        self._tracks = tracks
        return Tracked(tracks[ID, seen].astype(np.int64), index[found[seen]])

    def _remembered(self) -> Array:
        """The tracks seen recently enough."""
        recent = self._clock.now - self._tracks[SEEN] <= self._clock.timing.lost_after(self._clock.interval)
        return self._tracks if recent.all() else self._tracks[:, recent]

    def _begin(self, boxes: Boxes, status: float) -> Array:
        """New tracks `(ROWS, N)` from boxes `(4, N)`."""
        count = boxes.shape[1]
        tracks = np.empty((ROWS, count))
        tracks[FILTER] = kalman.initiate(kalman.centres(boxes))
        tracks[ID] = np.arange(self._next_id, self._next_id + count)
        tracks[SEEN], tracks[STATUS] = self._clock.now, status
        self._next_id += count
        return tracks

    def state(self) -> dict[str, NDArray]:
        """See `Tracker.state`."""
        return {
            "clock": self._clock.state(),
            "tracks": self._tracks.copy(),
            "next_id": np.array(self._next_id, np.int64),
        }

    def restore(self, state: dict[str, NDArray]) -> None:
        """See `Tracker.restore`."""
        check_state(state, {"clock": (6,), "tracks": (ROWS, None), "next_id": ()})
        self._clock.restore(state["clock"])
        self._tracks = np.array(state["tracks"], np.float64, order="C")
        self._next_id = int(state["next_id"])


def height_iou(a: Boxes, b: Boxes) -> Boxes:
    """`(T, D)`, the IoU of `a[:, i]` and `b[:, j]` times the IoU of their vertical extents (HMIoU of Hybrid-SORT).

    Boxes are `(4, T)` and `(4, D)`, rows x1 y1 x2 y2, with positive area. Two coordinates a call and few, small
    temporaries in single precision: at 100 people this is most of a tracker's time.
    """
    side = np.minimum(a[2:, :, None], b[2:, None, :])
    side -= np.maximum(a[:2, :, None], b[:2, None, :])
    np.maximum(side, 0, out=side)
    shared, height = side[0] * side[1], side[1]
    (width_a, height_a), (width_b, height_b) = a[2:] - a[:2], b[2:] - b[:2]
    union = (width_a * height_a)[:, None] + width_b * height_b
    union -= shared
    heights = height_a[:, None] + height_b
    heights -= height
    shared *= height
    union *= heights
    shared /= union
    return shared
