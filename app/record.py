"""The site on disk. `Site` is the one way in; all SQL of the project stands in this file.

`site.db` (SQLite, WAL) is the record of truth. What a process has committed survives its death at any moment; what it
had not committed is gone, and the next run of the same command does it again with the same result.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.database import FILE, Database, SiteError
from app.footage import Camera, Footage, grown
from app.rows import (
    AuditEntry,
    Boxes,
    CameraSummary,
    Chunk,
    Correction,
    CropRecord,
    FootageRecord,
    Merge,
    ModelRecord,
    SegmentRecord,
    TrackletTable,
    segment_id,
)
from app.shards import Place, ShardWriter, erase, read_crop, shard_path
from trackers.tracklets import Kind, Segment

_SCHEMA = """
CREATE TABLE cameras (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, time_zone TEXT, mask TEXT NOT NULL, min_height REAL) STRICT;
CREATE TABLE footage (
  id INTEGER PRIMARY KEY, camera_id INTEGER NOT NULL REFERENCES cameras, name TEXT NOT NULL, path TEXT NOT NULL,
  size INTEGER NOT NULL, fingerprint TEXT NOT NULL, start REAL NOT NULL, start_source TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'new',
  settings TEXT,
  first_track INTEGER NOT NULL DEFAULT 1, first_segment INTEGER NOT NULL DEFAULT 1,
  source_frames INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0, detections INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0,
  shard INTEGER NOT NULL DEFAULT 0, shard_bytes INTEGER NOT NULL DEFAULT 0,
  checkpoint BLOB, problems TEXT NOT NULL DEFAULT '[]', UNIQUE (camera_id, name)) STRICT;
CREATE TABLE segments (
  id INTEGER PRIMARY KEY, camera_id INTEGER NOT NULL REFERENCES cameras, footage_id INTEGER NOT NULL REFERENCES footage,
  number INTEGER NOT NULL, track INTEGER NOT NULL, kind TEXT NOT NULL, cut TEXT NOT NULL,
  start REAL NOT NULL, "end" REAL NOT NULL, length INTEGER NOT NULL, height REAL NOT NULL, boxes BLOB NOT NULL) STRICT;
CREATE INDEX segments_by_track ON segments (camera_id, track);
CREATE INDEX segments_by_footage ON segments (footage_id);
CREATE VIEW tracklets AS SELECT * FROM segments WHERE kind = 'tracklet';
-- A track that never got a second box was only tentative.
CREATE VIEW tracks AS
  SELECT camera_id, track AS number, sum(length) AS length FROM segments
  GROUP BY camera_id, track HAVING sum(length) > 1;
CREATE TABLE crops (
  tracklet_id INTEGER NOT NULL REFERENCES segments, number INTEGER NOT NULL, frame INTEGER NOT NULL, time REAL NOT NULL,
  x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL, score REAL NOT NULL,
  overlap REAL NOT NULL, border REAL NOT NULL, sharpness REAL NOT NULL, height_ratio REAL NOT NULL,
  shard INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, crc32 INTEGER NOT NULL,
  PRIMARY KEY (tracklet_id, number)) STRICT, WITHOUT ROWID;
CREATE TABLE cannot_link (
  a INTEGER NOT NULL REFERENCES segments, b INTEGER NOT NULL REFERENCES segments, PRIMARY KEY (a, b)
  ) STRICT, WITHOUT ROWID;
"""
# Format 2: models, what merging found, corrections, who asked what, bytes that are still to be erased.
_SCHEMA_2 = """
CREATE TABLE models (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, made REAL NOT NULL, sha256 TEXT NOT NULL,
  status TEXT NOT NULL, reason TEXT NOT NULL, summary TEXT NOT NULL, calibration TEXT,
  serving INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE UNIQUE INDEX one_model_serves ON models (serving) WHERE serving = 1;
CREATE TABLE merges (
  id INTEGER PRIMARY KEY, made REAL NOT NULL, model TEXT NOT NULL,
  settings TEXT NOT NULL, summary TEXT NOT NULL) STRICT;
CREATE TABLE members (
  merge_id INTEGER NOT NULL REFERENCES merges, tracklet_id INTEGER NOT NULL REFERENCES segments,
  trajectory INTEGER NOT NULL, identity INTEGER NOT NULL, PRIMARY KEY (merge_id, tracklet_id)) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_tracklet ON members (tracklet_id);
CREATE TABLE corrections (
  id INTEGER PRIMARY KEY, made REAL NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL,
  a INTEGER NOT NULL REFERENCES segments, b INTEGER NOT NULL REFERENCES segments) STRICT;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY, time REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, details TEXT NOT NULL) STRICT;
CREATE TABLE erasures (
  tracklet_id INTEGER NOT NULL, camera_id INTEGER NOT NULL, footage_id INTEGER NOT NULL,
  shard INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL) STRICT;
"""
# Format 3: the largest numbers that a camera has given to what was forgotten, which nobody else gets.
_SCHEMA_3 = """
ALTER TABLE cameras ADD COLUMN last_track INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cameras ADD COLUMN last_segment INTEGER NOT NULL DEFAULT 0;
"""
_BOX = np.dtype([("frame", "<i4"), ("time", "<f8"), ("box", "<f4", 4), ("score", "<f4")])


log = logging.getLogger("sightline")


class StorageError(SiteError):
    """The disk took no more in the middle of the work; all that was committed before is safe."""


class Site:
    """One site. Open it with `Site.open` (to read) or `Site.open_for_writing` (one process at a time)."""

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self._db = database
        self._writers: dict[int, ShardWriter] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens an existing site to read. Raises SiteError where there is none."""
        return cls(path, Database.open(path))

    @classmethod
    def open_existing(cls, path: Path) -> Self:
        """Opens a site to write, but makes no new one; one of an older format is brought up to date."""
        if not (path / FILE).is_file():
            Database.open(path)  # says so
        return cls.open_for_writing(path)

    @classmethod
    def open_to_ask(cls, path: Path) -> Self:
        """Opens an existing site to read and to note who asked, while another process may write. Raises SiteError."""
        return cls(path, Database.open(path, append=True))

    @classmethod
    def open_for_writing(cls, path: Path) -> Self:
        """Opens a site to write, or makes a new one. Raises SiteError where it can't, or while another process does."""
        site = cls(path, Database.open_for_writing(path, (_SCHEMA, _SCHEMA_2, _SCHEMA_3)))
        site._erase()  # what an interrupted `forget` left
        return site

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around what writes files of the site beside the record. Raises StorageError where the disk takes no more."""
        try:
            yield
        except OSError as error:
            raise self._no_more(error.strerror or str(error)) from error

    # --- footage and its progress

    def register(
        self, cameras: Sequence[Camera], settings: Mapping[str, dict[str, Any]], *, replace: bool = False
    ) -> list[list[tuple[FootageRecord, str | None]]]:
        """Writes cameras and footage into the record; returns each camera's footage in the order given.

        settings: what tracklets depend on, by camera name, as plain JSON values.

        Footage is known by its content: the same film is not added again, whatever its name now is. With each record
        comes an objection, where there is one: the file is not what it was when it was ingested, or it was ingested (or
        begun) under other settings. With `replace` such footage starts anew instead, and what came from it is removed.
        """
        with self._transaction():
            known = []
            for camera in cameras:
                camera_id = self._write_camera(camera)
                known.append(
                    [self._register(camera_id, footage, settings[camera.name], replace) for footage in camera.footage]
                )
        result = [[(self.footage_record(footage), objection) for footage, objection in mine] for mine in known]
        for record, _ in chain.from_iterable(result):
            if record.status == "new":  # rows went first: shards without rows are only waste, the reverse is damage
                if (writer := self._writers.pop(record.id, None)) is not None:
                    writer.close()
                for shard in self._crop_folder(record.camera_id).glob(f"{record.id}-*.shard"):
                    shard.unlink()
        if replace:
            self._truncate_log()
        return result

    def begin(self, footage: FootageRecord, settings: dict[str, Any]) -> FootageRecord:
        """Marks footage as running under these settings, numbering what comes after all that its camera has."""
        with self._transaction():
            if footage.status != "running":
                self._db.execute(
                    """UPDATE footage SET status = 'running', settings = ?, problems = '[]', first_track = 1 + max(
                      (SELECT coalesce(max(track), 0) FROM segments s WHERE s.camera_id = footage.camera_id),
                      (SELECT last_track FROM cameras c WHERE c.id = footage.camera_id)),
                    first_segment = 1 + max(
                      (SELECT coalesce(max(number), 0) FROM segments s WHERE s.camera_id = footage.camera_id),
                      (SELECT last_segment FROM cameras c WHERE c.id = footage.camera_id))
                    WHERE id = ?""",
                    *(json.dumps(settings), footage.id),
                )
        return self.footage_record(footage.id)

    def checkpoint(self, footage_id: int) -> bytes | None:
        """The state in which ingest left this footage, if it was interrupted."""
        return self._db.one("SELECT checkpoint FROM footage WHERE id = ?", footage_id)["checkpoint"]

    def commit(self, footage: FootageRecord, chunk: Chunk, *, done: bool) -> None:
        """Adds a chunk, whole or not at all. Raises StorageError where the disk is full or fails."""
        try:
            writer = self._writer(footage)
            before = writer.shard, writer.size
            places = writer.append(crop.jpeg for crops in chunk.crops.values() for crop in crops)
        except OSError as error:
            raise self._no_more(error.strerror or str(error)) from error
        try:
            with self._transaction():
                self._insert(footage, chunk, places)
                self._db.execute(
                    "UPDATE footage SET status = ?, source_frames = ?, frames = ?, detections = ?, seconds = ?, "
                    "shard = ?, shard_bytes = ?, checkpoint = ?, problems = ? WHERE id = ?",
                    *(
                        "done" if done else "running",
                        chunk.source_frames,
                        chunk.frames,
                        chunk.detections,
                        chunk.seconds,
                    ),
                    *(writer.shard, writer.size, None if done else chunk.checkpoint),
                    *(json.dumps(list(chunk.problems)), footage.id),
                )
        except StorageError:
            writer.rewind(*before)
            raise
        if done:
            self._writers.pop(footage.id).close()

    def fail(self, footage: FootageRecord, problem: str) -> None:
        """Records that no more can be had from this footage; what was committed of it stays."""
        with self._transaction():
            now = self.footage_record(footage.id)
            problems = [*(known for known in now.problems if known != problem), problem]
            status = "running" if now.frames else "failed"
            self._db.execute(
                "UPDATE footage SET status = ?, problems = ? WHERE id = ?", status, json.dumps(problems), footage.id
            )

    # --- what the site holds

    def footage_record(self, footage_id: int) -> FootageRecord:
        return next(record for record in self._footage("f.id = ?", footage_id))

    def footage(self, camera: str | None = None) -> list[FootageRecord]:
        """All footage, or one camera's, by camera and start."""
        return list(self._footage("?1 IS NULL OR c.name = ?1", camera))

    def cameras(self) -> list[CameraSummary]:
        """Every camera with its counts, in the order in which they came."""
        rows = self._db.all("""
          SELECT c.name AS camera, f.footage, f.hours, f.frames, f.detections, f.start, f."end",
            (SELECT count(*) FROM tracks t WHERE t.camera_id = c.id) AS tracks,
            (SELECT count(*) FROM tracklets t WHERE t.camera_id = c.id) AS tracklets,
            coalesce(p.crops, 0) AS crops, coalesce(p.crop_bytes, 0) AS crop_bytes
          FROM cameras c
          JOIN (SELECT camera_id, count(*) AS footage, sum(seconds) / 3600 AS hours, sum(frames) AS frames,
                  sum(detections) AS detections, min(start) AS start, max(start + seconds) AS "end"
                FROM footage GROUP BY camera_id) f ON f.camera_id = c.id
          LEFT JOIN (SELECT t.camera_id, count(*) AS crops, sum(p.length) AS crop_bytes
                FROM crops p JOIN tracklets t ON t.id = p.tracklet_id GROUP BY t.camera_id) p ON p.camera_id = c.id
          ORDER BY c.id""")
        errors: dict[str, list[str]] = {row["camera"]: [] for row in rows}
        for footage in self.footage():
            errors[footage.camera] += footage.problems
        return [CameraSummary(**row, errors=errors[row["camera"]]) for row in map(dict, rows)]

    def segments(self, camera: str | None = None, *, kind: Kind | None = None) -> list[SegmentRecord]:
        """Segments of tracks by camera and number; with `kind` only those (the tracklets: `Kind.TRACKLET`)."""
        rows = self._db.all(
            """SELECT s.id, c.name AS camera, footage_id, number, track, kind, cut, start, "end", length, height
            FROM segments s JOIN cameras c ON c.id = s.camera_id
            WHERE (?1 IS NULL OR c.name = ?1) AND (?2 IS NULL OR kind = ?2) ORDER BY s.id""",
            *(camera, None if kind is None else str(kind)),
        )
        return [SegmentRecord(**dict(row)) for row in rows]

    def boxes(self, segment_id: int) -> Boxes:
        """The boxes of one segment, by frame."""
        blob = self._db.one("SELECT boxes FROM segments WHERE id = ?", segment_id)["boxes"]
        rows = np.frombuffer(zlib.decompress(blob), _BOX)
        return Boxes(rows["frame"], rows["time"], rows["box"], rows["score"])

    def crops(self, tracklet_id: int) -> list[CropRecord]:
        """The crops of one tracklet, by time."""
        rows = self._db.all(
            """SELECT p.*, s.camera_id, s.footage_id FROM crops p JOIN segments s ON s.id = p.tracklet_id
            WHERE tracklet_id = ? ORDER BY p.number""",
            tracklet_id,
        )
        return [
            CropRecord(
                **{
                    name: row[name]
                    for name in ("tracklet_id", "number", "frame", "time", "score", "camera_id", "footage_id")
                },
                box=(row["x1"], row["y1"], row["x2"], row["y2"]),
                place=Place(row["shard"], row["offset"], row["length"], row["crc32"]),
            )
            for row in rows
        ]

    def crop_jpeg(self, crop: CropRecord) -> bytes:
        """The JPEG bytes of a crop. Raises ValueError where they are missing or damaged."""
        return read_crop(self._crop_folder(crop.camera_id), crop.footage_id, crop.place)

    def cannot_link(self) -> NDArray[np.int64]:
        """`(N, 2)` ids of tracklets that show different people."""
        pairs = [tuple(row) for row in self._db.all("SELECT a, b FROM cannot_link ORDER BY a, b")]
        return np.array(pairs, np.int64).reshape(-1, 2)

    def tracklet_table(self) -> TrackletTable:
        """All tracklets at once."""
        names = {row["id"]: row["name"] for row in self._db.all("SELECT id, name FROM cameras ORDER BY id")}
        rows = self._db.all('SELECT id, camera_id, footage_id, start, "end" FROM tracklets ORDER BY id')
        columns = list(zip(*map(tuple, rows))) or [()] * 5
        ids, cameras, footage = (np.array(column, np.int64) for column in columns[:3])
        start, end = (np.array(column, np.float64) for column in columns[3:])
        places = np.searchsorted(np.array(list(names), np.int64), cameras)
        return TrackletTable(ids, places, footage, start, end, tuple(names.values()))

    def first_and_last_boxes(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where segments began and ended, `(n, 4)` px each."""
        first, last = np.zeros((len(ids), 4), np.float32), np.zeros((len(ids), 4), np.float32)
        place = {int(one): k for k, one in enumerate(ids)}
        for row in self._db.all("SELECT id, boxes FROM tracklets ORDER BY id"):
            if (k := place.get(row["id"])) is not None:
                boxes = np.frombuffer(zlib.decompress(row["boxes"]), _BOX)["box"]
                first[k], last[k] = boxes[0], boxes[-1]
        return first, last

    # --- models

    def models(self) -> list[ModelRecord]:
        """Every version, oldest first."""
        rows = self._db.all(
            "SELECT name, made, sha256, status, reason, summary, calibration, serving FROM models ORDER BY id"
        )
        return [
            ModelRecord(
                *(row["name"], row["made"], row["sha256"], row["status"], row["reason"]),
                summary=json.loads(row["summary"]),
                calibration=json.loads(row["calibration"] or "null"),
                serving=bool(row["serving"]),
            )
            for row in rows
        ]

    def add_model(self, model: ModelRecord) -> None:
        """Writes a version into the record, or writes it again."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO models (name, made, sha256, status, reason, summary, calibration) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET made = excluded.made, sha256 = excluded.sha256, "
                "status = excluded.status, reason = excluded.reason, summary = excluded.summary, "
                "calibration = excluded.calibration",
                *(model.name, model.made, model.sha256, model.status, model.reason, json.dumps(model.summary)),
                None if model.calibration is None else json.dumps(model.calibration),
            )
            if model.serving:
                self._serve(model.name)

    def set_calibration(self, name: str, calibration: dict[str, Any]) -> None:
        """How a version's similarities become probabilities."""
        with self._transaction():
            self._db.execute("UPDATE models SET calibration = ? WHERE name = ?", json.dumps(calibration), name)

    def serve(self, name: str) -> None:
        """From now on this version embeds and answers."""
        with self._transaction():
            self._serve(name)

    def _serve(self, name: str) -> None:
        self._db.execute("UPDATE models SET serving = 0 WHERE serving = 1 AND name <> ?", name)
        self._db.execute("UPDATE models SET serving = 1, status = 'deployed' WHERE name = ?", name)

    # --- trajectories and identities

    def merge(self) -> Merge | None:
        """The latest merging."""
        row = self._db.one("SELECT * FROM merges ORDER BY id DESC LIMIT 1")
        if row is None:
            return None
        members = self._db.all(
            "SELECT tracklet_id, trajectory, identity FROM members WHERE merge_id = ? ORDER BY tracklet_id", row["id"]
        )
        table = np.array([tuple(member) for member in members], np.int64).reshape(-1, 3)
        settings, summary = json.loads(row["settings"]), json.loads(row["summary"])
        return Merge(row["id"], row["made"], row["model"], settings, summary, *table.T)

    def add_merge(self, merge: Merge, *, keep: int) -> int:
        """Adds what a merging found (its id is given here) and forgets all but the latest `keep`."""
        with self._transaction():
            number = self._db.execute(
                "INSERT INTO merges (made, model, settings, summary) VALUES (?, ?, ?, ?)",
                *(merge.made, merge.model, json.dumps(merge.settings), json.dumps(merge.summary)),
            )
            columns = (merge.ids.tolist(), merge.trajectories.tolist(), merge.identities.tolist())
            self._db.execute_many(
                "INSERT INTO members VALUES (?, ?, ?, ?)", [(number, *row) for row in zip(*columns, strict=True)]
            )
            old = "(SELECT id FROM merges ORDER BY id DESC LIMIT -1 OFFSET ?1)"
            self._db.execute(f"DELETE FROM members WHERE merge_id IN {old}", keep)
            self._db.execute(f"DELETE FROM merges WHERE id IN {old}", keep)
        return number

    def undo_merge(self) -> bool:
        """Takes back the latest merging; False where there is none."""
        with self._transaction():
            row = self._db.one("SELECT max(id) AS id FROM merges")
            if row["id"] is None:
                return False
            self._db.execute("DELETE FROM members WHERE merge_id = ?", row["id"])
            self._db.execute("DELETE FROM merges WHERE id = ?", row["id"])
        return True

    def corrections(self) -> list[Correction]:
        """What people said of pairs of tracklets, oldest first."""
        return [Correction(*row) for row in self._db.all("SELECT kind, a, b FROM corrections ORDER BY id")]

    def correct(self, corrections: Sequence[Correction], who: str, time: float) -> None:
        """Adds what a person said; it replaces what was said of the same pairs before."""
        with self._transaction():
            for c in corrections:
                a, b = sorted((c.a, c.b))
                self._db.execute("DELETE FROM corrections WHERE a = ? AND b = ?", a, b)
                self._db.execute(
                    "INSERT INTO corrections (made, who, kind, a, b) VALUES (?, ?, ?, ?, ?)", time, who, c.kind, a, b
                )

    # --- who asked, and what is forgotten

    def note(self, entry: AuditEntry) -> None:
        """Adds to the audit; also from a site opened by `open_to_ask`."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO audit (time, who, action, details) VALUES (?, ?, ?, ?)",
                *(entry.time, entry.who, entry.action, json.dumps(entry.details)),
            )

    def audit(self) -> list[AuditEntry]:
        """All that was noted, oldest first."""
        rows = self._db.all("SELECT time, who, action, details FROM audit ORDER BY id")
        return [AuditEntry(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def segments_before(self, time: float) -> list[int]:
        """Ids of all pieces of tracks that ended before a time, UTC seconds."""
        return [row[0] for row in self._db.all('SELECT id FROM segments WHERE "end" < ? ORDER BY id', time)]

    def forget(self, ids: Sequence[int]) -> list[int]:
        """Removes segments for good: rows, then the bytes of their crops. Returns the tracklets among them.

        The caller erases what derives from them (embeddings, indexes), which it can do again at any time, and then
        calls `forgotten`. A process that dies in between leaves the rest to the next that opens the site to write.
        """
        with self._transaction():
            self._db.execute("CREATE TEMP TABLE IF NOT EXISTS leaving (id INTEGER PRIMARY KEY)")
            self._db.execute("DELETE FROM leaving")
            self._db.execute_many("INSERT OR IGNORE INTO leaving VALUES (?)", [(int(one),) for one in ids])
            mine = "(SELECT id FROM leaving)"
            for column, mark in (("track", "last_track"), ("number", "last_segment")):
                self._db.execute(
                    f"""UPDATE cameras SET {mark} = max({mark}, (SELECT coalesce(max({column}), 0) FROM segments s
                    WHERE s.camera_id = cameras.id AND s.id IN {mine}))"""
                )
            self._db.execute(
                f"""INSERT INTO erasures SELECT p.tracklet_id, s.camera_id, s.footage_id, p.shard, p.offset, p.length
                FROM crops p JOIN segments s ON s.id = p.tracklet_id WHERE p.tracklet_id IN {mine}"""
            )
            self._db.execute(f"DELETE FROM cannot_link WHERE a IN {mine} OR b IN {mine}")
            self._db.execute(f"DELETE FROM corrections WHERE a IN {mine} OR b IN {mine}")
            self._db.execute(f"DELETE FROM members WHERE tracklet_id IN {mine}")
            self._db.execute(f"DELETE FROM crops WHERE tracklet_id IN {mine}")
            self._db.execute(f"DELETE FROM segments WHERE id IN {mine}")
        self._erase()
        return self.erasures()

    def erasures(self) -> list[int]:
        """Tracklets whose rows and crops are gone, and of which derived data may still be there."""
        return [row[0] for row in self._db.all("SELECT DISTINCT tracklet_id FROM erasures ORDER BY tracklet_id")]

    def forgotten(self) -> None:
        """Nothing is left of those in `erasures`."""
        with self._transaction():
            self._db.execute("DELETE FROM erasures")
        self._truncate_log()

    def _erase(self) -> None:
        """Overwrites the bytes of crops whose rows are gone."""
        places = self._db.all("SELECT * FROM erasures ORDER BY camera_id, footage_id, shard, offset")
        for (camera, footage, shard), mine in groupby(
            places, key=lambda row: (row["camera_id"], row["footage_id"], row["shard"])
        ):
            try:
                erase(self._crop_folder(camera), footage, shard, [(row["offset"], row["length"]) for row in mine])
            except OSError as error:
                raise self._no_more(error.strerror or str(error)) from error
        if places:
            self._truncate_log()

    def _truncate_log(self) -> None:
        """The write-ahead log still holds the pages that were removed."""
        try:
            busy = self._db.one("PRAGMA wal_checkpoint(TRUNCATE)")["busy"]
        except sqlite3.OperationalError as error:
            raise self._no_more(str(error)) from error
        if busy:
            log.warning(
                "Another process reads the site at %s: what was removed leaves the disk when that one ends.", self.path
            )

    def verify(self) -> Iterator[str]:
        """Every row and crop that is not as it should be, as a sentence each."""
        try:
            yield from self._damage()
        except SiteError as error:
            yield f"the record: {error}"

    def _damage(self) -> Iterator[str]:
        for row in self._db.all("PRAGMA integrity_check"):
            if row[0] != "ok":
                yield f"the record: {row[0]}"
        for row in self._db.all("PRAGMA foreign_key_check"):
            yield f"the record: a row of {row[0]} names one of {row[2]} that does not exist"
        for footage in self.footage():
            path = shard_path(self._crop_folder(footage.camera_id), footage.id, footage.shard)
            size = path.stat().st_size if path.exists() else 0
            if size < footage.shard_bytes:
                yield f"{path} holds {size:,} bytes of {footage.shard_bytes:,} that were committed"
        for segment in self.segments():
            name = f"{segment.kind} {segment.number} of camera {segment.camera}"
            try:
                frames = self.boxes(segment.id).frames
                if len(frames) != segment.length or (np.diff(frames) <= 0).any():
                    yield f"{name}: its boxes do not fit its row"
            except (ValueError, zlib.error):
                yield f"{name}: its boxes are damaged"
            crops = self.crops(segment.id)
            if bool(crops) != (segment.kind == Kind.TRACKLET):
                yield f"{name} has {len(crops)} crops"
            for crop in crops:
                try:
                    jpeg = self.crop_jpeg(crop)
                except ValueError as error:
                    yield f"{name}: {error}"
                    continue
                if not (jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")):
                    yield f"{name}: crop {crop.number} is no JPEG"
        for row in self._db.all("""SELECT a.number, b.number, c.name FROM cannot_link l JOIN segments a ON a.id = l.a
            JOIN segments b ON b.id = l.b JOIN cameras c ON c.id = a.camera_id
            WHERE a.kind <> 'tracklet' OR b.kind <> 'tracklet' OR a.footage_id <> b.footage_id OR a.start > b."end"
               OR b.start > a."end" """):
            yield f"camera {row[2]}: tracklets {row[0]} and {row[1]} cannot be linked, but were not seen together"

    # --- inside

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._db.transaction():
                yield
        except sqlite3.OperationalError as error:
            raise self._no_more(str(error)) from error

    def _write_camera(self, camera: Camera) -> int:
        self._db.execute(
            "INSERT INTO cameras (name, time_zone, mask, min_height) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE "
            "SET time_zone = excluded.time_zone, mask = excluded.mask, min_height = excluded.min_height",
            *(camera.name, camera.time_zone, json.dumps(camera.mask), camera.min_height),
        )
        return int(self._db.one("SELECT id FROM cameras WHERE name = ?", camera.name)["id"])

    def _register(
        self, camera_id: int, footage: Footage, settings: dict[str, Any], replace: bool
    ) -> tuple[int, str | None]:
        same = self._db.one(
            "SELECT id FROM footage WHERE fingerprint = ? AND size > 0 ORDER BY camera_id <> ?, id",
            *(footage.fingerprint, camera_id),
        )
        known = same or self._db.one("SELECT id FROM footage WHERE camera_id = ? AND name = ?", camera_id, footage.name)
        if known is None:
            inserted = self._db.execute(
                "INSERT INTO footage (camera_id, name, path, size, fingerprint, start, start_source) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(camera_id, footage.name, str(footage.path), footage.size, footage.fingerprint),
                *(footage.start, footage.start_source),
            )
            return inserted, None
        record = self.footage_record(known["id"])
        objection = None
        if same is None and record.frames:
            how = "has grown" if grown(footage.path, record.size, record.fingerprint) else "has changed"
            objection = f"{footage.path} {how} since it was ingested ({record.size:,} bytes then, {footage.size:,} now)"
        elif record.settings is not None and record.settings != settings:
            now = {key: value for key, value in settings.items() if record.settings.get(key) != value}
            other = ", ".join(f"{key} {record.settings.get(key)} (now {value})" for key, value in now.items())
            objection = f"{footage.path} was ingested with {other}"
        overtaken = record.status == "running" and self._db.one(
            "SELECT 1 FROM segments WHERE camera_id = ? AND footage_id <> ? AND number >= ?",
            *(record.camera_id, record.id, record.first_segment),
        )  # it was out of reach for a while, and its next numbers went to other footage
        if (replace if objection else overtaken) or (same is None and not record.frames):
            self._forget(record, footage)
            objection = None
        hint = "run with --replace to drop what came from it and take it in again."
        return record.id, objection and f"{objection}: {hint}"

    def _forget(self, record: FootageRecord, footage: Footage) -> None:
        """Removes all rows that came from a footage and leaves it as if it were new."""
        mine = "(SELECT id FROM segments WHERE footage_id = ?1)"
        self._db.execute(f"DELETE FROM cannot_link WHERE a IN {mine} OR b IN {mine}", record.id)
        self._db.execute(f"DELETE FROM corrections WHERE a IN {mine} OR b IN {mine}", record.id)
        self._db.execute(f"DELETE FROM members WHERE tracklet_id IN {mine}", record.id)
        self._db.execute(f"DELETE FROM crops WHERE tracklet_id IN {mine}", record.id)
        self._db.execute("DELETE FROM segments WHERE footage_id = ?", record.id)
        self._db.execute(
            "UPDATE footage SET status = 'new', settings = NULL, source_frames = 0, frames = 0, detections = 0, "
            "seconds = 0, shard = 0, shard_bytes = 0, checkpoint = NULL, problems = '[]', path = ?, size = ?, "
            "fingerprint = ?, start = ?, start_source = ? WHERE id = ?",
            *(str(footage.path), footage.size, footage.fingerprint, footage.start, footage.start_source, record.id),
        )

    def _insert(self, footage: FootageRecord, chunk: Chunk, places: list[Place]) -> None:
        base = segment_id(footage.camera_id, 0)
        self._db.execute_many(
            "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(base + s.number, footage.camera_id, footage.id, s.number, s.track, str(s.kind), str(s.cut)),
                    *(float(s.times[0]), float(s.times[-1]), len(s.frames), s.height, _pack(s)),
                )
                for s in chunk.segments
            ],
        )
        numbered = [(base + segment, k, crop) for segment, mine in chunk.crops.items() for k, crop in enumerate(mine)]
        self._db.execute_many(
            "INSERT INTO crops VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(tracklet, k, c.frame, c.time, *c.box, c.score, c.overlap, c.border, c.sharpness, c.height_ratio),
                    *(place.shard, place.offset, place.length, place.crc32),
                )
                for (tracklet, k, c), place in zip(numbered, places, strict=True)
            ],
        )
        self._db.execute_many(
            "INSERT INTO cannot_link VALUES (?, ?)",
            sorted((base + int(other), base + s.number) for s in chunk.segments for other in s.cannot_link),
        )

    def _footage(self, where: str, *values: Any) -> Iterator[FootageRecord]:
        columns = ", ".join(f"f.{name}" for name in FootageRecord.__slots__ if name != "camera")
        rows = self._db.all(
            f"SELECT {columns}, c.name AS camera FROM footage f JOIN cameras c ON c.id = f.camera_id "
            f"WHERE {where} ORDER BY f.camera_id, f.start, f.id",
            *values,
        )
        for row in map(dict, rows):
            row["path"] = Path(row["path"])
            row["settings"] = json.loads(row["settings"] or "null")
            row["problems"] = json.loads(row["problems"])
            yield FootageRecord(**row)

    def _crop_folder(self, camera_id: int) -> Path:
        return self.path / "crops" / str(camera_id)

    def _writer(self, footage: FootageRecord) -> ShardWriter:
        if footage.id not in self._writers:
            now = self.footage_record(footage.id)
            folder = self._crop_folder(footage.camera_id)
            self._writers[footage.id] = ShardWriter(folder, footage.id, now.shard, now.shard_bytes)
        return self._writers[footage.id]

    def _no_more(self, reason: str) -> StorageError:
        return StorageError(
            f"The site at {self.path} could not be written ({reason}): all that was committed before is safe; make "
            "room on the disk and run the same command again, it goes on from there."
        )


def _pack(segment: Segment) -> bytes:
    rows = np.empty(len(segment.frames), _BOX)
    rows["frame"], rows["time"] = segment.frames, segment.times
    rows["box"], rows["score"] = segment.boxes, segment.scores
    return zlib.compress(rows.tobytes(), 1)
