"""What ingest writes: cameras, their footage, and chunk by chunk the tracklets that come of it.

Who writes a camera's footage holds its lease. A chunk is in the record whole or not at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, func, select

from app.errors import StorageError, no_more
from app.record import erasure
from app.record.checksums import crc32, insert_rows, update_row
from app.record.database import Database
from app.record.pictures import Writer, pictures_of
from app.record.rows import AuditEntry, Boxes, Chunk, FootageRecord, segment_id
from app.record.schema import cameras, cannot_link, crops, footage, remarks, segments
from app.record.shards import ShardRange
from app.remarks import Remark
from reid.foreign import readable

if TYPE_CHECKING:
    from app.footage import Camera, Footage

FOOTAGE = (
    select(*(footage.c[name] for name in FootageRecord.__slots__ if name != "camera"), cameras.c.name.label("camera"))
    .join_from(footage, cameras)
    .order_by(footage.c.camera_id, footage.c.start, footage.c.id)
)
FOLLOWS = 2.0  # s by which two files of a camera may lie apart, or overlap, for tracks to go on from one to the other
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
    "checkpoint_crc32": crc32(None),
    "problems": "[]",
}


_BY_ID = FOOTAGE.where(footage.c.id == bindparam("id"))  # it runs often, so it is made once


def read_footage(database: Database, wanted: Select[Any] = FOOTAGE, **values: Any) -> list[FootageRecord]:
    """What the record says of footage: all of it, or that of a statement made from FOOTAGE."""
    records = []
    for row in database.all(wanted, **values):
        columns = dict(row._mapping)
        columns["path"] = Path(columns["path"])
        columns["settings"] = database.json(columns["settings"], "footage")
        columns["problems"] = database.json(columns["problems"], "footage")
        records.append(FootageRecord(**columns))
    return records


def read_one_footage(database: Database, footage_id: int) -> FootageRecord:
    """What the record says of one footage."""
    (record,) = read_footage(database, _BY_ID, id=footage_id)
    return record


def start_anew(database: Database, stale: Mapping[int, Footage | None]) -> None:
    """Leaves footage as if it were new, in the caller's transaction. It is described as it now is, where given."""
    for number, piece in stale.items():
        described = {} if piece is None else _described(piece)
        described.pop("name", None)
        update_row(database, footage, number, _NEW | described)
        database.execute(delete(remarks).where(remarks.c.footage_id == number))


def _kept_at_the_end() -> ColumnElement[bool]:
    return and_(footage.c.status == "done", footage.c.checkpoint.is_not(None))


class Intake:
    """Takes footage into a site's record and shards."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._writers: dict[int, Writer] = {}

    def close(self) -> None:
        """Closes the shards that are open for writing."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def register(
        self,
        leased_cameras: Sequence[Camera],
        settings: Mapping[str, dict[str, Any]],
        *,
        who: str,
        replace: bool = False,
    ) -> list[list[tuple[FootageRecord, str | None]]]:
        """Writes cameras and footage into the record. Returns each camera's footage in the order given.

        leased_cameras: those of which this process holds the leases. settings: what tracklets depend on, by camera
        name, as plain JSON values.

        Footage is known by its content: the same film is not added again, whatever its name now is. With each record
        comes an objection, where there is one. Either the file is not what it was when it was ingested. Or it was
        ingested (or begun) under other settings. With `replace` such footage starts anew instead. What came from it is
        erased, and that `who` did so is noted.
        """
        stale: dict[int, Footage] = {}
        with self._database.transaction():
            registered = []
            for camera in leased_cameras:
                camera_id = self._write_camera(camera)
                registered.append(
                    [
                        self._register(camera_id, piece, settings[camera.name], replace, stale)
                        for piece in camera.footage
                    ]
                )
        if stale:
            for number in stale:
                if (writer := self._writers.pop(number, None)) is not None:
                    writer.close()
            gone = self._database.ids(select(segments.c.id).where(segments.c.footage_id.in_(stale)))
            films = {"segments": len(gone), "footage": [str(piece.path) for piece in stale.values()]}
            entry = AuditEntry(time.time(), who, "take in again", films) if len(gone) else None
            erasure.erase(self._database, self._folder, gone, entry, also=partial(start_anew, self._database, stale))
        return [
            [(read_one_footage(self._database, number), objection) for number, objection in camera_footage]
            for camera_footage in registered
        ]

    def begin(self, record: FootageRecord, settings: dict[str, Any]) -> FootageRecord:
        """Marks footage as running under these settings, numbering what comes after all that its camera has."""
        with self._database.transaction(alone=False):
            if record.status != "running":
                camera = self._database.first(select(cameras).where(cameras.c.id == record.camera_id))
                first_id, end_id = segment_id(record.camera_id, 0), segment_id(record.camera_id + 1, 0)
                last = self._database.first(
                    select(
                        select(func.max(segments.c.track))
                        .where(segments.c.camera_id == record.camera_id)
                        .label("track"),
                        select(func.max(segments.c.id))
                        .where(segments.c.id >= first_id, segments.c.id < end_id)
                        .label("segment"),
                    )
                )
                assert camera is not None and last is not None
                first_track, before = 1 + max(last.track or 0, camera.last_track), self._before(record, settings)
                if before is not None and before.first_track == self._latest_first_track(record.camera_id):
                    first_track = before.first_track  # its tracks go on
                values = {
                    "status": "running",
                    "settings": json.dumps(settings),
                    "problems": "[]",
                    "first_track": first_track,
                    "first_segment": 1 + max((last.segment or first_id) - first_id, camera.last_segment),
                }
                update_row(self._database, footage, record.id, values)
        return read_one_footage(self._database, record.id)

    def before(self, record: FootageRecord) -> bytes | None:
        """The checkpoint at the end of footage whose tracks go on in this one, which has begun. None without such."""
        before = self._before(record, record.settings)
        return before.checkpoint if before is not None and before.first_track == record.first_track else None

    def _before(self, record: FootageRecord, settings: dict[str, Any] | None) -> Any:
        """The row of footage that ended just before this one begins, was taken in alike, and kept its checkpoint."""
        columns = [footage.c[name] for name in ("first_track", "settings", "checkpoint", "checkpoint_crc32")]
        end = footage.c.start + footage.c.seconds
        rows = self._database.all(
            select(*columns).where(
                footage.c.camera_id == record.camera_id,
                _kept_at_the_end(),
                end.between(record.start - FOLLOWS, record.start + FOLLOWS),
            )
        )
        alike = (row for row in rows if self._database.json(row.settings, "footage") == settings)
        return next((row for row in alike if crc32(row.checkpoint) == row.checkpoint_crc32), None)

    def _latest_first_track(self, camera_id: int) -> int:
        """The largest number from which a camera's begun footage counts its tracks."""
        begun = select(func.max(footage.c.first_track)).where(
            footage.c.camera_id == camera_id, footage.c.settings.is_not(None)
        )
        return int(self._database.ids(begun)[0])

    def checkpoint(self, footage_id: int) -> bytes | None:
        """The state in which ingest left this footage, if it was interrupted. Raises SiteError where it is damaged."""
        columns = (footage.c.name, footage.c.checkpoint, footage.c.checkpoint_crc32)
        row = self._database.first(select(*columns).where(footage.c.id == footage_id))
        if row is not None and crc32(row.checkpoint) != row.checkpoint_crc32:
            raise self._database.damaged(f"how far {row.name} was taken in")
        return None if row is None else row.checkpoint

    def commit(self, record: FootageRecord, chunk: Chunk, *, done: bool) -> None:
        """Adds a chunk, whole or not at all. Raises StorageError where the disk is full or fails.

        A checkpoint at the end of footage stays until other footage of its camera has one.
        """
        checkpoint = chunk.checkpoint or None
        try:
            writer = self._writer(record)
            before = writer.shard, writer.size
            shard_ranges = writer.append(crop.jpeg for pictures in chunk.crops.values() for crop in pictures)
        except OSError as error:
            raise no_more(self._folder, error.strerror or str(error)) from error
        try:
            with self._database.transaction(alone=False):
                self._insert(record, chunk, shard_ranges)
                if chunk.remarks:
                    self._database.execute(delete(remarks).where(remarks.c.footage_id == record.id))
                    self._insert_remarks(chunk.remarks, record.id, "")
                self._drop_kept(record)
                update_row(
                    self._database,
                    footage,
                    record.id,
                    {
                        "status": "done" if done else "running",
                        "source_frames": chunk.source_frames,
                        "frames": chunk.frames,
                        "detections": chunk.detections,
                        "seconds": float(chunk.seconds),
                        "shard": writer.shard,
                        "shard_bytes": writer.size,
                        "checkpoint": checkpoint,
                        "checkpoint_crc32": crc32(checkpoint),
                        "problems": json.dumps(list(chunk.problems)),
                    },
                )
        except StorageError:
            self._undo_append(record, before)
            raise
        if done:
            self._writers.pop(record.id).close()

    def _drop_kept(self, record: FootageRecord) -> None:
        """Drops what other footage of the camera kept at its end, in the caller's transaction."""
        kept = select(footage.c.id).where(
            footage.c.camera_id == record.camera_id, footage.c.id != record.id, _kept_at_the_end()
        )
        for number in self._database.ids(kept):
            update_row(self._database, footage, int(number), {"checkpoint": None, "checkpoint_crc32": crc32(None)})

    def tell(self, folder: str, told: Sequence[Remark]) -> None:
        """Writes what was told of a folder of footage, in place of what an earlier look at it told."""
        with self._database.transaction(alone=False):
            self._database.execute(delete(remarks).where(remarks.c.folder == folder, remarks.c.footage_id == 0))
            self._insert_remarks(told, 0, folder)

    def _undo_append(self, record: FootageRecord, before: tuple[int, int]) -> None:
        """Cuts off crops that the record did not take. Where nobody can say, the next writer does what is right."""
        try:
            now = read_one_footage(self._database, record.id)
        except StorageError:  # a server that is gone may have committed before it went
            self._writers.pop(record.id).close()
            return
        if (now.shard, now.shard_bytes) == before:
            self._writers[record.id].rewind(*before)

    def fail(self, record: FootageRecord, problem: str) -> None:
        """Records that no more can be had from this footage. What was committed of it stays."""
        with self._database.transaction(alone=False):
            now = read_one_footage(self._database, record.id)
            problems = [*(earlier for earlier in now.problems if earlier != problem), problem]
            values = {"status": "running" if now.frames else "failed", "problems": json.dumps(problems)}
            update_row(self._database, footage, record.id, values)

    def _write_camera(self, camera: Camera) -> int:
        values = {"time_zone": camera.time_zone, "mask": json.dumps(camera.mask), "min_height": camera.min_height}
        row = self._database.first(select(cameras.c.id).where(cameras.c.name == camera.name))
        if row is not None:
            update_row(self._database, cameras, row.id, values)
            return int(row.id)
        number = self._database.next_id(cameras)
        new = {"id": number, "name": camera.name, "last_track": 0, "last_segment": 0}
        insert_rows(self._database, cameras, [new | values])
        return number

    def _register(
        self, camera_id: int, piece: Footage, settings: dict[str, Any], replace: bool, stale: dict[int, Footage]
    ) -> tuple[int, str | None]:
        """A footage's id and what speaks against going on with it. One that must start anew is put into `stale`."""
        same = self._database.first(
            select(footage.c.id)
            .where(footage.c.fingerprint == piece.fingerprint, footage.c.size > 0)
            .order_by(footage.c.camera_id != camera_id, footage.c.id)
        )
        stored = same or self._database.first(
            select(footage.c.id).where(footage.c.camera_id == camera_id, footage.c.name == piece.name)
        )
        if stored is None:
            number = self._database.next_id(footage)
            new = {"id": number, "camera_id": camera_id, "first_track": 1, "first_segment": 1}
            insert_rows(self._database, footage, [new | _NEW | _described(piece)])
            return number, None
        record = read_one_footage(self._database, stored.id)
        if record.camera_id != camera_id:  # its camera's lease is not ours: nothing of it is judged or erased here
            return record.id, None
        objection = None
        if same is None and record.frames:
            from app.footage import grown  # decoders come with it, which who only reads a site does not need

            how = "has grown" if grown(piece.path, record.size, record.fingerprint) else "has changed"
            objection = f"{piece.path} {how} since it was ingested ({record.size:,} bytes then, {piece.size:,} now)"
        elif record.settings is not None and record.settings != settings:
            then = record.settings
            changed = [key for key in {**then, **settings} if then.get(key) != settings.get(key)]
            differences = ", ".join(f"{key} {then.get(key)} (now {settings.get(key)})" for key in changed)
            objection = f"{piece.path} was ingested with {differences}"
        overtaken = record.status == "running" and self._database.first(
            select(segments.c.id)
            .where(
                segments.c.id >= segment_id(record.camera_id, record.first_segment),
                segments.c.id < segment_id(record.camera_id + 1, 0),
                segments.c.footage_id != record.id,
            )
            .limit(1)
        )  # it was out of reach for a while, and its next numbers went to other footage
        if (replace if objection else overtaken) or (same is None and not record.frames):
            stale[record.id] = piece
            objection = None
        hint = "run with --replace to drop what came from it and take it in again."
        return record.id, objection and f"{objection}: {hint}"

    def _insert(self, record: FootageRecord, chunk: Chunk, shard_ranges: list[ShardRange]) -> None:
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
                    "boxes": Boxes(s.frames.astype(np.int32), s.times, s.boxes, s.scores).packed(),
                }
                for s in chunk.segments
            ]
            insert_rows(self._database, segments, rows)
        pictures = [
            (base + number, k, crop)
            for number, tracklet_crops in chunk.crops.items()
            for k, crop in enumerate(tracklet_crops)
        ]
        if pictures:
            rows = [
                {
                    "tracklet_id": tracklet,
                    "number": k,
                    "frame": crop.frame,
                    "time": crop.time,
                    "x1": crop.box[0],
                    "y1": crop.box[1],
                    "x2": crop.box[2],
                    "y2": crop.box[3],
                    "score": crop.score,
                    "overlap": crop.overlap,
                    "border": crop.border,
                    "sharpness": crop.sharpness,
                    "height_ratio": crop.height_ratio,
                    "shard": shard_range.shard,
                    "offset": shard_range.offset,
                    "length": shard_range.length,
                    "crc32": shard_range.crc32,
                }
                for (tracklet, k, crop), shard_range in zip(pictures, shard_ranges, strict=True)
            ]
            insert_rows(self._database, crops, rows)
        pairs = sorted({(base + int(rival), base + s.number) for s in chunk.segments for rival in s.cannot_link})
        if pairs:
            new = {base + s.number for s in chunk.segments}
            earlier = sorted({a for a, _ in pairs} - new)  # some may have been erased since they were committed
            there = new
            if earlier:
                there |= set(self._database.ids(select(segments.c.id).where(segments.c.id.in_(earlier))).tolist())
            rows = [{"a": a, "b": b} for a, b in pairs if a in there]
            insert_rows(self._database, cannot_link, rows)

    def _insert_remarks(self, told: Sequence[Remark], footage_id: int, folder: str) -> None:
        rows = [
            {"footage_id": footage_id, "folder": folder, "what": what, "count": count, "why": why}
            for what, count, why in ((readable(remark.what), remark.count, readable(remark.why)) for remark in told)
        ]
        insert_rows(self._database, remarks, rows)

    def _writer(self, record: FootageRecord) -> Writer:
        if record.id not in self._writers:
            now = read_one_footage(self._database, record.id)
            writing = pictures_of(self._database).writer
            self._writers[record.id] = writing(record.camera_id, record.id, now.shard, now.shard_bytes)
        return self._writers[record.id]


def _described(piece: Footage) -> dict[str, Any]:
    """What discovery says of footage, as columns."""
    return {
        "name": piece.name,
        "path": readable(str(piece.path.absolute())),  # so that it is found wherever a server was started
        "size": piece.size,
        "fingerprint": piece.fingerprint,
        "start": float(piece.start),
        "start_source": piece.start_source,
    }
