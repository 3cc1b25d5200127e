"""Which tracklets belong together: nearest neighbours across cameras, soft labels and thresholds, in bounded memory.

A similarity matrix is only ever computed in blocks of `cells` entries (64 MiB of float32). So 100,000 tracklets against
100,000 need no more memory than their features. Everything runs where the features are. It gives the same whatever the
order of the tracklets is, up to exact ties and rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

CELLS = 2**24  # entries of one block of a similarity matrix
COLUMNS = 8192  # of one block, at most

Metric = Literal["cosine", "euclidean"]
Scope = Literal["pairwise", "pooled"]
Similarity = Callable[[slice, slice], Tensor]  # rows, columns → their block of the matrix, which the caller may change


def similarity_of(queries: Tensor, gallery: Tensor, metric: Metric) -> Similarity:
    """Cosine, or minus the squared Euclidean distance, of (N, D) and (M, D) features.

    It comes as blocks of an (N, M) matrix.
    """
    if metric == "cosine":
        a, b = functional.normalize(queries.float()), functional.normalize(gallery.float())
        return lambda rows, columns: a[rows] @ b[columns].T
    # |a|² + |b|² − 2ab loses its digits far from the origin. A shift changes no distance.
    centre = gallery.float().mean(0)
    a, b = queries.float() - centre, gallery.float() - centre
    a2, b2 = a.square().sum(1), b.square().sum(1)
    return lambda rows, columns: (a[rows] @ b[columns].T).mul_(2).sub_(a2[rows, None]).sub_(b2[columns]).clamp_(max=0.0)


def blocks(rows: int, columns: int, cells: int) -> Iterator[tuple[slice, slice]]:
    """The blocks of a (rows, columns) matrix, row by row."""
    wide = max(1, min(columns, COLUMNS, cells))
    high = max(1, cells // wide)
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            yield slice(top, min(top + high, rows)), slice(left, min(left + wide, columns))


def both_ways(similarity: Similarity, rows: int, columns: int, cells: int = CELLS) -> tuple[Tensor, ...]:
    """Finds each row's best column and each column's best row of a matrix, in one pass over it.

    Args:
        similarity: Blocks of the matrix.
        rows: N, at least 1.
        columns: M, at least 1.
        cells: Entries of one block.

    Returns:
        Best column (N,) int64, its similarity (N,) float32, best row (M,), its similarity (M,).
    """
    device = similarity(slice(0, 1), slice(0, 1)).device
    value = [torch.full((n,), -torch.inf, device=device) for n in (rows, columns)]
    index = [torch.zeros(n, dtype=torch.int64, device=device) for n in (rows, columns)]
    for across, down in blocks(rows, columns, cells):
        block = similarity(across, down)
        for side, own_part, opposite_part in ((0, across, down), (1, down, across)):
            block_best, at = block.max(1 - side)
            better = block_best > value[side][own_part]
            value[side][own_part] = torch.where(better, block_best, value[side][own_part])
            index[side][own_part] = torch.where(better, at + opposite_part.start, index[side][own_part])
    return index[0], value[0], index[1], value[1]


def top_k(
    similarity: Similarity,
    rows: int,
    columns: int,
    k: int,
    *,
    forbidden: Tensor | None = None,
    without_diagonal: bool = False,
    cells: int = CELLS,
) -> tuple[Tensor, Tensor]:
    """Finds the k best columns of each row of a matrix, best first.

    Args:
        similarity: Blocks of the matrix.
        rows: N.
        columns: M.
        k: Columns of each row.
        forbidden: (P, 2) row and column of entries that are left out.
        without_diagonal: No row has itself.
        cells: Entries of one block.

    Returns:
        Similarity (N, k) float32 and column (N, k) int64. Where fewer than k columns are allowed, −∞ and −1.
    """
    device = similarity(slice(0, 1), slice(0, 1)).device
    values = torch.full((rows, k), -torch.inf, device=device)
    indices = torch.full((rows, k), -1, dtype=torch.int64, device=device)
    if forbidden is not None:
        forbidden = forbidden.to(device)
        forbidden = forbidden[forbidden[:, 0].argsort(stable=True)]
    for across, down in blocks(rows, columns, cells):
        block = similarity(across, down)
        if without_diagonal:
            first = max(across.start, down.start)
            same = torch.arange(first, max(first, min(across.stop, down.stop)), device=device)
            block[same - across.start, same - down.start] = -torch.inf
        if forbidden is not None and len(forbidden):
            limits = torch.tensor([across.start, across.stop], device=device)
            first, last = torch.searchsorted(forbidden[:, 0].contiguous(), limits).tolist()
            row, column = forbidden[first:last].T
            inside = (column >= down.start) & (column < down.stop)
            block[row[inside] - across.start, column[inside] - down.start] = -torch.inf
        block_best, at = block.topk(min(k, block.shape[1]), 1)
        merged = torch.cat([values[across], block_best], 1)
        values[across], kept = merged.topk(k, 1)
        indices[across] = torch.cat([indices[across], at + down.start], 1).gather(1, kept)
    return values, indices.masked_fill(values == -torch.inf, -1)


@dataclass(frozen=True)
class Neighbours:
    """Of each tracklet, its nearest in each camera: `index` (T, C) int64, `similarity` (T, C) float32.

    Where there is none (its own camera, an empty one, one that was ruled out): −1 and −∞.
    """

    index: Tensor
    similarity: Tensor

    def where(self, keep: Tensor) -> Neighbours:
        """Those that `keep` (T, C) bool allows."""
        keep = keep & (self.index >= 0)
        return Neighbours(self.index.where(keep, -1), self.similarity.where(keep, -torch.inf))

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Associated pairs (P, 2) int64, each once and the lower index first, and their similarity (P,)."""
        row, column = (self.index >= 0).nonzero(as_tuple=True)
        neighbour, similarity = self.index[row, column], self.similarity[row, column]
        ends = torch.stack([torch.minimum(row, neighbour), torch.maximum(row, neighbour)], 1)
        pairs, pair_number = torch.unique(ends, dim=0, return_inverse=True)
        merged = torch.empty(len(pairs), dtype=similarity.dtype, device=similarity.device)
        merged[pair_number] = similarity
        return pairs, merged


def nearest_per_camera(
    features: Tensor, camera: Tensor, cameras: int, *, metric: Metric = "cosine", cells: int = CELLS
) -> Neighbours:
    """The nearest of each of T tracklets in every other camera. Each pair of cameras is multiplied once.

    Args:
        features: (T, D).
        camera: (T,) 0 … C − 1.
        cameras: C.
        metric: By which they are near.
        cells: Entries of one block of a similarity matrix.

    Returns:
        The neighbours, none in the own camera.
    """
    members = [(camera == number).nonzero()[:, 0] for number in range(cameras)]
    index = torch.full((len(features), cameras), -1, dtype=torch.int64, device=features.device)
    similarity = torch.full((len(features), cameras), -torch.inf, device=features.device)
    for first_camera in range(cameras):
        for second_camera in range(first_camera + 1, cameras):
            a, b = members[first_camera], members[second_camera]
            if not len(a) or not len(b):
                continue
            block = similarity_of(features[a], features[b], metric)
            column, right, row, left = both_ways(block, len(a), len(b), cells)
            index[a, second_camera], similarity[a, second_camera] = b[column], right
            index[b, first_camera], similarity[b, first_camera] = a[row], left
    return Neighbours(index, similarity)


def reciprocal(nearest: Neighbours, camera: Tensor) -> Neighbours:
    """Those neighbours that have each other as the nearest, any two cameras on their own (UGA Eq. 4, EEA Eq. 7).

    So a tracklet may have one in every other camera.
    """
    own = torch.arange(len(camera), device=camera.device)
    back = nearest.index[nearest.index.clamp(min=0), camera[:, None]]  # of my neighbour in camera c, the one in mine
    return nearest.where(back == own[:, None])


def nearest_elsewhere(features: Tensor, camera: Tensor, k: int, *, cells: int = CELLS) -> Tensor:
    """(T, k) the nearest of each of T tracklets among those of all other cameras together, −1 where there are fewer.

    Args:
        features: (T, D). They are near by Euclidean distance.
        camera: (T,).
        k: How many.
        cells: Entries of one block of a similarity matrix.
    """
    similarity = similarity_of(features, features, "euclidean")

    def across(rows: slice, columns: slice) -> Tensor:
        return similarity(rows, columns).masked_fill_(camera[rows, None] == camera[columns], -torch.inf)

    return top_k(across, len(features), len(features), k, cells=cells)[1]


def mutual(nearest: Tensor) -> Tensor:
    """Those of (T, k) nearest that have each other among theirs. The others become −1."""
    own = torch.arange(len(nearest), device=nearest.device)[:, None, None]
    return nearest.where((nearest[nearest.clamp(min=0)] == own).any(2) & (nearest >= 0), -1)


def calibrated_threshold(similarity: Tensor, quantile: float) -> float:
    """The `quantile` of the similarities (P,) of reciprocal pairs. 1 where there are none.

    Absolute thresholds mean different things in different feature spaces. Learned from random weights, the exemplars of
    two cameras stay nearly orthogonal for a third of a run. None would pass 0.5.
    """
    if not len(similarity):
        return 1.0
    rank = 1 + round(quantile * (len(similarity) - 1))
    return float(similarity.float().kthvalue(rank).values)


@dataclass(frozen=True)
class SoftLabels:
    """Sparse label distributions ŷ over the classes of the same camera, here tracklets, K + 1 of them named.

    The first is the tracklet's own class. Where there are fewer neighbours, it comes again with 0.
    """

    classes: Tensor  # (T, K + 1) int64
    weight: Tensor  # (T, K + 1) float32, rows summing to 1 (UTAL Eq. 6)
    affinity: Tensor  # (T, K + 1) float32 (UTAL Eq. 4), 1 for itself

    def similarity(self, pairs: Tensor) -> Tensor:
        """Cosine (P,) of the label vectors of pairs (P, 2) of tracklets: UTAL's pairwise similarity (its Fig. 4)."""
        a, b = pairs.T
        met = self.classes[a][:, :, None] == self.classes[b][:, None, :]
        products = self.weight[a][:, :, None] * self.weight[b][:, None, :]
        return (met * products).sum((1, 2)) / (self.weight[a].norm(dim=1) * self.weight[b].norm(dim=1))

    def neighbour_pairs(self) -> Tensor:
        """(P, 2): every tracklet with each tracklet that its label names beside itself."""
        row, entry = (self.affinity[:, 1:] > 0).nonzero(as_tuple=True)
        return torch.stack([row, self.classes[row, entry + 1]], 1)


def hard_labels(tracklets: int, device: torch.device) -> SoftLabels:
    """Every tracklet its own class: K = 0."""
    certain = torch.ones((tracklets, 1), device=device)
    return SoftLabels(torch.arange(tracklets, device=device)[:, None], certain, certain.clone())


def soft_labels(
    features: Tensor,
    camera: Tensor,
    cameras: int,
    k: int,
    *,
    cannot_link: Tensor | None = None,
    cells: int = CELLS,
) -> SoftLabels:
    """UTAL's soft tracklet labels, each camera by itself (Eq. 4 to 6).

    The paper does not say whether N(s) holds s. Here it does not. s itself is always added, with affinity 1. σ² is the
    mean over the K neighbours. Else a label would name its own tracklet least.

    Args:
        features: (T, D).
        camera: (T,) 0 … C − 1.
        cameras: C.
        k: K. With 0 every tracklet is its own class.
        cannot_link: (P, 2) tracklets that are never each other's neighbours.
        cells: Entries of one block of a similarity matrix.

    Returns:
        The labels.
    """
    hard = hard_labels(len(features), features.device)
    if k == 0:
        return hard
    classes = hard.classes.expand(-1, k + 1).clone()
    affinity = torch.zeros(classes.shape, device=features.device)
    affinity[:, 0] = 1.0
    for number in range(cameras):
        members = (camera == number).nonzero()[:, 0]
        if len(members) < 2:
            continue
        similarity = similarity_of(features[members], features[members], "euclidean")
        forbidden = None if cannot_link is None else within(members, cannot_link, len(features))
        nearest, member = top_k(
            similarity, len(members), len(members), k, forbidden=forbidden, without_diagonal=True, cells=cells
        )
        has_neighbour = member >= 0
        squared = (-nearest).masked_fill(~has_neighbour, 0.0)
        sigma2 = squared.sum() / has_neighbour.sum().clamp(min=1)  # Eq. 5
        classes[members, 1:] = torch.where(has_neighbour, members[member.clamp(min=0)], members[:, None])
        affinity[members, 1:] = torch.exp(-squared / sigma2.clamp(min=1e-12)) * has_neighbour  # Eq. 4
    return SoftLabels(classes, affinity / affinity.sum(1, keepdim=True), affinity)  # Eq. 6


def within(members: Tensor, pairs: Tensor, count: int) -> Tensor:
    """Of pairs (P, 2) of `count` tracklets, those of two `members` (M,), both ways round, as positions in `members`."""
    position = torch.full((count,), -1, dtype=torch.int64, device=members.device)
    position[members] = torch.arange(len(members), device=members.device)
    local = position[pairs.to(members.device)]
    local = local[(local >= 0).all(1)]
    return torch.cat([local, local.flip(1)])
