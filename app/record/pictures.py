"""Where a site's crops lie: shards in its folder, or objects in a store. All that reads or writes crops goes this way.

A shard is named by its camera, its footage and its number. In a folder it is a file that is appended to. In an object
store each commit's crops are a shard of their own, an object that is never appended to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from app.record.folder_pictures import FolderPictures
from app.record.places import FOLDER
from app.record.shards import Shard, ShardRange

if TYPE_CHECKING:
    from app.record.database import Database

Ranges = Sequence[tuple[int, int]]  # offsets and lengths, in bytes


class Writer(Protocol):
    """Appends to the shards of one footage. `shard` and `size` are where what it wrote ends."""

    shard: int
    size: int

    def append(self, crops: Iterable[bytes]) -> list[ShardRange]:
        """Writes crops and makes them durable. Raises OSError or StorageError, and no trace of them counts then."""

    def rewind(self, shard: int, size: int) -> None:
        """Removes what was written behind a place."""

    def close(self) -> None:
        """Ends writing."""


class Pictures(Protocol):
    """Shards of a site. Who can't reach them at all raises OSError or StorageError."""

    def writer(self, camera: int, footage: int, shard: int, size: int) -> Writer:
        """Goes on at a place, where the record says that the last commit ended. What lies behind it is removed."""

    def crop(self, shard: Shard, shard_range: ShardRange) -> bytes:
        """JPEG bytes. Raises ValueError where they are missing or damaged."""

    def read(self, shard: Shard, ranges: Ranges) -> list[bytes] | None:
        """Bytes of ranges, fewer where the shard is shorter. None where it can't be read."""

    def sizes(self, camera: int, footage: int) -> dict[int, int]:
        """The number and bytes of each shard of a footage."""

    def all_shards(self) -> list[Shard]:
        """Every shard that is there."""

    def put(self, shard: Shard, data: bytes) -> None:
        """Writes a whole shard, in place of what is there, and makes it durable."""

    def overwrite(self, shard: Shard, ranges: Ranges) -> None:
        """Puts zeros in the place of bytes, durably. Nothing is done to a shard that is gone."""

    def bytes_left(self, shard: Shard, ranges: Ranges) -> int:
        """Bytes other than zero in ranges, read from where they lie, and those of old versions of the shard."""

    def remove(self, shards: Iterable[Shard]) -> None:
        """Removes shards, and their bytes. Those that are gone are passed over."""

    def owner(self) -> str:
        """What `own` wrote, empty where it never did."""

    def own(self, owner: str) -> None:
        """Writes down whose pictures these are, so that no other site comes to the same place. Empty: nobody's."""

    def unreached(self) -> list[str]:
        """Where old bytes may be that can't be reached from here, a sentence each."""

    def where(self, shard: Shard) -> str:
        """A shard's path or URL."""


def pictures_of(database: Database) -> Pictures:
    """The pictures of a site whose record this is. Raises SiteError where nobody can have them."""
    return pictures_at(database.folder, database.places.store)


@lru_cache(64)  # connecting takes a while, and a search asks a hundred times
def pictures_at(folder: Path, store: str) -> Pictures:
    """The pictures at a place. folder: of the site."""
    if store == FOLDER:
        return FolderPictures(folder)
    if store.startswith("file:"):
        return FolderPictures(Path(unquote(urlsplit(store).path)))
    from app.record.object_pictures import ObjectPictures  # it brings what only stores need

    return ObjectPictures(store)
