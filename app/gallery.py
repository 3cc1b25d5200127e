"""What a search compares a query with: tracklets' embeddings, seen in the light of all that the site knows of them.

What a camera adds to everybody is taken out, and what merging has joined is drawn together: a tracklet from behind is
then also found by what its identity looks like from the front. Both derive from the record and the embeddings' files,
again at every opening; nothing of it is stored but an index's codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.models import store_of
from app.record import Site

TOGETHER = 0.5  # of a row, its identity's mean; between 0.3 and 0.7 nearly the same on world-a


@dataclass(frozen=True, eq=False, slots=True)
class Gallery:
    """T embedded tracklets; rows (T, D) of length 1."""

    ids: NDArray[np.int64]  # (T,) ascending
    own: NDArray[np.float32]  # without what their camera adds: what calibrated probabilities are about
    known: NDArray[np.float32]  # and drawn to their identity: what a search ranks by; `own` where nothing was merged


def gallery_of(site: Site, model: str) -> Gallery:
    """All tracklets that a model has embedded."""
    from reid.merging import without_camera

    table = site.tracklet_table()
    ids, stored = store_of(site, model).load_whole()
    known = np.isin(ids, table.ids)
    ids = ids[known]
    own = found = without_camera(stored[known], table.cameras[np.searchsorted(table.ids, ids)])
    merge = site.merge()
    if merge is not None and len(merge.ids) and len(ids):
        found = own.copy()
        at = np.searchsorted(merge.ids, ids).clip(max=len(merge.ids) - 1)
        new = merge.ids[at] != ids  # ingested since: by themselves
        who = np.where(new, -1 - np.arange(len(ids)), merge.identities[at])
        order = np.argsort(who, kind="stable")
        first = np.flatnonzero(np.diff(who[order], prepend=who[order[0]] - 1))
        for mine in np.split(order, first[1:]):
            if len(mine) > 1:
                rows = found[mine]
                mean = rows.sum(0)
                rows += TOGETHER / (1 - TOGETHER) / max(float(np.linalg.norm(mean)), 1e-12) * mean
                found[mine] = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    return Gallery(ids, own, found)
