"""MOTChallenge text is read and written as the benchmark has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trackers.motchallenge import (
    MotFormatError,
    boxes_of,
    read_rows,
    read_sequence_info,
    text_of,
    to_rows,
)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    boxes = np.array([[1.25, 2, 11.5, 22], [3, 4, 13, 24], [5, 6, 15, 26]], np.float32)
    rows = to_rows(np.array([2, 1, 2]), np.array([7, 7, 3]), boxes, np.array([0.5, 0.25, 1]))
    (tmp_path / "cam.txt").write_bytes(text_of(rows))
    back = read_rows(tmp_path / "cam.txt")
    assert back[:, :2].tolist() == [[1, 7], [2, 3], [2, 7]]  # by frame, then id
    np.testing.assert_allclose(boxes_of(back), boxes[[1, 2, 0]], atol=0.005)
    assert back[:, 6].tolist() == [0.25, 1, 0.5]
    assert (tmp_path / "cam.txt").read_text().splitlines()[0] == "1,7,3.00,4.00,10.00,20.00,0.2500,-1,-1,-1"


def test_an_empty_file_holds_no_rows(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("")
    assert read_rows(tmp_path / "none.txt").shape[0] == 0
    (tmp_path / "out.txt").write_bytes(text_of(np.zeros((0, 7))))
    assert (tmp_path / "out.txt").read_text() == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3\n", "3 columns"),
        ("1,2,3,4,5,six,1\n", "not a MOTChallenge file"),
        ("1,2,3,4,5,6,1\n1,2,3,4,5,6\n", "not a MOTChallenge file"),
        ("1,2,nan,4,5,6,1\n", "row 1"),
        ("1,2,3,4,inf,6,1\n", "row 1"),
    ],
)
def test_what_is_no_mot_text_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(MotFormatError, match=said) as error:
        read_rows(path)
    assert str(path) in str(error.value)


def test_binary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(MotFormatError, match="not text"):
        read_rows(tmp_path / "film.txt")


def test_sequence_info(tmp_path: Path) -> None:
    path = tmp_path / "seqinfo.ini"
    path.write_text("[Sequence]\nname=MOT-1\nimDir=img1\nframeRate=14\nseqLength=7\nimExt=.png\n")
    info = read_sequence_info(path)
    assert (info.frame_rate, info.images, info.length) == (14, tmp_path / "img1", 7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name=MOT-1\n", r"not a seqinfo\.ini"),
        ("[Sequence]\nimDir=img1\n", "frameRate"),
        ("[Sequence]\nframeRate=0\n", "not between"),
        ("[Sequence]\nframeRate=25\nimDir=../elsewhere\n", "a folder inside"),
    ],
)
def test_a_wrong_sequence_info_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "seqinfo.ini").write_text(text)
    with pytest.raises(MotFormatError, match=said):
        read_sequence_info(tmp_path / "seqinfo.ini")
