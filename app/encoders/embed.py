"""Tracklets to embeddings with the site's serving model: beside detection while footage is ingested, or afterwards.

What is embedded is derived from the record: `update` compares both and does what is missing, footage by footage, so it
may be interrupted anywhere. Several processes may embed the same footage, and others erase from it: `keep` writes.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.errors import SiteError
from app.record import Site
from app.record.embeddings import Embeddings
from app.record.halves import pool
from app.record.leases import ERASING
from app.record.pictures import jpegs_of
from deploy.encoder import OnnxError, OpenEncoder
from reid.pictures import decode_crops

log = logging.getLogger("sightline")

CROPS = 16  # of a tracklet, spread over its time: twice as many change little
BATCH = 32  # crops at once
_WAITING = 64  # tracklets that may wait while ingest goes on


def spread(count: int, most: int = CROPS) -> NDArray[np.int64]:
    """Which of `count` crops are embedded: at most `most`, evenly over their order."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def embed(
    tracklets: Iterable[tuple[int, Sequence[bytes]]], encoder: OpenEncoder
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Ids and JPEG crops in the order of time → ids and halves `(2, D)`.

    Halves are the means of the earlier and later crops. A tracklet none of whose crops can be decoded is left out, and
    one for which the encoder answers zeros, which have no direction.
    Raises SiteError where the encoder fails or answers what is no number.
    """
    held: list[tuple[int, NDArray[np.uint8]]] = []

    def flush() -> Iterator[tuple[int, NDArray[np.float32]]]:
        rows = embed_crops(np.concatenate([crops for _, crops in held]), encoder)
        tracklet_of_crop = np.repeat(np.arange(len(held)), [len(crops) for _, crops in held])
        for (number, _), halves in zip(held, pool(rows, tracklet_of_crop), strict=True):
            if halves.any(1).all():
                yield number, halves
            else:  # as an encoder does whose pictures are prepared wrongly
                log.warning("the encoder sees nothing in tracklet %d: it is not embedded", number)
        held.clear()

    for number, jpegs in tracklets:
        crops = decode_crops([jpegs[k] for k in spread(len(jpegs))], *encoder.size) if len(jpegs) else None
        if crops is None or not len(crops):
            log.warning("tracklet %d has no crop that can be read: it is not embedded", number)
            continue
        held.append((number, crops))
        if sum(len(crops) for _, crops in held) >= BATCH:
            yield from flush()
    if held:
        yield from flush()


def embed_crops(crops: NDArray[np.uint8], encoder: OpenEncoder) -> NDArray[np.float32]:
    """Crops `(N, height, width, 3)` RGB → `(N, D)` finite rows. Raises SiteError where there are none such."""
    try:
        rows = encoder.embed(crops, batch=BATCH)
    except OnnxError as error:
        raise SiteError(f"{error}: let another version serve, `python -m app.models use NAME`.") from error
    if not np.isfinite(rows).all():
        raise SiteError(
            "The serving model makes embeddings that are no numbers: let another version serve, "
            "`python -m app.models use NAME`."
        )
    return rows


def embed_pictures(pictures: Sequence[NDArray[np.uint8]], encoder: OpenEncoder) -> NDArray[np.float32]:
    """Pictures of people of any size, RGB → `(N, D)` finite rows. Raises SiteError where there are none such."""
    return embed_crops(decode_crops(pictures, *encoder.size), encoder)


def read_crops(site: Site, ids: Iterable[int]) -> Iterator[tuple[int, list[bytes]]]:
    """Ids and JPEG crops from the site's shards. Damaged crops are left out."""
    for number in ids:
        crops = site.crops(int(number))
        chosen = [crops[k] for k in spread(len(crops))] if crops else []
        jpegs = jpegs_of(site.database, chosen)  # `app.site --verify` tells of those that are None
        yield int(number), [jpeg for jpeg in jpegs if jpeg is not None]


def keep(
    site: Site,
    add: Callable[[int, NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]], None],
    footage: int,
    ids: NDArray[np.int64],
    halves: NDArray[np.float32],
) -> None:
    """Adds to what is stored of a footage: tracklets `(n,)` and halves `(n, 2, D)`. add: `add` or `append` of a store.

    Tracklets that are erased are left out, also of what was stored: while this writes, nobody else writes or erases.
    """
    with site.lease(ERASING):
        add(footage, ids, halves, site.searchable_of(footage))


def update(
    site: Site,
    store: Embeddings,
    open_encoder: Callable[[], OpenEncoder],
    progress: Progress = unheard,
    *,
    footages: Collection[int] | None = None,
) -> int:
    """Makes the store hold just the site's tracklets and sightings. Returns how many were embedded.

    Those of whose crops none can be read are not. footages: those that are looked at, None for all.
    """
    table, nobody = site.searchable_table(footages), np.empty(0, np.int64)
    stored_ids = {footage: _stored(store, footage) for footage in store.footages(footages)}
    wanted = {int(footage): table.ids[table.footage == footage] for footage in np.unique(table.footage)}
    missing = {footage: np.setdiff1d(ids, stored_ids.get(footage, nobody)) for footage, ids in wanted.items()}
    total, done, embedded = sum(map(len, missing.values())), 0, 0
    leaving = np.array(sorted(site.erasing()), np.int64)  # who erases them removes their embeddings, too
    encoder = open_encoder() if total else None
    for footage in sorted(stored_ids.keys() | wanted.keys()):
        ids, new = wanted.get(footage, nobody), missing.get(footage, nobody)
        if not len(new) and (len(ids) or len(leaving)) and np.isin(stored_ids[footage], np.r_[ids, leaving]).all():
            continue
        rows: list[tuple[int, NDArray[np.float32]]] = []
        for row in embed(read_crops(site, new), encoder) if encoder else ():
            rows.append(row)
            progress("tracklets embedded", done + len(rows), total)
        done, embedded = done + len(new), embedded + len(rows)
        keep(site, store.add, footage, *stacked(rows))
    return embedded


def _stored(store: Embeddings, footage: int) -> NDArray[np.int64]:
    """Ids `(n,)` of what a store has of a footage. None where it is damaged."""
    ids = store.check(footage)
    return np.empty(0, np.int64) if ids is None else ids


def stacked(rows: list[tuple[int, NDArray[np.float32]]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids `(n,)` and halves `(n, 2, D)` of embedded tracklets."""
    if not rows:
        return np.empty(0, np.int64), np.empty((0, 2, 0), np.float32)
    return np.array([number for number, _ in rows], np.int64), np.stack([halves for _, halves in rows])


class Embedder:
    """Embeds what ingest commits, in a thread of its own.

    What it had not written when ingest was stopped, `update` does later.
    """

    def __init__(
        self,
        write: Callable[[int, NDArray[np.int64], NDArray[np.float32]], None],
        open_encoder: Callable[[], OpenEncoder],
    ) -> None:
        """Starts the thread.

        Args:
            write: Takes a footage's id, and ids `(n,)` and halves `(n, 2, D)` of its tracklets, as `keep` does.
            open_encoder: Called in the thread: what it imports and loads does not hold up detection.
        """
        self._write = write
        self._open = open_encoder
        self._queue: queue.Queue[tuple[int, int, Sequence[bytes]] | int | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="embed", daemon=True)
        self._thread.start()

    def take(self, footage: int, tracklet: int, jpegs: Sequence[bytes]) -> None:
        """One tracklet that is committed."""
        self._put((footage, tracklet, [jpegs[k] for k in spread(len(jpegs))]))

    def finish(self, footage: int) -> None:
        """A footage has no more tracklets: its embeddings are written."""
        self._put(footage)

    def close(self) -> None:
        """Waits for what is under way. Raises what went wrong."""
        self._put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Stops without waiting for what is queued."""
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._put(None)
        self._thread.join()

    def _put(self, item: tuple[int, int, Sequence[bytes]] | int | None) -> None:
        while self._thread.is_alive():
            with suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return

    def _run(self) -> None:
        try:
            encoder = self._open()
            rows_of_footage: dict[int, list[tuple[int, NDArray[np.float32]]]] = {}
            waiting: list[tuple[int, int, Sequence[bytes]]] = []

            def flush() -> None:
                footage_of = {tracklet: footage for footage, tracklet, _ in waiting}
                for tracklet, halves in embed([(tracklet, jpegs) for _, tracklet, jpegs in waiting], encoder):
                    rows_of_footage.setdefault(footage_of[tracklet], []).append((tracklet, halves))
                waiting.clear()

            while (item := self._queue.get()) is not None:
                if not isinstance(item, int):
                    waiting.append(item)
                    if sum(len(jpegs) for _, _, jpegs in waiting) >= BATCH:
                        flush()
                    continue
                flush()
                rows = sorted(rows_of_footage.pop(item, []), key=lambda row: row[0])
                if rows:
                    self._write(item, *stacked(rows))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that calls close
            self._error = error
