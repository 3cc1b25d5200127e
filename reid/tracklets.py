"""What methods learn from: crops of tracklets as one uint8 memmap.

With them come camera, tracklet, time and cannot-link pairs. A `TrackletSource` yields tracklet by tracklet what there
is. `TrackletDataset.build` writes it to a folder once, a few crops in memory at a time. It opens it from then on.
Identities are not kept here. A benchmark keeps them apart (`reid.benchmarks.Labels`), so that no method reads them by
accident.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from reid.pictures import DecodedCrops, Picture, decode_all
from reid.progress import Progress, unheard

log = logging.getLogger("sightline")

_FORMAT = 2  # of the folder. One of another format is built again
_PIECE = 32  # crops a decoding thread takes at once
_AHEAD = 4  # pieces a thread that may wait to be written: what bounds the memory (200 MB at 256 × 128 px, 16 threads)


def no_pairs() -> NDArray[np.int64]:
    """(0, 2)."""
    return np.zeros((0, 2), np.int64)


class DatasetError(ValueError):
    """Crops that can't be written to a dataset or read from one. The message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Tracklet:
    """One tracklet as a source tells it."""

    id: int  # the source's own number for it, unique: how results find their way back
    camera: str
    times: NDArray[np.float64]  # (n,) s, rising, comparable within the camera. NaN where nobody knows
    pictures: Sequence[Picture]  # n of them, in the order of time


@dataclass(frozen=True)
class TrackletSource:
    """All tracklets of a site or a benchmark, read once to build a dataset."""

    tracklets: Iterable[Tracklet]  # a generator will do: each is let go of when it is written
    fingerprint: str  # changes when anything in them does, and so tells a stale dataset
    pictures: int | None = None  # how many there are, for progress. None: unknown
    cannot_link: NDArray[np.int64] | None = None  # (P, 2) ids. None: those that overlap in time in one camera
    must_link: NDArray[np.int64] = field(default_factory=no_pairs)  # (Q, 2) ids that a person said are one

    @classmethod
    def of_files(cls, tracklets: Sequence[Tracklet]) -> Self:
        """Tracklets whose pictures are files: their names, sizes and times of change are the fingerprint."""
        digest = hashlib.sha256()
        for tracklet in tracklets:
            digest.update(f"{tracklet.id}|{tracklet.camera}\n".encode())
            digest.update(np.asarray(tracklet.times, np.float64).tobytes())
            for picture in tracklet.pictures:
                if not isinstance(picture, str | os.PathLike):
                    raise TypeError("a source of files has only paths as pictures")
                try:
                    seen = os.stat(picture)  # noqa: PTH116 - a Path costs more than the call, a million times
                    digest.update(f"{os.fspath(picture)}|{seen.st_size}|{seen.st_mtime_ns}\n".encode())
                except OSError:
                    digest.update(f"{os.fspath(picture)}|missing\n".encode())  # build records it
        return cls(tracklets, digest.hexdigest(), sum(len(t.pictures) for t in tracklets))


@dataclass(frozen=True, eq=False)
class TrackletDataset:
    """N crops of T tracklets of C cameras.

    Tracklets are numbered at random, never in the source's order. Sources list a person's tracklets one after the
    other. A method whose ties fall to neighbouring numbers would profit from that. A tracklet's crops are rows
    `start … start + length - 1`, in the order of time. The same crops always have the same rows. The seed decides only
    which number a tracklet has.
    """

    crops: NDArray[np.uint8]  # (N, H, W, 3) RGB, on disk
    time: NDArray[np.float64]  # (N,) s. NaN where nobody knows
    start: NDArray[np.int64]  # (T,) first row
    length: NDArray[np.int64]  # (T,) rows, at least 1
    tracklet_camera: NDArray[np.int64]  # (T,) 0 … C-1
    source_tracklet: NDArray[np.int64]  # (T,) ids in the source: for reports and for results, nothing to learn from
    cannot_link: NDArray[np.int64]  # (P, 2) numbers a < b of tracklets that show different people
    camera_names: tuple[str, ...]  # C, sorted
    left_out: int = 0  # pictures that could not be read, as the folder's `left-out.txt` lists them
    must_link: NDArray[np.int64] = field(default_factory=no_pairs)
    """(Q, 2) numbers a < b of tracklets of which a person said that they show one."""

    def __len__(self) -> int:
        """T."""
        return len(self.start)

    @cached_property
    def tracklet(self) -> NDArray[np.int64]:
        """(N,) the tracklet of each crop."""
        order = np.argsort(self.start)
        return np.repeat(order, self.length[order])

    @cached_property
    def camera(self) -> NDArray[np.int64]:
        """(N,) the camera of each crop."""
        return self.tracklet_camera[self.tracklet]

    def gather(self, rows: ArrayLike) -> Tensor:
        """(B,) rows → (B, 3, H, W) uint8 RGB.

        Channels are last in memory, as on disk and as convolutions like it.
        """
        return torch.from_numpy(self.crops[np.asarray(rows, np.int64)]).permute(0, 3, 1, 2)

    def draw(self, tracklets: ArrayLike, frames: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(…,) tracklets → (…, frames) rows at random: all different, but where a tracklet has fewer, with repeats.

        Floyd's sampling, for all tracklets at once: `frames` steps whatever the tracklets' lengths.
        """
        numbers = np.asarray(tracklets, np.int64)
        length = self.length[numbers]
        drawn = np.full((*numbers.shape, frames), -1, np.int64)
        for i in range(frames):
            last = length - frames + i
            guess = rng.integers(0, np.maximum(last + 1, 1))
            taken = (drawn == guess[..., None]).any(-1)
            drawn[..., i] = np.where(taken, last, guess)
        short = length < frames
        drawn[short] = rng.integers(0, length[short, None], (int(short.sum()), frames))
        return self.start[numbers][..., None] + drawn

    def as_images(self, seed: int = 0) -> TrackletDataset:
        """The same crops with every crop its own tracklet, numbered at random: how SSL takes image sets.

        What is known of tracklets does not carry over: `cannot_link` and `must_link` are empty. `source_tracklet`
        still names the tracklet that a crop is from.
        """
        rows = np.random.default_rng([seed, len(self.time)]).permutation(len(self.time))
        return replace(
            self,
            start=rows,
            length=np.ones(len(rows), np.int64),
            tracklet_camera=self.camera[rows],
            source_tracklet=self.source_tracklet[self.tracklet[rows]],
            cannot_link=no_pairs(),
            must_link=no_pairs(),
        )

    @classmethod
    def build(
        cls,
        folder: Path,
        source: TrackletSource,
        height: int,
        width: int,
        *,
        seed: int = 0,
        progress: Progress = unheard,
    ) -> Self:
        """Opens the dataset in `folder`, after writing it there unless it holds just this already.

        What is written is known by the source's fingerprint, the size in pixels and the seed. It is written beside
        `folder` and moved there when it is whole. So an interrupted build begins again, and no half of one is ever
        opened. One process at a time builds a folder.

        A picture that can't be read is left out and recorded in `left-out.txt`. A tracklet without any readable one is
        left out with them.

        Args:
            folder: Where the dataset is, or will be.
            source: Of the tracklets.
            height: px, of the crops.
            width: px, of the crops.
            seed: Of the tracklets' numbers.
            progress: Hears of "crops" as they are written. What it raises interrupts the build.

        Returns:
            The dataset, its crops mapped from disk.

        Raises:
            DatasetError: No picture can be read, the disk is too small, or `folder` holds something else.
        """
        folder = folder.absolute()
        wanted = {
            "format": _FORMAT,
            "fingerprint": source.fingerprint,
            "height": height,
            "width": width,
            "seed": seed,
        }
        manifest = _manifest(folder)
        if manifest is None or not _fits(folder, manifest, wanted):
            if manifest is None and folder.exists() and any(folder.iterdir()):
                raise DatasetError(f"{folder} is no dataset and not empty: name another folder for the crops")
            _write(folder, source, wanted, progress)
            manifest = _manifest(folder)
            assert manifest is not None
        return cls._open(folder, manifest)

    @classmethod
    def _open(cls, folder: Path, manifest: dict[str, Any]) -> Self:
        with np.load(folder / "tracklets.npz") as index:
            arrays = {name: index[name] for name in index.files}
        shape = (len(arrays["time"]), manifest["height"], manifest["width"], 3)
        # Copy on write: torch refuses arrays that it may not write to, and nothing ever reaches the file.
        crops = np.memmap(folder / "crops.u8", np.uint8, "c", shape=shape)
        return cls(
            crops=crops,
            **arrays,
            camera_names=tuple(manifest["cameras"]),
            left_out=manifest["left_out"],
        )


def overlapping(
    cameras: NDArray[np.integer], first: NDArray[np.float64], last: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Pairs of tracklets of one camera that were there at the same time.

    A camera sees a person once at a time, so two such tracklets show two people.

    Args:
        cameras: (T,) any numbers.
        first: (T,) s. A tracklet without times (NaN) is in no pair.
        last: (T,) s.

    Returns:
        (P, 2) a < b, in lexical order.
    """
    pairs = [np.zeros((0, 2), np.int64)]
    for camera in np.unique(cameras):
        members = np.flatnonzero((cameras == camera) & ~np.isnan(first) & ~np.isnan(last))
        members = members[np.argsort(first[members], kind="stable")]
        until = np.searchsorted(first[members], last[members], side="right")  # who began before it ended
        count = np.maximum(until - np.arange(len(members)) - 1, 0)
        earlier = np.repeat(np.arange(len(members)), count)
        nth = np.arange(len(earlier)) - np.repeat(np.cumsum(count) - count, count)
        pairs.append(np.sort(np.stack([members[earlier], members[earlier + 1 + nth]], 1), axis=1))
    return np.unique(np.concatenate(pairs), axis=0)


def _manifest(folder: Path) -> dict[str, Any] | None:
    """What a dataset's folder says of itself. None where there is no whole one."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def _fits(folder: Path, manifest: dict[str, Any], wanted: dict[str, Any]) -> bool:
    size = manifest.get("crops", 0) * wanted["height"] * wanted["width"] * 3
    try:
        whole = (folder / "tracklets.npz").is_file() and (folder / "crops.u8").stat().st_size == size
    except OSError:
        return False
    return whole and all(manifest.get(key) == value for key, value in wanted.items())


def _write(folder: Path, source: TrackletSource, wanted: dict[str, Any], progress: Progress) -> None:
    shape = (wanted["height"], wanted["width"], 3)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of an interrupted build
    try:
        part.mkdir(parents=True)
        needed, free = (source.pictures or 0) * int(np.prod(shape)), shutil.disk_usage(part).free
        if needed > free:
            raise DatasetError(
                f"{source.pictures:,} crops of {shape[0]} × {shape[1]} px need {needed / 1e9:.1f} GB and "
                f"{folder.parent} has {free / 1e9:.1f} GB left: free some, or name a folder elsewhere"
            )
        manifest = {**wanted, **_write_arrays(part, source, shape, wanted["seed"], progress)}
        (part / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
    except OSError as error:
        raise DatasetError(f"{folder} can't be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_arrays(
    part: Path, source: TrackletSource, shape: tuple[int, int, int], seed: int, progress: Progress
) -> dict[str, Any]:
    """Streams the crops to disk, then writes their index. Returns the rest of the manifest."""
    ids, lengths, cameras, times = array("q"), array("q"), array("q"), array("d")
    numbers: dict[str, int] = {}  # camera name → number, in the order of the source
    left_out = 0
    with (part / "crops.u8").open("wb") as crops, (part / "left-out.txt").open("w", encoding="utf-8") as unread:
        for tracklet, offset, piece in _decoded(source, shape, progress):
            if offset == 0:
                ids.append(tracklet.id)
                lengths.append(0)
                cameras.append(numbers.setdefault(tracklet.camera, len(numbers)))
            crops.write(piece.crops.data)
            lengths[-1] += len(piece.kept)
            times.extend(np.asarray(tracklet.times, np.float64)[offset + piece.kept])
            for reason in piece.problems:
                unread.write(f"tracklet {tracklet.id}, camera {tracklet.camera}: {reason}\n")
            left_out += len(piece.problems)
        crops.flush()
        os.fsync(crops.fileno())
    length, time = np.array(lengths, np.int64), np.array(times, np.float64)
    if not len(time):
        raise DatasetError(
            f"none of the source's {left_out:,} pictures can be read" if left_out else "the source has no tracklets"
        )
    if left_out:
        log.warning("%s pictures can't be read and are left out; left-out.txt in the dataset names them", left_out)
    kept = length > 0
    length, start = length[kept], (np.cumsum(length) - length)[kept]
    camera, identifier = np.array(cameras, np.int64)[kept], np.array(ids, np.int64)[kept]
    source_names = list(numbers)
    names = sorted(
        source_names[number] for number in np.unique(camera)
    )  # without cameras of which nothing could be read
    camera = np.array([names.index(name) if name in names else -1 for name in source_names])[camera]
    if len(np.unique(identifier)) != len(identifier):
        raise ValueError("two tracklets of the source have the same id")
    order = np.random.default_rng([seed, len(start)]).permutation(len(start))
    start, length, camera, identifier = start[order], length[order], camera[order], identifier[order]
    if source.cannot_link is None:
        pairs = overlapping(camera, time[start], time[start + length - 1])
    else:
        pairs = _numbered(source.cannot_link, identifier)
    np.savez(
        part / "tracklets.npz",
        time=time,
        start=start,
        length=length,
        tracklet_camera=camera,
        source_tracklet=identifier,
        cannot_link=pairs,
        must_link=_numbered(source.must_link, identifier),
    )
    log.info("%s crops of %s tracklets and %s cameras are ready", f"{len(time):,}", f"{len(start):,}", len(names))
    return {"crops": len(time), "tracklets": len(start), "cameras": names, "left_out": left_out}


def _numbered(pairs: NDArray[np.integer], identifier: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P, 2) ids → numbers a < b, without pairs of which a tracklet was left out."""
    order = np.argsort(identifier)
    ids = np.asarray(pairs, np.int64).reshape(-1, 2)
    at = np.searchsorted(identifier, ids, sorter=order)
    numbers = order[np.minimum(at, len(order) - 1)]
    return np.unique(np.sort(numbers[(identifier[numbers] == ids).all(1)], axis=1), axis=0)


def _decoded(
    source: TrackletSource, shape: tuple[int, int, int], progress: Progress
) -> Iterator[tuple[Tracklet, int, DecodedCrops]]:
    """Pieces of tracklets with where in the tracklet they begin, in the source's order, decoded in threads."""
    threads = min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    waiting: deque[tuple[Tracklet, int, Future[DecodedCrops]]] = deque()
    done = 0
    progress("crops", 0, source.pictures)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for entry in chain(_pieces(source), [None]):
                if entry is not None:
                    tracklet, offset = entry
                    pictures = tracklet.pictures[offset : offset + _PIECE]
                    waiting.append((tracklet, offset, pool.submit(decode_all, pictures, shape[0], shape[1])))
                while len(waiting) > (_AHEAD * threads if entry is not None else 0):
                    tracklet, offset, future = waiting.popleft()
                    piece = future.result()
                    yield tracklet, offset, piece
                    done += len(piece.kept) + len(piece.problems)
                    progress("crops", done, source.pictures)
        finally:
            for _, _, future in waiting:
                future.cancel()


def _pieces(source: TrackletSource) -> Iterator[tuple[Tracklet, int]]:
    for tracklet in source.tracklets:
        if len(tracklet.pictures) != len(tracklet.times):
            raise ValueError(
                f"tracklet {tracklet.id} has {len(tracklet.pictures)} pictures, {len(tracklet.times)} times"
            )
        for offset in range(0, len(tracklet.pictures), _PIECE):
            yield tracklet, offset
