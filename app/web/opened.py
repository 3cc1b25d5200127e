"""The site that is served: opened once, for all threads, with what is kept ready for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from fastapi import Path, Request

from app.record import Site
from app.record.rows import SegmentRecord
from app.search.warm import WarmSearcher
from app.web.access import Session
from app.web.errors import Refused
from app.web.stills import Stills

Said = Literal["join", "split", "unsure"]
TrackletId = Annotated[int, Path(ge=0, lt=2**63)]


@dataclass(frozen=True, eq=False)
class Opened:
    """A site and what a server keeps of it."""

    site: Site
    searcher: WarmSearcher
    stills: Stills = field(default_factory=Stills)

    def tracklet(self, number: int) -> SegmentRecord:
        """A tracklet or sighting. Raises Refused where there is none."""
        try:
            return self.site.searchable(number)
        except LookupError as error:
            raise Refused(404, "There is no such tracklet", "It was erased, or never was.") from error

    def said_of(self, number: int) -> dict[int, str]:
        """What people said of a tracklet and others, by the other."""
        pairs = [(c.a, c.b, c.kind) for c in self.site.corrections() if number in (c.a, c.b)]
        return {b if a == number else a: kind for a, b, kind in pairs}


def opened(request: Request) -> Opened:
    """The site of a request."""
    found: Opened = request.app.state.opened
    return found


def session_of(request: Request) -> Session:
    """Who asks. Only routes with a role have one."""
    found: Session = request.state.session
    return found
