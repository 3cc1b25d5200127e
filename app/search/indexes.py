"""The indexes that a site is searched by: in this process, or in its record where that is a PostgreSQL.

There, rows without what cameras add and rows drawn to identities are stored beside the embeddings that they derive
from. Who opens the site for a search brings them up to date: what came is added, and what left has gone already. They
are all written anew after a merging, and once more changed than a share of them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.record import Site
from app.record.halves import whole
from app.record.leases import ERASING
from app.record.rows import Merging, TrackletTable, lookup
from app.record.vectors import DRAWN, HALVES, OWN, Space, Vectors
from app.search.gallery import drawn_together, gallery_of
from app.search.index import FaissIndex, Index
from app.search.postgres_index import PostgresIndex
from reid.camera_shift import CameraShift, without_shift

SHARE = 1 / 16  # of the rows that were read at once, which may leave or come until all are read again


@dataclass(frozen=True, slots=True)
class Indexes:
    """What a search asks."""

    ranking: Index  # rows drawn to their identities, `own` where nothing was merged
    own: Index  # rows without what their camera adds
    shift: CameraShift  # by a camera's place in the table's names


def indexes_of(site: Site, model: str, table: TrackletTable) -> Indexes:
    """The indexes of all of a table that a model has embedded."""
    if site.database.postgres:
        return _stored(site, model, table)
    gallery = gallery_of(site, model, table)
    ranking = FaissIndex(gallery.ids, gallery.drawn)
    own = ranking if gallery.own is gallery.drawn else FaissIndex(gallery.ids, gallery.own)
    return Indexes(ranking, own, gallery.shift)


def build_indexes(site: Site, model: str, progress: Progress = unheard) -> None:
    """Makes a PostgreSQL's approximate indexes, for searches without a filter. Until then these read all rows."""
    if site.database.postgres:
        _stored(site, model, site.searchable_table())
        vectors = Vectors(site.database)
        for space in vectors.spaces(model):
            if space.kind in (OWN, DRAWN):
                vectors.index(space, progress)


def redrawn(own: Index, merging: Merging, changed: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Ids and rows, drawn to their identities, of who changed and of all who share an identity with them."""
    met = merging.of(changed)[1]
    ids = np.union1d(merging.ids[np.isin(merging.identities, met[met >= 0])], changed)
    ids = ids[lookup(own.ids, ids)[1]]
    return ids, drawn_together(own.embeddings(ids), merging.of(ids)[1])


def _stored(site: Site, model: str, table: TrackletTable) -> Indexes:
    """The indexes in the record, which are brought up to date first."""
    merging = site.merging()
    with site.lease(ERASING):
        own, shift = _own(site, model, table)
        if merging is not None and len(merging.ids) and isinstance(own, PostgresIndex):
            return Indexes(_drawn(site, own, merging), own, shift)
        vectors = Vectors(site.database)
        if (undone := vectors.space(model, DRAWN)) is not None:
            with site.database.transaction():
                vectors.drop(undone)
    return Indexes(own, own, shift)


def _own(site: Site, model: str, table: TrackletTable) -> tuple[Index, CameraShift]:
    """Rows without what their camera adds, and that."""
    vectors = Vectors(site.database)
    halves, space = vectors.space(model, HALVES), vectors.space(model, OWN)
    ids, days = (np.empty(0, np.int64),) * 2 if halves is None else vectors.ids(halves)
    there = lookup(table.ids, ids)[1]
    ids, days = ids[there], days[there]
    if halves is None or not len(ids):
        return FaissIndex(ids, np.empty((0, 0), np.float16)), {}
    if space is not None:
        index, shift = PostgresIndex(site.database, space), _shift(space)
        leaving, came = np.setdiff1d(index.ids, ids), ~lookup(index.ids, ids)[1]
        changes = len(leaving) + int(came.sum())
        if space.changed + changes <= SHARE * space.made_of:
            if not changes:
                return index, shift
            coming, stored = vectors.rows_of(halves, ids[came], days[came])
            order = np.argsort(coming)
            coming, embedded = coming[order], whole(stored[order].reshape(-1, 2, space.width))
            rows = without_shift(embedded, table.cameras[table.at(coming)], shift, np.float16)
            return _unless_made_anew(index.changed(leaving, coming, rows)), shift
    gallery = gallery_of(site, model, table)
    with site.database.transaction(alone=False):
        made = {"made_of": len(gallery.ids), "shift": _packed(gallery.shift)}
        space = vectors.make(model, OWN, gallery.own.shape[1], **made)
        vectors.write(space, gallery.ids, gallery.own)
    return PostgresIndex(site.database, space), gallery.shift


def _drawn(site: Site, own: PostgresIndex, merging: Merging) -> Index:
    """Rows drawn to their identities, as a merging found them."""
    vectors = Vectors(site.database)
    space = vectors.space(own.space.model, DRAWN)
    made = {"merging": round(1e6 * merging.made), "shift": own.space.shift}
    if space is not None and (space.merging, space.shift) == (made["merging"], made["shift"]):
        index = PostgresIndex(site.database, space)
        apart = np.setxor1d(own.ids, index.ids)  # who came or left, and who had something of one who was erased
        if not len(apart):
            return index
        return _unless_made_anew(index.changed(np.setdiff1d(index.ids, own.ids), *redrawn(own, merging, apart)))
    ids, rows = vectors.read(own.space)
    order = np.argsort(ids)
    ids, rows = ids[order], rows[order]
    drawn = drawn_together(rows, merging.of(ids)[1])
    with site.database.transaction(alone=False):
        space = vectors.make(own.space.model, DRAWN, own.width, made_of=len(ids), **made)
        vectors.write(space, ids, drawn)
    return PostgresIndex(site.database, space)


def _unless_made_anew(index: PostgresIndex | None) -> PostgresIndex:
    """Nobody else makes rows anew meanwhile: that is what the lease is for."""
    assert index is not None
    return index


def _packed(shift: CameraShift) -> bytes:
    """What cameras add, as a space keeps it."""
    file = io.BytesIO()
    np.savez(file, cameras=np.array(list(shift), np.int64), rows=np.array(list(shift.values()), np.float32))
    return file.getvalue()


def _shift(space: Space) -> CameraShift:
    with np.load(io.BytesIO(space.shift), allow_pickle=False) as stored:
        return dict(zip(stored["cameras"].tolist(), stored["rows"], strict=True))
