"""What is erased leaves no byte, whoever dies when, and never returns."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import select

from app.engine.tracking import FootageTracker
from app.errors import SiteError, StorageError
from app.footage import Camera, Resume
from app.record import Site, adaptations, erasure, folder_pictures
from app.record.adaptations import PLAN
from app.record.checkpoint import unpack
from app.record.embeddings import embeddings_of
from app.record.folder_embeddings import FolderEmbeddings
from app.record.rows import AuditEntry, Correction, segment_id
from app.record.schema import segments
from app.record.table_embeddings import TableEmbeddings
from app.record.verify import damage
from tests.app.engine.test_tracking import CAMERA, colours, follow, frames
from tests.app.record.test_site import MERGED, begun, chunk, filled, footage, merging
from tests.app.records import on_postgres, run_sql
from tests.app.scenes import bytes_of, crowd, segment
from trackers.segments import Kind

ENTRY = AuditEntry(9.0, "me", "forget", {"tracklets": 1})


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks again without a pause: nobody commits meanwhile."""
    monkeypatch.setattr(erasure, "_BETWEEN", 0.0)


def known_everywhere(site: Site, ids: list[int], seed: int = 0) -> None:
    """Tracklets in all that derives from them."""
    site.add_merging(merging(ids, [1, 1, 2], [1, 1, 2]), MERGED, keep=5)
    site.correct([Correction("join", ids[0], ids[2])], "me", 1.0)
    site.add_to_split(np.array(ids), np.array([True, False, False]))
    embeddings_of(site.database, "base").write(1, ids, np.random.default_rng(seed).random((3, 2, 64)) + 0.1)


def test_what_is_erased_leaves_no_byte_and_no_row(site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    a, b, c, _ = filled(site, tmp_path)
    known_everywhere(site, [a, b, c], seed=77)  # others' vectors: one server keeps the sites of all tests
    pictures = {tracklet: [site.crop_jpeg(crop) for crop in site.crops(tracklet)] for tracklet in (a, b, c)}
    vectors = dict(zip((a, b, c), embeddings_of(site.database, "base").read(1)[1]))
    assert all(jpeg in bytes_of(site.path) for jpeg in pictures[a])
    files = request.getfixturevalue("postgres_files") if on_postgres() else site.path
    if on_postgres():
        run_sql(site.path, "CHECKPOINT")
    assert vectors[a].tobytes() in bytes_of(files)

    assert site.erase([a], ENTRY).found == []
    assert not any(jpeg in bytes_of(site.path) for jpeg in pictures[a])
    assert vectors[a].tobytes() not in bytes_of(files)
    assert vectors[b].tobytes() in bytes_of(files)
    assert [site.crop_jpeg(crop) for crop in site.crops(b)] == pictures[b]
    assert site.tracklet_table().ids.tolist() == [b, c]
    assert not len(site.cannot_link()) and site.corrections() == []
    assert site.split()[0].tolist() == [b, c]
    merge = site.merging()
    assert merge is not None and merge.ids.tolist() == [b, c]
    assert [entry for entry in site.audit() if entry.action != "correct"] == [MERGED, ENTRY] and erasure.pending(
        site.database
    ) == set()
    assert list(damage(site)) == []


def test_its_numbers_are_nobody_elses(site: Site, tmp_path: Path) -> None:
    *_, last = filled(site, tmp_path)
    site.erase([last], ENTRY)
    assert begun(site, footage(tmp_path, "two.mp4", start=500.0)).first_segment == 5


def test_nothing_that_the_server_keeps_has_its_bytes(
    site: Site, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Boxes, and a checkpoint's pictures that later were a tracklet's, in the record's own files and log."""
    record = begun(site, footage(tmp_path, "one.mp4"))
    rng = np.random.default_rng(5)
    pictures = rng.bytes(20_000)  # of an open track, larger than a page
    site.intake.commit(record, chunk(checkpoint=pictures), done=False)
    walk = segment(1, frames=range(200), box=(1, 2, *rng.uniform(30, 90, 2)))
    walk.boxes[:] += rng.random(walk.boxes.shape)
    site.intake.commit(record, chunk(walk, segment(2, track=2)), done=True)
    (boxes,) = run_sql(site.path, "SELECT boxes FROM segments WHERE number = 1")[0]
    files = request.getfixturevalue("postgres_files") if on_postgres() else site.path
    if on_postgres():
        run_sql(site.path, "CHECKPOINT")  # the log alone may hold them with a page's header in their middle
    assert bytes(boxes)[100:400] in bytes_of(files) and pictures[100:400] in bytes_of(files)
    assert site.erase([site.segments()[0].id], ENTRY).found == []
    assert bytes(boxes)[100:400] not in bytes_of(files)
    assert pictures[100:400] not in bytes_of(files)
    assert len(site.segments()) == 1


@pytest.mark.usefixtures("sqlite_only")
def test_a_program_that_reads_the_log_is_named_and_the_next_try_ends_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, *_ = filled(site, tmp_path)
    monkeypatch.setattr("app.record.database._READERS_WAIT", 0.1)
    with closing(sqlite3.connect(site.path / "site.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM segments").fetchone()
        with pytest.raises(StorageError, match="keeps what was erased in its log: end that program"):
            site.erase([a], ENTRY)
        assert a in erasure.pending(site.database)
    site.erase([a], ENTRY)
    assert erasure.pending(site.database) == set()


def test_a_server_that_keeps_its_log_is_told(site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if not on_postgres():
        pytest.skip("of PostgreSQL alone")
    a, *_ = filled(site, tmp_path)
    with psycopg.connect(request.getfixturevalue("postgres"), autocommit=True) as server:
        try:
            server.execute("ALTER SYSTEM SET wal_recycle = on")
            server.execute("SELECT pg_reload_conf()")
            with Site.open_to_write(site.path) as writer:
                (warning,) = writer.erase([a], ENTRY).left
        finally:
            server.execute("ALTER SYSTEM SET wal_recycle = off")
            server.execute("SELECT pg_reload_conf()")
    assert "wal_recycle = on" in warning


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("app.record.folder_pictures.overwrite", "shard has "),
        ("app.record.erasure.remove_rows", "rows of theirs"),
        ("app.record.folder_embeddings.FolderEmbeddings.remove", "has 1 embeddings of theirs"),
        ("app.record.vectors.Vectors.remove", "the record has 1 rows of theirs"),
        ("app.record.adaptations.wipe", "v1 learns from them"),
    ],
)
def test_what_an_erasure_leaves_is_found_and_the_next_one_takes_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, found: str
) -> None:
    if ("folder_embeddings" if on_postgres() else "vectors") in target:
        pytest.skip("of the other record alone")
    a, b, c, _ = filled(site, tmp_path)
    known_everywhere(site, [a, b, c])
    run = site.path / "adapt" / "v1"
    run.mkdir(parents=True)
    (run / PLAN).write_text(json.dumps({"learn": [a]}))
    with monkeypatch.context() as patched:
        patched.setattr(target, lambda *_: 0)
        erased = site.erase([a], ENTRY)
    (sentence,) = erased.found
    assert found in sentence
    assert a in erasure.pending(site.database)
    erasure.remove_rows(site.database, [a])
    again = site.erase([], ENTRY)
    assert again.found == [] and erasure.pending(site.database) == set()


@pytest.mark.usefixtures("sqlite_only")
def test_boxes_that_the_record_s_file_keeps_are_found_and_leave_with_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite leaves copies of rows that it moved. Here nothing that it deletes is overwritten, which does the same."""
    record = begun(site, footage(tmp_path, "one.mp4"))
    walks = [segment(k, track=k, frames=range(50), box=(k, 2, 50 + k, 99)) for k in (1, 2)]
    for walk in walks:
        walk.boxes[:] += np.random.default_rng(walk.number).random(walk.boxes.shape)
    site.intake.commit(record, chunk(*walks), done=True)
    a, b = (row.id for row in site.segments())
    erased = site.erase([a], ENTRY)
    assert erased.found == [] and erased.looked[-1] == "site.db and its log for the boxes of 1 pieces"
    assert (erased.boxes, erased.crops, erased.crop_bytes > 0) == (50, 3, True)
    site.database.run("PRAGMA secure_delete = OFF")
    packed = site.database.all(select(segments.c.boxes).where(segments.c.id == b))[0][0][: erasure._BEGIN]
    anew = site.database.forget_deleted
    with monkeypatch.context() as patched:
        patched.setattr(site.database, "forget_deleted", lambda **_: anew())
        assert site.erase([b], ENTRY).found == [f"{site.path / 'site.db'} has boxes of 1 pieces of theirs"]
    assert packed in (site.path / "site.db").read_bytes() and erasure.pending(site.database) == {b}
    site.erase([], ENTRY)
    assert packed not in bytes_of(site.path) and erasure.pending(site.database) == set()


@pytest.mark.usefixtures("sqlite_only")
def test_copies_in_the_record_s_file_leave_at_once(site: Site, tmp_path: Path) -> None:
    record = begun(site, footage(tmp_path, "one.mp4"))
    site.intake.commit(record, chunk(segment(1, track=1, frames=range(50), box=(3, 2, 50, 99))), done=True)
    site.database.run("PRAGMA secure_delete = OFF")
    (number,) = (row.id for row in site.segments())
    packed = site.database.all(select(segments.c.boxes).where(segments.c.id == number))[0][0][: erasure._BEGIN]
    assert site.erase([number], ENTRY).found == []
    assert packed not in bytes_of(site.path) and erasure.pending(site.database) == set()


@pytest.mark.parametrize(("name", "seed"), [("bytetrack", 3), ("appearance", 4)])  # other people: one server keeps both
def test_interrupted_footage_keeps_nothing_of_who_was_in_sight_and_erased(
    site: Site, tmp_path: Path, request: pytest.FixtureRequest, name: str, seed: int
) -> None:
    """Where a track's earlier piece leaves, its last box and what is still open of it leave the checkpoint, too."""
    items = list(frames(crowd(150, seed=seed)))
    ((new, _),) = site.intake.register([Camera("hall", (footage(tmp_path, "one.mp4"),))], {"hall": {}}, who="test")[0]
    begun_record = site.intake.begin(new, {"tracker": name})
    tracker = FootageTracker(CAMERA, begun_record, name, embed=colours)
    follow(tracker, items[:110])
    part = tracker.chunk(Resume(109, 110, 7), ())
    site.intake.commit(begun_record, part, done=False)
    cutter = unpack(part.checkpoint)[1].cutter
    row, piece = next(
        (row, piece)
        for row, track in enumerate(cutter["tracks"].tolist())
        for piece in part.segments
        if piece.track == track and piece.kind == Kind.TRACKLET
    )
    log = cutter["log"][cutter["log"][:, 0] == cutter["numbers"][row]]
    secret = [log[-1, 3:7].tobytes(), *(crop.jpeg for crop in part.crops[piece.number])]
    files = [site.path, *([request.getfixturevalue("postgres_files")] if on_postgres() else [])]
    assert on_postgres() or all(byte in bytes_of(site.path) for byte in secret)  # which compresses what is long

    erased = site.erase([segment_id(begun_record.camera_id, piece.number)], ENTRY)
    assert (erased.open_tracks, erased.found) == (1, [])
    now = site.footage_record(begun_record.id)
    again = FootageTracker(CAMERA, now, name, site.intake.checkpoint(now.id), embed=colours)
    follow(again, items[110:])
    again.finish()
    end = again.chunk(None, ())
    assert piece.track not in {other.track for other in end.segments}
    for done in (False, True):
        assert not any(byte in bytes_of(folder) for folder in files for byte in secret)
        site.intake.commit(now, end if done else chunk(checkpoint=b""), done=done)
    assert list(damage(site)) == []


def test_a_checkpoint_that_nobody_can_read_is_emptied(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = begun(site, footage(tmp_path, "one.mp4"))
    site.intake.commit(record, chunk(segment(1), checkpoint=b"pictures of somebody"), done=False)
    assert site.erase([site.segments()[0].id], ENTRY).found == []
    assert "How far one.mp4 was taken in can't be read" in caplog.text
    assert run_sql(site.path, "SELECT length(checkpoint) FROM footage") == [(0,)]
    with pytest.raises(SiteError, match="is damaged"):
        site.intake.checkpoint(record.id)


def death(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("stage", ["overwrite", "wipe", "Embeddings.remove", "forget_deleted"])
def test_who_opens_next_ends_what_a_dead_process_began(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    a, b, c, _ = filled(site, tmp_path)
    known_everywhere(site, [a, b, c])
    run = site.path / "adapt" / "v1"
    run.mkdir(parents=True)
    (run / PLAN).write_text(json.dumps({"learn": [a, b]}))
    jpeg = site.crop_jpeg(site.crops(a)[0])
    target: dict[str, tuple[Any, str]] = {
        "overwrite": (folder_pictures, "overwrite"),
        "wipe": (adaptations, "wipe"),
        "Embeddings.remove": (TableEmbeddings if on_postgres() else FolderEmbeddings, "remove"),
        "forget_deleted": (site.database, "forget_deleted"),
    }
    with monkeypatch.context() as patched:
        patched.setattr(*target[stage], death)
        with pytest.raises(KeyboardInterrupt):
            site.erase([a], ENTRY)
    site.close()
    with Site.open_to_write(site.path) as again:
        assert erasure.pending(again.database) == set()
        assert jpeg not in bytes_of(site.path)
        assert again.split()[0].tolist() == [b, c]
        assert embeddings_of(again.database, "base").read(1)[0].tolist() == [b, c]
        assert not run.exists()
        assert [entry for entry in again.audit() if entry.action != "correct"] == [MERGED, ENTRY]
        assert list(damage(again)) == []


@pytest.mark.parametrize(
    ("plan", "stays"),
    [('{"learn": [77]}', True), ("not JSON", False), ('{"other": 1}', False), (None, False)],
    ids=["of others", "broken", "strange", "none"],
)
def test_an_adaptation_goes_if_it_may_have_their_pictures(
    site: Site, tmp_path: Path, plan: str | None, stays: bool
) -> None:
    a, *_ = filled(site, tmp_path)
    run = site.path / "adapt" / "v1"
    (run / "crops").mkdir(parents=True)
    (run / "crops" / "crops.u8").write_bytes(b"pictures of somebody")
    held = (run / "crops" / "crops.u8").open("rb")  # as a process has it that still learns
    if plan is not None:
        (run / PLAN).write_text(plan)
    site.erase([a], ENTRY)
    assert run.exists() == stays
    assert held.read() == (b"pictures of somebody" if stays else bytes(20))
    held.close()


def test_interrupted_footage_that_lies_before_a_time_starts_anew(site: Site, tmp_path: Path) -> None:
    record = begun(site, footage(tmp_path, "one.mp4"))
    pictures = np.random.default_rng(5).bytes(3000)
    site.intake.commit(record, chunk(segment(1), checkpoint=pictures), done=False)
    assert site.interrupted_before(100.3) == []  # it has got as far as 100.4
    (stopped,) = site.interrupted_before(101.0)
    site.erase(site.segments_before(101.0).tolist(), ENTRY, anew=[stopped])
    now = site.footage_record(record.id)
    assert (now.status, now.frames, now.shard_bytes, site.intake.checkpoint(record.id)) == ("new", 0, 0, None)
    assert on_postgres() or pictures[:200] not in bytes_of(site.path)
    assert not list((site.path / "crops").rglob("*.shard"))
    assert site.intake.begin(now, {}).first_segment == 2


def test_many_at_once(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_AT_ONCE", 7)
    record = begun(site, footage(tmp_path, "one.mp4"))
    pieces = [segment(k + 1, track=k + 1, cannot_link=[k] if k else []) for k in range(40)]
    site.intake.commit(record, chunk(*pieces), done=True)
    ids = [row.id for row in site.segments()]
    site.erase(ids[:30], ENTRY)
    assert [row.id for row in site.segments()] == ids[30:]
    assert len(site.cannot_link()) == 9
    assert list(damage(site)) == []
