"""A camera's address is taken apart, refused where it may be none, and shown without anything secret."""

from __future__ import annotations

import pytest

from app.errors import FootageError
from app.footage.camera_address import CameraAddress, camera_address, camera_device, hidden

SECRET = "s3cr:et/p@ss"
ENCODED = "s3cr%3Aet%2Fp%40ss"


def test_an_address_with_all_parts() -> None:
    address = camera_address(f"rtsp://adm%C3%ADn:{ENCODED}@hall.lan:8554/stream1?channel=2")
    assert address == CameraAddress("rtsp", "hall.lan", 8554, "/stream1?channel=2", "admín", SECRET)
    assert str(address) == "rtsp://hall.lan:8554/…"
    assert not address.encrypted and camera_address("rtsps://hall.lan").encrypted


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rtsp://10.0.0.7", ("rtsp", "10.0.0.7", 554, "/", None, None)),
        ("RTSPS://Hall.lan/a", ("rtsps", "hall.lan", 322, "/a", None, None)),
        ("http://hall/mjpeg?fps=5#x", ("http", "hall", 80, "/mjpeg?fps=5", None, None)),
        ("https://[fd12::1]:8443/v", ("https", "fd12::1", 8443, "/v", None, None)),
        ("rtsp://user@hall/", ("rtsp", "hall", 554, "/", "user", "")),
        ("rtsp://u:p@hall/user=a&password=b.sdp", ("rtsp", "hall", 554, "/user=a&password=b.sdp", "u", "p")),
        ("rtsp://u:p@ss@hall/", ("rtsp", "hall", 554, "/", "u", "p@ss")),
        ("rtsp://hall/straße", ("rtsp", "hall", 554, "/stra%C3%9Fe", None, None)),
    ],
)
def test_addresses(text: str, parts: tuple) -> None:
    assert camera_address(text) == CameraAddress(*parts)


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "concat:a|b",
        "/dev/video0",
        "udp://239.0.0.1:1234",
        "rtmp://hall/live",
        "ftp://u:hunter2@hall/",
        "rtsp://",
        "rtsp:///stream",
        "rtsp://u:hunter2@hall:99999/",
        "rtsp://u:hunter2@hall:0/",
        "rtsp://[::1/",
        "http://u:hunter2@hall/live/index.m3u8",
        "http://u:hunter2@hall/live/INDEX.MPD?x=1",
        "rtsp://u:hunter2@hall/a b",
        "rtsp://u:hunter2@hall/a\r\nX: y",
        "rtsp://u:hunter2%0d%0aX@hall/",
        "rtsp://u%3Ax:hunter2@hall/",
        "rtsp://u:hunter2/x@hall/",
        "rtsp://u:hunter2/x@hall:port/",
        "rtsp://u:1234/hunter2@hall/",
        "rtsp://u:" + "hunter2" * 400 + "@hall/",
        "hall:hunter2",
        "",
    ],
)
def test_no_addresses_and_no_password_in_the_message(text: str) -> None:
    with pytest.raises(FootageError) as raised:
        camera_address(text)
    assert "hunter2" not in str(raised.value) and len(str(raised.value)) < 250


@pytest.mark.parametrize(
    "text",
    [
        f"rtsp://admin:{ENCODED}@hall.lan:8554/token77?pwd=abc9",
        f"rtsp://admin:{SECRET}@hall.lan/token77",
        f"gopher://admin:{SECRET}@hall.lan/token77",
        f"admin:{SECRET}@hall.lan/token77",
        "rtsp://hall.lan/token77",
    ],
)
def test_what_is_shown_of_an_address(text: str) -> None:
    for secret in ("admin", "s3cr", "p@ss", "p%40ss", "token77", "abc9"):
        assert secret not in hidden(text)


def test_foreign_messages_lose_what_is_secret() -> None:
    address = camera_address(f"rtsp://operator:{ENCODED}@hall.lan:8554/token77")
    told = (
        f"Server returned 401 for rtsp://operator:{ENCODED}@hall.lan:8554/token77 and operator, {SECRET}, {ENCODED} at "
        "/token77 of http://other:word@elsewhere/deep"
    )
    clean = address.hidden_in(told)
    for secret in ("operator", SECRET, ENCODED, "token77", "word", "deep"):
        assert secret not in clean
    assert "Server returned 401 for rtsp://hall.lan/…" in clean and "http://elsewhere/…" in clean


def test_nothing_that_prints_an_address_tells_a_secret() -> None:
    address = camera_address("rtsp://operator:hunter2@hall.lan/token77")
    for text in (str(address), repr(address), f"{address}", repr([address])):
        assert "hunter2" not in text and "operator" not in text and "token77" not in text


def test_redirects() -> None:
    address = camera_address("http://u:p@hall/a")
    same = address.redirected("http://hall:80/b")
    assert (same.target, same.user, same.password) == ("/b", "u", "p")
    assert address.redirected("/c?d").target == "/c?d" and address.redirected("/c?d").user == "u"
    for elsewhere in ("http://other/b", "https://hall/b", "http://hall:81/b", "//other/b"):
        try:
            assert address.redirected(elsewhere).password is None
        except FootageError:
            assert elsewhere.startswith("//")
    with pytest.raises(FootageError, match="file://"):
        address.redirected("file://u:hunter2@host/etc/passwd")


def test_devices() -> None:
    assert str(camera_device(0)) == "/dev/video0"
    for wrong in (-1, 64, True, "0", None, 1.5):
        with pytest.raises(FootageError, match="no number of a device"):
            camera_device(wrong)
