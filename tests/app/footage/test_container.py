"""Containers: what is no video, or would lead elsewhere, is refused by name, and clocks start where footage does."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from app.footage.decode import open_footage
from tests.app.recordings import decode, footage_of, numbers, refusal, seconds
from tests.clips import draw_frame, render_clip


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_late_start_is_kept(tmp_path: Path, name: str) -> None:
    clip = render_clip(tmp_path / name, 10, offset=5)
    assert seconds(decode(clip.path))[0] == pytest.approx(5)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_the_clock_of_a_longer_recording_is_not_a_late_start(tmp_path: Path, name: str) -> None:
    clip = render_clip(tmp_path / name, 10, offset=7200)
    assert seconds(decode(clip.path))[0] == pytest.approx(0, abs=0.1)


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


@pytest.mark.parametrize(
    "duration", ["0:0:1e999999999", "00:00:1e400", "0:0:1/0", "9" * 15 + ":0:0", "0:-1:nan", "1e99:0:0"]
)
def test_an_absurd_length_is_not_believed(tmp_path: Path, duration: str) -> None:
    path = render_clip(tmp_path / "a.mkv", 10).path
    data, count = re.subn(rb"\d\d:\d\d:\d\d\.\d{9}\0", duration.encode()[:19].ljust(19, b"\0"), path.read_bytes())
    assert count == 1
    path.write_bytes(data)
    assert len(decode(path)) == 10


def film_of(path: Path, *sizes: tuple[int, int], titles: tuple[str, ...] = (), default: int | None = None) -> Path:
    """A film with a video stream of each size, which shows frame numbers from 100 times its place on."""
    with av.open(str(path), "w") as output:
        streams: list[Any] = []
        for place, (width, height) in enumerate(sizes):
            stream: Any = output.add_stream("libx264", rate=25)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv420p"
            if titles:
                stream.metadata["title"] = titles[place]
            if default is not None:
                stream.disposition = Disposition.default if place == default else 0
            streams.append(stream)
        for number in range(3):
            for place, stream in enumerate(streams):
                image = draw_frame(100 * place + number, [], (stream.width, stream.height))
                output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            output.mux(stream.encode(None))
    return path


def read(path: Path) -> tuple[list[int], dict[str, int]]:
    decoder = open_footage(footage_of(path))
    return numbers(decoder), {remark.what: remark.count for remark in decoder.remarks}


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_the_largest_stream_is_taken(tmp_path: Path, name: str) -> None:
    path = film_of(tmp_path / name, (112, 80), (160, 128), (128, 96))
    assert read(path) == ([100, 101, 102], {"smaller video streams inside files": 2})


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_further_cameras_in_a_file_are_told(tmp_path: Path, name: str) -> None:
    path = film_of(tmp_path / name, (112, 80), (160, 128), (160, 128))
    told = {"further cameras inside files": 1, "smaller video streams inside files": 1}
    assert read(path) == ([100, 101, 102], told)


def test_of_equal_streams_the_default_is_taken(tmp_path: Path) -> None:
    path = film_of(tmp_path / "a.mkv", (160, 128), (160, 128), titles=("Front", "Back"), default=1)
    assert read(path)[0] == [100, 101, 102]
