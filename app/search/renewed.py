"""A searcher made of an earlier one of the same site, where few tracklets came or went: in milliseconds, not seconds.

Live cameras commit every second, and an erasure may come at any moment. Rows of who was erased are overwritten in the
earlier one, too. What cameras add to everybody stays as it was when all was last read, so similarities may differ by
some thousandths from those of a searcher that is made now. Once more changed than a share of the rows, it is made anew.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from app.encoders import embed
from app.encoders.versions import calibration_of, open_model, serving, store_of
from app.record.halves import whole
from app.record.rows import SearchedState, TrackletTable, lookup
from app.search.index import Index
from app.search.indexes import SHARE, redrawn
from app.search.searcher import Searcher
from reid.camera_shift import without_shift

MOST_FOOTAGES = 1000  # that may have changed at once


def renewed(earlier: Searcher, state: SearchedState) -> Searcher | None:
    """The searcher of the site as it is now, whose state was read just before. None where another one is to be made.

    Of what came, the serving model embeds what it has not embedded yet.
    """
    before, now = earlier.by_footage, earlier.site.searchable_by_footage()
    touched = {footage for footage in before.keys() | now.keys() if before.get(footage) != now.get(footage)}
    model = serving(earlier.site)
    same_encoder = (model.name, model.sha256) == (earlier.model.name, earlier.model.sha256)
    if not same_encoder or earlier.state.merging != state.merging or len(touched) > MOST_FOOTAGES:
        return None
    there = earlier.site.searchable_table(touched)
    known = _rows(earlier.table, np.isin(earlier.table.footage, sorted(touched)))
    leaving, came = known.ids[~_in(known, there)], _rows(there, ~_in(there, known))
    changed = earlier.changed + len(leaving) + len(came)
    if changed > SHARE * len(earlier.table) or there.names[: len(known.names)] != known.names:
        return None
    searcher = copy.copy(earlier)
    searcher.state, searcher.by_footage, searcher.changed = state, now, changed
    searcher.model, searcher.calibration = model, calibration_of(model)
    searcher.table = _joined(_rows(earlier.table, ~np.isin(earlier.table.ids, leaving)), came)
    ids, embedded = _embedded(earlier, came)
    own = without_shift(embedded, came.cameras[came.at(ids)], earlier.shift, np.float16)
    if (changed_own := earlier.own.changed(leaving, ids, own)) is None:
        return None
    searcher.own = changed_own
    ranking = searcher.own if earlier.index is earlier.own else _drawn(searcher, earlier, leaving, ids, own)
    if ranking is None:
        return None
    searcher.index = ranking
    searcher.embedded = np.isin(searcher.table.ids, searcher.index.ids)
    return searcher


def _embedded(searcher: Searcher, came: TrackletTable) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids `(n,)`, ascending, and embeddings `(n, D)` of tracklets that came, but for those that can't be embedded."""
    site, model, footages = searcher.site, searcher.model, sorted(set(came.footage.tolist()))
    store = store_of(site, model.name)
    ids, halves = store.load(footages)
    if not np.isin(came.ids, ids).all():
        embed.update(site, store, lambda: open_model(site, model), footages=footages)
        ids, halves = store.load(footages)
    kept = np.isin(ids, came.ids)
    return ids[kept], whole(halves[kept]) if kept.any() else np.empty((0, searcher.own.width), np.float32)


def _drawn(
    searcher: Searcher,
    earlier: Searcher,
    leaving: NDArray[np.int64],
    coming: NDArray[np.int64],
    own: NDArray[np.float16],
) -> Index | None:
    """The index of rows that are drawn to their identity. Whoever shares one with who leaves or comes is drawn anew."""
    merging = searcher.merging
    if merging is None or not len(leaving) + len(coming):
        return earlier.index.changed(leaving, coming, own)
    return earlier.index.changed(leaving, *redrawn(searcher.own, merging, np.concatenate([leaving, coming])))


def _in(first: TrackletTable, second: TrackletTable) -> NDArray[np.bool_]:
    """Which tracklets `(n,)` of the first are in the second, with the same times."""
    if not len(second):
        return np.zeros(len(first), bool)
    row, there = lookup(second.ids, first.ids)
    same: NDArray[np.bool_] = there & (second.start[row] == first.start) & (second.end[row] == first.end)
    return same


def _rows(table: TrackletTable, chosen: NDArray[np.bool_]) -> TrackletTable:
    columns = ("ids", "cameras", "footage", "start", "end", "is_sighting")
    return TrackletTable(**{name: getattr(table, name)[chosen] for name in columns}, names=table.names)


def _joined(first: TrackletTable, second: TrackletTable) -> TrackletTable:
    """Both by id. The second knows all names of the first."""
    columns = ("ids", "cameras", "footage", "start", "end", "is_sighting")
    both = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in columns}
    order = np.argsort(both["ids"], kind="stable")
    return TrackletTable(**{name: values[order] for name, values in both.items()}, names=second.names)
