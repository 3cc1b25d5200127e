"""Trackers side by side on what was stored once."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import bench.tracking_peers
from app.errors import FootageError
from bench.stored_detections import StoredDetections
from bench.tracking_peers import Film, figures_of, films_of, measure, peer_rows, thinned
from trackers import TRACKERS
from trackers.motchallenge import ID, to_rows

FRAMES = 40


def film() -> Film:
    """Two people who walk towards each other and past, seen in every frame."""
    number = np.repeat(np.arange(FRAMES), 2)
    who = np.tile([0, 1], FRAMES)
    x = np.where(who == 0, 100 + 8 * number, 420 - 8 * number).astype(np.float32)
    y = np.where(who == 0, 100, 160).astype(np.float32)
    boxes = np.stack([x, y, x + 40, y + 100], 1)
    return Film(
        name="hall",
        stored=StoredDetections(
            times=100 + np.arange(FRAMES) / 15,
            counts=np.full(FRAMES, 2),
            boxes=boxes,
            scores=np.full(2 * FRAMES, 0.9, np.float32),
            embeddings=np.eye(8, dtype=np.float16)[who],
            size=np.array([300, 600]),
        ),
        truth=to_rows(number + 1, who + 1, boxes, np.ones(2 * FRAMES, np.float32)),
    )


def test_who_is_followed_rightly_has_all_and_every_tracker_has_figures() -> None:
    one = film()
    right = figures_of([one], [one.truth], speed=10.0, embedded=None)
    assert (right.hota, right.idf1, right.switches, right.purity, right.mixed, right.pieces) == (
        pytest.approx(100),
        pytest.approx(100),
        0,
        100,
        0,
        1,
    )
    report = measure([one], None, [])
    assert list(report.figures) == [f"ours, {name}" for name in TRACKERS]
    ours = report.figures["ours, appearance"]
    assert ours.idf1 > 99 and ours.embedded is not None and 0 < ours.embedded < 2
    assert report.figures["ours, bytetrack"].embedded == 0


def test_one_who_takes_two_for_one_is_told() -> None:
    one = film()
    swapped = one.truth.copy()
    swapped[FRAMES:, ID] = 3 - swapped[FRAMES:, ID]
    figures = figures_of([one], [swapped], speed=10.0, embedded=None)
    assert figures.purity == 50 and figures.mixed == 100 and figures.switches == 2


def test_fewer_frames_show_the_same_people() -> None:
    few = thinned(film(), 4)
    assert len(few.stored.times) == FRAMES // 4 and len(few.stored.boxes) == len(few.truth) == FRAMES // 2
    assert measure([few], None, []).figures["ours, appearance"].idf1 > 99


def test_what_is_stored_comes_back_and_needs_its_truth(tmp_path: Path) -> None:
    one = film()
    (tmp_path / "stored").mkdir()
    one.stored.write(tmp_path / "stored" / "hall.npz")
    with pytest.raises(FootageError, match=r"There is no .*hall/gt/gt\.txt"):
        films_of(tmp_path, tmp_path, tmp_path / "stored")
    back = StoredDetections.read(tmp_path / "stored" / "hall.npz")
    for name in StoredDetections.__slots__:
        np.testing.assert_array_equal(getattr(back, name), getattr(one.stored, name))


def test_peers_rows_come_from_their_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of BoxMOT's: one track a box."""
    work = tmp_path / "tracking_peers_work.py"
    work.write_text(
        "import sys, json, pathlib, numpy as np\n"
        "stored, out, *names = sys.argv[1:]\n"
        "for path in pathlib.Path(stored).glob('*.npz'):\n"
        "    a = np.load(path)\n"
        "    frame = np.repeat(np.arange(len(a['counts'])) + 1, a['counts'])\n"
        "    rows = np.column_stack([frame, np.arange(len(frame)), a['boxes'], a['scores']])\n"
        "    [np.save(f'{out}/{name}-{path.stem}.npy', rows) for name in names]\n"
        "print('hello')\n"
        "print(json.dumps({name: 5.0 for name in names}))\n"
    )
    monkeypatch.setattr(bench.tracking_peers, "__file__", str(tmp_path / "tracking_peers.py"))
    rows, speeds = peer_rows(sys.executable, [film()], ["theirs"])
    assert speeds == {"theirs": 5.0}
    assert rows["theirs"][0].shape[0] == 2 * FRAMES
    figures = figures_of([film()], rows["theirs"], 5.0, None)
    assert figures.hota == 0  # tracks of one box are dropped
