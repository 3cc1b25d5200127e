"""What the gate says of an encoder on a site's own tracklets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.encoders.embed import embed_crops, read_crops
from app.record import Site
from app.record.rows import TrackletTable, lookup
from deploy.encoder import OpenEncoder
from reid.pictures import decode_crops

if TYPE_CHECKING:
    from reid.gate import GateScore

MOST_HELD = 1500  # tracklets that judge
MOST_AROUND = 5000  # tracklets among which those are judged


def judged_on(
    site: Site,
    encoder: OpenEncoder,
    table: TrackletTable,
    held: NDArray[np.int64],
    progress: Progress = unheard,
) -> GateScore:
    """The gate's score of an encoder by the tracklets whose ids are `held`, among others of the site.

    progress: told of "tracklets judged". Raises SiteError where the encoder fails.
    """
    from reid.gate import judge

    around = np.setdiff1d(table.ids, held)
    if len(around) > MOST_AROUND:
        around = np.random.default_rng(0).choice(around, MOST_AROUND, replace=False)
    rows: list[NDArray[np.float32]] = []
    tracklet_of_crop: list[NDArray[np.int64]] = []
    kept: list[int] = []
    everybody = np.union1d(held, around)
    for done, (number, jpegs) in enumerate(read_crops(site, everybody), 1):
        crops = decode_crops(jpegs, *encoder.size)
        if len(crops):
            rows.append(embed_crops(crops, encoder))
            tracklet_of_crop.append(np.full(len(crops), len(kept)))
            kept.append(number)
        progress("tracklets judged", done, len(everybody))
    ids = np.array(kept, np.int64)
    at = table.at(ids)
    pairs = site.cannot_link()
    pairs = lookup(ids, pairs[np.isin(pairs, ids).all(1)])[0]
    seen = table.cameras[at], table.start[at], table.end[at]
    return judge(np.concatenate(rows), np.concatenate(tracklet_of_crop), *seen, pairs, np.isin(ids, held))
