"""Where a site's embeddings are: files of its folder, or a table where its record is a PostgreSQL.

They derive from crops: each version of the encoder makes its own. What a tracklet has is said in `app.record.halves`.
All that reads or writes them goes this way. What is lost or damaged counts as missing, and comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import StorageError
from app.record.folder_embeddings import FolderEmbeddings
from app.record.leases import ERASING
from app.record.places import FOLDER
from app.record.table_embeddings import TableEmbeddings
from app.record.vectors import HALVES, Vectors

if TYPE_CHECKING:
    from app.asking import Progress
    from app.record.database import Database

_FOLDER = "embeddings"


class Embeddings(Protocol):
    """What one model made of a site's tracklets."""

    def check(self, footage: int) -> NDArray[np.int64] | None:
        """The ids `(n,)` of a footage's tracklets, None where there is nothing of it, or something is damaged."""

    def files(self) -> list[int]:
        """Footages of which something is there, sound or not."""

    def footages(self, among: Iterable[int] | None = None) -> set[int]:
        """Ids of the footages that are embedded, or of those among some. Damaged ones are left out."""

    def write(self, footage: int, ids: ArrayLike, halves: ArrayLike) -> None:
        """Replaces what is stored of a footage: tracklet ids `(n,)` and halves `(n, 2, D)`, normalised here."""

    def add(self, footage: int, ids: ArrayLike, halves: ArrayLike, alive: NDArray[np.int64]) -> None:
        """Adds to what is stored of a footage: tracklet ids `(n,)` and halves `(n, 2, D)`. Only those `alive` stay."""

    def append(self, footage: int, ids: ArrayLike, halves: ArrayLike, alive: NDArray[np.int64]) -> None:
        """Adds a few, as `add` does, in little time."""

    def read(self, footage: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(n,)`, ascending, and halves `(n, 2, D)` of a footage. Both are empty where it is missing or damaged."""

    def load(self, footages: Iterable[int] | None = None) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(T,)`, ascending, and halves `(T, 2, D)` of some footages, or of all."""

    def load_whole(self) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(T,)`, ascending, and embeddings `(T, D)` of all tracklets: half the memory of `load`."""

    def remove(self, ids: Collection[int] | NDArray[np.int64], footages: Iterable[int] | None = None) -> int:
        """Takes tracklets out, and returns how many there were. May be repeated. footages: those that they are of."""

    def drop(self, footage: int) -> None:
        """A footage is no longer embedded."""

    def remove_all(self) -> None:
        """Removes all that this model made."""

    def where(self, footage: int) -> str:
        """Where what is stored of a footage is, in words."""


def embeddings_of(database: Database, model: str) -> Embeddings:
    """What a model made of the tracklets of a site whose record this is."""
    if database.postgres:
        return TableEmbeddings(database, model)
    return FolderEmbeddings(database.folder / _FOLDER / model)


def embedded_models(database: Database) -> list[str]:
    """Models that have embedded something, by name."""
    if database.postgres:
        return sorted(space.model for space in Vectors(database).spaces() if space.kind == HALVES)
    return [store.folder.name for store in files_of(database.folder)]


def files_of(folder: Path) -> list[FolderEmbeddings]:
    """The embeddings of each model that are files of a site's folder."""
    return [FolderEmbeddings(path) for path in sorted((folder / _FOLDER).glob("*"))]


def copy_embeddings(old: Database, new: Database, progress: Progress) -> int:
    """Brings all embeddings to another record, which has all rows by now, and compares them. Returns how many.

    What the other one had before leaves. Raises StorageError where something did not arrive as it was sent.
    """
    for model in embedded_models(new):
        embeddings_of(new, model).remove_all()
    count = 0
    for model in embedded_models(old):
        source, target = embeddings_of(old, model), embeddings_of(new, model)
        for footage in sorted(source.footages()):
            ids, halves = source.read(footage)
            target.write(footage, ids, halves)
            there, arrived = target.read(footage)
            sent = np.isin(ids, there)  # the others are of no tracklet
            if not np.array_equal(ids[sent], there) or not np.array_equal(halves[sent], arrived):
                raise StorageError(
                    f"Embeddings of {model} did not arrive at the new place as they were sent: try again."
                )
            count += len(there)
            progress("embeddings copied", count)
    return count


def take_over_files(database: Database) -> None:
    """Files of a site's folder that another version of this program left go into the record, and leave.

    So erasing need not reach what other machines have. Those that a move left are let be: its old place has them.
    """
    if not database.postgres or database.places.left.get("record") == FOLDER:
        return
    for store in files_of(database.folder):
        table = TableEmbeddings(database, store.folder.name)
        with database.lease(ERASING):
            for footage in store.footages().difference(table.footages()):
                table.write(footage, *store.read(footage))
            store.remove_all()
