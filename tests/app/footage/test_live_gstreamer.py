"""Another's RTSP server: GStreamer's, where it is installed, killed and started again with another codec and size."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.footage.live_camera import LiveFrame
from app.footage.outage import Outage
from tests.app.footage.test_live_camera import assert_times_rise, camera, frames_of, until

PYTHON = Path("/usr/bin/python3")  # the system's, which has GStreamer's bindings
SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_address("127.0.0.1"); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(); factory.set_shared(True)
factory.set_launch(f"( videotestsrc is-live=true ! video/x-raw,{sys.argv[2]} ! {sys.argv[3]} name=pay0 pt=96 )")
if len(sys.argv) > 4:
    auth = GstRtspServer.RTSPAuth(); auth.set_supported_methods(2)
    token = GstRtspServer.RTSPToken(); token.set_string("media.factory.role", "operator")
    auth.add_digest("operator", sys.argv[4], token)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("access", "construct"):
        permissions.add_permission_for_role("operator", f"media.factory.{right}", True)
    factory.set_permissions(permissions); server.set_auth(auth)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""
H264 = (
    "width=320,height=240,framerate=25/1",
    "x264enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph264pay",
)
H265 = (
    "width=640,height=480,framerate=10/1",
    "x265enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph265pay",
)
TRY = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None); " + (
    "assert all(map(Gst.ElementFactory.find, ('x264enc', 'x265enc', 'rtph265pay')))"
)
pytestmark = pytest.mark.skipif(
    not PYTHON.exists() or subprocess.run([PYTHON, "-c", TRY], capture_output=True, check=False).returncode != 0,
    reason="GStreamer's RTSP server is not installed",
)


@contextmanager
def serving(port: int, size: str, codec: str, *password: str) -> Iterator[None]:
    words = [str(PYTHON), "-c", SERVER, str(port), size, codec, *password]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=sys.stderr) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_killed_and_back_with_another_codec_and_size(port: int) -> None:
    with camera(f"rtsp://127.0.0.1:{port}/cam") as hall:
        with serving(port, *H264):
            events = until(hall, lambda event: isinstance(event, LiveFrame) and event.frame.index > 40)
        with serving(port, *H265):
            events += until(hall, lambda event: isinstance(event, LiveFrame) and event.connection > 0, 30)
    (back,) = [
        event for event in events if isinstance(event, Outage) and event.end is not None and "back" in event.reason
    ]
    assert "It came back as hevc, 640 x 480, 10 a second, and was h264, 320 x 240, 25" in back.reason
    assert frames_of(events)[-1].frame.image.shape == (480, 640, 3)
    assert_times_rise(events)


def test_a_password_by_digest(port: int) -> None:
    with serving(port, *H264, "hunter2"), camera(f"rtsp://operator:hunter2@127.0.0.1:{port}/cam") as hall:
        until(hall, lambda event: isinstance(event, LiveFrame))
        assert hall.state.outages == {}
