"""What a search compares a query with: tracklets' embeddings, in the light of all that the site knows of them.

What a camera adds to everybody is taken out, and what merging has joined is drawn together. So a tracklet from behind
is then also found by what its identity looks like from the front. Both derive from the record and the embeddings'
files, again at every opening. Nothing of it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.encoders.versions import store_of
from app.record import Site
from app.record.rows import TrackletTable, lookup
from reid.camera_shift import CameraShift, camera_shift, without_shift
from reid.normalised import normalised

TOGETHER = 0.5  # of a row, its identity's mean. Between 0.3 and 0.7 nearly the same on world-a


@dataclass(frozen=True, eq=False, slots=True)
class Gallery:
    """T embedded tracklets, and sightings where a search is to find them. Rows (T, D) have length 1."""

    ids: NDArray[np.int64]  # (T,) ascending
    own: NDArray[np.float16]  # without what their camera adds: what calibrated probabilities are about
    drawn: NDArray[np.float16]  # and drawn to their identity: what a search ranks by, `own` where nothing was merged
    shift: CameraShift  # by a camera's place in the table's names


def gallery_of(site: Site, model: str, table: TrackletTable | None = None) -> Gallery:
    """All of a table that a model has embedded: the site's tracklets, unless it is another one.

    Sightings take no part in what their camera adds.
    """
    table = site.tracklet_table() if table is None else table
    ids, stored = store_of(site, model).load_whole()
    row, there = lookup(table.ids, ids)
    if not there.all():
        ids, stored, row = ids[there], stored[there], row[there]
    shift = camera_shift(stored, table.cameras[row], ~table.is_sighting[row])
    own = drawn = without_shift(stored, table.cameras[row], shift, np.float16)
    del stored
    merge = site.merging()
    if merge is not None and len(merge.ids) and len(ids):
        drawn = drawn_together(own, merge.of(ids)[1])
    return Gallery(ids, own, drawn, shift)


def drawn_together(own: NDArray[np.floating], identity: NDArray[np.int64]) -> NDArray[np.float16]:
    """Rows `(n, D)` drawn to the mean of those of the same identity `(n,)`, each of which is here whole."""
    drawn = own.astype(np.float16)
    if not len(own):
        return drawn
    order = np.argsort(identity, kind="stable")
    first = np.flatnonzero(np.diff(identity[order], prepend=identity[order[0]] - 1))
    for members in np.split(order, first[1:]):
        if len(members) > 1:
            rows = own[members].astype(np.float32)
            drawn[members] = normalised(rows + TOGETHER / (1 - TOGETHER) * normalised(rows.sum(0)))
    return drawn
