"""A site's tracklets as merging takes them: looks, places, times, and what is known of pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.record import Site
from app.record.embeddings import Embeddings
from app.record.rows import lookup, pairs_said
from reid.merging import Seen
from reid.normalised import normalised


def seen_tracklets(site: Site, store: Embeddings) -> Seen:
    """All tracklets of the site of which there are embeddings."""
    table = site.tracklet_table()
    ids, rows = store.load_whole()
    at, there = lookup(table.ids, ids)
    ids, rows, at = ids[there], rows[there], at[there]
    first, last = site.first_and_last_boxes(ids)

    def pairs(listed: NDArray[np.int64]) -> NDArray[np.int64]:
        return lookup(ids, listed[np.isin(listed, ids).all(1)])[0]

    corrections = site.corrections()
    return Seen(
        ids=ids,
        camera=table.cameras[at],
        start=table.start[at],
        end=table.end[at],
        first_box=first,
        last_box=last,
        embedding=normalised(rows),
        cannot_link=pairs(site.cannot_link()),
        must_link=pairs(pairs_said(corrections, "join")),
        apart=pairs(pairs_said(corrections, "split")),
    )
