"""Who may do what: a one-time link opens a session, and a session has a role.

Nobody but this machine is answered until a site has users, so the link is all there is to know.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

LINK_SECONDS = 600.0  # that a printed link may wait for its one use
IDLE_SECONDS = 3600.0  # after which a session that asks nothing ends
SESSION_SECONDS = 12 * 3600.0  # after which any session ends
MOST_SESSIONS = 100  # at once. The oldest one ends for the next
COOKIE = "sightline"


class Role(IntEnum):
    """What somebody may do. Each may do all that lower ones may."""

    NOBODY = 0  # whoever asks, without a session
    VIEWER = 1  # looks and searches
    OPERATOR = 2  # takes in footage, merges, corrects
    ADMIN = 3  # learns, erases, reads the audit


@dataclass(slots=True)
class Session:
    """Somebody who came by a link."""

    user: str
    role: Role
    came_from: str  # the address
    began: float
    asked: float  # when it asked last
    cameras: frozenset[str] | None = None  # that they may see, None for all
    form_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Forms carry it, and no other site's page knows it."""


class Access:
    """Links and sessions, in this process's memory alone. Both are kept as digests."""

    def __init__(self, user: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._user, self._clock = user, clock
        self._mutex = threading.Lock()
        self._links: dict[str, float] = {}  # until when they may be used
        self._sessions: dict[str, Session] = {}

    def new_link(self) -> str:
        """A secret that opens one session."""
        secret = secrets.token_urlsafe(32)
        with self._mutex:
            self._links[_digest(secret)] = self._clock() + LINK_SECONDS
        return secret

    def enter(self, secret: str, address: str) -> str | None:
        """A new session's secret for a link's, which is used up by that. None where it is no link, or too old."""
        now = self._clock()
        with self._mutex:
            until = self._links.pop(_digest(secret), None)
            if until is None or until < now:
                return None
            self._forget_old(now)
            while len(self._sessions) >= MOST_SESSIONS:
                del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].asked)]
            session = secrets.token_urlsafe(32)
            self._sessions[_digest(session)] = Session(self._user, Role.ADMIN, address, now, now)
            return session

    def session(self, secret: str | None) -> Session | None:
        """Whose cookie it is, while the session lasts."""
        if secret is None:
            return None
        now = self._clock()
        with self._mutex:
            self._forget_old(now)
            session = self._sessions.get(_digest(secret))
            if session is not None:
                session.asked = now
            return session

    def leave(self, secret: str | None) -> None:
        """Ends a session."""
        if secret is not None:
            with self._mutex:
                self._sessions.pop(_digest(secret), None)

    def _forget_old(self, now: float) -> None:
        old = [
            key
            for key, session in self._sessions.items()
            if now - session.asked > IDLE_SECONDS or now - session.began > SESSION_SECONDS
        ]
        for key in old:
            del self._sessions[key]


def _digest(secret: str) -> str:
    """So that looking one up takes the same time however much of it somebody guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
