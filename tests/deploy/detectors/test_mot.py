"""Detections served from MOTChallenge files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.detectors import DetectorError, Frame
from deploy.detectors.mot import MotDetector, unit_scores
from trackers.motchallenge import Note

PICTURE = np.zeros((2, 2, 3), np.uint8)
TEXT = """3,-1,10,20,30,40,0.5,-1,-1,-1
1,-1,1,2,3,4,0.9,-1,-1,-1
3,-1,5,5,10,10,0.75,-1,-1,-1
1,-1,1,2,3,4,0.05,-1,-1,-1
"""


def frame(index: int, camera: str = "gate") -> Frame:
    return Frame(camera, index, 0.0, PICTURE)


def test_one_file_serves_one_camera(tmp_path: Path) -> None:
    file = tmp_path / "det.txt"
    file.write_text(TEXT)
    detector = MotDetector(file)
    assert detector.name == f"mot:{file}"
    assert detector.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    detections = detector.detect([frame(2), frame(0), frame(1), frame(99)])
    np.testing.assert_array_equal(detections[0].boxes, np.array([[10, 20, 40, 60], [5, 5, 15, 15]], np.float32))
    np.testing.assert_array_equal(detections[0].scores, np.array([0.5, 0.75], np.float32))
    np.testing.assert_array_equal(detections[1].boxes, np.array([[1, 2, 4, 6]], np.float32))  # 0.05 is below the floor
    assert [len(d) for d in detections] == [2, 1, 0, 0]
    assert detections[2].boxes.shape == (0, 4)
    with pytest.raises(DetectorError, match="already serves gate"):
        detector.detect([frame(0, "yard")])


def test_a_folder_serves_every_camera_in_it(tmp_path: Path) -> None:
    (tmp_path / "dets" / "gate" / "det").mkdir(parents=True)
    (tmp_path / "dets" / "gate" / "det" / "det.txt").write_text("1,-1,0,0,10,10,1\n")
    (tmp_path / "dets" / "yard.txt").write_text("1,-1,5,5,10,10,1\n")
    (tmp_path / "secret.txt").write_text("1,-1,5,5,10,10,1\n")
    detector = MotDetector(tmp_path / "dets")
    detections = detector.detect([frame(0, "gate"), frame(0, "yard")])
    assert [d.boxes[0, 0] for d in detections] == [0, 5]
    before = detector.sha256
    (tmp_path / "dets" / "yard.txt").write_text("1,-1,5,5,10,11,1\n")
    assert MotDetector(tmp_path / "dets").sha256 != before  # so that ingest notices other detections
    for camera in ("door", "../secret"):
        with pytest.raises(DetectorError, match=f"has no detections of camera {camera}"):
            detector.detect([frame(0, camera)])


def test_what_is_no_box_and_no_file_is_left_out_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "det.txt"
    file.write_text("1,-1,0,0,0,10,1\n1,-1,0,0,10,-5,1\n")
    assert len(MotDetector(file).detect([frame(0)])[0]) == 0
    file.write_text("")
    assert len(MotDetector(file).detect([frame(0)])[0]) == 0
    file.write_text("no boxes here")
    with pytest.raises(DetectorError, match=r"det\.txt"):
        MotDetector(file).detect([frame(0)])
    with pytest.raises(DetectorError, match="There are no detections at"):
        MotDetector(tmp_path / "missing.txt")


@pytest.mark.parametrize(
    ("raw", "expected", "told"),
    [
        ([], [], []),
        ([0.0, 0.3, 1.0], [0.0, 0.3, 1.0], []),
        ([-1.0, -1.0], [1.0, 1.0], []),
        ([-1.0, 0.0, 3.0], [0.26894, 0.5, 0.95257], ["scores outside 0 to 1"]),  # DPM
        ([0.0, 60.0, 120.0], [0.5, 0.98201, 0.99966], ["scores outside 0 to 1"]),  # ACF
        ([4.0, 90.0, 55.5], [0.04, 0.9, 0.555], ["scores in percent"]),
        ([90.0, 90.0], [0.9, 0.9], ["scores in percent"]),
    ],
)
def test_scores_come_into_0_to_1_in_their_order(raw: list[float], expected: list[float], told: list[str]) -> None:
    notes: list[Note] = []
    np.testing.assert_allclose(unit_scores(np.array(raw), Path("det.txt"), notes.append), expected, atol=1e-5)
    assert [note.what for note in notes] == told


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(DetectorError, match=r"det\.txt has a score that is not a finite number"):
        unit_scores(np.array([0.5, np.nan]), Path("det.txt"), lambda note: None)


def walk(*rows: str, frames: int = 40) -> str:
    """Text of a person of 40 × 120 px who walks to the right, by a row's template for `k`, `x`, and shares of them."""
    return "".join(
        row.format(k=k, x=50 + 4 * k, x2=90 + 4 * k, middle=70 + 4 * k, share=(50 + 4 * k) / 480) + "\n"
        for k in range(frames)
        for row in rows
    )


def answers(file: Path, text: str, size: tuple[int, int] = (480, 270)) -> tuple[NDArray[np.float32], list[Note]]:
    """The boxes of the second frame, and all notes after 40."""
    file.write_text(text)
    detector = MotDetector(file)
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    boxes = detector.detect([Frame("gate", index, 0.0, picture) for index in range(40)])[1].boxes
    return boxes, detector.notes("gate", 40)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{k},1,{x},60,40,120,0.9,-1,-1,-1", "files whose frames count from 0"),
        ("{k},1,{share},0.2222222,0.0833333,0.4444444,0.9,-1,-1,-1", "boxes from 0 to 1"),
        ("{k},1,{x},60,40,120,90,-1,-1,-1", "scores in percent"),
    ],
)
def test_what_can_mean_one_thing_only_is_read_and_told(tmp_path: Path, row: str, told: str) -> None:
    boxes, notes = answers(tmp_path / "det.txt", walk(row))
    np.testing.assert_allclose(boxes, [[54, 60, 94, 180]], atol=0.001)
    assert told in [note.what for note in notes] and notes[0].what == "files whose frames count from 0"
    assert len(notes) == 1 + (told != notes[0].what)
    assert MotDetector(tmp_path / "det.txt").notes("gate") == []  # no frame was asked for


def test_detections_beyond_the_end_are_told_with_their_number(tmp_path: Path) -> None:
    boxes, notes = answers(tmp_path / "det.txt", "1,1,50,60,40,120,0.9\n2,1,54,60,40,120,0.9\n41,1,9,9,40,120,0.9\n")
    np.testing.assert_array_equal(boxes, [[54, 60, 94, 180]])
    assert [(note.what, note.count) for note in notes] == [("detections beyond the end of the footage", 1)]
    assert "up to 41, and the footage has 40" in notes[0].why
    _, notes = answers(tmp_path / "det.txt", "1,1,50,60,40,120,0.9\n40,1,54,60,40,120,0.9\n")
    assert notes == []


@pytest.mark.parametrize(
    ("row", "layout"),
    [
        ("1,1,{x},100,{x2},220,0.9", "x1, y1, x2, y2"),
        ("1,1,{middle},205,40,120,0.9", "the middle"),
        ("1,1,0.7,0.7{k:02},0.1,0.4,0.9", "the middle"),
    ],
)
def test_boxes_of_another_layout_are_refused(tmp_path: Path, row: str, layout: str) -> None:
    (tmp_path / "det.txt").write_text(walk(row))
    with pytest.raises(DetectorError, match=f"fit the picture of 480 × 270 pixels as {layout}"):
        MotDetector(tmp_path / "det.txt").detect([Frame("gate", 0, 0.0, np.zeros((270, 480, 3), np.uint8))])


def test_boxes_that_are_doubtful_are_told(tmp_path: Path) -> None:
    file = tmp_path / "det.txt"
    for text, told, count in (
        (
            walk("{k},1,900,60,40,120,0.9", "{k},1,10,60,40,120,0.9"),
            "boxes outside the picture",
            40,
        ),  # for a larger one
        (walk("{k},1,10,10,8,32,0.9"), "boxes that may be percents", 40),
        (walk("{k},1,10,110,8,32,0.9", "{k},1,10,110,0,32,0.9"), "boxes without width or height", 40),
    ):
        _, notes = answers(file, text)
        assert [(note.what, note.count) for note in notes[1:]] == [(told, count)]


def test_a_file_without_first_frames_counts_as_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "hall.txt").write_text("0,1,50,60,40,120,0.9\n")
    (tmp_path / "gate.txt").write_text("2,1,50,60,40,120,0.9\n")
    detector = MotDetector(tmp_path)
    assert [len(found) for found in detector.detect([frame(1), frame(2)])] == [0, 1]
    assert [note.what for note in detector.notes("gate")][:1] == ["files whose frames count from 0"]
    (tmp_path / "yard.txt").write_text("1,1,50,60,40,120,0.9\n")  # another counts from 1: nobody knows
    assert [len(found) for found in MotDetector(tmp_path).detect([frame(1), frame(2)])] == [1, 0]
