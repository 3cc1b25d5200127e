"""A site on servers, as workers of machines that have not got its folder open it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from app.engine import cluster_site
from app.engine.cluster_site import ClusterSite, ModelFile
from app.errors import SiteError
from app.record.places import Places, read_places

PLACES = Places("postgresql://anna@head/sightline", "s3://bucket/site", {"record": "folder"})


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bytes]:
    """What was asked of the cluster. The machine's own folder for passing files is a test's."""
    asked: list[bytes] = []
    monkeypatch.setattr(cluster_site, "answer", lambda reference: asked.append(reference) or reference)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return asked


def elsewhere(onnx: bytes) -> ClusterSite:
    return ClusterSite(Path("/sites/one"), PLACES, (ModelFile("base", hashlib.sha256(onnx).hexdigest(), onnx),))


def test_a_machine_gets_a_private_folder_with_what_a_worker_needs(fetched: list[bytes], tmp_path: Path) -> None:
    folder = elsewhere(b"network").folder()
    assert folder.is_relative_to(tmp_path / f"sightline-{os.getuid()}")
    assert (folder.stat().st_mode & 0o777, folder.parent.stat().st_mode & 0o777) == (0o700, 0o700)
    assert read_places(folder) == Places(PLACES.record, PLACES.store)  # what a move left is no worker's business
    assert elsewhere(b"network").onnx("base").read_bytes() == b"network"
    assert fetched == [b"network"]  # once


def test_another_file_of_a_version_takes_the_place_of_the_earlier(fetched: list[bytes]) -> None:
    elsewhere(b"network").folder()
    assert elsewhere(b"other").onnx("base").read_bytes() == b"other"


def test_a_folder_of_somebody_else_is_refused(fetched: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(SiteError, match="belongs to somebody else: remove it there"):
        elsewhere(b"network").folder()


def test_a_site_in_a_folder_is_opened_where_it_is() -> None:
    assert ClusterSite(Path("/sites/one"), Places(), ()).folder() == Path("/sites/one")
