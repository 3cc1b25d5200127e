"""Datasets of crops: what is written comes back, whatever the numbering, and never half."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from reid.tracklets import DatasetError, Tracklet, TrackletDataset, TrackletSource, overlapping

H, W = 16, 8
LENGTHS = (3, 1, 40, 7, 2, 70)  # two longer than what a thread takes at once
CAMERAS = ("hall", "gate", "hall", "gate", "hall", "yard")


def crop(tracklet: int, frame: int) -> np.ndarray:
    """One colour that tells tracklet and frame. It has the size wanted, so that nothing is resized."""
    return np.full((H, W, 3), (10 * tracklet, frame, 200), np.uint8)


def site_tracklets() -> Iterator[Tracklet]:
    """As a site has them: its own ids, times that overlap, pixels in memory, one tracklet at a time."""
    for i, (length, camera) in enumerate(zip(LENGTHS, CAMERAS)):
        yield Tracklet(100 + i, camera, 5.0 * i + np.arange(length), [crop(i, frame) for frame in range(length)])


def built(folder: Path, seed: int = 0, **options) -> TrackletDataset:
    return TrackletDataset.build(
        folder, TrackletSource(site_tracklets(), "v1", sum(LENGTHS), **options), H, W, seed=seed
    )


def write_picture(path: Path, pixels: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1])
    return str(path)


def test_a_progress_hears_of_the_crops_and_may_stop_the_build(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    heard: list[tuple[str, int, int | None]] = []

    def progress(task: str, done: int, total: int | None = None, /) -> None:
        heard.append((task, done, total))

    def stops(task: str, done: int, total: int | None = None, /) -> None:
        if done:
            raise Stopped

    pictures = [np.full((8, 4, 3), 9, np.uint8)] * 40
    source = TrackletSource([Tracklet(0, "a", np.arange(40.0), pictures)], "v1", 40)
    with pytest.raises(Stopped):
        TrackletDataset.build(tmp_path / "set", source, 4, 2, progress=stops)
    assert not list(tmp_path.iterdir())
    TrackletDataset.build(tmp_path / "set", source, 4, 2, progress=progress)
    assert heard == [("crops", 0, 40), ("crops", 32, 40), ("crops", 40, 40)]
    heard.clear()
    TrackletDataset.build(tmp_path / "set", source, 4, 2, progress=progress)  # it is there already
    assert not heard


def test_what_was_told_is_what_comes_back(tmp_path: Path) -> None:
    data = built(tmp_path / "set")
    assert len(data) == 6
    assert data.crops.shape == (sum(LENGTHS), H, W, 3)
    assert data.crops.dtype == np.uint8
    assert data.camera_names == ("gate", "hall", "yard")
    assert sorted(data.source_tracklet) == [100, 101, 102, 103, 104, 105]
    for number in range(len(data)):
        i = data.source_tracklet[number] - 100
        rows = np.flatnonzero(data.tracklet == number)
        np.testing.assert_array_equal(rows, data.start[number] + np.arange(data.length[number]))
        assert len(rows) == LENGTHS[i]
        assert data.camera_names[data.tracklet_camera[number]] == CAMERAS[i]
        assert (data.camera[rows] == data.tracklet_camera[number]).all()
        np.testing.assert_array_equal(data.time[rows], 5.0 * i + np.arange(LENGTHS[i]))
        np.testing.assert_array_equal(data.crops[rows], np.stack([crop(i, frame) for frame in range(LENGTHS[i])]))


def test_gathers_batches_for_the_encoder(tmp_path: Path) -> None:
    data = built(tmp_path / "set")
    rows = np.array([5, 0, 5, 100])
    batch = data.gather(rows)
    assert batch.shape == (4, 3, H, W)
    assert batch.dtype == torch.uint8
    assert batch.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(batch.permute(0, 2, 3, 1).numpy(), data.crops[rows])


def test_draws_frames_of_many_tracklets_at_once(tmp_path: Path) -> None:
    data = built(tmp_path / "set")
    tracklets = np.tile(np.arange(6), (500, 1))
    rows = data.draw(tracklets, 4, np.random.default_rng(0))
    assert rows.shape == (500, 6, 4)
    np.testing.assert_array_equal(data.tracklet[rows], np.broadcast_to(tracklets[..., None], rows.shape))
    distinct = (np.diff(np.sort(rows, axis=-1), axis=-1) > 0).all(-1)
    enough = data.length >= 4
    assert distinct[:, enough].all()
    for number in np.flatnonzero(~enough):  # with repeats, but all of its frames come
        assert set((rows[:, number] - data.start[number]).ravel()) == set(range(data.length[number]))
    seven = int(np.flatnonzero(data.length == 7)[0])
    counts = np.bincount((rows[:, seven] - data.start[seven]).ravel(), minlength=7)
    assert counts.min() > 220 and counts.max() < 350  # 286 each is even: three standard deviations are 35


def test_numbers_tell_nothing_and_the_seed_changes_only_them(tmp_path: Path) -> None:
    first, second = built(tmp_path / "one", seed=1), built(tmp_path / "other", seed=2)
    assert first.source_tracklet.tolist() != second.source_tracklet.tolist()
    assert first.source_tracklet.tolist() != sorted(first.source_tracklet)
    np.testing.assert_array_equal(first.crops, second.crops)
    np.testing.assert_array_equal(first.time, second.time)
    # Under the source's own ids the two are the same set.
    for name in ("start", "length", "tracklet_camera"):
        by_id = [getattr(data, name)[np.argsort(data.source_tracklet)] for data in (first, second)]
        np.testing.assert_array_equal(*by_id)
    pairs = [{tuple(sorted(pair)) for pair in data.source_tracklet[data.cannot_link]} for data in (first, second)]
    assert pairs[0] == pairs[1] == {(102, 104)}


def test_many_tracklets_are_shuffled_without_trace_of_the_source(tmp_path: Path) -> None:
    tracklets = [Tracklet(i, "a", np.array([np.nan]), [crop(0, 0)]) for i in range(400)]
    data = TrackletDataset.build(tmp_path / "set", TrackletSource(tracklets, "v1"), H, W)
    assert abs(np.corrcoef(data.source_tracklet, np.arange(400))[0, 1]) < 0.15
    assert np.mean(np.abs(np.diff(data.source_tracklet)) == 1) < 0.02
    assert len(data.cannot_link) == 0  # nobody knows when they were


def test_known_cannot_link_pairs_are_taken_over(tmp_path: Path) -> None:
    pairs = np.array([[105, 100], [101, 103], [101, 999]])
    data = built(tmp_path / "set", cannot_link=pairs)
    assert (data.cannot_link[:, 0] < data.cannot_link[:, 1]).all()
    assert {frozenset(pair) for pair in data.source_tracklet[data.cannot_link].tolist()} == {
        frozenset({100, 105}),
        frozenset({101, 103}),
    }


def test_overlap_in_time_and_camera_is_what_a_double_loop_finds() -> None:
    rng = np.random.default_rng(0)
    cameras, first = rng.integers(0, 3, 60), rng.integers(0, 50, 60).astype(float)
    last = first + rng.integers(0, 8, 60)
    first[:5] = last[:5] = np.nan
    expected = [
        (a, b)
        for a in range(60)
        for b in range(a + 1, 60)
        if cameras[a] == cameras[b] and first[a] <= last[b] and first[b] <= last[a]
    ]
    assert len(expected) > 20
    assert list(map(tuple, overlapping(cameras, first, last).tolist())) == expected


def test_as_images_makes_every_crop_its_own_tracklet(tmp_path: Path) -> None:
    data = built(tmp_path / "set")
    images = data.as_images(seed=3)
    assert len(images) == sum(LENGTHS)
    assert (images.length == 1).all()
    np.testing.assert_array_equal(np.sort(images.start), np.arange(sum(LENGTHS)))
    np.testing.assert_array_equal(images.tracklet[images.start], np.arange(len(images)))
    np.testing.assert_array_equal(images.camera, data.camera)
    np.testing.assert_array_equal(images.source_tracklet, data.source_tracklet[data.tracklet[images.start]])
    assert np.mean(np.diff(images.start) == 1) < 0.05  # neighbours are not of one tracklet


def test_is_built_once_and_again_when_anything_changes(tmp_path: Path) -> None:
    def untouched() -> Iterator[Tracklet]:
        raise AssertionError("the source is read again")
        yield

    folder = tmp_path / "set"
    first = built(folder)
    again = TrackletDataset.build(folder, TrackletSource(untouched(), "v1"), H, W)
    for name in ("crops", "time", "start", "length", "tracklet_camera", "source_tracklet", "cannot_link"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    changed = TrackletSource([Tracklet(7, "hall", np.array([0.0]), [crop(1, 1)])], "v2")
    assert len(TrackletDataset.build(folder, changed, H, W)) == 1
    assert TrackletDataset.build(folder, changed, 2 * H, W).crops.shape == (1, 2 * H, W, 3)
    (folder / "crops.u8").write_bytes(b"cut off")
    assert TrackletDataset.build(folder, changed, 2 * H, W).crops[0, 0, 0].tolist() == [10, 1, 200]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_an_interrupted_build_leaves_nothing_and_begins_again(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Tracklet]:
        for i, tracklet in enumerate(site_tracklets()):
            if i == 4:
                raise KeyboardInterrupt
            yield tracklet

    folder = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        TrackletDataset.build(folder, TrackletSource(interrupted(), "v1"), H, W)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".set.part").mkdir()  # of one that was killed
    (tmp_path / ".set.part" / "crops.u8").write_bytes(b"half")
    assert len(built(folder)) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_unreadable_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    good = write_picture(tmp_path / "good.jpg", crop(5, 5))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(Path(good).read_bytes()[:-40])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    bad = [str(cut), str(tmp_path / "text.jpg"), str(tmp_path / "empty.jpg"), str(tmp_path / "missing.jpg")]
    tracklets = [
        Tracklet(0, "a", np.arange(3.0), [bad[0], good, bad[1]]),
        Tracklet(1, "b", np.arange(2.0), [bad[2], bad[3]]),
        Tracklet(2, "a", np.array([9.0]), [good]),
    ]
    data = TrackletDataset.build(tmp_path / "set", TrackletSource.of_files(tracklets), H, W)
    assert sorted(zip(data.source_tracklet.tolist(), data.length.tolist())) == [(0, 1), (2, 1)]
    assert sorted(data.time) == [1.0, 9.0]
    assert data.camera_names == ("a",)
    assert data.left_out == 4
    lines = (tmp_path / "set" / "left-out.txt").read_text().splitlines()
    assert [name in line for name, line in zip(bad, lines)] == [True] * 4
    with pytest.raises(DatasetError, match="none of the source's 2 pictures"):
        TrackletDataset.build(tmp_path / "none", TrackletSource(tracklets[1:2], "v1"), H, W)
    with pytest.raises(DatasetError, match="no tracklets"):
        TrackletDataset.build(tmp_path / "none", TrackletSource([], "v1"), H, W)


def test_files_that_change_change_the_fingerprint(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.jpg", crop(1, 1))
    tracklet = Tracklet(0, "a", np.array([0.0]), [path])
    first = TrackletSource.of_files([tracklet])
    assert (first.fingerprint, first.pictures) == (TrackletSource.of_files([tracklet]).fingerprint, 1)
    write_picture(tmp_path / "a.jpg", crop(9, 200)[:5])
    changed = [tracklet, Tracklet(0, "b", np.array([0.0]), [path]), Tracklet(0, "a", np.array([1.0]), [path])]
    assert len({first.fingerprint, *(TrackletSource.of_files([edited]).fingerprint for edited in changed)}) == 4


def test_refuses_folders_that_hold_something_else_and_disks_that_are_too_small(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("dear")
    with pytest.raises(DatasetError, match="not empty"):
        built(tmp_path / "letters")
    assert (tmp_path / "letters" / "love.txt").read_text() == "dear"
    with pytest.raises(DatasetError, match="GB left"):
        TrackletDataset.build(tmp_path / "set", TrackletSource(site_tracklets(), "v1", pictures=10**15), H, W)
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="can't be written"):
        built(tmp_path / "file" / "set")


def test_refuses_sources_that_contradict_themselves(tmp_path: Path) -> None:
    twice = [Tracklet(1, "a", np.array([0.0]), [crop(0, 0)])] * 2
    with pytest.raises(ValueError, match="same id"):
        TrackletDataset.build(tmp_path / "set", TrackletSource(twice, "v1"), H, W)
    uneven = [Tracklet(1, "a", np.arange(2.0), [crop(0, 0)])]
    with pytest.raises(ValueError, match="1 pictures, 2 times"):
        TrackletDataset.build(tmp_path / "set", TrackletSource(uneven, "v1"), H, W)


def test_memory_does_not_grow_with_the_crops(tmp_path: Path) -> None:
    """A source three times as large as what may be in memory at once never has more than that alive."""
    alive, most = 0, 0

    class Heavy:
        def __init__(self) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

        def __array__(self, dtype=None, copy=None) -> np.ndarray:
            return crop(1, 1)

    from reid import tracklets as module

    bound = 16 * (module._AHEAD + 2) * module._PIECE
    tracklets = (Tracklet(i, "a", np.arange(32.0), [Heavy() for _ in range(32)]) for i in range(3 * bound // 32))
    data = TrackletDataset.build(tmp_path / "set", TrackletSource(tracklets, "v1"), 4, 2)
    assert len(data.time) >= 3 * bound - 32
    assert most <= bound


def test_needs_nothing_of_the_floors_above() -> None:
    above = ["ultralytics", "av", "lap", "filterpy", "faiss", "h5py", "app", "deploy"]
    code = f"import sys; sys.modules |= dict.fromkeys({above}); import reid.tracklets, reid.training, reid.benchmarks"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
