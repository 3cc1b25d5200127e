"""The films in the repository: whole, small, and with a truth that fits them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

FILMS = Path(__file__).parents[2] / "sample_videos" / "films"
WORLD = json.loads((FILMS / "world.json").read_text(encoding="utf-8"))
CAMERAS = WORLD["cameras"]
MEGABYTES = 10


def truth(camera: str) -> np.ndarray:
    """Rows: frame, person, left, top, width, height, 1, 1, visibility."""
    return np.loadtxt(FILMS / camera / "gt" / "gt.txt", delimiter=",", ndmin=2)


def started(camera: str) -> datetime:
    with av.open(FILMS / f"{camera}.mp4") as film:
        return datetime.fromisoformat(film.metadata["creation_time"])


def test_they_are_small() -> None:
    files = [path for path in FILMS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MEGABYTES * 1_000_000
    assert {path.stem for path in FILMS.glob("*.mp4")} == set(CAMERAS) and len(CAMERAS) == 4


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_film_and_its_truth_fit(camera: str) -> None:
    with av.open(FILMS / f"{camera}.mp4") as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height) == (WORLD["width"], WORLD["height"]) == (960, 540)
        assert stream.frames == WORLD["seconds"] * WORLD["fps"] == 900
    late = started(camera) - datetime.fromisoformat(WORLD["start"])
    assert timedelta(0) <= late <= timedelta(seconds=4)
    rows = truth(camera)
    frame, person, left, top, width, height, _, _, seen = rows.T
    assert frame.min() >= 1 and 850 < frame.max() <= 900
    assert set(person) <= set(range(1, WORLD["people"] + 1))
    assert len(np.unique(rows[:, :2], axis=0)) == len(rows)  # nobody twice in a frame
    assert (left >= 0).all() and (left + width <= 960).all() and (top >= 0).all() and (top + height <= 540).all()
    assert (width > 0).all() and (height > 0).all() and (seen > 0).all() and (seen <= 1).all()
    calibration = json.loads((FILMS / camera / "calibration.json").read_text(encoding="utf-8"))
    assert (calibration["width"], calibration["height"]) == (960, 540) and np.shape(calibration["K"]) == (3, 3)


@pytest.mark.parametrize("camera", CAMERAS)
def test_people_are_where_the_truth_says(camera: str) -> None:
    """In boxes of people who walk, pictures differ from those of another time more than around them."""
    wanted = {100, 500}
    with av.open(FILMS / f"{camera}.mp4") as film:
        pictures = {
            number: frame.to_ndarray(format="gray").astype(float)
            for number, frame in enumerate(film.decode(video=0), start=1)
            if number in wanted
        }
    change = np.abs(pictures[100] - pictures[500])
    inside = np.zeros(change.shape, bool)
    for row in truth(camera):
        if row[0] in wanted:
            left, top, right, bottom = np.round([row[2], row[3], row[2] + row[4], row[3] + row[5]]).astype(int)
            inside[top:bottom, left:right] = True
    assert 0.005 < inside.mean() < 0.5
    assert change[inside].mean() > 3 * change[~inside].mean()


def test_the_table_of_presence_agrees_with_the_boxes() -> None:
    with (FILMS / "presence.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["camera"] for row in rows} == set(CAMERAS)
    visits: dict[int, set[str]] = {}
    for row in rows:
        boxes = truth(row["camera"])
        seen = boxes[(boxes[:, 1] == int(row["person"])) & (boxes[:, 8] > 0.25)]
        assert int(row["frames"]) == len(seen)
        first = started(row["camera"]) + timedelta(seconds=(seen[0, 0] - 1) / WORLD["fps"])
        assert abs(datetime.fromisoformat(row["first"]).astimezone(UTC) - first) < timedelta(seconds=0.01)
        visits.setdefault(int(row["person"]), set()).add(row["camera"])
    assert len(visits) == WORLD["people"]
    assert np.mean([len(cameras) > 1 for cameras in visits.values()]) > 0.9
