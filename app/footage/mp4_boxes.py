"""How many recordings an MP4 holds: programs join them byte by byte, and libav reads only the first one whole."""

from __future__ import annotations

from pathlib import Path

MOST_BOXES = 1_000_000  # that are looked at: a day of fragments of a tenth of a second
_HEADER, _LONG_HEADER = 8, 16  # bytes of a box's size and kind (ISO/IEC 14496-12, 4.2)


def recordings(path: Path) -> int:
    """The number of indexes (`moov`) at the top level of an MP4 or QuickTime file. Raises OSError."""
    count = begin = 0
    with path.open("rb") as file:
        end = file.seek(0, 2)
        for _ in range(MOST_BOXES):
            file.seek(begin)
            header = file.read(_LONG_HEADER)
            if len(header) < _HEADER:
                break
            size, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if size == 1:  # the size proper follows
                size = int.from_bytes(header[8:], "big")
            count += kind == b"moov"
            if size < _HEADER:  # 0: to the end of the file. Else damaged
                break
            begin += size
            if begin >= end:  # a damaged size may be larger than any file
                break
    return count
