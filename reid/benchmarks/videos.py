"""Video sets, which come as tracklets: MARS, PRID2011, iLIDS-VID and DukeMTMC-VideoReID."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reid.benchmarks.parts import (
    UNKNOWN_TIME,
    Benchmark,
    BenchmarkError,
    Seen,
    assemble,
    check_split,
    find_root,
    folders,
    json_splits,
    matlab,
    one_each,
    parse_name,
    pictures,
)

_PRID_PEOPLE, _PRID_FRAMES = 200, 27  # the first 200 are in both cameras, and shorter sequences do not count
_DUKE = re.compile(r"\d+_?C(\d+)_?F(\d+)_?X(\d+)\.jpg")
_DUKE_FPS = 60.0


def mars(name: str, folder: Path, protocol: str) -> Benchmark:
    """MARS: Zheng et al., ECCV 2016.

    `bbox_train/0001/0001C1T0001F001.jpg`, `bbox_test/` and `info/` with the lists of pictures and tracklets.

    The gallery is the whole test part, queries included, as the authors evaluate (Torchreid leaves all queries out).
    Person −1 (`00-1`) is junk, 0 a distractor. Frames count from the start of each tracklet, so no times are known.
    """
    info = ("train_name.txt", "test_name.txt", "tracks_train_info.mat", "tracks_test_info.mat", "query_IDX.mat")
    root = find_root(folder, ["bbox_train", "bbox_test", *(f"info/{file}" for file in info)], "mars", "MARS")

    def read(part: str, variable: str) -> list[Seen]:
        names = (root / "info" / f"{part}_name.txt").read_text(encoding="utf-8").split()
        path = root / "info" / f"tracks_{part}_info.mat"
        tracks = matlab(path, variable)[0].astype(np.int64)
        if tracks.ndim != 2 or tracks.shape[1] != 4 or tracks[:, 0].min() < 1 or tracks[:, 1].max() > len(names):
            raise BenchmarkError(f"{path} has not rows of first picture, last picture, person, camera")
        home = root / f"bbox_{part}"
        return [
            _unknown_time(person, f"{camera:02d}", [f"{home}/{file[:4]}/{file}" for file in names[first - 1 : last]])
            for first, last, person, camera in tracks.tolist()
        ]

    train, test = read("train", "track_train_info"), read("test", "track_test_info")
    query = matlab(root / "info" / "query_IDX.mat", "query_IDX")[0].astype(np.int64).ravel() - 1
    if len(query) == 0 or query.min() < 0 or query.max() >= len(test):
        raise BenchmarkError(f"{root}/info/query_IDX.mat names tracklets that tracks_test_info.mat does not have")
    return assemble(name, protocol, one_each(train, protocol), [test[i] for i in query], test)


def prid2011(name: str, folder: Path, protocol: str, split: int) -> Benchmark:
    """PRID2011: Hirzer et al., SCIA 2011.

    The folders are `multi_shot/cam_a/person_0001/0001.png` and `cam_b`. The first 200 people are in both cameras. Those
    178 of them count who have at least 27 pictures in each. That is as everybody since Wang et al. (ECCV 2014) has it.
    89 are to train and 89 to test, and camera A asks B.

    The ten random splits are those of `train_test_splits_prid.mat` (comes with iLIDS-VID) or Torchreid's
    `splits_prid2011.json`. The file lies beside `multi_shot` or one folder above.
    """
    root = find_root(folder, ["multi_shot/cam_a", "multi_shot/cam_b"], "prid_2011")
    cameras = [root / "multi_shot" / camera for camera in ("cam_a", "cam_b")]
    shots = [{path.name: pictures(path) for path in folders(camera)[:_PRID_PEOPLE]} for camera in cameras]
    frames = {person: min(len(paths), len(shots[1].get(person, ()))) for person, paths in shots[0].items()}
    people = [person for person, count in frames.items() if count >= _PRID_FRAMES]
    beside = (root, root.parent, root / "train-test people splits", root.parent / "train-test people splits")
    mat_files = [path for folder in beside if (path := folder / "train_test_splits_prid.mat").is_file()]
    json_files = [path for folder in beside if (path := folder / "splits_prid2011.json").is_file()]
    if mat_files:
        train, test, splits = _halves(name, mat_files[0], people, split)
    elif json_files:
        rows = json_splits(json_files[0], "train", "test")
        splits = len(rows)
        check_split(name, split, splits)
        train, test = rows[split]["train"], rows[split]["test"]
    else:
        raise BenchmarkError(
            f"{root} has no splits: put train_test_splits_prid.mat (from iLIDS-VID) or splits_prid2011.json beside "
            "multi_shot"
        )
    return _two_cameras(name, protocol, shots, train, test, splits)


def ilids_vid(name: str, folder: Path, protocol: str, split: int) -> Benchmark:
    """iLIDS-VID: Wang et al., "Person Re-Identification by Video Ranking", ECCV 2014.

    The folders are `i-LIDS-VID/sequences/cam1/person001/cam1_person001_00317.png`, `cam2`, and
    `train-test people splits/`.

    There are 300 people and ten random splits. The first half of a row is to test, the second to train. Camera 1 asks
    camera 2.
    """
    split_file = Path("train-test people splits") / "train_test_splits_ilidsvid.mat"
    root = find_root(folder, ["i-LIDS-VID/sequences/cam1", "i-LIDS-VID/sequences/cam2"], "iLIDS-VID", "ilids-vid")
    split_files = [path for folder in (root, root / "i-LIDS-VID") if (path := folder / split_file).is_file()]
    if not split_files:
        raise BenchmarkError(f"{root} has no splits: {split_file} of the published archive is missing")
    cameras = [root / "i-LIDS-VID" / "sequences" / camera for camera in ("cam1", "cam2")]
    shots = [{path.name: pictures(path) for path in folders(camera)} for camera in cameras]
    train, test, splits = _halves(name, split_files[0], [person for person in shots[0] if person in shots[1]], split)
    return _two_cameras(name, protocol, shots, train, test, splits)


def dukemtmc_videoreid(name: str, folder: Path, protocol: str) -> Benchmark:
    """DukeMTMC-VideoReID: Wu et al., CVPR 2018.

    The folders are `train/`, `query/` and `gallery/`. A picture is `train/0001/0003/0001C6F0099X30823.jpg`, in folders
    of person and tracklet. Its name has camera, frame of the tracklet, and frame of the camera at 60/s. There may be
    `_` between the parts of a name.

    DukeMTMC was withdrawn in 2019 for want of consent of those in it. This reads a copy that somebody lawfully has, to
    compare with what was published. Nothing here fetches it. Results on it should not be published anew.
    """
    root = find_root(folder, ["train", "query", "gallery"], "DukeMTMC-VideoReID")

    def read(part: Path) -> list[Seen]:
        seen = []
        for person in folders(part):
            if not person.name.isdigit():
                raise BenchmarkError(f"{person} is not named by a person's number: that is not the published layout")
            for tracklet in folders(person):
                paths = pictures(tracklet)
                names = [parse_name(_DUKE, path, "0001C6F0099X30823.jpg").groups() for path in paths]
                shots = sorted((int(frame), int(camera), path) for (camera, _, frame), path in zip(names, paths))
                if len({camera for _, camera, _ in shots}) > 1:
                    raise BenchmarkError(f"{tracklet} holds pictures of several cameras")
                if shots:
                    times = [frame / _DUKE_FPS for frame, _, _ in shots]
                    seen.append(Seen(int(person.name), f"{shots[0][1]:02d}", times, tuple(path for *_, path in shots)))
        return seen

    train, query, gallery = (read(root / part) for part in ("train", "query", "gallery"))
    return assemble(name, protocol, one_each(train, protocol), query, gallery)


def _unknown_time(person: int, camera: str, paths: Sequence[str]) -> Seen:
    return Seen(person, camera, [UNKNOWN_TIME] * len(paths), tuple(paths))


def _two_cameras(
    name: str,
    protocol: str,
    shots: Sequence[dict[str, list[str]]],
    train: Sequence[str],
    test: Sequence[str],
    splits: int,
) -> Benchmark:
    """People of two cameras with one tracklet in each, the first camera asking the second."""
    unknown = [person for person in (*train, *test) if person not in shots[0] or person not in shots[1]]
    if unknown:
        raise BenchmarkError(f"{name}: the split names {unknown[0]}, who is not in both cameras")
    number = {person: i for i, person in enumerate(sorted({*train, *test}), 1)}

    def seen(people: Sequence[str], camera: int) -> list[Seen]:
        return [_unknown_time(number[person], f"{camera + 1:02d}", shots[camera][person]) for person in people]

    everybody = [*seen(train, 0), *seen(train, 1)]
    return assemble(name, protocol, one_each(everybody, protocol), seen(test, 0), seen(test, 1), splits=splits)


def _halves(name: str, path: Path, people: Sequence[str], split: int) -> tuple[list[str], list[str], int]:
    """People to train and to test with, of one row of a MATLAB file of splits.

    It also gives how many rows there are.
    """
    rows = matlab(path, "ls_set")[0].astype(np.int64)
    check_split(name, split, len(rows))
    if sorted(rows[split]) != list(range(1, len(people) + 1)):
        raise BenchmarkError(f"{path} splits {rows.shape[1]} people and {name} holds {len(people)}: some are missing")
    order = [people[i - 1] for i in rows[split]]
    half = len(people) // 2
    return sorted(order[half:]), sorted(order[:half]), len(rows)
