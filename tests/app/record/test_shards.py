"""Crops on disk: what is written is read back, what could not be written leaves no trace."""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

import pytest

from app.record import shards
from app.record.shards import ShardRange, ShardWriter, read_crop, shard_path

CROPS = [bytes([65 + k]) * (10 + k) for k in range(6)]


def test_crops_come_back_byte_for_byte(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, 7, 0, 0)
    ranges = writer.append(CROPS)
    writer.close()
    assert [read_crop(tmp_path, 7, shard_range) for shard_range in ranges] == CROPS
    assert ranges[:2] == [ShardRange(0, 0, 10, zlib.crc32(CROPS[0])), ShardRange(0, 10, 11, zlib.crc32(CROPS[1]))]
    assert shard_path(tmp_path, 7, 0).read_bytes() == b"".join(CROPS)


def test_a_shard_that_is_large_enough_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 20)
    writer = ShardWriter(tmp_path, 1, 0, 0)
    ranges = writer.append(CROPS)
    writer.close()
    assert [shard_range.shard for shard_range in ranges] == [0, 0, 1, 1, 2, 2]
    assert (writer.shard, writer.size) == (2, 29)
    assert [read_crop(tmp_path, 1, shard_range) for shard_range in ranges] == CROPS


def test_what_was_never_committed_is_cut_off_before_the_next_write(tmp_path: Path) -> None:
    first = ShardWriter(tmp_path, 1, 0, 0)
    kept = first.append(CROPS[:2])
    committed = first.size
    first.append(CROPS[2:])  # and then the process died
    first.close()
    shard_path(tmp_path, 1, 1).write_bytes(b"begun, never committed")
    shard_path(tmp_path, 11, 1).write_bytes(b"of another footage")
    second = ShardWriter(tmp_path, 1, 0, committed)
    ranges = second.append(CROPS[4:])
    second.close()
    assert shard_path(tmp_path, 1, 0).read_bytes() == CROPS[0] + CROPS[1] + CROPS[4] + CROPS[5]
    assert [read_crop(tmp_path, 1, shard_range) for shard_range in kept + ranges] == [*CROPS[:2], *CROPS[4:]]
    assert not shard_path(tmp_path, 1, 1).exists()
    assert shard_path(tmp_path, 11, 1).read_bytes() == b"of another footage"


def test_a_disk_that_takes_a_byte_at_a_time_gets_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: pwrite(file, data[:1], at))
    writer = ShardWriter(tmp_path, 1, 0, 0)
    ranges = writer.append(CROPS)
    writer.close()
    assert [read_crop(tmp_path, 1, shard_range) for shard_range in ranges] == CROPS


@pytest.mark.parametrize("shard_bytes", [1000, 20])
def test_a_full_disk_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_bytes: int) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", shard_bytes)
    writer = ShardWriter(tmp_path, 1, 0, 0)
    writer.append(CROPS[:1])
    pwrite, room = os.pwrite, 40

    def nearly_full(file: int, data: bytes, at: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = pwrite(file, data[:room], at)
        room -= taken
        return taken

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", nearly_full)
        with pytest.raises(OSError, match="No space"):
            writer.append(CROPS[1:])
    assert (writer.shard, writer.size) == (0, 10)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [CROPS[0]]
    ranges = writer.append(CROPS[1:])
    writer.close()
    assert [read_crop(tmp_path, 1, shard_range) for shard_range in ranges] == CROPS[1:]


def test_a_shard_that_cannot_be_begun_leaves_the_one_before_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 20)
    writer = ShardWriter(tmp_path, 1, 0, 0)
    open_file = os.open

    def no_new_files(path: Path, flags: int, mode: int) -> int:
        if not path.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_file(path, flags, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no_new_files)
        with pytest.raises(OSError, match="No space"):
            writer.append(CROPS)
    assert (writer.shard, writer.size) == (0, 0)
    ranges = writer.append(CROPS)
    writer.close()
    assert [read_crop(tmp_path, 1, shard_range) for shard_range in ranges] == CROPS


def test_rewinding_removes_the_shards_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 20)
    writer = ShardWriter(tmp_path, 1, 0, 0)
    writer.append(CROPS[:1])
    writer.append(CROPS[1:])
    writer.rewind(0, 10)
    writer.close()
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [CROPS[0]]


def test_damage_is_named(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, 1, 0, 0)
    _, second, *_, last = writer.append(CROPS)
    writer.close()
    path = shard_path(tmp_path, 1, 0)
    data = bytearray(path.read_bytes())
    data[12] ^= 1
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=r"1-000\.shard: the crop at byte 10 is damaged"):
        read_crop(tmp_path, 1, second)
    with pytest.raises(ValueError, match="is damaged"):
        read_crop(tmp_path, 1, last)  # its end is cut off
    path.unlink()
    with pytest.raises(ValueError, match=r"1-000\.shard can't be read \(No such file"):
        read_crop(tmp_path, 1, second)


def test_crops_are_for_the_owners_eyes_only(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "crops", 1, 0, 0)
    writer.append(CROPS)
    writer.close()
    assert shard_path(tmp_path / "crops", 1, 0).stat().st_mode & 0o077 == 0
