"""Where a site's crops lie: shards in its folder, or objects in a store. All that reads or writes crops goes this way.

A shard is named by its camera, its footage and its number. In a folder it is a file that is appended to. In an object
store each commit's crops are a shard of their own, an object that is never appended to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from sqlalchemy import select

from app.record.folder_pictures import FolderPictures
from app.record.places import FOLDER
from app.record.schema import crops, segments
from app.record.shards import Shard, ShardRange

if TYPE_CHECKING:
    from app.record.database import Database
    from app.record.rows import CropRecord

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
    """Shards of a site. All raise OSError or StorageError where the place can't be reached."""

    at_once: int  # shards that are worth reading at once, as each takes its time to answer

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
        """Writes a whole shard where there is none, and makes it durable."""

    def overwrite(self, shard: Shard, ranges: Ranges) -> None:
        """Puts zeros in the place of bytes, durably. A shard without others may leave. One that is gone stays so."""

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


def jpegs_of(database: Database, records: Sequence[CropRecord]) -> list[bytes | None]:
    """The JPEG bytes of many crops, None of those that are missing or damaged. Those of a shard are read at once."""
    jpegs: list[bytes | None] = [None] * len(records)
    by_shard: dict[Shard, list[int]] = {}
    for k, record in enumerate(records):
        by_shard.setdefault(record.shard, []).append(k)
    pictures = pictures_of(database)

    def fill(shard: Shard) -> None:
        ranges = [records[k].shard_range for k in by_shard[shard]]
        read = pictures.read(shard, [(each.offset, each.length) for each in ranges])
        for k, shard_range, data in zip(by_shard[shard], ranges, read or ()):
            jpegs[k] = data if shard_range.holds(data) else None

    if pictures.at_once == 1 or len(by_shard) < 2:
        for shard in by_shard:
            fill(shard)
    else:
        with ThreadPoolExecutor(min(pictures.at_once, len(by_shard))) as threads:
            list(threads.map(fill, by_shard))  # raises what one of them raised
    return jpegs


def lost_bytes(database: Database, film: Any) -> int:
    """How many bytes of a footage's last shard are lost. film: its row, or record.

    One that is gone, and in which no row names a crop, was erased as a whole.
    """
    size = pictures_of(database).sizes(film.camera_id, film.id).get(film.shard)
    named = select(crops.c.number).join_from(crops, segments)
    named = named.where(segments.c.footage_id == film.id, crops.c.shard == film.shard).limit(1)
    if size is None and database.first(named) is None:
        return 0
    return max(0, film.shard_bytes - (size or 0))


@lru_cache(64)  # connecting takes a while, and a search asks a hundred times
def pictures_at(folder: Path, store: str) -> Pictures:
    """The pictures at a place. folder: of the site."""
    if store == FOLDER:
        return FolderPictures(folder)
    if store.startswith("file:"):
        return FolderPictures(Path(unquote(urlsplit(store).path)))
    from app.record.object_pictures import ObjectPictures  # it brings what only stores need

    return ObjectPictures(store)
