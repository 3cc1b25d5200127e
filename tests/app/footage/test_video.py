"""Video files: right frames at right times, the same after a resume, and damage that does not pass unnoticed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from app.errors import FootageError
from app.footage.decode import Resume, open_footage
from app.footage.video import Video
from app.remarks import summed
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


@pytest.mark.parametrize("fps", [10, 25, 30])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.h264", {"b_frames": 2}),
        ("a.hevc", {"codec": "libx265", "codec_options": {"x265-params": "log-level=none"}}),
    ],
)
def test_frames_without_stamps_follow_at_the_streams_own_rate(
    tmp_path: Path, fps: int, name: str, options: dict[str, Any]
) -> None:
    clip = render_clip(tmp_path / name, 12, fps=fps, **options)
    frames, remarks = remarks_of(clip.path)
    assert seconds(frames) == pytest.approx([index / fps for index in range(12)])
    assert remarks == {"frames without a time stamp of their own": 12}


def remarks_of(path: Path, **options: Any) -> tuple[list[Frame], dict[str, int]]:
    decoder = open_footage(footage_of(path), **options)
    return list(decoder), {remark.what: remark.count for remark in decoder.remarks}


def jumping(folder: Path, offsets: tuple[float, ...], frames: int = 10) -> Path:
    """A transport stream of parts, each numbered on from the one before, whose clocks begin at `offsets`."""
    boxes = moving_boxes(frames * len(offsets))
    data = b""
    for number, offset in enumerate(offsets):
        part = render_clip(folder / f"{number}.ts", boxes[number * frames : (number + 1) * frames], offset=offset)
        data += part.path.read_bytes()
    (folder / "all.ts").write_bytes(data)
    return folder / "all.ts"


@pytest.mark.parametrize("offsets", [(14_000, 100), (100, 14_000), (100, 50_000, 100.4, 7)])
def test_a_clock_that_jumps_by_hours_is_told_and_time_goes_on(tmp_path: Path, offsets: tuple[float, ...]) -> None:
    path = jumping(tmp_path, offsets)
    decoder = open_footage(footage_of(path))
    frames, points = [], []
    for frame in decoder:
        frames.append(frame)
        points.append((decoder.resume_point(), decoder.remarks))
    count = 10 * len(offsets)
    assert seconds(frames) == pytest.approx([index / 25 for index in range(count)], abs=1e-4)
    assert [(remark.what, remark.count) for remark in decoder.remarks] == [
        ("clock jumps inside files", len(offsets) - 1)
    ]
    assert decoder.frames_expected == count
    assert Video(path).length == pytest.approx(count / 25, abs=0.001)
    for at in (3, 9, 10, 15):
        point, told = points[at]
        with open_footage(footage_of(path), resume=point) as rest:
            resumed = list(rest)
            for frame, expected in zip(resumed, frames[at + 1 :], strict=True):
                assert_same(frame, expected)
            assert summed([*told, *rest.remarks]) == decoder.remarks
    part = list(open_footage(footage_of(path), begin=START + 0.5, end=START + 0.7))
    assert [frame.index for frame in part] == [13, 14, 15, 16, 17]


def test_the_wrap_of_a_transport_streams_clock_is_no_jump(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "a.ts", 40, offset=2**33 / 90_000 - 2)  # it starts another 1.4 s later
    frames, remarks = remarks_of(clip.path)
    assert seconds(frames) == pytest.approx([index / 25 for index in range(40)], abs=1e-4)
    assert remarks == {}


def test_a_film_joined_to_itself_resumes_in_the_right_half(tmp_path: Path) -> None:
    data = render_clip(tmp_path / "a.ts", 40, gop=10, b_frames=2).path.read_bytes()
    path = tmp_path / "twice.ts"
    path.write_bytes(data * 2)
    decoder = open_footage(footage_of(path))
    frames, points = [], []
    for frame in decoder:
        frames.append(frame)
        points.append(decoder.resume_point())
    assert seconds(frames) == pytest.approx([index / 25 for index in range(80)], abs=1e-4)
    assert Video(path).length == pytest.approx(80 / 25, abs=0.001)
    for at in (5, 25, 50, 65):
        rest = list(open_footage(footage_of(path), resume=points[at]))
        assert [frame.index for frame in rest] == list(range(at + 1, 80))
        assert_same(rest[0], frames[at + 1])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "fragmented.mp4"])
def test_a_sample_that_lasts_hours_is_a_jump_and_one_of_minutes_a_gap(tmp_path: Path, name: str) -> None:
    times = [0, 0.04, 0.08, 0.12, 300, 300.04, 8_820, 8_820.04, 8_820.08]
    options = {"container_options": {"movflags": "frag_every_frame+empty_moov"}} if name[0] == "f" else {}
    clip = render_clip(tmp_path / name, len(times), times=times, **options)
    frames, remarks = remarks_of(clip.path)
    expected = [0, 0.04, 0.08, 0.12, 300, 300.04, 300.08, 300.12, 300.16]
    assert seconds(frames) == pytest.approx(expected, abs=0.003)
    assert remarks == {"clock jumps inside files": 1, "gaps of over a minute inside files": 1}
    assert Video(clip.path).length == pytest.approx(300.2, abs=0.01)
    begun, _ = remarks_of(clip.path, begin=START + 300.06)
    assert [frame.index for frame in begun] == [6, 7, 8]


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    wide = render_clip(tmp_path / "wide.mp4", 2, codec_options={"x264-params": "sar=2/1"})
    frames, remarks = remarks_of(wide.path)
    assert remarks == {"files with pixels that are not square": 1}
    true = cv2.resize(draw_frame(0, wide.boxes[0]), (320, 128))
    assert frames[0].image.shape == true.shape
    assert np.abs(frames[0].image.astype(int) - true).mean() < 6
    high = render_clip(tmp_path / "high.mp4", 2, codec_options={"x264-params": "sar=10/11"}, rotation=90)
    assert decode(high.path)[0].image.shape == (160, 141, 3)
    absurd = render_clip(tmp_path / "absurd.mp4", 2, codec_options={"x264-params": "sar=1/9"})
    frames, remarks = remarks_of(absurd.path)
    assert frames[0].image.shape == (128, 160, 3)
    assert remarks == {"files with a shape of pixels that can't be meant": 1}


def interlaced_film(path: Path) -> list[Any]:
    """A film whose odd rows are those of the next frame, and the frames that its even rows come from."""
    size = (160, 128)
    shown = [draw_frame(0, [(10 + 8 * index, 40, 50 + 8 * index, 100)], size) for index in range(8)]
    with av.open(str(path), "w") as output:
        options = {"flags": "+ildct", "x264-params": "tff=1", "qp": "4"}
        stream: Any = output.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv422p"  # chroma of its own in each row
        for image, later in pairwise(shown):
            woven = image.copy()
            woven[1::2] = later[1::2]
            output.mux(stream.encode(av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv422p")))
        output.mux(stream.encode(None))
    return shown[:-1]


def test_interlaced_film_is_deinterlaced_and_told(tmp_path: Path) -> None:
    shown = interlaced_film(tmp_path / "a.ts")
    decoder = open_footage(footage_of(tmp_path / "a.ts"))
    frames = [next(decoder) for _ in range(4)]
    point, told = decoder.resume_point(), decoder.remarks
    frames += decoder
    assert [(remark.what, remark.count) for remark in decoder.remarks] == [("interlaced frames", 7)]
    for frame, true in zip(frames, shown, strict=True):
        assert np.abs(frame.image.astype(int) - true)[12:].mean() < 3  # woven, it is 10
    rest = open_footage(footage_of(tmp_path / "a.ts"), resume=point)
    for frame, expected in zip(rest, frames[4:], strict=True):
        assert_same(frame, expected)
    assert summed([*told, *rest.remarks]) == decoder.remarks


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
    frames, remarks = remarks_of(tmp_path / "both.ts")
    assert len(frames) == 20
    assert {frame.image.shape for frame in frames} == {(128, 160, 3)}
    assert remarks == {"frames of another size than their file's first": 10}


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
