"""Detections served from MOTChallenge files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from deploy.detectors import DetectorError, Frame
from deploy.detectors.mot import MotDetector, unit_scores

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
    ("raw", "expected"),
    [
        ([], []),
        ([0.0, 0.3, 1.0], [0.0, 0.3, 1.0]),
        ([-1.0, -1.0], [1.0, 1.0]),
        ([-1.0, 0.0, 3.0], [0.26894, 0.5, 0.95257]),  # DPM
        ([0.0, 40.0, 80.0], [0.5, 0.98201, 0.99966]),  # ACF
    ],
)
def test_scores_come_into_0_to_1_in_their_order(raw: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(unit_scores(np.array(raw), Path("det.txt")), expected, atol=1e-5)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(DetectorError, match=r"det\.txt has a score that is not a finite number"):
        unit_scores(np.array([0.5, np.nan]), Path("det.txt"))
