"""A site's rows, pictures and models are copied to another place, and what arrived is compared with what was sent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from sqlalchemy import Table, insert, select

from app.asking import Progress, unheard
from app.errors import SiteError, StorageError
from app.record.checksums import COLUMN, insert_rows, is_sound, pages
from app.record.database import Database
from app.record.model_files import ONNX, WEIGHTS, digest
from app.record.model_store import ModelStore
from app.record.pictures import Pictures, lost_bytes
from app.record.schema import audit, cameras, footage, metadata, models
from app.record.shards import Shard

log = logging.getLogger("sightline")

VERIFY = "`python -m app.site --verify` tells what to do"


def copy_rows(old: Database, new: Database, progress: Progress = unheard) -> int:
    """Makes a record anew, with all rows of another, in transactions of both. Returns how many there are.

    Raises SiteError where a row is damaged, or did not arrive as it was sent.
    """
    new.make_anew()
    count = 0
    for table in metadata.sorted_tables:
        for rows in _pages(old, table):
            if COLUMN in table.columns and not all(is_sound(table, row) for row in rows):
                raise SiteError(f"The site at {old.folder} has damaged rows of {table.name}, and stays: {VERIFY}.")
            if COLUMN in table.columns:
                insert_rows(new, table, [dict(row) for row in rows])
            else:
                new.execute(insert(table), rows)
            count += len(rows)
            progress("rows copied", count)
    for table in metadata.sorted_tables:
        if any(sent != came for sent, came in zip_longest(_in_order(old, table), _in_order(new, table))):
            raise StorageError(f"Rows of {table.name} did not arrive at the new place as they were sent: try again.")
        progress("rows compared", count)
    return count


def _pages(database: Database, table: Table) -> Iterator[list[dict[str, Any]]]:
    for rows in pages(table, database.all):
        if rows:
            yield [dict(row._mapping) for row in rows]


def _in_order(database: Database, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """All rows, some at once. Those of a table without a key come as a whole, sorted."""
    for rows in pages(table, database.all):
        plain = [tuple(row) for row in rows]
        yield plain if table.primary_key.columns else sorted(plain, key=repr)


def is_older_copy(new: Database, old: Database) -> bool:
    """Whether a record is empty, or has nothing but what another one had before: its audit is how that one's begins.

    So it is what a move left, or did not finish.
    """
    if not new.is_begun():
        return True
    last = new.first(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1))
    if last is None:
        return new.first(select(cameras.c.id).limit(1)) is None
    same = old.first(select(audit.c.hash).where(audit.c.id == last.id))
    return same is not None and same.hash == last.hash


def first_hash(database: Database) -> str:
    """The hash of the audit's first row, by which a store knows whose pictures it has. Empty where there is none."""
    row = database.first(select(audit.c.hash).order_by(audit.c.id).limit(1))
    return "" if row is None else str(row.hash)


@dataclass(slots=True)
class CopiedPictures:
    """Which shards are at the new place."""

    ends: dict[int, tuple[int, int]] = field(default_factory=dict)  # footage → where its shards ended then
    sizes: dict[Shard, int] = field(default_factory=dict)  # in bytes


def copy_pictures(
    database: Database, old: Pictures, new: Pictures, copied: CopiedPictures, progress: Progress = unheard
) -> None:
    """Brings shards that a record names to another place, byte by byte. Adds them to what was copied before.

    What is there already, and the same, is not written again. Raises SiteError where a shard is shorter than the record
    says, StorageError where one did not arrive as it was sent.
    """
    total = sum(copied.sizes.values())
    for row in database.all(select(footage).order_by(footage.c.id)):
        if copied.ends.get(row.id) == (row.shard, row.shard_bytes):
            continue
        if lost := lost_bytes(database, row):
            last = old.where(Shard(row.camera_id, row.id, row.shard))
            raise SiteError(f"{last} lacks {lost:,} of {row.shard_bytes:,} bytes: {VERIFY}.")
        sizes, there = (pictures.sizes(row.camera_id, row.id) for pictures in (old, new))
        for number, size in sizes.items():
            length = row.shard_bytes if number == row.shard else size
            if number > row.shard or not length:
                continue  # of a writer that died
            shard = Shard(row.camera_id, row.id, number)
            (data,) = old.read(shard, [(0, length)]) or (b"",)
            if there.get(number) != length or not _holds(new, shard, data):
                new.remove([shard])  # what is there may show who was erased since
                new.put(shard, data)
                if not _holds(new, shard, data):
                    raise StorageError(f"{new.where(shard)} is not what was sent: run the same command again.")
            copied.sizes[shard] = length
            total += length
            progress("bytes of pictures copied", total)
        copied.ends[row.id] = row.shard, row.shard_bytes


def remove_others(pictures: Pictures, copied: CopiedPictures) -> None:
    """Removes what an earlier copy left of who was erased since."""
    pictures.remove(shard for shard in pictures.all_shards() if shard not in copied.sizes)


def _holds(pictures: Pictures, shard: Shard, data: bytes) -> bool:
    return pictures.read(shard, [(0, len(data) + 1)]) == [data]


def copy_models(
    database: Database, old: ModelStore, new: ModelStore, copied: set[tuple[str, str]], progress: Progress = unheard
) -> None:
    """Brings the files of all versions to another place, and compares. Adds to `copied` versions and digests.

    A file that is lost or damaged stays so, which is told. Raises OSError or StorageError where one does not arrive.
    """
    columns = (models.c.name, models.c.sha256, models.c.weights_sha256)
    for name, onnx, weights in database.all(select(*columns).order_by(models.c.id)):
        for file, sha256 in ((ONNX, onnx), (WEIGHTS, weights)):
            if sha256 is None or (name, sha256) in copied:
                continue
            path = old.path(name, file, sha256)
            if not path.is_file() or digest(path) != sha256:
                log.warning("%s is lost, and does not move: %s", old.where(name, file, sha256), VERIFY)
                continue
            if new.is_elsewhere:
                new.put(name, file, sha256)
            copied.add((name, sha256))
            progress("files of models copied", len(copied))
