"""A camera's stream over HTTP, as a file that is read from: MJPEG, MPEG-TS and the like, without end.

All of HTTP is spoken here and not in libav, which sees bytes only. So each connection and redirect is judged, no
password reaches a foreign library, and no stream opens anything.
"""

from __future__ import annotations

import http.client
import socket
from dataclasses import replace
from http import HTTPStatus

from app.errors import FootageError
from app.footage.camera_address import CameraAddress
from app.footage.camera_connection import Allowed, connected
from app.footage.http_auth import Credentials
from app.footage.outage import CameraError, Why

MOST_REDIRECTS = 3
PLAYLIST_TYPES = ("mpegurl", "dash+xml", "scpls", "x-ms-asf", "text/", "application/json")
REDIRECTS = {301, 302, 303, 307, 308}


class HttpStream:
    """The body of an answer. To be read by one thread."""

    def __init__(self, address: CameraAddress, allowed: Allowed, seconds: float) -> None:
        """Asks the camera for its stream, with its user and password where it asks for them.

        Args:
            address: Of the camera, by http or https.
            allowed: Where it may be, and where it may send us to.
            seconds: To wait for an answer, and for more of the stream.

        Raises:
            CameraError: There is no stream.
        """
        self.name = address.base  # what libav calls it
        for _ in range(MOST_REDIRECTS + 1):
            location = self._asked(address, allowed, seconds)
            if location is None:
                return
            try:
                before, address = address, address.redirected(location)
            except FootageError as error:
                raise CameraError(Why.FORBIDDEN, f"{address.base} sends elsewhere: {error}.") from None
            if address.scheme not in ("http", "https"):
                raise CameraError(Why.FORBIDDEN, f"{self.name} sends to {address}: give that address instead.")
            if address.host != before.host:  # a foreign machine does not choose what runs on this one
                allowed = replace(allowed, loopback=False)
        raise CameraError(Why.ANSWER, f"{self.name} sends from one address to the next: give the last one.")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes as soon as there are any, none at the end. Raises OSError where nothing comes."""
        try:
            return self._response.read1(size)
        except http.client.HTTPException as error:
            raise OSError("no proper answer") from error

    def close(self) -> None:
        """Ends the connection."""
        self._response.close()
        self._connection.close()

    def _asked(self, address: CameraAddress, allowed: Allowed, seconds: float) -> str | None:
        """Asks one address. None where its stream comes, else where it sends to."""
        credentials = None if address.user is None else Credentials(address.user, address.password or "")
        while True:
            self._connection = _Connection(address, allowed, seconds)
            authorization = None if credentials is None else credentials.header("GET", address.target)
            headers = {"Accept": "*/*", "User-Agent": "Sightline"}
            if authorization is not None:
                headers["Authorization"] = authorization
            try:
                self._connection.request("GET", address.target, headers=headers)
                self._response = self._connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                timed_out = isinstance(error, TimeoutError)
                raise CameraError(
                    Why.OPENING if timed_out else Why.ANSWER,
                    f"{address.base} takes the connection and answers {'nothing' if timed_out else 'no HTTP'}: check "
                    "that this is the camera's port.",
                ) from None
            status = self._response.status
            if status == HTTPStatus.OK:
                self._refuse_playlists(address)
                return None
            location = self._response.headers.get("Location")
            challenges = self._response.headers.get_all("WWW-Authenticate", [])
            self.close()
            if status in REDIRECTS and location:
                return location
            if status == HTTPStatus.UNAUTHORIZED and credentials is not None and credentials.challenged(challenges):
                continue
            raise answered(address, status, credentials is not None)

    def _refuse_playlists(self, address: CameraAddress) -> None:
        kind = self._response.headers.get("Content-Type", "").lower()
        if any(part in kind for part in PLAYLIST_TYPES):
            self.close()
            raise CameraError(
                Why.UNREADABLE, f"{address.base} sends a page or a playlist: give the address of the stream itself."
            )


def answered(address: CameraAddress, status: int, told: bool) -> CameraError:
    """The error for a camera's answer by number, of HTTP or RTSP. told: whether a user and a password were given."""
    if status == HTTPStatus.UNAUTHORIZED:
        what = "does not take the user and the password" if told else "asks for a user and a password"
        return CameraError(Why.PASSWORD, f"{address.base} {what}: check them in its address.")
    if status == HTTPStatus.FORBIDDEN:
        return CameraError(Why.PASSWORD, f"{address.base} forbids this stream (403): check the user's rights there.")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return CameraError(Why.MISSING, f"{address.base} has no such stream ({status}): check the address's path.")
    return CameraError(Why.ANSWER, f"{address.base} answers with error {status}: see the camera's own log.")


class _Connection(http.client.HTTPConnection):
    """To an address that was judged."""

    def __init__(self, address: CameraAddress, allowed: Allowed, seconds: float) -> None:
        super().__init__(f"[{address.host}]" if ":" in address.host else address.host, address.port, timeout=seconds)
        self._address, self._allowed, self._seconds = address, allowed, seconds
        self.sock: socket.socket

    def connect(self) -> None:
        self.sock = connected(self._address, self._allowed, self._seconds)
