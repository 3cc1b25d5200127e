"""Why a live camera shows nothing, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.errors import FootageError


class Why(StrEnum):
    """Kinds of outage, as metrics count them."""

    STARTING = "starting"  # not connected yet
    FORBIDDEN = "forbidden"  # an address that nothing is sent to
    UNREACHABLE = "unreachable"  # no name, no way, no answer to the connection
    REFUSED = "refused"  # nothing listens there
    PASSWORD = "password"  # asks for one, or does not take ours
    MISSING = "missing"  # no such stream or device
    ANSWER = "answer"  # another error of the camera's own, or an answer that is none
    UNREADABLE = "unreadable"  # a stream of a kind that can't be decoded here
    OPENING = "opening"  # connected, and no picture came in time
    STALLED = "stalled"  # pictures came, and then none in time
    ENDED = "ended"  # the stream or its connection ended
    CHANGED = "changed"  # pictures of another size
    JUMPED = "jumped"  # its stamps left out time or went back. Pictures go on
    CLOCK = "clock"  # this machine's clock was set back
    CRASHED = "crashed"  # the process that takes its pictures ended
    MEMORY = "memory"  # that process grew too large


FOR_A_PERSON = frozenset({Why.FORBIDDEN, Why.PASSWORD, Why.MISSING, Why.UNREADABLE})
"""What rarely mends itself. Cameras lock who tries wrong passwords often."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch of time without pictures. It comes once when it begins, and once more when it ends."""

    start: float  # UTC seconds of the last picture, or of the first try
    end: float | None  # UTC seconds of the next picture, None while it lasts
    why: Why
    reason: str  # a sentence without secrets


class CameraError(FootageError):
    """A live camera's stream can't be opened or can't go on. The message is a sentence without secrets."""

    def __init__(self, why: Why, reason: str) -> None:
        super().__init__(why, reason)
        self.why, self.reason = why, reason

    def __str__(self) -> str:
        return self.reason
