"""A site on PostgreSQL with its pictures in an object store: taken in, erased, verified and repaired as in a folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.encoders.repair import repair
from app.errors import StorageError
from app.record import Site, erasure
from app.record.buckets import Bucket
from app.record.database import Database
from app.record.forget import forget
from app.record.move import create, move, remove_left
from app.record.pictures import jpegs_of, pictures_of
from app.record.places import Places
from app.record.rows import Chunk
from app.record.shards import Shard
from app.record.verify import damage
from tests.app.record.test_erasure import ENTRY, death
from tests.app.record.test_move import objects, pictures, sound
from tests.app.record.test_object_pictures import erased_from_the_store, stored
from tests.app.record.test_site import begun, chunk, filled, footage
from tests.app.records import new_schema
from tests.app.scenes import ROOT, dump, segment
from tests.app.sites import figure_site

# Three chunks of one film, each committed by who finds it missing. It is killed in the n-th call of a function.
TAKEN_IN = """
import os, signal, sys
from pathlib import Path
from tests.app.record import test_elsewhere
test_elsewhere.struck(sys.argv[3], sys.argv[4], int(sys.argv[5]))
test_elsewhere.take_in(Path(sys.argv[1]), Path(sys.argv[2]))
"""
POINTS = [("put", "before", 2), ("put", "after", 2), ("run", "COMMIT", 5), ("update_row", "before", 3)]


@pytest.fixture
def path(postgres: str, bucket: str, tmp_path: Path) -> Path:
    """A site of the pair, with nothing in it."""
    path = tmp_path / "site"
    create(path, Places(new_schema(postgres), f"s3://{bucket}/site"), who="test")
    return path


def parts() -> list[Chunk]:
    return [chunk(segment(k, track=k), frames=10 * k) for k in (1, 2, 3)]


def take_in(path: Path, films: Path) -> None:
    """Commits what of a film is not committed yet."""
    with Site.open_to_write(path) as site:
        record = begun(site, footage(films, "film.mp4"))
        for part in parts():
            if part.frames > record.frames:
                site.intake.commit(record, part, done=part.frames == 30)


def struck(name: str, when: str, turn: int) -> None:
    """From now on this process dies in the n-th call of a function."""
    import app.record.intake

    owner: Any = {"put": Bucket, "run": Database, "update_row": app.record.intake}[name]
    kept, count = getattr(owner, name), 0

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += when in ("before", "after") or when in arguments
        result = kept(*arguments, **options) if when == "after" else None
        if count == turn:
            import os

            os.kill(os.getpid(), signal.SIGKILL)
        return kept(*arguments, **options) if when != "after" else result

    setattr(owner, name, call)


@pytest.mark.parametrize(("name", "when", "turn"), POINTS)
def test_an_ingest_that_is_killed_goes_on_as_if_it_had_not_been(
    path: Path, postgres: str, s3: Any, bucket: str, tmp_path: Path, name: str, when: str, turn: int
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    whole = tmp_path / "whole"
    create(whole, Places(new_schema(postgres), f"s3://{bucket}/whole"), who="test")
    take_in(whole, films)
    words = [sys.executable, "-c", TAKEN_IN, str(path), str(films), name, when, str(turn)]
    killed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    take_in(path, films)
    told, expected = dump(path), dump(whole)
    for tables in (told, expected):
        del tables["audit"], tables["settings"]
    assert told == expected and pictures(path) == pictures(whole) and sound(path)
    assert objects(s3, bucket) == 2 * (3 + 1)  # of either site the chunks, and whose they are


def test_a_record_that_takes_nothing_leaves_no_object(
    path: Path, tmp_path: Path, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = parts()
    with Site.open_to_write(path) as site:
        record = begun(site, footage(tmp_path, "film.mp4"))
        site.intake.commit(record, first, done=False)
        before = stored(s3, bucket)

        def refused(*_: object) -> None:
            raise StorageError("no more")

        with monkeypatch.context() as patched:
            patched.setattr(site.intake, "_insert", refused)
            with pytest.raises(StorageError, match="no more"):
                site.intake.commit(record, second, done=False)
        assert stored(s3, bucket) == before
        site.intake.commit(record, second, done=False)
        site.intake.commit(record, third, done=True)
        assert site.footage_record(record.id).shard == 2
    assert sound(path)


@pytest.mark.parametrize("stage", ["no death", "Bucket.put", "Bucket.remove_old", "forget_deleted", "_look"])
def test_what_is_erased_leaves_no_byte_and_no_old_version_whoever_dies_when(
    path: Path, tmp_path: Path, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(erasure, "_BETWEEN", 0.0)
    owners: dict[str, tuple[Any, str]] = {
        "Bucket.put": (Bucket, "put"),
        "Bucket.remove_old": (Bucket, "remove_old"),
        "forget_deleted": (Database, "forget_deleted"),
        "_look": (erasure, "_look"),
    }
    with Site.open_to_write(path) as site:
        a, b, *_ = filled(site, tmp_path)
        gone, stays = ([site.crop_jpeg(crop) for crop in site.crops(tracklet)] for tracklet in (a, b))
        assert not erased_from_the_store(s3, bucket, gone)
        if stage == "no death":
            assert site.erase([a], ENTRY).found == []
        else:
            with monkeypatch.context() as patched:
                patched.setattr(*owners[stage], death)
                with pytest.raises(KeyboardInterrupt):
                    site.erase([a], ENTRY)
    with Site.open_to_write(path) as again:
        assert erasure.pending(again.database) == set()
        assert [again.crop_jpeg(crop) for crop in again.crops(b)] == stays
    assert erased_from_the_store(s3, bucket, gone) and sound(path)


def test_an_object_that_shows_nobody_any_more_leaves(path: Path, s3: Any, bucket: str, tmp_path: Path) -> None:
    with Site.open_to_write(path) as site:
        filled(site, tmp_path)
        forget(site, who="test", tracklets=site.searchable_table().ids.tolist())
    assert objects(s3, bucket) == 1 and sound(path)  # whose they are
    with Site.open_to_write(path) as site:
        assert repair(site, who="test") == []
        record = begun(site, footage(tmp_path, "more.mp4", camera="yard"))
        site.intake.commit(record, chunk(segment(record.first_segment, track=record.first_track)), done=True)
    before = pictures(path)
    for places in (Places(), Places(store=f"s3://{bucket}/site")):
        move(path, places, who="test")
        remove_left(path, who="test")
        assert pictures(path) == before and sound(path)


@pytest.mark.parametrize("bucket", ["versioned"], indirect=True)
def test_an_old_version_that_stays_is_found(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_BETWEEN", 0.0)
    with Site.open_to_write(path) as site:
        a, *_ = filled(site, tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(Bucket, "_remove_versions", lambda *_: None)  # as a bucket's lock on objects does
            (sentence,) = site.erase([a], ENTRY).found
            assert "crops/1/1/000000.shard has" in sentence and "bytes of their crops" in sentence
    with Site.open_to_write(path) as again:
        assert erasure.pending(again.database) == set() and list(damage(again)) == []


def test_crops_of_many_shards_are_read_at_once_and_those_that_are_lost_are_none(path: Path) -> None:
    who = figure_site(path, people=2, cameras=3)
    with Site.open_to_write(path) as site:
        crops = [crop for tracklet in who for crop in site.crops(tracklet)]
        assert jpegs_of(site.database, crops) == [site.crop_jpeg(crop) for crop in crops]
        assert jpegs_of(site.database, []) == []
        pictures_of(site.database).remove([crops[0].shard])
        assert [jpeg is None for jpeg in jpegs_of(site.database, crops)] == [c.shard == crops[0].shard for c in crops]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def changed(data: bytes) -> bytes:
    return data[:50] + bytes([data[50] ^ 1]) + data[51:]


@pytest.mark.parametrize("harm", [cut, changed, None])
def test_damage_is_told_and_repaired(path: Path, harm: Callable[[bytes], bytes] | None) -> None:
    who = figure_site(path, people=3, cameras=2)
    with Site.open_to_write(path) as site:
        store, shard = pictures_of(site.database), Shard(1, 1, 0)
        (size,) = store.sizes(1, 1).values()
        if harm is None:
            store.remove([shard])
        else:
            (data,) = store.read(shard, [(0, size)]) or ()
            store.put(shard, harm(data))
        told = list(damage(site))
        assert told and all("of camera camera0" in each or "/crops/1/1/000000.shard" in each for each in told)
        done = repair(site, who="test")
        assert any("it was dropped" in sentence for sentence in done)
        left = [len(site.crops(tracklet)) for tracklet in who]
        assert list(damage(site)) == [] and len(who) < sum(left) < 4 * len(who)


def test_bytes_that_no_row_names_are_told_and_overwritten(path: Path, s3: Any, bucket: str) -> None:
    who = figure_site(path, people=2, cameras=1)
    lost = min(who)
    with Site.open_to_write(path) as site:
        jpegs = [site.crop_jpeg(crop) for crop in site.crops(lost)]
        with site.database.transaction():
            erasure.remove_rows(site.database, [lost])
        assert any("bytes that no row names" in sentence for sentence in damage(site))
        repair(site, who="test")
        assert list(damage(site)) == [] and erased_from_the_store(s3, bucket, jpegs)


def test_pictures_that_came_from_a_folder_are_written_on_and_erased_there(
    path: Path, postgres: str, s3: Any, bucket: str, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    Site.create(moved).close()
    with Site.open_to_write(moved) as site:
        a, b, *_ = filled(site, tmp_path)
    move(moved, Places(new_schema(postgres), f"s3://{bucket}/moved"), who="test")
    with Site.open_to_write(moved) as site:
        record = begun(site, footage(tmp_path, "more.mp4", camera="yard"))
        site.intake.commit(record, chunk(segment(record.first_segment, track=record.first_track)), done=True)
        forget(site, who="test", tracklets=[a])
        left = pictures(moved)
    assert a not in left and b in left and sound(moved)
    remove_left(moved, who="test")
    move(moved, Places(), who="test")
    with Site.open_to_write(moved) as site:
        record = begun(site, footage(tmp_path, "again.mp4", camera="yard"))
        site.intake.commit(record, chunk(segment(record.first_segment, track=record.first_track)), done=True)
    assert sound(moved) and left.items() <= pictures(moved).items()
