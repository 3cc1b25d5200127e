"""Image sets: Market-1501, DukeMTMC-reID, MSMT17 and CUHK03 with both of its protocols."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid.benchmarks.parts import (
    UNKNOWN_TIME,
    Benchmark,
    BenchmarkError,
    Photo,
    Seen,
    assemble,
    check_split,
    each_photo,
    find_root,
    json_splits,
    matlab,
    parse_name,
    photo_tracklets,
    pictures,
)
from reid.tracklets import Picture

_MARKET_PARTS = ("bounding_box_train", "query", "bounding_box_test")
_MARKET = re.compile(r"(-1|\d+)_c(\d+)s(\d+)_(\d+)_(\d+)\.jpg")
_MARKET_FPS, _MARKET_STEP = 25.0, 25  # frames, of which every 25th was searched for people
_HELD_OF = 3  # people, of whom one is to choose on
_SESSION = 1e6  # s, how far apart sequences of a camera are laid, as their true distance is unknown
_DUKE = re.compile(r"(\d+)_c(\d+)_f(\d+)\.jpg")
_DUKE_FPS, _DUKE_STEP = 60.0, 120
_MSMT = re.compile(r"\d+_\d+_(\d+)_(\d{4}[a-z]+)_(\d+)_(\d+)(?:_ex)?\.jpg")
_NEW_PROTOCOL = re.compile(r"(\d+)_c(\d+)(?:_\d+)*\.(?:png|jpg)")
_CUHK03 = re.compile(r"(\d)_(\d{3})_([12])_(\d{2})\.png")
_CUHK03_TEST_PEOPLE = 100


def market1501(name: str, folder: Path, protocol: str) -> Benchmark:
    """Market-1501: Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.

    The folders are `bounding_box_train/`, `query/` and `bounding_box_test/`. A picture is called
    `0002_c1s1_000451_03.jpg` (person, camera, sequence, frame at 25/s, box). Person −1 is junk and 0 a distractor. Both
    are in the gallery only.
    """
    root = find_root(folder, _MARKET_PARTS, "Market-1501-v15.09.15", "Market-1501")
    train, query, gallery = (_market_photos(root / part) for part in _MARKET_PARTS)
    train = [photo for photo in train if photo.person > 0]
    return assemble(name, protocol, _market_tracklets(train, protocol), each_photo(query), each_photo(gallery))


def market1501_val(name: str, folder: Path, protocol: str) -> Benchmark:
    """Market-1501's training part alone, to validate choices on: no test person is looked at.

    Every third person is tested with: one picture of each camera asks, the others are the gallery.
    """
    root = find_root(folder, _MARKET_PARTS[:1], "Market-1501-v15.09.15", "Market-1501")
    photos = [photo for photo in _market_photos(root / _MARKET_PARTS[0]) if photo.person > 0]
    held = set(sorted({photo.person for photo in photos})[::_HELD_OF])
    train = [photo for photo in photos if photo.person not in held]
    asked: dict[tuple[int, str], Photo] = {}
    gallery = []
    for photo in photos:
        if photo.person in held and asked.setdefault((photo.person, photo.camera), photo) is not photo:
            gallery.append(photo)
    return assemble(name, protocol, _market_tracklets(train, protocol), each_photo(asked.values()), each_photo(gallery))


def _market_photos(part: Path) -> list[Photo]:
    photos = []
    for path in pictures(part):
        person, camera, sequence, frame, _ = map(int, parse_name(_MARKET, path, "0002_c1s1_000451_03.jpg").groups())
        photos.append(
            Photo(person, f"{camera:02d}", path, sequence * _SESSION + frame / _MARKET_FPS, f"{sequence:02d}")
        )
    return photos


def _market_tracklets(photos: list[Photo], protocol: str) -> list[Seen]:
    return photo_tracklets(photos, protocol, _MARKET_STEP / _MARKET_FPS)


def dukemtmc_reid(name: str, folder: Path, protocol: str) -> Benchmark:
    """DukeMTMC-reID: Zheng et al., ICCV 2017.

    The folders are Market-1501's. A picture is called `0005_c2_f0046985.jpg` (person, camera, frame at 60/s, every
    120th).

    DukeMTMC was withdrawn in 2019 for want of consent of those in it. This reads a copy that somebody lawfully has, to
    compare with what was published. Nothing here fetches it. Results on it should not be published anew.
    """

    def read(part: Path) -> Iterator[Photo]:
        for path in pictures(part):
            person, camera, frame = map(int, parse_name(_DUKE, path, "0005_c2_f0046985.jpg").groups())
            yield Photo(person, f"{camera:02d}", path, frame / _DUKE_FPS)

    root = find_root(folder, _MARKET_PARTS, "DukeMTMC-reID")
    train, query, gallery = (list(read(root / part)) for part in _MARKET_PARTS)
    step = _DUKE_STEP / _DUKE_FPS
    return assemble(name, protocol, photo_tracklets(train, protocol, step), each_photo(query), each_photo(gallery))


def msmt17(name: str, folder: Path, protocol: str) -> Benchmark:
    """MSMT17: Wei et al., CVPR 2018.

    The folders are `train/` and `test/` (V2, with faces blurred: `mask_train_v2/` and `mask_test_v2/`). A line of
    `list_*.txt` is `0000/0000_000_01_0303morning_0015_0.jpg 0`. The name has person, picture, camera, day and time of
    day, and two undocumented numbers.

    Training takes `list_train` and `list_val`, together the 32,621 pictures of 1,041 people of the paper. What the
    number behind the time of day counts is not documented. So a raw tracklet is a person in a camera and such a time of
    day. No tracklet has a time or a cannot-link pair.
    """
    lists = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
    root = find_root(folder, lists, "MSMT17_V1", "MSMT17_V2", "MSMT17")
    versions = [("train", "test"), ("mask_train_v2", "mask_test_v2")]
    versions_there = [pair for pair in versions if all((root / part).is_dir() for part in pair)]
    if not versions_there:
        raise BenchmarkError(f"{root} holds neither train/ and test/ nor mask_train_v2/ and mask_test_v2/")
    train_folder, test_folder = versions_there[0]

    def read(part: str, *names: str) -> Iterator[Photo]:
        for listed in names:
            for number, line in enumerate((root / listed).read_text(encoding="utf-8").splitlines(), 1):
                if not line.strip():
                    continue
                path, _, person = line.strip().rpartition(" ")
                if not path or not person.isdigit():
                    raise BenchmarkError(f"{root / listed}, line {number} is not a path and a person: {line!r}")
                camera, session, _, _ = parse_name(_MSMT, path, "0000_000_01_0303morning_0015_0.jpg").groups()
                yield Photo(int(person), camera, str(root / part / path), UNKNOWN_TIME, session)

    train = photo_tracklets(read(train_folder, "list_train.txt", "list_val.txt"), protocol)
    query, gallery = (each_photo(read(test_folder, f"list_{part}.txt")) for part in ("query", "gallery"))
    return assemble(name, protocol, train, query, gallery)


def cuhk03(name: str, folder: Path, protocol: str, boxes: str) -> Benchmark:
    """CUHK03's new protocol: 767 people to train, 700 to test (Zhong et al., CVPR 2017).

    `boxes` is `detected` or `labeled`. The set is read from whichever of three sources is there. The first is the
    CUHK03-NP archive (`detected/bounding_box_train/0001_c1_1.png` …). The others have
    `cuhk03_new_protocol_config_detected.mat`. The second has it beside `images_detected/1_001_1_01.png` (camera pair,
    person, view, picture). The third has it beside the original `cuhk03_release/cuhk-03.mat`.

    Cameras are the two views, as published. Nothing is known of time. So both tracklet protocols are the same, and
    there is no cannot-link pair.
    """
    for archive in (folder / boxes, folder / "cuhk03-np" / boxes):
        if archive.is_dir():
            root = find_root(archive, _MARKET_PARTS)
            parts = [list(_new_protocol_photos(root / part)) for part in _MARKET_PARTS]
            return _cuhk03(name, protocol, parts)
    config = f"cuhk03_new_protocol_config_{boxes}.mat"
    root = find_root(folder, [config], "cuhk03")
    filelist, labels, views, *rows = matlab(
        root / config, "filelist", "labels", "camId", "train_idx", "query_idx", "gallery_idx"
    )
    files = [str(np.asarray(entry).item()) for entry in filelist.ravel()]
    people, cameras = (column.astype(np.int64).ravel() for column in (labels, views))
    pixels = _cuhk03_pictures(root, boxes)
    indices = [part.ravel().astype(np.int64) - 1 for part in rows]
    if not len(files) == len(people) == len(cameras) or any(part.max(initial=0) >= len(files) for part in indices):
        raise BenchmarkError(f"{root / config}: its columns do not fit each other")
    parts = [[Photo(int(people[i]), f"{cameras[i]:02d}", pixels(files[i])) for i in part] for part in indices]
    return _cuhk03(name, protocol, parts, pixels.fingerprint)


def cuhk03_single_shot(name: str, folder: Path, protocol: str, boxes: str, split: int) -> Benchmark:
    """CUHK03's first protocol: Li et al., "DeepReID", CVPR 2014.

    20 splits with 100 people to test, the others to train. Pictures of view 1 are the queries, one random picture of
    each person in view 2 is the gallery. Read from `cuhk03_release/cuhk-03.mat`, or from `images_detected/` with
    `splits_classic_detected.json` as Torchreid makes them from it.
    """
    split_file = f"splits_classic_{boxes}.json"
    folder = next((root for root in (folder, folder / "cuhk03") if (root / split_file).is_file()), folder)
    if (folder / split_file).is_file():
        root = find_root(folder, [f"images_{boxes}"])
        splits = json_splits(root / split_file, "train", "query")
        check_split(name, split, len(splits))
        pixels = _cuhk03_pictures(root, boxes)
        # Rows are path, person, camera. The paths are of whoever made the file.
        train, test = ([Path(row[0]).name for row in splits[split][part]] for part in ("train", "query"))
        count = len(splits)
    else:
        root = find_root(folder, ["cuhk03_release/cuhk-03.mat"], "cuhk03")
        mat = _CuhkMat(root / "cuhk03_release" / "cuhk-03.mat", boxes)
        count = mat.splits
        check_split(name, split, count)
        test_people = mat.test_people(split)
        files = sorted(mat.cells)
        train = [file for file in files if _pair_and_person(file) not in test_people]
        test = [file for file in files if _pair_and_person(file) in test_people]
        pixels = mat

    def photos(files: Iterable[str], view: str | None) -> list[Photo]:
        photos_of_view = []
        for file in files:
            pair, person, camera, _ = parse_name(_CUHK03, file, "1_001_1_01.png").groups()
            if view in (None, camera):
                photos_of_view.append(Photo(int(pair) * 1000 + int(person), f"{int(camera):02d}", pixels(file)))
        return photos_of_view

    parts = [photos(train, None), photos(test, "1"), photos(test, "2")]
    return _cuhk03(name, protocol, parts, pixels.fingerprint, single_shot=True, splits=count)


def _cuhk03(
    name: str,
    protocol: str,
    parts: list[list[Photo]],
    fingerprint: str | None = None,
    *,
    single_shot: bool = False,
    splits: int = 1,
) -> Benchmark:
    train, query, gallery = parts
    return assemble(
        name,
        protocol,
        photo_tracklets(train, protocol),
        each_photo(query),
        each_photo(gallery),
        single_shot=single_shot,
        splits=splits,
        fingerprint=fingerprint and f"{fingerprint} {name} {protocol}",
    )


def _new_protocol_photos(part: Path) -> Iterator[Photo]:
    for path in pictures(part):
        person, camera = map(int, parse_name(_NEW_PROTOCOL, path, "0001_c1_1.png").groups())
        yield Photo(person, f"{camera:02d}", path)


def _pair_and_person(file: str) -> tuple[int, int]:
    pair, person, _, _ = parse_name(_CUHK03, file, "1_001_1_01.png").groups()
    return int(pair), int(person)


class _CuhkFolder(NamedTuple):
    """CUHK03's pictures as files."""

    folder: Path
    fingerprint: None = None  # files tell themselves

    def __call__(self, file: str) -> Picture:
        return str(self.folder / file)


def _cuhk03_pictures(root: Path, boxes: str) -> _CuhkFolder | _CuhkMat:
    if (root / f"images_{boxes}").is_dir():
        return _CuhkFolder(root / f"images_{boxes}")
    if not (root / "cuhk03_release" / "cuhk-03.mat").is_file():
        raise BenchmarkError(f"{root} holds neither images_{boxes}/ nor cuhk03_release/cuhk-03.mat")
    return _CuhkMat(root / "cuhk03_release" / "cuhk-03.mat", boxes)


class _CuhkMat:
    """CUHK03's one file: cells of people × 10 pictures for each of 5 camera pairs, and the test sets.

    Of the 10 pictures, 5 are of each view. The file is MATLAB 7.3, that is HDF5, which SciPy does not read. Only this
    needs h5py.
    """

    def __init__(self, path: Path, boxes: str) -> None:
        try:
            h5py = importlib.import_module("h5py")
        except ImportError as error:
            raise BenchmarkError(
                f"{path} is HDF5: install h5py (`pip install h5py`), or put pictures into images_{boxes}/ as "
                "Torchreid does"
            ) from error
        file = path.stat()
        self.fingerprint = hashlib.sha256(f"{path}|{file.st_size}|{file.st_mtime_ns}|{boxes}".encode()).hexdigest()
        try:
            self._file = h5py.File(path, "r")
            self._tests = self._file["testsets"][()].ravel()
            self.cells: dict[str, Any] = {}  # name as in images_detected/ → reference
            for pair, people in enumerate(self._file[boxes][()].ravel(), 1):
                cells = self._file[people][()].T  # MATLAB's columns are HDF5's rows: people × 10
                for (person, picture), cell in np.ndenumerate(cells):
                    if self._file[cell].ndim == 3:  # else an empty cell: not everybody has ten
                        self.cells[f"{pair}_{person + 1:03d}_{1 + picture // 5}_{picture + 1:02d}.png"] = cell
        except (OSError, KeyError, ValueError, AttributeError) as error:
            raise BenchmarkError(f"{path} is not CUHK03's file with {boxes} and testsets ({error})") from error

    @property
    def splits(self) -> int:
        return len(self._tests)

    def test_people(self, split: int) -> set[tuple[int, int]]:
        """Camera pair and person of those to test with."""
        return {(int(pair), int(person)) for pair, person in self._file[self._tests[split]][()].T}

    def __call__(self, file: str) -> Picture:
        if file not in self.cells:
            raise BenchmarkError(f"cuhk-03.mat has no picture {file}")
        return _CuhkCell(self._file, self.cells[file])


class _CuhkCell(NamedTuple):
    """A picture that is read from the file when it is asked for."""

    file: Any
    cell: Any

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self.file[self.cell][()].T)
