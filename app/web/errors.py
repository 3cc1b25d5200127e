"""What went wrong, as programs are told it: RFC 9457's problem details. People are shown a page with the same words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Refused(Exception):
    """A request that is not answered."""

    status: int
    title: str
    detail: str


def problem(status: int, title: str, detail: str) -> dict[str, object]:
    """The body of `application/problem+json`."""
    return {"type": "about:blank", "status": status, "title": title, "detail": detail}
