"""Image sets, each as a miniature in its published layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from reid.benchmarks import Benchmark, BenchmarkError, open_benchmark
from reid.benchmarks.parts import Labels
from reid.tracklets import TrackletDataset, TrackletSource


def names(source: TrackletSource | None) -> list[list[str]]:
    assert source is not None
    return [[Path(str(picture)).name for picture in tracklet.pictures] for tracklet in source.tracklets]


def labels(part: Labels | None) -> list[tuple[int, int]]:
    assert part is not None
    return list(zip(part.people.tolist(), part.cameras.tolist()))


def training(benchmark: Benchmark) -> list[tuple[int, int, list[str]]]:
    assert benchmark.truth is not None
    return [(*label, files) for label, files in zip(labels(benchmark.truth.train), names(benchmark.train))]


@pytest.fixture
def market(draw) -> Path:
    draw(
        "market/bounding_box_train",
        *("0002_c1s1_000451_03.jpg", "0002_c1s1_000526_01.jpg", "0002_c1s1_000626_01.jpg", "0002_c1s2_000460_01.jpg"),
        *("0007_c1s1_000451_01.jpg", "0007_c1s1_000501_01.jpg", "0007_c3s1_000001_01.jpg", "0002_c3s1_090001_01.jpg"),
    )
    draw("market/query", "0001_c1s1_001051_00.jpg", "0001_c3s1_000551_00.jpg")
    draw(
        "market/bounding_box_test",
        *("-1_c1s1_000401_03.jpg", "0000_c3s1_000151_01.jpg", "0001_c1s1_001051_01.jpg", "0001_c3s1_000551_02.jpg"),
    )
    (draw("market/bounding_box_test") / "Thumbs.db").write_bytes(b"of the published archive")
    return draw("market")


def test_market1501_by_identity_and_camera(market: Path) -> None:
    benchmark = open_benchmark(f"market1501:{market}", "oracle-tracklets")
    tracklets = training(benchmark)
    assert [(person, camera, len(files)) for person, camera, files in tracklets] == [
        (2, 0, 4),
        (2, 1, 1),
        (7, 0, 2),
        (7, 1, 1),
    ]
    assert benchmark.truth is not None
    assert labels(benchmark.truth.query) == [(1, 0), (1, 1)]
    # Junk and distractors stay in the gallery: the evaluator ignores the ones and counts the others as wrong.
    assert labels(benchmark.truth.gallery) == [(-1, 0), (0, 1), (1, 0), (1, 1)]
    assert names(benchmark.query) == [["0001_c1s1_001051_00.jpg"], ["0001_c3s1_000551_00.jpg"]]
    assert not benchmark.single_shot


def test_market1501_as_fragments(market: Path) -> None:
    benchmark = open_benchmark(f"market1501:{market}", "raw-tracklets")
    assert training(benchmark) == [
        (2, 0, ["0002_c1s1_000451_03.jpg", "0002_c1s1_000526_01.jpg"]),  # 75 frames: three steps are bridged…
        (2, 0, ["0002_c1s1_000626_01.jpg"]),  # …four are not
        (2, 0, ["0002_c1s2_000460_01.jpg"]),  # nor is the way to another sequence
        (2, 1, ["0002_c3s1_090001_01.jpg"]),
        (7, 0, ["0007_c1s1_000451_01.jpg", "0007_c1s1_000501_01.jpg"]),
        (7, 1, ["0007_c3s1_000001_01.jpg"]),
    ]


def test_choices_are_validated_on_a_third_of_the_people_to_train_on(draw) -> None:
    files = [
        f"{person:04d}_c{camera}s1_{frame:06d}_01.jpg"
        for person in range(2, 8)
        for camera in (1, 3)
        for frame in (25, 50)
    ]
    draw("market/bounding_box_train", *files)
    benchmark = open_benchmark(f"market1501-val:{draw('market')}", "oracle-tracklets")  # no other part need be there
    assert [(person, camera) for person, camera, _ in training(benchmark)] == [
        (person, camera) for person in (3, 4, 6, 7) for camera in (0, 1)
    ]
    assert benchmark.truth is not None
    assert labels(benchmark.truth.query) == labels(benchmark.truth.gallery) == [(2, 0), (2, 1), (5, 0), (5, 1)]
    assert names(benchmark.query)[0] == ["0002_c1s1_000025_01.jpg"]
    assert names(benchmark.gallery)[0] == ["0002_c1s1_000050_01.jpg"]


def test_market1501_cannot_link_is_overlap_in_time_and_camera(market: Path, tmp_path: Path) -> None:
    benchmark = open_benchmark(f"market1501:{market}")
    data = TrackletDataset.build(tmp_path / "set", benchmark.train, 8, 4)
    pairs = {tuple(sorted(pair)) for pair in data.source_tracklet[data.cannot_link].tolist()}
    # Persons 2 and 7 in camera 1 at frames 451 to 526 and 451 to 501. That 2 and 7 are two people in camera 3 as well
    # is known only from their names, and 451 of sequence 1 is not 460 of sequence 2.
    assert pairs == {(0, 4)}


def test_labels_follow_a_dataset_whatever_its_numbering(market: Path, tmp_path: Path) -> None:
    benchmark = open_benchmark(f"market1501:{market}")
    assert benchmark.truth is not None
    broken = market / "bounding_box_train" / "0002_c1s1_000626_01.jpg"
    broken.write_bytes(b"no picture")
    for seed in range(3):
        data = TrackletDataset.build(tmp_path / "set", benchmark.train, 8, 4, seed=seed)
        train_labels = benchmark.truth.train.of(data)
        assert len(data) == len(train_labels.people) == 5
        assert sorted(zip(train_labels.people.tolist(), data.length.tolist())) == [
            (2, 1),
            (2, 1),
            (2, 2),
            (7, 1),
            (7, 2),
        ]
        np.testing.assert_array_equal(train_labels.cameras, data.tracklet_camera)
    # Nothing that is written says who anybody is.
    assert not {"people", "identities", "person"} & set(vars(data))


def test_market1501_in_the_folder_of_its_archive(market: Path, tmp_path: Path) -> None:
    (tmp_path / "above").mkdir()
    market.rename(tmp_path / "above" / "Market-1501-v15.09.15")
    assert len(names(open_benchmark(f"market1501:{tmp_path / 'above'}").gallery)) == 4


def test_market1501_as_it_is(shared: Path) -> None:
    benchmark = open_benchmark(f"market1501:{shared / 'data' / 'market1501-dev'}", "oracle-tracklets")
    assert benchmark.truth is not None
    assert len(set(benchmark.truth.train.people.tolist())) == 350
    assert benchmark.train.pictures == 6407
    assert len(benchmark.truth.train.people) == 1477
    assert (len(names(benchmark.query)), len(names(benchmark.gallery))) == (663, 2103)


def test_dukemtmc_reid(draw) -> None:
    draw(
        "duke/bounding_box_train",
        *("0005_c2_f0046985.jpg", "0005_c2_f0047105.jpg", "0005_c2_f0047585.jpg", "0006_c2_f0046985.jpg"),
    )
    draw("duke/query", "0010_c8_f0001000.jpg")
    folder = draw("duke/bounding_box_test", "0010_c1_f0001000.jpg", "7140_c5_f0001000.jpg").parent
    benchmark = open_benchmark(f"dukemtmc-reid:{folder}")
    assert [files for _, _, files in training(benchmark)] == [
        ["0005_c2_f0046985.jpg", "0005_c2_f0047105.jpg"],  # 120 frames are one step…
        ["0005_c2_f0047585.jpg"],  # …and 480 are four
        ["0006_c2_f0046985.jpg"],
    ]
    assert next(iter(benchmark.train.tracklets)).times.tolist() == [46985 / 60, 47105 / 60]
    assert benchmark.truth is not None
    assert labels(benchmark.truth.query) == [(10, 3)]  # of cameras 1, 2, 5 and 8
    assert labels(benchmark.truth.gallery) == [(10, 0), (7140, 2)]


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("mask_train_v2", "mask_test_v2")])
def test_msmt17(draw, train: str, test: str) -> None:
    learned = {
        "list_train.txt": ["0000/0000_000_01_0303morning_0015_0.jpg 0", "0000/0000_001_01_0303morning_0099_1.jpg 0"],
        "list_val.txt": ["0000/0000_002_01_0113noon_0015_0_ex.jpg 0", "0001/0001_000_14_0303morning_0017_2.jpg 1"],
    }
    tested = {
        "list_query.txt": ["0000/0000_000_01_0302afternoon_0015_0.jpg 0"],
        "list_gallery.txt": [
            "0000/0000_001_15_0302afternoon_0025_0.jpg 0",
            "0001/0001_000_01_0302afternoon_0015_0.jpg 1",
        ],
    }
    for part, lists in ((train, learned), (test, tested)):
        for file, lines in lists.items():
            draw(f"msmt/{part}", *(line.split()[0] for line in lines))
            (draw("msmt") / file).write_text("\n".join(lines) + "\n")
    raw = open_benchmark(f"msmt17:{draw('msmt')}")
    assert [(person, camera, len(files)) for person, camera, files in training(raw)] == [
        (0, 0, 2),
        (0, 0, 1),
        (1, 1, 1),
    ]
    oracle = open_benchmark(f"msmt17:{draw('msmt')}", "oracle-tracklets")
    assert [len(files) for _, _, files in training(oracle)] == [3, 1]
    assert raw.truth is not None
    assert labels(raw.truth.query) == [(0, 0)]
    assert labels(raw.truth.gallery) == [(0, 2), (1, 0)]
    assert all(Path(str(t.pictures[0])).is_file() for t in (*raw.train.tracklets, *raw.gallery.tracklets))


def test_cuhk03_np(draw) -> None:
    for boxes in ("detected", "labeled"):
        draw(f"np/{boxes}/bounding_box_train", "0003_c1_1.png", "0003_c1_2.png", "0003_c2_6.png")
        draw(f"np/{boxes}/query", "0001_c1_301.png", "0001_c2_306.png")
        draw(f"np/{boxes}/bounding_box_test", "0001_c1_302.png", "0001_c2_307.png")
    for name in ("cuhk03-detected", "cuhk03-labeled"):
        for protocol in ("raw-tracklets", "oracle-tracklets"):
            benchmark = open_benchmark(f"{name}:{draw('np')}", protocol)
            assert [(person, camera, len(files)) for person, camera, files in training(benchmark)] == [
                (3, 0, 2),
                (3, 1, 1),
            ]
            assert benchmark.truth is not None
            assert labels(benchmark.truth.query) == labels(benchmark.truth.gallery) == [(1, 0), (1, 1)]


FILES = [  # camera pair, person, view, picture
    *("1_001_1_01.png", "1_001_1_02.png", "1_001_2_06.png", "1_002_1_01.png", "1_002_2_06.png"),
    *("1_002_2_07.png", "5_001_1_01.png", "5_001_2_06.png", "5_001_2_10.png"),
]
PEOPLE = [1, 1, 1, 2, 2, 2, 3, 3, 3]


def new_protocol(folder: Path) -> None:
    """As gen_train_test_split.m saves it: cells of names, columns of 1-based indices."""

    def column(*values: int) -> np.ndarray:
        return np.array(values, np.float64)[:, None]

    savemat(
        folder / "cuhk03_new_protocol_config_detected.mat",
        {
            "filelist": np.array(FILES, object)[:, None],
            "labels": column(*PEOPLE),
            "camId": column(*(int(file[6]) for file in FILES)),
            "train_idx": column(1, 2, 3),
            "query_idx": column(4, 5, 7, 8),
            "gallery_idx": column(6, 9),
        },
    )


def check_new_protocol(benchmark: Benchmark) -> None:
    assert benchmark.truth is not None
    assert labels(benchmark.truth.train) == [(1, 0), (1, 1)]
    assert [len(tracklet.pictures) for tracklet in benchmark.train.tracklets] == [2, 1]
    assert labels(benchmark.truth.query) == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert labels(benchmark.truth.gallery) == [(2, 1), (3, 1)]
    assert not benchmark.single_shot


def check_single_shot(benchmark: Benchmark, *, tested: tuple[int, int]) -> None:
    assert benchmark.truth is not None
    person = tested[0] * 1000 + tested[1]
    assert person not in benchmark.truth.train.people
    assert len(set(benchmark.truth.train.people.tolist())) == 2
    query, gallery = labels(benchmark.truth.query), labels(benchmark.truth.gallery)
    files = [file for file in FILES if file.startswith(f"{tested[0]}_{tested[1]:03d}")]
    assert query == [(person, 0)] * sum(file[6] == "1" for file in files)
    assert gallery == [(person, 1)] * sum(file[6] == "2" for file in files)
    assert benchmark.single_shot
    assert benchmark.splits == 2


def test_cuhk03_from_extracted_pictures(draw) -> None:
    draw("cuhk03/images_detected", *FILES)
    new_protocol(draw("cuhk03"))
    check_new_protocol(open_benchmark(f"cuhk03-detected:{draw('cuhk03')}"))
    splits = []
    for tested in ("1_002", "5_001"):
        rows = [[f"/somewhere/else/images_detected/{file}", 0, int(file[6]) - 1] for file in FILES]
        test = [row for row in rows if tested in row[0]]
        splits.append({"train": [row for row in rows if row not in test], "query": test, "gallery": test})
    (draw("cuhk03") / "splits_classic_detected.json").write_text(json.dumps(splits))
    name = "cuhk03-detected-single-shot"
    check_single_shot(open_benchmark(f"{name}:{draw('cuhk03')}"), tested=(1, 2))
    check_single_shot(open_benchmark(f"{name}@1:{draw('cuhk03')}"), tested=(5, 1))
    with pytest.raises(BenchmarkError, match="splits 0 … 1, not 2"):
        open_benchmark(f"{name}@2:{draw('cuhk03')}")


@pytest.fixture
def cuhk_mat(tmp_path: Path) -> Path:
    """cuhk-03.mat as MATLAB 7.3 writes it: cells are references, and all axes are reversed."""
    h5py = pytest.importorskip("h5py", reason="CUHK03's own file is HDF5")
    folder = tmp_path / "cuhk03"
    (folder / "cuhk03_release").mkdir(parents=True)
    with h5py.File(folder / "cuhk03_release" / "cuhk-03.mat", "w", libver="earliest") as file:

        def cell(value: np.ndarray):
            return file.create_dataset(f"#refs#/{len(file.require_group('#refs#'))}", data=value).ref

        def cells(references: np.ndarray) -> np.ndarray:
            return references.T.astype(h5py.ref_dtype)

        pairs = np.empty((5, 1), object)
        for pair in range(1, 6):
            count = max([int(file[2:5]) for file in FILES if file.startswith(f"{pair}_")], default=0)
            people = np.empty((count, 10), object)
            for person, picture in np.ndindex(people.shape):
                file_name = f"{pair}_{person + 1:03d}_{1 + picture // 5}_{picture + 1:02d}.png"
                pixels = np.full((8, 4, 3), (pair, person + 1, picture + 1), np.uint8)
                people[person, picture] = cell(pixels.T if file_name in FILES else np.zeros(2, np.uint64))
            pairs[pair - 1, 0] = cell(cells(people))
        tests = np.empty((2, 1), object)
        for split, tested in enumerate(([1.0, 2.0], [5.0, 1.0])):
            tests[split, 0] = cell(np.array([tested]).T)
        file["detected"], file["testsets"] = cells(pairs), cells(tests)
    new_protocol(folder)
    return folder


def test_cuhk03_from_its_own_file(cuhk_mat: Path, tmp_path: Path) -> None:
    benchmark = open_benchmark(f"cuhk03-detected:{cuhk_mat}")
    check_new_protocol(benchmark)
    data = TrackletDataset.build(tmp_path / "set", benchmark.train, 8, 4)
    colours = sorted(data.crops[:, 0, 0].tolist())
    assert colours == [[1, 1, 1], [1, 1, 2], [1, 1, 6]]  # RGB of pair, person, picture
    assert benchmark.gallery is not None
    assert benchmark.train.fingerprint != benchmark.gallery.fingerprint
    name = "cuhk03-detected-single-shot"
    check_single_shot(open_benchmark(f"{name}:{cuhk_mat}"), tested=(1, 2))
    check_single_shot(open_benchmark(f"{name}@1:{cuhk_mat}"), tested=(5, 1))
    with pytest.raises(BenchmarkError, match="labeled"):
        open_benchmark(f"cuhk03-labeled-single-shot:{cuhk_mat}")


def test_cuhk03s_own_file_without_h5py_is_one_clear_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "cuhk03_release").mkdir()
    (tmp_path / "cuhk03_release" / "cuhk-03.mat").touch()
    with pytest.raises(BenchmarkError, match="install h5py"):
        open_benchmark(f"cuhk03-detected-single-shot:{tmp_path}")
