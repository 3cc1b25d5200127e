"""The record of a site: what is committed stays, whole, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from app.errors import SiteError, StorageError
from app.footage import Camera, Footage
from app.footage.fingerprint import fingerprint
from app.record import Site
from app.record.rows import AuditEntry, BoxCounts, Chunk, Correction, Crop, FootageRecord, Merging, ModelRecord
from app.record.verify import DROPPED, damage
from tests.app.records import on_postgres, run_sql, site_in
from tests.app.scenes import bytes_of, dump, segment, shards
from trackers.segments import Kind, Segment

MERGED = AuditEntry(1.0, "me", "merge", {})
SETTINGS: dict[str, Any] = {"detector": "shipped", "sha256": "ab", "tracker": "bytetrack", "every": 1, "fps": None}


def footage(tmp_path: Path, name: str, *, camera: str = "hall", content: bytes = b"", start: float = 100.0) -> Footage:
    path = tmp_path / camera / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content or f"{camera} {name}".encode())
    return Footage(camera, path, name, start, "name", path.stat().st_size, fingerprint(path))


def crop(number: int, frame: int = 0) -> Crop:
    jpeg = b"\xff\xd8" + f"picture {number} of frame {frame}".encode() * 3 + b"\xff\xd9"
    return Crop(frame, frame / 25, (30.0, 20.0, 60.0, 100.0), 0.9, 0.1, 0.0, 50.0, 1.0, jpeg)


def chunk(*segments: Segment, checkpoint: bytes = b"state", frames: int = 10, problems: tuple[str, ...] = ()) -> Chunk:
    crops = {s.number: [crop(s.number, k) for k in range(3)] for s in segments if s.kind == Kind.TRACKLET}
    return Chunk(list(segments), crops, checkpoint, frames, frames, 2 * frames, frames / 25, problems)


def registered(site: Site, *pieces: Footage, **options: Any) -> list[tuple[FootageRecord, str | None]]:
    (footage_records,) = site.intake.register(
        [Camera(pieces[0].camera, pieces)], {pieces[0].camera: SETTINGS}, who="test", **options
    )
    return footage_records


def full(*_: object) -> None:
    raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


def begun(site: Site, piece: Footage) -> FootageRecord:
    ((record, objection),) = registered(site, piece)
    assert objection is None
    return site.intake.begin(record, SETTINGS)


# --- footage and its progress


def test_new_footage_is_written_down_as_it_was_found(site: Site, tmp_path: Path) -> None:
    piece = footage(tmp_path, "a.mp4", start=123.5)
    camera = Camera("hall", (piece,), mask=(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),), min_height=60.0, time_zone="UTC")
    (((record, objection),),) = site.intake.register([camera], {camera.name: SETTINGS}, who="test")
    assert objection is None
    assert (record.camera, record.name, record.path, record.start) == ("hall", "a.mp4", piece.path, 123.5)
    assert (record.size, record.fingerprint, record.start_source) == (piece.size, piece.fingerprint, "name")
    assert (record.status, record.settings, record.frames, record.problems) == ("new", None, 0, [])
    assert site.intake.checkpoint(record.id) is None
    assert site.footage() == site.footage("hall") == [record]
    assert site.footage("other") == []


def test_registering_again_changes_nothing(site: Site, tmp_path: Path) -> None:
    pieces = [footage(tmp_path, "a.mp4"), footage(tmp_path, "b.mp4", start=200.0)]
    first = registered(site, *pieces)
    before = dump(site.path)
    assert registered(site, *pieces) == first
    assert dump(site.path) == before


def test_a_cameras_settings_may_change(site: Site, tmp_path: Path) -> None:
    piece = footage(tmp_path, "a.mp4")
    site.intake.register([Camera("hall", (piece,), min_height=60.0)], {"hall": SETTINGS}, who="test")
    site.intake.register(
        [Camera("hall", (piece,), min_height=80.0, time_zone="Europe/Berlin")], {"hall": SETTINGS}, who="test"
    )
    (row,) = dump(site.path)["cameras"]
    assert "('min_height', 80.0)" in row and "Europe/Berlin" in row


def test_the_same_film_is_known_by_its_content(site: Site, tmp_path: Path) -> None:
    original = footage(tmp_path, "a.mp4", content=b"one film")
    ((first, _),) = registered(site, original)
    ((renamed, _),) = registered(site, footage(tmp_path, "b.mp4", content=b"one film"))
    ((elsewhere, _),) = registered(site, footage(tmp_path, "c.mp4", camera="yard", content=b"one film"))
    assert renamed.id == elsewhere.id == first.id
    assert elsewhere.camera == "hall"
    assert len(site.footage()) == 1


def test_empty_files_are_not_the_same_film(site: Site, tmp_path: Path) -> None:
    empty = [replace(footage(tmp_path, name), size=0, fingerprint="e3b0") for name in ("a.mp4", "b.mp4")]
    records = registered(site, *empty)
    assert len({record.id for record, _ in records}) == 2


def test_numbers_follow_all_that_the_camera_has(site: Site, tmp_path: Path) -> None:
    first = begun(site, footage(tmp_path, "a.mp4"))
    assert (first.first_track, first.first_segment, first.status) == (1, 1, "running")
    assert first.settings == SETTINGS
    site.intake.commit(first, chunk(segment(1), segment(2, track=4), segment(3, track=2, kind=Kind.SHORT)), done=True)
    second = begun(site, footage(tmp_path, "b.mp4", start=200.0))
    assert (second.first_track, second.first_segment) == (5, 4)
    assert site.intake.begin(second, SETTINGS).first_track == 5  # what runs keeps its numbers
    of_yard = begun(site, footage(tmp_path, "c.mp4", camera="yard"))
    assert (of_yard.first_track, of_yard.first_segment) == (1, 1)


def test_what_is_committed_is_read_back(site: Site, tmp_path: Path) -> None:
    record = begun(site, footage(tmp_path, "a.mp4"))
    walk = segment(1, track=3, frames=range(5, 25, 2), start=100.0, box=(1.5, 2.25, 30, 90))
    beside = segment(2, track=4, start=100.2, cannot_link=[1])
    short = segment(3, track=4, kind=Kind.SHORT, frames=[30])
    part = chunk(walk, beside, short, checkpoint=b"go on here", frames=40, problems=("3 frames are damaged",))
    site.intake.commit(record, part, done=False)
    now = site.footage_record(record.id)
    assert (now.status, now.frames, now.source_frames, now.detections, now.seconds) == ("running", 40, 40, 80, 1.6)
    assert now.problems == ["3 frames are damaged"]
    assert site.intake.checkpoint(record.id) == b"go on here"
    segments = site.segments()
    assert [(s.number, s.track, s.kind, s.cut, s.length, s.height) for s in segments] == [
        (1, 3, "tracklet", "gap", 10, 87.75),
        (2, 4, "tracklet", "gap", 10, 80.0),
        (3, 4, "short", "gap", 1, 80.0),
    ]
    assert [s.number for s in site.segments("hall", kind=Kind.TRACKLET)] == [1, 2]
    assert segments[0].id == (record.camera_id << 32) + 1
    assert (segments[0].start, segments[0].end) == (walk.times[0], walk.times[-1])
    boxes = site.boxes(segments[0].id)
    for name in ("frames", "times", "boxes", "scores"):
        assert np.array_equal(getattr(boxes, name), getattr(walk, name)), name
    crops = site.crops(segments[0].id)
    assert [(c.number, c.frame, c.box, c.score) for c in crops] == [
        (k, k, (30.0, 20.0, 60.0, 100.0), 0.9) for k in range(3)
    ]
    assert [site.crop_jpeg(c) for c in crops] == [c.jpeg for c in part.crops[1]]
    assert site.crops(segments[2].id) == []
    assert site.cannot_link().tolist() == [[segments[0].id, segments[1].id]]
    assert list(damage(site)) == []


def test_cameras_are_counted(site: Site, tmp_path: Path) -> None:
    first = begun(site, footage(tmp_path, "a.mp4"))
    pieces = (
        segment(1),
        segment(2, track=2, kind=Kind.SHORT),
        segment(3, track=3, kind=Kind.SHORT, frames=[4]),
        segment(4, track=4, kind=Kind.SIGHTING, frames=[5]),
    )
    site.intake.commit(first, chunk(*pieces, frames=90), done=True)
    second = begun(site, footage(tmp_path, "b.mp4", start=200.0))
    site.intake.commit(second, chunk(frames=45, problems=("cut off",)), done=True)
    (hall,) = site.cameras()
    assert (hall.camera, hall.footage, hall.frames, hall.detections) == ("hall", 2, 135, 270)
    assert (hall.tracks, hall.tracklets, hall.sightings) == (2, 1, 1)  # one box alone was only tentative
    assert hall.boxes == BoxCounts(tracklets=10, sightings=1, short=10, single=1, untracked=270 - 22)
    assert hall.crop_bytes == sum(map(len, shards(site.path).values()))
    assert (hall.start, hall.end, hall.hours) == (100.0, 201.8, pytest.approx(5.4 / 3600))
    assert hall.errors == ["cut off"]


def test_what_is_done_keeps_its_checkpoint_until_other_footage_of_the_camera_has_one(
    site: Site, tmp_path: Path
) -> None:
    record = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.commit(record, chunk(segment(1)), done=False)
    site.intake.commit(record, chunk(segment(2), checkpoint=b"at the end"), done=True)
    assert site.intake.checkpoint(record.id) == b"at the end"
    assert site.footage_record(record.id).status == "done"
    elsewhere = begun(site, footage(tmp_path, "b.mp4", camera="yard"))
    site.intake.commit(elsewhere, chunk(), done=True)
    assert site.intake.checkpoint(record.id) == b"at the end"
    follower = begun(site, footage(tmp_path, "c.mp4", start=101.0))
    assert (follower.first_track, site.intake.before(follower)) == (record.first_track, b"at the end")
    site.intake.commit(follower, chunk(segment(3)), done=False)
    assert site.intake.checkpoint(record.id) is None and site.intake.before(follower) is None


@pytest.mark.parametrize(("start", "settings"), [(110.0, SETTINGS), (101.0, SETTINGS | {"tracker": "sort"})])
def test_tracks_end_where_other_footage_is_apart_or_taken_in_otherwise(
    site: Site, tmp_path: Path, start: float, settings: dict[str, Any]
) -> None:
    record = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.commit(record, chunk(segment(1)), done=True)
    ((other, _),) = registered(site, footage(tmp_path, "b.mp4", start=start))
    other = site.intake.begin(other, settings)
    assert (other.first_track, site.intake.before(other)) == (2, None)


def test_failed_footage_keeps_what_was_committed(site: Site, tmp_path: Path) -> None:
    nothing = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.fail(nothing, "no video")
    site.intake.fail(nothing, "no video")
    assert (site.footage_record(nothing.id).status, site.footage_record(nothing.id).problems) == (
        "failed",
        ["no video"],
    )
    something = begun(site, footage(tmp_path, "b.mp4"))
    site.intake.commit(something, chunk(segment(1), problems=("damaged",)), done=False)
    site.intake.fail(something, "the disk went away")
    now = site.footage_record(something.id)
    assert (now.status, now.problems) == ("running", ["damaged", "the disk went away"])
    assert len(site.segments()) == 1 and site.intake.checkpoint(something.id) == b"state"


# --- objections and replacing


def test_other_settings_are_objected_to_by_name(site: Site, tmp_path: Path) -> None:
    piece = footage(tmp_path, "a.mp4")
    begun(site, piece)
    (((record, objection),),) = site.intake.register(
        [Camera("hall", (piece,))], {"hall": SETTINGS | {"tracker": "sort", "fps": 5.0}}, who="test"
    )
    assert objection is not None
    assert "a.mp4 was ingested with tracker bytetrack (now sort), fps None (now 5.0): run with --replace" in objection
    assert record.status == "running"


@pytest.mark.parametrize(
    ("content", "how"), [(b"a film and more of it", "has grown"), (b"another", "has changed"), (b"a f", "has changed")]
)
def test_other_content_is_objected_to(site: Site, tmp_path: Path, content: bytes, how: str) -> None:
    record = begun(site, footage(tmp_path, "a.mp4", content=b"a film"))
    site.intake.commit(record, chunk(segment(1)), done=True)
    before = dump(site.path), shards(site.path)
    ((same, objection),) = registered(site, footage(tmp_path, "a.mp4", content=content))
    assert objection is not None
    assert f"a.mp4 {how} since it was ingested (6 bytes then, {len(content)} now): run with --replace" in objection
    assert same.id == record.id
    assert (dump(site.path), shards(site.path)) == before


def test_footage_of_which_nothing_is_known_yet_may_change_freely(site: Site, tmp_path: Path) -> None:
    record = begun(site, footage(tmp_path, "a.mp4", content=b"broken"))
    site.intake.fail(record, "no video")
    ((again, objection),) = registered(site, footage(tmp_path, "a.mp4", content=b"repaired"))
    assert objection is None
    assert (again.id, again.status, again.problems, again.size) == (record.id, "new", [], 8)


def test_replacing_removes_all_that_came_from_the_footage_and_only_that(site: Site, tmp_path: Path) -> None:
    kept = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.commit(kept, chunk(segment(1), segment(2, track=2, cannot_link=[1])), done=True)
    gone = begun(site, footage(tmp_path, "b.mp4", content=b"a film", start=200.0))
    site.intake.commit(gone, chunk(segment(3, track=3, start=200.0), segment(4, track=4, cannot_link=[3])), done=True)
    secret = [site.crop_jpeg(c) for s in site.segments()[2:] for c in site.crops(s.id)]
    boxes = [bytes(run_sql(site.path, "SELECT boxes FROM segments WHERE number = 3")[0][0])]
    assert all(piece in bytes_of(site.path) for piece in secret)
    assert on_postgres() or boxes[0] in bytes_of(site.path)
    ((anew, objection),) = registered(site, footage(tmp_path, "b.mp4", content=b"another"), replace=True)
    assert objection is None
    assert (anew.id, anew.status, anew.frames, anew.shard_bytes, anew.settings) == (gone.id, "new", 0, 0, None)
    assert [s.number for s in site.segments()] == [1, 2]
    assert len(site.cannot_link()) == 1
    assert list(shards(site.path)) == [f"crops/1/{kept.id}-000.shard"]
    assert not any(piece in bytes_of(site.path) for piece in (*secret, *boxes))
    assert list(damage(site)) == []


def test_the_same_film_of_another_camera_is_not_judged_nor_erased(site: Site, tmp_path: Path) -> None:
    """Another process may hold that camera's lease."""
    record = begun(site, footage(tmp_path, "a.mp4", content=b"a film"))
    site.intake.commit(record, chunk(segment(1)), done=False)
    copy = footage(tmp_path, "b.mp4", camera="yard", content=b"a film")
    yard_settings = {"yard": SETTINGS | {"tracker": "sort"}}
    for replace_it in (False, True):
        (((kept, objection),),) = site.intake.register(
            [Camera("yard", (copy,))], yard_settings, who="me", replace=replace_it
        )
        assert (kept.id, kept.camera, kept.status, objection) == (record.id, "hall", "running", None)
    assert [row.number for row in site.segments()] == [1] and site.audit() == []


def test_footage_that_others_have_overtaken_starts_anew(site: Site, tmp_path: Path) -> None:
    first, second = footage(tmp_path, "a.mp4"), footage(tmp_path, "b.mp4", start=200.0)
    record = begun(site, first)
    site.intake.commit(record, chunk(segment(1)), done=False)  # interrupted. Then its file is out of reach for a while
    site.intake.commit(begun(site, second), chunk(segment(2, track=2)), done=True)
    (anew, objection), _ = registered(site, first, second)
    assert (objection, anew.id, anew.status) == (None, record.id, "new")
    assert site.intake.begin(anew, SETTINGS).first_segment == 3
    site.intake.commit(anew, chunk(segment(3, track=3), segment(4, track=3)), done=True)
    assert [(s.number, s.footage_id) for s in site.segments()] == [(2, record.id + 1), (3, record.id), (4, record.id)]
    assert list(damage(site)) == []


# --- commits are whole or not at all


def test_a_commit_that_the_record_refuses_leaves_no_trace(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.commit(record, chunk(segment(1)), done=False)
    before = dump(site.path), shards(site.path)

    with monkeypatch.context() as patched:
        patched.setattr(site.database, "execute", full)
        with pytest.raises(StorageError, match=r"could not be written \(database or disk is full\).*make room"):
            site.intake.commit(record, chunk(segment(2)), done=False)
    assert (dump(site.path), shards(site.path)) == before
    site.intake.commit(record, chunk(segment(2)), done=True)
    assert len(site.segments()) == 2 and list(damage(site)) == []


@pytest.mark.parametrize("step", ["register", "begin", "fail"])
def test_a_full_disk_is_told_as_such_wherever_it_is_met(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    piece = footage(tmp_path, "a.mp4")
    ((record, _),) = registered(site, piece)
    before = dump(site.path)
    monkeypatch.setattr(site.database, "execute", full)
    with pytest.raises(StorageError, match=r"could not be written .*make room"):
        {
            "register": lambda: registered(site, footage(tmp_path, "b.mp4")),
            "begin": lambda: site.intake.begin(record, SETTINGS),
            "fail": lambda: site.intake.fail(record, "no video"),
        }[step]()
    assert dump(site.path) == before


def test_crops_stay_where_a_server_may_have_committed_before_it_went(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.commit(record, chunk(segment(1)), done=False)
    run = site.database.run

    def gone(*_: object, **__: object) -> Any:
        raise StorageError("the server is gone")

    def committed_then_gone(sql: str, *values: object) -> Any:
        rows = run(sql, *values)
        if sql == "COMMIT":
            monkeypatch.setattr(site.database, "all", gone)
            gone()
        return rows

    with monkeypatch.context() as patched:
        patched.setattr(site.database, "run", committed_then_gone)
        with pytest.raises(StorageError, match="gone"):
            site.intake.commit(record, chunk(segment(2)), done=False)
    with Site.open_to_write(site.path) as again:
        assert [row.number for row in again.segments()] == [1, 2]
        assert list(damage(again)) == []


def test_crops_that_the_disk_refuses_leave_no_trace(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.commit(record, chunk(segment(1)), done=False)
    before = dump(site.path), shards(site.path)

    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("app.record.shards.os.pwrite", no_space)
        with pytest.raises(StorageError, match=r"\(No space left on device\)"):
            site.intake.commit(record, chunk(segment(2)), done=False)
    assert (dump(site.path), shards(site.path)) == before


def test_a_process_that_died_between_crops_and_rows_leaves_only_waste_that_is_cut_off(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begun(site, footage(tmp_path, "a.mp4"))
    site.intake.commit(record, chunk(segment(1)), done=False)
    committed = shards(site.path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(site.database, "execute", killed)
        with pytest.raises(KeyboardInterrupt):
            site.intake.commit(record, chunk(segment(2)), done=False)
    site.close()
    assert shards(site.path) != committed
    with Site.create(site.path) as again:
        assert list(damage(again)) == []
        again.intake.commit(again.footage_record(record.id), chunk(segment(2)), done=True)
        assert list(damage(again)) == []
        jpegs = [again.crop_jpeg(c) for s in again.segments() for c in again.crops(s.id)]
    assert b"".join(jpegs) == b"".join(shards(site.path).values())


# --- what --verify finds


@pytest.fixture
def sound(record: str, tmp_path: Path) -> Path:
    with Site.create(site_in(tmp_path)) as site:
        record = begun(site, footage(tmp_path, "a.mp4"))
        near, far = segment(1), segment(2, track=2, frames=range(100, 110))
        site.intake.commit(record, chunk(near, far, segment(3, track=3, kind=Kind.SHORT)), done=True)
        assert list(damage(site)) == []
    return site_in(tmp_path)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "UPDATE segments SET boxes = substr(boxes, 1, 9) WHERE number = 1",
            "tracklet 1 of camera hall: its boxes are damaged",
        ),
        (
            "UPDATE segments SET length = 9 WHERE number = 1",
            "tracklet 1 of camera hall: its boxes are damaged or do not fit its row: ",
        ),
        (
            "UPDATE segments SET boxes = (SELECT boxes FROM segments WHERE number = 3), length = 3 WHERE number = 1",
            "tracklet 1 of camera hall: its boxes are damaged or do not fit its row: ",
        ),
        ("DELETE FROM crops WHERE tracklet_id - 16 * (tracklet_id / 16) = 2", "tracklet 2 of camera hall has 0 crops"),
        ("UPDATE segments SET kind = 'tracklet'", "tracklet 3 of camera hall has 0 crops"),
        ("UPDATE segments SET kind = 'short' WHERE number = 2", "short 2 of camera hall has 3 crops"),
        (
            'UPDATE crops SET "offset" = 1, number = 9 WHERE number = 0',
            "tracklet 1 of camera hall: crop 9 has a damaged row: `python -m app.site --repair` drops it",
        ),
        ("UPDATE footage SET shard_bytes = 1000000", "the record: row 1 of footage is damaged: "),
        (
            "INSERT INTO cannot_link SELECT min(id), max(id), 0 FROM segments WHERE number < 3",
            "camera hall: tracklets 1 and 2 cannot be linked, but were not seen together",
        ),
        ("DELETE FROM segments WHERE number = 1", "a row of crops names one of segments that does not exist"),
    ],
)
def test_damaged_rows_are_named(sound: Path, sql: str, expected: str) -> None:
    if on_postgres() and "DELETE FROM segments" in sql:
        with pytest.raises(IntegrityError):  # it lets nobody do that
            run_sql(sound, sql)
        return
    run_sql(sound, sql)
    with Site.open(sound) as site:
        sentences = list(damage(site))
    assert any(expected in sentence for sentence in sentences), sentences


@pytest.mark.usefixtures("sqlite_only")
def test_a_damaged_record_is_named(sound: Path) -> None:
    path = sound / "site.db"
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'segments'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 200)
    with Site.open(sound) as site:
        sentences = list(damage(site))
    assert sentences and all(sentence.startswith("the record: ") for sentence in sentences)


def test_a_crop_that_is_no_jpeg_is_named(tmp_path: Path) -> None:
    with Site.create(site_in(tmp_path)) as site:
        record = begun(site, footage(tmp_path, "a.mp4"))
        whole = chunk(segment(1))
        whole.crops[1][1] = replace(whole.crops[1][1], jpeg=b"not a picture")
        site.intake.commit(record, whole, done=True)
        assert list(damage(site)) == [f"tracklet 1 of camera hall: crop 1 is no JPEG: {DROPPED}"]


# --- models, merging, audit


def model(name: str, *, serving: bool = False) -> ModelRecord:
    return ModelRecord(name, 5.0, "ab" * 32, "candidate", "it is new", {"epochs": 3}, None, serving)


def test_one_version_serves(site: Site) -> None:
    site.add_model(model("base", serving=True))
    site.add_model(model("v1"))
    assert [(m.name, m.serving, m.status) for m in site.models()] == [
        ("base", True, "deployed"),
        ("v1", False, "candidate"),
    ]
    site.add_model(model("v1", serving=True))
    site.set_calibration("v1", {"slope": 2.0})
    assert [m.serving for m in site.models()] == [False, True]
    assert site.models()[1].calibration == {"slope": 2.0}
    site.add_model(replace(model("v1"), reason="written again"))
    assert site.models()[1].reason == "written again"
    assert site.models()[1].serving


def filled(site: Site, tmp_path: Path) -> list[int]:
    record = begun(site, footage(tmp_path, "one.mp4"))
    pieces = [segment(1), segment(2, track=2, cannot_link=[1]), segment(3, track=3), segment(4, kind=Kind.SHORT)]
    site.intake.commit(record, chunk(*pieces), done=True)
    return [row.id for row in site.segments()]


def test_the_table_of_tracklets(site: Site, tmp_path: Path) -> None:
    ids = filled(site, tmp_path)
    table = site.tracklet_table()
    assert table.ids.tolist() == ids[:3]
    assert len(table) == 3
    assert table.names == ("hall",)
    assert table.cameras.tolist() == [0, 0, 0]
    assert (table.end > table.start).all()
    first, last = site.first_and_last_boxes(table.ids[1:])
    assert first.tolist() == last.tolist() == [[30, 20, 60, 100]] * 2


def merging(ids: list[int], trajectories: list[int], identities: list[int]) -> Merging:
    rows = (np.array(column, np.int64) for column in (ids, trajectories, identities))
    return Merging(0, 7.0, "base", {"method": "utal"}, {"transits": []}, *rows)


def test_mergings_follow_each_other_and_are_undone(site: Site, tmp_path: Path) -> None:
    ids = filled(site, tmp_path)[:3]
    assert site.merging() is None
    for k in range(4):
        site.add_merging(merging(ids, [1, 1, 2 + k], [1, 1, 1]), MERGED, keep=2)
    latest = site.merging()
    assert latest is not None
    assert latest.trajectories.tolist() == [1, 1, 5]
    assert site.undo_merging(MERGED)
    now = site.merging()
    assert now is not None
    assert now.trajectories.tolist() == [1, 1, 4]
    assert now.settings == {"method": "utal"}
    assert site.undo_merging(MERGED)
    assert not site.undo_merging(MERGED)  # only two were kept
    assert len(site.tracklet_table()) == 3


def test_a_tracklet_that_was_erased_meanwhile_is_in_no_merging(site: Site, tmp_path: Path) -> None:
    a, b, c, _ = filled(site, tmp_path)
    site.erase([b], AuditEntry(1.0, "me", "forget", {}))
    site.add_merging(merging([a, b, c], [1, 1, 2], [1, 1, 1]), MERGED, keep=2)
    now = site.merging()
    assert now is not None
    assert now.ids.tolist() == [a, c]
    assert now.of(np.array([b, c, 7]))[0].tolist() == [-1, 2, -3]


def test_the_last_word_on_a_pair_counts(site: Site, tmp_path: Path) -> None:
    a, b, c, _ = filled(site, tmp_path)
    site.correct([Correction("join", b, a), Correction("join", a, c)], "me", 1.0)
    site.correct([Correction("split", a, b)], "me", 2.0)
    assert site.corrections() == [Correction("join", a, c), Correction("split", a, b)]
    site.correct([Correction("unsure", c, a)], "you", 3.0)
    assert site.corrections() == [Correction("split", a, b)]
    said = [(entry.who, entry.details["said"]) for entry in site.audit() if entry.action == "correct"]
    assert said == [("me", "join"), ("me", "join"), ("me", "split"), ("you", "unsure")]


def test_a_word_on_somebody_who_was_erased_is_refused_whole(site: Site, tmp_path: Path) -> None:
    a, b, c, short = filled(site, tmp_path)
    site.erase([b], AuditEntry(1.0, "you", "forget", {}))
    for first, second in ((a, b), (a, a), (a, short)):
        with pytest.raises(SiteError, match=f"{first} and {second} are not two tracklets"):
            site.correct([Correction("join", a, c), Correction("join", first, second)], "me", 1.0)
        assert site.corrections() == []


def test_notes_are_taken_beside_a_writer(site: Site) -> None:
    entry = AuditEntry(3.0, "me", "query", {"results": [1, 2]})
    with Site.open_to_write(site.path) as second_site:
        second_site.note(entry)
    assert site.audit() == [entry]


def test_all_pieces_before_a_time(site: Site, tmp_path: Path) -> None:
    record = begun(site, footage(tmp_path, "one.mp4"))
    site.intake.commit(record, chunk(segment(1), segment(2, kind=Kind.SHORT), segment(3, start=100.0)), done=True)
    ids = [entry.id for entry in site.segments()]
    assert site.segments_before(50.0).tolist() == ids[:2]
