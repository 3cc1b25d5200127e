"""How far a footage was taken in, as the bytes that the record keeps until its ingest goes on."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackers import make_tracker
from trackers.tracklets import TrackletCutter

Arrays = dict[str, NDArray]
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
)  # damaged ones raise it


@dataclass(frozen=True, slots=True)
class State:
    """Who is in sight, as plain arrays."""

    tracker: Arrays
    cutter: Arrays  # of `TrackletCutter`
    crops: Arrays  # of `app.engine.crops.CropChooser`: rows begin with a segment's number, and end with a JPEG's length
    motion: Arrays = field(default_factory=dict)  # of `app.engine.camera_motion`. Earlier had none


_PARTS = ("tracker", "cutter", "crops", "motion")


def pack(resume: Sequence[Any], state: State) -> bytes:
    """resume: the frame behind which to go on, as plain JSON values."""
    arrays: Arrays = {"resume": np.frombuffer(json.dumps(resume).encode(), np.uint8)}
    for part in _PARTS:
        arrays |= {f"{part}.{name}": array for name, array in getattr(state, part).items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(checkpoint: bytes) -> tuple[list[Any], State]:
    """What `pack` was given."""
    parts: dict[str, Arrays] = {part: {} for part in _PARTS}
    with np.load(io.BytesIO(checkpoint), allow_pickle=False) as saved:
        for key in saved.files:
            part, _, name = key.partition(".")
            if name:
                parts[part][name] = saved[key]
        return json.loads(saved["resume"].tobytes()), State(**parts)


def without_tracks(checkpoint: bytes, tracker: str, first_track: int, tracks: Collection[int]) -> tuple[bytes, int]:
    """A checkpoint that has nothing of some tracks, neither boxes nor pictures. Who is still in sight is a new track.

    Args:
        checkpoint: What `pack` made.
        tracker: One of `trackers.TRACKERS`, whose state it holds.
        first_track: The number that the camera has for the tracker's track 1.
        tracks: Numbers that the camera has.

    Returns:
        The checkpoint, and how many of the tracks it had.

    Raises:
        One of UNREADABLE where it is damaged.
    """
    resume, state = unpack(checkpoint)
    follower, cutter = make_tracker(tracker), TrackletCutter()
    follower.restore(state.tracker)
    cutter.restore(state.cutter)
    before = first_track - 1
    known = np.r_[state.cutter["tracks"], state.cutter["people"][:, 0].astype(np.int64)]
    followed = follower.drop([track - before for track in tracks]) + before
    lost = np.union1d(followed, known[np.isin(known, list(tracks))])
    if not len(lost):
        return checkpoint, 0
    crops = _without_segments(state.crops, cutter.drop(tracks))
    return pack(resume, replace(state, tracker=follower.state(), cutter=cutter.state(), crops=crops)), len(lost)


def _without_segments(crops: Arrays, numbers: NDArray[np.int64]) -> Arrays:
    stays = ~np.isin(crops["segments"], numbers)
    rows_stay = ~np.isin(crops["rows"][:, 0], numbers)
    lengths = crops["rows"][:, -1].astype(np.int64)
    return {
        **{name: crops[name][stays] for name in ("segments", "best", "until")},
        "rows": crops["rows"][rows_stay],
        "jpeg": crops["jpeg"][np.repeat(rows_stay, lengths)],
    }
