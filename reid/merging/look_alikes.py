"""Who looks like whom: in each camera, and from camera to camera.

Two blocks of rows are a task (`reid.spread`). A block is what one camera saw, a part of that where it saw many, or what
several cameras saw where each saw few.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, groupby, product

import numpy as np
from numpy.typing import NDArray

from reid.merging.clustering import Fetched
from reid.merging.seen import pairs_of_keys
from reid.neighbours import BLOCK, CELLS, Integers, Nearest, Rows, tiles
from reid.normalised import normalised
from reid.spread import Here, Spread

_CAMERAS = 32  # of a block, at most: what is found from camera to camera grows with their number


@dataclass(frozen=True, eq=False)
class LookAlikes:
    """Pairs of N rows, the smaller number first, in rising order."""

    pairs: Integers  # (P, 2) of each row the nearest in its own camera, and the nearest in all others together
    mutual: (
        Integers  # (M, 2) of two cameras each that are each other's nearest. Only these two cameras count for a pair
    )


@dataclass(frozen=True, eq=False)
class _Block:
    rows: Rows  # (n, D)
    camera: Integers  # (n,) rising
    first: int  # number of the first row, in the order of cameras


class _Met:
    """Of consecutive rows of one camera the nearest of another camera. Numbers are those in the order of cameras."""

    def __init__(self, first: int, count: int) -> None:
        self.first = first
        self.nearest, self.similarity = np.zeros(count, np.int64), np.full(count, -np.inf, np.float32)

    def meet(self, first: int, nearest: Integers, similarity: Rows) -> None:
        """Rows from `first` have met others. Equal ones that came before stay."""
        part = slice(first - self.first, first - self.first + len(nearest))
        better = similarity > self.similarity[part]
        np.copyto(self.nearest[part], nearest, where=better)
        np.copyto(self.similarity[part], similarity, where=better)


_Way = tuple[int, int]  # from a camera to another one
_Columns = tuple[NDArray[np.int32], Rows]  # (n, K) numbers in the order of cameras, and similarities


@dataclass(frozen=True, eq=False)
class _Found:
    """What the rows of a block have in another one."""

    within: _Columns
    across: _Columns
    met: dict[_Way, _Met]


def look_alikes(
    rows: Fetched, camera: Integers, most: int, spread: Spread | None = None, *, across: bool = True
) -> LookAlikes:
    """Finds who looks most like whom by cosine. The memory is that of some `most` numbers a row.

    Args:
        rows: (N, D).
        camera: (N,) 0 … C − 1.
        most: Neighbours of a row in its own camera, and as many in all others together.
        spread: Where the work is done.
        across: Other cameras are looked at. Else nobody is.

    Returns:
        The pairs.
    """
    spread = spread or Here()
    order = np.argsort(camera, kind="stable")
    groups = _groups(np.bincount(camera))
    parts = [part for group in groups for part in group]
    blocks = spread.shared(len(parts), lambda k: _Block(rows[order[parts[k]]], camera[order[parts[k]]], parts[k].start))
    within, beyond = Nearest(len(order), most), Nearest(len(order), most if across else 0)
    cameras = dict(_cameras(camera[order]))
    mutual = [np.zeros((0, 2), np.int64)]
    pairs = _pairs([len(group) for group in groups], across=across)
    arguments = ((blocks[a], None if a == b else blocks[b], most, across) for _, a, b in pairs)
    for _, done in groupby(zip(pairs, spread.each(_compared, arguments)), key=lambda task: task[0][0]):
        met: dict[_Way, _Met] = {}
        for (_, a, b), found in done:
            for block, side in zip((a, b), found):
                within.take(parts[block], *side.within)
                beyond.take(parts[block], *side.across)
                for way, some in side.met.items():
                    of_camera = cameras[way[0]]
                    whole = met.setdefault(way, _Met(of_camera.start, of_camera.stop - of_camera.start))
                    whole.meet(some.first, some.nearest, some.similarity)
        mutual += [_each_others(met[a, b], met[b, a]) for a, b in met if a < b]
    each_other = np.sort(order[np.concatenate(mutual)], axis=1)
    return LookAlikes(_pairs_of(order, [within.column, beyond.column]), each_other)


def _groups(counts: Integers) -> list[list[slice]]:
    """Blocks of rows in the order of cameras, by C `counts`. A camera with too many for one has a group of blocks."""
    ends = counts.cumsum()
    groups: list[list[slice]] = []
    first, cameras = 0, 0
    for camera, end in enumerate(ends.tolist()):
        last = camera + 1 == len(ends)
        cameras += 1
        if last or cameras == _CAMERAS or int(ends[camera + 1]) - first > BLOCK:
            groups.append([slice(k, min(k + BLOCK, end)) for k in range(first, end, BLOCK)])
            first, cameras = end, 0
    return [group for group in groups if group]


def _pairs(sizes: list[int], *, across: bool) -> list[tuple[_Way, int, int]]:
    """Pairs of groups of `sizes` blocks, and in each the pairs of blocks. Of each block its partners rise."""
    firsts = np.cumsum([0, *sizes]).tolist()
    pairs = []
    for a, b in combinations_with_replacement(range(len(sizes)), 2):
        if across or a == b:
            of_a, of_b = (range(firsts[k], firsts[k + 1]) for k in (a, b))
            pairs += [((a, b), i, j) for i, j in product(of_a, of_b) if i <= j]
    return pairs


def _compared(a: _Block, b: _Block | None, most: int, across: bool) -> list[_Found]:
    """What rows of two blocks, or of one block with itself, have in each other."""
    blocks = [a] if b is None else [a, b]
    other = blocks[-1]
    cameras = [dict(_cameras(block.camera)) for block in blocks]
    same, several = not cameras[0].keys().isdisjoint(cameras[-1]), len(cameras[0].keys() | cameras[-1].keys()) > 1
    within = [Nearest(len(block.camera), most if same else 0) for block in blocks]
    beyond = [Nearest(len(block.camera), most if across and several else 0) for block in blocks]
    met: list[dict[_Way, _Met]] = [{} for _ in blocks]

    def meet(side: int, way: _Way, first: int, nearest: Integers, similarity: Rows) -> None:
        of_camera = cameras[side][way[0]]
        begin = blocks[side].first + of_camera.start
        some = met[side].setdefault(way, _Met(begin, of_camera.stop - of_camera.start))
        some.meet(blocks[side].first + first, nearest, similarity)

    rows = [normalised(block.rows) for block in blocks]
    for row, column, similarity in tiles(rows[0], None if b is None else rows[1]):
        mirrored = b is not None or row != column
        if not mirrored:
            np.fill_diagonal(similarity, -np.inf)  # nobody is their own look-alike
        above = _cameras(a.camera[row : row + similarity.shape[0]])
        beside = _cameras(other.camera[column : column + similarity.shape[1]])
        for (own, top), (camera, left) in product(above, beside):
            part, at, to = similarity[top, left], row + top.start, column + left.start
            if own == camera:
                within[0].offer(part, at, other.first + to)
                if mirrored:
                    within[-1].offer(part.T, to, a.first + at)
                part[...] = -np.inf
            elif across and own < camera:
                meet(0, (own, camera), at, part.argmax(1) + other.first + to, part.max(1))
                meet(-1, (camera, own), to, _best_rows(part) + a.first + at, part.max(0))
        beyond[0].offer(similarity, row, other.first + column)
        if mirrored:
            beyond[-1].offer(similarity.T, column, a.first + row)
    return [
        _Found((near.column, near.similarity), (far.column, far.similarity), ways)
        for near, far, ways in zip(within, beyond, met)
    ]


def _cameras(camera: Integers) -> list[tuple[int, slice]]:
    """Each camera of rising ones (n,), and the rows that are its."""
    names, first = np.unique(camera, return_index=True)
    ends = [*first[1:].tolist(), len(camera)]
    return [(name, slice(begin, end)) for name, begin, end in zip(names.tolist(), first.tolist(), ends)]


def _best_rows(similarity: Rows) -> Integers:
    """(m,) the first row of each column's largest entry, of (n, m). `argmax` down the columns takes far longer."""
    row, column = np.divmod(np.flatnonzero(similarity == similarity.max(0)), similarity.shape[1])
    best = np.empty(similarity.shape[1], np.int64)
    best[column[::-1]] = row[::-1]
    return best


def _each_others(there: _Met, back: _Met) -> Integers:
    """(M, 2) rows of two cameras that are each other's nearest, as numbers in the order of cameras."""
    own = there.first + np.arange(len(there.nearest))
    mutual = back.nearest[there.nearest - back.first] == own
    return np.stack([own[mutual], there.nearest[mutual]], axis=1)


def _pairs_of(order: Integers, columns: list[NDArray[np.int32]]) -> Integers:
    """(P, 2) distinct pairs of each row and its `columns` (N, K), which are −1 where there are none."""
    count = len(order)
    keys = np.empty(sum(int((column >= 0).sum()) for column in columns), np.int64)
    filled = 0
    for column in columns:
        step = max(1, CELLS // max(1, column.shape[1]))
        for first in range(0, count, step):
            row, place = np.nonzero(column[first : first + step] >= 0)
            a, b = order[first + row], order[column[first + row, place]]
            keys[filled : filled + len(row)] = np.minimum(a, b) * count + np.maximum(a, b)
            filled += len(row)
    return pairs_of_keys(keys, count)
