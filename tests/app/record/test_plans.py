"""At 200,000 tracklets no statement reads all of a large table where an index should serve."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from sqlalchemy import event

from app.footage import Camera, Footage
from app.record import Site
from app.record.database import FILE
from app.record.forget import forget
from app.record.rows import AuditEntry, Boxes, Chunk, Correction, Crop, Merging
from tests.app.scenes import segment

TRACKLETS, CAMERAS, CROPS = 200_000, 4, 3
FULL = r"^SCAN |\(kind=\?\)$"  # there are hardly any other kinds than tracklets
LARGE = {"segments", "crops", "cannot_link", "members", "splits"}
SETTINGS: dict[str, Any] = {"detector": "none", "sha256": None}
ALL = {  # statements that read all of a large table or index, and why they may
    r"^SELECT segments\.id, segments\.camera_id, segments\.footage_id, segments\.start": "the table of all tracklets",
    r"^SELECT segments\.id, segments\.boxes": "merging takes the first and last boxes of all",
    r"^SELECT segments\.camera_id, segments\.kind, count": "how many tracklets and sightings each camera has",
    r"^SELECT substr": "whether boxes like those of who was erased are somebody else's, where there are such",
    r"^SELECT anon_\d\.camera_id, sum": "how many tracks each camera has, and what became of its boxes",
    r"sum\(crops\.length\)": "how many bytes of crops there are",
    r"^SELECT cannot_link\.a, cannot_link\.b \nFROM cannot_link ORDER": "merging and adapting take all pairs",
    r"^SELECT splits": "adapting takes all of the split",
    r"segments\.\"end\" < \?": "all before a time, from an index a thirtieth of the table",
}


def footage_of(camera: int, number: int) -> Footage:
    name = f"camera{camera}"
    return Footage(name, Path(f"{name}-{number}.mp4"), f"{name}-{number}.mp4", 0.0, "name", 1000, f"{name}-{number}")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of many tracklets, with nothing on the disk beside it. Only rows' numbers and boxes matter."""
    path = tmp_path_factory.mktemp("large") / "site"
    began = time.monotonic()
    with Site.create(path) as site:
        for camera in range(1, CAMERAS + 1):
            (((record, _),),) = site.intake.register(
                [Camera(f"camera{camera}", (footage_of(camera, 0),))], {f"camera{camera}": SETTINGS}, who="test"
            )
            site.intake.commit(site.intake.begin(record, SETTINGS), Chunk([], {}, b"", 1, 1, 1, 1.0), done=True)
    frames = np.arange(20, dtype=np.int32)
    boxes = Boxes(frames, frames / 5.0, np.ones((20, 4), np.float32), np.ones(20, np.float32)).packed()
    each = TRACKLETS // CAMERAS
    with closing(sqlite3.connect(path / FILE, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        database.execute(
            "INSERT INTO segments WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?) "
            "SELECT (c.id << 32) + n, c.id, c.id, n, n, 'tracklet', 'gap', n, n + 4, 20, 80, ?, 0 FROM cameras c, n "
            "ORDER BY 1",
            (each, boxes),
        )
        database.execute(
            "INSERT INTO crops WITH k (k) AS (VALUES (0), (1), (2)) SELECT id, k, k, k, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, "
            "(number * 3 + k) * 100, 100, 0, 0 FROM segments, k ORDER BY 1, 2"
        )
        database.execute("INSERT INTO cannot_link SELECT id, id + 1, 0 FROM segments WHERE number < ?", (each,))
        database.execute("INSERT INTO splits SELECT id, 0, 0 FROM segments WHERE number % 2")
        database.execute("COMMIT")
    with Site.open_to_write(path) as site:
        ids = site.tracklet_table().ids
        site.add_merging(Merging(0, 1.0, "base", {}, {}, ids, ids, ids), AuditEntry(1.0, "me", "merge", {}), keep=2)
        site.correct([Correction("join", int(ids[0]), int(ids[5]))], "me", 1.0)
    assert time.monotonic() - began < 120, "it took too long to make"
    return path


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What every record that is opened executes, with the latest parameters."""
    executed: dict[str, Any] = {}

    def heard(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        if statement.split(" ")[0] in ("SELECT", "UPDATE", "DELETE", "INSERT"):
            executed[statement] = parameters[0] if many else parameters

    event.listen(sqlalchemy.Engine, "before_cursor_execute", heard)
    yield executed
    event.remove(sqlalchemy.Engine, "before_cursor_execute", heard)


def scanned(path: Path, statements: dict[str, Any]) -> dict[str, list[str]]:
    """Statements that read all of a large table, with the steps in which they do."""
    found = {}
    with closing(sqlite3.connect(path / FILE)) as database:
        for statement, parameters in statements.items():
            if "sqlite_master" in statement or "pragma" in statement.lower():
                continue
            steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            slow = [step for step in steps if re.search(FULL, step) and re.split(r"\W+", step)[1] in LARGE]
            if slow:
                found[statement] = slow
    return found


def typical_calls(path: Path) -> None:
    """What ingest, searches, merging, adapting, correcting, forgetting and reports ask of a record."""
    with Site.open_to_write(path) as site:
        camera = Camera("camera1", (footage_of(1, 0), footage_of(1, 1)))
        (((_, _), (record, _)),) = site.intake.register([camera], {"camera1": SETTINGS}, who="test")
        record = site.intake.begin(record, SETTINGS)
        number = record.first_segment
        pieces = [segment(number, track=record.first_track), segment(number + 1, track=record.first_track + 1)]
        crop = Crop(0, 0.0, (0.0, 0.0, 1.0, 1.0), 1.0, 0.0, 0.0, 1.0, 1.0, b"\xff\xd8\xff\xd9")
        site.intake.commit(record, Chunk(pieces, {s.number: [crop] for s in pieces}, b"x", 9, 9, 9, 1.0), done=False)
        site.intake.register([camera], {"camera1": SETTINGS}, who="test")
        site.intake.fail(record, "it broke")
        site.intake.checkpoint(record.id)
        table = site.tracklet_table()
        some = table.ids[[3, 700, 5000]]
        site.crops_of(some.tolist())
        site.boxes(int(some[0]))
        site.seen_beside(int(some[1]))
        site.searchable_of(1)
        site.are_tracklets(some)
        site.cannot_link()
        site.split()
        site.first_and_last_boxes(some)
        site.merging()
        site.corrections()
        site.correct([Correction("split", int(some[0]), int(some[1]))], "me", 2.0)
        site.segments("camera1")
        site.cameras()
        site.footage("camera1")
        site.models()
        site.note(AuditEntry(3.0, "me", "query", {}))
        site.audit_head()
        site.undo_merging(AuditEntry(4.0, "me", "merge", {}))
        site.segments_before(0.0)
        site.interrupted_before(0.0)
        forget(site, who="me", tracklets=some.tolist())


def test_no_statement_reads_all_of_a_large_table_for_a_part(large: Path, statements: dict[str, Any]) -> None:
    typical_calls(large)
    slow = scanned(large, statements)
    wrong = {said: steps for said, steps in slow.items() if not any(re.search(pattern, said) for pattern in ALL)}
    assert wrong == {}
    unused = [pattern for pattern in ALL if not any(re.search(pattern, said) for said in slow)]
    assert unused == []
    assert len(statements) > 40


def test_forgetting_many_takes_a_time_that_depends_on_them_alone_and_holds_nobody_up(large: Path) -> None:
    waits, ended = [], threading.Event()

    def ask() -> None:
        while not ended.wait(0.01):
            began = time.monotonic()
            with Site.open_to_write(large) as site:
                site.note(AuditEntry(3.0, "me", "query", {}))
            waits.append(time.monotonic() - began)

    asking = threading.Thread(target=ask)
    with Site.open_to_write(large) as site:
        ids = site.tracklet_table().ids[:4000]
        asking.start()
        try:
            began = time.monotonic()
            forget(site, who="me", tracklets=ids.tolist())
            assert time.monotonic() - began < 30  # 38 s without an index
        finally:
            ended.set()
            asking.join()
        assert len(site.tracklet_table()) <= TRACKLETS - 4000
    assert len(waits) > 3 and max(waits) < 8, waits
