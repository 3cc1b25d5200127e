"""How well embeddings find people again, and how well groups fit people.

mAP, CMC and mINP are computed as the field does. Retrieval is single-query (Zheng et al., "Scalable Person
Re-identification", ICCV 2015). Each query ranks the whole gallery by affinity. The same person in the query's own
camera is left out. Other people there are not, and junk is nowhere. Queries whose person is in no other camera do not
count. That is how Market-1501, MSMT17, CUHK03's new protocol, MARS, PRID2011, iLIDS-VID and both DukeMTMC sets are
scored. The gallery of MARS holds the queries too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from reid.association import Metric, similarity_of
from reid.rerank import Reranked, Reranking
from reid.spread import Here, Spread

JUNK = -1  # Market-1501's person of boxes that show nobody well: left out of every ranking
CELLS = 2**21  # affinities at once, of about 20 bytes each
QUERIES = 2**10  # of a task
BINS = 4096  # of affinities, a query, at most
DRAWS = 100  # of single-shot galleries


class EvaluationError(ValueError):
    """Nothing to evaluate. The message says why."""


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """All 0…1 except counts."""

    mAP: float
    rank1: float
    rank5: float
    rank10: float
    rank20: float
    mINP: float  # mean inverse negative penalty: matches / rank of the last one (Ye et al., 2021)
    queries: int  # that have a match
    gallery: int


@dataclass(frozen=True)
class Embeddings:
    """What a set of crops is made of: rows, who they show and where."""

    rows: Tensor  # (N, D) float32, of length 1 but for Euclidean distances
    people: NDArray[np.integer]  # (N,)
    cameras: NDArray[np.integer]  # (N,)

    def where(self, kept: NDArray[np.bool_]) -> Embeddings:
        """Those of `kept` (N,)."""
        return Embeddings(self.rows[torch.from_numpy(kept)], self.people[kept], self.cameras[kept])

    def part(self, rows: slice) -> Embeddings:
        """Those of some rows."""
        return Embeddings(self.rows[rows], self.people[rows], self.cameras[rows])


def pool_tracklets(
    rows: Tensor, tracklet: Tensor, count: int, pooling: Literal["mean", "max"] = "mean", *, normalised: bool = True
) -> Tensor:
    """Pools the features of crops by tracklet.

    Args:
        rows: (N, D) features of crops.
        tracklet: (N,) 0 … count − 1, of each crop.
        count: Tracklets.
        pooling: Over a tracklet's crops.
        normalised: Rows become of length 1.

    Returns:
        (count, D).
    """
    how = "amax" if pooling == "max" else "mean"
    index = tracklet.to(rows.device)[:, None].expand_as(rows)
    pooled = torch.zeros((count, rows.shape[1]), device=rows.device)
    pooled = pooled.scatter_reduce(0, index, rows.float(), how, include_self=False)
    return functional.normalize(pooled) if normalised else pooled


def evaluate_retrieval(
    query: Embeddings,
    gallery: Embeddings,
    *,
    single_shot: bool = False,
    rerank: Reranking | None = None,
    metric: Metric = "cosine",
    chunk: int | None = None,
    spread: Spread | None = None,
) -> RetrievalScores:
    """Scores of `query` against `gallery`, on the device of the embeddings.

    The same set may be both: a crop is in its own camera, so it never finds itself. Equal affinities rank in the order
    of the gallery.

    Args:
        query: What is searched for.
        gallery: What is searched.
        single_shot: The gallery holds one random picture of each person, in DRAWS draws that are averaged (CUHK03's
            first protocol).
        rerank: Settings of re-ranking. None: by `metric`.
        metric: euclidean is for rows of any length. By cosine they are of length 1.
        chunk: Queries at a time, by default as bounded memory allows.
        spread: Where queries are ranked by cosine, QUERIES or so a task. None: in this process.

    Returns:
        The scores.

    Raises:
        EvaluationError: No query has anything to find.
    """
    gallery = gallery.where(gallery.people != JUNK)
    chunk = chunk or max(1, CELLS // max(1, len(gallery.people)))
    if rerank is not None:
        reranked = Reranked(query.rows.float().cpu().numpy(), gallery.rows.float().cpu().numpy(), rerank)

        def affinity(part: slice) -> Tensor:
            return torch.from_numpy(reranked(part)).to(query.rows.device)

        found = [_found(query, gallery, affinity, chunk, single_shot)]
    elif metric == "euclidean":
        minus_distance = similarity_of(query.rows, gallery.rows, metric)
        found = [_found(query, gallery, lambda part: minus_distance(part, slice(None)), chunk, single_shot)]
    else:
        spread = spread or Here()
        whole = spread.shared(1, lambda _: gallery)
        step = chunk * max(1, QUERIES // chunk)
        some = (query.part(slice(first, first + step)) for first in range(0, len(query.people), step))
        found = list(spread.each(_found_by_cosine, ((part, whole[0], chunk, single_shot) for part in some)))
    precisions = [each for part in found for each in part[0]]
    firsts = [each for part in found for each in part[1]]
    penalties = [each for part in found for each in part[2]]
    count = sum(part[3] for part in found)
    if single_shot:
        penalties = precisions  # of one match, both are 1 / its rank
    if not count:
        raise EvaluationError("no query shows a person who is in another camera of the gallery")
    average, best, penalty = (torch.cat(parts).double() for parts in (precisions, firsts, penalties))
    rank1, rank5, rank10, rank20 = (float((best <= k).double().mean()) for k in (1, 5, 10, 20))
    return RetrievalScores(
        mAP=float(average.mean()),
        rank1=rank1,
        rank5=rank5,
        rank10=rank10,
        rank20=rank20,
        mINP=float(penalty.mean()),
        queries=count,
        gallery=len(gallery.people),
    )


Parts = tuple[list[Tensor], list[Tensor], list[Tensor], int]
"""Average precision, rank of the best match and inverse negative penalty of queries, and how many have a match."""


def _found_by_cosine(query: Embeddings, gallery: Embeddings, chunk: int, single_shot: bool) -> Parts:
    """What queries find: a task. Arguments are those of `evaluate_retrieval`."""
    rows = gallery.rows.float()
    return _found(query, gallery, lambda part: query.rows[part].float() @ rows.T, chunk, single_shot)


def _found(
    query: Embeddings,
    gallery: Embeddings,
    affinity: Callable[[slice], Tensor],
    chunk: int,
    single_shot: bool,
) -> Parts:
    """What queries find. affinity: of some queries to the gallery (q, G)."""
    device = query.rows.device
    who, where = (torch.from_numpy(np.asarray(x, np.int64)).to(device) for x in (query.people, query.cameras))
    people, cameras = (torch.from_numpy(np.asarray(x, np.int64)).to(device) for x in (gallery.people, gallery.cameras))
    by_person = people.argsort(stable=True)
    first, last = (torch.searchsorted(people[by_person], who, side=side) for side in ("left", "right"))
    precisions, firsts, penalties, count = [], [], [], 0
    for start in range(0, len(who), chunk):
        part = slice(start, min(start + chunk, len(who)))
        matches_of = (last - first)[part]  # all of each query's person
        row = torch.arange(len(matches_of), device=device).repeat_interleave(matches_of)
        within = torch.arange(len(row), device=device) - (matches_of.cumsum(0) - matches_of)[row]
        column = by_person[first[part][row] + within]
        other_camera = where[part][row] != cameras[column]
        out = (row * len(people) + column)[~other_camera]
        row, column = row[other_camera], column[other_camera]  # matches, by query
        if not len(row):
            continue
        _, matches = row.unique_consecutive(return_counts=True)
        count += len(matches)
        if single_shot:
            for rank in _single_shot_ranks(affinity(part), row, column, people):
                precisions.append((1 / rank.double()).cpu())
                firsts.append(rank.cpu())
            continue
        rank = _ranks(affinity(part), row, column, out)
        rank = ((row << 32) + rank).sort().values & 0xFFFFFFFF  # a query's best match first
        ends = matches.cumsum(0)
        nth = torch.arange(1, len(row) + 1, device=device) - (ends - matches).repeat_interleave(matches)
        sums = torch.zeros(len(matches), dtype=torch.float64, device=device)
        sums.index_add_(0, torch.arange(len(matches), device=device).repeat_interleave(matches), nth / rank.double())
        precisions.append((sums / matches).cpu())
        firsts.append(rank[ends - matches].cpu())
        penalties.append((matches / rank[ends - 1].double()).cpu())
    return precisions, firsts, penalties, count


def mean_scores(scores: Sequence[RetrievalScores]) -> RetrievalScores:
    """Of several splits, each counting the same. Queries and gallery are those of all of them."""
    mean = {
        entry.name: float(np.mean([getattr(split, entry.name) for split in scores]))
        for entry in fields(RetrievalScores)
    }
    total = {name: sum(getattr(split, name) for split in scores) for name in ("queries", "gallery")}
    return RetrievalScores(**mean | total)


def _ranks(affinity: Tensor, row: Tensor, column: Tensor, out: Tensor) -> Tensor:
    """(M,) rank, 1 the best, of some entries of (Q, G) affinities among their row's. Entries `out` are below all.

    Rows are not sorted. A histogram counts what is far above an entry. Only what falls into a bin that holds a wanted
    entry is put in order.
    """
    count, gallery = affinity.shape
    bins = max(1, min(BINS, gallery // 4))
    least, most = (float(x) for x in affinity.aminmax())
    if not np.isfinite(most - least):
        raise EvaluationError("the embeddings hold values that are no numbers")
    scale = (bins - 1) / max(most - least, 1e-30)
    binned = affinity.sub(least).mul_(scale).to(torch.int32)  # rising with affinity, as rounding never turns an order
    binned.view(-1)[out] = 0
    affinity.view(-1)[out] = -torch.inf
    binned += torch.arange(0, count * bins, bins, dtype=torch.int32, device=affinity.device)[:, None]
    where = row * gallery + column
    wanted = torch.zeros(count * bins, dtype=torch.bool, device=affinity.device)
    wanted[binned.view(-1)[where]] = True
    histogram = torch.bincount(binned.view(-1), minlength=count * bins).masked_fill_(wanted, 0).view(count, bins)
    above = histogram.flip(1).cumsum(1).flip(1).view(-1)[binned.view(-1)[where]]
    near = wanted.index_select(0, binned.view(-1)).nonzero()[:, 0]  # indexing would copy `binned` to int64
    bits = (affinity.view(-1)[near].float() + 0.0).view(torch.int32)  # + 0.0: −0 becomes 0
    bits ^= (bits >> 31) & 0x7FFFFFFF  # now they order as the floats
    near_row = near // gallery
    order = ((near_row << 32) - bits).argsort(stable=True)  # by row, from the best, equal ones by column
    position = torch.empty_like(order)
    position[order] = torch.arange(len(order), device=order.device)
    within = position - torch.searchsorted(near_row, near_row)  # `near` goes by rows
    return 1 + above + within[torch.searchsorted(near, where)]


def _single_shot_ranks(affinity: Tensor, row: Tensor, column: Tensor, people: Tensor) -> Iterator[Tensor]:
    """(q,) ranks of the queries that have a match, DRAWS times. A match's picture is drawn from other cameras."""
    query, query_number = row.unique_consecutive(return_inverse=True)
    _, person = people.unique(return_inverse=True)
    query_person = torch.empty_like(query).index_put_((query_number,), person[column])
    index = torch.arange(len(query), device=query.device)
    for draw in range(DRAWS):
        lot = torch.from_numpy(np.random.default_rng([0, draw]).permutation(len(people))).to(query.device)
        picture = lot.argsort()  # by lot
        drawn = picture[_largest(lot, person)]  # of each person
        own = picture[_largest(lot[column], query_number)]
        drawn_affinity = affinity[query[:, None], drawn]
        drawn_affinity[index, query_person] = affinity[query, own]
        yield _ranks(drawn_affinity, index, query_person, index[:0])


def _largest(values: Tensor, group: Tensor) -> Tensor:
    """The largest value of each group 0 …, of which none is empty."""
    empty = torch.zeros(int(group.max()) + 1, dtype=values.dtype, device=values.device)
    return empty.scatter_reduce(0, group, values, "amax", include_self=False)


@dataclass(frozen=True, slots=True)
class ClusteringScores:
    """All 0…1, but the Rand index, which is 0 for chance."""

    nmi: float  # mutual information over the mean of the two entropies
    ari: float  # the Rand index, adjusted for chance (Hubert & Arabie, 1985)
    precision: float  # of pairs that are together, how many belong together
    recall: float  # of pairs that belong together, how many are
    f1: float


def evaluate_clustering(truth: ArrayLike, predicted: ArrayLike) -> ClusteringScores:
    """How well groups fit people.

    Args:
        truth: (N,) people, whatever they are called.
        predicted: (N,) groups of the same things.

    Returns:
        The scores.

    Raises:
        EvaluationError: The two are of different lengths, or empty.
    """
    _, a = np.unique(np.asarray(truth), return_inverse=True)
    _, b = np.unique(np.asarray(predicted), return_inverse=True)
    if len(a) != len(b) or not len(a):
        raise EvaluationError(f"{len(a)} true labels and {len(b)} predicted ones can't be compared")
    _, cells = np.unique(a * (b.max() + 1) + b, return_counts=True)
    sizes = (np.bincount(a), np.bincount(b))

    def entropy(counts: NDArray[np.int64]) -> float:
        share = counts / len(a)
        return float(-(share * np.log(share)).sum())

    def pairs(counts: NDArray[np.int64]) -> int:
        return int((counts * (counts - 1) // 2).sum())

    (h_truth, h_predicted), h_both = (entropy(counts) for counts in sizes), entropy(cells)
    together = pairs(cells)
    belong, are = (pairs(counts) for counts in sizes)
    expected = belong * are / max(1, pairs(np.array([len(a)])))
    most = (belong + are) / 2
    return ClusteringScores(
        nmi=max(0.0, h_truth + h_predicted - h_both) / ((h_truth + h_predicted) / 2)
        if h_truth + h_predicted > 0
        else 1.0,
        ari=(together - expected) / (most - expected) if most != expected else 1.0,
        precision=together / are if are else 1.0,
        recall=together / belong if belong else 1.0,
        f1=together / most if most else 1.0,
    )
