"""Tracks are cut into tracklets, pieces so pure that each shows one person only.

A tracker errs most where people cross, where a track is unseen for a while, and where a track jumps.
`TrackletCutter` follows the tracks frame by frame and cuts each at those places. Every box of a track lands in exactly
one **segment**. A segment that is long, large and not part of a crossing is a **tracklet**. One that is too short or
small, but surely shows somebody, is a **sighting**: it can be found, and nobody learns from it. So is what a track
shows from its begin until it is lost, if all of that is crossing. The rest stay what they are, boxes of a track.
Merging joins on evidence what is cut here.

Where embeddings can be had, doubt is settled by a look. A jump that shows the same person is no cut. A segment whose
track crosses another, or vanishes, is **suspended**. It goes on where a clear box shows its person again.

The cutter also collects **cannot-link** facts. Two tracklets that were seen apart in the same frames are two people.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackers.detections import area, intersection
from trackers.segments import Cut, Kind, Segment
from trackers.timing import Clock, Timing
from trackers.tracked import EmbedOnce

# The figures below were chosen for purity, together with the defaults of `CutRules`. docs/decisions.md tells on what.
GAP_SECONDS = 0.2  # s, a track unseen for longer is cut, since the tracker may have come back to somebody else…
GAP_FRAMES = 3.5  # …but only after this many frame intervals: at low rates one missed frame is no gap
JUMP_IOU = 0.55  # IoU with the expected box below which a box shows somebody else: people overlap their next box
SAME_LOOK = 0.96  # cosine with the segment's mean appearance below which a box shows somebody else
MIN_SECONDS = 0.25  # s, a shorter segment shows too little to learn from
MIN_BOXES = 4  # fewer leave no choice of crops
SURE_SCORE = 0.6  # of a box that surely shows somebody
APART_COVER = 0.3  # boxes that cover each other by less than this show two people…
APART_FRAMES = 2  # …if seen so in this many frames, since one may be a false box
# Cosines with a segment's mean embedding are those of the encoder that is shipped.
SAME = 0.755  # from this on a box shows the segment's person
DIFFERENT = 0.485  # below this it shows somebody else
CLEAR = 0.3  # share of a box that others cover, below which its embedding tells who it is
LOOK_SECONDS = 1.0  # s after which an open segment is looked at again
SURE_BOXES = 3  # boxes after which a track is believed to be somebody
VELOCITY_GAIN = 0.3  # weight of the newest step in a running velocity
LOOK_GAIN = 0.1  # weight of the newest look in a segment's mean appearance


@dataclass(frozen=True, slots=True)
class CutRules:
    """What differs between cameras and trials of when a track is cut, and which pieces are tracklets.

    Attributes:
        crossing_iou: IoU with another track from which on a box may show either person.
        crossing_cover: The same for the share of the smaller box that the larger one covers.
        hidden_seconds: Seconds for which somebody who vanished is believed to go on, perhaps behind another.
        max_seconds: Longest segment in seconds. It bounds memory: who sits for an hour makes sixty tracklets.
        min_height: Least median height of a tracklet's boxes in px.
        waiting_seconds: Seconds for which a segment waits for its person to be seen again.
    """

    crossing_iou: float = 0.35
    crossing_cover: float = 0.5
    hidden_seconds: float = 1.0
    max_seconds: float = 60.0
    min_height: float = 48.0
    waiting_seconds: float = 8.0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the boxes of one frame went, in the order in which the caller gave them."""

    segments: NDArray[np.int64]  # (M,) segment numbers
    keepable: NDArray[np.bool_]  # (M,) whether the box's segment may become searchable
    cover: NDArray[np.float32]  # (M,) largest share of the box that one other track's box covers
    finished: list[Segment]


class Neighbours(NamedTuple):
    """How the boxes of one frame lie to each other and to who is hidden."""

    cover: NDArray[np.float32]  # (M,) share of the box that its worst neighbour covers
    crossing: NDArray[np.bool_]  # (M,) whether it crosses a neighbour, seen or hidden
    apart: NDArray[np.int32]  # (M, M) 1 where two boxes clearly show two people


# The two kinds of rows that a checkpoint holds are all float64, so that it keeps them as plain arrays.
_PERSON = np.dtype(
    [
        ("track", np.float64),
        ("box", np.float64, 4),  # px, where it was last seen
        ("velocity", np.float64, 2),  # px/s
        ("seen", np.float64),  # s, when
        ("boxes", np.float64),  # how many boxes the track has had
    ]
)
_BOX = np.dtype(
    [
        ("segment", np.float64),
        ("frame", np.float64),
        ("time", np.float64),  # UTC s
        ("box", np.float64, 4),  # px
        ("score", np.float64),
    ]
)
_OPEN = np.dtype(
    [
        ("track", np.int64),
        ("number", np.int64),
        ("crossing", np.bool_),
        ("begins", np.bool_),  # whether its track began with it
        ("first", np.float64),  # s, of the first and of the last box
        ("last", np.float64),
        ("looked", np.float64),  # s, when a box was last embedded
        ("suspended", "U10"),  # the `Cut` at which it waits for its person, "" where its track shows them
    ]
)
_OPEN_STATE = {name: {"track": "tracks", "number": "numbers"}.get(name, name) for name in _OPEN.names or ()}


class TrackletCutter:
    """Cuts the tracks of one footage, in frame order.

    Memory is bounded by the open segments, each at most `max_seconds` long.
    """

    def __init__(self, rules: CutRules | None = None, next_number: int = 1) -> None:
        self.rules = rules or CutRules()
        self.next_number = next_number  # of the next segment
        self._open = np.zeros(0, _OPEN)  # the open segments, by track
        self._looks = np.zeros((0, 0), np.float32)  # (open segments, D) their mean appearance, 0 where unknown
        self._embeddings = np.zeros((0, 0), np.float32)  # (open segments, E) sums of embeddings, 0 where unknown
        self._apart = np.zeros((0, 0), np.int32)  # (open segments, open segments) frames in which they were seen apart
        self._people = np.zeros(0, _PERSON)  # who was seen not long ago, by track
        self._waiting = np.zeros((0, 2), np.int64)  # facts for later: (open segment, finished tracklet)
        self._newest = 0  # the highest track id so far
        self._log: list[NDArray[np.void]] = []  # the boxes of the open segments, rows of _BOX
        self._clock = Clock(Timing())

    def update(
        self,
        frame: int,
        time: float,
        tracks: NDArray[np.int64],
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        looks: NDArray[np.float32] | None = None,
        embed: EmbedOnce | None = None,
        in_scene: NDArray[np.float32] | None = None,
    ) -> Placed:
        """Takes the tracked boxes of one frame.

        Args:
            frame: Index of the frame.
            time: UTC seconds.
            tracks: `(M,)` distinct ids in ascending order.
            boxes: `(M, 4)` x1 y1 x2 y2 in px.
            scores: `(M,)`.
            looks: `(M, D)` appearance, L2-normalised, or None where it is unknown.
            embed: Of the M boxes. Without it nothing is suspended.
            in_scene: `(M, 4)` the boxes where a camera that moves would have them if it stood still.

        Returns:
            The segment of each box, and the segments that ended before this frame.
        """
        self._clock.step(time)
        in_scene = boxes if in_scene is None else in_scene
        expected, hidden = self._expect(tracks, in_scene)
        neighbours = _neighbours(in_scene, hidden, self.rules)
        reasons = self._reasons(tracks, in_scene, expected, neighbours.crossing, looks)
        if embed is not None:
            self._look_again(reasons, tracks, neighbours, embed)
            self._suspend(reasons)
            self._resume(reasons, tracks, neighbours, embed)
        finished = self._close(reasons)
        self._begin(tracks, neighbours.crossing, looks.shape[1] if looks is not None else 0)

        row, _ = self._open_rows(tracks)
        self._open["last"][row] = self._clock.now
        if embed is not None:
            self._remember(row, neighbours, embed)
        if looks is not None and len(tracks):
            mean = self._looks[row]
            self._looks[row] += np.where(mean.any(axis=1, keepdims=True), LOOK_GAIN, 1.0) * (looks - mean)
        self._apart[np.ix_(row, row)] += neighbours.apart
        numbers = self._open["number"][row]
        if len(tracks):
            entries = np.empty(len(tracks), _BOX)
            entries["segment"], entries["frame"], entries["time"] = numbers, frame, time
            entries["box"], entries["score"] = boxes, scores
            self._log.append(entries)
        keepable = ~neighbours.crossing | self._open["begins"][row]
        return Placed(numbers, keepable, neighbours.cover, finished)

    def close(self) -> list[Segment]:
        """Finishes all that is open: the footage ended."""
        suspended = self._open["suspended"]
        return self._close(np.where(suspended == "", Cut.END, suspended))

    def state(self) -> dict[str, NDArray]:
        """All that a new cutter with the same rules needs to go on as this one would."""
        state = {
            **{key: self._open[name] for name, key in _OPEN_STATE.items()},
            "looks": self._looks,
            "embeddings": self._embeddings,
            "apart": self._apart,
            "people": _as_plain(self._people),
            "waiting": self._waiting,
            "log": _as_plain(np.concatenate([np.zeros(0, _BOX), *self._log], dtype=_BOX)),
            "clock": self._clock.state(),
            "newest": np.array(self._newest),
            "next": np.array(self.next_number),
        }
        return {key: np.array(value, order="C") for key, value in state.items()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Goes on where the cutter stood whose `state` this is."""
        state = {key: np.array(value) for key, value in state.items()}
        self._open = np.zeros(len(state["tracks"]), _OPEN)
        self._open["looked"] = -np.inf
        for name, key in _OPEN_STATE.items():
            if key in state:  # earlier versions did not embed
                self._open[name] = state[key]
        self._looks = state["looks"]
        self._embeddings = state.get("embeddings", np.zeros((len(self._open), 0), np.float32))
        self._apart, self._waiting = state["apart"], state["waiting"]
        self._people, self._log = _as_rows(state["people"], _PERSON), [_as_rows(state["log"], _BOX)]
        self._clock.restore(state["clock"])
        self._newest = int(state.get("newest", self._people["track"].max(initial=0)))
        self.next_number = int(state["next"])

    def drop(self, tracks: Collection[int]) -> NDArray[np.int64]:
        """Keeps nothing of some tracks. Returns the numbers `(n,)` of their open segments, which never finish."""
        gone = np.isin(self._open["track"], list(tracks))
        numbers = self._open["number"][gone]
        self._keep(~gone)
        self._people = self._people[~np.isin(self._people["track"], list(tracks))]
        self._waiting = self._waiting[~np.isin(self._waiting[:, 0], numbers)]
        self._log = [rows[~np.isin(rows["segment"], numbers)] for rows in self._log]
        return numbers

    def _expect(
        self, tracks: NDArray[np.int64], boxes: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Looks ahead from where everybody was, then learns where everybody is now.

        Returns:
            Where the tracks of this frame were expected, `(M, 4)`, new ones where they are. And where those are
            expected who vanished not long ago, `(K, 4)`.
        """
        now = self._clock.now
        people = self._people[now - self._people["seen"] <= self.rules.hidden_seconds]
        moved = people["box"] + np.tile(people["velocity"], 2) * (now - people["seen"])[:, None]
        row, present = _look_up(people["track"], tracks)
        hidden = moved[~present & (people["boxes"] >= SURE_BOXES)]
        before, row = people[present], row[present]
        expected = boxes.astype(np.float64)
        expected[row] = moved[present]

        latest = np.zeros(len(tracks), _PERSON)
        latest["track"], latest["box"], latest["seen"], latest["boxes"] = tracks, boxes, now, 1
        latest["boxes"][row] += before["boxes"]
        step = np.maximum(now - before["seen"], 1e-6)[:, None]
        velocity = (_centres(latest["box"][row]) - _centres(before["box"])) / step
        latest["velocity"][row] = before["velocity"] + VELOCITY_GAIN * (velocity - before["velocity"])
        people = np.concatenate([people[~present], latest], dtype=_PERSON)
        self._people = people[np.argsort(people["track"])]
        return expected, hidden

    def _reasons(
        self,
        tracks: NDArray[np.int64],
        boxes: NDArray[np.float32],
        expected: NDArray[np.float64],
        crossing: NDArray[np.bool_],
        looks: NDArray[np.float32] | None,
    ) -> NDArray[np.str_]:
        """Why each open segment ends before this frame, `""` where it goes on. The last reason counts."""
        now, segments = self._clock.now, self._open
        reasons = np.full(len(segments), "", dtype="U10")
        row, is_open = self._open_rows(tracks)
        row, crosses = row[is_open], crossing[is_open]
        crossed = segments["crossing"][row]

        reasons[row[now - segments["first"][row] >= self.rules.max_seconds]] = Cut.LENGTH
        reasons[row[_pairwise_iou(boxes[is_open], expected[is_open]) < JUMP_IOU]] = Cut.JUMP
        if looks is not None and self._looks.size:
            mean = self._looks[row]
            length = np.maximum(np.linalg.norm(mean, axis=1), 1e-6)
            likeness = np.einsum("nd,nd->n", mean, looks[is_open]) / length
            reasons[row[~crossed & ~crosses & (likeness < SAME_LOOK)]] = Cut.APPEARANCE
        changed = crossed != crosses
        reasons[row[changed]] = np.where(crosses[changed], Cut.CROSSING, Cut.APART)
        longest_gap = max(GAP_SECONDS, GAP_FRAMES * self._clock.interval)
        silent = now - segments["last"]
        reasons[silent > longest_gap] = Cut.GAP
        suspended = segments["suspended"] != ""
        waits = (silent <= self.rules.waiting_seconds) & (now - segments["first"] < self.rules.max_seconds)
        reasons[suspended] = np.where(waits, "", segments["suspended"])[suspended]
        return reasons

    def _look_again(
        self, reasons: NDArray[np.str_], tracks: NDArray[np.int64], neighbours: Neighbours, embed: EmbedOnce
    ) -> None:
        """Takes reasons back, in place, where a doubtful box shows the same person. Adds some where it does not."""
        row, is_open = self._open_rows(tracks)
        box = np.flatnonzero(is_open & ~neighbours.crossing)
        row = row[box]
        doubtful = np.isin(reasons[row], (Cut.JUMP, Cut.APPEARANCE))
        same = self._cosines(row[doubtful], box[doubtful], embed) >= SAME
        reasons[row[doubtful][same]] = ""
        known = (reasons[row] == "") & (neighbours.cover[box] < CLEAR) & embed.embedded[box]
        different = self._cosines(row[known], box[known], embed) < DIFFERENT
        reasons[row[known][different]] = Cut.APPEARANCE

    def _suspend(self, reasons: NDArray[np.str_]) -> None:
        """Segments whose track can't be told any more wait, instead of ending. Of a track only the last one does."""
        segments = self._open
        suspended = segments["suspended"] != ""
        pausing = np.isin(reasons, (Cut.CROSSING, Cut.GAP)) & ~segments["crossing"] & ~suspended
        pausing &= self._embeddings.any(axis=1)
        earlier = suspended & np.isin(segments["track"], segments["track"][pausing])
        reasons[earlier] = segments["suspended"][earlier]
        segments["suspended"][pausing] = reasons[pausing]
        reasons[pausing] = ""

    def _resume(
        self, reasons: NDArray[np.str_], tracks: NDArray[np.int64], neighbours: Neighbours, embed: EmbedOnce
    ) -> None:
        """Suspended segments go on where their track shows their person again. A crossing lasts until that is clear."""
        suspended = np.flatnonzero((self._open["suspended"] != "") & (reasons == ""))
        row, is_open = self._open_rows(tracks)
        place, has_suspended = _look_up(tracks, self._open["track"][suspended])
        reason = np.full(len(tracks), Cut.GAP, dtype="U10")  # of a track that has no other segment
        reason[is_open] = reasons[row[is_open]]
        unclear = has_suspended & (reason == Cut.APART) & (neighbours.cover >= CLEAR)
        reasons[row[unclear]] = ""
        box = np.flatnonzero(has_suspended & (reason != "") & ~unclear & ~neighbours.crossing)
        candidates = suspended[place[box]]
        same = self._cosines(candidates, box, embed) >= SAME
        self._open["suspended"][candidates[same]] = ""

    def _cosines(self, rows: NDArray[np.intp], boxes: NDArray[np.intp], embed: EmbedOnce) -> NDArray[np.float32]:
        """`(K,)` cosines of open segments to boxes, one each. NaN where nothing is known of a segment."""
        cosines = np.full(len(rows), np.nan, np.float32)
        length = np.linalg.norm(self._embeddings[rows], axis=1)
        known = length > 0
        if known.any():
            shared = np.einsum("ke,ke->k", self._embeddings[rows[known]], embed(boxes[known]))
            cosines[known] = shared / length[known]
        return cosines

    def _remember(self, rows: NDArray[np.intp], neighbours: Neighbours, embed: EmbedOnce) -> None:
        """Adds what is known of clear boxes `(M,)` to their segments, and looks where that was long ago."""
        due = self._clock.now - self._open["looked"][rows] >= LOOK_SECONDS
        clear = ~neighbours.crossing & (neighbours.cover < CLEAR)
        box = np.flatnonzero(clear & (due | embed.embedded))
        if not len(box):
            return
        embeddings = embed(box)
        if not self._embeddings.size:
            self._embeddings = np.zeros((len(self._open), embeddings.shape[1]), np.float32)
        self._embeddings[rows[box]] += embeddings
        self._open["looked"][rows[box]] = self._clock.now

    def _open_rows(self, tracks: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The open segments that get the boxes of `tracks` `(M,)`, and which tracks have one."""
        current = np.flatnonzero(self._open["suspended"] == "")
        row, is_open = _look_up(tracks, self._open["track"][current])
        row[is_open] = current[row[is_open]]
        return row, is_open

    def _begin(self, tracks: NDArray[np.int64], crossing: NDArray[np.bool_], dimensions: int) -> None:
        """Opens a segment for each track that has none. `dimensions` of the appearance are known by now."""
        new = ~self._open_rows(tracks)[1]
        count = int(new.sum())
        if not count:
            return
        begun = np.empty(count, _OPEN)
        begun["track"], begun["crossing"], begun["begins"] = tracks[new], crossing[new], tracks[new] > self._newest
        self._newest = max(self._newest, int(tracks[-1]))
        begun["number"] = np.arange(self.next_number, self.next_number + count)
        begun["first"] = begun["last"] = self._clock.now
        begun["looked"], begun["suspended"] = -np.inf, ""
        self.next_number += count
        segments = np.concatenate([self._open, begun], dtype=_OPEN)
        order = np.argsort(segments["track"])
        self._open = segments[order]
        looks = np.zeros((len(segments), max(dimensions, self._looks.shape[1])), np.float32)
        looks[: len(segments) - count, : self._looks.shape[1]] = self._looks
        self._looks = looks[order]
        self._embeddings = np.pad(self._embeddings, ((0, count), (0, 0)))[order]
        self._apart = np.pad(self._apart, (0, count))[np.ix_(order, order)]

    def _close(self, reasons: NDArray[np.str_]) -> list[Segment]:
        """Finishes the open segments that have a reason, in order of number."""
        closing = np.flatnonzero(reasons != "")
        if not len(closing):
            return []
        log = np.concatenate(self._log, dtype=_BOX)
        number_of_box = log["segment"].copy()  # contiguous, which compares several times as fast
        ends = np.isin(number_of_box, self._open["number"][closing])
        self._log = [log[~ends]]
        ending = np.flatnonzero(ends)
        log = log[ending[np.argsort(number_of_box[ending], kind="stable")]]
        finished = []
        for row in closing[np.argsort(self._open["number"][closing])]:
            number = self._open["number"][row]
            first, last = np.searchsorted(log["segment"], [number, number + 1])
            is_its_fact = self._waiting[:, 0] == number
            segment = self._segment(
                log[first:last],
                track=int(self._open["track"][row]),
                crossing=bool(self._open["crossing"][row]),
                begins=bool(self._open["begins"][row]),
                cut=Cut(str(reasons[row])),
                cannot_link=self._waiting[is_its_fact, 1],
            )
            self._waiting = self._waiting[~is_its_fact]
            self._apart[row, row] = 0
            if segment.kind == Kind.TRACKLET:  # who was seen apart from it and is still open learns of it at the end
                others = self._open["number"][self._apart[row] >= APART_FRAMES]
                facts = np.column_stack([others, np.full(len(others), number)])
                self._waiting = np.concatenate([self._waiting, facts])
            self._apart[row] = self._apart[:, row] = 0
            finished.append(segment)
        self._keep(reasons == "")
        return finished

    def _keep(self, stays: NDArray[np.bool_]) -> None:
        """Of the open segments only these."""
        self._open, self._looks, self._embeddings = self._open[stays], self._looks[stays], self._embeddings[stays]
        self._apart = self._apart[np.ix_(stays, stays)]

    def _segment(
        self,
        log: NDArray[np.void],
        *,
        track: int,
        crossing: bool,
        begins: bool,
        cut: Cut,
        cannot_link: NDArray[np.int64],
    ) -> Segment:
        """The segment of all the boxes in `log`."""
        boxes = log["box"].astype(np.float32)
        if crossing:
            kind = Kind.CROSSING
        elif len(log) < MIN_BOXES or log["time"][-1] - log["time"][0] < MIN_SECONDS:
            kind = Kind.SHORT
        elif np.median(boxes[:, 3] - boxes[:, 1]) < self.rules.min_height:
            kind = Kind.SMALL
        else:
            kind = Kind.TRACKLET
        lone = kind == Kind.CROSSING and begins and cut in (Cut.GAP, Cut.LENGTH, Cut.END)
        if (lone or kind in (Kind.SHORT, Kind.SMALL)) and log["score"].max() >= SURE_SCORE:
            kind = Kind.SIGHTING
        return Segment(
            number=int(log["segment"][0]),
            track=track,
            kind=kind,
            cut=cut,
            frames=log["frame"].astype(np.int64),
            times=log["time"],
            boxes=boxes,
            scores=log["score"].astype(np.float32),
            cannot_link=cannot_link if kind == Kind.TRACKLET else cannot_link[:0],
        )


def _neighbours(boxes: NDArray[np.float32], hidden: NDArray[np.float64], rules: CutRules) -> Neighbours:
    """How `boxes` `(M, 4)` lie to each other and to `hidden` `(K, 4)`."""
    everybody = np.concatenate([boxes, hidden.astype(np.float32)])
    shared = intersection(boxes, everybody)
    np.fill_diagonal(shared, 0)
    areas = np.maximum(area(everybody), 1e-6)
    own, theirs = areas[: len(boxes), None], areas[None, :]
    cover = shared / np.minimum(own, theirs)
    near = (shared > rules.crossing_iou * (own + theirs - shared)) | (cover > rules.crossing_cover)
    seen = slice(len(boxes))
    return Neighbours(
        cover=(shared[:, seen] / own).max(axis=1, initial=0),
        crossing=np.any(near, axis=1),
        apart=(cover[:, seen] < APART_COVER).astype(np.int32),
    )


def _look_up(ids: NDArray, ascending: NDArray) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where `ids` `(N,)` stand in `ascending`, and which of them do. The row of one that does not means nothing."""
    row = np.searchsorted(ascending, ids)
    stands = row < len(ascending)
    stands[stands] = ascending[row[stands]] == ids[stands]
    return row, stands


def _centres(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(N, 2)` x y of boxes `(N, 4)`."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _pairwise_iou(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """`(N,)` IoU of `a[i]` and `b[i]`."""
    side = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    shared = side[:, 0] * side[:, 1]
    return shared / np.maximum(area(a) + area(b) - shared, 1e-6)


def _as_plain(rows: NDArray[np.void]) -> NDArray[np.float64]:
    """`(N, C)`, the fields of rows side by side."""
    return np.ascontiguousarray(rows).view(np.float64).reshape(len(rows), rows.dtype.itemsize // 8)


def _as_rows(plain: NDArray[np.float64], dtype: np.dtype) -> NDArray[np.void]:
    """`(N,)` rows of `dtype`, what `_as_plain` was made of."""
    return np.ascontiguousarray(plain, np.float64).view(dtype)[:, 0]
