"""What a query found, as people want it: by identity, as a journey, in words that never claim certainty."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.movement.stays import APART
from app.search.matches import groups, journey, percent
from tests.app.query_views import MATCHES, NOON, match


def test_groups_are_by_identity_then_trajectory_the_best_first() -> None:
    identities = groups(reversed(MATCHES))
    assert [identity.number for identity in identities] == [4, 9, None]
    assert [identity.probability for identity in identities] == [0.93, 0.44, 0.02]
    assert [[t.number for t in identity.trajectories] for identity in identities] == [[11, 12], [13], [None]]
    assert [m.tracklet for m in identities[0].trajectories[0].matches] == [1, 4]
    assert [m.tracklet for m in identities[0].matches] == [1, 4, 2]


def test_what_was_joined_to_nothing_stands_alone() -> None:
    apart = [
        match(1, 0.5),
        match(2, 0.5),
        match(3, 0.4, trajectory=7),
        match(4, 0.3, trajectory=7),
        match(7, 0.2, identity=7),
    ]
    identities = groups(apart)
    assert [[m.tracklet for m in identity.matches] for identity in identities] == [[1], [2], [3, 4], [7]]
    assert [identity.number for identity in identities] == [None, None, None, 7]
    assert groups([]) == []


def test_the_journey_is_by_time_and_joins_what_one_camera_saw() -> None:
    stops = journey(MATCHES[:2] + MATCHES[3:4])
    assert [(s.camera, s.start - NOON, s.end - NOON, s.gap) for s in stops] == [
        ("hall", 0, 20, None),
        ("street", 60, 70, 40),
    ]
    assert stops[0].best is MATCHES[0]
    again = journey([match(1, 0.5), match(2, 0.9, at=5, lasts=1), match(3, 0.6, at=10 + APART + 1)])
    assert [(s.start - NOON, s.end - NOON, s.best.tracklet) for s in again] == [(0, 10, 2), (71, 81, 3)]
    assert journey([match(1, 0.5), match(2, 0.5, camera="street", at=4)])[1].gap == -6
    assert journey([]) == []


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0, "<1 %"), (0.0099, "<1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.99, "99 %"), (0.996, ">99 %"), (1, ">99 %")],
)
def test_a_probability_never_claims_certainty(probability: float, text: str) -> None:
    assert percent(probability) == text


def test_at_most_six_crops_and_only_jpegs_are_shown() -> None:
    many = match(1, 0.9, crops=20)
    assert many.pictures == [many.crops[k] for k in (0, 4, 8, 11, 15, 19)]
    odd = replace(many, crops=[b"<svg onload=alert(1)>", many.crops[3], b""])
    assert odd.pictures == [many.crops[3]]
