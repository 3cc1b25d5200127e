"""Tracks by motion, and by appearance where motion can't decide.

Motion is ByteTrack's. An embedding is asked for only where boxes have rivals, overlap, begin a track or come back, and
now and then of each track. So most boxes need none, and whoever gives embeddings makes few. Each track remembers a
fading mean of its embeddings. Who vanished is looked for by it for `REMEMBERED` seconds, as far as a person walks.

The ideas are those of BoT-SORT (Aharon et al., 2022: appearance beside overlap), Deep OC-SORT (Maggiolino et al., 2023:
an average that trusts doubtful boxes less) and StrongSORT (Du et al., 2023: global linking of what was lost). The rules
here are ours: gates that depend on how covered a box is, embeddings on demand, and re-finding only who has no rival.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trackers import kalman
from trackers.array_tracker import ArrayTracker
from trackers.assignment import Index, assign
from trackers.bytetrack import (
    CONFIRM,
    LOST,
    MATCH,
    RESCUE,
    TENTATIVE,
    TRACKED,
    TWIN,
    WEAK_SCORE,
    height_iou,
)
from trackers.detections import Detections, area, coverage, intersection
from trackers.timing import Timing
from trackers.tracked import EmbedOnce, Tracked, check_state, usable

Array = NDArray[np.float64]
Floats = NDArray[np.floating]

# Rows of the track array: the Kalman filter, then these.
FILTER = slice(0, kalman.ROWS)
ID, SEEN, STATUS, EMBEDDED, ROWS = (kalman.ROWS + k for k in range(5))

STRONG, BIRTH, COVERED = 0.5, 0.6, 0.9  # the defaults of `ByteTrack`
BY_MOTION = Timing()  # how long motion expects a lost track somewhere
# Cosines are those of the encoder that is shipped. What was tried stands in docs/decisions.md.
REMEMBERED = 20.0  # s for which a lost track is looked for by its appearance
SAME_CLEAR = 0.58  # least cosine of a box that hardly anybody covers to the track that it continues…
SAME = 0.485  # …and of any other box
FOUND = 0.675  # cosine from which a box is somebody who was lost…
MARGIN = 0.05  # …if no other track or box is as alike as that by this much
WEIGHT = 4.0  # of a cosine beside an overlap
CLEAR = 0.3  # share of a box that another covers, below which it is clear
ALONE = 0.15  # the same, below which motion decides alone…
SURE = 0.5  # …from this overlap on, where neither has a rival
REFRESH = 0.5  # s after which also such a track is looked at
GAIN = 0.1  # weight of the newest embedding in a track's memory…
COVERED_GAIN, WEAK_GAIN = 0.4, 0.5  # …times these where the box is covered, or its score weak
SPEED = 1.5  # heights that somebody walks in a second, at most…
STEP = 0.5  # …and by how many a box is off
SMALLEST, SHRINKS = 0.6, 0.1  # least ratio of two heights at once, and how much less it is after each second…
LEAST_RATIO = 0.2  # …down to this


@dataclass(slots=True)
class _Frame:
    """D boxes of one frame, strong ones first, and T tracks on their way to each other."""

    boxes: Floats  # (4, D)
    scores: Floats  # (S,) of the strong boxes
    overlap: Floats  # (T, D) height-modulated IoU with where tracks are expected
    cover: Floats  # (D,) largest share of a box that a strong one covers
    memory: NDArray[np.float32]  # (T, E)
    embed: EmbedOnce
    index: Index  # (D,) the boxes' places in the caller's detections
    look: NDArray[np.float32] = field(init=False)  # (T, D) cosine, where embedded
    embedded: NDArray[np.bool_] = field(init=False)  # (D,)
    detection_of: Index = field(init=False)  # (T,) -1 where a track has none
    free: NDArray[np.bool_] = field(init=False)  # (S,) strong boxes that no track has

    def __post_init__(self) -> None:
        tracks, boxes = self.overlap.shape
        self.look, self.embedded = np.zeros((tracks, boxes), np.float32), np.zeros(boxes, bool)
        self.detection_of, self.free = np.full(tracks, -1), np.ones(len(self.scores), bool)

    def ask(self, columns: Index) -> None:
        """Embeds those of some boxes that are not yet."""
        columns = columns[~self.embedded[columns]]
        if not len(columns):
            return
        embeddings = self.embeddings(columns)
        self.embedded[columns] = True
        if len(self.memory):
            self.look[:, columns] = self.memory @ embeddings.T

    def embeddings(self, columns: Index) -> NDArray[np.float32]:
        """`(K, E)` of some boxes `(K,)`."""
        return self.embed(self.index[columns])

    def pair(self, rows: Index, columns: Index) -> None:
        """These are one."""
        self.detection_of[rows] = columns
        self.free[columns[columns < len(self.free)]] = False

    def waiting(self, among: NDArray[np.bool_]) -> Index:
        """Those of some tracks `(T,)` that have no box yet."""
        return (among & (self.detection_of < 0)).nonzero()[0]


class AppearanceTracker(ArrayTracker):
    """Strong boxes are matched first, by overlap and appearance. Weak ones then keep tracks alive in occlusion."""

    def __init__(self) -> None:
        super().__init__(ROWS, Timing(lost_seconds=REMEMBERED), ID)
        self._memory = np.zeros((0, 0), np.float32)  # (T, E) of length 1

    def update(self, time: float, detections: Detections, embed: EmbedOnce | None = None) -> Tracked:
        """See `Tracker.update`. Raises ValueError without `embed`."""
        if embed is None:
            raise ValueError("this tracker looks at people: give it their embeddings, or take another")
        keep, all_scores = usable(detections), detections.scores
        is_first_frame = not self._clock.started
        step = self._clock.step(time)
        above = all_scores >= STRONG
        strong = (keep & above).nonzero()[0]
        index = np.concatenate((strong, (keep & ~above & (all_scores >= WEAK_SCORE)).nonzero()[0]))

        remembered = self._clock.now - self._tracks[SEEN] <= self._clock.timing.lost_after(self._clock.interval)
        tracks, memory = self._tracks[:, remembered], self._memory[remembered]
        near = self._clock.now - tracks[SEEN] <= BY_MOTION.lost_after(self._clock.interval)
        moved = tracks[FILTER, near]
        kalman.predict(moved, step)
        tracks[FILTER, near] = moved  # who is lost for longer is looked for around the place of the last look
        boxes = np.ascontiguousarray(detections.boxes[index].T)
        frame = _Frame(
            boxes=boxes,
            scores=all_scores[strong],
            overlap=height_iou(kalman.corners(tracks).astype(np.float32), boxes),
            cover=_cover(boxes.T, len(strong)),
            memory=memory,
            embed=embed,
            index=index,
        )
        confirmed = tracks[STATUS] != TENTATIVE
        self._match_surely(frame, tracks, confirmed & near)
        frame.ask(frame.free.nonzero()[0])
        self._match_near(frame, confirmed & near)
        self._match_by_look(frame, tracks, near)
        self._match_weak(frame, confirmed & (tracks[STATUS] == TRACKED))
        self._confirm(frame, ~confirmed)
        born = self._find_again(frame, tracks, confirmed & ~near)
        return self._commit(
            frame, tracks, self._staying(frame, confirmed, near), born, TRACKED if is_first_frame else TENTATIVE
        )

    def _match_surely(self, frame: _Frame, tracks: Array, among: NDArray[np.bool_]) -> None:
        """Tracks and boxes without a rival are one, unless a look now and then says otherwise."""
        rows = among.nonzero()[0]
        overlap = frame.overlap[rows, : len(frame.scores)]
        candidate = overlap >= MATCH
        alone = (candidate.sum(0) == 1) & (frame.cover[: len(frame.scores)] < ALONE)
        row, column = (candidate & alone & (candidate.sum(1) == 1)[:, None] & (overlap >= SURE)).nonzero()
        row = rows[row]
        due = self._clock.now - tracks[EMBEDDED, row] >= REFRESH
        frame.ask(column[due])
        same = ~due | (frame.look[row, column] >= SAME_CLEAR)
        frame.pair(row[same], column[same])

    def _match_near(self, frame: _Frame, among: NDArray[np.bool_]) -> None:
        """Strong boxes to tracks where they are expected, by overlap and look."""
        rows, columns = frame.waiting(among), frame.free.nonzero()[0]
        overlap = frame.overlap[rows[:, None], columns] * frame.scores[columns]
        look = frame.look[rows[:, None], columns]
        least = np.where(frame.cover[columns] < CLEAR, SAME_CLEAR, SAME)
        possible = (overlap >= MATCH) & (look >= least)
        row, column = assign(np.where(possible, overlap + WEIGHT * (look - SAME), np.nan), 0.0)
        frame.pair(rows[row], columns[column])

    def _match_by_look(self, frame: _Frame, tracks: Array, among: NDArray[np.bool_]) -> None:
        """Strong boxes to tracks that are elsewhere than expected, but not too far for a walk."""
        rows, columns = frame.waiting(among), frame.free.nonzero()[0]
        look = self._within_reach(frame, tracks, rows, columns)
        row, column = assign(look, FOUND)
        frame.pair(rows[row], columns[column])

    def _match_weak(self, frame: _Frame, among: NDArray[np.bool_]) -> None:
        """Weak boxes to tracks seen in the last frame: people half hidden. Those with a rival are looked at."""
        strong, rows = len(frame.scores), frame.waiting(among)
        overlap = frame.overlap[rows, strong:]
        candidate = overlap >= RESCUE
        unclear = (candidate.sum(0) > 1) | (frame.cover[strong:] >= ALONE)
        frame.ask(strong + (candidate.any(0) & unclear).nonzero()[0])
        same = ~frame.embedded[strong:] | (frame.look[rows, strong:] >= SAME)
        row, column = assign(np.where(same, overlap, np.nan), RESCUE)
        frame.pair(rows[row], strong + column)

    def _confirm(self, frame: _Frame, among: NDArray[np.bool_]) -> None:
        """The strong boxes left over to tentative tracks."""
        rows, columns = frame.waiting(among), frame.free.nonzero()[0]
        overlap = frame.overlap[rows[:, None], columns] * frame.scores[columns]
        row, column = assign(np.where(frame.look[rows[:, None], columns] >= SAME, overlap, np.nan), CONFIRM)
        frame.pair(rows[row], columns[column])

    def _find_again(self, frame: _Frame, tracks: Array, among: NDArray[np.bool_]) -> Index:
        """Gives boxes that would begin tracks to who was lost long ago. Returns those that begin tracks, `(B,)`."""
        born = (frame.free & (frame.scores >= BIRTH)).nonzero()[0]
        taken = frame.detection_of[frame.detection_of >= 0]
        if len(born) and len(taken):
            cover = coverage(frame.boxes[:, born].T, frame.boxes[:, taken].T)
            born = born[cover.max(axis=1) < COVERED]
        rows = frame.waiting(among)
        if not len(rows) or not len(born):
            return born
        look = self._within_reach(frame, tracks, rows, born)
        row, column = assign(look, FOUND)
        found = look[row, column]
        rivals, others = frame.look[:, born].copy(), np.nan_to_num(look, nan=-1.0)
        rivals[rows[row], column] = others[row, column] = -1.0
        sure = found - np.maximum(rivals[:, column].max(axis=0), others[row].max(axis=1)) >= MARGIN
        row, column = row[sure], column[sure]
        frame.pair(rows[row], born[column])
        tracks[FILTER, rows[row]] = kalman.initiate(kalman.centres(frame.boxes[:, born[column]]))
        return born[frame.free[born]]

    def _within_reach(self, frame: _Frame, tracks: Array, rows: Index, columns: Index) -> NDArray[np.float32]:
        """`(R, C)` cosines of tracks to boxes, NaN where nobody walks so far, or changes so much in height."""
        before, now = (
            tracks[FILTER, rows][kalman.POSITION][:, :, None],
            kalman.centres(frame.boxes[:, columns])[:, None],
        )
        tall = np.maximum(before[kalman.HEIGHT], now[kalman.HEIGHT])
        ratio = np.minimum(before[kalman.HEIGHT], now[kalman.HEIGHT]) / tall
        away = np.hypot(*(before - now)[kalman.CENTRE]) / tall
        since = (self._clock.now - tracks[SEEN, rows])[:, None]
        possible = (away <= STEP + SPEED * since) & (ratio >= np.maximum(SMALLEST - SHRINKS * since, LEAST_RATIO))
        return np.where(possible, frame.look[rows[:, None], columns], np.float32(np.nan))

    def _staying(self, frame: _Frame, confirmed: NDArray[np.bool_], near: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which tracks `(T,)` go on: not the tentative without a box, and of twins not the later born."""
        stays = confirmed | (frame.detection_of >= 0)
        seen, lost = (frame.detection_of >= 0).nonzero()[0], frame.waiting(confirmed & near)
        if len(lost) and len(seen):
            pair = (lost[:, None], frame.detection_of[seen])
            alike = ~frame.embedded[pair[1]] | (frame.look[pair] >= FOUND)
            lost_row, seen_row = ((frame.overlap[pair] >= TWIN) & alike).nonzero()
            stays[np.maximum(lost[lost_row], seen[seen_row])] = False
        return stays

    def _commit(self, frame: _Frame, tracks: Array, stays: NDArray[np.bool_], born: Index, status: float) -> Tracked:
        """Corrects tracks by their boxes, ends and begins some. status: of those that begin."""
        detection_of, memory = frame.detection_of, frame.memory
        if not stays.all():
            tracks, detection_of, memory = tracks[:, stays], detection_of[stays], memory[stays]

        seen, lost = (detection_of >= 0).nonzero()[0], (detection_of < 0).nonzero()[0]
        filters = tracks[FILTER].take(seen, axis=1)
        kalman.update(filters, kalman.centres(frame.boxes.take(detection_of[seen], axis=1)))
        tracks[FILTER, seen] = filters
        tracks[SEEN, seen] = self._clock.now
        tracks[STATUS] = TRACKED
        tracks[STATUS, lost] = LOST
        tracks[kalman.SIZE_VELOCITY, lost] = 0.0  # an unseen box would grow or shrink without end
        self._remember(frame, tracks, memory, detection_of)

        if len(born):
            begun = np.empty((ROWS, len(born)))
            begun[FILTER] = kalman.initiate(kalman.centres(frame.boxes[:, born]))
            begun[ID] = self._new_ids(len(born))
            begun[SEEN] = begun[EMBEDDED] = self._clock.now
            begun[STATUS] = status
            first = frame.embeddings(born)
            tracks, detection_of = np.concatenate((tracks, begun), axis=1), np.concatenate((detection_of, born))
            memory = np.concatenate((memory, first)) if len(memory) else first
            seen = (detection_of >= 0).nonzero()[0]
        self._tracks, self._memory = np.ascontiguousarray(tracks), memory
        return Tracked(tracks[ID, seen].astype(np.int64), frame.index[detection_of[seen]])

    def _remember(self, frame: _Frame, tracks: Array, memory: NDArray[np.float32], detection_of: Index) -> None:
        """What was embedded of tracks goes into their memory, in place."""
        looked = (detection_of >= 0).nonzero()[0]
        looked = looked[frame.embedded[detection_of[looked]]]
        if not len(looked):
            return
        columns = detection_of[looked]
        tracks[EMBEDDED, looked] = self._clock.now
        gain = GAIN * np.where(frame.cover[columns] < CLEAR, 1.0, COVERED_GAIN)
        gain *= np.where(columns < len(frame.scores), 1.0, WEAK_GAIN)
        mean = memory[looked] + gain[:, None].astype(np.float32) * (frame.embeddings(columns) - memory[looked])
        memory[looked] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)

    def state(self) -> dict[str, NDArray]:
        """See `Tracker.state`."""
        return super().state() | {"memory": self._memory.copy()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """See `Tracker.restore`."""
        check_state(state, {"tracks": (ROWS, None), "memory": (np.shape(state.get("tracks", ((),)))[-1], None)})
        super().restore(state)
        self._memory = np.array(state["memory"], np.float32, order="C")

    def drop(self, ids: Collection[int]) -> NDArray[np.int64]:
        """See `Tracker.drop`."""
        self._memory = self._memory[~np.isin(self._tracks[ID].astype(np.int64), list(ids))]
        return super().drop(ids)


def _cover(boxes: Floats, strong: int) -> Floats:
    """`(D,)` the largest share of each box `(D, 4)` that one of the first `strong` others covers."""
    shared = intersection(boxes, boxes[:strong])
    np.fill_diagonal(shared, 0)
    share: Floats = shared.max(axis=1, initial=0) / np.maximum(area(boxes), 1e-6)
    return share
