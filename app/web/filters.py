"""What a search is narrowed to, and which time is counted, as an address has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query

from app.movement.flow import Interval
from app.movement.flow import Wish as FlowWish
from app.search.searcher import Wish
from app.web.errors import Refused
from app.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Filters:
    """Cameras and times."""

    camera: list[str]
    after: str
    before: str

    def wish(self, here: Visit, top: int = 20) -> Wish:
        """For a visitor's search. Raises Refused where a time is none, or for a camera that is not there."""
        cameras = here.searched_cameras(self.camera)
        return Wish(cameras, time_of(self.after, "after"), time_of(self.before, "before"), top=top)


def filters(
    camera: Annotated[list[str] | None, Query(description="Only these cameras.")] = None,
    after: Annotated[str, Query(max_length=40, description="Only from this time on, ISO 8601, UTC.")] = "",
    before: Annotated[str, Query(max_length=40, description="Only before this time.")] = "",
) -> Filters:
    """The filters of an address."""
    return Filters([name for name in camera or [] if name], after, before)


def counted(
    after: Annotated[str, Query(max_length=40, description="From this time on, ISO 8601, UTC.")] = "",
    before: Annotated[str, Query(max_length=40, description="Before this time.")] = "",
    by: Interval = Interval.whole,
) -> FlowWish:
    """Which time an address asks to count. Raises Refused where a time is none."""
    return FlowWish(time_of(after, "after"), time_of(before, "before"), by)


def time_of(text: str, name: str) -> float | None:
    """UTC seconds of an ISO 8601 time, which is UTC unless it has an offset. Raises Refused where it is none."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        seconds = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Refused(422, f"{name} is no time", "Write it like 2026-11-20T14:30:05.") from error
    if not math.isfinite(seconds):
        raise Refused(422, f"{name} is no time", "Write it like 2026-11-20T14:30:05.")
    return seconds
