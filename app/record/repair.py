"""What is lost leaves a site's record, so that all that is left is sound.

Rows of cameras, footage and models are never dropped. They are taken as they now are, which is said. Bytes that no row
names any more are overwritten, as they may show somebody.
"""

from __future__ import annotations

import json
import re
import time

import numpy as np
from sqlalchemy import Table, delete, select, update

from app.errors import SiteError
from app.record import leases
from app.record.audit import add_entry
from app.record.checksums import COLUMN, checksum, crc32, is_sound, update_row
from app.record.database import Database
from app.record.embeddings import embedded_models, embeddings_of
from app.record.erasure import remove_rows
from app.record.pictures import lost_bytes, pictures_of
from app.record.rows import AuditEntry
from app.record.schema import (
    api_keys,
    areas,
    camera_clocks,
    cameras,
    cannot_link,
    case_items,
    cases,
    corrections,
    crops,
    footage,
    live_cameras,
    members,
    merges,
    models,
    outages,
    searches,
    segments,
    splits,
    users,
)
from app.record.shards import Shard
from app.record.site import Site
from app.record.verify import BACKUP, NUMBER, Damage, beyond_the_database, unnamed

_KEPT = (cameras, footage, models)
_JSON = {"settings": None, "problems": "[]", "mask": "[]", "summary": "{}", "calibration": None}  # in place of broken
_OF_ROWS = re.compile(r"row .* missing from index|wrong # of entries|non-unique entry|\S+ value in |row not in PRIMARY")
_PARTS = {merges: members.c.merge_id, cases: case_items.c.case_id, users: api_keys.c.user_id}  # leave with their rows
_NAMING = (  # columns that name rows of another table
    (cannot_link.c.a, segments),
    (cannot_link.c.b, segments),
    (corrections.c.a, segments),
    (corrections.c.b, segments),
    (crops.c.tracklet_id, segments),
    (members.c.tracklet_id, segments),
    (splits.c.tracklet_id, segments),
    (members.c.merge_id, merges),
    (case_items.c.tracklet_id, segments),
    (searches.c.tracklet_id, segments),
    (areas.c.camera_id, cameras),
    (outages.c.camera_id, cameras),
    (live_cameras.c.id, cameras),
    (camera_clocks.c.camera_id, cameras),
    (case_items.c.case_id, cases),
    (api_keys.c.user_id, users),
)


def repair(site: Site, *, who: str) -> list[str]:
    """Drops what is lost, and notes who did. Returns a sentence for each thing that was done.

    Raises SiteError where the record is damaged in a way that only a backup helps.
    """
    database = site.database
    with database.lease(leases.ERASING):
        done = _made_consistent(database)
        damages = [each for each in beyond_the_database(site) if each.table is not None]
        with database.transaction():
            done += [sentence for each in damages if (sentence := _settled(database, each))]
            done += _without_crops(database, damages)
            if done:
                add_entry(database, AuditEntry(time.time(), who, "repair", {"done": done}))
        done += _of_shards(site)
        done += _of_embeddings(site)
        if wrong := _integrity(database):
            raise SiteError(f"The record of the site at {site.path} can't be repaired ({wrong[0]}): {BACKUP}.")
    return done


def _integrity(database: Database) -> list[str]:
    return (
        [] if database.postgres else [str(row[0]) for row in database.run("PRAGMA integrity_check") if row[0] != "ok"]
    )


def _made_consistent(database: Database) -> list[str]:
    """Makes SQLite's indexes anew, and drops rows that name what is not there."""
    wrong = _integrity(database)
    if not all(_OF_ROWS.match(sentence) for sentence in wrong):
        raise SiteError(f"The record of the site at {database.folder} can't be repaired ({wrong[0]}): {BACKUP}.")
    done = []
    if wrong:
        database.run("REINDEX")
        done.append("the record: its indexes were made anew")
    if not database.postgres and database.run("PRAGMA foreign_key_check"):
        with database.transaction():
            for column, table in _NAMING:
                count = database.execute(delete(column.table).where(column.not_in(select(table.c.id)))).rowcount
                if count:
                    done.append(f"the record: {count:,} rows of {column.table.name} that named nothing were dropped")
    return done


def _settled(database: Database, each: Damage) -> str | None:
    """Drops a damaged row, or takes it as it is. None where it can't be."""
    assert each.table is not None
    if each.table in _KEPT:
        return f"{each.what}: it was taken as it now is" if _taken(database, each.table, each.key[0]) else None
    if each.table is segments:
        _drop_segment(database, each.key[0])
    elif each.table in _PARTS:
        part = _PARTS[each.table]
        database.execute(delete(part.table).where(part == each.key[0]))
    where = [column == value for column, value in zip(each.table.primary_key.columns, each.key)]  # no key: all rows
    database.execute(delete(each.table).where(*where))
    return f"{each.what}: it was dropped"


def _taken(database: Database, table: Table, number: int) -> bool:
    try:
        row = database.first(select(table).where(table.c.id == number))
        assert row is not None
        values = dict(row._mapping)
        for name in _JSON.keys() & values.keys():
            try:
                json.loads(values[name] or "null")
            except (ValueError, RecursionError):
                values[name] = _JSON[name]
        if (
            table is footage
            and values["status"] == "done"
            and crc32(values["checkpoint"]) != values["checkpoint_crc32"]
        ):
            values |= {"checkpoint": None, "checkpoint_crc32": crc32(None)}
        values[COLUMN] = checksum(table, values)
    except (SiteError, ValueError):
        return False
    database.execute(update(table).where(table.c.id == number).values(values))
    return True


def _drop_segment(database: Database, number: int) -> None:
    """All rows of a piece of a track, whatever they say. Its number is nobody else's."""
    camera = database.first(select(cameras).where(cameras.c.id == number >> 32))
    if camera is not None and camera.last_segment < number & NUMBER:
        update_row(database, cameras, camera.id, {"last_segment": number & NUMBER})
    remove_rows(database, [number])


def _without_crops(database: Database, damages: list[Damage]) -> list[str]:
    """Drops tracklets whose last crop was dropped."""
    emptied = {each.key[0] for each in damages if each.table is crops}
    emptied &= set(database.ids(select(segments.c.id).where(segments.c.id.in_(emptied))).tolist())
    emptied -= set(database.ids(select(crops.c.tracklet_id).where(crops.c.tracklet_id.in_(emptied))).tolist())
    for number in sorted(emptied):
        _drop_segment(database, number)
    return [f"tracklet {number}: no crop of it was left, it was dropped" for number in sorted(emptied)]


def _of_shards(site: Site) -> list[str]:
    """Overwrites bytes that no row names, and says where shards end that were cut short."""
    done = []
    for row in site.database.all(select(footage).order_by(footage.c.id)):
        if not is_sound(footage, row._mapping):
            continue
        pictures = pictures_of(site.database)
        if lost := lost_bytes(site.database, row):
            with site.database.transaction():
                update_row(site.database, footage, row.id, {"shard_bytes": row.shard_bytes - lost})
            last = pictures.where(Shard(row.camera_id, row.id, row.shard))
            done.append(f"{last}: {lost:,} bytes of it are lost")
        for shard in range(row.shard + 1):
            ranges = [(start, end - start) for start, end in unnamed(site, row.id, shard)]
            if ranges:
                place = Shard(row.camera_id, row.id, shard)
                pictures.overwrite(place, ranges)
                count = sum(length for _, length in ranges)
                done.append(f"{pictures.where(place)}: {count:,} bytes that no row names were overwritten")
    return done


def _of_embeddings(site: Site) -> list[str]:
    """Removes embeddings that are damaged or of nobody. They derive from crops, and come back."""
    done = []
    for model in embedded_models(site.database):
        store = embeddings_of(site.database, model)
        for film in store.files():
            ids = store.check(film)
            if ids is None:
                store.drop(film)
                done.append(f"{store.where(film)} was damaged and is removed")
            elif len(gone := ids[~np.isin(ids, site.searchable_of(film))]):
                store.remove(gone)
                done.append(f"{store.where(film)} had {len(gone)} embeddings of no tracklet, which were removed")
    return done
