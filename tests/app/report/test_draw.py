"""Drawn videos: a film a camera with the boxes of the record, over footage that moved, changed or is broken."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from app.engine.ingest import ingest
from app.report.draw import draw_boxes, draw_cameras
from tests.app.scenes import SIZE, World, people
from tests.clips import COLOURS, render_clip


def test_draw_writes_a_video_for_each_camera(world: World, ingested: Path, tmp_path: Path) -> None:
    draw_cameras(ingested, world.videos, tmp_path / "drawn", who="test")
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["gate.mp4", "hall.mp4", "yard.mp4"]
    for camera, seconds, frames in (("gate", 4.0, 40), ("hall", 3.0, 75), ("yard", 5.4, 135)):
        with av.open(str(tmp_path / "drawn" / f"{camera}.mp4")) as movie:
            pictures = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in movie.decode(video=0)]
        times = [time for time, _ in pictures]
        assert len(pictures) == frames and times == sorted(set(times))
        assert times[-1] == pytest.approx(seconds, abs=0.15)
        assert {image.shape for _, image in pictures} == {(SIZE[1], SIZE[0], 3)}
    image, (x1, y1, x2, y2) = pictures[30][1].astype(int), people(75, shift=80)[30][1].astype(int)
    edge, middle = image[y1 + 10 : y2 - 5, x1], image[y1 + 20 : y2 - 5, x1 + 8 : x2 - 8].reshape(-1, 3)
    assert np.abs(middle.mean(axis=0) - COLOURS[1]).max() < 30
    assert np.abs(edge.mean(axis=0) - COLOURS[1]).max() > 60  # the box is drawn in the track's colour


def test_draw_knows_footage_by_its_content(changing_world: World, tmp_path: Path) -> None:
    videos, site = changing_world.videos, tmp_path / "site"
    ingest(videos, site, detector=changing_world.detector, who="test")
    early, late = sorted((videos / "yard").iterdir())
    early.rename(videos / "yard" / "2026-11-20_12-00-00.mp4")
    render_clip(late, people(20), size=SIZE)
    report = ingest(videos, site, detector=changing_world.detector, who="test")
    draw_cameras(site, videos, tmp_path / "drawn", who="test")
    assert [len(camera.errors) for camera in report.cameras] == [0, 0, 1]
    with av.open(str(tmp_path / "drawn" / "yard.mp4")) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 75


def test_draw_goes_over_footage_that_cannot_be_read(changing_world: World, tmp_path: Path) -> None:
    (changing_world.videos / "broken.mp4").write_bytes(b"")
    report = ingest(changing_world.videos, tmp_path / "site", detector=changing_world.detector, who="test")
    draw_cameras(tmp_path / "site", changing_world.videos, tmp_path / "drawn", who="test")
    assert [bool(camera.errors) for camera in report.cameras] == [True, False, False, False]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["gate.mp4", "hall.mp4", "yard.mp4"]


def test_boxes_of_tracklets_are_thick_and_every_track_has_its_colour() -> None:
    image = np.zeros((120, 200, 3), np.uint8)
    boxes = np.array([[10, 40, 60, 110], [100, 40, 150, 110]], np.float32)
    draw_boxes(image, boxes, np.array([1, 2]), np.array([True, False]))
    assert [int(image[75, left - 3 : left + 4].any(axis=1).sum()) for left in (10, 100)] == [3, 1]
    thick, thin = image[75, 10], image[75, 100]
    assert np.abs(thick.astype(int) - thin).max() > 60
    np.testing.assert_array_equal(image[75, 20:50], 0)  # the person stays to be seen
