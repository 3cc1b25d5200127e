"""Image sequences as footage: every picture at its time, and gaps that do not pass unnoticed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import PIL.Image
import pytest

from app.footage.decode import open_footage
from app.footage.image_sequence import ImageSequence, is_picture_folder
from app.remarks import summed
from deploy.detectors import Frame
from tests.app.recordings import START, decode, footage_of, numbers, problems_of, refusal, seconds, touch, utc
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


def remarks_of(path: Path) -> tuple[list[Frame], dict[str, int]]:
    decoder = open_footage(footage_of(path))
    return list(decoder), {remark.what: remark.count for remark in decoder.remarks}


def renamed(folder: Path, *names: str) -> Path:
    """The pictures of a sequence under other names, in order."""
    pictures = sorted((folder / "img1").iterdir())
    for picture, name in zip(pictures, names, strict=True):
        picture.rename(picture.with_name(name))
    return folder


@pytest.mark.parametrize("number", ["999999999999", "9" * 40])
def test_a_number_that_counts_no_pictures_follows_the_one_before(tmp_path: Path, number: str) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 3).path
    (folder / "img1" / "000003.png").rename(folder / "img1" / f"{number}.png")
    frames, remarks = remarks_of(folder)
    assert [frame.index for frame in frames] == numbers(frames) == [0, 1, 2]
    assert remarks == {"jumps in the numbers of pictures": 1}


def test_numbers_in_the_middle_of_names(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "c", 12).path
    frames, remarks = remarks_of(renamed(folder, *(f"frame_{index:06d}_cam2.png" for index in range(1, 13))))
    assert [frame.index for frame in frames] == numbers(frames) == list(range(12))
    assert seconds(frames) == pytest.approx([index / 10 for index in range(12)])
    assert remarks == {}


def test_pictures_of_two_cameras_in_one_folder_are_not_mixed(tmp_path: Path) -> None:
    names = [f"f{index:03d}_cam{camera}.png" for index in range(1, 5) for camera in (1, 2)]
    frames, remarks = remarks_of(renamed(render_sequence(tmp_path / "c", 8).path, *names))
    assert numbers(frames) == [0, 2, 4, 6]
    assert remarks == {"pictures outside of their folder's series": 4}


def test_numbers_in_steps_are_no_gaps(tmp_path: Path) -> None:
    folder = renamed(render_sequence(tmp_path / "c", 4).path, "000005.png", "000010.png", "000015.png", "000020.png")
    frames, problems = problems_of(folder)
    assert seconds(frames) == pytest.approx([0.4, 0.9, 1.4, 1.9])
    assert problems == []


@pytest.mark.parametrize("first", [1, 58])
def test_a_counter_behind_a_date_is_no_time(tmp_path: Path, first: int) -> None:
    names = [f"cam_20261120_{index:06d}.png" for index in range(first, first + 4)]
    frames, remarks = remarks_of(renamed(render_sequence(tmp_path / "c", 4).path, *names))
    assert seconds(frames) == pytest.approx([(first - 1 + index) / 10 for index in range(4)])
    assert remarks == {}


def test_times_in_names_are_the_frames_times(tmp_path: Path) -> None:
    names = [f"20261120143{second:03d}.png" for second in (1, 2, 5, 7)]
    folder = renamed(render_sequence(tmp_path / "b", 4).path, *names)
    frames, remarks = remarks_of(folder)
    assert [frame.index for frame in frames] == numbers(frames) == [0, 1, 2, 3]
    assert seconds(frames) == pytest.approx([0, 1, 4, 6])
    assert remarks == {"image sequences whose names contradict their frame rate": 1}
    sequence = ImageSequence(folder, ZoneInfo("Europe/Berlin"))
    assert sequence.start == utc(2026, 11, 20, 13, 30, 1)
    assert sequence.length == 8


def test_pictures_of_one_second_share_it(tmp_path: Path) -> None:
    names = [f"01-2026112014300{second}-0{place}.png" for second, place in ((1, 0), (1, 1), (1, 2), (1, 3), (2, 0))]
    folder = render_sequence(tmp_path / "motion", 5).path
    (folder / "seqinfo.ini").unlink()
    frames, _ = remarks_of(renamed(folder, *names) / "img1")
    assert seconds(frames) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_a_timelapse_needs_no_seqinfo(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "yard", 4).path
    (folder / "seqinfo.ini").unlink()
    names = [f"2026-11-20_14-{minute:02d}-00.png" for minute in (0, 5, 10, 30)]
    folder = renamed(folder, *names) / "img1"
    assert is_picture_folder(folder) and not is_picture_folder(folder.parent)
    frames, remarks = remarks_of(folder)
    assert seconds(frames) == pytest.approx([0, 300, 600, 1800])
    assert numbers(frames) == [0, 1, 2, 3] and remarks == {}
    sequence = ImageSequence(folder)
    assert (sequence.start, sequence.length) == (utc(2026, 11, 20, 14), 2100)
    decoder = open_footage(footage_of(folder))
    next(decoder), next(decoder)
    assert seconds(decode(folder, resume=decoder.resume_point())) == pytest.approx([600, 1800])
    assert seconds(decode(folder, begin=START + 300)) == pytest.approx([300, 600, 1800])


def test_a_picture_folder_that_tells_no_time_has_one_a_second(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "yard", 3).path
    (folder / "seqinfo.ini").unlink()
    folder = renamed(folder, "G0010998.png", "G0010999.png", "G0011000.png") / "img1"
    assert is_picture_folder(folder)
    frames, remarks = remarks_of(folder)
    assert np.diff(seconds(frames)) == pytest.approx([1, 1])
    assert seconds(frames)[0] == 0
    assert remarks == {"picture folders that tell no time": 1}


def test_exif_tells_the_times_that_names_do_not(tmp_path: Path) -> None:
    for number, second in enumerate((4, 10, 16)):
        exif = PIL.Image.Exif()
        exif.get_ifd(0x8769).update({0x9003: f"2026:11:20 14:30:{second:02d}", 0x9011: "+01:00"})
        picture = PIL.Image.fromarray(draw_frame(number, []))
        picture.save(tmp_path / f"IMG_{9_998 + number}.jpg", exif=exif, quality=95)
    (tmp_path / "IMG_10000.jpg").rename(tmp_path / "IMG_0001.jpg")  # the counter began anew
    frames, remarks = remarks_of(tmp_path)
    assert numbers(frames) == [0, 1, 2]
    assert seconds(frames) == pytest.approx([0, 6, 12])
    assert remarks["picture folders timed by EXIF"] == 1
    assert ImageSequence(tmp_path).start == utc(2026, 11, 20, 13, 30, 4)


@pytest.mark.parametrize(
    ("names", "is_folder"),
    [
        (["2026-11-20_14-30-00.jpg", "2026-11-20_14-30-10.jpg"], True),
        (["14-30-00.jpg", "14-30-10.jpg"], True),
        (["000001.jpg", "000002.jpg", "cover.jpg"], True),
        (["000001.jpg"], False),
        (["cover.jpg", "plan.png"], False),
        (["cam1_01.mp4", "cam1_01.jpg", "cam1_02.mp4", "cam1_02.jpg"], False),
        (["000001.jpg", "000002.jpg", "seqinfo.ini"], False),
        (["00001.bvr", "00002.g64x"], False),
    ],
)
def test_what_a_picture_folder_is(tmp_path: Path, names: list[str], is_folder: bool) -> None:
    for name in names:
        touch(tmp_path / name)
    assert is_picture_folder(tmp_path) is is_folder
    assert not is_picture_folder(tmp_path / "nowhere")


def test_a_date_in_the_folders_and_times_in_the_names(tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-20" / "jpg"
    for number, name in enumerate(("143000", "143100", "150000")):
        touch(folder / f"{name}.png", cv2.imencode(".png", draw_frame(number, []))[1].tobytes())
    assert seconds(decode(folder)) == pytest.approx([0, 60, 1800])
    assert ImageSequence(folder).start == utc(2026, 11, 20, 14, 30)


def test_padding_behind_a_jpeg_is_no_damage_and_a_preview_in_a_torn_one_no_end(tmp_path: Path) -> None:
    whole = cv2.imencode(".jpg", draw_frame(1, []))[1].tobytes()
    touch(tmp_path / "000001.jpg", whole + bytes(50_000))
    preview = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole
    touch(tmp_path / "000002.jpg", whole[:2] + preview + whole[2 : len(whole) // 2])
    touch(tmp_path / "000003.jpg", whole[: len(whole) // 2] + bytes(50_000))
    frames, problems = problems_of(tmp_path)
    assert numbers(frames) == [1]
    assert [problem.split(":")[0] for problem in problems] == [
        "000002.jpg can't be decoded",
        "000003.jpg can't be decoded",
    ]


def test_pictures_of_other_sizes_keep_their_shape_and_are_told(tmp_path: Path) -> None:
    for number, size in enumerate(((160, 128), (320, 256), (64, 128))):
        touch(tmp_path / f"{number}.png", cv2.imencode(".png", np.full((*size[::-1], 3), 200, np.uint8))[1].tobytes())
    decoder = open_footage(footage_of(tmp_path))
    frames = list(decoder)
    told = {remark.what: remark.count for remark in decoder.remarks}
    assert told["pictures of another size than their folder's first"] == 2
    assert [frame.image.shape for frame in frames] == [(128, 160, 3)] * 3
    assert (frames[1].image == 200).all()
    assert (frames[2].image[:, 48:112] == 200).all() and not frames[2].image[:, :48].any()


def test_remarks_of_two_runs_add_up(tmp_path: Path) -> None:
    for number, size in enumerate((20, 20, 30, 20, 30)):
        touch(tmp_path / f"{number}.png", cv2.imencode(".png", np.zeros((size, size, 3), np.uint8))[1].tobytes())
    whole = open_footage(footage_of(tmp_path))
    list(whole)
    first = open_footage(footage_of(tmp_path))
    for _ in range(3):
        next(first)
    second = open_footage(footage_of(tmp_path), resume=first.resume_point())
    list(second)
    assert summed([*first.remarks, *second.remarks]) == whole.remarks


def test_many_damaged_pictures_are_counted(tmp_path: Path) -> None:
    for number in range(30):
        touch(tmp_path / f"{number}.jpg", b"nothing")
    _, problems = problems_of(tmp_path)
    assert len(problems) == 21
    assert problems[-1] == "10 more pictures can't be decoded: they are damaged"


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
