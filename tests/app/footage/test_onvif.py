"""ONVIF cameras on a fake network: who answers, what they offer, and what is made of nonsense."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.errors import FootageError
from app.footage import onvif
from app.footage.camera_connection import Allowed
from app.footage.onvif import profiles
from app.footage.ws_discovery import Device, devices

SECRET = "hunter2"
MATCH = """<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Body><d:ProbeMatches><d:ProbeMatch>
<d:Scopes>onvif://www.onvif.org/hardware/DS-2 onvif://www.onvif.org/name/Front%20door%07</d:Scopes>
<d:XAddrs>{address}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"""


class Network:
    """Answers each datagram with some."""

    def __init__(self, *answers: bytes) -> None:
        self.questions: list[bytes] = []
        self._answers = answers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.place = self._socket.getsockname()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(65_536)
            self.questions.append(question)
            for answer in self._answers:
                self._socket.sendto(answer, sender)


def test_devices_that_answer() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    network = Network(
        b"nonsense",
        b"<a/>",
        bomb,
        MATCH.format(address="ftp://127.0.0.1/x").encode(),
        MATCH.format(address="http://127.0.0.1:99999/x").encode(),
        MATCH.format(address="http://169.254.169.254:8080/onvif/device_service http://[::1]/x").encode(),
        MATCH.format(address="http://127.0.0.1/onvif/device_service").encode(),
    )
    # The host is who sent the answer.
    expected = [Device("127.0.0.1", 80, "Front door"), Device("127.0.0.1", 8080, "Front door")]
    assert devices(0.7, group=network.place) == expected
    assert b"NetworkVideoTransmitter" in network.questions[0] and len(network.questions) == 2


def test_nobody_answers() -> None:
    assert devices(0.2, group=("127.0.0.1", 9)) == []


class Camera(BaseHTTPRequestHandler):
    """Speaks as much ONVIF as is asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        action = re.findall(r"<(?:[\w-]+:)?Body>\s*<(?:[\w-]+:)?(\w+)", body)[0]
        told: list[str] = self.server.told  # type: ignore[attr-defined]
        told.append("elsewhere" if self.path == "/elsewhere" else action)
        answers: dict[str, str] = self.server.answers  # type: ignore[attr-defined]
        answer = answers.get(action, "")
        if answer.startswith("redirect"):
            self.send_response(307)
            self.send_header("Location", answer.split()[1])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        needs = action not in ("GetSystemDateAndTime",)
        if needs and ("<wsse:Username>operator<" not in body or SECRET in body):
            answer = (
                "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>"
                '<s:Reason><s:Text xml:lang="en">Sender not Authorized</s:Text></s:Reason></s:Fault>'
            )
        text = (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            'xmlns:t="http://www.onvif.org/ver10/schema" xmlns:m="http://www.onvif.org/ver10/media/wsdl" '
            f'xmlns:d="http://www.onvif.org/ver10/device/wsdl"><s:Body>{answer}</s:Body></s:Envelope>'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/soap+xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


def profile(token: str, name: str, width: int, rate: int) -> str:
    return (
        f'<m:Profiles token="{token}"><t:Name>{name}</t:Name><t:VideoEncoderConfiguration token="v{token}">'
        f"<t:Name>v</t:Name><t:UseCount>1</t:UseCount><t:Encoding>H264</t:Encoding>"
        f"<t:Resolution><t:Width>{width}</t:Width><t:Height>{width * 9 // 16}</t:Height></t:Resolution>"
        f"<t:Quality>5</t:Quality><t:RateControl><t:FrameRateLimit>{rate}</t:FrameRateLimit>"
        "<t:EncodingInterval>1</t:EncodingInterval><t:BitrateLimit>4096</t:BitrateLimit></t:RateControl>"
        "<t:Multicast><t:Address><t:Type>IPv4</t:Type></t:Address><t:Port>0</t:Port><t:TTL>0</t:TTL>"
        "<t:AutoStart>false</t:AutoStart></t:Multicast><t:SessionTimeout>PT60S</t:SessionTimeout>"
        "</t:VideoEncoderConfiguration></m:Profiles>"
    )


ANSWERS = {
    "GetSystemDateAndTime": (
        "<d:GetSystemDateAndTimeResponse><d:SystemDateAndTime><t:DateTimeType>NTP</t:DateTimeType>"
        "<t:DaylightSavings>false</t:DaylightSavings><t:UTCDateTime><t:Time><t:Hour>12</t:Hour><t:Minute>0</t:Minute>"
        "<t:Second>0</t:Second></t:Time><t:Date><t:Year>2026</t:Year><t:Month>11</t:Month><t:Day>29</t:Day></t:Date>"
        "</t:UTCDateTime></d:SystemDateAndTime></d:GetSystemDateAndTimeResponse>"
    ),
    # Another host than the one that was asked: it is asked all the same, and not this one.
    "GetServices": (
        "<d:GetServicesResponse><d:Service><d:Namespace>http://www.onvif.org/ver10/media/wsdl</d:Namespace>"
        "<d:XAddr>http://169.254.169.254/onvif/media</d:XAddr><d:Version><t:Major>2</t:Major><t:Minor>5</t:Minor>"
        "</d:Version></d:Service></d:GetServicesResponse>"
    ),
    "GetProfiles": "<m:GetProfilesResponse>"
    + profile("1", "main", 1920, 25)
    + profile("2", "sub", 640, 10)
    + "</m:GetProfilesResponse>",
    "GetStreamUri": (
        "<m:GetStreamUriResponse><m:MediaUri><t:Uri>rtsp://operator:hunter2@10.0.0.7:8554/main?channel=1</t:Uri>"
        "<t:InvalidAfterConnect>false</t:InvalidAfterConnect><t:InvalidAfterReboot>false</t:InvalidAfterReboot>"
        "<t:Timeout>PT0S</t:Timeout></m:MediaUri></m:GetStreamUriResponse>"
    ),
}


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    pytest.importorskip("onvif")
    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        server.told, server.answers = [], dict(ANSWERS)  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_profiles_with_their_addresses(server: ThreadingHTTPServer) -> None:
    found = profiles("127.0.0.1", server.server_port, "operator", SECRET, Allowed())
    assert [(each.name, each.codec, each.width, each.height, each.rate) for each in found] == [
        ("main", "H264", 1920, 1080, 25),
        ("sub", "H264", 640, 360, 10),
    ]
    assert found[0].url == "rtsp://10.0.0.7:8554/main?channel=1" and SECRET not in repr(found)
    assert server.told.count("GetStreamUri") == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("user", "answers", "said"),
    [
        ("stranger", {}, "does not take the user and the password"),
        ("operator", {"GetProfiles": "redirect /elsewhere"}, "does not answer as an ONVIF camera"),
        ("operator", {"GetSystemDateAndTime": "redirect /elsewhere"}, "does not answer as an ONVIF camera"),
    ],
)
def test_cameras_that_do_not_tell(server: ThreadingHTTPServer, user: str, answers: dict[str, str], said: str) -> None:
    server.answers.update(answers)  # type: ignore[attr-defined]
    with pytest.raises(FootageError, match=said) as raised:
        profiles("127.0.0.1", server.server_port, user, SECRET, Allowed())
    assert SECRET not in str(raised.value)
    assert "elsewhere" not in server.told  # type: ignore[attr-defined]


def test_addresses_that_no_camera_may_have_are_left_out(server: ThreadingHTTPServer) -> None:
    server.answers["GetStreamUri"] = ANSWERS["GetStreamUri"].replace("rtsp://", "file://")  # type: ignore[attr-defined]
    assert profiles("127.0.0.1", server.server_port, "operator", SECRET, Allowed()) == []
    server.answers["GetProfiles"] = "<m:Nonsense/>"  # type: ignore[attr-defined]
    assert profiles("127.0.0.1", server.server_port, "operator", SECRET, Allowed()) == []


def test_nothing_is_sent_where_no_camera_may_be() -> None:
    pytest.importorskip("onvif")
    with pytest.raises(FootageError, match="this machine itself"):
        profiles("127.0.0.1", 80, "operator", SECRET, Allowed(loopback=False))
    with pytest.raises(FootageError, match="only machines beside it reach"):
        profiles("169.254.169.254", 80, "operator", SECRET, Allowed())


def test_a_camera_that_never_answers() -> None:
    pytest.importorskip("onvif")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FootageError, match="within 1 s") as raised:
        profiles("127.0.0.1", silent.getsockname()[1], "operator", SECRET, Allowed(), seconds=1.0)
    assert SECRET not in str(raised.value)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onvif", None)
    with pytest.raises(FootageError, match=r"another library: run pip install '.\[onvif\]'"):
        onvif.profiles("127.0.0.1", 80, None, None, Allowed())
