"""Live cameras that misbehave in every way: pictures come again, each outage has its reason, and no secret is told."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

import sample_videos
from app.footage import live_camera
from app.footage.camera_address import CameraDevice, CameraSource, camera_address
from app.footage.camera_connection import Allowed, allowed_for
from app.footage.live import LiveOptions, Patience
from app.footage.live_camera import LiveCamera, LiveEvent, LiveFrame, Pace
from app.footage.live_clock import DRIFTED
from app.footage.outage import Outage, Why
from tests.app.footage.http_camera import HttpCamera, transport_stream
from tests.app.footage.rtsp_server import Behaviour, RtspServer, film_of, jpeg_of

SECRET = "hunter2"
USER = f"operator:{SECRET}"
SHORT = Patience(connecting=1.0, opening=6.0, stalled=1.0)
QUICK = Pace(first=0.2, growth=1.3, most=0.4, most_for_a_person=0.4, least=0.1)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film_of(tmp_path_factory.mktemp("live") / "film.mp4")


@pytest.fixture(scope="session")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film_of(tmp_path_factory.mktemp("live") / "larger.mp4", (320, 240))


@pytest.fixture(scope="session")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jpeg_of(tmp_path_factory.mktemp("live") / "jpeg.mkv", (160, 128))


def camera(url: str, **options: object) -> LiveCamera:
    return LiveCamera("hall", LiveOptions(camera_address(url), patience=SHORT, **options), pace=QUICK, seed=0)  # type: ignore[arg-type]


def until(camera: LiveCamera, enough: Callable[[LiveEvent], bool], seconds: float = 15.0) -> list[LiveEvent]:
    """All that comes up to an event, which must come in time."""
    events: list[LiveEvent] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        event = camera.take(0.2)
        if event is not None:
            events.append(event)
            if enough(event):
                return events
    raise AssertionError(f"not within {seconds} s: {[each for each in events if isinstance(each, Outage)]}")


def is_frame(event: LiveEvent) -> bool:
    return isinstance(event, LiveFrame)


def is_outage(why: Why) -> Callable[[LiveEvent], bool]:
    return lambda event: isinstance(event, Outage) and event.why is why


def frames_of(events: list[LiveEvent]) -> list[LiveFrame]:
    return [event for event in events if isinstance(event, LiveFrame)]


def assert_times_rise(events: list[LiveEvent]) -> None:
    times = [event.frame.time for event in frames_of(events)]
    assert all(a < b for a, b in pairwise(times))


def test_pictures_come_with_their_times(film: Path) -> None:
    began = time.time()
    with RtspServer(film, Behaviour(clock_ahead=2.0)) as server, camera(server.url()) as hall:
        events = until(hall, lambda event: is_frame(event) and event.connection == 0 and event.frame.index > 45)
        now = time.time()
        state = hall.state
    first, second, *_ = events
    assert isinstance(first, Outage) and first.why is Why.STARTING and first.end is None
    assert isinstance(second, Outage) and second.end is not None and second.end > first.start > began - 0.1
    frames = frames_of(events)
    assert frames[0].frame.image.shape == (120, 160, 3) and frames[0].frame.camera == "hall"
    indexes = [frame.frame.index for frame in frames]
    assert indexes == sorted(set(indexes)) and all(began < frame.frame.time <= now + DRIFTED for frame in frames)
    for a, b in pairwise(frames):  # the stamps' distances
        assert b.frame.time - a.frame.time == pytest.approx((b.frame.index - a.frame.index) / 25, abs=0.01)
    assert all(-0.1 < frame.arrival - frame.frame.time < 1.0 for frame in frames)
    assert state.shape is not None and str(state.shape) == "h264, 160 x 120, 25 a second"
    assert state.ahead == pytest.approx(2.0, abs=0.3)
    told = [frame for frame in frames if frame.camera_time is not None]
    assert told and all(frame.camera_time - frame.frame.time == pytest.approx(2.0, abs=0.3) for frame in told)  # type: ignore[operator]
    assert state.taken == len(frames) and state.connections == 1 and state.outage is None
    assert state.counts.decoded >= frames[-1].frame.index and state.counts.damaged == 0


def test_a_film_that_plays_by_the_clock_shows_its_frames_in_order() -> None:
    """A film with frames that are predicted from later ones, over its end, joined while it plays."""
    path = Path(sample_videos.__path__[0]) / "films" / "hall.mp4"  # 900 frames, 15 a second
    with av.open(str(path)) as source:
        pictures = [frame.to_ndarray(format="rgb24")[::30, ::30] for frame in source.decode(video=0)]
    since = time.time() - 54.0
    with RtspServer(path, Behaviour(since=since)) as server, camera(server.url()) as hall:
        events = until(hall, lambda event: is_frame(event) and event.frame.time > since + 62.0)
    frames = frames_of(events)
    assert frames[0].frame.time < since + 60.9
    for frame in frames[15:]:  # libav is two frames off where it first hears what the camera's clock says
        assert frame.camera_time is not None
        number = round((frame.camera_time - since) * 15)  # a server that is held up between two clocks is a frame off
        near = [pictures[each % 900] for each in (number - 1, number, number + 1)]
        assert any(np.array_equal(frame.frame.image[::30, ::30], picture) for picture in near)
        assert -0.1 < frame.frame.time - frame.camera_time < 2 * DRIFTED


def test_pictures_that_a_camera_kept_back_do_not_shift_the_times(film: Path) -> None:
    """Two seconds come at once. Who took the first of them for now would be two seconds late."""
    with RtspServer(film, Behaviour(burst=50)) as server, camera(server.url()) as hall:
        frames = frames_of(until(hall, lambda event: is_frame(event) and event.frame.index > 70))
    assert all(frame.arrival - frame.frame.time < 0.5 for frame in frames)


def test_the_newest_picture_wins_and_those_before_are_counted(film: Path) -> None:
    with RtspServer(film) as server, camera(server.url()) as hall:
        until(hall, is_frame)
        skipped = hall.state.counts.skipped
        time.sleep(1.0)
        (frame,) = frames_of(until(hall, is_frame))
        assert time.time() - frame.frame.time < 0.4
        assert 15 <= hall.state.counts.skipped - skipped <= 40


def test_a_rate_thins_evenly(film: Path) -> None:
    with RtspServer(film) as server, camera(server.url(), fps=5.0) as hall:
        frames = frames_of(until(hall, lambda event: is_frame(event) and event.frame.index > 60))
    distances = [b.frame.index - a.frame.index for a, b in pairwise(frames)]
    assert set(distances) <= {5, 10} and distances.count(5) > 2  # 10 where this machine was busy
    assert hall.state.counts.thinned > 20


@pytest.mark.parametrize("kind", ["Basic", "Digest"])
def test_a_password_is_told_to_the_camera(film: Path, kind: str) -> None:
    behaviour = Behaviour(password=("operator", "p@ss/wörd", kind), stale_after=3)
    if kind == "Basic":
        behaviour.stale_after = None
    with RtspServer(film, behaviour) as server:
        with camera(server.url("operator:p%40ss%2Fw%C3%B6rd")) as hall:
            until(hall, is_frame)
        assert server.met.connections == 1
        assert f"DESCRIBE {server.url()} RTSP/1.0" in server.met.requests[1]


@pytest.mark.parametrize(
    ("behaviour", "why", "said"),
    [
        (Behaviour(mute=True), Why.OPENING, "sent nothing"),
        (Behaviour(half=True), Why.OPENING, "sent nothing"),
        (Behaviour(status=404), Why.MISSING, "has no such stream (404)"),
        (Behaviour(status=503), Why.ANSWER, "answers with error 503"),
        (Behaviour(password=("operator", "other", "Digest")), Why.PASSWORD, "does not take the user and the password"),
        (Behaviour(password=("operator", "other", "Negotiate")), Why.PASSWORD, "does not take"),
        (Behaviour(redirect=f"rtsp://{USER}@169.254.169.254/latest"), Why.FORBIDDEN, "only machines beside it reach"),
        (Behaviour(redirect=f"file://{USER}@localhost/etc/passwd"), Why.FORBIDDEN, "no address that a camera may have"),
        (Behaviour(redirect=""), Why.FORBIDDEN, "sends elsewhere"),
        (Behaviour(packets=1), Why.OPENING, "sent nothing"),
        (Behaviour(packets=5, then="end"), Why.ENDED, "ended the stream"),
    ],
)
def test_streams_that_do_not_open(
    film: Path,
    behaviour: Behaviour,
    why: Why,
    said: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
) -> None:
    with RtspServer(film, behaviour) as server, camera(server.url(USER, f"/{SECRET}?pwd={SECRET}")) as hall:
        events = until(hall, is_outage(why))
        outage = events[-1]
        assert isinstance(outage, Outage) and said in outage.reason and outage.end is None
        assert hall.state.outage == outage and hall.state.outages == {why: 1}
        if behaviour.mute or behaviour.password:
            server.behaviour = Behaviour()
            until(hall, is_frame)
            assert server.met.most_at_once == 1
    assert SECRET not in repr(events) + repr(hall.state) + caplog.text + "".join(capfd.readouterr())


def test_a_redirect_to_another_server(film: Path) -> None:
    with (
        RtspServer(film) as second,
        RtspServer(film, Behaviour(redirect=second.url(path="/there"))) as first,
        camera(first.url(USER)) as hall,
    ):
        until(hall, is_frame)
    assert second.met.requests[0].startswith(f"OPTIONS {second.url(path='/there')} ")
    assert not any("Authorization" in request for request in second.met.requests)


def test_absent_at_start_and_there_later(film: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with camera(f"rtsp://{USER}@127.0.0.1:{port}/{SECRET}") as hall:
        events = until(hall, is_outage(Why.REFUSED))
        until_then = time.monotonic() + 1
        while time.monotonic() < until_then:
            assert hall.take(0.2) is None  # told once, tried often
        with RtspServer(film, port=port):
            events += until(hall, is_frame)
    *_, back, frame = events
    assert isinstance(back, Outage) and isinstance(frame, LiveFrame)
    assert back.why is Why.REFUSED and back.end == frame.frame.time and back.start == events[0].start  # type: ignore[union-attr]
    assert SECRET not in repr(events)


@pytest.mark.parametrize(
    ("url", "allowed", "why"),
    [
        ("rtsp://169.254.169.254/", Allowed(), Why.FORBIDDEN),
        ("http://[fe80::1]/", Allowed(), Why.FORBIDDEN),
        ("rtsp://239.1.2.3/", Allowed(), Why.FORBIDDEN),
        ("rtsp://0.0.0.0/", Allowed(), Why.FORBIDDEN),
        ("https://127.0.0.1:1/", Allowed(loopback=False), Why.FORBIDDEN),
        ("rtsp://10.0.0.1/", Allowed(private=False), Why.FORBIDDEN),
        (f"rtsp://{USER}@nowhere.invalid/{SECRET}", Allowed(), Why.UNREACHABLE),
    ],
)
def test_where_cameras_may_not_be(url: str, allowed: Allowed, why: Why) -> None:
    with camera(url, allowed=allowed) as hall:
        events = until(hall, is_outage(why))
    assert SECRET not in repr(events)


@pytest.mark.parametrize(
    ("source", "loopback"),
    [
        (CameraDevice(0), True),
        (camera_address("rtsp://localhost/x"), True),
        (camera_address("rtsp://127.0.0.2:8554/x"), True),
        (camera_address("rtsp://[::1]/x"), True),
        (camera_address("rtsp://hall.lan/x"), False),
        (camera_address("rtsp://10.0.0.1/x"), False),
        (camera_address("http://2130706433/x"), False),
    ],
)
def test_only_an_address_of_this_machine_leads_to_it(source: CameraSource, loopback: bool) -> None:
    assert allowed_for(source) == Allowed(private=True, loopback=loopback)


def test_a_device_that_is_not_there() -> None:
    with LiveCamera("door", LiveOptions(CameraDevice(63)), pace=QUICK) as door:
        outage = until(door, is_outage(Why.MISSING))[-1]
    assert isinstance(outage, Outage) and outage.reason.startswith("/dev/video63 does not exist")


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """As a camera that signs its own certificate."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_by_tls(film: Path, tls: ssl.SSLContext) -> None:
    behaviour = Behaviour(password=("operator", SECRET, "Basic"))
    with RtspServer(film, behaviour, tls=tls) as server, camera(server.url(USER)) as hall:
        until(hall, lambda event: is_frame(event) and event.frame.index > 30)
        assert server.met.requests[0].startswith("OPTIONS rtsps://127.0.0.1")


def test_a_camera_that_speaks_no_tls(film: Path) -> None:
    with RtspServer(film) as server, camera(server.url().replace("rtsp:", "rtsps:")) as hall:
        outage = until(hall, is_outage(Why.ANSWER))[-1]
    assert isinstance(outage, Outage) and "does not speak TLS" in outage.reason


@pytest.mark.parametrize("then", ["stall", "end"])
def test_a_stream_that_stops_comes_back(film: Path, then: str) -> None:
    with RtspServer(film, Behaviour(packets=45, then=then)) as server, camera(server.url()) as hall:
        events = until(hall, is_frame)
        server.behaviour = Behaviour()
        why = Why.ENDED if then == "end" else Why.STALLED
        events += until(hall, is_outage(why))
        last = frames_of(events)[-1]
        gone = events[-1]
        assert isinstance(gone, Outage) and gone.start == last.frame.time and gone.end is None
        events += until(hall, is_frame)
        back, frame = events[-2:]
        assert isinstance(back, Outage) and isinstance(frame, LiveFrame)
        assert (back.start, back.end, back.why) == (gone.start, frame.frame.time, why)
        assert frame.connection == 1 and server.met.most_at_once == 1
    assert_times_rise(events)


def test_another_size_and_codec_after_a_restart(film: Path, larger: Path, jpeg: Path) -> None:
    with RtspServer(film) as server, camera(server.url()) as hall:
        events = until(hall, is_frame)
        server.behaviour = Behaviour(film=larger)
        server.drop()
        events += until(hall, lambda event: is_frame(event) and event.connection == 1)
        server.behaviour = Behaviour(film=jpeg)
        server.drop()
        events += until(hall, lambda event: is_frame(event) and event.connection == 2)
    backs = [event for event in events if isinstance(event, Outage) and event.end is not None]
    assert "It came back as h264, 320 x 240, 25 a second, and was h264, 160 x 120" in backs[1].reason
    assert "It came back as mjpeg, 160 x 128" in backs[2].reason
    sizes = {frame.connection: frame.frame.image.shape[:2] for frame in frames_of(events)}
    assert sizes == {0: (120, 160), 1: (240, 320), 2: (128, 160)}
    assert_times_rise(events)


@pytest.mark.parametrize("by", [-3600.0, 7.0])
def test_stamps_that_jump(film: Path, by: float) -> None:
    with RtspServer(film, Behaviour(jump=(50, by))) as server, camera(server.url()) as hall:
        events = until(hall, is_outage(Why.JUMPED))
        events += until(hall, lambda event: is_frame(event) and event.frame.index > 60)
        assert hall.state.counts.jumps == 1 and hall.state.connections == 1
    (jump,) = [event for event in events if isinstance(event, Outage) and event.why is Why.JUMPED]
    assert f"{'went back' if by < 0 else 'jumped ahead'} by" in jump.reason and jump.end is not None
    assert jump.end - jump.start < 0.5
    assert_times_rise(events)
    assert all(-0.1 < frame.arrival - frame.frame.time < 0.6 for frame in frames_of(events))


def test_stamps_of_32_bits_that_start_again(film: Path) -> None:
    with RtspServer(film, Behaviour(first_ticks=2**32 - 2 * 90_000)) as server, camera(server.url()) as hall:
        events = until(hall, lambda event: is_frame(event) and event.frame.index > 70)
        assert hall.state.counts.jumps == 0 and server.met.connections == 1
    frames = frames_of(events)
    assert_times_rise(events)
    assert all(-0.1 < frame.arrival - frame.frame.time < 0.6 for frame in frames)


def test_a_process_that_is_killed_or_hangs(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_camera, "MARGIN", 0.5)
    with RtspServer(film) as server, camera(server.url()) as hall:
        events = until(hall, is_frame)
        for sign, why in ((signal.SIGKILL, Why.CRASHED), (signal.SIGSTOP, Why.STALLED)):
            os.kill(hall.process, sign)
            events += until(hall, is_outage(why))
            events += until(hall, is_frame)
        assert server.met.most_at_once == 1
    assert_times_rise(events)


def test_a_process_that_swells_is_ended(film: Path) -> None:
    with RtspServer(film) as server:
        options = LiveOptions(camera_address(server.url()), patience=SHORT)
        with LiveCamera("hall", options, pace=QUICK, most_memory=1_000_000) as hall:
            until(hall, is_outage(Why.MEMORY))


@pytest.mark.parametrize("when", ["opening", "streaming", "pausing"])
def test_stopping_is_prompt(film: Path, when: str) -> None:
    behaviour = Behaviour(mute=True) if when == "opening" else Behaviour(status=404 if when == "pausing" else 200)
    with RtspServer(film, behaviour) as server:
        hall = camera(server.url())
        seen: list[LiveEvent] = []
        thread = threading.Thread(target=lambda: seen.extend(hall))
        thread.start()
        end = time.monotonic() + 15
        while time.monotonic() < end and not (server.met.requests if when == "opening" else len(seen) > 1):
            time.sleep(0.02)
        process = hall.process
        began = time.monotonic()
        hall.stop()
        thread.join(5)
        assert time.monotonic() - began < 1 and not thread.is_alive()
        time.sleep(0.1)
        assert not process or not Path(f"/proc/{process}").exists()


PROGRAM = """
import sys
from app.footage.camera_address import camera_address
from app.footage.live import LiveOptions
from app.footage.live_camera import LiveCamera, LiveFrame
with LiveCamera("hall", LiveOptions(camera_address(sys.argv[1]))) as hall:
    for event in hall:
        if isinstance(event, LiveFrame):
            print(hall.process, flush=True)
"""


def test_a_program_that_is_killed_leaves_no_process_and_no_connection(film: Path) -> None:
    with RtspServer(film) as server:
        with subprocess.Popen([sys.executable, "-c", PROGRAM, server.url()], stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            process = int(program.stdout.readline())
            assert Path(f"/proc/{process}").exists() and server.met.at_once == 1
            program.kill()
        end = time.monotonic() + 5
        while time.monotonic() < end and (Path(f"/proc/{process}").exists() or server.met.at_once):
            time.sleep(0.05)
        assert not Path(f"/proc/{process}").exists() and server.met.at_once == 0


# Over HTTP


@pytest.fixture
def endless() -> Iterator[HttpCamera]:
    with HttpCamera() as endless:
        yield endless


def test_mjpeg(endless: HttpCamera) -> None:
    with camera(endless.url()) as hall:
        events = until(hall, lambda event: is_frame(event) and event.frame.index > 30)
    frames = frames_of(events)
    assert frames[0].frame.image.shape == (120, 160, 3) and hall.state.shape is not None
    assert_times_rise(events)
    assert all(frame.arrival == pytest.approx(frame.frame.time, abs=0.05) for frame in frames)


@pytest.mark.parametrize(
    ("behaviour", "why", "said"),
    [
        ({"pictures": 40}, Why.STALLED, "sent nothing"),
        ({"pictures": 40, "then": "end"}, Why.ENDED, "ended the stream"),
        ({"challenge": 'Basic realm="x"', "right": "Basic no"}, Why.PASSWORD, "does not take the user"),
        ({"challenge": 'Digest realm="x", nonce="1"', "right": "never"}, Why.PASSWORD, "does not take the user"),
        ({"head": f"HTTP/1.1 302 F\r\nLocation: http://{USER}@169.254.169.254/x\r\n\r\n"}, Why.FORBIDDEN, "reach"),
        ({"head": f"HTTP/1.1 302 F\r\nLocation: file:///{SECRET}\r\n\r\n"}, Why.FORBIDDEN, "sends elsewhere"),
        ({"head": f"HTTP/1.1 302 F\r\nLocation: rtsp://{USER}@other/\r\n\r\n"}, Why.FORBIDDEN, "rtsp://other/…"),
        ({"head": "HTTP/1.1 302 F\r\nLocation: /mjpeg\r\n\r\n"}, Why.ANSWER, "from one address to the next"),
        ({"head": "HTTP/1.1 404 N\r\n\r\n"}, Why.MISSING, "404"),
        ({"head": "SSH-2.0-OpenSSH\r\n"}, Why.ANSWER, "answers no HTTP"),
        ({"kind": "application/vnd.apple.mpegurl", "body": b"#EXTM3U\n"}, Why.UNREADABLE, "page or a playlist"),
        (
            {"kind": "video/mp2t", "body": b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n" * 9000},
            Why.UNREADABLE,
            "read as video",
        ),
        (
            {"kind": "video/mp2t", "body": b"ffconcat version 1.0\nfile /etc/passwd\n" * 9000},
            Why.UNREADABLE,
            "read as video",
        ),
    ],
)
def test_streams_over_http_that_do_not_go_on(behaviour: dict, why: Why, said: str) -> None:
    with HttpCamera(**behaviour) as cam, camera(cam.url(USER, f"/{SECRET}")) as hall:
        events = until(hall, is_outage(why))
        outage = events[-1]
        assert isinstance(outage, Outage) and said in outage.reason
    assert SECRET not in repr(events) + repr(hall.state)


def test_a_camera_that_accepts_and_never_answers_over_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with camera(f"http://127.0.0.1:{silent.getsockname()[1]}/") as hall:
            outage = until(hall, is_outage(Why.OPENING))[-1]
        assert isinstance(outage, Outage) and "answers nothing" in outage.reason


def test_a_redirect_to_where_cameras_may_be(endless: HttpCamera) -> None:
    head = f"HTTP/1.1 302 F\r\nLocation: {endless.url(path='/other')}\r\n\r\n"
    with HttpCamera(head=head) as first, camera(first.url(USER)) as hall:
        until(hall, is_frame)
    assert endless.requests[0].startswith("GET /other ")
    assert "Authorization" not in endless.requests[0]  # another port is another server


def test_an_mpeg_transport_stream_whose_clock_starts_again() -> None:
    body = transport_stream(6.0, 2**33 / 90_000 - 3)
    with HttpCamera(kind="video/mp2t", body=body, seconds=6.0) as cam, camera(cam.url()) as hall:
        events = until(hall, lambda event: is_frame(event) and event.frame.index > 110)
        assert hall.state.counts.jumps == 0 and hall.state.connections == 1
    assert_times_rise(events)
    times = {event.frame.index: event.frame.time for event in frames_of(events)}
    assert times[max(times)] - times[min(times)] == pytest.approx((max(times) - min(times)) / 25, abs=0.3)
