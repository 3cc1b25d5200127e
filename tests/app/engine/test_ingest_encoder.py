"""A new site that is to serve with an encoder of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import app.encoders.brought
import app.engine.ingest
from app.encoders.versions import BASE, serving, store_of, use
from app.engine.ingest import IngestReport
from app.errors import SiteError
from app.record import Site
from app.record.verify import damage
from deploy.foreign import convert, read_foreign
from deploy.preprocessing import Preprocessing
from tests.app.scenes import World, ingest, three_cameras
from tests.deploy.encoders import binned_colours


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return three_cameras(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own for files that these tests make."""
    monkeypatch.setattr(app.encoders.brought, "probe", lambda path, function: read_foreign(path))


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A file that says how it wants its pictures."""
    foreign = read_foreign(binned_colours(tmp_path / "foreign.onnx"))
    convert(foreign, tmp_path / "ours.onnx", Preprocessing("rgb", "imagenet"), "feature", {})
    return tmp_path / "ours.onnx"


def begun(world: World, site: Path, encoder: Path, **options: Any) -> IngestReport:
    videos = options.pop("videos", world.videos / "hall.mp4")
    return app.engine.ingest.ingest(videos, site, detector=world.detector, who="test", encoder=encoder, **options)


def test_a_new_site_serves_with_it_and_base_stays(world: World, tmp_path: Path, ours: Path) -> None:
    path = tmp_path / "site"
    report = begun(world, path, ours)
    assert report.encoder is not None and report.encoder_problem is None
    assert (report.encoder.model, report.encoder.serves, report.encoder.gate) == ("ours", True, None)
    again = begun(world, path, ours, videos=world.videos)  # the same site goes on
    assert again.encoder == report.encoder
    with Site.open_to_write(path) as site:
        assert serving(site).name == "ours"
        assert len(store_of(site, "ours").load()[0]) == len(site.tracklet_table()) > 2
        assert [e.action for e in site.audit() if "encoder" in e.action or e.action == "models add"] == [
            "ingest with encoder",
            "models add",
        ]
        assert list(damage(site)) == []
        use(site, BASE, who="me")
    assert not begun(world, path, ours).encoder.serves  # type: ignore[union-attr]


def test_killed_before_it_serves_the_same_command_goes_on(
    world: World, tmp_path: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site"

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(app.encoders.brought, "bring", killed)
        with pytest.raises(KeyboardInterrupt):
            begun(world, path, ours)
    with Site.open(path) as site:
        assert serving(site).name == BASE
    report = begun(world, path, ours)
    assert report.encoder is not None and report.encoder.serves


def test_a_site_that_is_there_already_is_for_models_add(world: World, tmp_path: Path, ours: Path) -> None:
    path = tmp_path / "site"
    app.engine.ingest.ingest(world.videos / "hall.mp4", path, detector=world.detector, who="test")
    with pytest.raises(SiteError, match=r"--encoder is for a new one: `python -m app.models add .*ours\.onnx --site"):
        begun(world, path, ours)


def test_where_nothing_tells_how_it_wants_its_pictures_base_serves(world: World, tmp_path: Path) -> None:
    file = binned_colours(tmp_path / "foreign.onnx")
    done = ingest(World(world.videos / "hall.mp4", world.detections), tmp_path / "site", "--encoder", str(file))
    assert done.returncode == 1
    assert "base serves: " in done.stdout and "give --input and --scale" in done.stdout
    with Site.open(tmp_path / "site") as site:
        assert serving(site).name == BASE and len(site.tracklet_table()) == 2


def test_what_is_no_encoder_is_told_before_anything_is_taken_in(world: World, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no model")
    with pytest.raises(SiteError, match=r"text\.txt is no encoder"):
        begun(world, tmp_path / "site", tmp_path / "text.txt")
    with Site.open(tmp_path / "site") as site:
        assert site.models() == []
