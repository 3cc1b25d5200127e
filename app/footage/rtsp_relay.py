"""Stands between libav and a camera that speaks RTSP, so that libav meets no camera and learns no password.

libav itself resolves names anew, follows redirects anywhere, and prints addresses with passwords. Here the connection
is judged, redirects are told instead of followed, and the user and password are added to requests on their way. libav
connects to this process, over an address with a secret in it, so that nobody else on this machine can.

Requests and answers are read one by one. RTP and RTCP between them (`$`, RFC 2326 section 10.12) pass as they are.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import select
import socket
import threading
from dataclasses import dataclass
from http import HTTPStatus

from app.errors import FootageError
from app.footage.camera_address import CameraAddress
from app.footage.camera_connection import Allowed, connected
from app.footage.http_auth import Credentials
from app.footage.http_stream import REDIRECTS, answered
from app.footage.outage import CameraError, Why

MOST_HEAD = 2**16  # bytes of a request's or an answer's lines
MOST_BODY = 2**20  # bytes, of a session's description
MOST_WAITING = 64  # requests without an answer. Some cameras never answer those that keep a session alive
CHUNK = 2**18  # bytes
NEEDED = ("DESCRIBE", "SETUP", "PLAY")  # requests without which there is no stream
_BLOCK, _BLOCK_HEAD = 0x24, 4  # "$", and with it a channel and a length
_BEGINS = re.compile(rb"\$|RTSP/1\.|[A-Z_]{3,20} (?:rtsps?://|\*)")


@dataclass(slots=True)
class _Request:
    method: str
    target: str
    number: str  # as libav counts
    lines: list[str]  # without the count and without a password


class RtspRelay:
    """One session with a camera. `url` is what libav opens, and `failure` is why the session ended."""

    def __init__(self, address: CameraAddress, allowed: Allowed, seconds: float) -> None:
        """Connects to the camera, and waits for libav in a thread.

        Args:
            address: Of the camera, by rtsp or rtsps.
            allowed: Where it may be.
            seconds: To wait for an answer to the connection, and then for anything at all.

        Raises:
            CameraError: It may not be, or nothing answers.
        """
        self.failure: CameraError | None = None
        self.redirect: CameraAddress | None = None
        self._address, self._seconds = address, seconds
        self._credentials = None if address.user is None else Credentials(address.user, address.password or "")
        self._camera = connected(address, allowed, seconds)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._own = f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/{secrets.token_urlsafe(18)}"
        self._waiting: dict[str, _Request] = {}
        self._count = 0
        self._thread = threading.Thread(target=self._run, name="RTSP", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What libav opens. It names no camera."""
        return self._own + self._address.target

    def close(self) -> None:
        """Ends the session."""
        for connection in (self._listening, self._camera):
            with contextlib.suppress(OSError):  # it ended before
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(self._seconds)

    def _run(self) -> None:
        try:
            with self._camera, self._listening:
                first, libav = self._awaited()
                with libav:
                    try:
                        self._pass_on(libav, first)
                    except CameraError as error:
                        self.failure = error  # before libav hears of the end
                    except (OSError, ValueError):  # ValueError of a socket that was closed meanwhile
                        self.failure = CameraError(Why.ENDED, f"{self._address.base} ended the connection.")
        except (OSError, ValueError):
            pass  # libav never came

    def _awaited(self) -> tuple[bytes, socket.socket]:
        """The connection of libav, with its first request. Who does not know the secret is sent away.

        It waits without end: on a busy machine libav comes late, and where it does not come somebody calls `close`.
        """
        while True:
            libav, _ = self._listening.accept()
            try:
                libav.settimeout(self._seconds)
                first = b""
                while b"\r\n" not in first and len(first) < MOST_HEAD and (more := libav.recv(CHUNK)):
                    first += more
                if self._own.encode() in first.split(b"\r\n")[0]:
                    libav.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return first, libav
            except OSError:
                pass
            libav.close()

    def _pass_on(self, libav: socket.socket, asked: bytes) -> None:
        """Until one of both ends."""
        told = b""
        asked = self._requests(asked)
        room = bytearray(CHUNK)  # for all that comes: a new one each time would fragment the memory of months
        while True:
            ready = [self._camera] if _has_more(self._camera) else []
            ready = ready or select.select([libav, self._camera], [], [], self._seconds)[0]
            if not ready:
                raise CameraError(Why.STALLED, f"{self._address.base} sent nothing for {self._seconds:g} s.")
            if libav in ready:
                size = libav.recv_into(room)
                if not size:
                    return
                asked = self._requests(asked + room[:size])
            if self._camera in ready:
                size = self._camera.recv_into(room)
                if not size:
                    raise CameraError(Why.ENDED, f"{self._address.base} ended the stream.")
                told, passed = self._answers(told + room[:size])
                libav.sendall(passed)

    def _requests(self, data: bytes) -> bytes:
        """Sends whole requests to the camera, and returns what is left."""
        while data:
            if data[0] == _BLOCK:
                whole = _BLOCK_HEAD + int.from_bytes(data[2:4], "big")
                if len(data) < max(whole, _BLOCK_HEAD):
                    break
                self._camera.sendall(data[:whole])
                data = data[whole:]
                continue
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                break
            data = rest
            first, *lines = head.decode("utf-8", "replace").split("\r\n")
            method, target, _ = first.split(" ", 2)
            headers = _headers(lines)
            kept = [line for line in lines if not line.lower().startswith(("cseq:", "authorization:"))]
            request = _Request(method, target.replace(self._own, self._address.base, 1), headers.get("cseq", "0"), kept)
            self._send(request)
        return data

    def _send(self, request: _Request) -> None:
        self._count += 1
        lines = [f"{request.method} {request.target} RTSP/1.0", f"CSeq: {self._count}", *request.lines]
        told = None if self._credentials is None else self._credentials.header(request.method, request.target)
        if told is not None:
            lines.append(f"Authorization: {told}")
        self._waiting[str(self._count)] = request
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._camera.sendall("\r\n".join([*lines, "", ""]).encode())

    def _answers(self, data: bytes) -> tuple[bytes, bytes]:
        """What is left of what the camera sent, and what libav is to hear."""
        heard = bytearray()
        at, size = 0, len(data)
        while at < size:
            if data[at] == _BLOCK:
                if size - at < _BLOCK_HEAD:
                    break
                end = at + _BLOCK_HEAD + int.from_bytes(data[at + 2 : at + 4], "big")
                if end > size:
                    break
                heard += data[at:end]
                at = end
                continue
            begin = _BEGINS.search(data, at)
            if begin is None or begin.start() > at:  # some cameras send a few stray bytes
                at = max(at, size - 32) if begin is None else begin.start()
                if begin is None:
                    break
                continue
            head_end = data.find(b"\r\n\r\n", at)
            if head_end < 0:
                if size - at > MOST_HEAD:
                    raise CameraError(Why.ANSWER, f"{self._address.base} sends no proper RTSP: check its port.")
                break
            first, *lines = data[at:head_end].decode("utf-8", "replace").split("\r\n")
            headers = _headers(lines)
            body = _length(headers.get("content-length", "0"))
            if body is None:
                raise CameraError(Why.ANSWER, f"{self._address.base} sends no proper RTSP: check its port.")
            end = head_end + 4 + body
            if end > size:
                break
            message = self._answer(first, lines, headers, data[head_end + 4 : end])
            heard += message
            at = end
        return data[at:], bytes(heard)

    def _answer(self, first: str, lines: list[str], headers: dict[str, str], body: bytes) -> bytes:
        """What libav is to hear of one answer, nothing where the request goes out again."""
        if not first.startswith("RTSP/1."):
            return b""  # the camera's own request. libav has no use for it
        status = _status(first)
        request = self._waiting.pop(headers.get("cseq", ""), None)
        if status in REDIRECTS:
            self._redirected(headers.get("location", ""))
        if request is not None and status == HTTPStatus.UNAUTHORIZED:
            challenges = [
                line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("www-authenticate:")
            ]
            if self._credentials is not None and self._credentials.challenged(challenges):
                self._send(request)
                return b""
        if status < HTTPStatus.BAD_REQUEST and self._credentials is not None:
            self._credentials.worked()
        if status >= HTTPStatus.BAD_REQUEST and request is not None and request.method in NEEDED:
            raise answered(self._address, status, self._credentials is not None)
        kept = [line for line in lines if not line.lower().startswith(("cseq:", "www-authenticate:", "location:"))]
        number = "0" if request is None else request.number
        return "\r\n".join([first, f"CSeq: {number}", *kept, "", ""]).encode() + body

    def _redirected(self, location: str) -> None:
        try:
            self.redirect = self._address.redirected(location)
        except FootageError as error:
            raise CameraError(Why.FORBIDDEN, f"{self._address.base} sends elsewhere: {error}.") from None
        raise CameraError(Why.ANSWER, f"{self._address.base} sends to {self.redirect}.")


def _has_more(connection: socket.socket) -> bool:
    """Whether TLS has decrypted more than was read: `select` does not see that."""
    pending = getattr(connection, "pending", None)
    return pending is not None and pending() > 0


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _status(first: str) -> int:
    words = first.split(" ", 2)
    return int(words[1]) if len(words) > 1 and re.fullmatch("[1-5][0-9]{2}", words[1]) else 599


def _length(text: str) -> int | None:
    """Bytes of a body, None where that can't be meant."""
    return int(text) if re.fullmatch("[0-9]{1,7}", text) and int(text) <= MOST_BODY else None
