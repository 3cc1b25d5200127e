"""Programmes of transport streams: which stream belongs to which, in any packet size, and nothing of hostile bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from app.footage.programs import programs
from tests.clips import render_clip


def packet(pid: int, table: int, number: int, body: bytes) -> bytes:
    """A packet with one table (ISO/IEC 13818-1, 2.4.4), whose checksum is left 0."""
    section = number.to_bytes(2, "big") + b"\xc1\0\0" + body + bytes(4)
    section = bytes([table]) + (0xB000 | len(section)).to_bytes(2, "big") + section
    return (b"\x47" + (0x4000 | pid).to_bytes(2, "big") + b"\x10\0" + section).ljust(188, b"\xff")


def entry(first: int, second: int) -> bytes:
    return first.to_bytes(2, "big") + (0xE000 | second).to_bytes(2, "big")


def tables() -> bytes:
    def streams(*pids: int) -> bytes:
        return entry(0xE000, 0)[:2] + b"\xf0\0" + b"".join(b"\x1b" + entry(0, pid)[2:] + b"\xf0\0" for pid in pids)

    programmes = entry(0, 16) + entry(1, 4096) + entry(2, 4097)
    return (
        packet(0, 0, 1, programmes) + packet(4096, 2, 1, streams(256, 258)) + packet(4097, 2, 2, streams(257))
    ) + packet(8191, 255, 0, b"") * 5


@pytest.mark.parametrize(("before", "after"), [(b"", b""), (b"\0\0\0\0", b""), (b"", bytes(16))])
def test_programmes_of_all_streams(tmp_path: Path, before: bytes, after: bytes) -> None:
    data = tables()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    (tmp_path / "a.ts").write_bytes(b"".join(before + part + after for part in packets))
    assert programs(tmp_path / "a.ts") == {256: 1, 258: 1, 257: 2}


def test_one_programme(tmp_path: Path) -> None:
    assert programs(render_clip(tmp_path / "a.ts", 2).path) == {256: 1}


def test_hostile_bytes_give_no_more_than_numbers(tmp_path: Path) -> None:
    chance = random.Random(5)
    path = tmp_path / "a.ts"
    for count in range(200):
        data = bytearray(tables())
        for _ in range(chance.randrange(1, 20)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.randrange(len(data))] if count % 2 else data)
        assert all(0 <= pid < 8192 and 0 <= number < 65_536 for pid, number in programs(path).items())
