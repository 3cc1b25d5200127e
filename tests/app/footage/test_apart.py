"""Decoders that hang, crash or swell in their own process: one error each, and the others go on."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.engine.ingest import ingest
from app.errors import FootageError
from app.footage import apart, decode
from app.footage.apart import SLOTS, Worker
from tests.app.footage.worker_functions import (
    add,
    asked_for,
    crash,
    crashing,
    fail,
    hang,
    here,
    leave_a_trace,
    pictures,
    pid,
    read_for_ever,
    refuse,
    swell,
)
from tests.app.recordings import decode as decode_here
from tests.app.recordings import footage_of, numbers
from tests.clips import render_clip, render_sequence

FILM = Path("film.mp4")


def test_functions_are_called_in_one_other_process() -> None:
    with Worker() as worker:
        assert worker.call(FILM, 1, add, 2, 3) == 5
        process = worker.call(FILM, 1, pid)
        assert process == worker.call(FILM, 1, pid) != os.getpid()
    time.sleep(0.2)
    assert not Path(f"/proc/{process}").exists()


def test_relative_paths_begin_where_the_caller_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):  # the server has begun by the second time
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        with Worker() as worker:
            assert worker.call(FILM, 1, here) == folder


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (crash, "film.mp4 makes the decoder crash"),
        (hang, "film.mp4 makes the decoder hang"),
        (read_for_ever, "film.mp4 makes the decoder hang"),
        (swell, "film.mp4 makes the decoder take more than 0.37 GB"),
        (fail, r"film.mp4 makes the decoder fail \(LookupError: no such thing\)"),
        (refuse, "film.mp4 is empty"),
    ],
)
def test_whatever_becomes_of_it_is_an_error_and_the_next_is_served(function: apart.Work, said: str) -> None:
    patience = 10.0 if function is swell else 1.5
    with Worker(patience=patience, most_memory=400_000_000) as worker:
        began = time.monotonic()
        with pytest.raises(FootageError, match=said):
            worker.call(FILM, 1000, function)
        assert time.monotonic() - began < 15
        assert worker.call(FILM, 1, add, 2, 3) == 5


def test_pictures_of_any_size_arrive_whole_and_in_order() -> None:
    sizes = [5, 5, 5, 90_000, 7, 200_000, 1, 1, 1]
    with Worker() as worker:
        for _ in range(2):
            answers = list(worker.stream(FILM, 1, pictures, sizes))
            assert answers.pop() == "end"
            assert [what for _, what in answers] == sizes
            assert all(p.shape == (size, 2, 3) and (p == size % 256).all() for p, size in answers)


def test_who_stops_listening_stops_the_worker() -> None:
    with Worker() as worker:
        answers = worker.stream(FILM, 1, pictures, [4] * (SLOTS + 5))
        next(answers)
        answers.close()
        assert worker.call(FILM, 1, add, 2, 3) == 5


def test_items_are_made_when_they_are_asked_for() -> None:
    with Worker() as worker:
        worker.begin(asked_for, 5)
        items = []
        while len(items) < 5:
            item = worker.item(5)
            if item is not apart.NotYet:
                items.append((item[1], time.monotonic()))
                assert (item[0] == len(items) - 1).all()
                time.sleep(0.1)
        made = [moment for moment, _ in items]
        assert all(b - a > 0.09 for a, b in pairwise(made))  # and not all at once, ahead
        assert all(0 <= came - made < 0.09 for made, came in items)
        with pytest.raises(apart.WorkerError, match="came to its end"):
            worker.item(5)


def ask(worker: Worker) -> None:
    """Asks for an item until something becomes of the process."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        worker.item(0.2)


@pytest.mark.parametrize(
    ("function", "how", "said"),
    [
        (crash, "crash", "crashed"),
        (swell, "swell", "more than 0.37 GB"),
        (fail, "fail", "LookupError: no such thing"),
        (refuse, "fail", "film.mp4 is empty"),
    ],
)
def test_what_becomes_of_who_is_asked(function: apart.Work, how: str, said: str) -> None:
    with Worker(most_memory=400_000_000) as worker:
        worker.begin(function)
        with pytest.raises(apart.WorkerError, match=said) as raised:
            ask(worker)
        assert raised.value.how == how


def test_who_asks_waits_no_longer_than_told_and_ends_it_at_once() -> None:
    worker = Worker()
    worker.begin(hang)
    began = time.monotonic()
    while not worker.process:
        assert worker.item(0.2) is apart.NotYet
    began = time.monotonic()
    assert worker.item(0.2) is apart.NotYet and time.monotonic() - began < 0.5
    process = worker.process
    assert worker.close() and time.monotonic() - began < 1
    time.sleep(0.05)
    assert not Path(f"/proc/{process}").exists()


def test_who_is_ended_before_it_started_does_nothing(tmp_path: Path) -> None:
    worker = Worker()
    worker.begin(leave_a_trace, tmp_path / "trace")
    assert worker.close()
    time.sleep(1)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("kind", ["film", "sequence"])
def test_frames_are_the_same_from_there(tmp_path: Path, kind: str) -> None:
    clip = render_clip(tmp_path / "a.mp4", 30) if kind == "film" else render_sequence(tmp_path / "a", 30)
    here = decode_here(clip.path)
    with Worker() as worker:
        resume = None
        for first in (1, 11):  # again from a place to go on from
            expected, *items = decode.decode_apart(worker, footage_of(clip.path), first, 10, every=1, resume=resume)
            *there, end = [item for item in items if isinstance(item, decode.DecodedFrame)]
            assert expected == 31 - first and end == decode.DecodedFrame(None)
            places = [item.resume for item in there if item.resume is not None]
            assert len(places) == len(there) // 10
            resume = places[0]
            frames = [item.frame for item in there if item.frame is not None]
            assert numbers(frames) == list(range(first - 1, 30))
            for mine, theirs in zip(here[first - 1 :], frames, strict=True):
                assert mine[:3] == theirs[:3] and np.array_equal(mine.image, theirs.image)


def test_other_cameras_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "detections").mkdir()
    for name, frames in (("gate", 10), ("hall", 20)):
        render_clip(tmp_path / "videos" / f"{name}.mp4", frames)
        (tmp_path / "detections" / f"{name}.txt").write_text("")
    monkeypatch.setattr(decode, "_decoded", crashing)
    report = ingest(tmp_path / "videos", tmp_path / "site", detector=f"mot:{tmp_path / 'detections'}", who="test")
    gate, hall = report.cameras
    assert hall.frames == 20 and not hall.errors
    assert len(gate.errors) == 1 and "gate.mp4 makes the decoder crash" in gate.errors[0]
