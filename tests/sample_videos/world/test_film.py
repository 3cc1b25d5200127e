import csv
import dataclasses
import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from app.footage.discover import discover
from sample_videos.world import film
from sample_videos.world.scenes import VIEWS
from sample_videos.world.truth import read_boxes

COARSE = 0.06  # m
FRAME_HASH = "038ba0f76f120e7f"
TASK = film.Task(
    seed=7,
    people=3,
    seconds=1.0,
    cameras=("plaza", "plaza-west"),
    palette="everyday",
    fps=6,
    width=160,
    height=90,
    start="2026-11-20T14:30:00+00:00",
)


def run(monkeypatch, capsys, *arguments):
    """Exit code, stdout and stderr of the command, in this process."""
    monkeypatch.setattr(sys, "argv", ["film", *map(str, arguments)])
    monkeypatch.setattr(film, "CELL", COARSE)
    monkeypatch.setattr(film, "_cores", lambda: 1)
    with pytest.raises(SystemExit) as ended:
        film.main()
    return ended.value.code, *capsys.readouterr()


def small(out, *cameras, seed=7):
    size = ("--people", 3, "--seconds", 1, "--fps", 6, "--size", "160x90")
    return ("--out", out, "--seed", seed, *size, "--cameras", *cameras)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_command_writes_films_with_truth_that_ingest_can_read(monkeypatch, capsys, tmp_path):
    out = tmp_path / "films"
    code, said, _ = run(monkeypatch, capsys, *small(out, "plaza", "hall"))
    assert code == 0 and "2 films of 6 frames" in said
    truth = [f"{camera}/{name}" for camera in ("plaza", "hall") for name in ("gt/gt.txt", "calibration.json")]
    assert set(contents(out)) == {"plaza.mp4", "hall.mp4", "presence.csv", "world.json", *truth}
    cameras = discover(out)
    assert [camera.name for camera in cameras] == ["hall", "plaza"]
    for camera in cameras:
        [footage] = camera.footage
        calibration = json.loads((out / camera.name / "calibration.json").read_text())
        assert footage.start_source == "container"
        assert datetime.fromtimestamp(footage.start, UTC) == datetime.fromisoformat(calibration["start"])
        assert 0 <= footage.start - datetime(2026, 11, 20, 14, 30, tzinfo=UTC).timestamp() <= film.LATEST_START
        with av.open(out / f"{camera.name}.mp4") as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert np.shape(frames) == (6, 90, 160, 3)
    assert {row["camera"] for row in csv.DictReader((out / "presence.csv").open())} <= {"hall", "plaza"}


def test_a_second_run_goes_on_with_what_is_missing(monkeypatch, capsys, tmp_path):
    out = tmp_path / "films"
    assert run(monkeypatch, capsys, *small(out, "plaza", "hall"))[0] == 0
    whole = contents(out)
    for name in ("hall.mp4", "hall/gt/gt.txt", "presence.csv"):
        (out / name).unlink()
    (out / "hall.mp4.part").write_bytes(b"half a film")
    kept = (out / "plaza.mp4").stat().st_mtime_ns
    assert run(monkeypatch, capsys, *small(out, "plaza", "hall"))[0] == 0
    assert contents(out) == whole
    assert (out / "plaza.mp4").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--cameras", "plaza", "cellar"), "There is no camera 'cellar'; the cameras are plaza, street"),
        (("--cameras", "plaza", "plaza"), "named twice"),
        (("--cameras", "plaza", "--palette", "tweed"), "There is no palette 'tweed'"),
        (("--cameras", "plaza", "--size", "large"), "'large' is no size"),
        (("--cameras", "plaza", "--size", "161x90"), "even numbers"),
        (("--cameras", "plaza", "--start", "noon"), "'noon' is no time"),
        (("--cameras", "plaza", "--start", "2026-11-20T14:30:00.5Z"), "no whole second"),
        (("--cameras", "plaza", "--people", "0"), "1…999 people"),
        (("--cameras", "plaza", "--seconds", "0"), "at most 3600 seconds"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_exit_code_2(monkeypatch, capsys, tmp_path, arguments, sentence):
    code, said, error = run(monkeypatch, capsys, "--out", tmp_path / "films", *arguments)
    assert code == 2 and said == ""
    assert sentence in error and error.startswith("Error: ") and error.count("\n") == 1
    assert not (tmp_path / "films").exists()


def test_folders_of_others_are_left_alone(monkeypatch, capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    code, _, error = run(monkeypatch, capsys, *small(tmp_path, "plaza"))
    assert code == 2 and "holds other things" in error
    assert list(contents(tmp_path)) == ["thesis.txt"]
    films = tmp_path / "films"
    film._claim(films, TASK)
    code, _, error = run(monkeypatch, capsys, *small(films, "plaza", "plaza-west", seed=8))
    assert code == 2 and "another task (seed 7)" in error


def test_list_names_every_camera(monkeypatch, capsys):
    code, said, _ = run(monkeypatch, capsys, "--list")
    assert code == 0
    lines = [line.split() for line in said.splitlines()]
    assert {words[0] for words in lines if len(words) > 1} == set(VIEWS)
    assert ["station"] in lines and ["campus"] in lines


def test_cameras_of_one_place_see_the_same_people_at_the_same_time(tmp_path):
    task = dataclasses.replace(TASK, seed=4, people=20, seconds=8.0, fps=2)
    film.shoot(tmp_path / "films", task, workers=1, cell=COARSE)
    seen = []
    for camera in task.cameras:
        rows = read_boxes(tmp_path / "films", camera)
        late = task.late(camera) * task.fps
        seen.append({(int(frame) + late, int(person)) for frame, person in rows[rows[:, 8] > 0.5, :2]})
    assert len(seen[0] & seen[1]) > 5


def test_the_films_do_not_depend_on_the_number_of_processes(tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        film.shoot(tmp_path / name, TASK, workers=workers, cell=COARSE)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_frame_is_the_same_everywhere(tmp_path):
    (tmp_path / "figures").mkdir()
    people = {number: film.person(7000 + number, "everyday") for number in (1, 2)}
    for member in people.items():
        film._make_figure(COARSE, tmp_path / "figures", member)
    steps = [film.Step(1, 0.0, -5.0, 0.5, 1.0, 1.0, 0.0, 3.0), film.Step(2, 1.5, -8.0, 2.0, 0.0, 0.0, 0.0, 3.0)]
    [(image, rows)] = film._shoot_frames(TASK, "plaza", tmp_path / "figures", (0, [steps]))
    assert [row[:2] for row in rows] == [(1, 1), (1, 2)]
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == FRAME_HASH
