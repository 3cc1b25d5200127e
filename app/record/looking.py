"""Whether what was erased is on the disk any more: bytes are read back, and rows are asked for.

A process that closes SQLite's file loses all its locks on it, also those of its connections. Another process then takes
itself for the last one and deletes the log, with what is written to it later. So another process reads such a file.
Source: https://sqlite.org/howtocorrupt.html, 2.2.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from app.record.rows import lookup

_PIECE = 2**18  # bytes read at once
_KEY = 8  # bytes of a pattern that are looked up first
_TABLE_BITS = 20
_READ = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, whose multiples spread evenly (Knuth)


def bytes_left(path: Path, ranges: Iterable[tuple[int, int]]) -> int:
    """Bytes other than zero in `(offset, length)` ranges of a file, read from the disk. 0 where there is no file."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # what memory holds of it proves nothing
        left = 0
        for offset, length in ranges:
            for start in range(offset, offset + length, _PIECE):
                data = os.pread(file, min(_PIECE, offset + length - start), start)
                left += len(data) - data.count(0)
        return left
    finally:
        os.close(file)


def patterns_in(path: Path, patterns: Collection[bytes]) -> set[bytes]:
    """Which of many patterns, each of at least 8 bytes, a file holds.

    It is read once, a piece at a time, whatever the number of patterns. 200 MB take about two seconds. A process of its
    own opens it, so it may be SQLite's. Raises OSError where it can't be read.
    """
    if not patterns or not path.exists():
        return set()
    wanted = set(patterns)
    lengths = {len(pattern) for pattern in wanted}
    keys: NDArray[Any] = np.unique(np.array([int.from_bytes(p[:_KEY], "little") for p in wanted], np.uint64))
    may_begin = np.zeros(2**_TABLE_BITS, bool)
    may_begin[_mixed(keys)] = True
    overlap = max(lengths) - 1
    found: set[bytes] = set()
    with _read_apart(path) as file:
        data = b""
        while piece := file.read(_PIECE):
            data = data[-overlap:] + piece
            for shift in range(min(_KEY, len(data) - _KEY + 1)):
                words: NDArray[Any] = np.frombuffer(data, "<u8", (len(data) - shift) // _KEY, shift)
                maybe = np.flatnonzero(may_begin[_mixed(words)])
                maybe = maybe[lookup(keys, words[maybe])[1]]
                for word in maybe.tolist():
                    start = shift + word * _KEY
                    found |= {data[start : start + length] for length in lengths} & wanted
    return found


@contextmanager
def _read_apart(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, from a process of its own."""
    command = [sys.executable, "-IS", "-c", _READ, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout is not None and reader.stderr is not None
        yield reader.stdout
        reason = reader.stderr.read().decode(errors="replace")
    if reader.returncode:
        raise OSError(reader.returncode, reason.strip().rpartition("\n")[2], str(path))


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Places in a table of 2²⁰."""
    return (words * _MIX) >> np.uint64(64 - _TABLE_BITS)
