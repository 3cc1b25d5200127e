"""A live camera's film is kept in pieces whose pictures have the times of the live ones, and loses no stream."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest

from app.footage.camera_address import camera_address
from app.footage.live import LiveOptions, Patience
from app.footage.live_camera import LiveCamera, LiveFrame, Pace
from app.footage.recording import Recorder, Recording, keep_only, pieces
from tests.app.footage.rtsp_server import RtspServer
from tests.clips import read_number, render_clip

BEGIN = 1_800_000_000.25
os_open = os.open


def numbers(path: Path, start: float) -> dict[int, float]:
    """The pictures of a piece by their numbers, with UTC seconds."""
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    assert all(frame.time is not None for frame in frames)
    return {read_number(frame.to_ndarray(format="rgb24")): start + frame.time for frame in frames}  # type: ignore[operator]


def record(film: Path, recorder_of: Callable[[av.VideoStream], Recorder], pause: float = 0.0) -> Recorder:
    with av.open(str(film)) as source:
        stream = source.streams.video[0]
        recorder = recorder_of(stream)
        for packet in source.demux(stream):
            if packet.size:
                assert packet.pts is not None and packet.dts is not None
                lead = float((packet.pts - packet.dts) * packet.time_base)
                recorder.write(packet, BEGIN + float(packet.pts * packet.time_base), lead)
                time.sleep(pause)
        recorder.close(5)
    return recorder


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_pieces_hold_every_picture_at_its_time(tmp_path: Path, b_frames: int, codec: str) -> None:
    if codec == "mjpeg":
        film = render_clip(tmp_path / "a.mkv", 100, codec=codec, pixel_format="yuvj420p").path
    else:
        film = render_clip(tmp_path / "a.mp4", 100, gop=12, b_frames=b_frames).path
    recorder = record(film, lambda stream: Recorder(Recording(tmp_path / "hall", 1.0), stream))
    assert recorder.problem is None
    there = pieces(tmp_path / "hall")
    assert there[0].path.name == "20270115T080000.250000Z.mp4" and there[0].start == BEGIN
    lengths = [b.start - a.start for a, b in pairwise(there)]
    assert len(there) >= 3 and all(1.0 <= length < 1.5 for length in lengths)
    times: dict[int, float] = {}
    for piece in there:
        assert piece.path.stat().st_mode & 0o777 == 0o600 and piece.size == piece.path.stat().st_size
        times |= numbers(piece.path, piece.start)
    assert times == {number: pytest.approx(BEGIN + number / 25, abs=0.0005) for number in range(100)}


def test_a_live_camera_is_recorded_with_its_pictures_times(tmp_path: Path) -> None:
    film = render_clip(tmp_path / "a.mp4", 500, gop=10).path
    live: dict[int, float] = {}
    with RtspServer(film) as server:
        source, recording = camera_address(server.url()), Recording(tmp_path / "hall", 1.0)
        options = LiveOptions(source, patience=Patience(1.0, 6.0, 1.0), recording=recording)
        with LiveCamera("hall", options, pace=Pace(first=0.2, least=0.1)) as hall:
            end = time.monotonic() + 15
            while time.monotonic() < end and len(live) < 60:
                event = hall.take(0.2)
                if isinstance(event, LiveFrame):
                    live[read_number(event.frame.image)] = event.frame.time
            assert hall.state.unrecorded is None
            os.kill(hall.process, signal.SIGKILL)  # all but the last moments can be played
    recorded: dict[int, float] = {}
    for piece in pieces(tmp_path / "hall"):
        recorded |= numbers(piece.path, piece.start)
    both = recorded.keys() & live.keys()
    assert len(both) > 20
    assert all(recorded[number] == pytest.approx(live[number], abs=0.002) for number in both)


def test_a_full_disk_ends_the_recording_and_not_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = render_clip(tmp_path / "a.mp4", 200, gop=10).path
    monkeypatch.setattr("app.footage.recording.RETRY", 2.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, hard))
    try:
        recorder = record(film, lambda stream: Recorder(Recording(tmp_path / "hall", 1.0), stream))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert recorder.problem is not None and "can't be recorded (File too large)" in recorder.problem
    assert 2 <= len(pieces(tmp_path / "hall")) <= 5  # it was tried again, and not with every keyframe
    assert record(film, lambda stream: Recorder(Recording(tmp_path / "yard", 1.0), stream)).problem is None


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    film = render_clip(tmp_path / "a.mp4", 20).path
    (tmp_path / "file").touch()
    recorder = record(film, lambda stream: Recorder(Recording(tmp_path / "file" / "hall"), stream))
    assert recorder.problem is not None and "Not a directory" in recorder.problem


def test_a_slow_disk_leaves_out_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = render_clip(tmp_path / "a.mp4", 100, gop=10).path
    monkeypatch.setattr("app.footage.recording.MOST_WAITING", 2_000)
    monkeypatch.setattr("app.footage.recording.os.open", slow_open)
    record(film, lambda stream: Recorder(Recording(tmp_path / "hall", 10.0), stream), pause=0.005)
    there = pieces(tmp_path / "hall")
    assert len(there) >= 2
    shown: dict[int, float] = {}
    for piece in there:
        shown |= numbers(piece.path, piece.start)
    assert 0 < len(shown) < 100
    assert all(time == pytest.approx(BEGIN + number / 25, abs=0.0005) for number, time in shown.items())


def slow_open(path: Path, flags: int, mode: int) -> int:
    time.sleep(0.3)
    return os_open(path, flags, mode)


def test_the_oldest_recordings_are_removed_first(tmp_path: Path) -> None:
    names = [f"20270115T08{minute:02}00.000000Z.mp4" for minute in range(6)]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 100)
    for other in ("notes.txt", "20270115T080000.000000Z.mp4.bak", "20271315T080000.000000Z.mp4"):
        (tmp_path / other).touch()
    first = pieces(tmp_path)[0].start
    assert keep_only(tmp_path) == [] and keep_only(tmp_path, since=first, most_bytes=600) == []
    removed = keep_only(tmp_path, since=first + 150)  # the third one shows that moment
    assert [piece.path.name for piece in removed] == names[:2]
    assert [piece.path.name for piece in keep_only(tmp_path, most_bytes=250)] == names[2:4]
    assert [piece.path.name for piece in keep_only(tmp_path, since=first + 10_000, most_bytes=0)] == names[4:5]
    assert [piece.path.name for piece in pieces(tmp_path)] == names[5:]  # it may be written just now
    assert len(list(tmp_path.iterdir())) == 4
    assert pieces(tmp_path / "nowhere") == keep_only(tmp_path / "nowhere", most_bytes=0) == []
