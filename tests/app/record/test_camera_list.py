"""A list of cameras says what their summaries say, without a look at their tracks."""

from __future__ import annotations

from pathlib import Path

from app.record import Site
from app.record.camera_list import camera_list, hours
from tests.app.sites import figure_site


def test_the_list_says_what_summaries_say(path: Path) -> None:
    figure_site(path, people=4, cameras=2, day=1, sightings=1)
    with Site.open(path) as site:
        summaries = site.cameras()
        for line, summary in zip(camera_list(site.database), summaries, strict=True):
            for name in ("camera", "footage", "hours", "tracklets", "sightings", "start", "end"):
                assert getattr(line, name) == getattr(summary, name), name
            assert line.problems == 0
            assert site.cameras(summary.camera) == [summary]
        assert site.cameras("attic") == []


def test_a_site_without_footage_has_no_line(empty: Path) -> None:
    with Site.open(empty) as site:
        assert camera_list(site.database) == []


def test_a_moment_that_two_pieces_show_counts_once() -> None:
    assert hours([(0, 3600), (1800, 3600), (9000, 1800)]) == 2
    assert hours([]) == 0
