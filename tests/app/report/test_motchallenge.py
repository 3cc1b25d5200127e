"""MOTChallenge text of a site: what is written is read back, and frames go on over a camera's footage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.engine.following import Thinning
from app.engine.ingest import ingest
from app.errors import FootageError
from app.record import Site
from app.record.rows import BoxCounts
from app.report.motchallenge import export_rows, frame_times, truth_files
from tests.app.scenes import CREATED, SIZE, World, people, run, write_detections
from tests.clips import render_clip
from trackers.motchallenge import boxes_of, read_rows


@pytest.mark.parametrize("what", ["tracks", "tracklets"])
def test_exported_rows_are_read_back(ingested: Path, tmp_path: Path, what: str) -> None:
    done = run("-m", "app.export", what, tmp_path / "out", "--site", ingested, "--json")
    assert done.returncode == 0, done.stderr
    files = [str(tmp_path / "out" / f"{camera}.txt") for camera in ("gate", "hall", "yard")]
    assert json.loads(done.stdout) == {"files": files, "boxes": 2 * (40 + 75 + 135)}
    truth = people(75, shift=80)
    rows = read_rows(tmp_path / "out" / "yard.txt")
    assert rows.shape == (270, 10)
    assert rows[:, 0].tolist() == [frame for frame in range(1, 136) for _ in range(2)]
    assert [sorted(set(rows[part, 1])) for part in (rows[:, 0] <= 75, rows[:, 0] > 75)] == [[1, 2], [3, 4]]
    expected = np.concatenate(truth + truth[:60])
    assert np.abs(boxes_of(rows) - expected).max() < 1.1
    assert read_rows(tmp_path / "out" / "gate.txt")[[0, -1], 0].tolist() == [1, 40]


def test_offsets_count_thinned_frames_too(world: World, tmp_path: Path) -> None:
    site_path = tmp_path / "site"
    ingest(world.videos, site_path, detector=world.detector, who="test", thinning=Thinning(every=2))
    with Site.open_to_write(site_path) as site:
        export_rows(site, tmp_path / "out", kind=None, who="test")
    frames = sorted(set(read_rows(tmp_path / "out" / "yard.txt")[:, 0].astype(int)))
    assert frames == [*range(1, 76, 2), *range(76, 136, 2)]


def test_times_of_frames_are_the_records(world: World, tmp_path: Path) -> None:
    ingest(world.videos, tmp_path / "site", detector=world.detector, who="test", thinning=Thinning(every=5))
    with Site.open(tmp_path / "site") as site:
        first, second = site.footage("yard")
        frames = first.source_frames
        times = frame_times(site, "yard", 150)
        assert times is not None
        assert len(times.begin) == len(times.end) == 150
        assert times.begin[frames] == second.start and times.end[frames - 1] < second.start
        assert np.diff(times.begin[:frames]) == pytest.approx(first.seconds / (frames - 1), abs=1e-6)
        assert np.diff(times.begin[frames:]) == pytest.approx(second.seconds / (second.source_frames - 1), abs=1e-6)
        assert (times.end - times.begin).sum() == pytest.approx(150 / 25, abs=1e-4)
        assert frame_times(site, "attic", 10) is None


def test_tracks_of_a_single_box_are_left_out(tmp_path: Path) -> None:
    world = World(tmp_path / "videos", tmp_path / "detections")
    world.videos.mkdir()
    film = render_clip(world.videos / "a.mp4", people(30, count=1), size=SIZE, creation_time=CREATED)
    write_detections(world.detections / "a.txt", film)
    with (world.detections / "a.txt").open("a", encoding="utf-8") as file:
        file.write("12,-1,5.0,70.0,28.0,58.0,0.9\n")  # seen once, far from everybody
    (camera,) = ingest(world.videos, tmp_path / "site", detector=world.detector, who="test").cameras
    assert (camera.detections, camera.tracks) == (31, 1)
    assert (camera.boxes, camera.sightings) == (BoxCounts(tracklets=30, sightings=1), 1)  # but it can be found
    with Site.open_to_write(tmp_path / "site") as site:
        assert export_rows(site, tmp_path / "out", kind=None, who="test").boxes == 30


def test_truth_is_looked_for_by_camera(tmp_path: Path) -> None:
    for camera in ("hall", "gate"):
        (tmp_path / camera / "gt").mkdir(parents=True)
        (tmp_path / camera / "gt" / "gt.txt").write_text("")
    (tmp_path / "attic").mkdir()
    assert list(truth_files(tmp_path)) == ["gate", "hall"]
    with pytest.raises(FootageError, match=r"There is no ground truth in .*/attic: it should hold <camera>/gt/gt\.txt"):
        truth_files(tmp_path / "attic")
