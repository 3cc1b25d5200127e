"""ByteTrack (Zhang et al., ECCV 2022) with the height-modulated IoU of Hybrid-SORT (Yang et al., AAAI 2024).

A frame costs one similarity matrix of tracks and detections, of which the three associations take parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers import kalman
from trackers.array_tracker import ArrayTracker
from trackers.assignment import assign
from trackers.detections import Detections, coverage
from trackers.timing import Timing
from trackers.tracked import EmbedOnce, Tracked, usable

Array = NDArray[np.float64]
Boxes = NDArray[np.floating]  # the detector's single precision is kept until a filter takes them

# Rows of the track array: the Kalman filter, then these.
FILTER = slice(0, kalman.ROWS)
ID, SEEN, STATUS, ROWS = kalman.ROWS, kalman.ROWS + 1, kalman.ROWS + 2, kalman.ROWS + 3
# What STATUS holds. A tentative track has one box, of the last frame. So the tentative are the last columns.
TENTATIVE, TRACKED, LOST = 0.0, 1.0, 2.0

WEAK_SCORE = 0.1  # from which a box is looked at, ByteTrack's
MATCH = 0.2  # least similarity of a strong box to a confirmed or lost track, ByteTrack's
RESCUE = 0.5  # of a weak box to a track seen in the last frame, ByteTrack's
CONFIRM = 0.3  # of a strong box to a tentative track, ByteTrack's
# Similarity of a lost track to the box of another from which the two are one. Then the later born is dropped.
# ByteTrack compares the two boxes at an IoU of 0.85, and the longer-lived stays.
TWIN = 0.8


class ByteTrack(ArrayTracker):
    """Strong boxes are matched first, weak ones then keep tracks alive in occlusion. Only strong ones begin tracks.

    Similarities are height-modulated IoU, for strong boxes times the score.
    """

    def __init__(
        self, *, strong: float = 0.5, birth: float = 0.6, covered: float = 0.9, timing: Timing | None = None
    ) -> None:
        """A tracker that has seen nothing yet.

        Args:
            strong: Score from which a box is strong. 0.5 is the default of ByteTrack's program. Its paper has 0.6, for
                a detector trained on the scenes themselves.
            birth: Score from which an unmatched box begins a track, ByteTrack's strong + 0.1. The track is tentative
                and dies unless matched in the next frame. Those of the first frame of all are confirmed at once.
            covered: Coverage (intersection over the smaller) by a tracked box from which an unmatched one begins no
                track. Detectors put second boxes on halves of people. This rule is ours, 1 or more turns it off.
            timing: When a track is forgotten.
        """
        super().__init__(ROWS, timing, ID)
        self.strong, self.birth, self.covered = strong, birth, covered

    def update(self, time: float, detections: Detections, embed: EmbedOnce | None = None) -> Tracked:
        """See `Tracker.update`."""
        keep, scores = usable(detections), detections.scores
        is_first_frame = not self._clock.started
        step = self._clock.step(time)
        above = scores >= self.strong
        strong = (keep & above).nonzero()[0]
        weak = (keep & ~above & (scores >= WEAK_SCORE)).nonzero()[0]
        index = np.concatenate((strong, weak))
        # 4xD, strong first, coordinates contiguous: NumPy is eight times slower on the strided view.
        boxes = np.ascontiguousarray(detections.boxes[index].T)
        scores = scores[strong]

        tracks = self._recent(SEEN)  # ROWSxT
        kalman.predict(tracks[FILTER], step)
        similarity = height_iou(kalman.corners(tracks).astype(np.float32), boxes)  # TxD
        confirmed = np.count_nonzero(tracks[STATUS])
        detection_of = np.full(tracks.shape[1], -1)  # T, -1 where a track has none
        free = np.ones(len(strong), bool)  # the strong detections not yet matched

        # 1. Strong boxes to confirmed and lost tracks.
        rows, columns = assign(similarity[:confirmed, : len(strong)] * scores, MATCH)
        detection_of[rows], free[columns] = columns, False

        # 2. Weak boxes to tracks seen in the last frame that got none: people half hidden.
        if len(weak):
            waiting = ((detection_of < 0) & (tracks[STATUS] == TRACKED)).nonzero()[0]
            rows, columns = assign(similarity[waiting, len(strong) :], RESCUE)
            detection_of[waiting[rows]] = columns + len(strong)

        # 3. The strong boxes left over to tentative tracks.
        if confirmed < len(detection_of):
            left = free.nonzero()[0]
            rows, columns = assign(similarity[confirmed:, left] * scores[left], CONFIRM)
            detection_of[confirmed + rows], free[left[columns]] = left[columns], False

        # What ends: tentative tracks without a box, and of twins the later born.
        stays = detection_of >= 0
        stays[:confirmed] = True
        seen, lost = (detection_of >= 0).nonzero()[0], (detection_of[:confirmed] < 0).nonzero()[0]
        if len(lost):
            lost_row, seen_row = (similarity[lost[:, None], detection_of[seen]] >= TWIN).nonzero()
            stays[np.maximum(lost[lost_row], seen[seen_row])] = False
        born = (free & (scores >= self.birth)).nonzero()[0]
        if len(born) and len(seen):
            born = born[coverage(boxes[:, born].T, boxes[:, detection_of[seen]].T).max(axis=1) < self.covered]
        if not stays.all():
            tracks, detection_of = tracks[:, stays], detection_of[stays]

        # Tracks with a box are corrected by it, those without are lost.
        seen, lost = (detection_of >= 0).nonzero()[0], (detection_of < 0).nonzero()[0]
        filters = tracks[FILTER].take(seen, axis=1)
        kalman.update(filters, kalman.centres(boxes.take(detection_of[seen], axis=1)))
        tracks[FILTER, seen] = filters
        tracks[SEEN, seen] = self._clock.now
        tracks[STATUS] = TRACKED
        tracks[STATUS, lost] = LOST
        tracks[kalman.SIZE_VELOCITY, lost] = 0.0  # an unseen box would grow or shrink without end

        if len(born):
            begun = self._begin(boxes[:, born], TRACKED if is_first_frame else TENTATIVE)
            tracks, detection_of = np.concatenate((tracks, begun), axis=1), np.concatenate((detection_of, born))
            seen = (detection_of >= 0).nonzero()[0]
        self._tracks = tracks
        return Tracked(tracks[ID, seen].astype(np.int64), index[detection_of[seen]])

    def _begin(self, boxes: Boxes, status: float) -> Array:
        """New tracks `(ROWS, N)` from boxes `(4, N)`."""
        count = boxes.shape[1]
        tracks = np.empty((ROWS, count))
        tracks[FILTER] = kalman.initiate(kalman.centres(boxes))
        tracks[ID] = self._new_ids(count)
        tracks[SEEN], tracks[STATUS] = self._clock.now, status
        return tracks


def height_iou(a: Boxes, b: Boxes) -> Boxes:
    """`(T, D)`, the IoU of `a[:, i]` and `b[:, j]` times the IoU of their vertical extents (HMIoU of Hybrid-SORT).

    At 100 people this is most of a tracker's time. So it takes two coordinates a call and few, small temporaries in
    single precision.

    Args:
        a: `(4, T)`, rows x1 y1 x2 y2, with positive area.
        b: `(4, D)` likewise.
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
