"""Alerts as HTTP requests: signed JSON to one address, to which nothing else of this server is told.

The signature is the HMAC-SHA256 of the time and the body, by the secret that both know. The receiver computes it anew.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.errors import SiteError
from app.footage.addresses import connect

SECONDS = 10.0  # for all of a request
LONGEST = 2000  # characters of an address
SIGNATURE, TIME, DELIVERY = "X-Sightline-Signature", "X-Sightline-Time", "X-Sightline-Delivery"
_PLAIN = re.compile(r"[!-~]+")  # what an address may consist of: nothing that could end a line of the request

Connect = Callable[..., socket.socket]


class NotTaken(Exception):
    """An alert that a place did not take. The message holds no secret. lasting: asking again won't help."""

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Target:
    """An address, taken apart."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        """As messages have it: without path and query, which may hold a secret."""
        return f"{'https' if self.tls else 'http'}://{self.named}"

    @property
    def named(self) -> str:
        """The host, and its port where it isn't the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """An address's parts. Raises SiteError for what is none, in words without what it holds."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        parts, port, host = urlsplit(""), None, ""
    if parts.scheme not in ("http", "https") or not host or len(url) > LONGEST or not _PLAIN.fullmatch(url):
        raise SiteError("A webhook's address begins with https:// or http:// and a host, as https://example.org/in.")
    if parts.username is not None or parts.password is not None:
        raise SiteError("A webhook's address has no name and password: the signature shows who sends.")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(tls, host, (443 if tls else 80) if port is None else port, path)


def signature(secret: str, sent: str, body: bytes) -> str:
    """What the header SIGNATURE has. sent: the header TIME, UTC seconds."""
    return "sha256=" + hmac.new(secret.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()


def post(
    url: str,
    secret: str,
    content: Mapping[str, Any],
    *,
    delivery: str,
    private: bool,
    seconds: float = SECONDS,
    connect: Connect = connect,
) -> None:
    """Sends JSON. A redirect is not followed, no proxy is asked, and of the answer only its status is read.

    delivery: names it, the same at each try. Raises NotTaken, also where the answer is none of success.
    """
    target = target_of(url)
    body, sent = json.dumps(content).encode(), f"{time.time():.0f}"
    headers = {
        "Host": target.named,
        "Content-Type": "application/json",
        "User-Agent": "Sightline",
        TIME: sent,
        DELIVERY: delivery,
    }
    if secret:
        headers[SIGNATURE] = signature(secret, sent, body)
    request = http.client.HTTPConnection(target.host, target.port)
    try:
        request.sock = connect(target.host, target.port, private=private, seconds=seconds)
        with _at_most(request.sock, seconds):
            if target.tls:
                context = ssl.create_default_context()
                request.sock = context.wrap_socket(request.sock, server_hostname=target.host)
            request.request("POST", target.path, body, headers)
            status = request.getresponse().status
    except SiteError as error:
        raise NotTaken(str(error)) from None
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise NotTaken(f"{target.shown} can't be reached ({why})") from None
    finally:
        request.close()
    if not 200 <= status < 300:
        lasting = 400 <= status < 500 and status not in (408, 425, 429)
        raise NotTaken(f"{target.shown} answered {status}", lasting=lasting)


@contextmanager
def _at_most(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Around a request: ends its connection after so many seconds, however slowly bytes trickle in."""
    same = connection.dup()  # TLS takes the first one over

    def end() -> None:
        with suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        same.close()
