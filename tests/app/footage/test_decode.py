"""Decoding: which frames are kept, how many to expect, and the same ones after a resume."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.footage.apart import Worker
from app.footage.decode import DecodedFrame, Resume, decode_apart, open_footage
from app.remarks import summed
from tests.app.recordings import START, assert_same, decode, footage_of, numbers
from tests.clips import render_clip


def test_every_nth(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "a.mp4", 20, b_frames=2)
    frames = decode(clip.path, every=6)
    assert [frame.index for frame in frames] == numbers(frames) == [0, 6, 12, 18]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize(
    ("source", "fps", "kept"),
    [
        (25, 5, [0, 5, 10, 15, 20, 25]),
        (25, 10, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]),
        (30, 15, list(range(0, 30, 2))),
        (10, 25, list(range(30))),
        (Fraction(30000, 1001), 5, [0, 6, 12, 18, 24]),
    ],
)
def test_fps_keeps_the_first_frame_after_each_tick(
    tmp_path: Path, name: str, source: int | Fraction, fps: float, kept: list[int]
) -> None:
    clip = render_clip(tmp_path / name, 30, fps=source)
    assert [frame.index for frame in decode(clip.path, fps=fps)] == kept


@pytest.mark.parametrize("thinning", [{"fps": 7}, {"every": 4}])
def test_thinning_does_not_depend_on_where_decoding_was_resumed(tmp_path: Path, thinning: dict[str, Any]) -> None:
    clip = render_clip(tmp_path / "a.mp4", 60, b_frames=2)
    whole = decode(clip.path, **thinning)
    for at in range(0, len(whole), 3):
        decoder = open_footage(footage_of(clip.path), **thinning)
        before = [next(decoder) for _ in range(at + 1)]
        after = decode(clip.path, resume=decoder.resume_point(), **thinning)
        assert [frame.index for frame in before + after] == [frame.index for frame in whole]


def test_fps_never_repeats_a_frame_over_a_gap(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "a.mp4", 6, times=[0, 0.1, 3.0, 3.1, 3.2, 9.0])
    assert [frame.index for frame in decode(clip.path, fps=1)] == [0, 2, 5]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "refresh.mp4"])
@pytest.mark.parametrize("thinning", [{}, {"fps": 3}, {"every": 7}])
def test_begin_and_end(tmp_path: Path, name: str, thinning: dict[str, Any]) -> None:
    codec: dict[str, Any] = {"codec": "mpeg4"} if name == "a.avi" else {"b_frames": 2}
    if name == "refresh.mp4":
        codec = {"gop": 50, "codec_options": {"x264-params": "intra-refresh=1:ref=4:bframes=0"}}
    clip = render_clip(tmp_path / name, 400, fps=10, size=(96, 64), **codec)
    begin, end = START + 30.05, START + 33
    whole = decode(clip.path, **thinning)
    part = decode(clip.path, begin=begin, end=end, **thinning)
    expected = [frame for frame in whole if begin <= frame.time < end]
    assert len(part) == len(expected) > 0
    for frame, expected_frame in zip(part, expected, strict=True):
        assert_same(frame, expected_frame)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 100),
        ({"every": 10}, 10),
        ({"fps": 5}, 20),
        ({"begin": START + 2}, 50),
        ({"begin": START + 1, "end": START + 2, "fps": 5}, 5),
        ({"resume": Resume(79, 0, 0)}, 20),
    ],
)
def test_frames_expected(tmp_path: Path, options: dict[str, Any], expected: int) -> None:
    clip = render_clip(tmp_path / "a.mp4", 100)
    assert open_footage(footage_of(clip.path), **options).frames_expected == expected


def test_remarks_and_clocks_cross_to_another_process(tmp_path: Path) -> None:
    times = [0, 0.1, 7200, 7200.1]
    path = render_clip(tmp_path / "a.mp4", 4, times=times, codec_options={"x264-params": "sar=2/1"}).path
    with Worker() as worker:
        items = [item for item in decode_apart(worker, footage_of(path), 1, 3) if isinstance(item, DecodedFrame)]
        resume, told = items[2].resume, items[2].remarks
        rest = [
            item
            for item in decode_apart(worker, footage_of(path), 4, 3, resume=resume)
            if isinstance(item, DecodedFrame)
        ]
    assert [remark.count for remark in items[-1].remarks] == [1, 1]
    assert summed([*told, *rest[-1].remarks]) == list(items[-1].remarks)
    assert [item.frame.time for item in rest if item.frame] == [item.frame.time for item in items[3:] if item.frame]


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"fps": 0.0}, {"fps": -1}, {"fps": float("nan")}, {"every": 2, "fps": 5}]
)
def test_senseless_thinning_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"keeps no frame|both thin"):
        open_footage(footage_of(render_clip(tmp_path / "a.mp4", 2).path), **options)


@pytest.mark.parametrize("film", ["video/vtest.avi", "world-a/videos/cam1_plaza.mp4"])
def test_real_footage_resumes_bit_by_bit(shared: Path, film: str) -> None:
    path = shared / "data" / film
    if not path.is_file():
        pytest.skip(f"no {film}")
    crops: list[NDArray[np.uint8]] = []
    points: dict[int, Resume | None] = {}
    decoder = open_footage(footage_of(path))
    for frame in decoder:
        crops.append(frame.image[::7, ::5].copy())
        if frame.index in (0, 99, 100, 333, 640):
            points[frame.index] = decoder.resume_point()
    assert decoder.problems == []
    assert decoder.frames_expected == len(crops) in (795, 900)
    for at, point in points.items():
        rest = open_footage(footage_of(path), resume=point)
        for ahead in range(1, 60):
            frame = next(rest)
            assert frame.index == at + ahead
            np.testing.assert_array_equal(frame.image[::7, ::5], crops[at + ahead])
