"""What is damaged is told, in bounded time, and never raises. What is lost leaves the site, and the rest is sound."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.engine.crops import CropChooser
from app.errors import SiteError
from app.record import Site
from app.record.audit import hash_of
from app.record.checkpoint import State, pack
from app.record.database import FILE
from app.record.embeddings import embeddings_of
from app.record.folder_embeddings import FolderEmbeddings
from app.record.model_files import ONNX, WEIGHTS, digest, model_folder
from app.record.repair import repair
from app.record.rows import AuditEntry, Correction
from app.record.verify import damage
from app.site import describe
from tests.app.record.test_site import MERGED, begun, chunk, footage, merging, model
from tests.app.records import copy_of, on_postgres, run_sql, site_in
from tests.app.scenes import bytes_of, segment
from trackers import make_tracker
from trackers.segments import Kind
from trackers.tracklets import TrackletCutter

TRIALS = 150
LIMIT = 20.0  # s that one may take


def _checkpoint() -> bytes:
    return pack((), State(make_tracker("bytetrack").state(), TrackletCutter().state(), CropChooser().state()))


@pytest.fixture(scope="module")
def whole(record: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small site that has some of all there is, on either record. Only to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    path = site_in(folder)
    with Site.create(path) as site:
        files = model_folder(path, "base")
        files.mkdir(parents=True)
        for name in (ONNX, WEIGHTS):
            (files / name).write_bytes(np.random.default_rng(1).bytes(3000))
        ready = replace(model("base", serving=True), sha256=digest(files / ONNX), calibration={"slope": 2.0})
        site.add_model(ready)
        done = begun(site, footage(folder, "one.mp4"))
        pieces = [segment(1), segment(2, track=2, cannot_link=[1]), segment(3, track=3), segment(4, kind=Kind.SHORT)]
        site.intake.commit(done, chunk(*pieces), done=True)
        open_film = begun(site, footage(folder, "two.mp4", start=900.0))
        number = open_film.first_segment
        more = segment(number, track=open_film.first_track, start=900.0)
        site.intake.commit(open_film, chunk(more, checkpoint=_checkpoint()), done=False)
        ids = site.tracklet_table().ids.tolist()
        site.add_merging(merging(ids, [1, 1, 2, 3], [1, 1, 2, 3]), MERGED, keep=5)
        site.correct([Correction("join", ids[0], ids[2])], "me", 1.0)
        site.add_to_split(np.array(ids), np.array([True, False, False, True]))
        for film in (done, open_film):
            mine = site.searchable_of(film.id)
            rows = np.random.default_rng(film.id).random((len(mine), 2, 8)) + 0.1
            embeddings_of(site.database, "base").write(film.id, mine, rows)
        for k in range(5):
            site.note(AuditEntry(float(k), "me", "query", {"results": [k]}))
        assert list(damage(site)) == []
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return copy_of(whole, tmp_path)


def sentences(path: Path) -> list[str]:
    with Site.open(path) as site:
        return list(damage(site))


def content(path: Path) -> object:
    """All that a site has to say, by ways that check nothing. None where it says nothing any more."""
    try:
        with closing(sqlite3.connect(path / FILE)) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = {table: sorted(map(repr, database.execute(f"SELECT * FROM {table}"))) for table in sorted(tables)}
            places = database.execute(
                'SELECT camera_id, footage_id, shard, "offset", crops.length FROM crops '
                "JOIN segments ON id = tracklet_id ORDER BY tracklet_id, crops.number"
            ).fetchall()
        crops = []
        for camera, film, shard, offset, length in places:
            data = (path / "crops" / str(camera) / f"{film}-{shard:03d}.shard").read_bytes()
            crops.append(data[offset : offset + length])
    except (sqlite3.Error, OSError, OverflowError, TypeError, UnicodeError):
        return None
    others = [f for f in sorted(path.rglob("*")) if f.is_file() and f.parts[-2] in ("base",)]
    return rows, crops, [(f.name, f.read_bytes()) for f in others]


def spoil(file: Path, rng: np.random.Generator) -> None:
    """Bytes change, or are lost."""
    data = bytearray(file.read_bytes())
    way = rng.integers(5)
    if way == 0:
        del data[int(rng.integers(len(data))) :]
    elif way == 1:
        start = int(rng.integers(len(data)))
        data[start : start + 64] = rng.bytes(len(data[start : start + 64]))
    elif way == 2 and file.suffix != ".npy":  # without that, a footage just is not embedded yet
        file.unlink()
        return
    else:
        for _ in range(int(rng.integers(1, 9))):
            data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
    file.write_bytes(data)


@pytest.mark.usefixtures("sqlite_only")
def test_random_damage_is_told_and_never_raises(whole: Path, tmp_path: Path) -> None:
    """Bytes that nobody reads are the exception: free pages, the rest of a page, and what no row names any more."""
    rng = np.random.default_rng(20)
    kinds = [FILE, FILE, "*.shard", "*.npy", ONNX, WEIGHTS]
    before = content(whole)
    silent = []
    for trial in range(TRIALS):
        path = tmp_path / "site"
        shutil.copytree(whole, path)
        files = sorted(path.rglob(kinds[trial % len(kinds)]))
        file = files[int(rng.integers(len(files)))]
        spoil(file, rng)
        began = time.monotonic()
        try:
            with Site.open(path) as site:
                told = bool(describe(site, verify=True).damage)
        except SiteError as error:
            told = bool(str(error))
        assert time.monotonic() - began < LIMIT, (trial, file)
        if not told and content(path) != before:
            silent.append((trial, file.name))
        shutil.rmtree(path)
    assert silent == []


@pytest.mark.usefixtures("sqlite_only")
def test_random_damage_that_is_repaired_leaves_a_sound_site(whole: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(21)
    repaired = 0
    for trial in range(TRIALS // 3):
        path = tmp_path / "site"
        shutil.copytree(whole, path)
        files = sorted(path.rglob((FILE, "*.shard", "*.npy")[trial % 3]))
        spoil(files[int(rng.integers(len(files)))], rng)
        try:
            with Site.open_to_write(path) as site:
                repair(site, who="me")
                left = list(damage(site))
        except SiteError as error:
            said, left = str(error), []
        else:
            said, repaired = "backup", repaired + 1
        assert re.search("backup|no site|was never begun|not made by|can't be|has format", said), said
        only_a_backup = [sentence for sentence in left if "--repair" in sentence]
        assert only_a_backup == [], (trial, left)
        shutil.rmtree(path)
    assert repaired > TRIALS // 6


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE footage SET settings = '{' WHERE id = 1", "row 1 of footage is damaged"),
        ("UPDATE footage SET checkpoint = NULL WHERE id = 2", "how far two.mp4 was taken in is damaged"),
        (
            "UPDATE footage SET checkpoint = (SELECT checkpoint FROM footage WHERE id = 2) WHERE id = 1",
            "how the tracks of one.mp4 go on is damaged",
        ),
        ("UPDATE cameras SET min_height = 3", "row 1 of cameras is damaged"),
        ("UPDATE models SET calibration = '[[[['", "row 1 of models is damaged"),
        ("UPDATE models SET calibration = NULL", "row 1 of models is damaged"),
        ("UPDATE merges SET summary = ''", "row 1 of merges is damaged"),
        ("UPDATE members SET identity = 7 WHERE trajectory = 2", " of members is damaged"),
        ("UPDATE corrections SET kind = 'split'", "row 1 of corrections is damaged"),
        ("UPDATE splits SET held = 1 - held", " of splits is damaged"),
        ("UPDATE crops SET time = time + 1 WHERE number = 1", "crop 1 has a damaged row"),
        ("UPDATE crops SET length = 4611686018427387904 WHERE number = 1", "crop 1 has a damaged row"),
        ("UPDATE segments SET height = 1 WHERE number = 2", "tracklet 2 of camera hall: its row is damaged"),
        ("INSERT INTO erasures VALUES (1, 2, 3, 4, 5, 6, 7)", "row ? of erasures is damaged"),
        ("UPDATE audit SET who = 'you' WHERE id = 3", "row 3 is not what was noted"),
        ("DELETE FROM audit WHERE id = 3", "1 rows before row 4 are missing"),
        ("UPDATE audit SET id = id + 100 WHERE id > 4", "100 rows before row 105 are missing"),
    ],
)
def test_each_kind_of_row_is_looked_at_and_repaired(copy: Path, sql: str, expected: str) -> None:
    run_sql(copy, sql)
    told = sentences(copy)
    assert any(expected in sentence for sentence in told), told
    with Site.open_to_write(copy) as site:
        if "audit" in sql or "two.mp4" in expected:
            return  # nobody can bring these back
        done = repair(site, who="me")
        assert any(expected in sentence for sentence in done), done
        assert list(damage(site)) == []
        assert site.audit()[-1].action == "repair"
        assert repair(site, who="me") == []


def bomb() -> bytes:
    stream = zlib.compressobj(9)
    return b"".join([*(stream.compress(bytes(2**20)) for _ in range(300)), stream.flush()])


@pytest.mark.usefixtures("sqlite_only")
def test_boxes_that_would_fill_the_memory_are_never_unpacked(copy: Path) -> None:
    with closing(sqlite3.connect(copy / FILE)) as database:
        database.execute("UPDATE segments SET boxes = ?, length = 9830400 WHERE number = 1", [bomb()])
        database.commit()
    began = time.monotonic()
    assert any("tracklet 1 of camera hall: its boxes are damaged" in sentence for sentence in sentences(copy))
    assert time.monotonic() - began < LIMIT
    with Site.open(copy) as site, pytest.raises(SiteError, match=r"is damaged .*--verify"):
        site.boxes(site.segments()[0].id)


def test_a_damaged_crop_is_dropped_and_its_bytes_are_overwritten(copy: Path) -> None:
    with Site.open(copy) as site:
        tracklet = site.segments()[0].id
        crop = site.crops(tracklet)[1]
        jpeg, kept = site.crop_jpeg(crop), [site.crop_jpeg(other) for other in site.crops(tracklet) if other != crop]
    file = copy / "crops" / "1" / "1-000.shard"
    data = bytearray(file.read_bytes())
    data[crop.shard_range.offset + len(jpeg) - 3] ^= 4
    file.write_bytes(data)
    assert any("crop 1 is damaged" in sentence for sentence in sentences(copy))
    with Site.open_to_write(copy) as site:
        repair(site, who="me")
        assert [site.crop_jpeg(other) for other in site.crops(tracklet)] == kept
        assert jpeg[20:-5] not in bytes_of(copy / "crops")
        assert list(damage(site)) == []


def test_a_lost_shard_takes_its_tracklets_along(copy: Path) -> None:
    (copy / "crops" / "1" / "1-000.shard").unlink()
    with Site.open_to_write(copy) as site:
        done = repair(site, who="me")
        assert sum("no crop of it was left" in sentence for sentence in done) == 3
        assert len(site.tracklet_table()) == 1 and list(damage(site)) == []
        assert embeddings_of(site.database, "base").load()[0].tolist() == site.tracklet_table().ids.tolist()


def test_bytes_and_embeddings_of_nobody_are_told_and_removed(copy: Path) -> None:
    with Site.open_to_write(copy) as site:
        a, b, *_ = site.tracklet_table().ids.tolist()
        store = FolderEmbeddings(copy / "embeddings" / "base")
        vectors = b"" if on_postgres() else store.path(1).read_bytes()
        shard = (copy / "crops" / "1" / "1-000.shard").read_bytes()
        jpeg = site.crop_jpeg(site.crops(a)[0])
        site.erase([a], AuditEntry(1.0, "me", "forget", {}))
        if on_postgres():  # as a fault, or a copy of the folder, could bring them back
            columns = f"space, day, {a}, footage_id, vector"
            run_sql(copy, f"INSERT INTO vectors SELECT {columns} FROM vectors WHERE tracklet_id = {b}")
        else:
            store.path(1).write_bytes(vectors)
        (copy / "crops" / "1" / "1-000.shard").write_bytes(shard)
        told = list(damage(site))
        assert [sentence.partition(": ")[0].rpartition("/")[2] for sentence in told] == [
            f"1-000.shard holds {sum(c.shard_range.length for c in site.crops(b)):,} bytes that no row names",
            f"{embeddings_of(site.database, 'base').where(1).rpartition('/')[2]} has 1 embeddings of no tracklet",
        ]
        repair(site, who="me")
        assert list(damage(site)) == [] and jpeg not in bytes_of(copy)


# --- the audit


def test_each_entry_vouches_for_those_before(copy: Path) -> None:
    with Site.open_to_write(copy) as site:
        before = site.audit_head()
        head = site.note(AuditEntry(9.0, "me", "query", {}))
        assert head == site.audit_head() == site.audit()[-1].hash and site.audit()[-2].hash == before
    row = {"id": 8, "time": 9.0, "who": "me", "action": "query", "details": "{}"}
    (session,) = run_sql(copy, "SELECT session FROM audit WHERE id = 8")[0]
    assert head == hash_of({**row, "session": session}, before)


def test_who_hides_a_row_must_change_all_hashes_after_it(copy: Path) -> None:
    """And then the hash that a report has is in the audit no more."""
    with Site.open_to_write(copy) as site:
        anchor = site.note(AuditEntry(9.0, "me", "query", {}))
        site.note(AuditEntry(10.0, "me", "query", {}))
    run_sql(copy, "UPDATE audit SET who = 'nobody' WHERE id = 3")
    before = ""
    names = ("id", "time", "who", "action", "details", "session")
    for row in sorted(run_sql(copy, f"SELECT {', '.join(names)} FROM audit")):
        before = hash_of(dict(zip(names, row)), before)
        run_sql(copy, f"UPDATE audit SET hash = '{before}' WHERE id = {row[0]}")
    with Site.open(copy) as site:
        assert list(damage(site)) == []
        assert anchor not in [entry.hash for entry in site.audit()]


def test_entries_of_many_at_once_are_one_chain(copy: Path) -> None:
    import threading

    def work() -> None:
        with Site.open_to_write(copy) as site:
            for k in range(5):
                site.note(AuditEntry(float(k), "me", "query", {}))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Site.open(copy) as site:
        assert len(site.audit()) == 27 and list(damage(site)) == []


def test_the_command_says_all_as_json(copy: Path) -> None:
    with Site.open(copy) as site:
        report = describe(site, verify=True)
    assert report.damage == [] and json.dumps(report.models) == '["base"]'
