"""Whether every row and every file of a site is as it was written, also while others write to it.

What looks damaged is looked at once more: another process may just have changed or erased it. Nothing that is read is
trusted: no row, no header and no length.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Table, select

from app.errors import SiteError
from app.record import erasure
from app.record.audit import hash_of
from app.record.checksums import crc32, is_sound, pages
from app.record.database import Database
from app.record.embeddings import Embeddings, embedded_models, embeddings_of
from app.record.model_files import ONNX, WEIGHTS
from app.record.model_store import ModelStore, models_of
from app.record.pictures import lost_bytes, pictures_of
from app.record.rows import Boxes, lookup
from app.record.schema import (
    api_keys,
    areas,
    audit,
    camera_clocks,
    cameras,
    cannot_link,
    case_items,
    cases,
    corrections,
    crops,
    erasures,
    footage,
    jobs,
    live_cameras,
    members,
    merges,
    metadata,
    models,
    outages,
    remarks,
    searches,
    segments,
    settings,
    splits,
    users,
)
from app.record.shards import Shard
from app.record.site import Site
from trackers.segments import SEARCHABLE, Kind

BACKUP = "check the disk, and bring the site back from a backup or ingest into a new one"
DROPPED = "`python -m app.site --repair` drops it"
KEPT = "`python -m app.site --repair` takes it as it now is"
FROM_FOOTAGE = "ingest that footage again with --replace"
_ADVICE = {  # of damaged rows, by table
    cameras: KEPT,
    footage: f"{KEPT}, or {FROM_FOOTAGE}",
    models: KEPT,
    merges: f"{DROPPED}, then merge again",
    members: f"{DROPPED}, then merge again",
    corrections: f"{DROPPED}, then correct again",
    splits: f"{DROPPED}, and adapting divides it again",
    cannot_link: DROPPED,
    remarks: f"{DROPPED}, and ingest tells again",
    erasures: f"{DROPPED}, then forget again",
    areas: f"{DROPPED}, then draw it again",
    outages: DROPPED,
    live_cameras: f"{DROPPED}, and `python -m app.watch` writes it again",
    camera_clocks: DROPPED,
    cases: f"{DROPPED}, with all that it has",
    case_items: DROPPED,
    jobs: f"{DROPPED}, then ask for it again",
    searches: DROPPED,
    settings: f"{DROPPED}, then set it again",
    users: f"{DROPPED}, then add the user again",
    api_keys: f"{DROPPED}, then make it again",
}
_PIECE = 2**20  # bytes read at once


@dataclass(frozen=True, slots=True)
class Damage:
    """What is not as it was written."""

    what: str  # and where
    advice: str  # what to do
    table: Table | None = None  # of the row that a repair drops or takes as it is…
    key: tuple[int, ...] = ()  # …and its key, empty for all rows of a table that has none

    def __str__(self) -> str:
        return f"{self.what}: {self.advice}"


def damage(site: Site) -> Iterator[str]:
    """All that is not as it should be, as a sentence each."""
    return map(str, examine(site))


def examine(site: Site) -> Iterator[Damage]:
    """All that is not as it should be. It ends, whatever is damaged, and raises nothing about the site."""
    whole = True
    for each in _told("the record", lambda: _of_the_database(site.database)):
        whole = False
        yield each
    if whole:  # what another database says of the rest may be anything
        yield from beyond_the_database(site)


def beyond_the_database(site: Site) -> Iterator[Damage]:
    """What is damaged in rows, and in what they name."""
    for what, look in (
        ("the record", _of_rows),
        ("pairs of tracklets", _of_pairs),
        ("pieces of tracks", _of_segments),
        ("models", _of_models),
        ("embeddings", _of_embeddings),
        ("the audit", _of_audit),
    ):
        yield from _told(what, partial(look, site))


def _told(what: str, look: Callable[[], Iterator[Damage]]) -> Iterator[Damage]:
    """What a look finds. That it could not end is damage, too."""
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 - a damaged site can raise anything
        reason = getattr(error.__cause__, "orig", None) or error
        yield Damage(f"{what}: it can't be read ({' '.join(str(reason).split())})", BACKUP)


def _lasting(look: Callable[[], list[Damage]]) -> list[Damage]:
    """What is wrong and still is when it is looked at again."""
    wrong = look()
    return [each for each in wrong if each in look()] if wrong else []


# --- the record


def _of_the_database(database: Database) -> Iterator[Damage]:
    if not database.postgres:  # which checks constraints itself, and its files by its own tools
        for row in database.run("PRAGMA integrity_check"):
            if row[0] != "ok":
                yield Damage(
                    f"the record: {' '.join(str(row[0]).split())}", f"`python -m app.site --repair`, else {BACKUP}"
                )
        for row in database.run("PRAGMA foreign_key_check"):
            yield Damage(f"the record: a row of {row[0]} names one of {row[2]} that does not exist", DROPPED)
    missing = [name for name in metadata.tables if not database.has(name)]
    if missing:
        yield Damage(f"the record: it has no table {', '.join(missing)}", BACKUP)
        return
    for difference in database.differences():
        yield Damage(f"the record: its tables are others ({difference})", BACKUP)


def _of_rows(site: Site) -> Iterator[Damage]:
    for table, advice in _ADVICE.items():
        for rows in pages(table, partial(_rows, site.database, table)):
            for row in rows:
                if not is_sound(table, row._mapping):
                    yield from _lasting(partial(_of_row, site.database, table, row, advice))


def _of_row(database: Database, table: Table, row: Any, advice: str) -> list[Damage]:
    key = _key(table, row)
    if not key:
        rows = database.all(select(table))
        return [] if all(is_sound(table, now._mapping) for now in rows) else [Damage(*_damaged(table, key, advice))]
    try:
        now = database.first(select(table).where(*_same(table, key)))
    except SiteError:
        return [Damage(*_damaged(table, key, advice))]
    return [] if now is None or is_sound(table, now._mapping) else [Damage(*_damaged(table, key, advice))]


def _damaged(table: Table, key: tuple[int, ...], advice: str) -> tuple[str, str, Table, tuple[int, ...]]:
    return f"the record: row {', '.join(map(str, key)) or '?'} of {table.name} is damaged", advice, table, key


def _key(table: Table, row: Any) -> tuple[int, ...]:
    return tuple(getattr(row, column.name) for column in table.primary_key.columns)


def _same(table: Table, key: tuple[int, ...]) -> list[Any]:
    return [column == value for column, value in zip(table.primary_key.columns, key, strict=True)]


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A row of which only the key can be read."""

    _mapping: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self._mapping[name]


def _rows(database: Database, table: Table, page: Any) -> list[Any]:
    """Rows of a statement about one table. One that can't be read has only its key, and no checksum fits it."""
    try:
        return list(database.all(page))
    except SiteError:
        names = [column.name for column in table.primary_key.columns]
        if not names:
            return [_Unreadable({})]
        rows: list[Any] = []
        for key in database.all(page.with_only_columns(*table.primary_key.columns)):
            try:
                row: Any = database.first(select(table).where(*_same(table, tuple(key))))
            except SiteError:
                row = _Unreadable({**dict.fromkeys(column.name for column in table.columns), **dict(zip(names, key))})
            if row is not None:
                rows.append(row)
        return rows


def _of_pairs(site: Site) -> Iterator[Damage]:
    """Who cannot be one person was seen at once."""
    columns = (segments.c.kind, segments.c.footage_id, segments.c.start, segments.c.end)

    def look() -> list[Damage]:
        pairs = site.cannot_link()
        table = site.database.all(select(segments.c.id, *columns).order_by(segments.c.id))
        kind, film, start, end = (np.array([row[k] for row in table]) for k in (1, 2, 3, 4))
        (a, b), there = lookup(np.array([row[0] for row in table], np.int64), pairs.T)
        apart = (film[a] != film[b]) | (start[a] > end[b]) | (start[b] > end[a])
        wrong = there.all(0) & (apart | (kind[a] != str(Kind.TRACKLET)) | (kind[b] != str(Kind.TRACKLET)))
        return [
            Damage(
                f"{_named(site, first)} and {second & NUMBER} cannot be linked, but were not seen together",
                DROPPED,
                cannot_link,
                (first, second),
            )
            for first, second in pairs[wrong].tolist()
        ]

    if len(site.cannot_link()):
        yield from _lasting(look)


NUMBER = 2**32 - 1  # the bits of a segment's id that are its number within its camera


def _named(site: Site, segment: int) -> str:
    """The camera and number that an id says."""
    row = site.database.first(select(cameras.c.name).where(cameras.c.id == segment >> 32))
    return f"camera {'?' if row is None else row[0]}: tracklets {segment & NUMBER}"


# --- pieces of tracks and their crops


_Named = dict[Shard, "array[int]"]  # from where to where rows name bytes, in turn


def _of_segments(site: Site) -> Iterator[Damage]:
    names = {row[0]: row[1] for row in site.database.all(select(cameras.c.id, cameras.c.name))}
    named: _Named = {}
    for rows in pages(segments, lambda page: site.database.all(page.with_only_columns(segments.c.id))):
        first, last = rows[0].id, rows[-1].id
        if _of_some_segments(site, names, first, last, named):
            yield from _lasting(partial(_of_some_segments, site, names, first, last, {}))
    for record in _rows(site.database, footage, select(footage)):
        if is_sound(footage, record._mapping):
            yield from _of_footage(site, record, named)


def _of_some_segments(site: Site, names: dict[int, str], first: int, last: int, named: _Named) -> list[Damage]:
    """What is wrong with the pieces of tracks from an id to another. Adds to which bytes are named."""
    pictures: dict[int, list[Any]] = {}
    rows = _rows(site.database, segments, select(segments).where(segments.c.id.between(first, last)))
    page = select(crops).where(crops.c.tracklet_id.between(first, last)).order_by(crops.c.tracklet_id, crops.c.number)
    for crop in _rows(site.database, crops, page):
        pictures.setdefault(crop.tracklet_id, []).append(crop)
    return [each for row in rows for each in _of_segment(site, row, names, pictures.get(row.id, []), named)]


def _of_segment(site: Site, row: Any, names: dict[int, str], pictures: list[Any], named: _Named) -> list[Damage]:
    name = f"{row.kind} {row.number} of camera {names.get(row.camera_id, row.camera_id)}"
    lost = (f"{DROPPED}, or {FROM_FOOTAGE}", segments, (row.id,))
    sound, found = is_sound(segments, row._mapping), []
    try:
        frames = Boxes.unpacked(row.boxes, row.length).frames
        if (np.diff(frames) <= 0).any():
            found.append(Damage(f"{name}: its boxes do not fit its row", *lost))
    except (ValueError, TypeError):
        found.append(Damage(f"{name}: its boxes are damaged or do not fit its row", *lost))
    if bool(pictures) != (row.kind in SEARCHABLE):
        found.append(Damage(f"{name} has {len(pictures)} crops", *lost))
    if not sound and not found:
        found.append(Damage(f"{name}: its row is damaged", *lost))
    read = _read(site, row, [crop for crop in pictures if is_sound(crops, crop._mapping)])
    for crop in pictures:
        what = f"{name}: crop {crop.number}"
        gone = (DROPPED, crops, (crop.tracklet_id, crop.number))
        if crop.number not in read:
            found.append(Damage(f"{what} has a damaged row", *gone))
            continue
        shard = Shard(row.camera_id, row.footage_id, crop.shard)
        data = read[crop.number]
        place = f"byte {crop.offset} of {pictures_of(site.database).where(shard)}"
        if data is None or len(data) < crop.length:
            found.append(Damage(f"{what} is missing ({place})", *gone))
            continue
        named.setdefault(shard, array("q")).extend((crop.offset, crop.offset + crop.length))
        if zlib.crc32(data) != crop.crc32:
            found.append(Damage(f"{what} is damaged ({place})", *gone))
        elif not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
            found.append(Damage(f"{what} is no JPEG", *gone))
    return found


def _read(site: Site, row: Any, pictures: list[Any]) -> dict[int, bytes | None]:
    """What a segment's rows of crops name, by their numbers. None where a shard can't be read."""
    read: dict[int, bytes | None] = {}
    for number, group in groupby(pictures, key=lambda crop: crop.shard):  # by time, and so by shard
        some = list(group)
        shard = Shard(row.camera_id, row.footage_id, number)
        data = pictures_of(site.database).read(shard, [(crop.offset, crop.length) for crop in some])
        read |= zip((crop.number for crop in some), repeat(None) if data is None else data)
    return read


def _of_footage(site: Site, row: Any, named: _Named) -> Iterator[Damage]:
    """Whether shards are as long as they must be, and hold nothing but what rows name."""
    pictures = pictures_of(site.database)
    sizes = pictures.sizes(row.camera_id, row.id)

    def too_short() -> list[Damage]:
        now = site.footage_record(row.id)
        if not (lost := lost_bytes(site.database, now)):
            return []
        place = pictures.where(Shard(now.camera_id, now.id, now.shard))
        what = f"{place} holds {now.shard_bytes - lost:,} bytes of {now.shard_bytes:,} that were committed"
        return [Damage(what, f"`python -m app.site --repair` drops what is lost, or {FROM_FOOTAGE}")]

    def wrong_checkpoint() -> list[Damage]:
        now = site.database.first(select(footage).where(footage.c.id == row.id))
        if now is None or crc32(now.checkpoint) == now.checkpoint_crc32:
            return []
        if now.status == "done":
            advice = f"{DROPPED}, and these tracks end with that footage"
            return [Damage(f"the record: how the tracks of {now.name} go on is damaged", advice, footage, (now.id,))]
        return [Damage(f"the record: how far {now.name} was taken in is damaged", FROM_FOOTAGE)]

    yield from _lasting(too_short)
    yield from _lasting(wrong_checkpoint)
    for shard in range(row.shard + 1):
        bounds = np.array(named.get(Shard(row.camera_id, row.id, shard), ()), np.int64).reshape(-1, 2)
        if next(_unnamed(site, row, shard, sizes.get(shard, 0), bounds), None):
            yield from _lasting(partial(_of_unnamed, site, row.id, shard))


def _of_unnamed(site: Site, film: int, shard: int) -> list[Damage]:
    """Bytes that no row names: what was lost of a row, or never erased."""
    ranges = unnamed(site, film, shard)
    if not ranges or erasure.pending(site.database):  # somebody is at it
        return []
    count = sum(end - start for start, end in ranges)
    place = pictures_of(site.database).where(Shard(site.footage_record(film).camera_id, film, shard))
    return [Damage(f"{place} holds {count:,} bytes that no row names", "`python -m app.site --repair` overwrites them")]


def unnamed(site: Site, film: int, shard: int) -> list[tuple[int, int]]:
    """From where to where a footage's shard has bytes, other than zeros, that were committed and no row names."""
    row = site.footage_record(film)
    mine = select(crops.c.offset, crops.c.offset + crops.c.length).join_from(crops, segments)
    mine = mine.where(segments.c.footage_id == film, crops.c.shard == shard)
    bounds = np.array([tuple(each) for each in site.database.all(mine)], np.int64).reshape(-1, 2)
    size = pictures_of(site.database).sizes(row.camera_id, row.id).get(shard, 0)
    return list(_unnamed(site, row, shard, size, bounds))


def _unnamed(site: Site, row: Any, shard: int, size: int, bounds: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """row: of the footage. size: of the shard. bounds: `(n, 2)` from where to where rows name its bytes."""
    size = min(size, row.shard_bytes) if shard == row.shard else size
    bounds = bounds[np.argsort(bounds[:, 0], kind="stable")]
    free = np.maximum.accumulate(np.r_[0, bounds[:, 1]])
    until = np.r_[bounds[:, 0], size]
    for k in np.flatnonzero(free < np.minimum(until, size)).tolist():
        start, end = int(free[k]), int(min(until[k], size))
        for piece in range(start, end, _PIECE):
            read = pictures_of(site.database).read(
                Shard(row.camera_id, row.id, shard), [(piece, min(_PIECE, end - piece))]
            )
            for data in read or ():
                if data.count(0) < len(data):
                    yield piece, piece + len(data)


# --- what derives from them


def _of_models(site: Site) -> Iterator[Damage]:
    columns = (models.c.name, models.c.sha256, models.c.weights_sha256)
    store = models_of(site.database)
    for name, onnx, weights in site.database.all(select(*columns).order_by(models.c.id)):
        other = f"`python -m app.models use` with another than {name}"
        for file, known, advice in (
            (ONNX, onnx, f"bring it back from a backup, or {other}"),
            (WEIGHTS, weights, "bring it back from a backup, or let adapt start from another model"),
        ):
            if known is None:
                continue
            if name == "base":
                advice = "`python -m app.site --repair` brings back what is shipped"
            elif store.is_elsewhere:
                advice = f"`python -m app.site --repair` on a machine that used it brings it back, or {advice}"
            yield from _lasting(partial(_of_file, store, name, file, known, advice))


def _of_file(store: ModelStore, name: str, file: str, known: str, advice: str) -> list[Damage]:
    where = store.where(name, file, known)
    try:
        if store.digest(name, file, known) == known:
            return []
        return [Damage(f"{where} is not the file that was deployed", advice)]
    except OSError as error:
        return [Damage(f"{where} can't be read ({error.strerror})", advice)]


def _of_embeddings(site: Site) -> Iterator[Damage]:
    for model in embedded_models(site.database):
        store = embeddings_of(site.database, model)
        for film in store.files():
            yield from _lasting(partial(_of_some_embeddings, site, store, film))


def _of_some_embeddings(site: Site, store: Embeddings, film: int) -> list[Damage]:
    place, ids = store.where(film), store.check(film)
    if ids is None:
        made_anew = "`python -m app.site --repair` makes it again, as the next query does"
        return [Damage(f"{place} is damaged", made_anew)] if film in store.files() else []
    erased = ids[~np.isin(ids, site.searchable_of(film))]
    if not len(erased) or erasure.pending(site.database):  # somebody is at it
        return []
    return [
        Damage(f"{place} has {len(erased)} embeddings of no tracklet", "`python -m app.site --repair` removes them")
    ]


def audit_damage(site: Site) -> Damage | None:
    """The first fault of the audit, None where it is sound."""
    return next(_of_audit(site), None)


def _of_audit(site: Site) -> Iterator[Damage]:
    """A row that was changed, removed or moved breaks the chain. The last ones can leave only with all reports."""
    before, number = "", 0
    advice = f"somebody or a fault changed the audit: {BACKUP}"
    for rows in pages(audit, partial(_rows, site.database, audit)):
        for row in rows:
            if row.id != number + 1:
                yield Damage(f"the audit: {row.id - number - 1:,} rows before row {row.id} are missing", advice)
            elif not _fits(row, before):
                yield Damage(f"the audit: row {row.id} is not what was noted", advice)
            before, number = row.hash, row.id


def _fits(row: Any, before: str) -> bool:
    try:
        return hash_of(row._mapping, before) == row.hash
    except (TypeError, ValueError):
        return False
