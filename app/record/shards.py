"""Crops on disk: JPEG bytes packed one after another in append-only shards, `crops/<camera id>/<footage id>-<k>.shard`.

Every footage has shards of its own, so cameras never wait for each other. What one footage left can be removed by
removing files. The record (SQLite) says how many bytes of a shard count. Anything behind that was written by a process
that died before it could commit. It is cut off before the next write. `app.record.pictures` is the way to them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from app.record.private_files import make_folder

SHARD_BYTES = 256 * 2**20  # a new shard is begun when one is larger


class Shard(NamedTuple):
    """Which shard of a site one is."""

    camera: int
    footage: int
    number: int


@dataclass(frozen=True, slots=True)
class ShardRange:
    """Where one crop lies."""

    shard: int
    offset: int
    length: int
    crc32: int

    def holds(self, data: bytes) -> bool:
        """Whether bytes are those of the crop."""
        return len(data) == self.length and zlib.crc32(data) == self.crc32


class ShardWriter:
    """Appends to the shards of one footage. `shard` and `size` are where the record says that the last commit ended."""

    def __init__(self, folder: Path, footage: int, shard: int, size: int) -> None:
        self._folder, self._footage = folder, footage
        self.shard, self.size = shard, size
        make_folder(folder)
        for left_over in shards_of(folder, footage):
            if int(left_over.stem.rpartition("-")[2]) > shard:
                left_over.unlink()
        self._file = os.open(shard_path(folder, footage, shard), os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._file, size)

    def append(self, crops: Iterable[bytes]) -> list[ShardRange]:
        """Writes crops and makes them durable. A failure (disk full) leaves no trace of them. The OSError goes on."""
        before = self.shard, self.size
        shard_ranges: list[ShardRange] = []
        try:
            for crop in crops:
                if self.size >= SHARD_BYTES:
                    self._sync_and_open(self.shard + 1, 0)
                written = 0
                while written < len(crop):  # a nearly full disk takes a part first and fails at the rest
                    written += os.pwrite(self._file, crop[written:], self.size + written)
                shard_ranges.append(ShardRange(self.shard, self.size, len(crop), zlib.crc32(crop)))
                self.size += len(crop)
            os.fsync(self._file)
        except OSError:
            self.rewind(*before)
            raise
        return shard_ranges

    def rewind(self, shard: int, size: int) -> None:
        """Cuts off what was written behind a place, for when the record could not commit it."""
        for later in range(self.shard, shard, -1):
            shard_path(self._folder, self._footage, later).unlink(missing_ok=True)
        if self.shard != shard:
            os.close(self._file)
            self._file = os.open(shard_path(self._folder, self._footage, shard), os.O_WRONLY | os.O_CREAT, 0o600)
        self.shard, self.size = shard, size
        os.ftruncate(self._file, size)

    def close(self) -> None:
        """Closes the shard that is open."""
        os.close(self._file)

    def _sync_and_open(self, shard: int, size: int) -> None:
        os.fsync(self._file)
        following = os.open(
            shard_path(self._folder, self._footage, shard), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )
        os.close(self._file)
        self._file, self.shard, self.size = following, shard, size


@lru_cache(1024)  # a search asks a hundred times, and joining paths is a fifth of its time
def crop_folder(site: Path, camera_id: int) -> Path:
    """Where the shards of a camera are."""
    return site / "crops" / str(camera_id)


@lru_cache(1024)
def shard_path(folder: Path, footage: int, shard: int) -> Path:
    """Where a shard of a footage is."""
    return folder / f"{footage}-{shard:03d}.shard"


def shards_of(folder: Path, footage: int) -> list[Path]:
    """All shards of a footage."""
    return sorted(folder.glob(f"{footage}-*.shard"))


def read_crop(folder: Path, footage: int, shard_range: ShardRange) -> bytes:
    """The JPEG bytes at a place. Raises ValueError where they are missing or damaged."""
    path = shard_path(folder, footage, shard_range.shard)
    try:
        with path.open("rb") as file:
            file.seek(shard_range.offset)
            data = file.read(shard_range.length)
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror})") from error
    if not shard_range.holds(data):
        raise ValueError(f"{path}: the crop at byte {shard_range.offset} is damaged")
    return data


def overwrite(folder: Path, footage: int, shard: int, ranges: Iterable[tuple[int, int]]) -> None:
    """Overwrites `(offset, length)` ranges of a shard with zeros, durably. Nothing is done to a shard that is gone."""
    try:
        file = os.open(shard_path(folder, footage, shard), os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        end = os.fstat(file).st_size
        for offset, length in ranges:
            os.pwrite(file, bytes(max(0, min(length, end - offset))), offset)
        os.fsync(file)
    finally:
        os.close(file)
