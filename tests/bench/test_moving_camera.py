"""A moving window over a film shows what its truth says."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from bench.moving_camera import Swing, write_seen
from sample_videos.world.truth import read_boxes, write_boxes
from tests.app.scenes import SIZE, people
from tests.clips import COLOURS, render_clip
from trackers.motchallenge import FRAME, HEIGHT, ID, LEFT, TOP, WIDTH


@pytest.mark.parametrize("swing", [None, Swing(6.0, 0)])
def test_truth_moves_with_the_window(tmp_path: Path, swing: Swing | None) -> None:
    films = tmp_path / "films"
    films.mkdir()
    clip = render_clip(films / "hall.mp4", people(40), size=SIZE)
    rows = [
        (index + 1, number, x1, y1, x2 - x1, y2 - y1, 1, 1, 1.0)
        for index, boxes in enumerate(clip.boxes)
        for number, (x1, y1, x2, y2) in enumerate(boxes.tolist())
    ]
    write_boxes(films, "hall", rows)
    following = write_seen(films, tmp_path / "seen", swing)
    assert (following["hall"].unfollowed_median_px > 0) == (swing is not None)
    seen = read_boxes(tmp_path / "seen", "hall")
    assert 0 < len(seen) <= len(rows)
    with av.open(str(tmp_path / "seen" / "hall.mp4")) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(pictures) == 40 and pictures[0].shape[0] < SIZE[1]
    looked_at = 0
    for row in seen[(seen[:, WIDTH] > 8) & (seen[:, HEIGHT] > 8)]:
        x, y = (row[[LEFT, TOP]] + row[[WIDTH, HEIGHT]] / 2).astype(int)
        colour = pictures[int(row[FRAME]) - 1][y, x].astype(int)
        others = seen[(seen[:, FRAME] == row[FRAME]) & (seen[:, ID] > row[ID])]
        behind = (others[:, LEFT] <= x) & (x <= others[:, LEFT] + others[:, WIDTH])
        if not behind.any():
            assert np.abs(colour - COLOURS[int(row[ID]) % len(COLOURS)]).max() < 60
            looked_at += 1
    assert looked_at > 20
