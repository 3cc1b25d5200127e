"""How segments leave a site for good: their rows, the bytes of their crops, and all that derives from them.

The rows go first, in short transactions that also write down what of them may still be on the disk. Then those bytes
go, and last the note of them. A process that dies in between leaves the note, and whoever opens the site to write next
goes on there. While rows and derived bytes go, nobody else writes derived files: that is what the lease is for.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection
from itertools import groupby
from pathlib import Path

import numpy as np
from sqlalchemy import ColumnElement, delete, func, select

from app.asking import Progress, unheard
from app.errors import Busy, StorageError, no_more
from app.record import leases
from app.record.audit import add_entry
from app.record.checksums import insert_rows, is_sound, update_row
from app.record.database import Database, Values
from app.record.embeddings import Embeddings
from app.record.private_files import wipe
from app.record.rows import AuditEntry
from app.record.schema import cameras, cannot_link, corrections, crops, erasures, footage, members, segments, splits
from app.record.shards import crop_folder, overwrite, shards_of

log = logging.getLogger("sightline")

PLAN = "plan.json"  # in the folder of an adaptation: says, among others, which tracklets it learns from
_AT_ONCE = 1000  # segments in a transaction: others write before the next
_PAUSE = 0.05  # s in which they do


def erase(
    database: Database,
    folder: Path,
    ids: Collection[int],
    entry: AuditEntry | None,
    *,
    also: Callable[[], None] | None = None,
    progress: Progress = unheard,
) -> list[str]:
    """Erases segments, and writes into the audit who did.

    Rows of many leave in several transactions, the first of which writes into the audit. After a death in between the
    same command erases the rest.

    entry: None where nobody is in them. also: runs in the transaction that removes the rows, which then is only one.

    Returns what may still hold their bytes and can't be reached from here, a sentence each. Raises StorageError where
    bytes are left that the same command, run again, can remove. Raises Busy where others write derived files all the
    time.
    """
    with database.lease(leases.ERASING):
        _finish(database, folder)
        leaving = sorted(int(segment) for segment in ids)
        batches = [leaving[start : start + _AT_ONCE] for start in range(0, len(leaving), _AT_ONCE)]
        if also is not None:
            notes = [(batch, _notes(database, batch)) for batch in batches]
            with database.transaction():
                for batch, ranges in notes:
                    _move_to_notes(database, batch, ranges)
                also()
                if entry is not None:
                    add_entry(database, entry)
        else:
            for k, batch in enumerate(batches or [[]]):
                ranges = _notes(database, batch)
                time.sleep(_PAUSE if k else 0)
                with database.transaction():
                    _move_to_notes(database, batch, ranges)
                    if entry is not None and k == 0:
                        add_entry(database, entry)
                progress("rows erased", k * _AT_ONCE + len(batch), len(leaving))
        return _finish(database, folder, progress)


def finish_what_was_left(database: Database, folder: Path) -> set[int]:
    """Goes on where a process died that erased, and returns whom it erased. One that still erases is left alone."""
    left = pending(database)
    if left:
        try:
            with database.lease(leases.Lease(leases.ERASING.name, leases.ERASING.work)):
                _finish(database, folder)
        except Busy:
            pass
        except StorageError as error:
            log.warning("%s", error)
    return left


def pending(database: Database) -> set[int]:
    """Segments whose rows are gone, and of whose bytes some may still be there."""
    return {row[0] for row in database.all(select(erasures.c.tracklet_id).distinct())}


def _notes(database: Database, ids: list[int]) -> list[Values]:
    """Rows of `erasures` for segments: where the bytes of each lie. What lies side by side is one row.

    What is committed of a segment never changes, so this needs no transaction.
    """
    pieces = database.all(select(segments.c.id, segments.c.camera_id, segments.c.footage_id).where(_is_in(ids)))
    pictures: dict[int, list[tuple[int, int, int]]] = {}
    ranges = select(crops.c.tracklet_id, crops.c.shard, crops.c.offset, crops.c.length)
    for row in database.all(ranges.where(crops.c.tracklet_id.in_(ids))):
        pictures.setdefault(row[0], []).append((row[1], row[2], row[3]))
    notes = []
    for segment, camera, film in pieces:
        joined: list[list[int]] = []
        for shard, offset, length in sorted(pictures.get(segment, ())):
            if joined and joined[-1][0] == shard and sum(joined[-1][1:]) == offset:
                joined[-1][2] += length
            else:
                joined.append([shard, offset, length])
        for shard, offset, length in joined or [[0, 0, 0]]:  # also of those that have no crops
            owner = {"tracklet_id": segment, "camera_id": camera, "footage_id": film}
            notes.append(owner | {"shard": shard, "offset": offset, "length": length})
    return notes


def _is_in(ids: list[int]) -> ColumnElement[bool]:
    return segments.c.id.in_(ids)


def _move_to_notes(database: Database, ids: list[int], notes: list[Values]) -> None:
    """Removes the rows of segments, and writes down where their bytes are."""
    last = (segments.c.camera_id, func.max(segments.c.track), func.max(segments.c.number))
    for camera_id, track, number in database.all(select(*last).where(_is_in(ids)).group_by(segments.c.camera_id)):
        camera = database.first(select(cameras).where(cameras.c.id == camera_id))
        if camera is not None and (camera.last_track < track or camera.last_segment < number):
            highest = {"last_track": max(camera.last_track, track), "last_segment": max(camera.last_segment, number)}
            update_row(database, cameras, camera_id, highest)
    insert_rows(database, erasures, notes)
    remove_rows(database, ids)


def remove_rows(database: Database, ids: list[int]) -> None:
    """Removes all rows of segments, in the caller's transaction."""
    for table in (cannot_link, corrections):
        for column in (table.c.a, table.c.b):
            database.execute(delete(table).where(column.in_(ids)))
    for table in (members, splits, crops):
        database.execute(delete(table).where(table.c.tracklet_id.in_(ids)))
    database.execute(delete(segments).where(_is_in(ids)))


def _finish(database: Database, folder: Path, progress: Progress = unheard) -> list[str]:
    """Removes the bytes of those whose rows are gone. It does the same again and again, until it is done."""
    order = (erasures.c.camera_id, erasures.c.footage_id, erasures.c.shard, erasures.c.offset)
    pending_ranges = database.all(select(erasures).order_by(*order))
    if not pending_ranges:
        return []
    if not all(is_sound(erasures, row._mapping) for row in pending_ranges):
        raise StorageError(
            f"The record of the site at {folder} is damaged (what is still to be erased): "
            f"`python -m app.site --repair --site {folder}` first."
        )
    gone = np.unique(np.array([row.tracklet_id for row in pending_ranges], np.int64))
    anew = {row[0] for row in database.all(select(footage.c.id).where(footage.c.status == "new"))}
    try:
        done = 0
        for (camera, film, shard), rows in groupby(pending_ranges, key=lambda row: (row[1], row[2], row[3])):
            ranges = [(row.offset, row.length) for row in rows]
            overwrite(crop_folder(folder, camera), film, shard, ranges)
            done += len(ranges)
            progress("pictures erased", done, len(pending_ranges))
        for (camera, film), _ in groupby(pending_ranges, key=lambda row: (row[1], row[2])):
            if film in anew:
                for path in shards_of(crop_folder(folder, camera), film):
                    wipe(path)
        for store in sorted((folder / "embeddings").glob("*")):
            Embeddings(store).remove(gone)
        for run in sorted((folder / "adapt").glob("*")):
            if run.is_dir() and _learns_from(run, set(gone.tolist())):
                wipe(run)
    except OSError as error:
        raise no_more(folder, error.strerror or str(error)) from error
    left = database.forget_deleted()
    with database.transaction():
        database.execute(delete(erasures))
    if not database.postgres:
        database.forget_deleted()  # the note itself
    return left


def _learns_from(run: Path, ids: set[int]) -> bool:
    """Whether an adaptation under way, or one that was killed, has pictures of some tracklets. If in doubt, it has."""
    try:
        return not ids.isdisjoint(json.loads((run / PLAN).read_text(encoding="utf-8"))["learn"])
    except (OSError, ValueError, KeyError, TypeError):
        return True
