"""MOTChallenge text is read and written as the benchmark has it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from trackers.motchallenge import (
    MotFormatError,
    Note,
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
        ("1,2,3,4,5,6,1\n2,2,3,4,5,6,nan\n", "row 2: a frame, id, box or score"),
        ("1.5,2,3,4,5,6,1\n", r"row 1: 1\.5 is no frame"),
        ("1,2,3,4,5,6,1\n-1,2,3,4,5,6,1\n", "row 2: -1 is no frame"),
        ("1,2,.3,.4,.05,.2,1\n", "shares of the picture, 0 to 1: multiply them"),
        ("frame,id,x1,y1,x2,y2,score\n1,2,3,4,5,6,1\n", "has the columns frame,id,x1,y1,x2,y2,score where"),
        ("frame,left,top,width,height,score\n1,2,3,4,5,6,1\n", "bring them into this order"),
        ("frame\n1\n", "bring them into this order"),
        ("1;2;3;4;5,6\n", "5 columns"),
    ],
)
def test_what_is_no_mot_text_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(MotFormatError, match=said) as error:
        read_rows(path)
    assert str(path) in str(error.value)


PLAIN = "1,7,50.5,60,40,120,0.9,-1\n2,7,54.5,60,40,120,0.8,-1\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),  # with a BOM
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r\n").encode("utf-8-sig"),
        PLAIN.replace(",", " ").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", " , ").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", ";").replace(".", ",").encode(),
        PLAIN.replace("\n", ",\n").encode(),
        PLAIN.replace("\n", ", \r\n").encode(),
        ("# by my detector\n\n" + PLAIN).encode(),
        ("frame,id,bb_left,bb_top,bb_width,bb_height,conf,x\n" + PLAIN).encode(),
        ('\ufeff"Frame";"Track_ID";"X";"Y";"W";"H";"Score"\r\n' + PLAIN.replace(",", ";")).encode(),
    ],
)
def test_what_can_mean_one_thing_only_is_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "det.txt"
    path.write_bytes(data)
    rows = read_rows(path, lambda note: pytest.fail(note.what))
    np.testing.assert_array_equal(rows, [[1, 7, 50.5, 60, 40, 120, 0.9, -1], [2, 7, 54.5, 60, 40, 120, 0.8, -1]])


def test_frames_from_0_are_shifted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hall, gate, yard = (tmp_path / name for name in ("hall.txt", "gate.txt", "yard.txt"))
    hall.write_text("5,1,50,60,40,120,1\n0,1,50,60,40,120,1\n")
    gate.write_text("3,1,50,60,40,120,1\n")
    yard.write_text("1,1,50,60,40,120,1\n")
    notes: list[Note] = []
    assert read_rows(hall, notes.append)[:, 0].tolist() == [1, 6]
    assert [(note.what, note.count) for note in notes] == [("files whose frames count from 0", 1)]
    with caplog.at_level(logging.WARNING, "sightline"):
        assert read_rows(hall)[:, 0].tolist() == [1, 6]
    assert f"{hall}: They have a frame 0" in caplog.text
    assert read_rows(gate, beside=[hall, gate])[:, 0].tolist() == [4]  # as the file beside it
    assert read_rows(gate, beside=[hall, gate, yard])[:, 0].tolist() == [3]
    assert read_rows(yard, beside=[hall, tmp_path / "gone.txt"])[:, 0].tolist() == [1]


def test_two_corners_are_told(tmp_path: Path) -> None:
    path, notes = tmp_path / "det.txt", list[Note]()
    path.write_text("".join(f"{k},1,{50 + 4 * k},60,{90 + 4 * k},180,1\n" for k in range(1, 41)))
    assert len(read_rows(path, notes.append)) == 40
    assert [(note.what, note.count) for note in notes] == [("boxes that may be x1, y1, x2, y2", 40)]
    path.write_text("".join(f"{k},1,{k},10,40,120,1\n" for k in range(1, 31)))  # near the left edge
    assert len(read_rows(path, lambda note: pytest.fail(note.what))) == 30


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
