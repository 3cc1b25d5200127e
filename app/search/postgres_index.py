"""The index of a site whose record is a PostgreSQL: rows stay there, and any process that has the site open asks it.

A filtered search is exact. An unfiltered one goes by HNSW where partitions have one, see `app.record.vectors`.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.record.database import Database
from app.record.rows import lookup
from app.record.vectors import Ranges, Space, Vectors
from app.search.index import Matches, checked_queries


class PostgresIndex:
    """One space of vectors. See `app.search.index.Index`.

    It knows which ids there were when it was made. Rows are as they now are: who was erased since is not found.
    """

    def __init__(self, database: Database, space: Space) -> None:
        self._database, self._vectors, self.space = database, Vectors(database), space
        self._vectors.prepare_search()
        self.ids, self._days = self._vectors.ids(space)  # (n,) each
        self.width = space.width

    def changed(
        self, leaving: NDArray[np.int64], coming: NDArray[np.int64], rows: NDArray[np.floating]
    ) -> PostgresIndex | None:
        """The index without ids, and with others and their rows. What another process wrote just so isn't written.

        None where another process has made all rows anew, by other means of cameras or another merging.
        """
        with self._database.transaction():
            if self._vectors.space(self.space.model, self.space.kind) != self.space:
                return None
            known, days, _ = self._vectors.begins(coming)
            coming, days, new = coming[known], days[known], rows[known].astype(np.float16)
            there, stored = self._vectors.rows_of(self.space, coming, days)
            at = np.searchsorted(coming, there)
            differs, came = np.ones((2, len(coming)), bool)
            differs[at], came[at] = (stored != new[at]).any(1), False
            self._vectors.remove(np.union1d(leaving, coming[differs]).tolist(), [self.space])
            self._vectors.write(self.space, coming[differs], new[differs])
            self._vectors.note_changes(self.space.id, int(came.sum()))
        changed = copy.copy(self)
        stays = ~np.isin(self.ids, np.union1d(leaving, coming))
        ids, days = np.r_[self.ids[stays], coming], np.r_[self._days[stays], days]
        order = np.argsort(ids, kind="stable")
        changed.ids, changed._days = ids[order], days[order]
        return changed

    def embeddings(self, ids: ArrayLike) -> NDArray[np.float32]:
        """The rows `(n, D)` of ids that are here, zeros of those that left since. Raises KeyError where one was not."""
        wanted = np.asarray(ids, np.int64)
        row, there = lookup(self.ids, wanted)
        if not there.all():
            raise KeyError(f"{wanted[~there].tolist()} are not in the index")
        numbers, stored = self._vectors.rows_of(self.space, wanted, self._days[row])
        order = np.argsort(numbers, kind="stable")
        numbers, stored = numbers[order], stored[order]
        at, there = lookup(numbers, wanted)
        found = np.zeros((len(wanted), self.width), np.float32)
        found[there] = stored[at[there]]
        return found

    def search(self, queries: ArrayLike, k: int, among: ArrayLike | None = None, *, without: ArrayLike = ()) -> Matches:
        """See `Index`. Those that came since this was made are not found."""
        rows = checked_queries(self, queries, k)
        unwanted = np.asarray(without, np.int64)
        allowed = np.ones(len(self.ids), bool) if among is None else np.isin(self.ids, np.asarray(among, np.int64))
        allowed &= ~np.isin(self.ids, unwanted)
        ranges = None if among is None else Ranges.of(self.ids, self._days, allowed)
        wanted = min(k, int(allowed.sum()))
        if not wanted:
            return Matches(np.empty((len(rows), 0), np.int64), np.empty((len(rows), 0), np.float32))
        found = [self._nearest(row, wanted, allowed, ranges, len(unwanted)) for row in rows]
        fewest = min((len(ids) for ids, _ in found), default=wanted)  # some were erased just now
        return Matches(
            np.array([ids[:fewest] for ids, _ in found], np.int64).reshape(-1, fewest),
            np.array([similarities[:fewest] for _, similarities in found], np.float32).reshape(-1, fewest),
        )

    def _nearest(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_], ranges: Ranges | None, more: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k nearest of those allowed `(n,)`. more: so many of the nearest may be others."""
        while True:
            ids, similarities = self._vectors.nearest(self.space, query, k + more, ranges)
            row, there = lookup(self.ids, ids)
            there &= allowed[row]
            if there.sum() >= k or len(ids) < k + more:
                return ids[there][:k], similarities[there][:k]
            more = 2 * more + k  # some came since, and are nearer
