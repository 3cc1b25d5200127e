"""The frame that is cut is the one that stands still in the browser."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from app.engine.ingest import ingest
from app.errors import FootageError
from app.record import Site
from app.web.frames import frame_at
from app.web.moments import cut_moment
from tests.app.stage import footage_in
from trackers.segments import Kind


def test_it_is_the_frame_of_the_clip_at_that_time(path: Path, tmp_path: Path) -> None:
    settings = footage_in(tmp_path)
    ingest(settings["videos"] / "a", path, detector=f"mot:{settings['detections']}", who="test")
    with Site.open_to_write(path) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
        with av.open(io.BytesIO(cut_moment(site, piece))) as clip:
            shown = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]
        assert len(shown) > 10
        last = -1
        for k in (0, 1, 5, len(shown) - 1):
            at, picture = shown[k]
            frame = frame_at(site, piece, at + 0.005)  # between two frames, as a pause is
            assert frame.index > last
            last = frame.index
            height, width = picture.shape[:2]
            assert np.abs(frame.image[:height, :width].astype(int) - picture).mean() < 8  # but for the box and coding
            if k:
                other = frame_at(site, piece, shown[k - 1][0] + 0.005)
                assert other.index == frame.index - 1
        site.footage_record(piece.footage_id).path.unlink()
        with pytest.raises(FootageError, match="not where it was"):
            frame_at(site, piece, 0.0)
