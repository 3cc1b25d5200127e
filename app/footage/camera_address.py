"""What the address of a live camera may be, and how it is shown: never with a user, a password, a path or a query.

Cameras hide passwords in all of these, as in `rtsp://hall/user=admin&password=1234.sdp` and `/cgi?usr=a&pwd=b`. Some
have nothing but a secret path. So one rule holds for all: only scheme, host and port are shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from app.errors import FootageError

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
ENCRYPTED = {"rtsps", "https"}
PLAYLISTS = (".m3u8", ".m3u", ".mpd", ".asx", ".pls", ".xspf")
MOST_CHARACTERS = 2000
MOST_DEVICES = 64  # video devices that Linux has at most
MEANT = "rtsp://, rtsps://, http:// or https://"
_FOUND = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
_HOST = r"([^/?#\s@:]{1,255}|\[[0-9a-fA-F:.]{2,60}\])"
_SHOWN = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,20})://(?:[^/?#\s]*@)?" + _HOST)


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """Where a camera's stream comes from over the network. Its text holds no secret, so it may stand in any message."""

    scheme: str  # of PORTS
    host: str  # a name, an IPv4 address, or an IPv6 address without brackets
    port: int
    target: str = field(repr=False)  # path and query as they were written, "/" at least
    user: str | None = field(default=None, repr=False)  # decoded
    password: str | None = field(default=None, repr=False)  # decoded, "" where a user has none

    def __str__(self) -> str:
        return f"{self.base}/…"

    @property
    def base(self) -> str:
        """Scheme, host and port, as in `rtsp://hall.lan:8554`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def with_secrets(self) -> str:
        """The whole address, for `site.toml` alone. `camera_address` takes it apart again."""
        if self.user is None:
            return f"{self.base}{self.target}"
        scheme, _, place = self.base.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password or '', safe='')}@{place}{self.target}"

    @property
    def encrypted(self) -> bool:
        """Whether the connection is by TLS."""
        return self.scheme in ENCRYPTED

    def redirected(self, location: str) -> CameraAddress:
        """Where an answer sends to. The user and the password go along to the same host, port and scheme only.

        Raises:
            FootageError: No address that a camera may have.
        """
        if location.startswith("/") and not location.startswith("//"):
            location = self.base + location
        there = camera_address(location)
        if (there.scheme, there.host, there.port) != (self.scheme, self.host, self.port):
            return there
        return CameraAddress(there.scheme, there.host, there.port, there.target, self.user, self.password)

    def hidden_in(self, text: str) -> str:
        """A foreign message without what must not be shown: addresses, the user, the password and the target."""
        text = _FOUND.sub(lambda match: hidden(match[0]), text)
        secrets = [self.target, self.user, self.password]
        secrets += [quote(secret, safe="") for secret in (self.user, self.password) if secret]
        for secret in sorted((secret for secret in secrets if secret and secret != "/"), key=len, reverse=True):
            text = text.replace(secret, "…")
        return text


@dataclass(frozen=True, slots=True)
class CameraDevice:
    """A camera plugged into this machine (V4L2)."""

    number: int  # of /dev/video0

    def __str__(self) -> str:
        return f"/dev/video{self.number}"

    def hidden_in(self, text: str) -> str:
        """The text itself, as a device has no secrets."""
        return text


CameraSource = CameraAddress | CameraDevice


def camera_address(text: str) -> CameraAddress:
    """Takes an address apart.

    Raises:
        FootageError: It may be none of a camera. The message shows scheme and host at most.
    """
    shown = hidden(text)
    if len(text) > MOST_CHARACTERS or any(character.isspace() or not character.isprintable() for character in text):
        raise FootageError(f"{shown} has spaces, or is too long for an address: write it like rtsp://hall.lan/stream1")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise FootageError(f"{shown} is no address: write it like rtsp://hall.lan:554/stream1") from error
    if parts.scheme not in PORTS:
        raise FootageError(f"{shown} is no address that a camera may have: it must begin with {MEANT}")
    if not host or port == 0:
        raise FootageError(f"{shown} names no host: write it like {parts.scheme}://hall.lan/stream1")
    if "@" not in parts.netloc and "@" in text:
        raise FootageError(f"{shown} has an @ behind its host: write / in a password as %2F, and @ in a path as %40")
    if parts.path.lower().endswith(PLAYLISTS):
        raise FootageError(
            f"{shown} is a playlist, which names further addresses: give the camera's rtsp:// address instead"
        )
    target = quote(parts.path, safe="/%:@!$&'()*+,;=~") or "/"
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    user = None if parts.username is None else unquote(parts.username)
    password = None if user is None else unquote(parts.password or "")
    if not _can_be_sent(host, user, password):
        raise FootageError(f"{shown} has characters that no camera takes: check the user and the password")
    return CameraAddress(parts.scheme, host, port or PORTS[parts.scheme], target, user, password)


def camera_device(number: object) -> CameraDevice:
    """A device of this machine. Raises FootageError where the number can't be one."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < MOST_DEVICES:
        raise FootageError(f"{number!r:.20} is no number of a device: give 0 for /dev/video0")
    return CameraDevice(number)


def hidden(text: str) -> str:
    """What may be shown of something that should be an address: its scheme and its host, if it has them."""
    found = _SHOWN.match(text)
    if found is None:
        return "this address"
    # A password may hold what ends an address's host: then nothing behind the scheme is sure to be none of it.
    sure = "@" not in text[found.end() :]
    return f"{found[1].lower()}://{found[2] if sure else '…'}/…"


def _can_be_sent(host: str, user: str | None, password: str | None) -> bool:
    """Whether nothing in it ends a line of a request."""
    return all(text.isprintable() for text in (host, user or "", password or "")) and ":" not in (user or "")
