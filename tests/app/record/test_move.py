"""A site moves between its folder, a PostgreSQL and an object store, and nothing is lost on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.errors import Busy, SiteError
from app.record import Site
from app.record.audit import add_entry
from app.record.database import Database
from app.record.forget import forget
from app.record.leases import ALERTING, MERGING, of_camera
from app.record.move import create, move, remove_left
from app.record.places import STORE, Places, read_places, record_at, store_at, write_places
from app.record.rows import AuditEntry
from app.record.verify import damage
from app.site import commands
from tests.app.record.test_object_pictures import erased_from_the_store
from tests.app.records import new_schema
from tests.app.scenes import ROOT, dump
from tests.app.sites import People, figure_site
from tests.app.typed import Typed

FOLDER = Places()
KILLED = """
import os, signal, sys
from pathlib import Path
import app.record.copying, app.record.database, app.record.move, app.record.object_pictures, app.record.places
from app.record.places import read_places, write_places
name, turn, site, places = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), read_places(Path(sys.argv[4]))
*module, attribute = name.split(".")
owner, count = sys.modules[".".join(module)], 0
kept = getattr(owner, attribute)
def struck(*arguments, **options):
    global count
    count += 1
    if count == turn:
        os.kill(os.getpid(), signal.SIGKILL)
    return kept(*arguments, **options)
setattr(owner, attribute, struck)
app.record.move.move(site, places, who="test")
"""
STEPS = [  # where a move is killed: a function, and which call of it
    ("app.record.move.add_entry", 1),
    ("app.record.copying._holds", 2),
    ("app.record.copying._in_order", 5),
    ("app.record.move.put_setting", 1),
    ("app.record.move.put_setting", 2),
    ("app.record.move.write_places", 1),
]


@pytest.fixture
def away(postgres: str, bucket: str) -> Places:
    """A schema and a bucket of the test's own."""
    return Places(new_schema(postgres), f"s3://{bucket}/site")


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, People]:
    return tmp_path / "site", figure_site(tmp_path / "site", people=4, cameras=2)


def pictures(path: Path) -> dict[int, list[bytes]]:
    with Site.open(path) as site:
        return {s.id: [site.crop_jpeg(crop) for crop in site.crops(s.id)] for s in site.segments()}


def rows(path: Path) -> dict[str, list[str]]:
    """All but what moving itself writes."""
    dumped = dump(path)
    del dumped["audit"], dumped["settings"]
    return dumped


def actions(path: Path) -> list[str]:
    with Site.open(path) as site:
        return [entry.action for entry in site.audit()]


def sound(path: Path) -> bool:
    with Site.open(path) as site:
        return not list(damage(site))


def objects(s3: Any, bucket: str) -> int:
    """Versions of objects and marks of removals."""
    listed = s3.list_object_versions(Bucket=bucket)
    return len(listed.get("Versions", [])) + len(listed.get("DeleteMarkers", []))


def test_there_and_back_every_row_and_every_byte_is_the_same(
    site: tuple[Path, People], away: Places, s3: Any, bucket: str
) -> None:
    path, _ = site
    before = rows(path), pictures(path)
    moved = move(path, away, who="test")
    assert (moved.shards, moved.bytes) == (2, sum(len(j) for jpegs in before[1].values() for j in jpegs))
    assert moved.left == {"record": "folder", "store": "folder"} and moved.rows > sum(map(len, before[0].values()))
    assert (rows(path), pictures(path)) == before and sound(path) and actions(path) == ["move"]
    assert move(path, away, who="test").rows == 0  # it is there
    remove_left(path, who="test")
    assert not list(path.rglob("*.shard")) and not list(path.glob("site.db*"))
    assert (rows(path), pictures(path)) == before and sound(path)
    move(path, FOLDER, who="test")
    assert (rows(path), pictures(path)) == before and sound(path)
    assert read_places(path).left == {"record": away.record, "store": away.store} and objects(s3, bucket)
    remove_left(path, who="test")
    assert objects(s3, bucket) == 0 and not (path / STORE).exists()
    assert (rows(path), pictures(path)) == before and sound(path)
    assert actions(path) == 2 * ["move", "remove left", "remove left"]


def test_the_record_and_the_pictures_move_alone(site: tuple[Path, People], away: Places, tmp_path: Path) -> None:
    path, _ = site
    before = rows(path), pictures(path)
    elsewhere = f"file://{tmp_path}/pictures"
    for places in (Places(store=away.store), away, Places(away.record, elsewhere), Places(store=elsewhere), FOLDER):
        move(path, places, who="test")
        assert (rows(path), pictures(path)) == before and sound(path)
        remove_left(path, who="test")
        assert (rows(path), pictures(path)) == before and sound(path)
    assert not list((tmp_path / "pictures").rglob("*.shard"))


@pytest.mark.parametrize(("name", "turn"), STEPS)
@pytest.mark.parametrize("bucket", ["versioned"], indirect=True)
def test_one_that_is_killed_goes_on(
    site: tuple[Path, People], away: Places, tmp_path: Path, s3: Any, bucket: str, name: str, turn: int
) -> None:
    path, who = site
    before = rows(path), pictures(path)
    for to in (away, FOLDER):
        (tmp_path / "to").mkdir(exist_ok=True)
        write_places(tmp_path / "to", to)
        command = [sys.executable, "-c", KILLED, name, str(turn), str(path), str(tmp_path / "to")]
        killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        move(path, to, who="test")
        assert (rows(path), pictures(path)) == before and sound(path)
        remove_left(path, who="test")
        assert (rows(path), pictures(path)) == before and sound(path)
    assert objects(s3, bucket) == 0 and len(who) == 16


def test_who_has_it_open_neither_writes_nor_searches_at_the_old_place(
    site: tuple[Path, People], away: Places, tmp_path: Path
) -> None:
    path, who = site
    with Site.open_to_write(path) as old:
        move(path, Places(store=away.store), who="test")
        for work in (lambda: forget(old, who="test", tracklets=[min(who)]), old.searched_state):
            with pytest.raises(SiteError, match="was moved, or is being moved, away from where its store"):
                work()
    with Site.open_to_write(path) as old:
        move(path, away, who="test")
        with pytest.raises(SiteError, match="was moved, or is being moved"), old.database.transaction():
            raise AssertionError("it may write")
    (path / STORE).rename(tmp_path / "put aside")
    with pytest.raises(SiteError, match="was moved, or is being moved"):
        Site.open(path)


def test_nothing_moves_while_somebody_works_at_it(site: tuple[Path, People], away: Places) -> None:
    path, _ = site
    for lease in (MERGING, ALERTING, of_camera("camera1")):
        with Site.open_to_write(path) as other, other.lease(lease), pytest.raises(Busy, match="nobody works at it"):
            move(path, away, who="test")
    assert read_places(path) == FOLDER and actions(path) == []


@pytest.mark.parametrize("step", ["_remove_record", "_remove_pictures", "write_places"])
@pytest.mark.parametrize("bucket", ["versioned"], indirect=True)
def test_what_was_left_is_removed_also_after_a_death(
    site: tuple[Path, People], away: Places, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path, _ = site
    before = rows(path), pictures(path)
    for to in (away, FOLDER):
        move(path, to, who="test")
        with monkeypatch.context() as patched:
            patched.setattr(f"app.record.move.{step}", death)
            with pytest.raises(KeyboardInterrupt):
                remove_left(path, who="test")
        remove_left(path, who="test")
        assert (rows(path), pictures(path)) == before and sound(path)
    assert objects(s3, bucket) == 0


def test_an_old_place_that_was_written_to_since_stays(site: tuple[Path, People], away: Places) -> None:
    path, _ = site
    move(path, away, who="test")
    with Database.at(path, Places()) as old, old.transaction():
        add_entry(old, AuditEntry(time.time(), "somebody", "view", {}))
    with pytest.raises(SiteError, match="folder has been written to since the site moved away: it stays"):
        remove_left(path, who="test")
    with pytest.raises(SiteError, match="There is another site at folder"):
        move(path, FOLDER, who="test")
    assert sound(path)


def test_who_is_erased_between_two_tries_is_not_left_at_the_new_place(
    site: tuple[Path, People], away: Places, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, who = site
    with monkeypatch.context() as patched:
        patched.setattr("app.record.move.copy_rows", death)
        with pytest.raises(KeyboardInterrupt):
            move(path, away, who="test")
    gone = pictures(path)[min(who)]
    assert not erased_from_the_store(s3, bucket, gone)
    with Site.open_to_write(path) as opened:
        forget(opened, who="test", tracklets=[min(who)])
    move(path, away, who="test")
    assert erased_from_the_store(s3, bucket, gone) and sound(path) and min(who) not in pictures(path)


def death(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_the_commands_say_where_a_site_is(
    site: tuple[Path, People], away: Places, typed: Typed, tmp_path: Path
) -> None:
    path, _ = site
    done = typed(commands, "move", path, "--to", away.store)
    assert done.returncode == 0 and f"its pictures and models at {away.store}." in done.stdout
    assert "2 shards of pictures" in done.stdout and "--remove-left` removes them" in done.stdout
    assert "In its folder stay live pictures" in done.stdout
    shown = typed(commands, "--site", path, "--json")
    assert json.loads(shown.stdout)["places"] == f"record: folder, pictures: {away.store}"
    assert json.loads(shown.stdout)["crop_bytes"] > 0 and typed(commands, "--site", path, "--verify").returncode == 0
    back = json.loads(typed(commands, "move", path, "--to", "folder", "--json").stdout)
    assert (back["record"], back["store"], back["left"]) == ("folder", "folder", {"store": away.store})
    assert typed(commands, "move", path, "--remove-left").returncode == 0
    nowhere = ["move", tmp_path / "nowhere", "--to", "folder"]
    for words in (["move", path], ["move", path, "--to", "x", "--remove-left"], ["create", tmp_path / "new"], nowhere):
        assert typed(commands, *words).returncode == 2
    made = typed(commands, "create", tmp_path / "new", "--record", away.record, "--store", f"{away.store}/new")
    assert made.returncode == 0 and "No other machine has these." in made.stdout


def test_an_erasure_tells_what_a_move_left(site: tuple[Path, People], away: Places) -> None:
    path, who = site
    move(path, away, who="test")
    with Site.open_to_write(path) as moved:
        left = forget(moved, who="test", tracklets=[min(who)]).left
    moved_from = [sentence for sentence in left if sentence.startswith("a move left the site's ")]
    assert len(moved_from) == 2 and all(" at folder: `python -m app.site move " in each for each in moved_from)
    assert sound(path) and min(who) not in pictures(path)
    with pytest.raises(SiteError, match="still has what an earlier move left"):
        move(path, Places(record=away.record, store=f"{away.store}/other"), who="test")


def test_another_sites_places_are_not_taken(site: tuple[Path, People], away: Places, tmp_path: Path) -> None:
    path, _ = site
    create(tmp_path / "other", away, who="test")
    figure_site(tmp_path / "other", people=2, cameras=1)
    with pytest.raises(SiteError, match="There is another site at postgresql://"):
        move(path, away, who="test")
    with pytest.raises(SiteError, match="has pictures of another site"):
        move(path, Places(store=away.store), who="test")
    with pytest.raises(SiteError, match="has pictures of another site"):
        create(tmp_path / "third", Places(store=away.store), who="test")
    with pytest.raises(SiteError, match="There is a site at postgresql://"):
        create(tmp_path / "third", Places(record=away.record), who="test")
    assert sound(path) and sound(tmp_path / "other")


def test_a_site_is_made_elsewhere_and_opens_from_its_file_alone(
    away: Places, tmp_path: Path, s3: Any, bucket: str
) -> None:
    path = tmp_path / "made"
    for _ in range(2):  # as after a death
        create(path, away, who="test")
    figure_site(path, people=2, cameras=1)
    assert not (path / "site.db").exists() and not (path / "crops").exists() and sound(path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / STORE).write_bytes((path / STORE).read_bytes())
    assert pictures(tmp_path / "elsewhere") == pictures(path) != {}
    assert actions(path) == ["create"] and (path / STORE).stat().st_mode & 0o077 == 0
    with pytest.raises(SiteError, match="There is a site at"):
        create(path, Places(store=away.store), who="test")


@pytest.mark.parametrize("text", ["sqlite:///x", "nothing", "postgresql://me:secret@host/db"])
def test_what_is_no_place_for_a_record_is_told(text: str) -> None:
    with pytest.raises(SiteError) as raised:
        record_at(text)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["s3://", "s3://key:secret@bucket/x", "s3://b/x?y=1", "s3://b/../c", "http://b/x", "/tmp", "file:///"]
)
def test_what_is_no_place_for_pictures_is_told(text: str) -> None:
    with pytest.raises(SiteError, match="give such a URL, without credentials") as raised:
        store_at(text)
    assert "secret" not in str(raised.value)


def test_the_servers_own_names_are_taken(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        assert connection.info.dbname in record_at(postgres)
    assert store_at("s3://bucket/a/b/") == "s3://bucket/a/b" and os.sep in store_at("file:///pictures")
