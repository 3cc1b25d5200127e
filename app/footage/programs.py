"""Which programme of an MPEG transport stream each of its streams belongs to (ISO/IEC 13818-1, 2.4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

READ = 2**20  # bytes. Tables come every half second, and a film that hides them longer is taken for one programme
PACKET = 188  # bytes, after the time code of the 192-byte kind and before the checksum of the 204-byte kind
_SYNC = 0x47
_LOOK = 5  # packets in a row that must begin with it
_PAT, _PMT = 0x00, 0x02  # table ids: of the programmes, of one programme


def programs(path: Path) -> dict[int, int]:
    """Programme number of each stream by its packet id, for tables that fit one packet. Empty where there are none.

    Raises:
        OSError: The file can't be read.
    """
    with path.open("rb") as file:
        data = file.read(READ)
    tables: set[int] = set()
    found: dict[int, int] = {}
    for pid, section in _sections(data):
        if pid == 0 and section[0] == _PAT:
            for at in range(8, len(section) - 3, 4):
                if int.from_bytes(section[at : at + 2], "big"):  # 0 points to the network's table
                    tables.add(_pid(section, at + 2))
        elif pid in tables and section[0] == _PMT:
            program = int.from_bytes(section[3:5], "big")
            at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
            while at + 5 <= len(section):
                found.setdefault(_pid(section, at + 1), program)
                at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
    return found


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Packet id and table, without its checksum, of each packet in which a whole table begins."""
    for at in _packets(data):
        packet = data[at : at + PACKET]
        if not packet[1] & 0x40:  # nothing begins in it
            continue
        control = packet[3] >> 4 & 3
        payload = 4 + (1 + packet[4] if control & 2 else 0)
        if not control & 1 or payload >= PACKET:
            continue
        begin = payload + 1 + packet[payload]
        if begin + 12 > PACKET or packet[begin : begin + 1] not in (b"\x00", b"\x02"):
            continue
        end = begin + 3 + (int.from_bytes(packet[begin + 1 : begin + 3], "big") & 0xFFF) - 4
        if begin + 12 <= end + 4 <= PACKET:
            yield _pid(packet, 1), packet[begin:end]


def _packets(data: bytes) -> range:
    """Where the packets begin."""
    for size in (PACKET, 192, 204):
        for first in range(min(size, len(data))):
            if len(data) > first + size * _LOOK and all(data[first + size * n] == _SYNC for n in range(_LOOK)):
                return range(first, len(data) - PACKET + 1, size)
    return range(0)


def _pid(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big") & 0x1FFF
