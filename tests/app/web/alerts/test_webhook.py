"""What a webhook gets, what it may not answer, and that nothing secret is said when it fails."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from app.errors import SiteError
from app.web.alerts.webhook import DELIVERY, SIGNATURE, TIME, NotTaken, post, signature, target_of

SECRET = "both-know-it"


@dataclass
class Receiver:
    """A server on this machine, which says what it is told to."""

    port: int
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    slowly: bool = False
    came: list[bytes] = field(default_factory=list)

    def connect(self, host: str, port: int, *, private: bool, seconds: float) -> socket.socket:
        """In place of what refuses this machine."""
        return socket.create_connection(("127.0.0.1", self.port), seconds)

    def post(self, url: str = "http://hooks.example/in?token=TOP", **options: object) -> None:
        given = {"delivery": "3-abc-7", "private": False, "seconds": 2.0} | options
        post(url, SECRET, {"camera": "hall"}, connect=self.connect, **given)  # type: ignore[arg-type]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            came = b""
            while b"\r\n\r\n" not in came or len(came.partition(b"\r\n\r\n")[2]) < 18:
                if not (more := self.request.recv(65536)):
                    break
                came += more
            here.came.append(came)
            try:
                for byte in here.answer if here.slowly else ():
                    self.request.sendall(bytes([byte]))
                    time.sleep(0.2)
                self.request.sendall(here.answer)
            except OSError:
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        here = Receiver(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield here
        server.shutdown()


def test_it_gets_signed_json(receiver: Receiver) -> None:
    receiver.post()
    head, _, body = receiver.came[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /in?token=TOP HTTP/1.1"
    assert (headers["Host"], headers["Content-Type"], headers[DELIVERY]) == (
        "hooks.example",
        "application/json",
        "3-abc-7",
    )
    assert json.loads(body) == {"camera": "hall"}
    assert headers[SIGNATURE] == signature(SECRET, headers[TIME], body)
    assert headers[SIGNATURE] != signature(SECRET, str(int(headers[TIME]) + 1), body)
    assert abs(time.time() - int(headers[TIME])) < 5


def test_a_signature_is_as_openssl_has_it() -> None:
    # printf '1795946400.{}' | openssl dgst -sha256 -hmac key
    digest = "c0c77993523c0e42f5b361e390f3ad8d648d3237e7434e35dfbab013a450c123"
    assert signature("key", "1795946400", b"{}") == f"sha256={digest}"


@pytest.mark.parametrize(
    ("answer", "lasting"),
    [("302 Found\r\nLocation: http://127.0.0.1/", False), ("404 x", True), ("500 x", False), ("429 x", False)],
)
def test_what_is_not_success_was_not_taken(receiver: Receiver, answer: str, lasting: bool) -> None:
    receiver.answer = f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(NotTaken, match=f"answered {answer[:3]}") as told:
        receiver.post()
    assert told.value.lasting == lasting and "TOP" not in str(told.value) and SECRET not in str(told.value)
    assert len(receiver.came) == 1  # a redirect leads nowhere


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200, b"HTTP/1.1 200 " + b"x" * 10**6]
)
def test_what_is_no_answer_was_not_taken(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = answer
    with pytest.raises(NotTaken, match="can't be reached") as told:
        receiver.post()
    assert "TOP" not in str(told.value)


def test_a_large_answer_is_not_read(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + bytes(10**6)
    began = time.monotonic()
    receiver.post()
    assert time.monotonic() - began < 1.5


def test_an_answer_that_trickles_is_cut_off(receiver: Receiver) -> None:
    receiver.slowly, receiver.answer = True, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    began = time.monotonic()
    with pytest.raises(NotTaken):
        receiver.post(seconds=0.7)
    assert time.monotonic() - began < 2


def test_without_a_right_certificate_nothing_is_sent(receiver: Receiver) -> None:
    with pytest.raises(NotTaken, match="can't be reached"):
        receiver.post("https://hooks.example/in?token=TOP")
    assert b"TOP" not in b"".join(receiver.came)


def test_this_machine_is_refused_before_anything_is_sent(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "2130706433"):
        with pytest.raises(NotTaken, match=r"this machine itself|has no address|no single"):
            post(f"http://{host}:{receiver.port}/TOP", SECRET, {}, delivery="x", private=True)
    assert receiver.came == []


def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    receiver.post()
    assert len(receiver.came) == 1


WRONG = (
    "ftp://a.example/",
    "file:///etc/passwd",
    "gopher://a.example/",
    "//a.example",
    "a.example",
    "http://",
    "http:///x",
    "http://a.example:x/",
    "http://a.example:99999/",
    "https://a.example/a b",
    "https://a.example/\r\nX: y",
    "https://é.example/",
    "http://[::1",
    "http://user:pass@a.example/",
    "http://user@a.example/",
    "https://a.example/" + "x" * 2000,
    "",
)


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SiteError) as told:
        target_of(url)
    assert "pass" not in str(told.value).replace("password", "")


def test_an_address_is_shown_without_its_secrets() -> None:
    for url, shown in (
        ("https://a.example/in/TOP?x=TOP#TOP", "https://a.example"),
        ("http://a.example:8080/TOP", "http://a.example:8080"),
        ("https://[2606:4700::1111]:444/", "https://[2606:4700::1111]:444"),
    ):
        assert target_of(url).shown == shown
