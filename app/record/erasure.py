"""How segments leave a site for good: their rows, the bytes of their crops, and all that derives from them.

The rows go first, in short transactions that also write down what of them may still be on the disk. Then those bytes
go. A look at all that had them follows, and last the note of them goes. A process that dies in between leaves the note,
and whoever opens the site to write next goes on there. While rows and derived bytes go, nobody else writes derived
files: that is what the lease is for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, delete, func, null, select

from app.asking import Progress, unheard
from app.errors import Busy, SiteError, StorageError, no_more
from app.record import leases
from app.record.adaptations import Adaptations
from app.record.audit import add_entry
from app.record.checkpoint import UNREADABLE, without_tracks
from app.record.checksums import crc32, insert_rows, is_sound, update_row
from app.record.database import FILE as DATABASE
from app.record.database import Database, Values
from app.record.embeddings import Embeddings, embedded_models, embeddings_of
from app.record.looking import patterns_in
from app.record.pictures import pictures_of
from app.record.places import shown
from app.record.rows import AuditEntry
from app.record.schema import (
    cameras,
    cannot_link,
    case_items,
    corrections,
    crops,
    erasures,
    footage,
    members,
    searches,
    segments,
    splits,
)
from app.record.shards import Shard
from app.record.vectors import DRAWN, Vectors

log = logging.getLogger("sightline")

_AT_ONCE = 1000  # segments in a transaction: others write before the next
_PAUSE = 0.05  # s in which they do
_LOOKS, _BETWEEN = 4, 1.0  # how often it is looked, and s between: a live camera commits meanwhile
_BEGIN, _LEAST = 48, 24  # bytes of packed boxes that are looked for, and fewer say nothing
_NAMING = (  # columns that name a segment
    *(segments.c.id, crops.c.tracklet_id, members.c.tracklet_id, splits.c.tracklet_id),
    *(cannot_link.c.a, cannot_link.c.b, corrections.c.a, corrections.c.b),
    *(case_items.c.tracklet_id, searches.c.tracklet_id),
)


@dataclass(slots=True)
class Erased:
    """What left a site, and what a look afterwards found of it."""

    crops: int = 0
    crop_bytes: int = 0
    boxes: int = 0
    embeddings: int = 0
    adaptations: int = 0  # that were under way: they begin anew
    open_tracks: int = 0  # that interrupted footage had in sight, and has no more
    recordings: int = 0  # pieces of live cameras' film that lost the seconds in which they were in sight
    left: list[str] = field(default_factory=list)  # what can't be reached from here and may have bytes, a sentence each
    looked: list[str] = field(default_factory=list)  # where it was looked for
    found: list[str] = field(default_factory=list)  # what is still there, a sentence each


@dataclass(slots=True)
class _Leaving:
    """Segments that are about to leave."""

    notes: list[Values] = field(default_factory=list)  # rows of `erasures`
    crops: int = 0
    crop_bytes: int = 0
    boxes: int = 0
    packed: list[bytes] = field(default_factory=list)  # how the boxes of each begin, as SQLite stores them
    tracks: dict[int, set[int]] = field(default_factory=dict)  # by camera


def erase(
    database: Database,
    folder: Path,
    ids: Collection[int],
    entry: AuditEntry | None,
    *,
    also: Callable[[], None] | None = None,
    progress: Progress = unheard,
) -> Erased:
    """Erases segments, writes into the audit who did, and looks whether they are gone.

    Rows of many leave in several transactions, the first of which writes into the audit. After a death in between the
    same command erases the rest.

    entry: None where nobody is in them. also: runs in the transaction that removes the rows, which then is only one.

    Where something is found afterwards, what is pending stays: whoever opens the site to write next erases it again.
    Raises StorageError where bytes are left that the same command, run again, can remove. Raises Busy where others
    write derived files all the time.
    """
    with database.lease(leases.ERASING):
        _finish(database, folder)
        leaving = sorted(int(segment) for segment in ids)
        batches = [leaving[start : start + _AT_ONCE] for start in range(0, len(leaving), _AT_ONCE)]
        erased, packed = Erased(), list[bytes]()
        if also is not None:
            parts = [(batch, _read(database, batch)) for batch in batches]
            with database.transaction():
                for batch, part in parts:
                    _move_to_notes(database, batch, part, erased)
                also()
                if entry is not None:
                    add_entry(database, entry)
            packed = [start for _, part in parts for start in part.packed]
        else:
            for k, batch in enumerate(batches or [[]]):
                part = _read(database, batch)
                time.sleep(_PAUSE if k else 0)
                with database.transaction():
                    _move_to_notes(database, batch, part, erased)
                    if entry is not None and k == 0:
                        add_entry(database, entry)
                packed += part.packed
                progress("rows erased", k * _AT_ONCE + len(batch), len(leaving))
        return _finish(database, folder, erased, packed, progress)


def finish_what_was_left(database: Database, folder: Path) -> set[int]:
    """Goes on where a process died that erased, and returns whom it erased. One that still erases is left alone."""
    left = pending(database)
    if left:
        try:
            with database.lease(leases.Lease(leases.ERASING.name, leases.ERASING.work)):
                for sentence in _finish(database, folder).found:
                    log.warning("Who was erased is still there: %s", sentence)
        except Busy:
            pass
        except StorageError as error:
            log.warning("%s", error)
    return left


def pending(database: Database) -> set[int]:
    """Segments whose rows are gone, and of whose bytes some may still be there."""
    return {row[0] for row in database.all(select(erasures.c.tracklet_id).distinct())}


def _read(database: Database, ids: list[int]) -> _Leaving:
    """What there is of segments, and where the bytes of each lie. What lies side by side is one row.

    What is committed of a segment never changes, so this needs no transaction.
    """
    leaving = _Leaving()
    columns = [segments.c[name] for name in ("id", "camera_id", "footage_id", "track", "length")]
    begin = null() if database.postgres else func.substr(segments.c.boxes, 1, _BEGIN)  # whose files are out of reach
    pieces = database.all(select(*columns, begin.label("packed")).where(_is_in(ids)))
    pictures: dict[int, list[tuple[int, int, int]]] = {}
    ranges = select(crops.c.tracklet_id, crops.c.shard, crops.c.offset, crops.c.length)
    for row in database.all(ranges.where(crops.c.tracklet_id.in_(ids))):
        pictures.setdefault(row[0], []).append((row[1], row[2], row[3]))
        leaving.crops += 1
        leaving.crop_bytes += row[3]
    for row in pieces:
        leaving.boxes += row.length
        leaving.tracks.setdefault(row.camera_id, set()).add(row.track)
        if row.packed is not None and len(row.packed) >= _LEAST:
            leaving.packed.append(row.packed)
        joined: list[list[int]] = []
        for shard, offset, length in sorted(pictures.get(row.id, ())):
            if joined and joined[-1][0] == shard and sum(joined[-1][1:]) == offset:
                joined[-1][2] += length
            else:
                joined.append([shard, offset, length])
        for shard, offset, length in joined or [[0, 0, 0]]:  # also of those that have no crops
            owner = {"tracklet_id": row.id, "camera_id": row.camera_id, "footage_id": row.footage_id}
            leaving.notes.append(owner | {"shard": shard, "offset": offset, "length": length})
    return leaving


def _is_in(ids: list[int]) -> ColumnElement[bool]:
    return segments.c.id.in_(ids)


def _move_to_notes(database: Database, ids: list[int], leaving: _Leaving, erased: Erased) -> None:
    """Removes the rows of segments, and writes down where their bytes are."""
    last = (segments.c.camera_id, func.max(segments.c.track), func.max(segments.c.number))
    for camera_id, track, number in database.all(select(*last).where(_is_in(ids)).group_by(segments.c.camera_id)):
        camera = database.first(select(cameras).where(cameras.c.id == camera_id))
        if camera is not None and (camera.last_track < track or camera.last_segment < number):
            highest = {"last_track": max(camera.last_track, track), "last_segment": max(camera.last_segment, number)}
            update_row(database, cameras, camera_id, highest)
    erased.open_tracks += _drop_from_checkpoints(database, leaving.tracks)
    insert_rows(database, erasures, leaving.notes)
    erased.embeddings += remove_rows(database, ids)
    erased.crops += leaving.crops
    erased.crop_bytes += leaving.crop_bytes
    erased.boxes += leaving.boxes


def _drop_from_checkpoints(database: Database, tracks: dict[int, set[int]]) -> int:
    """Interrupted footage has the last boxes, and perhaps pictures, of who was in sight. Returns how many lose theirs.

    So has a camera's last footage that ended, for that which follows.

    One that goes on just now writes its next checkpoint long after who left was seen.
    """
    dropped = 0
    names = ("id", "camera_id", "name", "status", "settings", "first_track", "checkpoint")
    columns = [footage.c[name] for name in names]
    kept = select(*columns).where(footage.c.checkpoint.is_not(None), footage.c.camera_id.in_(tracks))
    for row in database.all(kept):
        try:
            tracker = database.json(row.settings, "footage")["tracker"]
            rest, count = without_tracks(row.checkpoint, tracker, row.first_track, tracks[row.camera_id])
        except (*UNREADABLE, SiteError):  # whom it shows nobody can say, and nobody can go on from it
            if row.status == "done":  # tracks end with it, then
                update_row(database, footage, row.id, {"checkpoint": None, "checkpoint_crc32": crc32(None)})
                continue
            log.warning("How far %s was taken in can't be read: ingest it again with --replace", row.name)
            update_row(database, footage, row.id, {"checkpoint": b"", "checkpoint_crc32": crc32(b"damaged")})
            continue
        if count:
            update_row(database, footage, row.id, {"checkpoint": rest, "checkpoint_crc32": crc32(rest)})
        dropped += count
    return dropped


def remove_rows(database: Database, ids: list[int]) -> int:
    """Removes all rows of segments, in the caller's transaction. Returns how many embeddings of theirs were rows."""
    embeddings = _remove_vectors(database, ids) if database.postgres else 0
    for table in (cannot_link, corrections):
        for column in (table.c.a, table.c.b):
            database.execute(delete(table).where(column.in_(ids)))
    for table in (members, splits, crops, case_items, searches):
        database.execute(delete(table).where(table.c.tracklet_id.in_(ids)))
    database.execute(delete(segments).where(_is_in(ids)))
    return embeddings


def _remove_vectors(database: Database, ids: list[int]) -> int:
    """Removes vectors of segments. Who shared an identity with one has something of theirs, and is drawn anew."""
    vectors = Vectors(database)
    met, mate = members.alias(), members.alias()
    mates = (
        select(mate.c.tracklet_id)
        .distinct()
        .join_from(met, mate, (mate.c.merge_id == met.c.merge_id) & (mate.c.identity == met.c.identity))
    )
    drawn_to = database.ids(mates.where(met.c.tracklet_id.in_(ids))).tolist()
    spaces = vectors.spaces()
    vectors.remove(drawn_to, [space for space in spaces if space.kind == DRAWN])
    return vectors.remove(ids, spaces)


def _finish(
    database: Database,
    folder: Path,
    erased: Erased | None = None,
    packed: Collection[bytes] = (),
    progress: Progress = unheard,
) -> Erased:
    """Removes the bytes of those whose rows are gone. It does the same again and again, until it is done.

    erased: what is known of them by now. packed: how their boxes began.
    """
    again = erased is None  # nobody knows any more what to look for
    erased = Erased() if erased is None else erased
    order = (erasures.c.camera_id, erasures.c.footage_id, erasures.c.shard, erasures.c.offset)
    pending_ranges = database.all(select(erasures).order_by(*order))
    if not pending_ranges:
        return erased
    if not all(is_sound(erasures, row._mapping) for row in pending_ranges):
        raise StorageError(
            f"The record of the site at {folder} is damaged (what is still to be erased): "
            f"`python -m app.site --repair --site {folder}` first."
        )
    gone = np.unique(np.array([row.tracklet_id for row in pending_ranges], np.int64))
    films = {row.footage_id: row.camera_id for row in pending_ranges}
    ranges = {
        Shard(*shard): [(row.offset, row.length) for row in rows]
        for shard, rows in groupby(pending_ranges, key=lambda row: (row.camera_id, row.footage_id, row.shard))
    }
    anew = {row[0] for row in database.all(select(footage.c.id).where(footage.c.status == "new"))}
    try:
        done = 0
        pictures = pictures_of(database)
        for shard, lying in ranges.items():
            pictures.overwrite(shard, lying)
            done += len(lying)
            progress("pictures erased", done, len(pending_ranges))
        for film in films.keys() & anew:
            pictures.remove(Shard(films[film], film, number) for number in pictures.sizes(films[film], film))
        for store in _stores(database):
            erased.embeddings += store.remove(gone, films)
        adaptations = Adaptations(database)
        for name in adaptations.of(gone.tolist()):
            adaptations.drop(name)
            erased.adaptations += 1
    except OSError as error:
        raise no_more(folder, error.strerror or str(error)) from error
    for number in range(_LOOKS):
        time.sleep(_BETWEEN if number else 0)
        erased.left = database.forget_deleted(anew=number > 0 or again)
        erased.left += pictures.unreached() + _left_by_moves(database)
        _look(database, folder, erased, gone, films, ranges, packed)
        if not erased.found:
            break
    else:
        return erased
    with database.transaction():
        database.execute(delete(erasures))
    if not database.postgres:
        database.forget_deleted()  # the note itself
    return erased


def _look(
    database: Database,
    folder: Path,
    erased: Erased,
    gone: NDArray[np.int64],
    films: Mapping[int, int],
    ranges: Mapping[Shard, list[tuple[int, int]]],
    packed: Collection[bytes],
) -> None:
    """Looks at all places that had something of who is gone. It reads what they had, and the record's file once."""
    looked, found = [], []
    rows = 0
    for start in range(0, len(gone), _AT_ONCE):
        some = gone[start : start + _AT_ONCE].tolist()
        for column in _NAMING:
            row = database.first(select(func.count()).where(column.in_(some)))
            rows += 0 if row is None else row[0]
        rows += Vectors(database).count(some) if database.postgres else 0
    looked.append("the record's rows" + " (the server's files are out of reach)" * database.postgres)
    if rows:
        found.append(f"the record has {rows:,} rows of theirs")
    try:
        pictures = pictures_of(database)
        there = {film: pictures.sizes(camera, film) for film, camera in films.items()}
        shards = {shard: lying for shard, lying in ranges.items() if shard.number in there[shard.footage]}
        looked.append(f"{len(shards):,} shards of crops")
        for shard, lying in shards.items():
            if count := pictures.bytes_left(shard, lying):
                found.append(f"{pictures.where(shard)} has {count:,} bytes of their crops")
        stores = [] if database.postgres else _stores(database)  # there they are rows
        stored = [(store, film) for store in stores for film in films.keys() & set(store.files())]
        looked += [] if database.postgres else [f"{len(stored):,} files of embeddings"]
        for store, film in stored:
            ids = store.check(film)
            if ids is not None and (count := int(np.isin(ids, gone).sum())):
                found.append(f"{store.where(film)} has {count:,} embeddings of theirs")
        looked.append("adaptations under way")
        adaptations = Adaptations(database)
        found += [f"{adaptations.run(name)} learns from them" for name in adaptations.of(gone.tolist())]
        if not database.postgres and packed:
            files = [folder / name for name in (DATABASE, f"{DATABASE}-wal")]
            looked.append(f"{DATABASE} and its log for the boxes of {len(packed):,} pieces")
            for path in files:
                begun = patterns_in(path, packed)
                if count := len(begun - _of_others(database, begun)):
                    found.append(f"{path} has boxes of {count:,} pieces of theirs")
    except OSError as error:
        found.append(f"{error.filename or folder} can't be read ({error.strerror}), so nobody knows what it has")
    erased.looked, erased.found = looked, found


def _left_by_moves(database: Database) -> list[str]:
    """A sentence for each place that a move of the site left as it was."""
    return [
        f"a move left the site's {'record' if part == 'record' else 'pictures'}, as they were then, at {shown(place)}: "
        f"`python -m app.site move {database.folder} --remove-left` removes them"
        for part, place in database.places.left.items()
    ]


def _of_others(database: Database, packed: set[bytes]) -> set[bytes]:
    """Those that boxes of segments which stay begin with, too."""
    if not packed:
        return set()
    begin = func.substr(segments.c.boxes, 1, _BEGIN)
    return {row[0] for row in database.all(select(begin).where(begin.in_(packed)))}


def _stores(database: Database) -> list[Embeddings]:
    """Embeddings of each model."""
    return [embeddings_of(database, model) for model in embedded_models(database)]
