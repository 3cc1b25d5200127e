"""A site is made at other places than its folder, or moves there and back: its record, its pictures, its models.

Models are where pictures are. A move copies both while others read and write, then rows while nobody writes. It
compares all that arrived. Then the old record says that it is one no more, and last `store.toml` names the new places.
Who dies in between changes nothing but that: nobody writes to the site until the same command is given again. What was
left stays, until somebody has it removed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from app.asking import Progress, unheard
from app.errors import Busy, SiteError, no_more
from app.record import erasure, leases
from app.record.audit import add_entry
from app.record.copying import (
    CopiedPictures,
    copy_models,
    copy_pictures,
    copy_rows,
    first_hash,
    is_older_copy,
    remove_others,
)
from app.record.database import CONFIG, FILE, MOVED, PLACE, Database
from app.record.embeddings import copy_embeddings, files_of
from app.record.model_store import models_at
from app.record.pictures import Pictures, pictures_at
from app.record.places import FOLDER, STORE, Places, read_places, shown, write_places
from app.record.private_files import wipe
from app.record.rows import AuditEntry
from app.record.schema import cameras
from app.record.settings import put_setting

STAYS = ("live pictures", "recordings", "uploads", "logs of jobs", "site.toml")
"""What of a site is in its folder, wherever its record and its pictures are. Other machines need it there too."""
_LEASES = (leases.LEARNING, leases.MERGING, leases.ERASING, leases.JOBS, leases.ALERTING, leases.NAMING)


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a site is, and what of it was copied and compared."""

    site: str
    record: str
    store: str
    rows: int = 0
    embeddings: int = 0
    shards: int = 0
    bytes: int = 0  # of pictures
    models: int = 0  # files of them
    left: Mapping[str, str] = field(default_factory=dict)  # `record` or `store` → where it still is, too


def create(folder: Path, places: Places, *, who: str) -> Moved:
    """Makes a site whose record, or pictures, are elsewhere. Raises SiteError where something is there already."""
    named = (folder / STORE).exists()
    if (named and read_places(folder) != places) or (not named and (folder / FILE).exists()):
        raise SiteError(f"There is a site at {folder} already: `python -m app.site move {folder} --to …` moves it.")
    if not named:
        if folder.is_dir() and {path.name for path in folder.iterdir()} - {CONFIG}:
            raise SiteError(f"{folder} holds other files: name a new folder.")
        if places.record != FOLDER:
            with Database.at(folder, places) as database:
                if database.is_begun():
                    raise SiteError(
                        f"There is a site at {shown(places.record)} already: take {STORE} from where it was made, or "
                        "name another schema (?options=-csearch_path%3DNAME)."
                    )
        _check_owner(folder, places, "")
        write_places(folder, places)
    try:
        made = Database.create(folder)
    except SiteError:
        if not named:
            (folder / STORE).unlink(missing_ok=True)
        raise
    with made as database:
        with database.transaction():
            if not first_hash(database):
                add_entry(database, AuditEntry(time.time(), who, "create", _told(places)))
            put_setting(database, PLACE, places.store)
        _check_owner(folder, places, first_hash(database))
        _own(folder, places, first_hash(database))
    return _moved(folder, places)


def move(folder: Path, to: Places, *, who: str, progress: Progress = unheard) -> Moved:
    """Moves a site to other places, and notes who did. Nothing is done where it is there already.

    Raises Busy where somebody works at the site, SiteError where a new place has something else.
    """
    places = read_places(folder)
    parts = [part for part in ("record", "store") if getattr(to, part) != getattr(places, part)]
    for part in parts:
        if places.left.get(part, getattr(to, part)) != getattr(to, part):
            raise SiteError(
                f"{shown(places.left[part])} still has what an earlier move left: "
                f"`python -m app.site move {folder} --remove-left` first."
            )
    if not parts:
        Database.open(folder).close()  # which tells where there is none
        return _moved(folder, places)
    with ExitStack() as open_things:
        old = open_things.enter_context(Database.open(folder, write=True, moving=True))
        _take_leases(old, open_things)
        if erasure.pending(old):
            raise SiteError(
                f"Bytes of who was erased are still to be removed: `python -m app.site --repair --site {folder}` first."
            )
        with old.transaction():
            add_entry(old, AuditEntry(time.time(), who, "move", {"from": _told(places), "to": _told(to)}))
        new = old
        if "record" in parts:
            new = open_things.enter_context(Database.at(folder, to))
            if not is_older_copy(new, old):
                raise SiteError(f"There is another site at {shown(to.record)}: name another database or schema.")
        count, embeddings, copied = 0, 0, CopiedPictures()
        files: set[tuple[str, str]] = set()  # of models

        def copy() -> None:
            copy_pictures(old, pictures_at(folder, places.store), pictures_at(folder, to.store), copied, progress)
            try:
                copy_models(old, models_at(folder, places.store), models_at(folder, to.store), files, progress)
            except OSError as error:
                raise no_more(folder, error.strerror or str(error)) from error

        if "store" in parts:
            _check_owner(folder, to, first_hash(old))
            _own(folder, to, first_hash(old))
            copy()
            remove_others(pictures_at(folder, to.store), copied)
        with old.transaction():
            if "store" in parts:
                copy()  # what came meanwhile
            if "record" in parts:
                with new.transaction():
                    count = copy_rows(old, new, progress)
                    put_setting(new, PLACE, to.store)
                embeddings = copy_embeddings(old, new, progress)
            put_setting(old, PLACE, MOVED if "record" in parts else to.store)
        left = {part: place for part, place in places.left.items() if part not in parts}
        left |= {part: getattr(places, part) for part in parts}
        to = replace(to, left=left)
        write_places(folder, to)
    sizes = copied.sizes
    moved = _moved(folder, to)
    return replace(
        moved, rows=count, embeddings=embeddings, shards=len(sizes), bytes=sum(sizes.values()), models=len(files)
    )


def remove_left(folder: Path, *, who: str, progress: Progress = unheard) -> Moved:
    """Removes what a move left, overwrites it where that can be, and notes who did."""
    places = read_places(folder)
    with Database.open(folder, write=True) as database:
        for part, place in places.left.items():
            with database.transaction():
                add_entry(database, AuditEntry(time.time(), who, "remove left", {part: shown(place)}))
            if part == "record":
                _remove_record(folder, place, database)
            else:
                _remove_pictures(folder, place, first_hash(database), progress)
    places = replace(places, left={})
    write_places(folder, places)
    return _moved(folder, places)


def _take_leases(database: Database, taken: ExitStack) -> None:
    """All that people may hold for long. Raises Busy where one is held."""
    names = [row.name for row in database.all(select(cameras.c.name))]
    for lease in (*_LEASES, *map(leases.of_camera, names)):
        try:
            taken.enter_context(database.lease(replace(lease, wait=0.0)))
        except Busy as error:
            raise Busy(f"{error} A site moves while nobody works at it: end app.serve and app.watch, too.") from error


def _check_owner(folder: Path, places: Places, owner: str) -> None:
    """Raises SiteError where a store has pictures of another site."""
    if places.store == FOLDER:
        return
    pictures = pictures_at(folder, places.store)
    owner_there = pictures.owner()
    if owner_there not in ("", owner) or (not owner_there and pictures.all_shards()):
        raise SiteError(f"{places.store} has pictures of another site: name another prefix.")


def _own(folder: Path, places: Places, owner: str) -> None:
    if places.store != FOLDER:
        pictures_at(folder, places.store).own(owner)


def _remove_record(folder: Path, place: str, now: Database) -> None:
    """Drops the tables of a record that was left, or wipes its file."""
    with Database.at(folder, Places(record=place)) as left:
        if not is_older_copy(left, now):
            raise SiteError(f"{shown(place)} has been written to since the site moved away: it stays.")
        if place != FOLDER:
            with left.transaction():
                left.drop()
            return
    try:
        for name in (f"{FILE}-wal", f"{FILE}-shm", FILE):
            wipe(folder / name)
        for store in files_of(folder):
            store.remove_all()
    except OSError as error:
        raise no_more(folder, error.strerror or str(error)) from error


def _remove_pictures(folder: Path, place: str, owner: str, progress: Progress) -> None:
    pictures: Pictures = pictures_at(folder, place)
    if place != FOLDER and pictures.owner() not in ("", owner):
        raise SiteError(f"{place} has pictures of another site: they stay.")
    shards = pictures.all_shards()
    for k, shard in enumerate(shards, 1):
        pictures.remove([shard])
        progress("shards removed", k, len(shards))
    models_at(folder, place).remove_all()
    pictures.own("")


def _told(places: Places) -> dict[str, str]:
    return {"record": shown(places.record), "store": places.store}


def _moved(folder: Path, places: Places) -> Moved:
    left = {part: shown(place) for part, place in places.left.items()}
    return Moved(str(folder), shown(places.record), places.store, left=left)
