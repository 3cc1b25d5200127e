"""Training shots: labels that fit the pictures, the same files however they are made, nothing of the films in them."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sample_videos.world import shots
from sample_videos.world.film import MOST_PEOPLE, FilmError, Task
from sample_videos.world.places import View
from sample_videos.world.renderer import Stage

WIDTH, HEIGHT = 240, 144


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def quick() -> object:
    """Few people a process, few frames a camera: meshes are what takes the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shots, "CAST", 16)
        patch.setattr(shots, "FRAMES_A_STAGE", 3)
        patch.setattr(shots, "PEOPLE_A_GROUP", 2)
        shots.cast_member.cache_clear()
        yield
        shots.cast_member.cache_clear()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for part in ("images", "labels"):
        (folder / part).mkdir()
    for first in (0, 3):
        shots.write_frames_of_stage(folder, 5, 3, WIDTH, HEIGHT, first)
    return folder


def test_frames_have_labels_inside_of_them(frames: Path) -> None:
    assert sorted(path.stem for path in (frames / "images").iterdir()) == [f"{n:06d}" for n in range(5)]
    people = 0
    for path in sorted((frames / "images").iterdir()):
        image = cv2.imread(str(path))
        assert image is not None and image.shape == (HEIGHT, WIDTH, 3) and image.std() > 2
        rows = np.loadtxt(frames / "labels" / f"{path.stem}.txt", ndmin=2).reshape(-1, 5)
        assert (rows[:, 0] == 0).all()
        low, high = rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2
        assert (low > -1e-4).all() and (high < 1 + 1e-4).all()
        assert (rows[:, 4] * HEIGHT >= shots.SMALLEST - 0.1).all()
        people += len(rows)
    assert people >= 5


def test_frames_are_the_same_again_and_kept_where_they_are(frames: Path, tmp_path: Path) -> None:
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    shots.write_frames_of_stage(tmp_path, 5, 3, WIDTH, HEIGHT, 3)  # without those before
    again = digests(tmp_path)
    assert again and again.items() <= digests(frames).items()
    last = tmp_path / "images" / "000004.jpg"
    last.write_bytes(b"kept")
    shots.write_frames_of_stage(tmp_path, 5, 3, WIDTH, HEIGHT, 3)
    assert last.read_bytes() == b"kept"


def test_where_somebody_has_no_place_another_view_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views: list[View] = []
    whole, tries = shots.take_crop, shots.TRIES

    def crop(stage: Stage, view: View, *rest: Any) -> object:
        views.append(view)
        third = len(views) == 3  # the first of the second person, who has no place in the first view
        monkeypatch.setattr(shots, "TRIES", 0 if third else tries)
        return whole(stage, view, *rest)

    monkeypatch.setattr(shots, "take_crop", crop)
    shots.write_crops_of_group(tmp_path, 2, 5, 1, 2, 64, 32, 0)
    assert np.load(tmp_path / "crops-0000.npy").shape == (4, 64, 32, 3)
    assert np.load(tmp_path / "labels-0000.npy").tolist() == [[0, 0], [0, 0], [1, 0], [1, 0]]
    assert [view is views[0] for view in views] == [True, True, True, False, False, False, False]


def test_crops_come_in_groups_with_cameras_of_their_own(tmp_path: Path) -> None:
    for first in (0, 2):
        shots.write_crops_of_group(tmp_path, 3, 5, 2, 2, 64, 32, first)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "crops-0000.npy", "crops-0001.npy", "labels-0000.npy", "labels-0001.npy",
    ]  # fmt: skip
    crops, labels = np.load(tmp_path / "crops-0000.npy"), np.load(tmp_path / "labels-0000.npy")
    assert crops.shape == (8, 64, 32, 3) and crops.dtype == np.uint8
    assert labels.tolist() == [[p, c] for c in (0, 1) for p in (0, 1) for _ in range(2)]
    assert np.load(tmp_path / "labels-0001.npy").tolist() == [[2, c] for c in (2, 2, 3, 3)]
    assert len({crop.tobytes() for crop in crops}) == len(crops)  # every one is another picture
    before = digests(tmp_path)
    (tmp_path / "crops-0001.npy").unlink()
    for first in (0, 2):
        shots.write_crops_of_group(tmp_path, 3, 5, 2, 2, 64, 32, first)
    assert digests(tmp_path) == before


def test_processes_make_what_one_makes(tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    task = functools.partial(write_number, tmp_path)
    shots.in_processes(task, range(0, 6, 2), 2, lambda done, of: progress.append((done, of)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "2", "4"]
    assert progress == [(1, 3), (2, 3), (3, 3)]


def write_number(folder: Path, number: int) -> None:
    (folder / str(number)).write_text("")


def test_people_who_stand_together_do_not_stand_in_each_other() -> None:
    rng = np.random.default_rng(0)
    spots = rng.uniform(-5, 5, (200, 2))
    for count in (0, 1, 14):
        feet = np.array(shots.scatter(spots, count, rng)).reshape(-1, 2)
        apart = np.hypot(*(feet[:, None] - feet[None]).transpose(2, 0, 1)) + np.eye(count) * 9
        assert len(feet) == count and (count == 0 or apart.min() > 0.45)
    sizes = [shots.crowd_size(rng) for _ in range(2000)]
    assert min(sizes) == 0 and max(sizes) == 14 and 4 < np.mean(sizes) < 6


def test_training_people_are_none_of_the_films() -> None:
    task = Task(
        seed=998,
        people=MOST_PEOPLE,
        seconds=1.0,
        cameras=("plaza",),
        palette="everyday",
        fps=15,
        width=960,
        height=540,
        start="2026-11-20T14:30:00+00:00",
    )
    assert task.seed * 1000 + task.people < shots.FIRST_PERSON
    with pytest.raises(FilmError, match="seeds"):
        replace(task, seed=999)
