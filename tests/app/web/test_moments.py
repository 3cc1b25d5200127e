"""A tracklet's moment is its footage, with the person in a box."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from app.engine.ingest import ingest
from app.errors import FootageError
from app.record import Site
from app.web.moments import AFTER, BEFORE, cut_moment
from tests.app.sites import figure_site
from tests.app.stage import FRAMES, footage_in
from trackers.segments import Kind


def test_the_moment_of_a_tracklet_plays(path: Path, tmp_path: Path) -> None:
    figure_site(path, people=2, cameras=1)
    settings = footage_in(tmp_path)
    ingest(settings["videos"] / "a", path, detector=f"mot:{settings['detections']}", who="test")
    with Site.open_to_write(path) as site:
        piece = site.segments("a", kind=Kind.TRACKLET)[0]
        clip = cut_moment(site, piece)
        with av.open(io.BytesIO(clip)) as movie:
            video = movie.streams.video[0]
            pictures = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video)]
        assert video.codec_context.name == "h264"
        boxes = site.boxes(piece.id)
        (record,) = site.footage("a")
        times = record.start + np.arange(FRAMES) * record.seconds / (FRAMES - 1)
        shown = np.flatnonzero((times >= piece.start - BEFORE) & (times < piece.end + AFTER))
        assert len(pictures) == pytest.approx(len(shown), abs=1)
        x1, y1, _, y2 = boxes.boxes[len(boxes.boxes) // 2].round().astype(int)
        picture = pictures[int(boxes.frames[len(boxes.frames) // 2]) - shown[0]].astype(int)
        edge = picture[(y1 + y2) // 2, max(0, x1 - 2) : x1 + 3]
        assert (np.abs(edge - (255, 176, 32)).sum(1).min()) < 120, edge  # the box's colour stands at its edge
        footage = record.path
        footage.rename(footage.with_suffix(".gone"))
        with pytest.raises(FootageError, match="not where it was"):
            cut_moment(site, piece)
        footage.write_bytes(b"no film")
        with pytest.raises(FootageError):
            cut_moment(site, piece)
