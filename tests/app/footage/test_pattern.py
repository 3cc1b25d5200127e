"""A person's pattern tells cameras and times."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePath

import pytest

from app.errors import FootageError
from app.footage.pattern import CameraPattern

LOCAL = datetime(2026, 11, 20, 14, 30, 5)


@pytest.mark.parametrize(
    ("pattern", "name", "camera", "local"),
    [
        ("{camera}/%Y-%m-%d/%H/%M.%S", "front/2026-11-20/14/30.05.mp4", "front", LOCAL),
        ("{camera}_%d%m%Y_%H%M%S", "north_hall_20112026_143005.mkv", "north_hall", LOCAL),
        ("**/{camera}/%I-%M-%S %p %b %d %Y*", "a/b/yard/02-30-05 pm Nov 20 2026 x.mp4", "yard", LOCAL),
        ("{camera}-%s.mp4", "front-1795185005.mp4", "front", LOCAL.replace(tzinfo=UTC)),
        ("{camera}_%Y%m%dT%H%M%S%z*", "x_20261120T143005Z.mp4", "x", LOCAL.replace(tzinfo=UTC)),
        ("{camera}_*", "ch1_2026.mp4", "ch1", None),
        ("*/{camera}.mp4", "day/100%.mp4", "100%", None),
    ],
)
def test_what_a_pattern_tells(pattern: str, name: str, camera: str, local: datetime | None) -> None:
    match = CameraPattern(pattern).match(PurePath(name))
    assert match is not None
    assert match.camera == camera
    assert (match.time and match.time.local) == local


@pytest.mark.parametrize("name", ["front/30.05.mp4", "front/2026-13-20/14/30.05.mp4", "2026-11-20/14/30.05.mp4"])
def test_what_does_not_fit_is_told(name: str) -> None:
    assert CameraPattern("{camera}/%Y-%m-%d/%H/%M.%S").match(PurePath(name)) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("hall/*", "can't tell cameras"),
        ("{camera}/{camera}", "can't tell cameras"),
        ("{camera}" + "*x" * 4, "can't tell cameras"),
        ("{camera}_%Y_%Y", "can't be understood"),
        ("{camera}_%Q", "has %Q: possible are"),
        ("{camera}_%Y%m%d_%I", "without AM or PM"),
    ],
)
def test_patterns_that_can_not_be_meant_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(FootageError, match=reason):
        CameraPattern(pattern)


def test_hostile_patterns_end() -> None:
    assert CameraPattern("{camera}" + "*a" * 3 + "b").match(PurePath("a" * 60)) is None
