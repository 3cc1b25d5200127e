"""Anybody's own crops: a folder of people, with identities, and a folder of tracklets, without."""

from __future__ import annotations

from pathlib import Path

from reid.benchmarks.parts import (
    ORACLE,
    UNKNOWN_TIME,
    Benchmark,
    BenchmarkError,
    Part,
    Seen,
    assemble,
    find_root,
    folders,
    pictures,
)


def folder_of_people(name: str, folder: Path, protocol: str) -> Benchmark:
    """Pictures `camera/person/*.jpg`.

    A person's folder has the same name in every camera. All of it is both to train on, without labels, and to test
    with. Each picture asks all others. So its scores say how well a method takes in this place, not how well it does
    elsewhere. A person in a camera is one tracklet in both protocols, in the order of file names.
    """
    tracklets = _tracklets(folder)
    number = {person: i for i, person in enumerate(sorted({person for _, person, _ in tracklets}), 1)}
    train = [Seen(number[person], camera, [UNKNOWN_TIME] * len(paths), paths) for camera, person, paths in tracklets]
    shots = [Seen(seen.person, seen.camera, (UNKNOWN_TIME,), (path,)) for seen in train for path in seen.pictures]
    return assemble(name, protocol, train, shots, shots)


def folder_of_tracklets(name: str, folder: Path, protocol: str) -> Benchmark:
    """`camera/tracklet/*.jpg`, frames in the order of file names.

    There are no identities, so there is nothing to test with, and only the protocol `raw-tracklets`.
    """
    if protocol == ORACLE:
        raise BenchmarkError(f"{name} has no identities: only raw-tracklets can be made of it")
    tracklets = _tracklets(folder)
    cameras = sorted({camera for camera, _, _ in tracklets})
    seen = [Seen(0, camera, [UNKNOWN_TIME] * len(paths), paths) for camera, _, paths in tracklets]
    return Benchmark(name, protocol, Part.of(seen, cameras).source)


def _tracklets(folder: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    """Camera, name and pictures of every folder two levels down that holds some."""
    find_root(folder, [])
    tracklets = [
        (camera.name, inner.name, tuple(paths))
        for camera in folders(folder)
        for inner in folders(camera)
        if (paths := pictures(inner))
    ]
    if not tracklets:
        raise BenchmarkError(f"{folder} holds no pictures two folders down (camera/name/*.jpg)")
    return tracklets
