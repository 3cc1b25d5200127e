"""A camera that speaks RTSP over TCP, with libav's own RTP, and that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import struct
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np

from tests.clips import render_clip

NTP = 2_208_988_800  # s from 1900 to 1970
TICKS = 90_000
ESTABLISHED = 1  # of Linux's TCP_INFO


@dataclass
class Behaviour:
    """What a camera does. Changes count from the next connection on."""

    mute: bool = False  # accepts and never answers
    half: bool = False  # sends half of its first answer
    status: int = 200  # of its answer to DESCRIBE
    redirect: str | None = None
    password: tuple[str, str, str] | None = None  # user, password, Basic or Digest
    stale_after: int | None = None  # requests after which another nonce is asked for
    packets: int | None = None  # of RTP, after which it
    then: str = "stall"  # or "end", which closes the connection
    first_ticks: int | None = None  # RTP stamp of the first frame
    jump: tuple[int, float] | None = None  # at which frame its stamps jump, and by how many seconds
    clock_ahead: float = 0.0  # s, in its sender reports
    speed: float = 1.0
    burst: int = 0  # frames that come at once, as those that a camera keeps back
    film: Path | None = None  # other than the first
    since: float | None = None  # UTC seconds at which the film began, for all connections. None: with each of them


@dataclass
class Met:
    """What the camera heard."""

    connections: int = 0
    most_at_once: int = 0
    at_once: int = 0
    requests: list[str] = field(default_factory=list)


class Writes:
    """What libav writes, a packet a call."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.packets.append(bytes(data))
        return len(data)


class RtspServer:
    """Serves a film in a loop, in real time, its stamps going on."""

    def __init__(
        self, film: Path, behaviour: Behaviour | None = None, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.tls = tls
        self.film, self.behaviour = film, behaviour or Behaviour()
        self.met = Met()
        self.bytes_a_second: float | None = None  # that it sends at most, of all connections from now on
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.drop()

    def drop(self) -> None:
        """Ends all connections, and goes on listening."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def url(self, user: str = "", path: str = "/stream1") -> str:
        return f"rtsp{'s' if self.tls else ''}://{user + '@' if user else ''}127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._served, args=(connection,), daemon=True).start()

    def _served(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
            self.met.connections += 1
            self.met.at_once += 1
            there = sum(map(_is_open, self._connections))
            self.met.most_at_once = max(self.met.most_at_once, there)
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Session(self, connection).run()
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
                self.met.at_once -= 1


def _is_open(connection: socket.socket) -> bool:
    """Whether the other side has not ended it, as the system knows before anybody reads."""
    return connection.fileno() >= 0 and connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


class _Session:
    def __init__(self, server: RtspServer, connection: socket.socket) -> None:
        self.server, self.connection = server, connection
        self.behaviour = server.behaviour
        self.film = self.behaviour.film or server.film
        self.nonce, self.asked = "n0", 0

    def run(self) -> None:
        file = self.connection.makefile("rb")
        while True:
            first = file.read(1)
            if not first:
                return
            if first == b"$":
                file.read(int.from_bytes(file.read(3)[1:], "big"))
                continue
            lines = (first + file.readline()).decode().split("\r\n")[:1]
            while (line := file.readline().decode().rstrip("\r\n")) != "":
                lines.append(line)
            self.server.met.requests.append("\n".join(lines))
            if self.behaviour.mute:
                self.hold()
                return
            method, target, _ = lines[0].split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            if self.answer(method, target, headers):
                self.play()
                return

    def hold(self) -> None:
        """Sends nothing more, until the other side is gone."""
        while self.connection.recv(65536):
            pass

    def send(self, status: int, number: str, *headers: str, body: str = "") -> None:
        length = [f"Content-Length: {len(body)}"] if body else []
        text = "\r\n".join([f"RTSP/1.0 {status} Whatever", f"CSeq: {number}", *headers, *length, "", body])
        if self.behaviour.half:
            self.connection.sendall(text.encode()[: len(text) // 2])
            self.hold()
        self.connection.sendall(text.encode())

    def answer(self, method: str, target: str, headers: dict[str, str]) -> bool:
        """Whether the film is to be played."""
        behaviour, number = self.behaviour, headers["cseq"]
        if behaviour.password is not None and method != "OPTIONS":
            self.asked += 1
            if behaviour.stale_after is not None and self.asked % behaviour.stale_after == 0:
                self.nonce = f"n{self.asked}"
            if not self.is_right(headers.get("authorization", ""), method, target):
                kind = behaviour.password[2]
                challenge = f'{kind} realm="camera"' + (f', nonce="{self.nonce}"' if kind == "Digest" else "")
                self.send(401, number, f"WWW-Authenticate: {challenge}")
                return False
        if method == "DESCRIBE" and behaviour.redirect is not None:
            self.send(302, number, f"Location: {behaviour.redirect}")
        elif method == "DESCRIBE" and behaviour.status != 200:
            self.send(behaviour.status, number)
        elif method == "DESCRIBE":
            self.send(200, number, "Content-Type: application/sdp", body=_description(self.film))
        elif method == "SETUP":
            self.send(200, number, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 7;timeout=60")
        elif method == "PLAY":
            self.send(200, number, "Session: 7", "Range: npt=0.000-")
            return True
        else:
            self.send(200, number, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER")
        return False

    def is_right(self, told: str, method: str, target: str) -> bool:
        assert self.behaviour.password is not None
        user, password, kind = self.behaviour.password
        if kind == "Basic":
            return told.startswith("Basic ") and b64decode(told[6:]).decode() == f"{user}:{password}"

        def hashed(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        right = hashed(f"{hashed(f'{user}:camera:{password}')}:{self.nonce}:{hashed(f'{method}:{target}')}")
        return f'response="{right}"' in told and f'uri="{target}"' in told

    def play(self) -> None:
        """Sends the film until told otherwise, or until the other side is gone."""
        behaviour, sent = self.behaviour, 0
        began, base, first_shown, since = time.monotonic(), None, 0.0, 0.0
        if behaviour.since is not None:
            since = time.time() - behaviour.since
            began -= since
        for number, seconds, shown, packets in _rtp(self.film, since):
            seconds /= behaviour.speed
            shift = 0.0
            if behaviour.jump is not None and number >= behaviour.jump[0]:
                shift = behaviour.jump[1]
            wait = began + seconds - behaviour.burst * 0.04 - time.monotonic()
            if wait > 0 and self.server.ended.wait(wait):
                return
            if base is None:
                base, first_shown = next(_stamp(packet) for packet in packets if not _is_report(packet)), shown
            first = base if behaviour.first_ticks is None else behaviour.first_ticks
            for packet in packets:
                data, report = bytearray(packet), _is_report(packet)
                if report:
                    ntp = time.time() + behaviour.clock_ahead + NTP
                    struct.pack_into(">II", data, 8, int(ntp), int(ntp % 1 * 2**32))
                    now = time.monotonic() - began - first_shown + behaviour.burst * 0.04
                    struct.pack_into(">I", data, 16, (first + round((now + shift) * TICKS)) % 2**32)
                else:
                    ticks = _stamp(packet) - base + first + round(shift * TICKS)
                    struct.pack_into(">I", data, 4, ticks % 2**32)
                if self.server.bytes_a_second and self.server.ended.wait(len(data) / self.server.bytes_a_second):
                    return
                self.connection.sendall(b"$" + bytes([int(report)]) + len(data).to_bytes(2, "big") + data)
                sent += 1
                if behaviour.packets is not None and sent >= behaviour.packets:
                    if behaviour.then == "stall":
                        self.hold()
                    return


def _is_report(packet: bytes) -> bool:
    """Whether it is RTCP."""
    return 200 <= packet[1] <= 204


def _stamp(packet: bytes) -> int:
    """Of RTP."""
    return int.from_bytes(packet[4:8], "big")


def _rtp(film: Path, since: float) -> Iterator[tuple[int, float, float, list[bytes]]]:
    """A film's frames without end, in the order of their packets.

    Each is its number, seconds at which it is sent, seconds at which it is shown, and the packets of RTP and RTCP.
    Frames that others are predicted from are sent before those that are shown earlier. So all are sent a little after
    they are shown, and none before.

    since: seconds before which nothing is sent. A keyframe comes first.
    """
    writes = Writes()
    with av.open(str(film)) as source, av.open(writes, "w", format="rtp", options={"packetsize": "1400"}) as output:
        stream = source.streams.video[0]
        there = output.add_stream_from_template(stream)
        rate = Fraction(stream.average_rate or 25)
        stamps = [packet.pts for packet in source.demux(stream) if packet.pts is not None]
        place = {stamp: number for number, stamp in enumerate(sorted(stamps))}
        late = max(place[stamp] - number for number, stamp in enumerate(stamps))
        number = max(0, int(since * rate) // len(stamps)) * len(stamps)
        first: int | None = None
        while True:
            source.seek(0)
            loop = number
            for packet in source.demux(stream):
                if packet.pts is None:
                    continue
                due, shown = (number + late) / rate, loop + place[packet.pts]
                if first is None and packet.is_keyframe and due >= since:
                    first = shown
                if first is not None:
                    packet.stream = there
                    packet.pts, packet.dts = (round((at - first) / rate * TICKS) for at in (shown, number - late))
                    packet.time_base = Fraction(1, TICKS)
                    output.mux(packet)
                    packets, writes.packets = writes.packets, []
                    yield number, float(due), float(shown / rate), packets
                number += 1


def _description(film: Path) -> str:
    with av.open(str(film)) as source:
        context = source.streams.video[0].codec_context
        name, extra = context.name, bytes(context.extradata or b"")
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "t=0 0", "c=IN IP4 0.0.0.0"]
    if name == "h264":
        sets = re.split(b"\x00\x00\x00?\x01", extra)[1:] if extra[:1] != b"\x01" else _of_avcc(extra)
        sprop = ",".join(b64encode(parameters).decode() for parameters in sets)
        lines += [
            "m=video 0 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
            f"a=fmtp:96 packetization-mode=1; sprop-parameter-sets={sprop}",
        ]
    else:
        lines += ["m=video 0 RTP/AVP 26"]
    return "\r\n".join([*lines, "a=control:track0", ""])


def _of_avcc(extra: bytes) -> list[bytes]:
    """Parameter sets of an MP4's header."""
    sets, at = [], 5
    for mask in (0x1F, 0xFF):
        count = extra[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(extra[at : at + 2], "big")
            sets.append(extra[at + 2 : at + 2 + size])
            at += 2 + size
    return sets


def jpeg_of(path: Path, size: tuple[int, int]) -> Path:
    """Four seconds of JPEG as RFC 2435 wants it: sides of whole blocks and the usual tables."""
    options = {"huffman": "default"}
    return render_clip(path, 100, codec="mjpeg", pixel_format="yuvj420p", size=size, codec_options=options).path


def film_of(path: Path, size: tuple[int, int] = (160, 120), seconds: float = 4.0, rate: int = 25) -> Path:
    """H.264 without B-frames, a keyframe each half second. A bar tells the frame's number."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency", "g": str(rate // 2)}
        )
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        count = round(seconds * rate)
        for number in range(count):
            image = np.full((size[1], size[0], 3), 40, np.uint8)
            image[:, : (number + 1) * size[0] // count] = 200
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())
    return path
