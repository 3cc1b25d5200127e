"""A camera that sends MJPEG or MPEG-TS over HTTP, and that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from fractions import Fraction
from typing import Self

import av
import cv2
import numpy as np


class HttpCamera:
    """Answers each connection in a thread of its own."""

    def __init__(
        self,
        *,
        kind: str = "multipart/x-mixed-replace; boundary=frame",
        head: str | None = None,
        challenge: str | None = None,
        right: str = "",
        pictures: int | None = None,
        then: str = "stall",
        size: tuple[int, int] = (160, 120),
        body: bytes = b"",
        seconds: float | None = None,
    ) -> None:
        """Takes how it behaves.

        Args:
            kind: Of its stream.
            head: An answer to send instead.
            challenge: `WWW-Authenticate`, until a request holds `right`.
            right: Part of the header `Authorization`.
            pictures: After which it ends or stalls.
            then: "stall" or "end".
            size: Of its pictures.
            body: What it sends instead of pictures, again and again.
            seconds: Over which the body is sent, once.
        """
        self.kind, self.head, self.challenge, self.right = kind, head, challenge, right
        self.pictures, self.then, self.size, self.body, self.seconds = pictures, then, size, body, seconds
        self.requests: list[str] = []
        self.ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def url(self, user: str = "", path: str = "/mjpeg") -> str:
        return f"http://{user + '@' if user else ''}127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._served, args=(connection,), daemon=True).start()

    def _served(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = connection.recv(65536).decode()
            self.requests.append(request)
            if self.challenge is not None and self.right not in request.partition("Authorization: ")[2]:
                connection.sendall(
                    f"HTTP/1.1 401 No\r\nWWW-Authenticate: {self.challenge}\r\nContent-Length: 0\r\n\r\n".encode()
                )
                return
            if self.head is not None:
                connection.sendall(self.head.encode())
                return
            connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: {self.kind}\r\n\r\n".encode())
            if self.seconds is not None:
                pieces = [self.body[k : k + 1880] for k in range(0, len(self.body), 1880)]
                for piece in pieces:
                    connection.sendall(piece)
                    if self.ended.wait(self.seconds / len(pieces)):
                        return
                return
            number = 0
            while self.pictures is None or number < self.pictures:
                connection.sendall(self.body or self._picture(number))
                number += 1
                if self.ended.wait(0.04):
                    return
            if self.then == "stall":
                self.ended.wait()

    def _picture(self, number: int) -> bytes:
        image = np.full((self.size[1], self.size[0], 3), 60, np.uint8)
        image[:, : 1 + number % self.size[0]] = 220
        data = cv2.imencode(".jpg", image)[1].tobytes()
        return f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n"


def transport_stream(seconds: float, first: float, rate: int = 25) -> bytes:
    """An MPEG transport stream whose stamps begin at `first` seconds. Its clock has 33 bits."""
    file = io.BytesIO()
    options = {"mpegts_copyts": "1", "muxdelay": "0", "muxpreload": "0"}
    with av.open(file, "w", format="mpegts", options=options) as output:
        stream = output.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency", "g": "12"}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(round(seconds * rate)):
            image = np.full((120, 160, 3), number % 200, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                packet.pts = packet.dts = round((first + number / rate) * 90_000)
                packet.time_base = Fraction(1, 90_000)
                output.mux(packet)
    return file.getvalue()
