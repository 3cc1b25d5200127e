"""What bench.cluster_kills takes in, and what it tells."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from app.footage import site_config, survey
from bench.cluster_kills import FILMS, PIECES, cut, reason


def test_beginnings_of_the_films_follow_each_other_on_their_cameras(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "hall.mp4").symlink_to(FILMS / "hall.mp4")
    world = cut(tmp_path / "one", tmp_path / "cut")
    (camera,) = survey(world.videos, site_config(world.videos, None), None, None).cameras
    first, second = camera.footage
    assert camera.name == "hall" and second.start - first.start == PIECES[0] / 15
    seconds = []
    for footage in camera.footage:
        with av.open(str(footage.path)) as film:
            seconds.append([frame.time for frame in film.decode(video=0)])
    assert seconds == [pytest.approx([k / 15 for k in range(count)]) for count in PIECES]
    assert [footage.start_source for footage in camera.footage] == ["name", "name"]


def test_what_commands_say_is_counted_without_what_differs() -> None:
    said = "Starting\nError: The record of the site at /tmp/sightline-{}/s-{} can't be reached.\n"
    names = ("_l2cjmv0", 1), ("o3pq_x1a", 22)
    assert {reason(1, said.format(*name)) for name in names} == {
        "1: Error: The record of the site at … can't be reached."
    }
    assert reason(-9, "Starting\n") == "-9: "
