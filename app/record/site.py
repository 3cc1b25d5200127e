"""The site on disk. `Site` is the one way in.

The record is the truth. What a process has committed survives its death at any moment; what it had not committed is
gone, and the next run of the same command does it again with the same result.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, bindparam, delete, func, insert, select, update

from app.asking import Progress, unheard
from app.errors import StorageError
from app.footage import Camera, Footage, grown
from app.record import erasure, leases
from app.record.database import Database, no_more
from app.record.rows import (
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
    lookup,
    segment_id,
)
from app.record.schema import (
    audit,
    cameras,
    cannot_link,
    corrections,
    crops,
    footage,
    members,
    merges,
    models,
    segments,
    splits,
)
from app.record.shards import Place, ShardWriter, read_crop
from trackers.tracklets import Kind, Segment

_BOX = np.dtype([("frame", "<i4"), ("time", "<f8"), ("box", "<f4", 4), ("score", "<f4")])
_NEW = {  # what footage is before anything of it was looked at
    "status": "new",
    "settings": None,
    "source_frames": 0,
    "frames": 0,
    "detections": 0,
    "seconds": 0.0,
    "shard": 0,
    "shard_bytes": 0,
    "checkpoint": None,
    "problems": "[]",
}

# Statements that run often are made once.
_IS_TRACKLET = segments.c.kind == str(Kind.TRACKLET)
_FOOTAGE = (
    select(*(footage.c[name] for name in FootageRecord.__slots__ if name != "camera"), cameras.c.name.label("camera"))
    .join_from(footage, cameras)
    .order_by(footage.c.camera_id, footage.c.start, footage.c.id)
)
_FOOTAGE_BY_ID = _FOOTAGE.where(footage.c.id == bindparam("id"))
_SEGMENTS = (
    select(
        segments.c.id,
        cameras.c.name.label("camera"),
        *(
            segments.c[name]
            for name in ("footage_id", "number", "track", "kind", "cut", "start", "end", "length", "height")
        ),
    )
    .join_from(segments, cameras)
    .order_by(segments.c.id)
)
_BOXES = select(segments.c.boxes).where(segments.c.id == bindparam("id"))
_PLACE = (crops.c.shard, crops.c.offset, crops.c.length, crops.c.crc32)
_CROPS = (
    select(
        *(crops.c[name] for name in ("tracklet_id", "number", "frame", "time")),
        *(crops.c[name] for name in ("x1", "y1", "x2", "y2", "score")),
        *(segments.c.camera_id, segments.c.footage_id),
        *_PLACE,
    )
    .join_from(crops, segments)
    .where(crops.c.tracklet_id.in_(bindparam("ids", expanding=True)))
    .order_by(crops.c.tracklet_id, crops.c.number)
)
_TABLE = (
    select(segments.c.id, segments.c.camera_id, segments.c.footage_id, segments.c.start, segments.c.end)
    .where(_IS_TRACKLET)
    .order_by(segments.c.id)
)
_ADD_SEGMENT, _ADD_CROP, _ADD_CANNOT_LINK = insert(segments), insert(crops), insert(cannot_link)
_COMMITTED = (
    update(footage)
    .where(footage.c.id == bindparam("footage"))
    .values({name: bindparam(name) for name in (*_NEW,) if name != "settings"})
)


class Site:
    """One site, opened to read (`Site.open`), to write too (`open_to_write`), or made where it is missing (`create`).

    Any number of processes may have it open, to write too: each write is a short transaction, and long work takes a
    lease.
    """

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self.database = database
        self.left_to_erase: set[int] = set()  # segments whose erasing had died, and went on when this was opened
        self._writers: dict[int, ShardWriter] = {}
        self._crop_folders: dict[int, Path] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens an existing site to read. Raises SiteError where there is none."""
        return cls(path, Database.open(path))

    @classmethod
    def open_to_write(cls, path: Path) -> Self:
        """Opens an existing site to write; one of an older format is brought up to date. Raises SiteError."""
        return cls(path, Database.open(path, write=True))._finished()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Opens a site to write, or makes a new one. Raises SiteError where it can't."""
        return cls(path, Database.create(path))._finished()

    def _finished(self) -> Self:
        self.left_to_erase = erasure.finish_what_was_left(self.database, self.path)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self.database.close()

    def lease(self, lease: leases.Lease) -> Any:
        """Around the work that a lease is for. Raises Busy where another process has it."""
        return self.database.lease(lease)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around what writes files of the site beside the record. Raises StorageError where the disk takes no more."""
        try:
            yield
        except OSError as error:
            raise no_more(self.path, error.strerror or str(error)) from error

    # --- footage and its progress

    def register(
        self,
        found: Sequence[Camera],
        settings: Mapping[str, dict[str, Any]],
        *,
        who: str,
        replace: bool = False,
    ) -> list[list[tuple[FootageRecord, str | None]]]:
        """Writes cameras and footage into the record; returns each camera's footage in the order given.

        found: cameras of which this process holds the leases. settings: what tracklets depend on, by camera name, as
        plain JSON values.

        Footage is known by its content: the same film is not added again, whatever its name now is. With each record
        comes an objection, where there is one: the file is not what it was when it was ingested, or it was ingested (or
        begun) under other settings. With `replace` such footage starts anew instead. What came from it is
        erased, and that `who` did so is noted.
        """
        stale: dict[int, Footage] = {}
        with self.database.transaction():
            known = []
            for camera in found:
                camera_id = self._write_camera(camera)
                known.append(
                    [
                        self._register(camera_id, piece, settings[camera.name], replace, stale)
                        for piece in camera.footage
                    ]
                )
        if stale:
            for number in stale:
                if (writer := self._writers.pop(number, None)) is not None:
                    writer.close()
            gone = self._ids(select(segments.c.id).where(segments.c.footage_id.in_(stale)))
            films = {"segments": len(gone), "footage": [str(piece.path) for piece in stale.values()]}
            entry = AuditEntry(time.time(), who, "take in again", films)
            erasure.erase(
                self.database, self.path, gone, also=lambda: self._start_anew(stale, entry if len(gone) else None)
            )
        return [[(self.footage_record(number), objection) for number, objection in mine] for mine in known]

    def begin(self, record: FootageRecord, settings: dict[str, Any]) -> FootageRecord:
        """Marks footage as running under these settings, numbering what comes after all that its camera has."""
        with self.database.transaction(alone=False):
            if record.status != "running":
                camera = self.database.one(select(cameras).where(cameras.c.id == record.camera_id))
                last = self.database.one(
                    select(func.max(segments.c.track), func.max(segments.c.number)).where(
                        segments.c.camera_id == record.camera_id
                    )
                )
                assert camera is not None and last is not None
                values = {
                    "status": "running",
                    "settings": json.dumps(settings),
                    "problems": "[]",
                    "first_track": 1 + max(last[0] or 0, camera.last_track),
                    "first_segment": 1 + max(last[1] or 0, camera.last_segment),
                }
                self.database.execute(update(footage).where(footage.c.id == record.id).values(values))
        return self.footage_record(record.id)

    def checkpoint(self, footage_id: int) -> bytes | None:
        """The state in which ingest left this footage, if it was interrupted."""
        row = self.database.one(select(footage.c.checkpoint).where(footage.c.id == footage_id))
        return None if row is None else row[0]

    def commit(self, record: FootageRecord, chunk: Chunk, *, done: bool) -> None:
        """Adds a chunk, whole or not at all. Raises StorageError where the disk is full or fails."""
        try:
            writer = self._writer(record)
            before = writer.shard, writer.size
            places = writer.append(crop.jpeg for pictures in chunk.crops.values() for crop in pictures)
        except OSError as error:
            raise no_more(self.path, error.strerror or str(error)) from error
        try:
            with self.database.transaction(alone=False):
                self._insert(record, chunk, places)
                self.database.execute(
                    _COMMITTED,
                    {
                        "footage": record.id,
                        "status": "done" if done else "running",
                        "source_frames": chunk.source_frames,
                        "frames": chunk.frames,
                        "detections": chunk.detections,
                        "seconds": float(chunk.seconds),
                        "shard": writer.shard,
                        "shard_bytes": writer.size,
                        "checkpoint": None if done else chunk.checkpoint,
                        "problems": json.dumps(list(chunk.problems)),
                    },
                )
        except StorageError:
            writer.rewind(*before)
            raise
        if done:
            self._writers.pop(record.id).close()

    def fail(self, record: FootageRecord, problem: str) -> None:
        """Records that no more can be had from this footage; what was committed of it stays."""
        with self.database.transaction(alone=False):
            now = self.footage_record(record.id)
            problems = [*(earlier for earlier in now.problems if earlier != problem), problem]
            values = {"status": "running" if now.frames else "failed", "problems": json.dumps(problems)}
            self.database.execute(update(footage).where(footage.c.id == record.id).values(values))

    # --- what the site holds

    def footage_record(self, footage_id: int) -> FootageRecord:
        """What the record says of one footage."""
        (record,) = self._footage(_FOOTAGE_BY_ID, id=footage_id)
        return record

    def footage(self, camera: str | None = None) -> list[FootageRecord]:
        """All footage, or one camera's, by camera and start."""
        return self._footage(_FOOTAGE if camera is None else _FOOTAGE.where(cameras.c.name == camera))

    def cameras(self) -> list[CameraSummary]:
        """Every camera with its counts, in the order in which they came."""
        films = (
            select(
                footage.c.camera_id,
                func.count().label("footage"),
                (func.sum(footage.c.seconds) / 3600).label("hours"),
                func.sum(footage.c.frames).label("frames"),
                func.sum(footage.c.detections).label("detections"),
                func.min(footage.c.start).label("start"),
                func.max(footage.c.start + footage.c.seconds).label("end"),
            )
            .group_by(footage.c.camera_id)
            .subquery()
        )
        counts = {
            "tracks": self._tracks_by_camera(),
            "tracklets": self._by_camera(
                select(segments.c.camera_id, func.count()).where(_IS_TRACKLET).group_by(segments.c.camera_id)
            ),
        }
        stored = {
            row[0]: (row[1], row[2])
            for row in self.database.all(
                select(segments.c.camera_id, func.count(), func.sum(crops.c.length))
                .join_from(crops, segments)
                .group_by(segments.c.camera_id)
            )
        }
        rows = self.database.all(
            select(cameras.c.id, cameras.c.name, films).join_from(cameras, films).order_by(cameras.c.id)
        )
        errors: dict[str, list[str]] = {row.name: [] for row in rows}
        for record in self.footage():
            errors[record.camera] += record.problems
        return [
            CameraSummary(
                camera=row.name,
                footage=row.footage,
                hours=row.hours,
                frames=int(row.frames),
                detections=int(row.detections),
                tracks=counts["tracks"].get(row.id, 0),
                tracklets=counts["tracklets"].get(row.id, 0),
                crops=stored.get(row.id, (0, 0))[0],
                crop_bytes=int(stored.get(row.id, (0, 0))[1]),
                start=row.start,
                end=row.end,
                errors=errors[row.name],
            )
            for row in rows
        ]

    def _tracks_by_camera(self) -> dict[int, int]:
        """A track that never got a second box was only tentative."""
        tracks = (
            select(segments.c.camera_id)
            .group_by(segments.c.camera_id, segments.c.track)
            .having(func.sum(segments.c.length) > 1)
            .subquery()
        )
        return self._by_camera(select(tracks.c.camera_id, func.count()).group_by(tracks.c.camera_id))

    def _by_camera(self, counted: Select[Any]) -> dict[int, int]:
        return {row[0]: row[1] for row in self.database.all(counted)}

    def segments(self, camera: str | None = None, *, kind: Kind | None = None) -> list[SegmentRecord]:
        """Segments of tracks by camera and number; with `kind` only those (the tracklets: `Kind.TRACKLET`)."""
        wanted = _SEGMENTS
        if camera is not None:
            wanted = wanted.where(cameras.c.name == camera)
        if kind is not None:
            wanted = wanted.where(segments.c.kind == str(kind))
        return [SegmentRecord(*row) for row in self.database.all(wanted)]

    def boxes(self, segment: int) -> Boxes:
        """The boxes of one segment, by frame. Raises ValueError where they are damaged, LookupError without them."""
        row = self.database.one(_BOXES, id=int(segment))
        if row is None:
            raise LookupError(f"the site at {self.path} has no segment {segment}")
        rows = _unpack(row[0])
        return Boxes(rows["frame"], rows["time"], rows["box"], rows["score"])

    def crops(self, tracklet_id: int) -> list[CropRecord]:
        """The crops of one tracklet, by time."""
        return self.crops_of([int(tracklet_id)])[int(tracklet_id)]

    def crops_of(self, ids: Sequence[int]) -> dict[int, list[CropRecord]]:
        """The crops of a few tracklets, by time; none of one that is not in the site."""
        found: dict[int, list[CropRecord]] = {tracklet_id: [] for tracklet_id in ids}
        for row in self.database.all(_CROPS, ids=list(ids)):
            crop = CropRecord(
                tracklet_id=row[0],
                number=row[1],
                frame=row[2],
                time=row[3],
                box=(row[4], row[5], row[6], row[7]),
                score=row[8],
                camera_id=row[9],
                footage_id=row[10],
                place=Place(*row[11:]),
            )
            found[crop.tracklet_id].append(crop)
        return found

    def crop_jpeg(self, crop: CropRecord) -> bytes:
        """The JPEG bytes of a crop. Raises ValueError where they are missing or damaged."""
        return read_crop(self.crop_folder(crop.camera_id), crop.footage_id, crop.place)

    def crop_folder(self, camera_id: int) -> Path:
        """Where the shards of a camera are."""
        if camera_id not in self._crop_folders:  # a search asks a hundred times, and joining paths takes its time
            self._crop_folders[camera_id] = self.path / "crops" / str(camera_id)
        return self._crop_folders[camera_id]

    def cannot_link(self) -> NDArray[np.int64]:
        """`(N, 2)` ids of tracklets that show different people."""
        pairs = self.database.all(select(cannot_link).order_by(cannot_link.c.a, cannot_link.c.b))
        return np.array([tuple(pair) for pair in pairs], np.int64).reshape(-1, 2)

    def tracklet_table(self) -> TrackletTable:
        """All tracklets at once."""
        names = {
            row[0]: row[1] for row in self.database.all(select(cameras.c.id, cameras.c.name).order_by(cameras.c.id))
        }
        columns = list(zip(*map(tuple, self.database.all(_TABLE)))) or [()] * 5
        ids, camera_ids, footage_ids = (np.array(column, np.int64) for column in columns[:3])
        start, end = (np.array(column, np.float64) for column in columns[3:])
        rows = lookup(np.array(list(names), np.int64), camera_ids)[0]
        return TrackletTable(ids, rows, footage_ids, start, end, tuple(names.values()))

    def tracklets_of(self, footage_id: int) -> NDArray[np.int64]:
        """Ids `(n,)`, ascending, of a footage's tracklets."""
        return self._ids(
            select(segments.c.id).where(_IS_TRACKLET, segments.c.footage_id == footage_id).order_by(segments.c.id)
        )

    def are_tracklets(self, ids: NDArray[np.int64]) -> bool:
        """Whether all of `(n,)` are tracklets of the site: others have left it."""
        return bool(lookup(self._ids(_TABLE.with_only_columns(segments.c.id)), ids)[1].all())

    def first_and_last_boxes(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where tracklets began and ended, `(n, 4)` px each. ids: `(n,)`, ascending."""
        first, last = np.zeros((len(ids), 4), np.float32), np.zeros((len(ids), 4), np.float32)
        stored = self.database.all(select(segments.c.id, segments.c.boxes).where(_IS_TRACKLET).order_by(segments.c.id))
        rows, wanted = lookup(ids, np.array([segment for segment, _ in stored], np.int64))
        for row, (_, boxes) in zip(rows[wanted].tolist(), (stored[int(k)] for k in np.flatnonzero(wanted))):
            box = _unpack(boxes)["box"]
            first[row], last[row] = box[0], box[-1]
        return first, last

    # --- models

    def models(self) -> list[ModelRecord]:
        """Every version, oldest first."""
        return [
            ModelRecord(
                name=row.name,
                made=row.made,
                sha256=row.sha256,
                status=row.status,
                reason=row.reason,
                summary=json.loads(row.summary),
                calibration=json.loads(row.calibration or "null"),
                serving=bool(row.serving),
            )
            for row in self.database.all(select(models).order_by(models.c.id))
        ]

    def add_model(self, model: ModelRecord) -> None:
        """Writes a version into the record, or writes it again; one that serves takes the place of the one before."""
        values = {
            "made": model.made,
            "sha256": model.sha256,
            "status": model.status,
            "reason": model.reason,
            "summary": json.dumps(model.summary),
            "calibration": None if model.calibration is None else json.dumps(model.calibration),
        }
        same = models.c.name == model.name
        with self.database.transaction():
            if self.database.one(select(models.c.id).where(same)) is None:
                self.database.execute(insert(models).values(name=model.name, **values))
            else:
                self.database.execute(update(models).where(same).values(values))
            if model.serving:
                self.database.execute(update(models).where(~same, models.c.serving == 1).values(serving=0))
                self.database.execute(update(models).where(same).values(serving=1, status="deployed"))

    def set_calibration(self, name: str, calibration: dict[str, Any]) -> None:
        """How a version's similarities become probabilities."""
        with self.database.transaction(alone=False):
            self.database.execute(
                update(models).where(models.c.name == name).values(calibration=json.dumps(calibration))
            )

    def split(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Ids `(n,)`, ascending, of tracklets that adapting has divided, and which `(n,)` it never learns from."""
        rows = self.database.all(select(splits).order_by(splits.c.tracklet_id))
        return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], bool)

    def add_to_split(self, ids: NDArray[np.int64], held: NDArray[np.bool_]) -> None:
        """Divides more tracklets `(n,)`; those that were erased meanwhile are left out."""
        with self.database.transaction():
            there = set(self._ids(select(segments.c.id).where(_IS_TRACKLET)).tolist())
            rows = [
                {"tracklet_id": one, "held": int(kept)}
                for one, kept in zip(ids.tolist(), held.tolist())
                if one in there
            ]
            if rows:
                self.database.execute(insert(splits), rows)

    # --- trajectories and identities

    def merge(self) -> Merge | None:
        """The latest merging."""
        row = self.database.one(select(merges).order_by(merges.c.id.desc()).limit(1))
        if row is None:
            return None
        columns = (members.c.tracklet_id, members.c.trajectory, members.c.identity)
        rows = self.database.all(select(*columns).where(members.c.merge_id == row.id).order_by(members.c.tracklet_id))
        table = np.array([tuple(member) for member in rows], np.int64).reshape(-1, 3)
        return Merge(row.id, row.made, row.model, json.loads(row.settings), json.loads(row.summary), *table.T)

    def add_merge(self, merge: Merge, entry: AuditEntry, *, keep: int) -> int:
        """Adds what a merging found (its id is given here), forgets all but the latest `keep`, and notes who merged.

        Tracklets that were erased meanwhile are left out.
        """
        with self.database.transaction():
            values = {"made": merge.made, "model": merge.model}
            values |= {"settings": json.dumps(merge.settings), "summary": json.dumps(merge.summary)}
            number = self.database.execute(insert(merges).values(values)).inserted_primary_key[0]  # type: ignore[index]
            there = lookup(self._ids(_TABLE.with_only_columns(segments.c.id)), merge.ids)[1]
            columns = (merge.ids[there].tolist(), merge.trajectories[there].tolist(), merge.identities[there].tolist())
            names = ("tracklet_id", "trajectory", "identity")
            rows = [{"merge_id": number, **dict(zip(names, row))} for row in zip(*columns, strict=True)]
            if rows:
                self.database.execute(insert(members), rows)
            self._drop_merges(self._ids(select(merges.c.id).order_by(merges.c.id.desc())).tolist()[keep:])
            self._note(entry)
        return int(number)

    def undo_merge(self, entry: AuditEntry) -> bool:
        """Takes back the latest merging and notes who did; False where there is none."""
        with self.database.transaction():
            latest = self._ids(select(merges.c.id).order_by(merges.c.id.desc()).limit(1)).tolist()
            self._drop_merges(latest)
            if latest:
                self._note(entry)
        return bool(latest)

    def _drop_merges(self, numbers: Collection[int]) -> None:
        self.database.execute(delete(members).where(members.c.merge_id.in_(numbers)))
        self.database.execute(delete(merges).where(merges.c.id.in_(numbers)))

    def corrections(self) -> list[Correction]:
        """What people said of pairs of tracklets, oldest first."""
        columns = (corrections.c.kind, corrections.c.a, corrections.c.b)
        return [Correction(*row) for row in self.database.all(select(*columns).order_by(corrections.c.id))]

    def correct(self, said: Sequence[Correction], who: str, time: float) -> None:
        """Adds what a person said; it replaces what was said of the same pairs before."""
        with self.database.transaction():
            for one in said:
                a, b = sorted((one.a, one.b))
                self.database.execute(delete(corrections).where(corrections.c.a == a, corrections.c.b == b))
                self.database.execute(insert(corrections).values(made=time, who=who, kind=one.kind, a=a, b=b))

    # --- who asked, and what is erased

    def note(self, entry: AuditEntry) -> None:
        """Adds to the audit."""
        with self.database.transaction(alone=False):
            self._note(entry)

    def _note(self, entry: AuditEntry) -> None:
        values = {"time": entry.time, "who": entry.who, "action": entry.action, "details": json.dumps(entry.details)}
        self.database.execute(insert(audit).values(values))

    def audit(self) -> list[AuditEntry]:
        """All that was noted, oldest first."""
        rows = self.database.all(select(audit).order_by(audit.c.id))
        return [AuditEntry(row.time, row.who, row.action, json.loads(row.details)) for row in rows]

    def segments_before(self, time: float) -> NDArray[np.int64]:
        """Ids `(n,)` of all pieces of tracks that ended before a time, UTC seconds."""
        return self._ids(select(segments.c.id).where(segments.c.end < time).order_by(segments.c.id))

    def interrupted_before(self, time: float) -> list[FootageRecord]:
        """Footage whose ingest was interrupted, or goes on, at a moment before a time, UTC seconds."""
        return [
            record for record in self.footage() if record.status == "running" and record.start + record.seconds < time
        ]

    def erase(
        self,
        ids: Collection[int],
        entry: AuditEntry,
        *,
        anew: Collection[FootageRecord] = (),
        progress: Progress = unheard,
    ) -> list[str]:
        """Erases segments for good, with all that derives from them, and notes who did it: see `app.record.erasure`.

        anew: interrupted footage of which nothing is kept, whose camera's lease the caller holds. Returns what may
        still hold bytes that can't be reached from here, a sentence each. Raises StorageError where bytes are left.
        """

        stale: dict[int, Footage | None] = {record.id: None for record in anew}
        return erasure.erase(
            self.database, self.path, ids, also=lambda: self._start_anew(stale, entry), progress=progress
        )

    # --- inside

    def _ids(self, wanted: Select[Any]) -> NDArray[np.int64]:
        return np.array([row[0] for row in self.database.all(wanted)], np.int64)

    def _next(self, table: Any) -> int:
        """The next free id of a table."""
        row = self.database.one(select(func.coalesce(func.max(table.c.id), 0) + 1))
        assert row is not None
        return int(row[0])

    def _write_camera(self, camera: Camera) -> int:
        values = {"time_zone": camera.time_zone, "mask": json.dumps(camera.mask), "min_height": camera.min_height}
        row = self.database.one(select(cameras.c.id).where(cameras.c.name == camera.name))
        if row is not None:
            self.database.execute(update(cameras).where(cameras.c.id == row.id).values(values))
            return int(row.id)
        number = self._next(cameras)
        self.database.execute(insert(cameras).values(id=number, name=camera.name, **values))
        return number

    def _register(
        self, camera_id: int, piece: Footage, settings: dict[str, Any], replace: bool, stale: dict[int, Footage]
    ) -> tuple[int, str | None]:
        """A footage's id and what speaks against going on with it; one that must start anew is put into `stale`."""
        same = self.database.one(
            select(footage.c.id)
            .where(footage.c.fingerprint == piece.fingerprint, footage.c.size > 0)
            .order_by(footage.c.camera_id != camera_id, footage.c.id)
        )
        known = same or self.database.one(
            select(footage.c.id).where(footage.c.camera_id == camera_id, footage.c.name == piece.name)
        )
        if known is None:
            number = self._next(footage)
            self.database.execute(insert(footage).values(id=number, camera_id=camera_id, **_described(piece)))
            return number, None
        record = self.footage_record(known.id)
        objection = None
        if same is None and record.frames:
            how = "has grown" if grown(piece.path, record.size, record.fingerprint) else "has changed"
            objection = f"{piece.path} {how} since it was ingested ({record.size:,} bytes then, {piece.size:,} now)"
        elif record.settings is not None and record.settings != settings:
            now = {key: value for key, value in settings.items() if record.settings.get(key) != value}
            other = ", ".join(f"{key} {record.settings.get(key)} (now {value})" for key, value in now.items())
            objection = f"{piece.path} was ingested with {other}"
        overtaken = record.status == "running" and self.database.one(
            select(segments.c.id)
            .where(
                segments.c.camera_id == record.camera_id,
                segments.c.footage_id != record.id,
                segments.c.number >= record.first_segment,
            )
            .limit(1)
        )  # it was out of reach for a while, and its next numbers went to other footage
        if (replace if objection else overtaken) or (same is None and not record.frames):
            stale[record.id] = piece
            objection = None
        hint = "run with --replace to drop what came from it and take it in again."
        return record.id, objection and f"{objection}: {hint}"

    def _start_anew(self, stale: Mapping[int, Footage | None], entry: AuditEntry | None) -> None:
        """Leaves footage as if it were new, described as it now is."""
        if entry is not None:
            self._note(entry)
        for number, piece in stale.items():
            described = {} if piece is None else _described(piece)
            described.pop("name", None)
            self.database.execute(update(footage).where(footage.c.id == number).values(_NEW | described))

    def _insert(self, record: FootageRecord, chunk: Chunk, places: list[Place]) -> None:
        base = segment_id(record.camera_id, 0)
        if chunk.segments:
            rows = [
                {
                    "id": base + s.number,
                    "camera_id": record.camera_id,
                    "footage_id": record.id,
                    "number": s.number,
                    "track": s.track,
                    "kind": str(s.kind),
                    "cut": str(s.cut),
                    "start": float(s.times[0]),
                    "end": float(s.times[-1]),
                    "length": len(s.frames),
                    "height": float(s.height),
                    "boxes": _pack(s),
                }
                for s in chunk.segments
            ]
            self.database.execute(_ADD_SEGMENT, rows)
        pictures = [(base + number, k, crop) for number, mine in chunk.crops.items() for k, crop in enumerate(mine)]
        if pictures:
            rows = [
                {
                    "tracklet_id": tracklet,
                    "number": k,
                    "frame": crop.frame,
                    "time": crop.time,
                    **dict(zip(("x1", "y1", "x2", "y2"), crop.box)),
                    "score": crop.score,
                    "overlap": crop.overlap,
                    "border": crop.border,
                    "sharpness": crop.sharpness,
                    "height_ratio": crop.height_ratio,
                    "shard": place.shard,
                    "offset": place.offset,
                    "length": place.length,
                    "crc32": place.crc32,
                }
                for (tracklet, k, crop), place in zip(pictures, places, strict=True)
            ]
            self.database.execute(_ADD_CROP, rows)
        pairs = sorted({(base + int(other), base + s.number) for s in chunk.segments for other in s.cannot_link})
        if pairs:
            new = {base + s.number for s in chunk.segments}
            earlier = sorted({a for a, _ in pairs} - new)  # some may have been erased since they were committed
            there = new | set(self._ids(select(segments.c.id).where(segments.c.id.in_(earlier))).tolist())
            rows = [{"a": a, "b": b} for a, b in pairs if a in there]
            if rows:
                self.database.execute(_ADD_CANNOT_LINK, rows)

    def _footage(self, wanted: Select[Any], **values: Any) -> list[FootageRecord]:
        found = []
        for row in self.database.all(wanted, **values):
            told = dict(row._mapping)
            told["path"] = Path(told["path"])
            told["settings"] = json.loads(told["settings"] or "null")
            told["problems"] = json.loads(told["problems"])
            found.append(FootageRecord(**told))
        return found

    def _writer(self, record: FootageRecord) -> ShardWriter:
        if record.id not in self._writers:
            now = self.footage_record(record.id)
            folder = self.crop_folder(record.camera_id)
            self._writers[record.id] = ShardWriter(folder, record.id, now.shard, now.shard_bytes)
        return self._writers[record.id]


def _described(piece: Footage) -> dict[str, Any]:
    """What discovery says of footage, as columns."""
    return {
        "name": piece.name,
        "path": str(piece.path),
        "size": piece.size,
        "fingerprint": piece.fingerprint,
        "start": float(piece.start),
        "start_source": piece.start_source,
    }


def _pack(segment: Segment) -> bytes:
    rows = np.empty(len(segment.frames), _BOX)
    rows["frame"], rows["time"] = segment.frames, segment.times
    rows["box"], rows["score"] = segment.boxes, segment.scores
    return zlib.compress(rows.tobytes(), 1)


def _unpack(packed: bytes) -> NDArray[np.void]:
    """Boxes as `_pack` packed them. Raises ValueError where they are damaged."""
    try:
        return np.frombuffer(zlib.decompress(packed), _BOX)
    except zlib.error as error:
        raise ValueError(f"boxes are damaged ({error})") from error
