"""Tracks are cut into tracklets, pieces so pure that each shows one person only.

A tracker makes most of its mistakes where people cross, where a track was not seen for a while and where it jumps to
somebody who looks different. `TrackletCutter` follows the tracks frame by frame and cuts each at those places. Every
box of a track lands in exactly one **segment**; a segment that is long and large enough and was not part of a crossing
is a **tracklet**, the rest stay what they are, boxes of a track. What is cut here is joined again by merging, on
evidence.

While it sees who stands beside whom, it also collects **cannot-link** facts: two tracklets that were seen apart in the
same frames are two people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from trackers.detections import area, intersection
from trackers.timing import Clock, Timing


class Cut(StrEnum):
    """Why a segment ended."""

    GAP = "gap"  # not seen for longer than the rules allow
    CROSSING = "crossing"  # began to overlap another track
    APART = "apart"  # a crossing that is over
    JUMP = "jump"  # suddenly elsewhere
    APPEARANCE = "appearance"  # suddenly looks different
    LENGTH = "length"  # cut for length only
    END = "end"  # the footage ended


class Kind(StrEnum):
    """What a segment is good for."""

    TRACKLET = "tracklet"
    CROSSING = "crossing"  # overlaps another track throughout: may show either person
    SHORT = "short"
    SMALL = "small"


@dataclass(frozen=True, slots=True)
class CutRules:
    """When a track is cut, and which pieces are tracklets. Chosen for purity; docs/decisions.md tells on what."""

    gap_seconds: float = 0.2  # unseen for longer: cut; never less than `gap_frames` frame intervals
    gap_frames: float = 3.5
    crossing_iou: float = 0.35  # IoU with another track from which on a box may show either person
    crossing_cover: float = 0.5  # the same for the share of the smaller box that the larger one covers
    front: float = 0.1  # whose feet stand lower in the picture by this share of the height stands in front, and is sure
    hidden_seconds: float = 1.0  # for so long somebody who vanished is believed to go on, perhaps behind another
    jump_iou: float = 0.55  # IoU of a box with the place where its track was expected below which it is somebody else
    appearance: float = 0.96  # cosine similarity to the segment's mean appearance below which it is somebody else
    max_seconds: float = 60.0  # bounds memory; a person who sits for an hour makes sixty tracklets
    min_seconds: float = 0.25  # shorter: no tracklet
    min_boxes: int = 4
    min_height: float = 48.0  # px, median over the segment
    apart_cover: float = 0.3  # boxes that cover each other by less than this show two people…
    apart_frames: int = 2  # …if seen so in this many frames


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished piece of one track.

    frames: int64 `(n,)` indices; times: float64 `(n,)` UTC seconds; boxes: float32 `(n, 4)`; scores: float32 `(n,)`.
    cannot_link: int64 `(k,)` numbers of tracklets finished earlier that show other people.
    """

    number: int
    track: int
    kind: Kind
    cut: Cut
    frames: NDArray[np.int64]
    times: NDArray[np.float64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    cannot_link: NDArray[np.int64]

    @property
    def height(self) -> float:
        """Median height in px."""
        return float(np.median(self.boxes[:, 3] - self.boxes[:, 1]))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the boxes of one frame went, in the order in which they were given."""

    segments: NDArray[np.int64]  # (M,) segment numbers
    crossing: NDArray[np.bool_]  # (M,) whether the box overlaps another track
    cover: NDArray[np.float32]  # (M,) largest share of the box that one other track's box covers
    finished: list[Segment]


_PERSON = ("track", "x1", "y1", "x2", "y2", "vx", "vy", "seen", "boxes")  # velocities in px/s, boxes so far
_SURE = 3  # boxes after which a track is believed to be somebody
_VELOCITY_GAIN = 0.3  # weight of the newest step in a running velocity
_LOG = ("segment", "frame", "time", "x1", "y1", "x2", "y2", "score")


@dataclass(slots=True)
class TrackletCutter:
    """Cuts the tracks of one footage, in frame order.

    Memory is bounded by the open segments, each at most `max_seconds` long.
    """

    rules: CutRules = field(default_factory=CutRules)
    next_number: int = 1
    # One entry an open segment, ordered by track id.
    _tracks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _crossing: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    _first: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _last: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _looks: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _apart: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))  # frames seen apart, pairwise
    _people: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((0, len(_PERSON)))
    )  # columns as in _PERSON, by track
    # Facts that wait for the open one to finish as a tracklet: (open segment, finished tracklet).
    _waiting: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    _log: list[NDArray[np.float64]] = field(default_factory=list)  # rows of open segments, columns as in _LOG
    _clock: Clock = field(default_factory=lambda: Clock(Timing()))

    def update(
        self,
        frame: int,
        time: float,
        tracks: NDArray[np.int64],
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        looks: NDArray[np.float32] | None = None,
    ) -> Placed:
        """Takes the tracked boxes of one frame.

        tracks: `(M,)` distinct ids in ascending order; boxes: `(M, 4)`; scores: `(M,)`; looks: `(M, D)` appearance,
        L2-normalised, or None where none is known.
        """
        self._clock.step(time)
        now, rules = self._clock.now, self.rules
        gap = max(rules.gap_seconds, rules.gap_frames * self._clock.interval)

        expected, hidden = self._expect(tracks, boxes, now)
        cover_mine, crossing, apart = _neighbours(boxes, hidden, rules)
        at = np.searchsorted(self._tracks, tracks)
        known = (
            (at < len(self._tracks)) & (self._tracks[np.minimum(at, len(self._tracks) - 1)] == tracks)
            if len(self._tracks)
            else np.zeros(len(tracks), bool)
        )
        mine = at[known]

        reasons = np.full(len(self._tracks), "", dtype="U10")
        seen = np.zeros(len(self._tracks), bool)
        seen[mine] = True
        reasons[mine[now - self._first[mine] >= rules.max_seconds]] = Cut.LENGTH
        jumped = _pairwise_iou(boxes[known], expected[known]) < rules.jump_iou
        reasons[mine[jumped]] = Cut.JUMP
        if looks is not None and self._looks.size:
            reference = self._looks[mine]
            likeness = np.einsum("nd,nd->n", reference, looks[known]) / np.maximum(
                np.linalg.norm(reference, axis=1), 1e-6
            )
            compared = ~self._crossing[mine] & ~crossing[known]
            reasons[mine[compared & (likeness < rules.appearance)]] = Cut.APPEARANCE
        changed = self._crossing[mine] != crossing[known]
        reasons[mine[changed]] = np.where(crossing[known][changed], Cut.CROSSING, Cut.APART)
        reasons[now - self._last > gap] = Cut.GAP
        finished = self._close(reasons)

        self._open(tracks, crossing, now, looks.shape[1] if looks is not None else 0)
        at = np.searchsorted(self._tracks, tracks)
        self._last[at] = now
        if looks is not None and len(tracks):
            self._looks[at] += np.where(self._looks[at].any(axis=1, keepdims=True), 0.1, 1.0) * (
                looks - self._looks[at]
            )
        self._apart[np.ix_(at, at)] += apart
        numbers = self._numbers[at]
        if len(tracks):
            self._log.append(np.column_stack([numbers, np.full((len(tracks), 2), (frame, time)), boxes, scores]))
        return Placed(numbers, crossing, cover_mine, finished)

    def close(self) -> list[Segment]:
        """Finishes all that is open: the footage ended."""
        return self._close(np.full(len(self._tracks), Cut.END, dtype="U10"))

    def state(self) -> dict[str, NDArray]:
        """All that a new cutter with the same rules needs to go on as this one would."""
        state = {
            "tracks": self._tracks,
            "numbers": self._numbers,
            "crossing": self._crossing,
            "first": self._first,
            "last": self._last,
            "looks": self._looks,
            "apart": self._apart,
            "people": self._people,
            "waiting": self._waiting,
            "log": np.concatenate([np.zeros((0, len(_LOG))), *self._log]),
            "clock": self._clock.state(),
            "next": np.array(self.next_number),
        }
        return {key: np.array(value) for key, value in state.items()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Goes on where the cutter that gave `state` stood."""
        state = {key: np.array(value) for key, value in state.items()}
        self._tracks, self._numbers, self._crossing = state["tracks"], state["numbers"], state["crossing"]
        self._first, self._last = state["first"], state["last"]
        self._looks, self._apart, self._waiting = state["looks"], state["apart"], state["waiting"]
        self._people, self._log = state["people"], [state["log"]]
        self._clock.restore(state["clock"])
        self.next_number = int(state["next"])

    def _expect(
        self, tracks: NDArray[np.int64], boxes: NDArray[np.float32], now: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where the tracks of this frame were expected `(M, 4)` (new ones: where they are), and where those are
        expected `(K, 4)` who vanished not long ago; then learns where everybody is now."""
        people = self._people[now - self._people[:, 7] <= self.rules.hidden_seconds]
        moved = people[:, 1:5] + people[:, [5, 6, 5, 6]] * (now - people[:, 7:8])
        here = np.isin(people[:, 0], tracks)
        hidden = moved[~here & (people[:, 8] >= _SURE)]
        expected = boxes.astype(np.float64)
        at = np.searchsorted(tracks, people[here, 0])
        expected[at] = moved[here]
        latest = np.column_stack(
            [tracks, boxes, np.zeros((len(tracks), 2)), np.full(len(tracks), now), np.ones(len(tracks))]
        )
        before = people[here]
        step = np.maximum(now - before[:, 7:8], 1e-6)
        centre = (boxes[at, :2].astype(np.float64) + boxes[at, 2:]) / 2
        velocity = (centre - (before[:, 1:3] + before[:, 3:5]) / 2) / step
        latest[at, 5:7] = before[:, 5:7] + _VELOCITY_GAIN * (velocity - before[:, 5:7])
        latest[at, 8] += before[:, 8]
        people = np.concatenate([people[~here], latest])
        self._people = people[np.argsort(people[:, 0])]
        return expected, hidden

    def _open(self, tracks: NDArray[np.int64], crossing: NDArray[np.bool_], now: float, looks: int) -> None:
        new = ~np.isin(tracks, self._tracks)
        count = int(new.sum())
        if not count:
            return
        numbers = np.arange(self.next_number, self.next_number + count)
        self.next_number += count
        merged = np.concatenate([self._tracks, tracks[new]])
        order = np.argsort(merged)
        self._tracks = merged[order]
        self._numbers = np.concatenate([self._numbers, numbers])[order]
        self._crossing = np.concatenate([self._crossing, crossing[new]])[order]
        self._first = np.concatenate([self._first, np.full(count, now)])[order]
        self._last = np.concatenate([self._last, np.full(count, now)])[order]
        width = max(looks, self._looks.shape[1])
        grown = np.zeros((len(merged), width), np.float32)
        grown[: len(merged) - count, : self._looks.shape[1]] = self._looks
        self._looks = grown[order]
        self._apart = np.pad(self._apart, (0, count))[np.ix_(order, order)]

    def _close(self, reasons: NDArray[np.str_]) -> list[Segment]:
        closing = np.flatnonzero(reasons != "")
        if not len(closing):
            return []
        log = np.concatenate(self._log)
        ends = np.isin(log[:, 0], self._numbers[closing])
        self._log = [log[~ends]]
        rows = log[ends][np.argsort(log[ends][:, 0], kind="stable")]
        finished = []
        for i in closing[np.argsort(self._numbers[closing])]:
            number = self._numbers[i]
            first, last = np.searchsorted(rows[:, 0], [number, number + 1])
            waits = self._waiting[:, 0] == number
            segment = self._segment(
                rows[first:last],
                int(self._tracks[i]),
                bool(self._crossing[i]),
                Cut(str(reasons[i])),
                self._waiting[waits, 1],
            )
            self._waiting = self._waiting[~waits]
            self._apart[i, i] = 0
            if (
                segment.kind == Kind.TRACKLET
            ):  # whoever was seen apart from it and is still open learns of it at the end
                others = self._numbers[self._apart[i] >= self.rules.apart_frames]
                self._waiting = np.concatenate([self._waiting, np.column_stack([others, np.full(len(others), number)])])
            self._apart[i] = self._apart[:, i] = 0
            finished.append(segment)
        stay = reasons == ""
        self._tracks, self._numbers, self._crossing = self._tracks[stay], self._numbers[stay], self._crossing[stay]
        self._first, self._last, self._looks = self._first[stay], self._last[stay], self._looks[stay]
        self._apart = self._apart[np.ix_(stay, stay)]
        return finished

    def _segment(
        self, rows: NDArray[np.float64], track: int, crossing: bool, cut: Cut, others: NDArray[np.int64]
    ) -> Segment:
        boxes = rows[:, 3:7].astype(np.float32)
        if crossing:
            kind = Kind.CROSSING
        elif len(rows) < self.rules.min_boxes or rows[-1, 2] - rows[0, 2] < self.rules.min_seconds:
            kind = Kind.SHORT
        elif np.median(boxes[:, 3] - boxes[:, 1]) < self.rules.min_height:
            kind = Kind.SMALL
        else:
            kind = Kind.TRACKLET
        return Segment(
            number=int(rows[0, 0]),
            track=track,
            kind=kind,
            cut=cut,
            frames=rows[:, 1].astype(np.int64),
            times=rows[:, 2],
            boxes=boxes,
            scores=rows[:, 7].astype(np.float32),
            cannot_link=others if kind == Kind.TRACKLET else others[:0],
        )


def _neighbours(
    boxes: NDArray[np.float32], hidden: NDArray[np.float64], rules: CutRules
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]]:
    """Of each box: the share that its worst neighbour covers `(M,)`; whether it crosses one, seen or `hidden` `(M,)`;
    from whom it stands clearly apart `(M, M)`."""
    others = np.concatenate([boxes, hidden.astype(np.float32)])
    shared = intersection(boxes, others)
    np.fill_diagonal(shared, 0)
    mine, theirs = np.maximum(area(boxes), 1e-6)[:, None], np.maximum(area(others), 1e-6)[None, :]
    cover = shared / np.minimum(mine, theirs)
    behind = boxes[:, 3:] - others[None, :, 3] < rules.front * (boxes[:, 3:] - boxes[:, 1:2])
    near = (shared > rules.crossing_iou * (mine + theirs - shared)) | (cover > rules.crossing_cover)
    crossing = (near & behind).any(axis=1)
    seen = slice(len(boxes))
    apart = (cover[:, seen] < rules.apart_cover).astype(np.int32)
    return (shared[:, seen] / mine).max(axis=1, initial=0), np.asarray(crossing), apart


def _pairwise_iou(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """`(N,)` IoU of `a[i]` and `b[i]`."""
    side = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    shared = side[:, 0] * side[:, 1]
    return shared / np.maximum(area(a) + area(b) - shared, 1e-6)
