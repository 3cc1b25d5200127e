"""Video files: right frames at right times, the same after a resume, and damage that does not pass unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from app.errors import FootageError
from app.footage.decode import Resume, open_footage
from deploy.detectors import Frame
from tests.app.recordings import START, assert_same, decode, footage_of, numbers, problems_of, seconds
from tests.clips import draw_frame, moving_boxes, read_number, render_clip

FILMS: dict[str, tuple[str, dict[str, Any]]] = {
    "h264-b-frames": ("a.mp4", {"b_frames": 2, "gop": 10}),
    "h264-long-gop": ("a.mp4", {"b_frames": 3, "gop": 250}),
    "h264-open-gop": (
        "a.mkv",
        {"b_frames": 3, "gop": 9, "codec_options": {"x264-params": "open-gop=1:scenecut=0:ref=4"}},
    ),
    "h264-intra-refresh": ("a.mp4", {"gop": 8, "codec_options": {"x264-params": "intra-refresh=1:ref=4:bframes=0"}}),
    "h264-all-intra": ("a.mp4", {"gop": 1}),
    "h264-transport": ("a.ts", {"b_frames": 2, "gop": 10}),
    "h264-flv": ("a.flv", {"b_frames": 2, "gop": 10}),
    "h264-avi-b-frames": ("a.avi", {"b_frames": 2, "gop": 10}),
    "h264-raw": ("a.h264", {"b_frames": 2, "gop": 10}),
    "hevc": (
        "a.mkv",
        {"codec": "libx265", "b_frames": 2, "gop": 10, "codec_options": {"x265-params": "log-level=none"}},
    ),
    "mpeg4": ("a.mp4", {"codec": "mpeg4", "gop": 12}),
    "mpeg4-avi-b-frames": ("a.avi", {"codec": "mpeg4", "b_frames": 2, "gop": 12}),
    "mpeg2-programme": ("a.mpg", {"codec": "mpeg2video", "b_frames": 2, "gop": 12}),
    "mjpeg-avi": ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "vp8": ("a.webm", {"codec": "libvpx", "gop": 10}),
    "fragmented": ("a.mp4", {"b_frames": 2, "gop": 10, "container_options": {"movflags": "frag_keyframe+empty_moov"}}),
}


@pytest.mark.parametrize("film", FILMS)
def test_every_frame_comes_once_in_order_and_resuming_gives_the_same_bits(tmp_path: Path, film: str) -> None:
    name, options = FILMS[film]
    clip = render_clip(tmp_path / name, 45, **options)
    decoder = open_footage(footage_of(clip.path))
    frames: list[Frame] = []
    points: list[Resume | None] = []
    for frame in decoder:
        frames.append(frame)
        points.append(decoder.resume_point())
    assert decoder.problems == []
    assert numbers(frames) == [frame.index for frame in frames] == list(range(45))
    for at in (0, 9, 10, 11, 33, 44):
        with open_footage(footage_of(clip.path), resume=points[at]) as rest:
            assert rest.resume_point() == points[at]
            resumed = list(rest)
        assert [frame.index for frame in resumed] == list(range(at + 1, 45))
        for frame, expected in zip(resumed, frames[at + 1 :], strict=True):
            assert_same(frame, expected)
        assert rest.problems == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_times_are_the_containers_own(tmp_path: Path, name: str) -> None:
    times = [0.0, 0.04, 0.08, 0.3, 0.7, 0.74, 2.0, 2.5]
    clip = render_clip(tmp_path / name, len(times), times=times)
    assert seconds(decode(clip.path)) == pytest.approx(times, abs=0.0011)


def test_frames_without_stamps_follow_at_the_average_rate(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "a.h264", 20, fps=25)
    assert seconds(decode(clip.path)) == pytest.approx([index / 25 for index in range(20)])


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name", "size"),
    [
        ("libx264", "yuv420p", "a.mp4", (160, 128)),
        ("libx264", "yuvj420p", "a.mp4", (160, 128)),
        ("libx264", "yuv444p", "a.mp4", (161, 127)),
        ("libx264", "yuv420p10le", "a.mp4", (160, 128)),
        ("libx264", "nv12", "a.mp4", (160, 128)),
        ("libx264", "gray", "a.mp4", (160, 128)),
        ("ffv1", "yuv420p", "a.mkv", (161, 127)),
        ("ffv1", "bgr0", "a.mkv", (161, 127)),
        ("ffv1", "gray16le", "a.mkv", (160, 128)),
        ("rawvideo", "rgb24", "a.nut", (160, 128)),
        ("rawvideo", "yuyv422", "a.nut", (160, 128)),
    ],
)
def test_colours_of_every_pixel_format(
    tmp_path: Path, codec: str, pixel_format: str, name: str, size: tuple[int, int]
) -> None:
    options = {"qp": "4"} if codec == "libx264" else {}
    clip = render_clip(tmp_path / name, 3, codec=codec, pixel_format=pixel_format, size=size, codec_options=options)
    for frame in decode(clip.path):
        true = draw_frame(frame.index, clip.boxes[frame.index], size)
        if pixel_format.startswith("gray"):
            true = np.repeat(cv2.cvtColor(true, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous and frame.image.flags.writeable
        assert np.abs(frame.image.astype(int) - true).mean() < 6


@pytest.mark.parametrize(("rotation", "quarters"), [(0, 0), (90, 1), (180, 2), (-90, 3)])
def test_people_stand_upright(tmp_path: Path, rotation: int, quarters: int) -> None:
    clip = render_clip(tmp_path / "a.mp4", 2, rotation=rotation)
    image = decode(clip.path)[0].image
    assert read_number(np.rot90(image, -quarters)) == 0
    capture = cv2.VideoCapture(str(clip.path))  # turns pictures upright too, by its own code
    true = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    assert image.shape == true.shape
    assert np.abs(image.astype(int) - true).mean() < 4


def test_all_images_have_the_first_ones_size(tmp_path: Path) -> None:
    first = render_clip(tmp_path / "1.ts", 10, size=(160, 128)).path.read_bytes()
    second = render_clip(tmp_path / "2.ts", 10, size=(320, 256), offset=0.4).path.read_bytes()
    (tmp_path / "both.ts").write_bytes(first + second)
    frames = list(open_footage(footage_of(tmp_path / "both.ts")))
    assert len(frames) == 20
    assert {frame.image.shape for frame in frames} == {(128, 160, 3)}


def test_begin_far_into_the_film_is_reached_without_decoding_up_to_it(tmp_path: Path, monkeypatch: Any) -> None:
    clip = render_clip(tmp_path / "a.mp4", 600, fps=10, size=(96, 64))
    decoder = open_footage(footage_of(clip.path), begin=START + 50)
    frames = decoder._source._frames  # type: ignore[union-attr]
    decoded: list[Any] = []

    def counted() -> Any:
        for frame in frames():
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(decoder._source, "_frames", counted)
    assert next(decoder).index == 500
    assert len(decoded) < 130  # of 500


def test_resuming_in_replaced_footage_is_refused(tmp_path: Path) -> None:
    decoder = open_footage(footage_of(render_clip(tmp_path / "a.mp4", 30).path))
    for _ in range(20):
        next(decoder)
    render_clip(tmp_path / "b.mp4", moving_boxes(30, count=4))
    with pytest.raises(FootageError, match=r"b.mp4 has another frame 19 .* ingest it again"):
        next(open_footage(footage_of(tmp_path / "b.mp4"), resume=decoder.resume_point()))
    render_clip(tmp_path / "c.mp4", 10)
    with pytest.raises(FootageError, match=r"c.mp4 ends at frame 10, before frame 19"):
        next(open_footage(footage_of(tmp_path / "c.mp4"), resume=decoder.resume_point()))


def test_resuming_among_repeated_stamps_counts_frames(tmp_path: Path) -> None:
    still = [[(20, 30, 60, 70)]] * 20
    clip = render_clip(
        tmp_path / "a.mkv", still, times=[index / 25 for index in range(20)], codec="mjpeg", pixel_format="yuvj420p"
    )
    data = clip.path.read_bytes()
    assert len(decode(clip.path)) == 20
    double = tmp_path / "double.mkv"
    with av.open(str(clip.path)) as source, av.open(str(double), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.pts is not None:
                packet.stream = stream
                packet.pts = packet.dts = packet.pts // 80 * 80
                output.mux(packet)
    assert data != double.read_bytes()
    whole = decode(double)
    assert len({frame.time for frame in whole}) == 10
    decoder = open_footage(footage_of(double))
    for _ in range(8):
        next(decoder)
    rest = decode(double, resume=decoder.resume_point())
    assert [frame.index for frame in rest] == list(range(8, 20))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"container_options": {"movflags": "faststart"}}),
        ("a.mkv", {}),
        ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
        ("a.flv", {}),
    ],
)
def test_footage_cut_in_half_gives_its_half_and_says_so(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    clip = render_clip(tmp_path / name, 200, b_frames=0, **options)
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[: len(data) // 2])
    frames, problems = problems_of(clip.path)
    assert 20 < len(frames) < 180
    assert numbers(frames[:20]) == list(range(20))
    assert any("cut off" in problem and "of 8.0 s" in problem for problem in problems), problems
    decoder = open_footage(footage_of(clip.path))
    for _ in range(15):
        next(decoder)
    rest = open_footage(footage_of(clip.path), resume=decoder.resume_point())
    assert len(list(rest)) == len(frames) - 15
    assert any("cut off" in problem for problem in rest.problems)


def test_a_transport_stream_cut_inside_a_packet_is_noticed(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "a.ts", 50)
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[: len(data) // 2 // 188 * 188 + 100])
    frames, problems = problems_of(clip.path)
    assert frames and any("cut off" in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.mkv", "mjpeg"), ("a.mp4", "mpeg4")],
)
def test_damage_in_the_middle_is_stepped_over_and_counted(tmp_path: Path, name: str, codec: str) -> None:
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = render_clip(tmp_path / name, 100, codec=codec, pixel_format=pixel_format, size=(320, 256), gop=10)
    data = bytearray(clip.path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    clip.path.write_bytes(data)
    frames, problems = problems_of(clip.path)
    assert 80 < len(frames) <= 100
    assert read_number(frames[-1].image) == 99
    assert any("near" in problem for problem in problems), problems


def test_footage_without_one_decodable_frame_is_a_problem(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "a.mp4", 20, container_options={"movflags": "faststart"})
    data = bytearray(clip.path.read_bytes())
    at = data.index(b"mdat") + 4
    data[at:] = bytes(len(data) - at)
    clip.path.write_bytes(data)
    frames, problems = problems_of(clip.path)
    assert frames == []
    assert any("no frame could be decoded" in problem for problem in problems)
