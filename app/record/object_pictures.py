"""Pictures in an object store: each commit's crops are one object, which only erasing ever writes again.

An object's name is `crops/<camera id>/<footage id>/<k>.shard`. It is written before its rows. One that has no rows is
of a writer that died, and the next writer of that footage removes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from app.record.buckets import Bucket
from app.record.shards import Shard, ShardRange

_OWNER = "owner"  # the object that says whose pictures these are


class ObjectPictures:
    """`Pictures` in a bucket."""

    at_once = 16

    def __init__(self, url: str) -> None:
        self.bucket = Bucket(url)

    def writer(self, camera: int, footage: int, shard: int, size: int) -> ObjectWriter:
        """As `Pictures.writer`."""
        return ObjectWriter(self, camera, footage, shard, size)

    def crop(self, shard: Shard, shard_range: ShardRange) -> bytes:
        """As `Pictures.crop`."""
        data = self.bucket.get_range(_key(shard), shard_range.offset, shard_range.length)
        if data is None:
            raise ValueError(f"{self.where(shard)} can't be read (it is not there, or too short)")
        if not shard_range.holds(data):
            raise ValueError(f"{self.where(shard)}: the crop at byte {shard_range.offset} is damaged")
        return data

    def read(self, shard: Shard, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """As `Pictures.read`."""
        return self.bucket.get_ranges(_key(shard), ranges)

    def sizes(self, camera: int, footage: int) -> dict[int, int]:
        """As `Pictures.sizes`."""
        sizes = self.bucket.sizes(_folder(camera, footage))
        return {shard.number: size for key, size in sizes.items() if (shard := _shard(key)) is not None}

    def all_shards(self) -> list[Shard]:
        """As `Pictures.all_shards`."""
        return self._with_old("crops")

    def put(self, shard: Shard, data: bytes) -> None:
        """As `Pictures.put`."""
        self.bucket.put(_key(shard), data)

    def overwrite(self, shard: Shard, ranges: Sequence[tuple[int, int]]) -> None:
        """As `Pictures.overwrite`. The object is written anew, or leaves. What it was before is removed."""
        before = self.bucket.get(_key(shard)) or b""
        data = bytearray(before)
        for offset, length in ranges:
            end = min(offset + length, len(data))
            data[offset:end] = bytes(max(0, end - offset))
        if not any(data):
            self.bucket.remove([_key(shard)])
            return
        if data != before:
            self.bucket.put(_key(shard), bytes(data))
        self.bucket.remove_old(_key(shard))  # also where one who died in between had written it

    def bytes_left(self, shard: Shard, ranges: Sequence[tuple[int, int]]) -> int:
        """As `Pictures.bytes_left`."""
        found = self.bucket.get_ranges(_key(shard), ranges) or []
        return sum(len(data) - data.count(0) for data in found) + self.bucket.bytes_of_old(_key(shard))

    def remove(self, shards: Iterable[Shard]) -> None:
        """As `Pictures.remove`."""
        self.bucket.remove(map(_key, shards))

    def remove_behind(self, camera: int, footage: int, shard: int, size: int) -> None:
        """Removes shards of a footage behind a place, and old versions of those that are gone already."""
        there = self._with_old(_folder(camera, footage))
        self.remove(each for each in there if each.number > shard or (each.number == shard and not size))

    def owner(self) -> str:
        """As `Pictures.owner`."""
        return (self.bucket.get(_OWNER) or b"").decode(errors="replace")

    def own(self, owner: str) -> None:
        """As `Pictures.own`."""
        if owner:
            self.bucket.put(_OWNER, owner.encode())
        else:
            self.bucket.remove([_OWNER])

    def unreached(self) -> list[str]:
        """As `Pictures.unreached`."""
        return self.bucket.unreached()

    def where(self, shard: Shard) -> str:
        """As `Pictures.where`."""
        return f"{self.bucket.url}/{_key(shard)}"

    def _with_old(self, folder: str) -> list[Shard]:
        keys = self.bucket.keys_with_versions(folder)
        return sorted(shard for key in keys if (shard := _shard(key)) is not None)


class ObjectWriter:
    """Writes each commit's crops as an object. As `Writer`."""

    def __init__(self, pictures: ObjectPictures, camera: int, footage: int, shard: int, size: int) -> None:
        self._pictures, self._camera, self._footage = pictures, camera, footage
        self.shard, self.size = shard, size
        self._is_clean = False  # whether nothing lies behind that place
        self.rewind(shard, size)

    def append(self, crops: Iterable[bytes]) -> list[ShardRange]:
        """As `Writer.append`."""
        number = self.shard + 1 if self.size else self.shard
        shard_ranges: list[ShardRange] = []
        data = bytearray()
        for crop in crops:
            shard_ranges.append(ShardRange(number, len(data), len(crop), zlib.crc32(crop)))
            data += crop
        if data:
            if not self._is_clean:  # what failed before may be there all the same
                self.rewind(self.shard, self.size)
            self._is_clean = False
            self._pictures.put(Shard(self._camera, self._footage, number), bytes(data))
            self.shard, self.size, self._is_clean = number, len(data), True
        return shard_ranges

    def rewind(self, shard: int, size: int) -> None:
        """As `Writer.rewind`."""
        self._pictures.remove_behind(self._camera, self._footage, shard, size)
        self.shard, self.size, self._is_clean = shard, size, True

    def close(self) -> None:
        """As `Writer.close`. Nothing is open."""


def _folder(camera: int, footage: int) -> str:
    return f"crops/{camera}/{footage}"


def _key(shard: Shard) -> str:
    return f"{_folder(shard.camera, shard.footage)}/{shard.number:06d}.shard"


def _shard(key: str) -> Shard | None:
    """The shard of a key, None where it is another object's."""
    parts = key.removesuffix(".shard").split("/")
    if not key.endswith(".shard") or len(parts) != 4 or not all(part.isdecimal() for part in parts[1:]):
        return None
    return Shard(*map(int, parts[1:]))
