"""Embeddings in a record that is a PostgreSQL: a space of `app.record.vectors`, in which both halves are one vector.

Those of a tracklet that the record doesn't have are never written. They leave in the transaction in which its rows do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import SiteError
from app.record.halves import as_stored, whole
from app.record.rows import lookup
from app.record.vectors import HALVES, Space, Vectors

if TYPE_CHECKING:
    from app.record.database import Database


class TableEmbeddings:
    """What one model made of a site's tracklets. See `app.record.embeddings.Embeddings`."""

    def __init__(self, database: Database, model: str) -> None:
        self._database, self._model = database, model
        self._vectors = Vectors(database)

    def check(self, footage: int) -> NDArray[np.int64] | None:
        """The ids `(n,)` of a footage's tracklets, None where there are none. The server checks its pages itself."""
        space = self._space()
        ids = np.empty(0, np.int64) if space is None else self._vectors.ids(space, footage)[0]
        return ids if len(ids) else None

    def files(self) -> list[int]:
        """Footages of which there is a vector."""
        space = self._space()
        return [] if space is None else self._vectors.footages(space)

    def footages(self, among: Iterable[int] | None = None) -> set[int]:
        """The same, or those among some."""
        return set(self.files()) if among is None else set(among).intersection(self.files())

    def write(self, footage: int, ids: ArrayLike, halves: ArrayLike) -> None:
        """Replaces what is stored of a footage: tracklet ids `(n,)` and halves `(n, 2, D)`, normalised here."""
        with self._database.transaction():
            self._drop(footage)
            self._add(footage, ids, halves)

    def add(self, footage: int, ids: ArrayLike, halves: ArrayLike, alive: NDArray[np.int64]) -> None:
        """Adds to what is stored of a footage: tracklet ids `(n,)` and halves `(n, 2, D)`. Only those `alive` stay."""
        with self._database.transaction():
            numbers, rows = np.asarray(ids, np.int64), np.asarray(halves)
            if (stored := self.check(footage)) is not None:
                self._remove(stored[np.isin(stored, numbers) | ~np.isin(stored, alive)])
            there = np.isin(numbers, alive)
            self._add(footage, numbers[there], rows[there])

    append = add  # a few or many: a row is written either way

    def read(self, footage: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(n,)`, ascending, and halves `(n, 2, D)` of a footage, both empty where it is missing."""
        return self.load([footage])

    def load(self, footages: Iterable[int] | None = None) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(T,)`, ascending, and halves `(T, 2, D)` of some footages, or of all."""
        space = self._space()
        if space is None:
            return np.empty(0, np.int64), np.empty((0, 2, 0), np.float16)
        ids, rows = self._vectors.read(space, None if footages is None else sorted(set(footages)))
        order = np.argsort(ids, kind="stable")
        return ids[order], rows[order].reshape(len(ids), 2, space.width // 2)

    def load_whole(self) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(T,)`, ascending, and embeddings `(T, D)` of all tracklets. It reads a day at a time."""
        space = self._space()
        if space is None:
            return np.empty(0, np.int64), np.empty((0, 0), np.float16)
        ids, days = self._vectors.ids(space)
        rows, there = np.empty((len(ids), space.width // 2), np.float16), np.zeros(len(ids), bool)
        for day in np.unique(days):
            numbers, halves = self._vectors.read(space, days=np.array([day]))
            at, known = lookup(ids, numbers)  # what came just now is not known yet
            rows[at[known]] = whole(halves[known].reshape(-1, 2, space.width // 2))
            there[at[known]] = True
        return ids[there], rows[there]

    def remove(self, ids: Collection[int] | NDArray[np.int64], footages: Iterable[int] | None = None) -> int:
        """Takes tracklets out. Returns how many there were. May be repeated. `forget_deleted` removes their bytes."""
        with self._database.transaction():
            return self._remove(sorted(map(int, ids)))

    def drop(self, footage: int) -> None:
        """A footage is no longer embedded."""
        with self._database.transaction():
            self._drop(footage)

    def remove_all(self) -> None:
        """Drops all spaces that this model has, with their files."""
        with self._database.transaction():
            for space in self._vectors.spaces(self._model):
                self._vectors.drop(space)

    def where(self, footage: int) -> str:
        """In words."""
        return f"the record's table of {self._model}'s embeddings, footage {footage},"

    def _space(self) -> Space | None:
        return self._vectors.space(self._model, HALVES)

    def _drop(self, footage: int) -> None:
        if (stored := self.check(footage)) is not None:
            self._remove(stored)

    def _remove(self, ids: Iterable[int]) -> int:
        """From this model's space alone."""
        space = self._space()
        return 0 if space is None else self._vectors.remove([int(number) for number in ids], [space])

    def _add(self, footage: int, ids: ArrayLike, halves: ArrayLike) -> None:
        numbers, rows = as_stored(footage, ids, halves)
        if not len(numbers):
            return
        width = 2 * rows.shape[2]
        space = self._space() or self._vectors.make(self._model, HALVES, width)
        if space.width != width:
            raise SiteError(
                f"{self._model} has made embeddings of {space.width // 2} numbers, and now makes {rows.shape[2]}: "
                "bring it again under another name."
            )
        self._vectors.write(space, numbers, rows.reshape(len(rows), width))
