"""What went wrong, as programs are told it: RFC 9457's problem details. People are shown a page with the same words."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel
from starlette.responses import JSONResponse

PROBLEM_TYPE = "application/problem+json"


@dataclass
class Refused(Exception):
    """A request that is not answered."""

    status: int
    title: str
    detail: str


class Problem(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    status: int
    title: str
    detail: str
    """What to do."""


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """The answer `application/problem+json`."""
    body = Problem(status=status, title=title, detail=detail).model_dump()
    return JSONResponse(body, status, media_type=PROBLEM_TYPE)
