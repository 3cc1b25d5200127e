"""What one request may see of the site: somebody may have the right to some cameras only.

Such a person learns nothing of other cameras. To them a camera that they may not see is one that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from fastapi import Path, Request
from numpy.typing import NDArray

from app.record import Site
from app.record.rows import SegmentRecord, TrackletTable
from app.search.matches import Match
from app.search.query import QueryReport
from app.web.access import Session
from app.web.errors import Refused
from app.web.opened import Opened

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

    def tracklet(self, number: int) -> SegmentRecord:
        """A tracklet or sighting. Raises Refused where there is none, or the visitor may not see its camera."""
        try:
            piece = self.site.searchable(number)
        except LookupError:
            piece = None
        if piece is None or not self.may_see(piece.camera):
            raise Refused(404, "There is no such tracklet", "It was erased, or never was.")
        return piece

    def searched_cameras(self, wanted: list[str]) -> tuple[str, ...]:
        """Which cameras a search is narrowed to, none for all. Raises Refused for one that is not there."""
        names = tuple(self.camera(name) for name in wanted)
        if names or self.session.cameras is None:
            return names
        if not (seen := tuple(self.camera_names())):
            raise Refused(403, "You have the right to no camera", "Ask an administrator of the site.")
        return seen

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

    def shown(self, report: QueryReport) -> QueryReport:
        """A report as the visitor may see it. Numbers of identities tell how many there are, of all cameras."""
        if self.session.cameras is None:
            return report
        return replace(
            report, people=[replace(answer, matches=_renumbered(answer.matches)) for answer in report.people]
        )


def _renumbered(matches: list[Match]) -> list[Match]:
    """With identities and trajectories counted from 1 in the order in which they stand."""
    identities: dict[int | None, int] = {}
    trajectories: dict[int | None, int] = {}
    return [
        replace(
            match,
            identity=None if match.identity is None else identities.setdefault(match.identity, len(identities) + 1),
            trajectory=None
            if match.trajectory is None
            else trajectories.setdefault(match.trajectory, len(trajectories) + 1),
        )
        for match in matches
    ]


def visit(request: Request) -> Visit:
    """Of a request. Only routes with a role have one."""
    return Visit(request.app.state.opened, request.state.session)
