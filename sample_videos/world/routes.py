"""Who is where in every frame.

People walk through the places of a site, alone or together, pause, stand and sit.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sample_videos.world.places import Footprints, Place, Point, Rest

Vectors = NDArray[np.float64]

WARM_UP = 50.0  # s that are walked before the first frame, so that people are everywhere in it
LONGEST_STEP = 1 / 14  # s of simulation
PARTY_SIZES = (0.60, 0.26, 0.10, 0.04)  # shares of parties of one, two, three and four
ABREAST = 0.66  # m between people who walk side by side
TRAVEL = (4.0, 0.4)  # s between two places: median, and sigma of the log-normal distribution
RESTING = 0.24  # share of visits on which someone rests…
REST = (13.0, 0.6)  # …for so many seconds: median, sigma
PAUSING = 0.12  # share of visits on which someone stops for a moment
RELAXATION = 0.4  # s in which one reaches the wanted velocity (Helbing & Molnár 1995, τ)
AHEAD = 1.1  # m along the way, where one looks to
BODY = 0.24  # m that a person's middle keeps from solids…
CLOSEST = 0.42  # …and from another's middle
SIT_DOWN = 1.3  # s
TURN = 3.0  # rad/s
SHORTEST_STRIDE = 0.25  # of a full one, as far as phase goes
FIRST_TOUCH = 0.23  # m above its seat that someone's sitting begins


@dataclass(frozen=True)
class Walker:
    """A person, as far as routes know."""

    number: int
    speed: float  # m/s
    stride: float  # m of two steps, which are 2π of phase


class Step(NamedTuple):
    """Where one person is in one frame, and how, for `gait.bones`."""

    person: int
    x: float  # m
    z: float  # m
    heading: float  # radians
    phase: float  # radians
    walking: float  # 0 stands … 1 walks, strides are smoothstep(walking) of the full length
    seat: float  # m, height of the seat, 0 on the feet
    clock: float  # s since the first frame


def walk(
    places: Sequence[Place], walkers: Sequence[Walker], seconds: float, fps: float, seed: int
) -> dict[str, list[list[Step]]]:
    """Steps of everybody in a place, by place and frame. The same arguments give the same steps.

    A person leaves a place, travels for some seconds and comes to another one. Nobody is in two at once.

    Args:
        places: Their names must differ.
        walkers: The people.
        seconds: How long they are followed.
        fps: Frames a second.
        seed: Of all that is drawn.

    Returns:
        The steps of each frame, by name of the place.
    """
    crowd = _Crowd(places, walkers, np.random.default_rng([seed, 1]))
    frames: dict[str, list[list[Step]]] = {place.name: [] for place in places}
    parts = max(1, math.ceil(1 / fps / LONGEST_STEP))
    for frame in range(-math.ceil(WARM_UP * fps), math.ceil(seconds * fps)):
        for part in range(parts):
            crowd.advance((frame + part / parts) / fps, 1 / fps / parts)
        if frame >= 0:
            for place_index, place in enumerate(places):
                frames[place.name].append(crowd.steps(place_index, frame / fps))
    return frames


# --- the plan of a visit ----------------------------------------------------------------------------------------------


class _Path:
    """A line to walk along, by metres from its start."""

    def __init__(self, points: Vectors) -> None:
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        kept = lengths > 1e-6
        self.points: list[Point] = [(x, z) for x, z in points[np.append(True, kept)].tolist()]
        self.at: list[float] = [0.0, *np.cumsum(lengths[kept]).tolist()]
        self.length = self.at[-1]

    def point(self, at: float) -> Point:
        leg, (x, z) = self._leg(at), self.direction(at)
        on = min(max(at, 0.0), self.length) - self.at[leg]
        return self.points[leg][0] + on * x, self.points[leg][1] + on * z

    def direction(self, at: float) -> Point:
        """Of unit length."""
        leg = self._leg(at)
        (x, z), (next_x, next_z) = self.points[leg], self.points[leg + 1]
        length = self.at[leg + 1] - self.at[leg]
        return (next_x - x) / length, (next_z - z) / length

    def _leg(self, at: float) -> int:
        return min(max(bisect.bisect_right(self.at, at) - 1, 0), len(self.at) - 2)

    def samples(self, step: float = 0.25) -> Vectors:
        return np.array([self.point(at) for at in np.linspace(0, self.length, max(2, math.ceil(self.length / step)))])


@dataclass
class _Visit:
    """What one person means to do in a place."""

    legs: list[_Path]
    rest: Rest | None = None  # between the two legs
    rest_seconds: float = 0.0
    pause_at: float = math.inf  # m along the first leg
    pause_seconds: float = 0.0
    behind: float = 0.0  # m that one walks behind the middle of the party


def _aside(way: Vectors, offset: float, footprints: Footprints) -> _Path:
    """The way, walked `offset` m to its side, or as far as there is room."""
    along = np.diff(way, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    corners = np.vstack([along[:1], along[:-1] + along[1:], along[-1:]])
    corners /= np.maximum(np.linalg.norm(corners, axis=1, keepdims=True), 1e-9)
    normals = np.column_stack([-corners[:, 1], corners[:, 0]])
    for share in (1.0, 0.6, 0.3):
        path = _Path(way + share * offset * normals)
        if footprints.nearest(path.samples())[0].min() > 0.42:
            return path
    return _Path(way)


def _with_rest(path: _Path, rest: Rest, footprints: Footprints) -> list[_Path] | None:
    """The path with a way to the rest and back, from its nearest point with nothing between. None if there is none."""
    spot = np.array(_before(rest))
    points = path.samples(0.4)[3:-3]
    if not len(points):
        return None
    for index in np.argsort(np.linalg.norm(points - spot, axis=1), kind="stable")[:12]:
        turn = points[index]
        distance = np.linalg.norm(turn - spot)
        if distance > 7:
            return None
        line = turn + np.linspace(0, 1, 12)[:, None] * (spot - turn)
        if footprints.nearest(line)[0].min() > BODY:
            at = (index + 3) * path.length / (len(points) + 5)
            corners, along = np.array(path.points), np.array(path.at)
            first, second = corners[along < at - 0.3], corners[along > at + 0.3]
            return [_Path(np.vstack([first, turn, spot])), _Path(np.vstack([spot, turn, second]))]
    return None


def _before(rest: Rest) -> Point:
    """Where one stands to sit down, or simply stands."""
    reach = 0.5 if rest.seat else 0.0
    return (rest.position[0] + reach * math.sin(rest.heading), rest.position[1] + reach * math.cos(rest.heading))


@dataclass
class _Party:
    members: list[int]
    place_index: int
    arrives: float  # s
    visits: dict[int, _Visit] = field(default_factory=dict)  # by member, empty while on the way to the place
    waiting: list[int] = field(default_factory=list)  # members that have not come in yet


# --- everybody --------------------------------------------------------------------------------------------------------


class Doing(IntEnum):
    """What a person is doing."""

    AWAY = 0
    MOVING = 1
    SITTING_DOWN = 2
    AT_REST = 3
    GETTING_UP = 4


class _Crowd:
    """All people, as arrays with one row each."""

    def __init__(self, places: Sequence[Place], walkers: Sequence[Walker], rng: np.random.Generator) -> None:
        self.places, self.walkers, self.rng = places, walkers, rng
        self.footprints = [Footprints(place.solids) for place in places]
        number = len(walkers)
        self.doing = np.full(number, int(Doing.AWAY))
        self.place_index = np.full(number, -1)  # -1 where away
        self.position = np.zeros((number, 2))
        self.velocity = np.zeros((number, 2))
        self.heading = np.zeros(number)
        self.phase = rng.uniform(0, 2 * math.pi, number)
        self.walking = np.zeros(number)
        self.seat = np.zeros(number)
        self.leg = np.zeros(number, int)
        self.along = np.zeros(number)  # m on the leg
        self.until = np.zeros(number)  # s, end of what one is doing
        self.speed = np.array([walker.speed for walker in walkers], float)
        self.stride = np.array([walker.stride for walker in walkers], float)
        self.taken: set[tuple[int, int]] = set()  # place and number of rests
        self.rest_of: dict[int, tuple[int, int]] = {}
        self.parties: list[_Party] = []
        self.party = np.zeros(number, int)
        self._form_parties()

    def _form_parties(self) -> None:
        free = self.rng.permutation(len(self.walkers)).tolist()
        while free:
            size = min(len(free), 1 + int(self.rng.choice(len(PARTY_SIZES), p=PARTY_SIZES)))
            members, free = free[:size], free[size:]
            pace = float(self.speed[members].mean()) * (1 if size == 1 else 0.92)
            self.speed[members] = pace
            self.party[members] = len(self.parties)
            place_index = int(self.rng.integers(len(self.places)))
            self.parties.append(_Party(members, place_index, float(self.rng.uniform(-WARM_UP, -12))))

    def advance(self, time: float, step: float) -> None:
        """What happens in `step` seconds from `time` on."""
        for party in self.parties:
            if not party.visits and time >= party.arrives:
                self._plan(party)
            if party.waiting:
                self._let_in(party)
        self._move(time, step)
        # Processors differ in the last bits of exp and sqrt, and a crowd is chaotic: without this, no two would agree.
        for state in (self.position, self.velocity, self.heading, self.phase, self.walking, self.along):
            np.round(state, 6, out=state)
        for party in self.parties:
            if party.visits and not party.waiting and (self.doing[party.members] == Doing.AWAY).all():
                self._leave(party, time)

    def steps(self, place_index: int, clock: float) -> list[Step]:
        """Of everybody who is in a place."""
        present = np.flatnonzero((self.place_index == place_index) & (self.doing != Doing.AWAY))
        return [
            Step(
                person=self.walkers[i].number,
                x=float(self.position[i, 0]),
                z=float(self.position[i, 1]),
                heading=float(self.heading[i]),
                phase=float(self.phase[i]),
                walking=float(self.walking[i]),
                seat=float(self.seat[i]),
                clock=clock,
            )
            for i in present.tolist()
        ]

    def _plan(self, party: _Party) -> None:
        """Draws what the members do in the place that they have come to."""
        rng, place, footprints = self.rng, self.places[party.place_index], self.footprints[party.place_index]
        way = np.array(place.ways[int(rng.integers(len(place.ways)))], np.float64)
        if rng.random() < 0.5:
            way = way[::-1]
        size = len(party.members)
        middle = float(np.clip(rng.normal(0, 0.45), -0.9, 0.9))
        rests = self._choose_rests(party.place_index, size) if rng.random() < RESTING else []
        stay = _log_normal(rng, REST)
        pause_at, pause = math.inf, 0.0
        if rng.random() < PAUSING:
            pause_at, pause = float(rng.uniform(0.25, 0.75)), float(rng.uniform(1.5, 4))
        for row, member in enumerate(party.members):
            # Three go as two and one behind, four as two and two.
            rank, file = divmod(row, 2)
            abreast = min(2, size - 2 * rank)
            path = _aside(way, middle + (file - (abreast - 1) / 2) * ABREAST, footprints)
            visit = _Visit([path], behind=rank * 0.8 - (size > 2) * 0.4)
            if rests:
                number = rests[row]
                legs = _with_rest(path, place.rests[number], footprints)
                if legs is not None:
                    visit.legs, visit.rest = legs, place.rests[number]
                    visit.rest_seconds = stay * float(rng.uniform(0.9, 1.1))
                    self.taken.add((party.place_index, number))
                    self.rest_of[member] = (party.place_index, number)
            visit.pause_at, visit.pause_seconds = pause_at * visit.legs[0].length, pause
            party.visits[member] = visit
        party.waiting = list(party.members)

    def _choose_rests(self, place_index: int, size: int) -> list[int]:
        """Free rests, near each other, one a member. None if there are too few."""
        rests = self.places[place_index].rests
        free = [number for number in range(len(rests)) if (place_index, number) not in self.taken]
        if len(free) < size:
            return []
        first = free[int(self.rng.integers(len(free)))]
        near = sorted(free, key=lambda number: (math.dist(rests[number].position, rests[first].position), number))
        if math.dist(rests[near[size - 1]].position, rests[first].position) > 1.6:
            return []
        return near[:size]

    def _let_in(self, party: _Party) -> None:
        """Members enter where nobody stands."""
        for member in list(party.waiting):
            path = party.visits[member].legs[0]
            inside = np.flatnonzero((self.place_index == party.place_index) & (self.doing != Doing.AWAY))
            if len(inside) and np.linalg.norm(self.position[inside] - np.array(path.points[0]), axis=1).min() < 0.5:
                continue
            party.waiting.remove(member)
            self.doing[member], self.place_index[member] = Doing.MOVING, party.place_index
            self.position[member], self.leg[member], self.along[member] = path.points[0], 0, 0.0
            towards = path.direction(0)
            self.velocity[member] = np.array(towards) * self.speed[member]
            self.heading[member] = math.atan2(towards[0], towards[1])
            self.walking[member], self.seat[member] = 1.0, 0.0

    def _leave(self, party: _Party, time: float) -> None:
        party.visits = {}
        party.arrives = time + _log_normal(self.rng, TRAVEL)
        others = [index for index in range(len(self.places)) if index != party.place_index] or [party.place_index]
        party.place_index = others[int(self.rng.integers(len(others)))]

    def _move(self, time: float, step: float) -> None:
        wanted = np.zeros_like(self.velocity)
        for i in np.flatnonzero(self.doing != Doing.AWAY):
            wanted[i] = self._act(int(i), time, step)
        moving = np.flatnonzero(self.doing == Doing.MOVING)
        if not len(moving):
            return
        push = np.zeros((len(moving), 2))
        for place_index, footprints in enumerate(self.footprints):
            rows = np.flatnonzero(self.place_index[moving] == place_index)
            if len(rows):
                gap, out = footprints.nearest(self.position[moving[rows]])
                push[rows] += out * (3.0 * np.exp(-(gap - BODY) / 0.12))[:, None].clip(0, 6)
        push += self._avoid(moving)
        velocity = self.velocity[moving] + step * ((wanted[moving] - self.velocity[moving]) / RELAXATION + push)
        pace = np.linalg.norm(velocity, axis=1)
        fastest = self.speed[moving] * 1.3
        velocity *= np.minimum(1, fastest / np.maximum(pace, 1e-9))[:, None]
        before = self.position[moving]
        self.position[moving] += velocity * step
        self._keep_apart(moving)
        self.velocity[moving] = velocity
        self._swing(moving, before, step)

    def _act(self, i: int, time: float, step: float) -> Point:
        """The velocity that someone wants, after what they have just done."""
        visit = self.parties[self.party[i]].visits[i]
        rest = visit.rest
        match Doing(self.doing[i]):
            case Doing.MOVING:
                return self._follow(i, visit, time, step)
            case Doing.SITTING_DOWN:
                assert rest is not None
                self._take_seat(i, rest, 1 - (self.until[i] - time) / SIT_DOWN, step)
                if time >= self.until[i]:
                    self.doing[i], self.until[i] = Doing.AT_REST, time + visit.rest_seconds
            case Doing.AT_REST:
                assert rest is not None
                self._turn(i, rest.heading, step)
                self.walking[i] *= math.exp(-step / 0.15)
                if time >= self.until[i]:
                    self.doing[i], self.until[i] = Doing.GETTING_UP, time + (SIT_DOWN if rest.seat else 0)
            case Doing.GETTING_UP:
                assert rest is not None
                if rest.seat:
                    self._take_seat(i, rest, (self.until[i] - time) / SIT_DOWN, step)
                if time >= self.until[i]:
                    self.doing[i], self.seat[i], self.leg[i], self.along[i] = Doing.MOVING, 0.0, 1, 0.0
                    self.velocity[i] = 0
                    self.taken.discard(self.rest_of.pop(i))
        return 0.0, 0.0

    def _take_seat(self, i: int, rest: Rest, share: float, step: float) -> None:
        """A share of sitting down. One turns round before the seat, then sinks onto it."""
        self._turn(i, rest.heading, step)
        self.walking[i] *= math.exp(-step / 0.15)
        sunk = min(max((share - 0.4) / 0.6, 0.0), 1.0)
        sunk = sunk * sunk * (3 - 2 * sunk)
        start = np.array(_before(rest))
        shift = start + sunk * (np.array(rest.position) - start) - self.position[i]
        self.position[i] += shift * min(1.0, 1.2 * step / max(float(np.linalg.norm(shift)), 1e-9))
        self.seat[i] = 0.0 if sunk < 0.3 else rest.seat + FIRST_TOUCH * (1 - sunk) / 0.7

    def _follow(self, i: int, visit: _Visit, time: float, step: float) -> Point:
        path = visit.legs[self.leg[i]]
        along, (x, z) = float(self.along[i]), self.position[i].tolist()
        (on_x, on_z), (towards_x, towards_z) = path.point(along), path.direction(along)
        along += min(max((x - on_x) * towards_x + (z - on_z) * towards_z, 0.0), 0.5)
        self.along[i] = along
        to_go = path.length - along
        resting = visit.rest is not None and self.leg[i] == 0
        if to_go < 0.3:
            if resting:
                assert visit.rest is not None
                self.velocity[i] = 0
                sits, stands = (Doing.SITTING_DOWN, time + SIT_DOWN), (Doing.AT_REST, time + visit.rest_seconds)
                self.doing[i], self.until[i] = sits if visit.rest.seat else stands
            else:
                self.doing[i], self.place_index[i] = Doing.AWAY, -1
            return 0.0, 0.0
        if self.leg[i] == 0 and along >= visit.pause_at:
            visit.pause_seconds -= step
            if visit.pause_seconds > 0:
                return 0.0, 0.0
            visit.pause_at = math.inf
        goal_x, goal_z = path.point(along + AHEAD)
        if along + AHEAD < path.length and math.hypot(goal_x - x, goal_z - z) < 0.6 * AHEAD:
            self.along[i] += self.speed[i] * step  # a sharp turn was cut short: the corner will not be reached any more
        pace = float(self.speed[i]) * self._with_party(i, visit)
        if resting:
            pace = min(pace, 0.3 + 1.1 * to_go)
        pace /= max(math.hypot(goal_x - x, goal_z - z), 1e-9)
        return (goal_x - x) * pace, (goal_z - z) * pace

    def _with_party(self, i: int, visit: _Visit) -> float:
        """Faster or slower, so that the party stays together."""
        party = self.parties[self.party[i]]
        if len(party.members) == 1:
            return 1.0
        mates = [m for m in party.members if self.doing[m] == Doing.MOVING and self.leg[m] == self.leg[i]]
        theirs = [party.visits[m].legs[self.leg[m]].length - self.along[m] - party.visits[m].behind for m in mates]
        to_go = visit.legs[self.leg[i]].length - self.along[i] - visit.behind
        late = to_go - sum(theirs) / len(theirs) - (0.8 if party.waiting else 0)
        return 1 + 0.45 * min(max(late, -0.9), 0.7)

    def _avoid(self, moving: NDArray[np.intp]) -> Vectors:
        """(M, 2) m/s², away from others and, from those who come towards one, to the side (social force)."""
        others = np.flatnonzero(self.doing != Doing.AWAY)
        offset = self.position[moving][:, None] - self.position[others]  # (M, O, 2)
        distance = np.maximum(np.linalg.norm(offset, axis=2), 1e-6)
        meets = (
            (self.place_index[moving][:, None] == self.place_index[others])
            & (moving[:, None] != others)
            & (distance < 3)
        )
        away = offset / distance[..., None]
        mates = self.party[moving][:, None] == self.party[others]
        strength = np.where(mates, 1.0, 3.2) * np.exp(-(distance - CLOSEST) / np.where(mates, 0.12, 0.28))
        closing = -((self.velocity[moving][:, None] - self.velocity[others]) * away).sum(axis=2)
        ahead = (-away * self.velocity[moving][:, None]).sum(axis=2) > 0
        side = np.stack([-away[..., 1], away[..., 0]], axis=2)
        # Who passes on which side is settled by where one is already. Straight ahead, both go to their right.
        cross = self.velocity[moving][:, None, 0] * away[..., 1] - self.velocity[moving][:, None, 1] * away[..., 0]
        side *= np.where(cross >= -0.05, 1.0, -1.0)[..., None]
        dodge = np.where(ahead & (closing > 0.1) & ~mates, 1.6 * closing * np.exp(-distance / 1.1), 0.0)
        force = strength[..., None] * away + dodge[..., None] * side
        return np.where(meets[..., None], force, 0.0).sum(axis=1).clip(-8, 8)

    def _keep_apart(self, moving: NDArray[np.intp]) -> None:
        """Moves those apart who stand in each other, and out of solids."""
        present = np.flatnonzero(self.doing != Doing.AWAY)
        for _ in range(2):
            offset = self.position[moving][:, None] - self.position[present]
            distance = np.linalg.norm(offset, axis=2)
            near = (self.place_index[moving][:, None] == self.place_index[present]) & (moving[:, None] != present)
            lack = np.where(near, np.maximum(CLOSEST - distance, 0.0), 0.0)
            share = np.where(self.doing[present] == Doing.MOVING, 0.5, 1.0)
            away = offset / np.maximum(distance, 1e-6)[..., None]
            shift = (away * (lack * share)[..., None]).sum(axis=1)
            self.position[moving] += shift.clip(-0.04, 0.04)
        for place_index, footprints in enumerate(self.footprints):
            rows = moving[self.place_index[moving] == place_index]
            if len(rows):
                gap, out = footprints.nearest(self.position[rows])
                self.position[rows] += out * np.maximum(BODY - gap, 0.0)[:, None].clip(0, 0.1)

    def _swing(self, moving: NDArray[np.intp], before: Vectors, step: float) -> None:
        """Legs and headings follow from the ground that was covered, so that feet do not slide."""
        covered = self.position[moving] - before
        distance = np.linalg.norm(covered, axis=1)
        # Who walks slowly takes shorter steps as well as fewer.
        share = np.sqrt(np.clip(distance / step / self.speed[moving], 0, 1))
        walking = self.walking[moving] + (share - self.walking[moving]) * (1 - math.exp(-step / 0.2))
        self.walking[moving] = walking
        stride = self.stride[moving] * np.maximum(walking * walking * (3 - 2 * walking), SHORTEST_STRIDE)
        self.phase[moving] += 2 * math.pi * distance / stride
        for i, (x, z) in zip(moving.tolist(), self.velocity[moving].tolist()):
            if math.hypot(x, z) > 0.2:
                self._turn(i, math.atan2(x, z), step)

    def _turn(self, i: int, heading: float, step: float) -> None:
        turn = math.remainder(heading - self.heading[i], 2 * math.pi)
        turn *= 1 - math.exp(-step / 0.18)
        self.heading[i] = math.remainder(self.heading[i] + min(max(turn, -TURN * step), TURN * step), 2 * math.pi)


def _log_normal(rng: np.random.Generator, shape: tuple[float, float]) -> float:
    return shape[0] * math.exp(float(rng.normal(0, shape[1])))
