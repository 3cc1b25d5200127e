"""How segments leave a site for good: their rows, the bytes of their crops, and all that derives from them.

The rows go first, in one transaction that also writes down what of them may still be on the disk. Then those bytes go,
and last the note of them. A process that dies in between leaves the note, and whoever opens the site to write next
goes on there. While rows and derived bytes go, nobody else writes derived files: that is what the lease is for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from itertools import groupby
from pathlib import Path

import numpy as np
from sqlalchemy import delete, func, insert, literal, or_, select, update

from app.asking import Progress, unheard
from app.errors import Busy, StorageError
from app.record import leases
from app.record.audit import add_entry
from app.record.database import Database, no_more
from app.record.embeddings import Embeddings
from app.record.private_files import wipe
from app.record.rows import AuditEntry
from app.record.schema import cameras, cannot_link, corrections, crops, erasures, footage, members, segments, splits
from app.record.shards import crop_folder, overwrite, shards_of

log = logging.getLogger("sightline")

PLAN = "plan.json"  # in the folder of an adaptation: says, among others, which tracklets it learns from
_AT_ONCE = 10_000  # ids in a statement


def erase(
    database: Database,
    folder: Path,
    ids: Collection[int],
    entry: AuditEntry | None,
    *,
    also: Callable[[], None],
    progress: Progress = unheard,
) -> list[str]:
    """Erases segments, and writes into the audit who did.

    entry: None where nobody is in them. `also` runs in the transaction that removes their rows.

    Returns what may still hold their bytes and can't be reached from here, a sentence each. Raises StorageError where
    bytes are left that the same command, run again, can remove. Raises Busy where others write derived files all the
    time.
    """
    with database.lease(leases.ERASING):
        _finish(database, folder)
        with database.transaction():
            _remove_rows(database, [int(segment) for segment in ids])
            also()
            if entry is not None:
                add_entry(database, entry)
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


def _remove_rows(database: Database, ids: list[int]) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        leaving = segments.c.id.in_(some)
        for row in database.all(
            select(segments.c.camera_id, func.max(segments.c.track), func.max(segments.c.number))
            .where(leaving)
            .group_by(segments.c.camera_id)
        ):
            for column, number in ((cameras.c.last_track, row[1]), (cameras.c.last_segment, row[2])):
                higher = update(cameras).where(cameras.c.id == row[0], column < number)
                database.execute(higher.values({column.name: number}))
        owner_columns = (segments.c.id, segments.c.camera_id, segments.c.footage_id)
        columns = [column.name for column in erasures.c]
        pieces = select(*owner_columns, *(literal(0).label(name) for name in columns[3:])).where(leaving)
        database.execute(insert(erasures).from_select(columns, pieces))  # also of those that have no crops
        pictures = select(*owner_columns, crops.c.shard, crops.c.offset, crops.c.length).join_from(crops, segments)
        database.execute(insert(erasures).from_select(columns, pictures.where(leaving)))
        for table in (cannot_link, corrections):
            database.execute(delete(table).where(or_(table.c.a.in_(some), table.c.b.in_(some))))
        for table in (members, splits, crops):
            database.execute(delete(table).where(table.c.tracklet_id.in_(some)))
        database.execute(delete(segments).where(leaving))


def _finish(database: Database, folder: Path, progress: Progress = unheard) -> list[str]:
    """Removes the bytes of those whose rows are gone. It does the same again and again, until it is done."""
    order = (erasures.c.camera_id, erasures.c.footage_id, erasures.c.shard, erasures.c.offset)
    pending_ranges = database.all(select(erasures).order_by(*order))
    if not pending_ranges:
        return []
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
