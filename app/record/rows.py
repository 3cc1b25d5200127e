"""What the record holds of a site, as dataclasses. `app.record` reads and writes them.

Numbers: a track and a segment are numbered from 1 within their camera. A segment's id is `camera id · 2³² + number`. So
ids do not depend on which camera was faster.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from operator import add
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.record.live_cameras import LiveRecord
from app.record.shards import Shard, ShardRange
from app.remarks import Remark, Starts, StartSource
from trackers.segments import Segment

_BOX = np.dtype([("frame", "<i4"), ("time", "<f8"), ("box", "<f4", 4), ("score", "<f4")])
_MOST_BYTES = 2**27  # of boxes of one piece of a track, two days of it


@dataclass(frozen=True, slots=True)
class FootageRecord:
    """What the record says of one footage."""

    id: int
    camera_id: int
    camera: str
    name: str
    path: Path
    size: int  # bytes
    fingerprint: str
    start: float  # UTC seconds
    start_source: StartSource
    status: str  # new, running, done, or failed: nothing of it could be decoded
    settings: dict[str, Any] | None  # the detector, tracker and thinning that its tracklets come from
    first_track: int  # its tracks are numbered from here on…
    first_segment: int  # …and its segments from here
    source_frames: int  # frames of the film that lie behind, thinned ones included
    frames: int  # frames looked at
    detections: int
    seconds: float  # of the film that lie behind
    shard: int  # its last shard…
    shard_bytes: int  # …and how much of it counts
    problems: list[str]


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """What became of the boxes that were detected outside of a camera's mask. Together they are all of them."""

    tracklets: int = 0  # in tracklets
    sightings: int = 0  # in pieces too short or small for one, which can be found but not learned from
    crossing: int = 0  # in pieces that overlap another track: they may show either person
    short: int = 0  # in pieces that are too short for a tracklet, and not surely of somebody
    small: int = 0  # in pieces whose people are too small, and not sure
    single: int = 0  # in tracks of one box, which is not sure
    untracked: int = 0  # in no track, or in pieces that were erased since, or that an ingest under way has not ended

    def __add__(self, other: BoxCounts) -> BoxCounts:
        return BoxCounts(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """What a site holds of one camera."""

    camera: str
    footage: int
    hours: float
    frames: int
    detections: int
    tracks: int
    tracklets: int
    sightings: int  # pieces too short or small for a tracklet, which can be found
    crops: int
    crop_bytes: int
    start: float | None  # of the earliest footage, UTC seconds
    end: float | None
    errors: list[str]
    starts: list[Starts]  # by what it is known when its footage began
    remarks: list[Remark]  # what was left out of its footage, taken for something, or contradicts itself
    boxes: BoxCounts
    live: LiveRecord | None = None  # how it does, where it is followed just now


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """One piece of a track. With kind `tracklet` it is a tracklet."""

    id: int
    camera: str
    footage_id: int
    number: int
    track: int
    kind: str
    cut: str
    start: float  # UTC seconds
    end: float
    length: int  # boxes
    height: float  # px, median


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one segment: frames int32 `(n,)` indices in its footage, times, boxes `(n, 4)`, scores `(n,)`."""

    frames: NDArray[np.int32]
    times: NDArray[np.float64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]

    def packed(self) -> bytes:
        """As the record stores them."""
        rows = np.empty(len(self.frames), _BOX)
        rows["frame"], rows["time"] = self.frames, self.times
        rows["box"], rows["score"] = self.boxes, self.scores
        return zlib.compress(rows.tobytes(), 1)

    @classmethod
    def none(cls) -> Self:
        """No box."""
        rows = np.empty(0, _BOX)
        return cls(rows["frame"], rows["time"], rows["box"], rows["score"])

    @classmethod
    def unpacked(cls, packed: bytes, count: int) -> Self:
        """So many boxes. Raises ValueError where they are damaged, at no more cost than sound ones have."""
        size = count * _BOX.itemsize
        if not 0 < size <= _MOST_BYTES:
            raise ValueError(f"boxes are damaged ({count} of them)")
        try:
            stream = zlib.decompressobj()
            data = stream.decompress(packed, size + 1)
        except (zlib.error, TypeError) as error:
            raise ValueError(f"boxes are damaged ({error})") from error
        if len(data) != size or not stream.eof or stream.unused_data:
            raise ValueError("boxes are damaged (they are of another length)")
        rows = np.frombuffer(data, _BOX)
        return cls(rows["frame"], rows["time"], rows["box"], rows["score"])


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture of a person, and what speaks for it.

    It is cut from the frame at native size around an observed box.
    """

    frame: int
    time: float  # UTC seconds
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px in the frame
    score: float  # of the detection
    overlap: float  # largest share of the box that another person's box covers
    border: float  # 1 where the box touches the picture's edge, else 0
    sharpness: float  # variance of the Laplacian at 48 × 96 px
    height_ratio: float  # height against the tracklet's median
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class CropRecord:
    """One stored crop of a tracklet."""

    tracklet_id: int
    number: int
    frame: int  # index in its footage
    time: float  # UTC seconds
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px in the frame
    score: float
    camera_id: int
    footage_id: int
    shard_range: ShardRange

    @property
    def shard(self) -> Shard:
        """The shard that it lies in."""
        return Shard(self.camera_id, self.footage_id, self.shard_range.shard)


@dataclass(frozen=True, eq=False)
class TrackletTable:
    """Tracklets of a site as columns `(T,)`, by id. Sightings are among them where a search is to find them."""

    ids: NDArray[np.int64]
    cameras: NDArray[np.int64]  # place in `names`
    footage: NDArray[np.int64]  # ids
    start: NDArray[np.float64]  # UTC seconds
    end: NDArray[np.float64]
    is_sighting: NDArray[np.bool_]  # too short or small to learn from
    names: tuple[str, ...]  # of the cameras

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows `(n,)` of tracklets that are in the table."""
        return lookup(self.ids, ids)[0]


@dataclass(frozen=True, slots=True)
class SearchedState:
    """What changes whenever a search may find something else."""

    pieces: tuple[float, ...]  # how many tracklets and sightings there are, and sums over them
    merging: int | None
    serving: tuple[tuple[str, int], ...]  # name and checksum of the version's row


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What the record says of one version of the site's encoder."""

    name: str  # base, v1, v2, …
    made: float  # UTC seconds
    sha256: str  # of its ONNX file
    status: str  # deployed: it serves, or did. refused: kept, but the gate did not let it serve
    reason: str  # what the gate said, a sentence
    summary: dict[str, Any]  # of its training
    calibration: dict[str, Any] | None  # similarity → probability
    serving: bool
    weights_sha256: str | None = None  # of its weights: the record learns it when the version is added


@dataclass(frozen=True, eq=False)
class Merging:
    """What one merging found: rows of tracklets that belong together have the same numbers."""

    id: int
    made: float  # UTC seconds
    model: str
    settings: dict[str, Any]
    summary: dict[str, Any]
    ids: NDArray[np.int64]  # (T,) tracklets, rising
    trajectories: NDArray[np.int64]  # (T,)
    identities: NDArray[np.int64]  # (T,)

    def of(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Trajectories and identities `(n,)` of tracklets. One that is new since is by itself: −1 − its place."""
        row, merged = lookup(self.ids, ids)
        single = -1 - np.arange(len(ids))
        if not len(self.ids):
            return single, single
        return np.where(merged, self.trajectories[row], single), np.where(merged, self.identities[row], single)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of two tracklets: `join`, they show one person, `split`, two, or `unsure`, nobody knows."""

    kind: str
    a: int
    b: int


def pairs_said(corrections: Iterable[Correction], kind: str) -> NDArray[np.int64]:
    """(P, 2) ids of the tracklets that corrections of one kind name."""
    return np.array([(said.a, said.b) for said in corrections if said.kind == kind], np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what with the site's pictures of people."""

    time: float  # UTC seconds
    who: str
    action: str
    details: dict[str, Any]
    session: str = field(default="", compare=False)  # where `who` sat: given when the entry is added
    hash: str = field(default="", compare=False)  # of this entry and all before it, as hexadecimal SHA-256


@dataclass(frozen=True, slots=True)
class Chunk:
    """What ingest adds to a footage in one commit. Counts are totals since the footage began."""

    segments: Sequence[Segment]
    crops: dict[int, list[Crop]]  # by segment number
    checkpoint: bytes
    source_frames: int
    frames: int
    detections: int
    seconds: float
    problems: Sequence[str] = ()
    remarks: Sequence[Remark] = ()


def lookup(sorted_ids: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where in `sorted_ids` `(n,)`, ascending, each of `ids` stands, 0 if it is not there, and whether it is."""
    row = np.searchsorted(sorted_ids, ids)
    row[row == len(sorted_ids)] = 0
    there = sorted_ids[row] == ids if len(sorted_ids) else np.zeros(ids.shape, bool)
    return np.where(there, row, 0), there


def segment_id(camera_id: int, number: int) -> int:
    """The id of a camera's segment of that number."""
    return (camera_id << 32) + number
