"""What a query found, as people want it: matches by identity, and one person's journey.

The page, the contact sheet and the terminal all show these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from app.movement.stays import APART
from app.remarks import Remark
from app.search.still import cut

CROPS = 6  # pictures shown of a tracklet
STILL_QUALITY = 88  # JPEG, of the still where it is shown

LIKELY = 0.5  # probability of the best match from which somebody is likely to be here

_JPEG = b"\xff\xd8\xff"


class Finding(StrEnum):
    """Whether somebody was here."""

    SEEN = "seen"
    PERHAPS = "perhaps"
    UNSEEN = "not seen"

    @classmethod
    def of(cls, more_alike: bool, probability: float) -> Finding:
        """more_alike: the best match is more alike than strangers are. probability: that it is the same person.

        The two are estimated apart, from strangers' best matches and from all pairs. Where they differ nobody knows.
        """
        if more_alike == (probability >= LIKELY):
            return cls.SEEN if more_alike else cls.UNSEEN
        return cls.PERHAPS


@dataclass(frozen=True, slots=True)
class Match:
    """A tracklet that may show the person asked for."""

    tracklet: int  # id in the site, as the commands take it
    is_sighting: bool  # too short or small for a tracklet: nothing else was learned of it
    camera: str
    start: float  # UTC seconds
    end: float
    similarity: float  # as the encoder says, -1 … 1
    probability: float  # calibrated: that it is the same person, 0 … 1
    trajectory: int | None  # which the tracklet was joined to in its camera, unique in the site
    identity: int | None  # which the trajectory was joined to across cameras
    crops: Sequence[bytes]  # JPEG, by time

    @property
    def name(self) -> str:
        """What it is, and its id."""
        return f"{'sighting' if self.is_sighting else 'tracklet'} {self.tracklet}"

    @property
    def pictures(self) -> list[bytes]:
        """At most CROPS of its crops, spread over its time. Only what is a JPEG."""
        crops = [crop for crop in self.crops if crop.startswith(_JPEG)]
        return [crops[round(k)] for k in np.linspace(0, len(crops) - 1, min(CROPS, len(crops)))]


@dataclass(frozen=True, slots=True, eq=False)
class QueryView:
    """All that a report on one query shows."""

    site: str
    model: str  # and version
    asked_at: float  # UTC seconds
    still: NDArray[np.uint8]  # (H, W, 3) RGB
    box: tuple[float, float, float, float] | None  # of the person in the still, x1 y1 x2 y2 px. None: all of it
    filters: Mapping[str, str]  # what the search was narrowed to
    matches: Sequence[Match]  # best first
    finding: Finding
    verdict: str  # a sentence
    gallery: int  # tracklets and sightings that were compared
    audit: str = ""  # a hash that vouches for the site's audit up to this query
    remarks: Sequence[Remark] = ()  # on what the still lacks

    @property
    def headline(self) -> str:
        """What was found, in three words."""
        return {Finding.SEEN: "Likely", Finding.PERHAPS: "Perhaps", Finding.UNSEEN: "Not"}[self.finding] + " seen here"

    @property
    def person(self) -> NDArray[np.uint8]:
        """The `(h, w, 3)` pixels of the still that show the person."""
        return self.still if self.box is None else cut(self.still, self.box)


@dataclass(frozen=True, slots=True)
class TrajectoryGroup:
    """Matches of one trajectory. `number` is None for a tracklet that was not joined to any."""

    number: int | None
    matches: tuple[Match, ...]  # best first

    @property
    def probability(self) -> float:
        """Of its best match."""
        return self.matches[0].probability


@dataclass(frozen=True, slots=True)
class IdentityGroup:
    """Matches of one identity. `number` is None for a trajectory that was not joined to any."""

    number: int | None
    trajectories: tuple[TrajectoryGroup, ...]  # best first

    @property
    def probability(self) -> float:
        """Of its best match."""
        return self.trajectories[0].probability

    @property
    def name(self) -> str:
        """Of the identity, or of what was not joined to any."""
        if self.number is not None:
            return f"Identity {self.number}"
        first = self.trajectories[0]
        return first.matches[0].name.capitalize() if first.number is None else f"Trajectory {first.number}"

    @property
    def matches(self) -> tuple[Match, ...]:
        """All of them, best trajectory first."""
        return tuple(match for trajectory in self.trajectories for match in trajectory.matches)


@dataclass(frozen=True, slots=True)
class Stop:
    """One stay of a person in sight of one camera."""

    camera: str
    start: float  # UTC seconds
    end: float
    gap: float | None  # s since the stop before ended, negative where both saw them at once. None at the first
    best: Match  # its most probable match


def groups(matches: Iterable[Match]) -> list[IdentityGroup]:
    """Matches by identity, then trajectory, the most probable first everywhere. Equals stay in the order given."""
    ranked = sorted(matches, key=lambda match: -match.probability)
    identities: dict[tuple[str, int], dict[tuple[str, int], list[Match]]] = {}
    for match in ranked:
        trajectory = ("tracklet", match.tracklet) if match.trajectory is None else ("trajectory", match.trajectory)
        identity = trajectory if match.identity is None else ("identity", match.identity)
        identities.setdefault(identity, {}).setdefault(trajectory, []).append(match)
    return [
        IdentityGroup(
            number=next(iter(trajectories.values()))[0].identity,
            trajectories=tuple(TrajectoryGroup(group[0].trajectory, tuple(group)) for group in trajectories.values()),
        )
        for trajectories in identities.values()
    ]


def journey(matches: Iterable[Match]) -> list[Stop]:
    """One person's way by time: matches that follow each other in one camera, at most APART apart, are one stop."""
    stops: list[Stop] = []
    for match in sorted(matches, key=lambda match: (match.start, match.end)):
        last = stops[-1] if stops else None
        if last is not None and last.camera == match.camera and match.start - last.end <= APART:
            best = max(last.best, match, key=lambda match: match.probability)
            stops[-1] = Stop(last.camera, last.start, max(last.end, match.end), last.gap, best)
        else:
            gap = None if last is None else match.start - last.end
            stops.append(Stop(match.camera, match.start, match.end, gap, match))
    return stops


def percent(probability: float) -> str:
    """A probability in words that never claim certainty: `<1 %` … `>99 %`."""
    if probability < 0.01:
        return "<1 %"
    return ">99 %" if probability > 0.99 else f"{100 * probability:.0f} %"
