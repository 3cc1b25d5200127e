"""Tracklets compared by the company that they keep, which tells people apart far better than their looks alone.

There are two steps, both without labels. First, what a camera does to everybody's embedding is taken out. That is the
difference of its mean from that of all cameras. Then k-reciprocal neighbours describe each tracklet (Zhong et al., CVPR
2017, Eq. 7 with the averaging of §3.4). Who resembles the same others is alike, whatever the light. The paper compares
such encodings by the Jaccard distance. Their cosine orders pairs as well and is a dot product. So the similarities of
groups are sums of rows, and clustering needs no matrix of all pairs. Among few tracklets neighbours tell little, and
count less (`company`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from reid.camera_shift import without_camera
from reid.merging.company import NEIGHBOURS, SHARE, company
from reid.merging.seen import Probability
from reid.normalised import normalised
from reid.rerank import Reranking, encodings
from reid.spread import Spread

LOOKS = 0.5  # λ, the embedding's own share of the similarity in full company. Among few it is up to 1
WIDTH = 512  # of the neighbours' part. More tracklets are projected to it at random, with noise of 1 / √WIDTH
SHARPNESS = 20.0  # log-odds a unit of similarity
_CHUNK = 2**14  # rows at once


def contextual(
    rows: NDArray[np.floating], camera: NDArray[np.int64], spread: Spread | None = None
) -> NDArray[np.float32]:
    """Describes tracklets by their looks and their neighbours.

    Args:
        rows: (T, D) embeddings of length 1.
        camera: (T,) any numbers.
        spread: Where neighbours are looked for.

    Returns:
        (T, D + W) rows of length 1, W at most WIDTH. Their dot product is λ of the embeddings' cosine and 1 − λ of that
        of their neighbourhoods. λ is LOOKS in full company, and 1 where there is nobody else.
    """
    count = len(rows)
    shifted = without_camera(rows, camera)
    if not count:
        return shifted
    k1 = int(np.clip(count * SHARE, 2, NEIGHBOURS))
    weights = encodings(shifted, Reranking(k1, max(1, k1 // 4)), spread)
    around = csr_array((weights.values, weights.indices, weights.starts), shape=(count, count))
    told = (1 - LOOKS) * company(count)
    own, width = shifted.shape[1], min(count, WIDTH)
    described = np.empty((count, own + width), np.float32)
    np.multiply(shifted, np.sqrt(1 - told), out=described[:, :own], casting="same_kind")
    del shifted
    projection = np.random.default_rng(0).standard_normal((count, WIDTH), np.float32) if count > WIDTH else None
    for first in range(0, count, _CHUNK):
        part = slice(first, first + _CHUNK)
        near = around[part].toarray() if projection is None else around[part] @ projection
        described[part, own:] = np.sqrt(told) * normalised(near)
    return described


def probability(middle: float) -> Probability:
    """P(same person) by the similarity of `contextual` rows, undecided at `middle`."""
    return lambda similarity: 1 / (1 + np.exp(-SHARPNESS * (np.asarray(similarity, np.float64) - middle)))
