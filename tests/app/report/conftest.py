"""A site made of films, for the tests of what is drawn and written of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.engine.following import Thinning
from app.engine.ingest import ingest
from app.record import Site
from tests.app.records import site_in
from tests.app.scenes import ROOT, World, three_cameras

FILMS = ROOT / "sample_videos" / "films"
BEGIN, SECONDS = 1795185010.0, 3.0  # UTC seconds, of the hall's film, whose people are many then


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Films of three cameras. Only to be read."""
    return three_cameras(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def ingested(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that ingest made of `world`. Only to be read."""
    site = tmp_path_factory.mktemp("ingested") / "site"
    report = ingest(world.videos, site, detector=world.detector, who="test")
    assert not [error for camera in report.cameras for error in camera.errors]
    return site


@pytest.fixture
def changing_world(world: World, tmp_path: Path) -> World:
    """A copy of `world` that a test may change."""
    shutil.copytree(world.videos, tmp_path / "videos")
    shutil.copytree(world.detections, tmp_path / "detections")
    return World(tmp_path / "videos", tmp_path / "detections")


@pytest.fixture(scope="session")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A few seconds of a sample film, as the shipped detector sees them. Only to be read."""
    folder = tmp_path_factory.mktemp("hall")
    videos, path = folder / "videos", site_in(folder)
    videos.mkdir()
    shutil.copy(FILMS / "hall.mp4", videos)
    ingest(videos, path, detector="shipped", thinning=Thinning(begin=BEGIN, end=BEGIN + SECONDS), who="test")
    with Site.open_to_write(path) as site:
        yield site
