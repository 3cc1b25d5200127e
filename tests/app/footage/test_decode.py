"""Decoding: right frames at right times, the same after a resume, and damage that does not pass unnoticed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import FootageError
from app.footage import Footage
from app.footage.decode import Decoder, Resume, open_footage
from deploy.detectors import Frame
from tests.clips import draw_frame, moving_boxes, read_number, render_clip, render_sequence

START = 1_790_000_000.0


def footage_of(path: Path, start: float = START) -> Footage:
    return Footage("hall", path, path.name, start, "given", 0, "")


def decode(path: Path, **options: Any) -> list[Frame]:
    """All frames; the film must be without problems."""
    with open_footage(footage_of(path), **options) as decoder:
        frames = list(decoder)
    assert decoder.problems == []
    return frames


def numbers(frames: Iterable[Frame]) -> list[int]:
    return [read_number(frame.image) for frame in frames]


def seconds(frames: Iterable[Frame]) -> list[float]:
    return [frame.time - START for frame in frames]


def assert_same(one: Frame, other: Frame) -> None:
    assert one[:3] == other[:3]
    np.testing.assert_array_equal(one.image, other.image)


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
            others = list(rest)
        assert [frame.index for frame in others] == list(range(at + 1, 45))
        for frame, other in zip(frames[at + 1 :], others, strict=True):
            assert_same(frame, other)
        assert rest.problems == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_times_are_the_containers_own(tmp_path: Path, name: str) -> None:
    times = [0.0, 0.04, 0.08, 0.3, 0.7, 0.74, 2.0, 2.5]
    clip = render_clip(tmp_path / name, len(times), times=times)
    assert seconds(decode(clip.path)) == pytest.approx(times, abs=0.0011)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_late_start_is_kept(tmp_path: Path, name: str) -> None:
    clip = render_clip(tmp_path / name, 10, offset=5)
    assert seconds(decode(clip.path))[0] == pytest.approx(5)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_the_clock_of_a_longer_recording_is_not_a_late_start(tmp_path: Path, name: str) -> None:
    clip = render_clip(tmp_path / name, 10, offset=7200)
    assert seconds(decode(clip.path))[0] == pytest.approx(0, abs=0.1)


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
    for frame, other in zip(part, expected, strict=True):
        assert_same(frame, other)


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


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"fps": 0.0}, {"fps": -1}, {"fps": float("nan")}, {"every": 2, "fps": 5}]
)
def test_senseless_thinning_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"keeps no frame|both thin"):
        open_footage(footage_of(render_clip(tmp_path / "a.mp4", 2).path), **options)


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


def problems_of(path: Path) -> tuple[list[Frame], list[str]]:
    decoder: Decoder = open_footage(footage_of(path))
    return list(decoder), decoder.problems


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


def refusal(path: Path) -> str:
    with pytest.raises(FootageError) as error:
        open_footage(footage_of(path))
    assert str(path) in str(error.value)
    return str(error.value)


def test_an_mp4_without_its_index_is_refused_by_name(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "a.mp4", 50)
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[: len(data) * 6 // 10])
    assert "ends before its index (moov)" in refusal(clip.path)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    assert "does not exist" in refusal(path)
    path.write_bytes(b"")
    assert "is empty" in refusal(path)
    path.write_bytes(b"no video at all\n" * 500)
    assert "not a video" in refusal(path)
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 50_000, dtype=np.uint8).tobytes())
    assert "not a video" in refusal(path)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 32, 3), np.uint8))
    path.write_bytes((tmp_path / "a.png").read_bytes())
    assert "not a video container" in refusal(path)
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 16_000
        output.mux(sound.encode(frame))  # type: ignore[attr-defined]
        output.mux(sound.encode(None))  # type: ignore[attr-defined]
    assert "no video stream" in refusal(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    assert "is not a file" in refusal(tmp_path / "a.mp4")


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{film}'\n",
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{film}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\n"
    "c=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles='
        '"urn:mpeg:dash:profile:full:2011"><Period><AdaptationSet><Representation><BaseURL>{film}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    ),
    "data": "data:video/mp4;base64,AAAA",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["evening.mp4", "evening.m3u8", "evening.ffconcat"])
def test_a_playlist_opens_no_other_file(tmp_path: Path, kind: str, name: str) -> None:
    film = render_clip(tmp_path / "secret.mp4", 3).path
    os.utime(film, (1_000_000_000, 2_000_000_000))  # read after being written: most systems then note the next read
    path = tmp_path / name
    path.write_text(PLAYLISTS[kind].format(film=film))
    assert "not a video" in refusal(path)
    assert film.stat().st_atime == 1_000_000_000
    if kind == "ffconcat":
        with av.open(str(path), options={"safe": "0"}) as unguarded:  # so there was something to refuse
            assert len(list(unguarded.decode(video=0))) == 3


@pytest.mark.parametrize(
    "name", ["-i.mp4", "concat:a.mp4", "http:x.mp4", "a%03d.mp4", "data:x,y.mp4", "ä ö|b.mp4", "file:a"]
)
def test_odd_names_are_plain_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    film = render_clip(tmp_path / "film.mp4", 3).path
    film.rename(tmp_path / name)
    assert len(decode(tmp_path / name)) == 3
    monkeypatch.chdir(tmp_path)
    assert len(decode(Path(name))) == 3


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
