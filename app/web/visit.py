"""What one request may see of the site: somebody may have the right to some cameras only.

Such a person learns nothing of other cameras. To them a camera that they may not see is one that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal
from urllib.parse import unquote

import numpy as np
from fastapi import Path, Request
from numpy.typing import NDArray

from app.record import Site
from app.record.rows import SegmentRecord, TrackletTable
from app.record.settings import read_settings
from app.search.matches import Match
from app.search.query import QueryReport, query
from app.search.searcher import Box, Wish
from app.search.still import Still
from app.web.access import Session
from app.web.errors import Refused
from app.web.opened import Opened

REASON_WANTED = 428  # the status that demands it
REASON_HEADER = "X-Reason"
Searched = tuple[QueryReport, Still | None]
Said = Literal["join", "split", "unsure"]
TrackletId = Annotated[int, Path(ge=0, lt=2**63)]


@dataclass(frozen=True, slots=True)
class Visit:
    """The site, what the server keeps of it, and who asks."""

    opened: Opened
    session: Session

    @property
    def site(self) -> Site:
        """All of the site: who uses it looks first whether the visitor may see what they ask for."""
        return self.opened.site

    @property
    def who(self) -> str:
        """As the audit names them."""
        return self.session.user

    @property
    def reason(self) -> str:
        """Why the visitor searches. Raises Refused where the site demands to know, and they have not said."""
        reason = self.session.reason
        if not reason and read_settings(self.site.database).reason_required:
            raise Refused(REASON_WANTED, "Why do you search?", f"Say it with the header {REASON_HEADER}.")
        return reason

    def may_see(self, camera: str) -> bool:
        """Whether the visitor has the right to a camera."""
        return self.session.cameras is None or camera in self.session.cameras

    def camera_names(self) -> list[str]:
        """Those of the site's cameras that the visitor may see."""
        return [name for name in self.site.camera_names() if self.may_see(name)]

    def camera(self, name: str) -> str:
        """A camera's name, as it is. Raises Refused where there is none, or the visitor may not see it."""
        if name not in self.camera_names():
            raise Refused(404, "There is no such camera", "The page Cameras lists those that there are.")
        return name

    def camera_in_address(self, part: str) -> str:
        """The camera that a part of an address names, as `in_address` wrote it or encoded once. Raises Refused."""
        name = unquote(part)
        return name if name in self.camera_names() else self.camera(part)

    def tracklet(self, number: int) -> SegmentRecord:
        """A tracklet or sighting. Raises Refused where there is none, or the visitor may not see its camera."""
        try:
            piece = self.site.searchable(number)
        except LookupError:
            piece = None
        if piece is None or not self.may_see(piece.camera):
            raise Refused(404, "There is no such tracklet", "It was erased, or never was.")
        return piece

    def narrowed_to(self) -> list[str] | None:
        """The cameras that work for the visitor is narrowed to, None for all. Raises Refused where there is none."""
        if self.session.cameras is None:
            return None
        if not (seen := self.camera_names()):
            raise Refused(403, "You have the right to no camera", "Ask an administrator of the site.")
        return seen

    def searched_cameras(self, wanted: list[str]) -> tuple[str, ...]:
        """Which cameras a search is narrowed to, none for all. Raises Refused for one that is not there."""
        names = tuple(self.camera(name) for name in wanted)
        return names or tuple(self.narrowed_to() or ())

    def seen_rows(self, table: TrackletTable) -> NDArray[np.bool_]:
        """Which rows `(T,)` of a table the visitor may see."""
        return np.array([self.may_see(name) for name in table.names], bool)[table.cameras]

    def identities_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Identities `(n,)` of tracklets, −1 where nobody knows, or the number would tell of other cameras."""
        merging = self.site.merging() if self.session.cameras is None else None
        return np.full(len(ids), -1) if merging is None else merging.of(ids)[1].clip(-1)

    def said_of(self, number: int) -> dict[int, str]:
        """What people said of a tracklet and others that the visitor may see, by the other."""
        pairs = [(c.a, c.b, c.kind) for c in self.site.corrections() if number in (c.a, c.b)]
        said = {b if a == number else a: kind for a, b, kind in pairs}
        return {other: kind for other, kind in said.items() if self.may_see(self.site.searchable(other).camera)}

    def search(self, still: Still | int, wish: Wish, *, box: Box | None = None, whole: bool = False) -> Searched:
        """Searches a picture or a tracklet for the visitor, as `app.search.query.query` does, and raises what it does.

        What may not be told is taken out.
        """
        ready = self.opened.searcher.ready()
        report, picture = query(
            self.site, still, wish, box=box, whole=whole, ready=ready, who=self.who, reason=self.reason
        )
        return self._shown(report), picture

    def _shown(self, report: QueryReport) -> QueryReport:
        """A report as the visitor may see it. Numbers of identities tell how many there are, of all cameras."""
        if self.session.cameras is None:
            return report
        people = [replace(answer, matches=self.renumbered(answer.matches)) for answer in report.people]
        return replace(report, people=people)

    def renumbered(self, matches: list[Match]) -> list[Match]:
        """For who may not see all: identities and trajectories are counted from 1, in the order in which they stand."""
        if self.session.cameras is None:
            return matches
        identities, trajectories = _Numbers(), _Numbers()
        return [
            replace(match, identity=identities.of(match.identity), trajectory=trajectories.of(match.trajectory))
            for match in matches
        ]


class _Numbers:
    """From 1, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._given: dict[int, int] = {}

    def of(self, number: int | None) -> int | None:
        """Another number for each number."""
        return None if number is None else self._given.setdefault(number, len(self._given) + 1)


def visit(request: Request) -> Visit:
    """Of a request. Only routes with a role have one."""
    session: Session = request.state.session
    if session.scopes is not None:  # a program says with each request why
        session.reason = request.headers.get(REASON_HEADER, "")
    return Visit(request.app.state.opened, session)
