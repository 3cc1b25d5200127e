"""Sites of earlier formats are taken over without loss. Both ways to the newest format end in the same tables.

`format_3` is a site that version 0.1.0 made in November 2026. It has 24 tracklets of six figures in two cameras.
It was merged, corrected, searched and divided for learning. Its encoder's files, which are those of the box, were
left out.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app.encoders.versions import BASE, ONNX, WEIGHTS, in_the_box
from app.errors import SiteError
from app.record import Site
from app.record.database import FILE
from app.record.embeddings import embeddings_of
from app.record.folder_embeddings import FolderEmbeddings
from app.record.forget import forget
from app.record.migrations import stamp, upgrade
from app.record.model_files import digest
from app.record.rows import AuditEntry
from app.record.schema import FORMAT, metadata
from app.record.verify import damage
from app.search.merging import merge
from app.search.query import query
from app.search.searcher import Wish
from tests.app.record.test_site import MERGED, begun, chunk, filled, footage, merging
from tests.app.records import on_postgres, run_sql
from tests.app.scenes import dump, segment

NEW = ("checksum", "hash", "session", "weights_sha256", "checkpoint_crc32")  # columns of format 5
# Tables of formats 6 to 10, those first that name others.
LATER = (
    *("remarks", "api_keys", "users", "settings", "searches", "jobs", "case_items", "cases", "areas", "outages"),
    *("live_cameras", "camera_clocks"),
)
OLD = Path(__file__).parent / "format_3"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    site = Path(shutil.copytree(OLD, tmp_path / "site"))
    (site / "models" / BASE).mkdir(parents=True)
    for shipped, name in ((f"{BASE}.onnx", ONNX), (f"{BASE}.safetensors", WEIGHTS)):
        shutil.copy(in_the_box(shipped), site / "models" / BASE / name)
    with closing(sqlite3.connect(site / FILE)) as database, database:  # it had the base of its time
        shipped_now = digest(in_the_box(f"{BASE}.onnx"))
        assert database.execute("UPDATE models SET sha256 = ? WHERE name = ?", (shipped_now, BASE)).rowcount == 1
    return site


def rows(path: Path) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(path / FILE)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(database.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


def back_to(path: Path, number: int) -> None:
    """Makes a site of format 3 one of an earlier format, without what that did not have."""
    with closing(sqlite3.connect(path / FILE)) as database:
        for column in ("last_track", "last_segment"):
            database.execute(f"ALTER TABLE cameras DROP COLUMN {column}")
        if number == 1:
            for table in ("members", "merges", "corrections", "models", "audit", "erasures"):
                database.execute(f"DROP TABLE {table}")
        database.execute(f"PRAGMA user_version = {number}")
        database.commit()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_nothing_is_lost(old: Path, number: int) -> None:
    if number < 3:
        back_to(old, number)
    before, split = rows(old), json.loads((old / "adapt" / "held-back.json").read_text(encoding="utf-8"))
    with Site.open_to_write(old) as site:
        assert list(damage(site)) == []
        ids, held = site.split()
        assert ids.tolist() == split["seen"] and ids[held].tolist() == split["held"]
        assert len(site.tracklet_table()) == 24 and len(site.cannot_link()) == len(before["cannot_link"])
        assert all(site.crop_jpeg(crop) for row in site.segments() for crop in site.crops(row.id))
        merging = site.merging()
        assert (merging is None) == (number == 1)
        assert len(site.audit()) == (0 if number == 1 else 1)
    after = rows(old)
    for name, table in before.items():
        wider = [(*row, 0, 0) if name == "cameras" and number < 3 else row for row in table]
        then = [row[: len(wider[0])] for row in after[name]] if wider else after[name]  # columns were added at the end
        assert sorted(wider, key=repr) == sorted(then, key=repr), name
    assert not (old / "adapt" / "held-back.json").exists() and not (old / "lock").exists()


def test_format_4_is_taken_over_on_either_record(site: Site, tmp_path: Path) -> None:
    filled(site, tmp_path)
    ids = site.tracklet_table().ids.tolist()
    open_film = begun(site, footage(tmp_path, "two.mp4", start=900.0))
    number = open_film.first_segment
    site.intake.commit(open_film, chunk(segment(number, start=900.0), checkpoint=b"go on here"), done=False)
    site.add_merging(merging(ids, [1, 1, 2], [1, 1, 2]), MERGED, keep=5)
    site.note(AuditEntry(9.0, "me", "query", {}))
    store = FolderEmbeddings(site.path / "embeddings" / "base")
    store.write(1, ids, np.random.default_rng(0).random((3, 2, 8)) + 0.1)
    site.close()
    store.path(1).write_bytes(store.path(1).read_bytes()[:-4])
    before = dump(site.path, without=lambda table, column: column in NEW)
    run_sql(site.path, "INSERT INTO erasures VALUES (7, 1, 1, 0, 0, 0, 0)")
    for table in LATER:
        run_sql(site.path, f"DROP TABLE {table}")
    for index in ("segments_by_kind", "footage_by_fingerprint"):
        run_sql(site.path, f"DROP INDEX {index}")
    for name, table in metadata.tables.items():
        for column in [column.name for column in table.columns if column.name in NEW and name not in LATER]:
            run_sql(site.path, f"ALTER TABLE {name} DROP COLUMN {column}")
    if on_postgres():
        for table in ("vectors", "vector_spaces", "vectors_left"):
            run_sql(site.path, f"DROP TABLE {table}")
    run_sql(site.path, "UPDATE alembic_version SET version_num = '4'")
    if not on_postgres():
        run_sql(site.path, "PRAGMA user_version = 4")
    with Site.open_to_write(site.path) as again:
        assert list(damage(again)) == []
        assert again.intake.checkpoint(open_film.id) == b"go on here"
        assert embeddings_of(again.database, "base").read(1)[0].tolist() == ids and again.audit_head()
        assert store.path(1).exists() != on_postgres()  # where it went into the record
    assert dump(site.path, without=lambda table, column: column in NEW) == before  # those tables are there again


def test_who_reads_first_brings_it_up_to_date(old: Path) -> None:
    with Site.open(old) as site:
        assert len(site.corrections()) == 1
    with closing(sqlite3.connect(old / FILE)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (FORMAT,)
        assert database.execute("PRAGMA user_version").fetchone() == (int(FORMAT),)


def test_an_interrupted_takeover_begins_again(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(old)
    with monkeypatch.context() as patched:
        patched.setattr("app.record.migrations.upgrade", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Site.open_to_write(old)
    assert rows(old) == before and (old / "adapt" / "held-back.json").exists()
    with Site.open_to_write(old) as site:
        assert len(site.split()[0]) == 24


def test_it_is_not_taken_over_while_an_older_program_writes(old: Path) -> None:
    with (old / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SiteError, match="An older version of Sightline is writing"):
            Site.open_to_write(old)
    Site.open_to_write(old).close()


def test_work_goes_on_in_it(old: Path) -> None:
    with Site.open_to_write(old) as site:
        before = site.merging()
        assert before is not None and merge(site, who="me").changed  # joins were not so sure then
        now = site.merging()
        assert now is not None and len(np.unique(now.identities)) > len(np.unique(before.identities))
        assert not merge(site, who="me").changed
        tracklet = site.segments()[0].id
        assert query(site, tracklet, Wish(), who="me")[0].people[0].matches
        assert forget(site, who="me", tracklets=[tracklet]).tracklets == 1
        assert list(damage(site)) == []


def test_both_ways_to_the_newest_format_end_in_the_same_tables(old: Path, tmp_path: Path) -> None:
    Site.open_to_write(old).close()
    Site.create(tmp_path / "new").close()
    for path in (old, tmp_path / "new"):
        engine = sqlalchemy.create_engine(f"sqlite:///{path / FILE}")
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            changes = compare_metadata(context, metadata)
        # SQLite never lets a row's own number be missing, said or not.
        assert [change for change in changes if change[0][0] != "modify_nullable" or change[0][3] != "id"] == []
        engine.dispose()
    shapes = []
    for path in (old, tmp_path / "new"):
        with closing(sqlite3.connect(path / FILE)) as database:
            shapes.append(
                {
                    name: database.execute(f"PRAGMA table_info({name})").fetchall()
                    for name in [*metadata.tables, "alembic_version"]
                }
            )
            strict = "SELECT name, wr, strict FROM pragma_table_list WHERE type = 'table' AND name IN (%s)"
            names = ", ".join(f"'{name}'" for name in metadata.tables)
            shapes[-1]["strict"] = sorted(database.execute(strict % names).fetchall())
    for name, columns in shapes[0].items():
        loosened = [(*column[:3], *column[4:]) if name != "strict" else column for column in columns]
        wanted = [(*column[:3], *column[4:]) if name != "strict" else column for column in shapes[1][name]]
        assert loosened == wanted, name  # but for NOT NULL of a row's own number, which SQLite never lets be missing


def test_the_newest_format_is_alembics_head() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        stamp(connection, "head")
        assert MigrationContext.configure(connection).get_current_revision() == FORMAT


def test_what_is_newest_is_left_as_it_is(tmp_path: Path) -> None:
    with Site.create(tmp_path / "site") as site:
        with site.database.transaction():
            upgrade(site.database.connection, site.path)
        assert list(damage(site)) == []
