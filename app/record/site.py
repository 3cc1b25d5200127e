"""The site on disk. `Site` is the one way in.

The record is the truth. What a process has committed survives its death at any moment. What it had not committed is
gone. The next run of the same command does it again with the same result.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, bindparam, case, delete, func, select, true

from app.asking import Progress, unheard
from app.errors import SiteError, no_more
from app.record import erasure, leases
from app.record.audit import add_entry, entries, head
from app.record.camera_list import hours
from app.record.checksums import insert_rows, update_row
from app.record.database import Database
from app.record.embeddings import take_over_files
from app.record.intake import FOOTAGE, Intake, read_footage, read_one_footage, start_anew
from app.record.live_pictures import remove_live_pictures
from app.record.model_store import models_of
from app.record.pictures import pictures_of
from app.record.private_files import make_private
from app.record.recordings import cut_from_recordings
from app.record.rows import (
    AuditEntry,
    BoxCounts,
    Boxes,
    CameraSummary,
    Correction,
    CropRecord,
    FootageRecord,
    Merging,
    ModelRecord,
    SearchedState,
    SegmentRecord,
    TrackletTable,
    lookup,
)
from app.record.schema import (
    cameras,
    cannot_link,
    corrections,
    crops,
    footage,
    members,
    merges,
    models,
    remarks,
    segments,
    splits,
)
from app.record.shards import ShardRange
from app.remarks import Remark, StartSource, starts_by, summed
from trackers.segments import SEARCHABLE, Kind

# Statements that run often are made once.
_IS_TRACKLET = segments.c.kind == str(Kind.TRACKLET)
_IS_SEARCHABLE = segments.c.kind.in_(map(str, SEARCHABLE))
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
_BOXES = select(segments.c.boxes, segments.c.length).where(segments.c.id == bindparam("id"))
_SHARD_RANGE = (crops.c.shard, crops.c.offset, crops.c.length, crops.c.crc32)
_CROPS = (
    select(
        *(crops.c[name] for name in ("tracklet_id", "number", "frame", "time")),
        *(crops.c[name] for name in ("x1", "y1", "x2", "y2", "score")),
        *(segments.c.camera_id, segments.c.footage_id),
        *_SHARD_RANGE,
    )
    .join_from(crops, segments)
    .where(crops.c.tracklet_id.in_(bindparam("ids", expanding=True)))
    .order_by(crops.c.tracklet_id, crops.c.number)
)
_TABLE = select(*(segments.c[name] for name in ("id", "camera_id", "footage_id", "start", "end", "kind"))).order_by(
    segments.c.id
)

# An index has all these columns, so the table is not read.
_SUMS = (func.count(), func.sum(segments.c.start), func.sum(segments.c.end))

_AT_ONCE = 1000  # ids in a statement


class Site:
    """One site, opened to read (`Site.open`), to write too (`open_to_write`), or made where it is missing (`create`).

    Any number of processes may have it open, to write too. Each write is a short transaction, and long work takes a
    lease.
    """

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self.database = database
        self.left_to_erase: set[int] = set()  # segments whose erasing had died, and went on when this was opened
        self.intake = Intake(database, path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens an existing site to read. Raises SiteError where there is none."""
        return cls(path, Database.open(path))

    @classmethod
    def open_to_write(cls, path: Path) -> Self:
        """Opens an existing site to write. One of an older format is brought up to date. Raises SiteError."""
        return cls(path, Database.open(path, write=True))._finished()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Opens a site to write, or makes a new one. Raises SiteError where it can't."""
        return cls(path, Database.create(path))._finished()

    def _finished(self) -> Self:
        try:
            make_private(self.path.resolve())
            take_over_files(self.database)
            self.left_to_erase = erasure.finish_what_was_left(self.database, self.path)
        except BaseException:  # whatever it is, Ctrl-C too: the connection is given back
            self.close()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes shards and the record."""
        self.intake.close()
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

    # --- what the site holds

    def footage_record(self, footage_id: int) -> FootageRecord:
        """What the record says of one footage."""
        return read_one_footage(self.database, footage_id)

    def footage(self, camera: str | None = None) -> list[FootageRecord]:
        """All footage, or one camera's, by camera and start."""
        return read_footage(self.database, FOOTAGE if camera is None else FOOTAGE.where(cameras.c.name == camera))

    def camera_names(self) -> list[str]:
        """The names of all cameras, in the order in which they came."""
        return [row.name for row in self.database.all(select(cameras.c.name).order_by(cameras.c.id))]

    def tracklet_count(self, of_cameras: Collection[str] | None = None) -> int:
        """How many tracklets there are, of some cameras or of all."""
        wanted = select(func.count()).select_from(segments).where(_IS_TRACKLET)
        if of_cameras is not None:
            wanted = wanted.where(segments.c.camera_id.in_(select(cameras.c.id).where(cameras.c.name.in_(of_cameras))))
        row = self.database.first(wanted)
        return 0 if row is None else int(row[0])

    def cameras(self, only: str | None = None) -> list[CameraSummary]:
        """Every camera, or one of them, with its counts, in the order in which they came."""
        wanted = true() if only is None else segments.c.camera_id == _camera_id(only)
        films = (
            select(
                footage.c.camera_id,
                func.count().label("footage"),
                func.sum(footage.c.frames).label("frames"),
                func.sum(footage.c.detections).label("detections"),
                func.min(footage.c.start).label("start"),
                func.max(footage.c.start + footage.c.seconds).label("end"),
            )
            .group_by(footage.c.camera_id)
            .subquery()
        )
        per_camera = select(segments.c.camera_id, segments.c.kind, func.count()).where(_IS_SEARCHABLE, wanted)
        counts = {
            (camera_id, kind): count
            for camera_id, kind, count in self.database.all(per_camera.group_by(segments.c.camera_id, segments.c.kind))
        }
        tracks = self._tracks_by_camera(wanted)
        stored = {
            row[0]: (row[1], row[2])
            for row in self.database.all(
                select(segments.c.camera_id, func.count(), func.sum(crops.c.length))
                .join_from(crops, segments)
                .where(wanted)
                .group_by(segments.c.camera_id)
            )
        }
        chosen = true() if only is None else cameras.c.name == only
        rows = self.database.all(
            select(cameras.c.id, cameras.c.name, films).join_from(cameras, films).where(chosen).order_by(cameras.c.id)
        )
        errors: dict[str, list[str]] = {row.name: [] for row in rows}
        sources: dict[str, list[StartSource]] = {row.name: [] for row in rows}
        by_camera: dict[str, list[FootageRecord]] = {row.name: [] for row in rows}
        for record in self.footage(only):
            by_camera[record.camera].append(record)
            errors[record.camera] += record.problems
            sources[record.camera].append(record.start_source)
        told: dict[int, list[Remark]] = {}
        of_footage = select(footage.c.camera_id, remarks).join(footage, footage.c.id == remarks.c.footage_id)
        for row in self.database.all(of_footage):
            told.setdefault(row.camera_id, []).append(Remark(row.what, row._mapping["count"], row.why))
        return [
            CameraSummary(
                camera=row.name,
                footage=row.footage,
                hours=hours((record.start, record.seconds) for record in by_camera[row.name]),
                frames=int(row.frames),
                detections=int(row.detections),
                tracks=tracks.get(row.id, (0, BoxCounts()))[0],
                tracklets=counts.get((row.id, Kind.TRACKLET), 0),
                sightings=counts.get((row.id, Kind.SIGHTING), 0),
                crops=stored.get(row.id, (0, 0))[0],
                crop_bytes=int(stored.get(row.id, (0, 0))[1]),
                start=row.start,
                end=row.end,
                errors=errors[row.name],
                starts=starts_by(sources[row.name]),
                remarks=summed(told.get(row.id, [])),
                boxes=_with_untracked(tracks.get(row.id, (0, BoxCounts()))[1], int(row.detections)),
            )
            for row in rows
        ]

    def remarks(self, footage_id: int = 0) -> list[Remark]:
        """What ingest told of a footage, or of the folders that it looked through."""
        rows = self.database.all(select(remarks).where(remarks.c.footage_id == footage_id))
        return summed(Remark(row.what, row._mapping["count"], row.why) for row in rows)

    def _tracks_by_camera(self, wanted: ColumnElement[bool]) -> dict[int, tuple[int, BoxCounts]]:
        """How many tracks a camera has, and their boxes. A track that never got a second box was only tentative."""
        kinds = {kind: case((segments.c.kind == str(kind), segments.c.length), else_=0) for kind in Kind}
        tracks = (
            select(
                segments.c.camera_id,
                func.sum(segments.c.length).label("boxes"),
                *(func.sum(boxes).label(kind) for kind, boxes in kinds.items()),
            )
            .where(wanted)
            .group_by(segments.c.camera_id, segments.c.track)
            .subquery()
        )
        confirmed, sighted = tracks.c.boxes > 1, tracks.c[Kind.SIGHTING] > 0
        counts = (
            case((confirmed, 1), else_=0),
            case((confirmed | sighted, 0), else_=1),
            *(case((confirmed | sighted, tracks.c[kind]), else_=0) for kind in Kind),
        )
        by_camera = {}
        for camera_id, confirmed_tracks, single, *of_kinds in self.database.all(
            select(tracks.c.camera_id, *map(func.sum, counts)).group_by(tracks.c.camera_id)
        ):
            boxes = dict(zip(Kind, map(int, of_kinds)))
            by_camera[camera_id] = (
                int(confirmed_tracks),
                BoxCounts(
                    tracklets=boxes[Kind.TRACKLET],
                    sightings=boxes[Kind.SIGHTING],
                    crossing=boxes[Kind.CROSSING],
                    short=boxes[Kind.SHORT],
                    small=boxes[Kind.SMALL],
                    single=int(single),
                ),
            )
        return by_camera

    def segments(self, camera: str | None = None, *, kind: Kind | None = None) -> list[SegmentRecord]:
        """Segments of tracks by camera and number. With `kind` only those (the tracklets: `Kind.TRACKLET`)."""
        wanted = _SEGMENTS
        if camera is not None:
            wanted = wanted.where(cameras.c.name == camera)
        if kind is not None:
            wanted = wanted.where(segments.c.kind == str(kind))
        return [SegmentRecord(**row._mapping) for row in self.database.all(wanted)]

    def searchable(self, number: int) -> SegmentRecord:
        """One tracklet or sighting. Raises LookupError where there is none."""
        row = self.database.first(_SEGMENTS.where(_IS_SEARCHABLE, segments.c.id == number))
        if row is None:
            raise LookupError(f"the site at {self.path} has no tracklet {number}")
        return SegmentRecord(**row._mapping)

    def boxes(self, segment: int) -> Boxes:
        """The boxes of one segment, by frame. Raises SiteError where they are damaged, LookupError without them."""
        row = self.database.first(_BOXES, id=int(segment))
        if row is None:
            raise LookupError(f"the site at {self.path} has no segment {segment}")
        return self._unpacked(segment, row.boxes, row.length)

    def _unpacked(self, segment: int, packed: bytes, count: int) -> Boxes:
        try:
            return Boxes.unpacked(packed, count)
        except ValueError as error:
            raise self.database.damaged(f"the boxes of the piece {segment} of a track") from error

    def crops(self, tracklet_id: int) -> list[CropRecord]:
        """The crops of one tracklet, by time."""
        return self.crops_of([int(tracklet_id)])[int(tracklet_id)]

    def crops_of(self, ids: Sequence[int]) -> dict[int, list[CropRecord]]:
        """The crops of a few tracklets, by time. There are none of one that is not in the site."""
        crops_by_tracklet: dict[int, list[CropRecord]] = {tracklet_id: [] for tracklet_id in ids}
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
                shard_range=ShardRange(shard=row[11], offset=row[12], length=row[13], crc32=row[14]),
            )
            crops_by_tracklet[crop.tracklet_id].append(crop)
        return crops_by_tracklet

    def crop_jpeg(self, crop: CropRecord) -> bytes:
        """The JPEG bytes of a crop. Raises ValueError where they are missing or damaged."""
        return pictures_of(self.database).crop(crop.shard, crop.shard_range)

    def cannot_link(self) -> NDArray[np.int64]:
        """`(N, 2)` ids of tracklets that show different people."""
        columns = (cannot_link.c.a, cannot_link.c.b)
        pairs = self.database.all(select(*columns).order_by(*columns))
        return np.array([tuple(pair) for pair in pairs], np.int64).reshape(-1, 2)

    def seen_beside(self, tracklet_id: int) -> NDArray[np.int64]:
        """Ids `(n,)` of tracklets that show others than this one."""
        later = self.database.ids(select(cannot_link.c.b).where(cannot_link.c.a == tracklet_id))
        return np.r_[later, self.database.ids(select(cannot_link.c.a).where(cannot_link.c.b == tracklet_id))]

    def tracklet_table(self) -> TrackletTable:
        """All tracklets at once."""
        return self._table(_IS_TRACKLET)

    def searchable_table(self, footages: Collection[int] | None = None) -> TrackletTable:
        """All tracklets and sightings at once, or those of some footages."""
        if footages is None:
            return self._table(_IS_SEARCHABLE)
        return self._table(_IS_SEARCHABLE & segments.c.footage_id.in_(list(footages)))

    def _table(self, wanted: ColumnElement[bool]) -> TrackletTable:
        names = {
            row[0]: row[1] for row in self.database.all(select(cameras.c.id, cameras.c.name).order_by(cameras.c.id))
        }
        columns = self.database.columns(_TABLE.where(wanted)) or [()] * 6
        ids, camera_ids, footage_ids = (np.array(column, np.int64) for column in columns[:3])
        start, end = (np.array(column, np.float64) for column in columns[3:5])
        is_sighting = np.array(columns[5], str) == Kind.SIGHTING
        rows = lookup(np.array(list(names), np.int64), camera_ids)[0]
        return TrackletTable(
            ids=ids,
            cameras=rows,
            footage=footage_ids,
            start=start,
            end=end,
            is_sighting=is_sighting,
            names=tuple(names.values()),
        )

    def searched_state(self) -> SearchedState:
        """What a search finds things in, without reading it."""
        self.database.check_places()
        pieces = self.database.first(select(*_SUMS, func.sum(segments.c.footage_id)).where(_IS_SEARCHABLE))
        merging = self.database.first(select(func.max(merges.c.id)))
        serving = self.database.all(select(models.c.name, models.c.checksum).where(models.c.serving == 1))
        return SearchedState(
            pieces=() if pieces is None else tuple(pieces),
            merging=None if merging is None else merging[0],
            serving=tuple((row.name, row.checksum) for row in serving),
        )

    def searchable_by_footage(self) -> dict[int, tuple[int, float, float]]:
        """How many tracklets and sightings each footage has, and the sums of their starts and ends."""
        columns = (segments.c.footage_id, *_SUMS)
        rows = self.database.all(select(*columns).where(_IS_SEARCHABLE).group_by(segments.c.footage_id))
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def searchable_of(self, footage_id: int) -> NDArray[np.int64]:
        """Ids `(n,)`, ascending, of a footage's tracklets and sightings."""
        return self.database.ids(
            select(segments.c.id).where(_IS_SEARCHABLE, segments.c.footage_id == footage_id).order_by(segments.c.id)
        )

    def has_segments(self, footage_id: int) -> bool:
        """Whether any piece of a track of a footage is in the site."""
        return (
            self.database.first(select(segments.c.id).where(segments.c.footage_id == footage_id).limit(1)) is not None
        )

    def are_tracklets(self, ids: NDArray[np.int64]) -> bool:
        """Whether all of `(n,)` are tracklets of the site: others have left it."""
        return bool(lookup(self.tracklet_table().ids, ids)[1].all())

    def first_and_last_boxes(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where tracklets began and ended, `(n, 4)` px each. ids: `(n,)`, ascending."""
        first, last = np.zeros((len(ids), 4), np.float32), np.zeros((len(ids), 4), np.float32)
        columns = (segments.c.id, segments.c.boxes, segments.c.length)
        stored = self.database.all(select(*columns).where(_IS_TRACKLET).order_by(segments.c.id))
        rows, wanted = lookup(ids, np.array([piece.id for piece in stored], np.int64))
        for row, piece in zip(rows[wanted].tolist(), (stored[int(k)] for k in np.flatnonzero(wanted))):
            box = self._unpacked(piece.id, piece.boxes, piece.length).boxes
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
                summary=self.database.json(row.summary, "models"),
                calibration=self.database.json(row.calibration, "models"),
                serving=bool(row.serving),
                weights_sha256=row.weights_sha256,
            )
            for row in self.database.all(select(models).order_by(models.c.id))
        ]

    def add_model(self, model: ModelRecord) -> None:
        """Writes a version into the record, or writes it again. One that serves takes the place of the one before.

        A new version's files are in the folder already. They go to where all machines have them.
        """
        values = {
            "made": model.made,
            "sha256": model.sha256,
            "status": model.status,
            "reason": model.reason,
            "summary": json.dumps(model.summary),
            "calibration": None if model.calibration is None else json.dumps(model.calibration),
        }
        store, weights = models_of(self.database), {}
        if model.status == "candidate" or self._model_id(model.name) is None:  # its files were just written
            with self.writing():
                weights = {"weights_sha256": store.keep(model.name)}
        with self.database.transaction():
            number = self._model_id(model.name)
            if number is None:
                number = self.database.next_id(models)
                insert_rows(
                    self.database, models, [{"id": number, "name": model.name, "serving": 0} | values | weights]
                )
            else:
                update_row(self.database, models, number, values | weights)
            if model.serving:
                for other in self.database.ids(select(models.c.id).where(models.c.serving == 1)).tolist():
                    update_row(self.database, models, other, {"serving": 0})
                update_row(self.database, models, number, {"serving": 1, "status": "deployed"})
        if weights:
            store.drop_others(model.name, (model.sha256, weights["weights_sha256"]))

    def _model_id(self, name: str) -> int | None:
        row = self.database.first(select(models.c.id).where(models.c.name == name))
        return None if row is None else int(row.id)

    def set_calibration(self, name: str, calibration: dict[str, Any]) -> None:
        """How a version's similarities become probabilities."""
        with self.database.transaction(alone=False):
            number = self._model_id(name)
            if number is not None:
                update_row(self.database, models, number, {"calibration": json.dumps(calibration)})

    def split(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Ids `(n,)`, ascending, of tracklets that adapting has divided, and which `(n,)` it never learns from."""
        rows = self.database.all(select(splits.c.tracklet_id, splits.c.held).order_by(splits.c.tracklet_id))
        return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], bool)

    def add_to_split(self, ids: NDArray[np.int64], held: NDArray[np.bool_]) -> None:
        """Divides more tracklets `(n,)`. Those that were erased meanwhile are left out."""
        with self.database.transaction():
            there = set(self.database.ids(select(segments.c.id).where(_IS_TRACKLET)).tolist())
            rows = [
                {"tracklet_id": tracklet_id, "held": int(kept)}
                for tracklet_id, kept in zip(ids.tolist(), held.tolist())
                if tracklet_id in there
            ]
            insert_rows(self.database, splits, rows)

    # --- trajectories and identities

    def merging(self) -> Merging | None:
        """The latest merging."""
        row = self.database.first(select(merges).order_by(merges.c.id.desc()).limit(1))
        if row is None:
            return None
        columns = (members.c.tracklet_id, members.c.trajectory, members.c.identity)
        rows = self.database.all(select(*columns).where(members.c.merge_id == row.id).order_by(members.c.tracklet_id))
        table = np.array([tuple(member) for member in rows], np.int64).reshape(-1, 3)
        return Merging(
            id=row.id,
            made=row.made,
            model=row.model,
            settings=self.database.json(row.settings, "merges"),
            summary=self.database.json(row.summary, "merges"),
            ids=table[:, 0],
            trajectories=table[:, 1],
            identities=table[:, 2],
        )

    def add_merging(self, merge: Merging, entry: AuditEntry, *, keep: int) -> int:
        """Adds what a merging found (its id is given here), forgets all but the latest `keep`, and notes who merged.

        Tracklets that were erased meanwhile are left out.
        """
        with self.database.transaction():
            number = self.database.next_id(merges)
            values = {"id": number, "made": merge.made, "model": merge.model}
            values |= {"settings": json.dumps(merge.settings), "summary": json.dumps(merge.summary)}
            insert_rows(self.database, merges, [values])
            there = lookup(self.database.ids(_TABLE.with_only_columns(segments.c.id)), merge.ids)[1]
            columns = np.stack([merge.ids, merge.trajectories, merge.identities], axis=1)[there]
            rows = [
                {"merge_id": number, "tracklet_id": tracklet_id, "trajectory": trajectory, "identity": identity}
                for tracklet_id, trajectory, identity in columns.tolist()
            ]
            insert_rows(self.database, members, rows)
            self._drop_merges(self.database.ids(select(merges.c.id).order_by(merges.c.id.desc())).tolist()[keep:])
            add_entry(self.database, entry)
        return number

    def undo_merging(self, entry: AuditEntry) -> bool:
        """Takes back the latest merging and notes who did. False where there is none."""
        with self.database.transaction():
            latest = self.database.ids(select(merges.c.id).order_by(merges.c.id.desc()).limit(1)).tolist()
            self._drop_merges(latest)
            if latest:
                add_entry(self.database, entry)
        return bool(latest)

    def _drop_merges(self, numbers: Collection[int]) -> None:
        self.database.execute(delete(members).where(members.c.merge_id.in_(numbers)))
        self.database.execute(delete(merges).where(merges.c.id.in_(numbers)))

    def corrections(self) -> list[Correction]:
        """What people said of pairs of tracklets, oldest first."""
        columns = (corrections.c.kind, corrections.c.a, corrections.c.b)
        rows = self.database.all(select(*columns).order_by(corrections.c.id))
        return [Correction(kind=row.kind, a=row.a, b=row.b) for row in rows]

    def correct(self, new_corrections: Sequence[Correction], who: str, time: float) -> None:
        """Adds what a person said, and notes who did. It replaces what was said of the same pairs before.

        `unsure` takes that back. Raises SiteError where it is of no pair of tracklets. Then nothing is added.
        """
        with self.database.transaction():
            named = {number for correction in new_corrections for number in (correction.a, correction.b)}
            there = set(self.database.ids(select(segments.c.id).where(_IS_TRACKLET, segments.c.id.in_(named))).tolist())
            for correction in new_corrections:
                if correction.a == correction.b or not {correction.a, correction.b} <= there:
                    raise SiteError(
                        f"{correction.a} and {correction.b} are not two tracklets of the site at {self.path}."
                    )
                a, b = sorted((correction.a, correction.b))
                self.database.execute(delete(corrections).where(corrections.c.a == a, corrections.c.b == b))
                if correction.kind != "unsure":
                    row = {"id": self.database.next_id(corrections), "made": time, "who": who, "kind": correction.kind}
                    insert_rows(self.database, corrections, [{**row, "a": a, "b": b}])
                add_entry(self.database, AuditEntry(time, who, "correct", {"said": correction.kind, "of": [a, b]}))

    # --- who asked, and what is erased

    def note(self, entry: AuditEntry) -> str:
        """Adds to the audit. Returns the entry's hash, which vouches for all entries before."""
        with self.database.transaction(alone=False):
            return add_entry(self.database, entry)

    def audit_head(self) -> str:
        """The hash of the latest entry of the audit, empty where there is none."""
        return head(self.database)

    def audit(self) -> list[AuditEntry]:
        """All that was noted, oldest first, with the hash of each."""
        return entries(self.database)

    def erasing(self) -> set[int]:
        """Segments that are gone, and of whose bytes some may still be there."""
        return erasure.pending(self.database)

    def of_the_same_tracks(self, ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Other pieces of the tracks that segments are of: those with an id to name them by, and all others."""
        searchable: set[int] = set()
        others: set[int] = set()
        own, other = segments.alias(), segments.alias()
        pieces = select(other.c.id, other.c.kind).join(
            own, (own.c.camera_id == other.c.camera_id) & (own.c.track == other.c.track)
        )
        wanted = sorted(map(int, ids))
        for start in range(0, len(wanted), _AT_ONCE):
            for row in self.database.all(pieces.where(own.c.id.in_(wanted[start : start + _AT_ONCE]))):
                (searchable if row.kind in SEARCHABLE else others).add(row.id)
        return searchable.difference(wanted), others.difference(wanted)

    def segments_before(self, time: float, camera: str | None = None) -> NDArray[np.int64]:
        """Ids `(n,)` of all pieces of tracks that ended before a time, UTC seconds, or of one camera's."""
        # Sorted here: to have them in order, SQLite reads the table, and not the index, a thirtieth of it.
        wanted = select(segments.c.id).where(segments.c.end < time)
        if camera is not None:
            wanted = wanted.join_from(segments, cameras).where(cameras.c.name == camera)
        return np.sort(self.database.ids(wanted))

    def interrupted_before(self, time: float, camera: str | None = None) -> list[FootageRecord]:
        """Footage whose ingest was interrupted, or goes on, at a moment before a time, UTC seconds, or one camera's."""
        return [
            record
            for record in self.footage(camera)
            if record.status == "running" and record.start + record.seconds < time
        ]

    def erase(
        self,
        ids: Collection[int],
        entry: AuditEntry,
        *,
        anew: Collection[FootageRecord] = (),
        progress: Progress = unheard,
    ) -> erasure.Erased:
        """Erases segments for good, with all that derives from them, and notes who did it. See `app.record.erasure`.

        anew: interrupted footage of which nothing is kept, whose camera's lease the caller holds. Recordings of live
        cameras come first: where this dies, rows still have the times. Raises StorageError where bytes are left.
        """
        recordings = cut_from_recordings(self.database, self.path, sorted(ids))
        stale = {record.id: None for record in anew}
        also = partial(start_anew, self.database, stale) if stale else None
        remove_live_pictures(self.path)
        erased = erasure.erase(self.database, self.path, ids, entry, also=also, progress=progress)
        erased.recordings = recordings
        return erased


def _camera_id(name: str) -> ColumnElement[int]:
    return select(cameras.c.id).where(cameras.c.name == name).scalar_subquery()


def _with_untracked(boxes: BoxCounts, detections: int) -> BoxCounts:
    """With those of a camera's detections that are in none of its pieces of tracks."""
    return replace(boxes, untracked=detections - sum(astuple(boxes)))
