"""Pictures of one person for others to see: who else the record has inside of them is blurred."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.encoders.embed import spread
from app.engine.crops import as_jpeg
from app.record import Site
from app.record.beside import tracks_between
from app.record.rows import Boxes, CropRecord, SegmentRecord
from app.report.blurred import block_of, hide_box
from app.report.redacted import box_at, shared
from reid.pictures import decode_picture

MOST = 3  # of a tracklet
_CLEAR = 0.1  # share of a picture that may be blurred, where there are others to choose


def redacted_crops(site: Site, piece: SegmentRecord) -> list[bytes]:
    """A few pictures of a tracklet as JPEG, by time: those that show least of others. What is damaged is left out."""
    crops = site.crops(piece.id)
    others = tracks_between(site, piece.camera, piece.start, piece.end, without=piece.id)
    others.pop(piece.track, None)
    pictures, shares = [], []
    for crop in crops:
        try:
            picture = decode_picture(site.crop_jpeg(crop))
        except ValueError:  # `app.site --verify` tells of damage
            continue
        shares.append(_hide_others(picture, crop, list(others.values())))
        pictures.append(picture)
    if sum(share <= _CLEAR for share in shares) >= MOST:
        chosen = [k for k, share in enumerate(shares) if share <= _CLEAR]
    else:
        chosen = sorted(np.argsort(shares, kind="stable")[:MOST].tolist())
    return [as_jpeg(pictures[chosen[k]]) for k in spread(len(chosen), MOST)]


def _hide_others(picture: NDArray[np.uint8], crop: CropRecord, others: list[Boxes]) -> float:
    """Blurs in a crop `(h, w, 3)` where others are. Returns the share that is blurred."""
    height, width = picture.shape[:2]
    left, top = (max(0, int(np.floor(edge))) for edge in crop.box[:2])  # where the crop was cut from its frame
    area = np.array([0, 0, width, height])
    hidden = np.zeros((height, width), bool)
    for other in others:
        for box in box_at(other, crop.time):
            inside = shared(area, np.rint(box - [left, top, left, top]).astype(np.int64))
            x1, y1, x2, y2 = inside.tolist()
            if x2 > x1 and y2 > y1:
                hide_box(picture, inside, block_of(box[3] - box[1]))
                hidden[y1:y2, x1:x2] = True
    return float(hidden.mean())
