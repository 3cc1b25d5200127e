"""A site on servers, as workers of machines that have not got its folder open it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from app.engine.cluster_site import ClusterSite
from app.errors import SiteError
from app.record.places import Places, read_places

PLACES = Places("postgresql://anna@head/sightline", "s3://bucket/site", {"record": "folder"})


@pytest.fixture(autouse=True)
def own_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own folder for passing files is a test's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def elsewhere(onnx: bytes, store: str = PLACES.store) -> ClusterSite:
    places = Places(PLACES.record, store, PLACES.left)
    return ClusterSite(Path("/sites/one"), places, {"base": hashlib.sha256(onnx).hexdigest()})


def test_a_machine_gets_a_private_folder_that_says_where_the_site_is(tmp_path: Path) -> None:
    folder = elsewhere(b"network").folder()
    assert folder.is_relative_to(tmp_path / f"sightline-{os.getuid()}")
    assert (folder.stat().st_mode & 0o777, folder.parent.stat().st_mode & 0o777) == (0o700, 0o700)
    assert read_places(folder) == Places(PLACES.record, PLACES.store)  # what a move left is no worker's business


def test_it_gets_a_versions_file_from_the_store_or_is_told_that_it_is_lost(s3: Any, bucket: str) -> None:
    for onnx in (b"network", b"other"):
        site = elsewhere(onnx, f"s3://{bucket}/site")
        with pytest.raises(SiteError, match="is lost: `python -m app"):
            site.onnx("base")
        key = f"site/models/base/{site.sha256['base']}.onnx"
        s3.put_object(Bucket=bucket, Key=key, Body=onnx)
        assert site.onnx("base").read_bytes() == onnx
        s3.delete_object(Bucket=bucket, Key=key)
        assert site.onnx("base").read_bytes() == onnx  # the machine has it


def test_a_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(SiteError, match="belongs to somebody else: remove it there"):
        elsewhere(b"network").folder()


def test_a_site_in_a_folder_is_opened_where_it_is() -> None:
    assert ClusterSite(Path("/sites/one"), Places(), {}).folder() == Path("/sites/one")
