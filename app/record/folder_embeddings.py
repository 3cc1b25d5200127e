"""Embeddings in a site's folder: `embeddings/<model>/<footage id>.npy`, a file per footage.

A file is a NumPy array of records: a tracklet's id and its two halves, see `app.record.halves`. The CRC-32 of all that
stands behind the last record. Files are written whole or not at all. One that is damaged counts as missing: what is
derived comes back.

Live cameras add a few tracklets at a time. These go to a small file beside it, `<footage id>.latest.npy`. So an hour's
file isn't written again with each of them. Whoever is in both has what the small one says.
"""

from __future__ import annotations

import logging
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import SiteError
from app.record.halves import as_stored, whole
from app.record.private_files import make_folder, wipe
from reid.whole_file import sweep, sync_folder, whole_file

log = logging.getLogger("sightline")

T = TypeVar("T")

MOST_LATEST = 256  # records of a small file. Then they join the others
_CHECKSUM = 4  # bytes at the end of a file
_THREADS = 4  # that read and sum
_UNREADABLE = (OSError, ValueError)  # what a damaged file can raise
# What NumPy writes of such an array. A regular expression reads it in a twentieth of NumPy's time, and trusts nothing.
_LONGEST_HEADER = 256  # bytes
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': \[\('id', '<i8'\), \('halves', '<f2', \(2, (?P<width>\d{1,6})\)\)\], "
    rb"'fortran_order': False, 'shape': \((?P<count>\d{1,12}),\), \} *\n",
    re.DOTALL,
)


class FolderEmbeddings:
    """What one model made of a site's tracklets. The folder comes into being with the first file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self, footage: int) -> NDArray[np.int64] | None:
        """The ids `(n,)` of a footage's tracklets, None where its file is missing, or one of its files is damaged."""
        latest, stored = self._both(footage)
        if stored is None or (latest is None and self._latest(footage).exists()):
            return None
        return (stored if latest is None else _joined(stored, latest))["id"].copy()

    def files(self) -> list[int]:
        """Footages that have a file, sound or not."""
        return sorted(int(path.stem) for path in self.folder.glob("*.npy") if path.stem.isdecimal())

    def footages(self, among: Iterable[int] | None = None) -> set[int]:
        """Ids of the footages that are embedded, those without a tracklet included. Damaged files are left out."""
        return {footage for footage in (self.files() if among is None else among) if self._shape(footage) is not None}

    def write(self, footage: int, ids: ArrayLike, halves: ArrayLike) -> None:
        """Replaces what is stored of a footage: tracklet ids `(n,)` and halves `(n, 2, D)`, normalised here."""
        records = _sorted(_as_records(footage, ids, halves))
        self._drop_file(self._latest(footage))
        self._save(self.path(footage), records)

    def add(self, footage: int, ids: ArrayLike, halves: ArrayLike, alive: NDArray[np.int64]) -> None:
        """Adds to what is stored of a footage: tracklet ids `(n,)` and halves `(n, 2, D)`. Only those `alive` stay.

        What is stored already is taken over as it is. So adding little to much takes little memory.
        """
        new, stored = _as_records(footage, ids, halves), self._read(footage)
        stays = np.isin(stored["id"], alive)
        stored = stored if stays.all() else stored[stays]
        records = _joined(stored, new[np.isin(new["id"], alive)])
        if len(records):
            self._save(self.path(footage), records)
            self._drop_file(self._latest(footage))
        else:
            self.drop(footage)

    def append(self, footage: int, ids: ArrayLike, halves: ArrayLike, alive: NDArray[np.int64]) -> None:
        """Adds a few, as `add` does, mostly without reading or writing what is stored of the footage."""
        latest = self._trusted(self._latest(footage), _records)
        records = _as_records(footage, ids, halves)
        records = records if latest is None else _joined(latest, records)
        if len(records) > MOST_LATEST or not self.path(footage).exists():
            self.add(footage, records["id"], records["halves"], alive)
        else:
            self._save(self._latest(footage), records[np.isin(records["id"], alive)])

    def read(self, footage: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(n,)`, ascending, and halves `(n, 2, D)` of a footage. Both are empty where it is missing or damaged."""
        records = self._read(footage)
        return records["id"].copy(), np.ascontiguousarray(records["halves"])

    def load(self, footages: Iterable[int] | None = None) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(T,)`, ascending, and halves `(T, 2, D)` of some footages, or of all."""
        return self._by_id(self.files() if footages is None else sorted(set(footages)), both_halves=True)

    def load_whole(self) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids `(T,)`, ascending, and embeddings `(T, D)` of all tracklets: half the memory of `load`."""
        return self._by_id(self.files(), both_halves=False)

    def remove(self, ids: Collection[int] | NDArray[np.int64], footages: Iterable[int] | None = None) -> int:
        """Overwrites tracklets' bytes and takes them out. Returns how many there were. May be repeated.

        footages: those that they are of. None where nobody knows, then all are read.

        A footage that has none left stays embedded. A damaged file is removed, as it may hold one of them.
        """
        leaving = np.array(sorted(ids), np.int64)
        removed = 0
        sweep(self.folder)
        for footage in self.files() if footages is None else footages:
            if not self.path(footage).exists():
                continue
            gone: set[int] = set()
            for path in (self._latest(footage), self.path(footage)):
                records = self._trusted(path, _records)
                if records is None:
                    self._drop_file(path)
                elif (there := np.isin(records["id"], leaving)).any():
                    self._save(path, records[~there], overwriting=True)
                    gone.update(records["id"][there].tolist())
            if not self.path(footage).exists():
                self.drop(footage)
            removed += len(gone)
        return removed

    def drop(self, footage: int) -> None:
        """A footage is no longer embedded. Its bytes are overwritten."""
        sweep(self.folder)
        for path in (self._latest(footage), self.path(footage)):
            self._drop_file(path)
        if self.folder.is_dir():
            sync_folder(self.folder)

    def changed(self, footage: int) -> int:
        """When what is stored of a footage last changed, ns since 1970. Raises OSError where nothing is."""
        changed = self.path(footage).stat().st_mtime_ns
        with suppress(FileNotFoundError):
            changed = max(changed, self._latest(footage).stat().st_mtime_ns)
        return changed

    def remove_all(self) -> None:
        """Removes all that this model made, and overwrites its bytes."""
        wipe(self.folder)

    def where(self, footage: int) -> str:
        """A footage's file, in words."""
        return f"{self.path(footage)}, or the small file of its latest beside it,"

    def path(self, footage: int) -> Path:
        """Where a footage's file is."""
        return self.folder / f"{footage}.npy"

    def _latest(self, footage: int) -> Path:
        """Where the few are that came last."""
        return self.folder / f"{footage}.latest.npy"

    @staticmethod
    def _drop_file(path: Path) -> None:
        leaving = path.with_suffix(".part")  # so that nobody reads it while it is overwritten
        with suppress(FileNotFoundError):
            path.replace(leaving)
            wipe(leaving)

    def _shape(self, footage: int) -> tuple[int, int] | None:
        """Tracklets, or some more, and width by the files' headers. None where a footage's file is damaged, or none."""
        latest = self._trusted(self._latest(footage), _header)
        stored = self._trusted(self.path(footage), _header)
        if stored is None or latest is None or not latest[0]:
            return stored
        return stored[0] + latest[0], latest[1]

    def _read(self, footage: int) -> NDArray[np.void]:
        """A footage's records, none where its file is missing or damaged."""
        records = self._sound(footage)
        return np.empty(0, _record(0)) if records is None else records

    def _sound(self, footage: int) -> NDArray[np.void] | None:
        """A footage's records, None where its file is missing or damaged."""
        latest, stored = self._both(footage)
        return stored if stored is None or latest is None else _joined(stored, latest)

    def _both(self, footage: int) -> tuple[NDArray[np.void] | None, NDArray[np.void] | None]:
        """The records that came last, and those before. None where a file is missing or damaged."""
        # In this order. Else those that join the others meanwhile would be in neither.
        latest = self._trusted(self._latest(footage), _records)
        return latest, self._trusted(self.path(footage), _records)

    @staticmethod
    def _trusted(path: Path, read: Callable[[BinaryIO], T]) -> T | None:
        """What `read` makes of an open file. None where the file is missing, or damaged, which is told."""
        while True:
            try:
                with path.open("rb") as file:
                    try:
                        return read(file)
                    except ValueError:
                        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                            raise  # else one who erased has put another there, and overwrites this one
            except FileNotFoundError:
                return None
            except _UNREADABLE as error:
                log.warning("%s is damaged (%s) and counts as missing: its tracklets are embedded again", path, error)
                return None

    def _save(self, path: Path, records: NDArray[np.void], *, overwriting: bool = False) -> None:
        """overwriting: what is stored now."""
        make_folder(self.folder)
        sweep(self.folder)
        with whole_file(path, private=True, overwriting=overwriting) as part, part.open("wb") as file:
            np.lib.format.write_array(file, records, version=(1, 0), allow_pickle=False)
            file.flush()
            file.write(_bytes(_checksum(part)))

    def seal(self) -> None:
        """Gives files of earlier formats their checksum. May be repeated."""
        for footage in self.files():
            path = self.path(footage)
            with suppress(*_UNREADABLE), path.open("rb") as file:
                _header(file)
                continue
            with whole_file(path, private=True) as part:
                part.write_bytes(path.read_bytes() + _bytes(_checksum(path)))
            if self._shape(footage) is None:
                self.drop(footage)  # it was damaged before

    def _by_id(self, footages: Sequence[int], *, both_halves: bool) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        shapes = [self._shape(footage) for footage in footages]
        widths = {shape[1] for shape in shapes if shape is not None and shape[0]}
        if len(widths) > 1:
            raise SiteError(
                f"{self.folder} holds embeddings of different widths ({', '.join(map(str, sorted(widths)))}): remove "
                "that folder; embeddings come back."
            )
        inner = (2,) * both_halves + (widths.pop() if widths else 0,)
        bounds = np.cumsum([0, *(shape[0] if shape else 0 for shape in shapes)])
        all_ids, rows = np.empty(bounds[-1], np.int64), np.empty((bounds[-1], *inner), np.float16)
        there = np.zeros(bounds[-1], bool)

        def place(k: int) -> tuple[NDArray[np.int64], NDArray[np.float16]] | None:
            """Straight to its place: a list of parts would hold everything once more."""
            ids, halves = self.read(footages[k])
            pooled = halves if both_halves else whole(halves).astype(np.float16)
            begin, end = bounds[k], bounds[k] + len(ids)
            if end > bounds[k + 1]:
                return ids, pooled
            if len(ids):
                all_ids[begin:end], rows[begin:end], there[begin:end] = ids, pooled, True
            return None

        # NumPy lets go of Python's lock while it reads and sums.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS), "embeddings") as pool:
            grown = list(filter(None, pool.map(place, np.flatnonzero(np.diff(bounds)).tolist())))
        if grown or not there.all():  # files that another process wrote since, or that are damaged
            all_ids = np.concatenate([all_ids[there], *(ids for ids, _ in grown)])
            rows = np.concatenate([rows[there], *(pooled for _, pooled in grown)])
        order = np.argsort(all_ids, kind="stable")
        return all_ids[order], rows[order]


def _as_records(footage: int, ids: ArrayLike, halves: ArrayLike) -> NDArray[np.void]:
    """Ids `(n,)` and halves `(n, 2, D)`, normalised here, as they are stored."""
    numbers, rows = as_stored(footage, ids, halves)
    records = np.empty(len(numbers), _record(rows.shape[2]))
    records["id"], records["halves"] = numbers, rows
    return records


def _joined(stored: NDArray[np.void], new: NDArray[np.void]) -> NDArray[np.void]:
    """Both by id. Of who is in both the new counts."""
    stays = ~np.isin(stored["id"], new["id"])
    parts = [part for part in (stored if stays.all() else stored[stays], new) if len(part)]
    return _sorted(np.concatenate(parts)) if len(parts) > 1 else _sorted(parts[0]) if parts else new


def _sorted(records: NDArray[np.void]) -> NDArray[np.void]:
    """By id. Most come so."""
    ids = records["id"]
    return records if (ids[1:] > ids[:-1]).all() else records[np.argsort(ids, kind="stable")]


def _header(file: BinaryIO) -> tuple[int, int]:
    """Tracklets and width by a file's header. Raises one of _UNREADABLE where its size is another."""
    begin = file.read(_LONGEST_HEADER)
    size = os.fstat(file.fileno()).st_size
    header = _HEADER.match(begin)
    if header is None:
        raise ValueError("of another kind")
    count, width = int(header["count"]), int(header["width"])
    if header.end() != 10 + int.from_bytes(begin[8:10], "little"):
        raise ValueError("of another version")
    if size != header.end() + count * _record(width).itemsize + _CHECKSUM:
        raise ValueError("of another size")
    return count, width


def _records(file: BinaryIO) -> NDArray[np.void]:
    """A file's records. The header is checked before memory is taken for what it promises."""
    count, width = _header(file)
    size = os.fstat(file.fileno()).st_size - count * _record(width).itemsize - _CHECKSUM
    file.seek(0)
    total = zlib.crc32(file.read(size))
    records = np.fromfile(file, _record(width), count)
    if len(records) != count or file.read() != _bytes(zlib.crc32(records.view(np.uint8).data, total)):
        raise ValueError("its checksum is another")
    return records


def _checksum(path: Path) -> int:
    with path.open("rb") as file:
        total = 0
        while piece := file.read(2**20):
            total = zlib.crc32(piece, total)
    return total


def _bytes(checksum: int) -> bytes:
    return checksum.to_bytes(_CHECKSUM, "little")


def _record(width: int) -> np.dtype[np.void]:
    return np.dtype([("id", "<i8"), ("halves", "<f2", (2, width))])
