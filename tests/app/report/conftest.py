"""A site made of films, for the tests of what is drawn and written of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.engine.ingest import ingest
from tests.app.scenes import World, three_cameras


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
