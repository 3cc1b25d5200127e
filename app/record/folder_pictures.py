"""Pictures in a folder: shards that are files, see `app.record.shards`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.record.looking import bytes_left
from app.record.private_files import make_folder, wipe, write_private
from app.record.shards import (
    Shard,
    ShardRange,
    ShardWriter,
    crop_folder,
    overwrite,
    read_crop,
    shard_path,
    shards_of,
)

OWNER = "owner"  # the file that says whose pictures these are. A site's own folder has none


class FolderPictures:
    """`Pictures` below a folder, which may be a site's own."""

    at_once = 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def writer(self, camera: int, footage: int, shard: int, size: int) -> ShardWriter:
        """As `Pictures.writer`."""
        return ShardWriter(crop_folder(self._folder, camera), footage, shard, size)

    def crop(self, shard: Shard, shard_range: ShardRange) -> bytes:
        """As `Pictures.crop`."""
        return read_crop(crop_folder(self._folder, shard.camera), shard.footage, shard_range)

    def read(self, shard: Shard, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """As `Pictures.read`."""
        try:
            file = os.open(self._path(shard), os.O_RDONLY)
        except OSError:
            return None
        try:
            size = os.fstat(file).st_size
            return [os.pread(file, max(0, min(length, size - offset)), offset) for offset, length in ranges]
        except OSError:
            return None
        finally:
            os.close(file)

    def sizes(self, camera: int, footage: int) -> dict[int, int]:
        """As `Pictures.sizes`."""
        paths = shards_of(crop_folder(self._folder, camera), footage)
        return {int(path.stem.rpartition("-")[2]): path.stat().st_size for path in paths}

    def all_shards(self) -> list[Shard]:
        """As `Pictures.all_shards`."""
        found = []
        for path in sorted((self._folder / "crops").glob("*/*-*.shard")):
            numbers = (path.parent.name, *path.stem.split("-"))
            if len(numbers) == len(Shard._fields) and all(number.isdecimal() for number in numbers):
                found.append(Shard(*map(int, numbers)))
        return found

    def put(self, shard: Shard, data: bytes) -> None:
        """As `Pictures.put`."""
        path = self._path(shard)
        make_folder(path.parent)
        write_private(path, data)

    def overwrite(self, shard: Shard, ranges: Sequence[tuple[int, int]]) -> None:
        """As `Pictures.overwrite`."""
        overwrite(crop_folder(self._folder, shard.camera), shard.footage, shard.number, ranges)

    def bytes_left(self, shard: Shard, ranges: Sequence[tuple[int, int]]) -> int:
        """As `Pictures.bytes_left`."""
        return bytes_left(self._path(shard), ranges)

    def remove(self, shards: Iterable[Shard]) -> None:
        """As `Pictures.remove`."""
        for shard in shards:
            wipe(self._path(shard))

    def owner(self) -> str:
        """As `Pictures.owner`."""
        path = self._folder / OWNER
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def own(self, owner: str) -> None:
        """As `Pictures.own`."""
        if owner:
            make_folder(self._folder)
            write_private(self._folder / OWNER, owner.encode())
        else:
            (self._folder / OWNER).unlink(missing_ok=True)

    def unreached(self) -> list[str]:
        """As `Pictures.unreached`. Of file systems that keep copies no program knows."""
        return []

    def where(self, shard: Shard) -> str:
        """As `Pictures.where`."""
        return str(self._path(shard))

    def _path(self, shard: Shard) -> Path:
        return shard_path(crop_folder(self._folder, shard.camera), shard.footage, shard.number)
