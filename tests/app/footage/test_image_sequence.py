"""Image sequences as footage: every picture at its time, and gaps that do not pass unnoticed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
import pytest

from app.footage.decode import open_footage
from tests.app.recordings import START, decode, footage_of, numbers, problems_of, refusal, seconds
from tests.clips import draw_frame, render_sequence


def test_image_sequence(tmp_path: Path) -> None:
    clip = render_sequence(tmp_path / "MOT-1", 12, fps=10)
    frames = decode(clip.path)
    assert numbers(frames) == [frame.index for frame in frames] == list(range(12))
    assert seconds(frames) == pytest.approx(clip.times)
    np.testing.assert_array_equal(frames[3].image, draw_frame(3, clip.boxes[3]))
    decoder = open_footage(footage_of(clip.path), every=3)
    assert decoder.frames_expected == 4
    assert [next(decoder).index for _ in range(2)] == [0, 3]
    assert [frame.index for frame in decode(clip.path, every=3, resume=decoder.resume_point())] == [6, 9]
    assert [frame.index for frame in decode(clip.path, fps=2)] == [0, 5, 10]
    assert [frame.index for frame in decode(clip.path, begin=START + 0.5, end=START + 0.8)] == [5, 6, 7]


def test_image_sequence_with_gaps_and_damage(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 12).path
    (folder / "img1" / "000004.png").unlink()
    (folder / "img1" / "000006.png").write_bytes(b"nothing")
    (folder / "img1" / "000012.png").unlink()
    frames, problems = problems_of(folder)
    assert [frame.index for frame in frames] == numbers(frames) == [0, 1, 2, 4, 6, 7, 8, 9, 10]
    assert [problem.split(":")[0] for problem in problems] == [
        "000006.png can't be decoded",
        "1 pictures are missing, the first is number 4",
        "ended at picture 11 of 12",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "[Sequence]\nimDir=img1\n", "[Sequence]\nframeRate=0\n", "[Sequence]\nframeRate=9\nimDir=../..\n", "\0\n"],
)
def test_a_bad_seqinfo_is_refused(tmp_path: Path, text: str) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 2).path
    (folder / "seqinfo.ini").write_text(text)
    assert "seqinfo.ini" in refusal(folder)


def test_an_announced_sequence_without_pictures_is_refused(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 2).path
    for image in (folder / "img1").iterdir():
        image.unlink()
    assert "there are none" in refusal(folder)


def test_a_number_of_twelve_digits_is_a_gap_like_any_other(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 3).path
    (folder / "img1" / "000003.png").rename(folder / "img1" / "999999999999.png")
    frames, problems = problems_of(folder)
    assert [frame.index for frame in frames] == [0, 1, 999_999_999_998]
    assert problems[0] == "999999999996 pictures are missing, the first is number 3"


def test_a_picture_that_announces_too_much_is_damaged_and_takes_no_memory(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 3).path
    before = getrusage(RUSAGE_SELF).ru_maxrss
    side = 32_000
    rows = zlib.compressobj(9)
    row = bytes(1 + 3 * side)
    data = b"".join([*(rows.compress(row) for _ in range(200)), rows.flush()])
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    (folder / "img1" / "000001.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    )
    (folder / "img1" / "000002.png").write_bytes(b"P6\n#" + b"a" * 20_000_000 + b"\n8 8 255\n" + bytes(192))
    frames, problems = problems_of(folder)
    assert [frame.index for frame in frames] == [2]
    assert [problem.split(":")[0] for problem in problems] == [
        "000001.png can't be decoded",
        "000002.png can't be decoded",
    ]
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 200_000  # KB. All of it would be 3 GB
