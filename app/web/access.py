"""Who asks: by a one-time link, a password, a program's key, or the word of a proxy that signs people in.

Links and sessions are in this process's memory alone, as digests. Rights are looked up at each request, so whoever is
removed, or gets another role, notices at once.
"""

from __future__ import annotations

import ipaddress
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from app.record.users import Role, User, Users, digest
from app.web.attempts import Attempts

LINK_SECONDS = 600.0  # that a printed link may wait for its one use
IDLE_SECONDS = 3600.0  # after which a session that asks nothing ends
SESSION_SECONDS = 12 * 3600.0  # after which any session ends
MOST_SESSIONS = 100  # at once. The oldest one ends for the next
COOKIE = "sightline"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(slots=True)
class Session:
    """Somebody who asks, and what they may do."""

    user: str
    role: Role
    came_from: str  # the address
    began: float
    asked: float  # when it asked last
    cameras: frozenset[str] | None = None  # that they may see, None for all
    form_key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """Forms carry it, and no other site's page knows it."""
    password: str | None = field(default=None, repr=False)  # its hash. None for who came by a link
    reason: str = ""  # why they search, where they said it
    scopes: tuple[str, ...] | None = None  # the parts of the API that a program's key opens. None for people


@dataclass(frozen=True, slots=True)
class Proxy:
    """A server in front of this one that has signed people in, and names them in a header."""

    addresses: frozenset[Address]  # from which alone the header is believed
    header: str


class Access:
    """Links and sessions of one server."""

    def __init__(
        self, users: Users, owner: str, clock: Callable[[], float] = time.monotonic, proxy: Proxy | None = None
    ) -> None:
        """owner: who comes by a link, since they started the server."""
        self.users, self.proxy = users, proxy
        self._owner, self._clock = owner, clock
        self._attempts = Attempts(clock)
        self._mutex = threading.Lock()
        self._links: dict[str, float] = {}  # until when they may be used
        self._sessions: dict[str, Session] = {}

    def new_link(self) -> str:
        """A secret that opens one session."""
        secret = secrets.token_urlsafe(32)
        with self._mutex:
            self._links[digest(secret)] = self._clock() + LINK_SECONDS
        return secret

    def enter(self, secret: str, address: str) -> str | None:
        """A new session's secret for a link's, which is used up by that. None where it is no link, or too old."""
        now = self._clock()
        with self._mutex:
            until = self._links.pop(digest(secret), None)
        if until is None or until < now:
            return None
        return self._begun(Session(self._owner, Role.ADMIN, address, now, now))

    def sign_in(self, name: str, password: str, address: str) -> str | None:
        """A new session's secret for a user's password. None where it is wrong.

        Raises Refused after too many that were.
        """
        with self._attempts.at(name, address) as attempt:
            user = self.users.signed_in(name, password)
            attempt.succeeded = user is not None
        now = self._clock()
        return None if user is None else self._begun(_session(user, address, now))

    def _begun(self, session: Session, key: str | None = None) -> str:
        secret = secrets.token_urlsafe(32)
        with self._mutex:
            self._forget_old(session.began)
            while len(self._sessions) >= MOST_SESSIONS:
                del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].asked)]
            self._sessions[key or digest(secret)] = session
        return secret

    def who_asks(self, request: HTTPConnection) -> Session | None:
        """By the proxy's header, a program's key, or the cookie, in this order. None where nobody is signed in."""
        if self.proxy is not None and (name := request.headers.get(self.proxy.header)) is not None:
            peer = address_of(request)
            if peer is not None and peer in self.proxy.addresses:
                return self._by_proxy(name, peer)
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._by_key(secret.strip(), request.client.host if request.client else "nowhere")
        return self.session(request.cookies.get(COOKIE))

    def session(self, secret: str | None) -> Session | None:
        """Whose cookie it is, while the session lasts."""
        return None if secret is None else self._kept(digest(secret))

    def _kept(self, key: str) -> Session | None:
        now = self._clock()
        with self._mutex:
            self._forget_old(now)
            session = self._sessions.get(key)
            if session is None:
                return None
            session.asked = now
        if session.password is not None:  # of a user, whose rights may be others by now
            user = self.users.user(session.user)
            if user is None or user.password != session.password:
                with self._mutex:
                    self._sessions.pop(key, None)
                return None
            session.role, session.cameras = user.role, user.cameras
        return session

    def _by_key(self, secret: str, address: str) -> Session | None:
        owned = self.users.of_key(secret)
        if owned is None:
            return None
        session = _session(owned[0], f"{address}, key {owned[1].name}", self._clock())
        session.scopes = owned[1].scopes
        return session

    def _by_proxy(self, name: str, peer: Address) -> Session | None:
        key = f"proxy {peer} {name}"  # no digest looks like this
        session, user = self._kept(key), self.users.user(name)
        if session is None and user is not None:
            session = _session(user, f"{peer}, a proxy", self._clock())
            self._begun(session, key)
        return session

    def lasts(self, session: Session, request: HTTPConnection) -> bool:
        """Whether somebody who was let in may still go on. Unlike a request, this does not make a session last longer.

        It ends, too, where its user got another role or other rights.
        """
        if session.scopes is not None:  # a program's key, which was given back or not
            return self.who_asks(request) is not None
        with self._mutex:
            self._forget_old(self._clock())
            if not any(kept is session for kept in self._sessions.values()):
                return False
        if session.password is None:
            return True
        user = self.users.user(session.user)
        return user is not None and (user.password, user.role, user.cameras) == (
            session.password,
            session.role,
            session.cameras,
        )

    def rights_of(self, name: str) -> frozenset[str] | None:
        """The cameras that somebody may see who does not ask just now. None for all of them."""
        user = self.users.user(name)
        if user is None:
            return None if name == self._owner else frozenset()
        return user.cameras

    def leave(self, secret: str | None) -> None:
        """Ends a session."""
        if secret is not None:
            with self._mutex:
                self._sessions.pop(digest(secret), None)

    def _forget_old(self, now: float) -> None:
        old = [
            key
            for key, session in self._sessions.items()
            if now - session.asked > IDLE_SECONDS or now - session.began > SESSION_SECONDS
        ]
        for key in old:
            del self._sessions[key]


def _session(user: User, address: str, now: float) -> Session:
    return Session(user.name, user.role, address, now, now, user.cameras, password=user.password)


def address_of(request: HTTPConnection) -> Address | None:
    """From where a request comes, None where that is no address."""
    try:
        return ipaddress.ip_address(request.client.host) if request.client else None
    except ValueError:
        return None
