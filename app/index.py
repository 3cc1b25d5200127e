"""Search in the embeddings of a site's tracklets: exact, except in large galleries that no filter narrows.

The embeddings' files are the source and all rows are held in memory as float16 (1 KiB each at 512 dimensions). Large
galleries have, beside them, 4-bit product-quantiser codes (an eighth of the bytes): they say which few hundred rows are
worth a look, and these are ranked by their real similarity. Only the codes are saved, `index/<model>/codes`, with a
digest of the very rows that they were made of; with any other rows they count as stale and are made again, so a vector
that was removed can't come back with them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, Self

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.private_files import make_folder, private_file, sweep, sync_folder

log = logging.getLogger("sightline")

APPROXIMATE_FROM = 100_000  # rows; an exact search of so many is about 13 ms of work, over all cores
RERANKED = 256  # rows that the codes propose; of 200 000, 100 of them have recall@10 0.99
SUBSPACE = 4  # dimensions that share a code of 4 bits; with 8, recall@10 of 256 proposals is 0.965 instead of 0.996
SAMPLE = 8192  # rows that the quantiser learns from; 20 000 take 7 times as long for 0.003 of recall
ITERATIONS = 10  # of its k-means
THREADED_FROM = 20_000  # rows; fewer aren't worth waking a thread
ROUNDING = 1e-5  # FAISS and NumPy sum in different orders: similarities closer than that may be swapped
FORMAT = b"1 FAISS PQ4"


@dataclass(frozen=True, slots=True)
class Matches:
    """What a search found for each of Q queries: the best first, equals by id; K is what was asked, or all there is."""

    ids: NDArray[np.int64]  # (Q, K)
    similarities: NDArray[np.float32]  # (Q, K), cosine


class Index(Protocol):
    """What searches a gallery of embeddings; a server may stand in for FAISS."""

    def add(self, ids: ArrayLike, embeddings: ArrayLike) -> None:
        """Ids `(n,)` with L2-normalised embeddings `(n, D)`; an id that is there is replaced."""

    def search(self, queries: ArrayLike, k: int, among: ArrayLike | None = None, *, exact: bool = False) -> Matches:
        """The k most similar to each of `(Q, D)` L2-normalised queries; among some ids only, where they are given."""

    def delete(self, ids: ArrayLike) -> int:
        """Removes ids, from memory and disk; returns how many there were."""

    def count(self) -> int:
        """Embeddings that can be found."""


class FaissIndex:
    """An index in this process. Threads may search while another adds or deletes: they see all of it or nothing.

    What it answers depends on its rows alone, not on how they came: after a rebuild it is the same.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Empty. `folder` is where a large gallery's codes are saved, if anywhere."""
        self._folder = folder
        self._gallery = _Gallery(np.empty(0, np.int64), np.empty((0, 0), np.float16), None)
        self._writing = threading.RLock()

    @classmethod
    def of(cls, ids: NDArray[np.int64], rows: NDArray[np.float16], folder: Path | None = None) -> Self:
        """An index of ascending ids `(n,)` and float16 rows `(n, D)`, with codes from the folder if they fit."""
        index = cls(folder)
        index._hold(ids, rows)
        return index

    def count(self) -> int:
        return len(self._gallery.ids)

    @property
    def ids(self) -> NDArray[np.int64]:
        """Those that can be found `(n,)`, ascending."""
        return self._gallery.ids

    def embeddings(self, ids: ArrayLike) -> NDArray[np.float32]:
        """The rows `(n, D)` of ids that are here. Raises KeyError where one is not."""
        gallery, asked = self._gallery, np.asarray(ids, np.int64)
        place = np.searchsorted(gallery.ids, asked).clip(max=max(0, len(gallery.ids) - 1))
        if len(asked) and (not len(gallery.ids) or (gallery.ids[place] != asked).any()):
            raise KeyError(f"some of {asked.tolist()} are not in the index")
        return gallery.rows[place].astype(np.float32)

    @property
    def approximate(self) -> bool:
        """Whether a search without a filter may miss a row."""
        return self._gallery.proposer is not None

    def add(self, ids: ArrayLike, embeddings: ArrayLike) -> None:
        """Raises ValueError on a width that differs from the gallery's, and on numbers that aren't finite.

        Best for many at once: all rows are copied, and codes are made again (3 s of work for 200 000 rows).
        """
        new_ids, rows = np.asarray(ids, np.int64), np.asarray(embeddings, np.float16)
        if new_ids.ndim != 1 or rows.ndim != 2 or len(rows) != len(new_ids):
            raise ValueError(f"embeddings are (n, D), one for each of n ids: {rows.shape} for {new_ids.shape}")
        if not np.isfinite(rows).all():
            raise ValueError("embeddings to add aren't finite")
        with self._writing:
            old = self._gallery
            if self.count() and len(new_ids):
                if rows.shape[1] != old.rows.shape[1]:
                    raise ValueError(f"embeddings to add are {rows.shape[1]} wide, the gallery {old.rows.shape[1]}")
                kept = ~np.isin(old.ids, new_ids)
                new_ids, rows = np.concatenate([old.ids[kept], new_ids]), np.concatenate([old.rows[kept], rows])
            if len(new_ids):
                unique, last = np.unique(new_ids[::-1], return_index=True)
                self._hold(unique, rows[len(rows) - 1 - last])

    def delete(self, ids: ArrayLike) -> int:
        with self._writing:
            old = self._gallery
            kept = ~np.isin(old.ids, np.asarray(ids, np.int64))
            removed = len(kept) - int(kept.sum())
            if removed:
                self._hold(old.ids[kept], old.rows[kept])
            return removed

    def search(self, queries: ArrayLike, k: int, among: ArrayLike | None = None, *, exact: bool = False) -> Matches:
        """Misses nothing with a filter, with `exact` or in a small gallery. Unknown ids in `among` are ignored.

        Raises ValueError on queries of another width or that aren't finite, and on k below 1.
        """
        gallery = self._gallery  # of one moment, whatever another thread does meanwhile
        count, width = gallery.rows.shape
        rows = np.ascontiguousarray(queries, np.float32)
        if rows.ndim != 2 or (count and rows.shape[1] != width) or not np.isfinite(rows).all():
            raise ValueError(f"queries are (Q, {width if count else 'D'}) finite numbers, not {rows.shape}")
        if k < 1:
            raise ValueError(f"k is how many are wanted, at least 1: {k}")
        mask, allowed = None, count
        if among is not None:
            mask = gallery.mask(np.asarray(among, np.int64))
            allowed = int(mask.sum())
        k = min(k, allowed)
        if not k:
            return Matches(np.empty((len(rows), 0), np.int64), np.empty((len(rows), 0), np.float32))
        proposed = max(RERANKED, 4 * k)
        if mask is None and not exact and gallery.proposer is not None and proposed < count // 10:
            found = [gallery.rank(query, gallery.propose(query, proposed), k) for query in rows]
        else:
            found = [gallery.nearest(query, k, mask, allowed) for query in rows]
        return Matches(
            gallery.ids[np.array([places for places, _ in found], np.int64).reshape(-1, k)],
            np.array([similarities for _, similarities in found], np.float32).reshape(-1, k),
        )

    def _hold(self, ids: NDArray[np.int64], rows: NDArray[np.float16]) -> None:
        codes = None
        saved = None if self._folder is None else self._folder / "codes"
        if len(ids) >= APPROXIMATE_FROM and rows.shape[1] % SUBSPACE == 0:
            codes = _Codes.made_of(rows, ids, saved)
        elif saved is not None and saved.parent.is_dir():
            sweep(saved.parent)
            saved.unlink(missing_ok=True)
            sync_folder(saved.parent)
        self._gallery = _Gallery(ids, rows, codes)


def open_index(site: Path, model: str, ids: NDArray[np.int64], rows: NDArray[np.floating]) -> FaissIndex:
    """The index of ascending ids `(n,)` and rows `(n, D)` of a site's model; a large one's codes are kept there."""
    return FaissIndex.of(ids, rows.astype(np.float16, copy=False), site / "index" / model)


class _Gallery:
    """Rows in the order of their ids, and what searches them. Never changed."""

    def __init__(self, ids: NDArray[np.int64], rows: NDArray[np.float16], codes: _Codes | None) -> None:
        count, width = rows.shape
        self.ids = ids  # (n,)
        self._scanner = faiss.IndexScalarQuantizer(
            max(width, 1), faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self.rows = rows  # (n, D)
        if count:
            self._scanner.add_sa_codes(np.ascontiguousarray(rows).view(np.uint8))
            # FAISS owns the only copy; this is a view of it.
            held = faiss.rev_swig_ptr(self._scanner.codes.data(), 2 * count * width)
            self.rows = held.view(np.float16).reshape(count, width)
        self.proposer: faiss.IndexPQFastScan | None = None
        if codes is not None:
            self._plain = codes.index()  # kept, as what is made from it points into it
            self.proposer = faiss.IndexPQFastScan(self._plain)

    def mask(self, among: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows `(n,)` have one of some ids."""
        mask = np.zeros(len(self.ids), bool)
        if len(self.ids):
            place = np.minimum(np.searchsorted(self.ids, among), len(self.ids) - 1)
            mask[place[self.ids[place] == among]] = True
        return mask

    def nearest(
        self, query: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None, allowed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Places and similarities of the k best of `allowed` rows, none missed."""
        asked = min(k + 16, allowed)
        while True:
            parts = self._scan(query, asked, mask, allowed)
            places, similarities = self.rank(query, np.concatenate([found for found, _ in parts]), k)
            # What a part didn't name is no better than the last it named; with equals of the k-th left out, ask on.
            unseen = max(worst for _, worst in parts)
            if asked == allowed or unseen < similarities[-1] - ROUNDING:
                return places, similarities
            asked = min(4 * asked, allowed)

    def propose(self, query: NDArray[np.float32], number: int) -> NDArray[np.int64]:
        """Places of the rows that look best by their codes."""
        assert self.proposer is not None
        with _one_thread():
            places = self.proposer.search(query[None], number)[1][0]
        return places[places >= 0]

    def rank(
        self, query: NDArray[np.float32], places: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best of some rows, by similarities that don't depend on what else is compared, and equals by id."""
        similarities = (self.rows[places].astype(np.float32) * query).sum(1)
        order = np.lexsort((places, -similarities))[:k]
        return places[order], similarities[order]

    def _scan(
        self, query: NDArray[np.float32], number: int, mask: NDArray[np.bool_] | None, allowed: int
    ) -> list[tuple[NDArray[np.int64], float]]:
        """Places of the best rows of each part of the gallery, and how similar the last of them is."""
        count = len(self.ids)

        def scan(start: int, stop: int) -> tuple[NDArray[np.int64], float]:
            mine = np.zeros(count, bool)
            mine[start:stop] = True if mask is None else mask[start:stop]
            chosen = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(mine, bitorder="little")))
            with _one_thread():
                similarities, places = self._scanner.search(query[None], number, params=chosen)
            full = places[0, -1] >= 0
            return places[0][places[0] >= 0], float(similarities[0, -1]) if full else -np.inf

        # FAISS gives one query one thread; memory feeds several.
        threads = min(os.cpu_count() or 1, 8) if allowed >= THREADED_FROM else 1
        if threads == 1:
            return [scan(0, count)]
        bounds = np.linspace(0, count, threads + 1).astype(int)
        return list(_pool().map(scan, bounds[:-1], bounds[1:]))


@dataclass(frozen=True, slots=True)
class _Codes:
    """A product quantiser's view of the rows (Jégou et al., TPAMI 2011), with 4 bits a code."""

    centroids: NDArray[np.float32]  # (D / SUBSPACE, 16, SUBSPACE)
    codes: NDArray[np.uint8]  # (n, D / SUBSPACE / 2)

    @classmethod
    def made_of(cls, rows: NDArray[np.float16], ids: NDArray[np.int64], saved: Path | None) -> Self:
        """Those in the file, if they were made of just these rows; otherwise new ones, which are saved there."""
        digest = hashlib.blake2b(FORMAT + np.array([*rows.shape, SUBSPACE, SAMPLE, ITERATIONS]).tobytes())
        digest.update(ids.data)
        digest.update(np.ascontiguousarray(rows).data)
        key = digest.digest()
        if saved is not None and (found := cls._read(saved, key, *rows.shape)) is not None:
            return found
        made = cls._learn(rows)
        if saved is not None:
            try:
                made._save(saved, key)
            except OSError as error:
                log.warning("%s can't be written (%s): the next start takes seconds longer", saved, error.strerror)
        return made

    def index(self) -> faiss.IndexPQ:
        quantizer = self._quantizer()
        plain = faiss.IndexPQ(quantizer.d, quantizer.M, 4, faiss.METRIC_INNER_PRODUCT)
        plain.pq, plain.is_trained = quantizer, True
        plain.add_sa_codes(self.codes)
        return plain

    @classmethod
    def _learn(cls, rows: NDArray[np.float16]) -> Self:
        count, width = rows.shape
        quantizer = faiss.ProductQuantizer(width, width // SUBSPACE, 4)
        quantizer.cp.niter, quantizer.cp.seed = ITERATIONS, 1
        quantizer.cp.min_points_per_centroid, quantizer.cp.max_points_per_centroid = 1, SAMPLE
        sample = np.sort(np.random.default_rng(0).choice(count, min(count, SAMPLE), replace=False))
        with _one_thread():
            quantizer.train(rows[sample].astype(np.float32))
        centroids = faiss.vector_to_array(quantizer.centroids).reshape(-1, 16, SUBSPACE)
        chunks = [quantizer.compute_codes(rows[at : at + 8192].astype(np.float32)) for at in range(0, count, 8192)]
        return cls(centroids, np.concatenate(chunks))

    @classmethod
    def _read(cls, path: Path, key: bytes, count: int, width: int) -> Self | None:
        """The codes of just these rows, or None where there are none, or of others, or damaged ones."""
        middle, size = 4 * 16 * width, count * _code_bytes(width)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        body = memoryview(data)[2 * len(key) :]
        if data[: len(key)] != key or len(body) != middle + size:
            return None
        if hashlib.blake2b(body).digest() != data[len(key) : 2 * len(key)]:
            log.warning("%s is damaged: it is made again", path)
            return None
        centroids = np.frombuffer(body[:middle], np.float32).reshape(-1, 16, SUBSPACE)
        return cls(centroids, np.frombuffer(body[middle:], np.uint8).reshape(count, -1))

    def _save(self, path: Path, key: bytes) -> None:
        body = self.centroids.tobytes() + self.codes.tobytes()
        make_folder(path.parent)
        sweep(path.parent)
        with private_file(path) as file:
            for part in (key, hashlib.blake2b(body).digest(), body):
                file.write(part)

    def _quantizer(self) -> faiss.ProductQuantizer:
        spaces = len(self.centroids)
        quantizer = faiss.ProductQuantizer(spaces * SUBSPACE, spaces, 4)
        faiss.copy_array_to_vector(self.centroids.reshape(-1), quantizer.centroids)
        return quantizer


def _code_bytes(width: int) -> int:
    return (width // SUBSPACE * 4 + 7) // 8


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS starts no threads for what this thread asks of it; for work so small that they wait for each other instead.

    On a busy machine 128 k-means of 16 centres took 52 s with two threads and 8 s with one; a filtered search in 20 000
    rows 42 ms and 0.2 ms.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(os.cpu_count() or 1, 8), "search")
