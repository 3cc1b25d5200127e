"""Segments: finished pieces of tracks, what each is good for, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Cut(StrEnum):
    """Why a segment ended."""

    GAP = "gap"  # not seen for a while
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
    SIGHTING = "sighting"  # short, small or a whole track of crossing, but surely somebody: found, not learned from
    SHORT = "short"
    SMALL = "small"


SEARCHABLE = (Kind.TRACKLET, Kind.SIGHTING)  # those of which pictures are kept


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished piece of one track.

    Attributes:
        number: Counts the segments of a footage, from the cutter's `next_number` on.
        track: The tracker's id.
        kind: What the segment is good for.
        cut: Why it ended.
        frames: `(n,)` int64 indices.
        times: `(n,)` float64 UTC seconds.
        boxes: `(n, 4)` float32 x1 y1 x2 y2 in px.
        scores: `(n,)` float32.
        cannot_link: `(k,)` int64 numbers of tracklets finished earlier that show other people.
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
