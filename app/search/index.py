"""Search in the embeddings of a site's tracklets: exact, by FAISS, over the rows that a filter leaves.

All rows are held in memory as float16, 1 KiB each at 512 dimensions. There are no approximate codes. An exact search in
200,000 rows takes some 15 ms, a third of what embedding a still takes. Where a site's record is a PostgreSQL, that
searches instead: see `app.search.postgres_index`.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.record.rows import lookup

THREADED_FROM = 20_000  # rows. Fewer aren't worth waking a thread
ROUNDING = 1e-5  # FAISS and NumPy sum in different orders: similarities closer than that may be swapped


@dataclass(frozen=True, slots=True)
class Matches:
    """What a search found for each of Q queries: the best first, equals by id.

    K is what was asked, or all there is.
    """

    ids: NDArray[np.int64]  # (Q, K)
    similarities: NDArray[np.float32]  # (Q, K), cosine


class Index(Protocol):
    """What a search asks. What it answers depends on its rows alone, not on how they came."""

    ids: NDArray[np.int64]  # (n,) ascending
    width: int  # numbers of an embedding, D

    def changed(
        self, leaving: NDArray[np.int64], coming: NDArray[np.int64], rows: NDArray[np.floating]
    ) -> Index | None:
        """The index without the ids `leaving`, and with those `coming`, ascending, and their rows `(n, D)`.

        An id that comes may be here already. None where another process has made all rows anew.
        """

    def embeddings(self, ids: ArrayLike) -> NDArray[np.float32]:
        """The rows `(n, D)` of ids that are here, zeros of those that left since. Raises KeyError where one was not."""

    def search(self, queries: ArrayLike, k: int, among: ArrayLike | None = None, *, without: ArrayLike = ()) -> Matches:
        """The k most similar to each of `(Q, D)` L2-normalised queries.

        among: only these ids, where they are given. Unknown ids in it are ignored. No match is missed then. without:
        not these, which are few. Raises ValueError on queries of another width or that aren't finite, and on k below 1.
        """


def checked_queries(index: Index, queries: ArrayLike, k: int) -> NDArray[np.float32]:
    """Queries `(Q, D)` as they are compared. Raises ValueError."""
    rows, width = np.ascontiguousarray(queries, np.float32), index.width
    if rows.ndim != 2 or (len(index.ids) and rows.shape[1] != width) or not np.isfinite(rows).all():
        raise ValueError(f"queries are (Q, {width if len(index.ids) else 'D'}) finite numbers, not {rows.shape}")
    if k < 1:
        raise ValueError(f"k is how many are wanted, at least 1: {k}")
    return rows


class FaissIndex:
    """An index in this process. What it answers depends on its rows alone, not on how they came."""

    def __init__(self, ids: NDArray[np.int64], rows: NDArray[np.floating]) -> None:
        """Ids `(n,)`, ascending, and L2-normalised rows `(n, D)`, held as float16."""
        self.ids = ids  # (n,)
        self.width = int(rows.shape[1])
        self._blocks = [_Block(ids, rows)]

    def changed(self, leaving: NDArray[np.int64], coming: NDArray[np.int64], rows: NDArray[np.floating]) -> FaissIndex:
        """The index without the ids `leaving`, and with those `coming`, ascending, and their rows `(n, D)`.

        An id that comes may be here already. Both share the rows that stay. The bytes of those that leave are
        overwritten in both.
        """
        for block in self._blocks:
            block.overwrite(leaving)
        gone = np.concatenate([leaving, coming])
        first, *more = (block.without(gone) for block in self._blocks)
        for block in more:  # one at most: the rows that came since
            coming = np.concatenate([coming, block.ids[block.there]])
            rows = np.concatenate([rows, block.rows[block.there]])
        order = np.argsort(coming)
        changed = copy.copy(self)
        changed._blocks = [first, _Block(coming[order], rows[order])]
        changed.ids = np.sort(np.concatenate([block.ids[block.there] for block in changed._blocks]))
        return changed

    def embeddings(self, ids: ArrayLike) -> NDArray[np.float32]:
        """The rows `(n, D)` of ids that are here, zeros of those that left since. Raises KeyError where one was not."""
        wanted = np.asarray(ids, np.int64)
        missing = ~lookup(self.ids, wanted)[1]
        if missing.any():
            raise KeyError(f"{wanted[missing].tolist()} are not in the index")
        found = np.zeros((len(wanted), self.width), np.float32)
        for block in filter(lambda block: len(block.ids), self._blocks):
            row, there = lookup(block.ids, wanted)
            there &= block.there[row]
            found[there] = block.rows[row[there]]
        return found

    def search(self, queries: ArrayLike, k: int, among: ArrayLike | None = None, *, without: ArrayLike = ()) -> Matches:
        """See `Index`. No match is missed, with a filter or without."""
        rows = checked_queries(self, queries, k)
        wanted = None if among is None else np.asarray(among, np.int64)
        unwanted = np.asarray(without, np.int64)
        found = [block.search(rows, k, wanted, unwanted) for block in self._blocks if len(block.ids)]
        if len(found) == 1:
            return found[0]
        ids = np.concatenate([matches.ids for matches in found] or [np.empty((len(rows), 0), np.int64)], 1)
        similarities = np.concatenate(
            [matches.similarities for matches in found] or [np.empty((len(rows), 0), np.float32)], 1
        )
        best = np.lexsort((ids, -similarities))[:, :k]
        return Matches(np.take_along_axis(ids, best, 1), np.take_along_axis(similarities, best, 1))


class _Block:
    """Rows in one piece of memory, as FAISS reads them. Rows may leave, and none may come."""

    def __init__(self, ids: NDArray[np.int64], rows: NDArray[np.floating]) -> None:
        count, width = rows.shape
        self.ids = ids  # (n,)
        self.there = np.ones(count, bool)  # (n,)
        self._scanner = faiss.IndexScalarQuantizer(
            max(width, 1), faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self.rows = rows.astype(np.float16, copy=False)  # (n, D)
        if count:
            self._scanner.add_sa_codes(np.ascontiguousarray(self.rows).view(np.uint8))
            # FAISS owns the only copy. This is a view of it.
            held = faiss.rev_swig_ptr(self._scanner.codes.data(), 2 * count * width)
            self.rows = held.view(np.float16).reshape(count, width)

    def overwrite(self, leaving: NDArray[np.int64]) -> None:
        """Rows of ids, if they are here, become zeros, also for who is just searching. The next search finds none."""
        row, there = lookup(self.ids, leaving)
        self.there = self.without(leaving).there
        self.rows[row[there]] = 0

    def without(self, leaving: NDArray[np.int64]) -> _Block:
        """The same memory, in which ids are not found any more."""
        row, there = lookup(self.ids, leaving)
        block = copy.copy(self)
        block.there = self.there.copy()
        block.there[row[there]] = False
        return block

    def search(
        self, rows: NDArray[np.float32], k: int, among: NDArray[np.int64] | None, without: NDArray[np.int64]
    ) -> Matches:
        """The k most similar to each of `(Q, D)` queries."""
        mask = self.there  # as it is now: somebody may be erased meanwhile
        if len(without):
            mask = mask & self.without(without).there
        if among is not None:
            row, wanted = lookup(self.ids, among)
            chosen = np.zeros(len(self.ids), bool)
            chosen[row[wanted]] = True
            mask = mask & chosen
        allowed = int(mask.sum())
        k = min(k, allowed)
        if not k:
            return Matches(np.empty((len(rows), 0), np.int64), np.empty((len(rows), 0), np.float32))
        nearest = [self._nearest(query, k, mask, allowed) for query in rows]
        return Matches(
            self.ids[np.array([places for places, _ in nearest], np.int64).reshape(-1, k)],
            np.array([similarities for _, similarities in nearest], np.float32).reshape(-1, k),
        )

    def _nearest(
        self, query: NDArray[np.float32], k: int, mask: NDArray[np.bool_], allowed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Places and similarities of the k best of `allowed` rows, none missed."""
        wanted = min(k + 16, allowed)
        while True:
            parts = self._scan(query, wanted, mask, allowed)
            places, similarities = self._rank(query, np.concatenate([rows_of_part for rows_of_part, _ in parts]), k)
            # What a part didn't name is no better than the last it named. With equals of the k-th left out, ask on.
            unseen = max(worst for _, worst in parts)
            if wanted == allowed or unseen < similarities[-1] - ROUNDING:
                return places, similarities
            wanted = min(4 * wanted, allowed)

    def _rank(
        self, query: NDArray[np.float32], places: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best of some rows, by similarities that don't depend on what else is compared, and equals by id."""
        similarities = (self.rows[places].astype(np.float32) * query).sum(1)
        order = np.lexsort((places, -similarities))[:k]
        return places[order], similarities[order]

    def _scan(
        self, query: NDArray[np.float32], number: int, mask: NDArray[np.bool_], allowed: int
    ) -> list[tuple[NDArray[np.int64], float]]:
        """Places of the best rows of each part of the gallery, and how similar the last of them is."""
        count = len(self.ids)

        def scan(start: int, stop: int) -> tuple[NDArray[np.int64], float]:
            allowed_rows = np.zeros(count, bool)
            allowed_rows[start:stop] = mask[start:stop]
            selection = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(allowed_rows, bitorder="little")))
            with _one_thread():
                similarities, places = self._scanner.search(query[None], number, params=selection)
            full = places[0, -1] >= 0
            return places[0][places[0] >= 0], float(similarities[0, -1]) if full else -np.inf

        # FAISS gives one query one thread. Memory feeds several.
        threads = min(os.cpu_count() or 1, 8) if allowed >= THREADED_FROM else 1
        if threads == 1:
            return [scan(0, count)]
        bounds = np.linspace(0, count, threads + 1).astype(int)
        return list(_pool().map(scan, bounds[:-1], bounds[1:]))


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS starts no threads for what this thread asks of it.

    It is for work so small that threads wait for each other instead. On a busy machine a filtered search in 20 000 rows
    took 42 ms with two threads. With one it took 0.2 ms.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(os.cpu_count() or 1, 8), "search")
