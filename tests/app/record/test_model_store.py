"""The files of models where several machines share a site: whoever has `store.toml` gets them, and nothing else."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.encoders.repair import repair
from app.encoders.versions import BASE, ONNX, WEIGHTS, find, folder_of, onnx_of, open_model, weights_of, with_base
from app.errors import SiteError
from app.record import Site
from app.record.model_store import ModelStore, models_of
from app.record.move import create, move, remove_left
from app.record.places import STORE, Places
from app.record.verify import damage
from tests.app.record.test_move import death, objects
from tests.app.record.test_object_pictures import stored
from tests.app.records import new_schema
from tests.app.sites import add_version


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An object store, or a folder that all machines see."""
    if request.param == "file":
        return f"file://{tmp_path}/shared"
    bucket = f"models-{secrets.token_hex(4)}"
    request.getfixturevalue("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/site"


@pytest.fixture
def path(store: str, tmp_path: Path) -> Path:
    """A site whose models are in a store: base and v1."""
    path = tmp_path / "site"
    create(path, Places(store=store), who="test")
    with Site.open_to_write(path) as site:
        with_base(site)
    add_version(path, "v1")
    return path


def files(site: Site) -> dict[tuple[str, str], bytes]:
    """What a machine has of each version, as it takes them."""
    named = [model.name for model in site.models()]
    return {(name, ONNX): onnx_of(site, find(site, name)).read_bytes() for name in named} | {
        (name, WEIGHTS): weights_of(site, name).read_bytes() for name in named
    }


def lost(path: Path) -> list[str]:
    with Site.open(path) as site:
        return list(damage(site))


def test_whoever_lacks_a_file_or_has_another_gets_it_from_the_store(path: Path, store: str) -> None:
    with Site.open_to_write(path) as site:
        before = files(site)
        shutil.rmtree(path / "models")
        assert files(site) == before and open_model(site, find(site, "v1")).size
        (folder_of(site, "v1") / ONNX).write_bytes(b"another")
        assert files(site) == before
        assert (folder_of(site, "v1") / ONNX).stat().st_mode & 0o077 == 0
    assert lost(path) == []


def test_a_candidate_that_is_made_anew_leaves_no_object_of_the_earlier(path: Path, store: str, tmp_path: Path) -> None:
    with Site.open_to_write(path) as site:
        onnx = folder_of(site, "v1") / ONNX
        onnx.write_bytes(onnx.read_bytes() + b"\0")
        sha256 = hashlib.sha256(onnx.read_bytes()).hexdigest()
        site.add_model(replace(find(site, "v1"), status="candidate", sha256=sha256))
        kept = models_of(site.database)
        there = kept._objects.keys_with_versions("models/v1")
        assert {Path(key).stem for key in there} == {sha256, find(site, "v1").weights_sha256}
    assert lost(path) == []


def test_who_dies_before_the_row_has_written_an_object_that_the_next_try_uses(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site"
    create(path, Places(store=store), who="test")
    with Site.open_to_write(path) as site:
        with monkeypatch.context() as patched:
            patched.setattr("app.record.site.insert_rows", death)
            with pytest.raises(KeyboardInterrupt):
                with_base(site)
        assert site.models() == [] and len(models_of(site.database)._objects.keys_with_versions("models")) == 2
        with_base(site)
        assert len(models_of(site.database)._objects.keys_with_versions("models")) == 2
    assert lost(path) == []


def test_what_the_store_lost_is_told_and_comes_back_from_this_machine(path: Path, store: str) -> None:
    with Site.open_to_write(path) as site:
        before, kept = files(site), models_of(site.database)
        kept._objects.put(f"models/v1/{find(site, 'v1').sha256}.onnx", b"damaged")
        kept._objects.remove([f"models/{BASE}/{find(site, BASE).weights_sha256}.safetensors"])
        told = list(damage(site))
        assert len(told) == 2 and all(store in sentence for sentence in told)
        shutil.rmtree(path / "models" / BASE)  # which is shipped
        assert len(repair(site, who="test")) == 2 and list(damage(site)) == []
        kept._objects.remove([f"models/v1/{find(site, 'v1').sha256}.onnx"])
        (folder_of(site, "v1") / ONNX).unlink()
        repair(site, who="test")
        assert len(list(damage(site))) == 1
        with pytest.raises(SiteError, match="is missing: let another version serve"):
            open_model(site, find(site, "v1"))
        assert before[BASE, ONNX] == onnx_of(site, find(site, BASE)).read_bytes()


@pytest.mark.parametrize("bucket", ["versioned"], indirect=True)
def test_models_move_with_the_pictures_both_ways_also_after_a_death(
    postgres: str, s3: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, away = tmp_path / "site", Places(new_schema(postgres), f"s3://{bucket}/site")
    with Site.create(path) as site:
        with_base(site)
    add_version(path, "v1")
    with Site.open(path) as site:
        before = files(site)
    with monkeypatch.context() as patched:
        kept, count = ModelStore.put, []

        def struck(*arguments: Any) -> None:
            count.append(arguments)
            death() if len(count) == 3 else kept(*arguments)

        patched.setattr(ModelStore, "put", struck)
        with pytest.raises(KeyboardInterrupt):
            move(path, away, who="test")
    assert move(path, away, who="test").models == 4
    remove_left(path, who="test")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(path / STORE, elsewhere / STORE)
    with Site.open(elsewhere) as site:
        assert files(site) == before and list(damage(site)) == []
    assert move(elsewhere, Places(), who="test").models == 4
    assert stored(s3, bucket)
    remove_left(elsewhere, who="test")
    assert objects(s3, bucket) == 0
    with Site.open(elsewhere) as site:
        assert files(site) == before and list(damage(site)) == []


def test_a_lost_file_does_not_keep_a_site_from_moving(tmp_path: Path, store: str) -> None:
    path = tmp_path / "site"
    with Site.create(path) as site:
        with_base(site)
    add_version(path, "v1")
    (path / "models" / "v1" / WEIGHTS).unlink()
    (path / "models" / "v1" / ONNX).write_bytes(b"damaged")
    assert move(path, Places(store=store), who="test").models == 2
    told = lost(path)
    assert len(told) == 2 and all("v1" in sentence for sentence in told)
