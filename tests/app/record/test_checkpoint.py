"""A checkpoint without some of the tracks that it had."""

from __future__ import annotations

import numpy as np
import pytest

from app.engine.tracking import FootageTracker, resume_of
from app.footage import Resume
from app.record.checkpoint import unpack, without_tracks
from tests.app.engine.test_tracking import CAMERA, colours, follow, frames, record
from tests.app.scenes import crowd
from trackers import TRACKERS


@pytest.mark.parametrize("name", TRACKERS)
def test_nothing_of_a_track_stays_and_all_others_go_on(name: str) -> None:
    items = list(frames(crowd(60, seed=3)))
    tracker = FootageTracker(CAMERA, record(first_track=11), name, embed=colours)
    follow(tracker, items[:40])
    checkpoint = tracker.chunk(Resume(39, 40, 7), ()).checkpoint
    cutter = unpack(checkpoint)[1].cutter
    shown = [k for k, number in enumerate(cutter["numbers"]) if _pictures(checkpoint, number)]
    place, track = shown[0], int(cutter["tracks"][shown[0]])
    other_place = next(k for k in shown if cutter["tracks"][k] != track)
    rest, count = without_tracks(checkpoint, name, 11, {track, 5})
    assert count == 1 and resume_of(rest) == Resume(39, 40, 7)
    mine = cutter["log"][cutter["log"][:, 0] == cutter["numbers"][place]]
    assert len(mine)
    assert mine[-1, 3:7].tobytes() in checkpoint
    assert not any(row[3:7].tobytes() in rest for row in mine)
    assert without_tracks(rest, name, 11, {track}) == (rest, 0)

    pictures = {crops.tobytes() for crops in _pictures(checkpoint, int(cutter["numbers"][place]))}
    assert pictures and not any(picture in rest for picture in pictures)
    other = int(cutter["numbers"][other_place])
    assert [p.tobytes() for p in _pictures(rest, other)] == [p.tobytes() for p in _pictures(checkpoint, other)]

    later = FootageTracker(CAMERA, record(first_track=11, frames=40), name, rest, embed=colours)
    follow(later, items[40:])
    later.finish()
    went_on = later.chunk(None, ()).segments
    assert track not in {piece.track for piece in went_on}
    assert set(cutter["tracks"].tolist()) - {track} <= {piece.track for piece in went_on}


def _pictures(checkpoint: bytes, number: int) -> list[np.ndarray]:
    crops = unpack(checkpoint)[1].crops
    parts = np.split(crops["jpeg"], np.cumsum(crops["rows"][:, -1].astype(int))[:-1])
    return [part for part, row in zip(parts, crops["rows"]) if row[0] == number]
