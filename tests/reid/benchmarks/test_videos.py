"""Video sets, each as a miniature in its published layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from reid.benchmarks import BenchmarkError, open_benchmark
from reid.benchmarks.parts import Labels
from reid.tracklets import TrackletDataset, TrackletSource


def labels(part: Labels | None) -> list[tuple[int, int]]:
    assert part is not None
    return list(zip(part.people.tolist(), part.cameras.tolist()))


def lengths(source: TrackletSource | None) -> list[int]:
    assert source is not None
    return [len(tracklet.pictures) for tracklet in source.tracklets]


@pytest.fixture
def mars(draw) -> Path:
    """Pictures, names and 1-based rows of first, last, person, camera, as the authors' `info` has them."""

    def part(name: str, tracks: list[tuple[str, int, int, int]]) -> np.ndarray:
        files, rows = [], []
        for who, camera, tracklet, count in tracks:
            rows.append((len(files) + 1, len(files) + count, int(who[2:] if "-" in who else who), camera))
            files += [f"{who}C{camera}T{tracklet:04d}F{frame:03d}.jpg" for frame in range(1, count + 1)]
        draw(f"mars/bbox_{name}", *(f"{file[:4]}/{file}" for file in files))
        (draw("mars/info") / f"{name}_name.txt").parent.mkdir(exist_ok=True)
        (draw("mars/info") / f"{name}_name.txt").write_text("\n".join(files) + "\n")
        return np.array(rows, np.float64)

    train = part("train", [("0001", 1, 1, 3), ("0001", 1, 2, 2), ("0001", 6, 3, 4), ("0003", 1, 1, 2)])
    test = part("test", [("00-1", 1, 1, 2), ("0000", 2, 1, 3), ("0002", 1, 1, 2), ("0002", 2, 2, 5)])
    info = draw("mars/info")
    savemat(info / "tracks_train_info.mat", {"track_train_info": train})
    savemat(info / "tracks_test_info.mat", {"track_test_info": test})
    savemat(info / "query_IDX.mat", {"query_IDX": np.array([[3, 4]], np.uint16)})
    return draw("mars")


def test_mars(mars: Path, tmp_path: Path) -> None:
    benchmark = open_benchmark(f"mars:{mars}")
    assert benchmark.truth is not None
    assert labels(benchmark.truth.train) == [(1, 0), (1, 0), (1, 2), (3, 0)]  # cameras 1, 2 and 6
    assert lengths(benchmark.train) == [3, 2, 4, 2]
    assert labels(benchmark.truth.query) == [(2, 0), (2, 1)]
    assert labels(benchmark.truth.gallery) == [(-1, 0), (0, 1), (2, 0), (2, 1)]  # the queries are in it
    data = TrackletDataset.build(tmp_path / "set", benchmark.gallery, 8, 4)
    assert len(data) == 4 and data.left_out == 0  # every picture is where the lists say
    assert np.isnan(data.time).all() and not len(data.cannot_link)


def test_mars_with_one_tracklet_a_person_and_camera(mars: Path) -> None:
    benchmark = open_benchmark(f"mars:{mars}", "oracle-tracklets")
    assert benchmark.truth is not None
    assert labels(benchmark.truth.train) == [(1, 0), (1, 2), (3, 0)]
    assert lengths(benchmark.train)[0] in (2, 3)
    assert lengths(benchmark.train)[1:] == [4, 2]
    assert benchmark.train.fingerprint == open_benchmark(f"mars:{mars}", "oracle-tracklets").train.fingerprint


def test_mars_with_lists_that_do_not_fit(mars: Path) -> None:
    savemat(mars / "info" / "query_IDX.mat", {"query_IDX": np.array([[5]])})
    with pytest.raises(BenchmarkError, match="names tracklets"):
        open_benchmark(f"mars:{mars}")
    savemat(mars / "info" / "tracks_train_info.mat", {"another": np.zeros(1)})
    with pytest.raises(BenchmarkError, match="no MATLAB file with track_train_info"):
        open_benchmark(f"mars:{mars}")
    savemat(mars / "info" / "tracks_train_info.mat", {"track_train_info": np.array([[1, 99, 1, 1]])})
    with pytest.raises(BenchmarkError, match="rows of first picture"):
        open_benchmark(f"mars:{mars}")


@pytest.fixture
def prid(draw) -> Path:
    """Six people of whom 2 is short in one camera and 6 in one camera only."""
    frames = [f"{i:04d}.png" for i in range(1, 28)]
    for person in (1, 2, 3, 4, 5):
        draw(f"prid/prid_2011/multi_shot/cam_a/person_{person:04d}", *frames)
        draw(f"prid/prid_2011/multi_shot/cam_b/person_{person:04d}", *(frames[:26] if person == 2 else frames))
    draw("prid/prid_2011/multi_shot/cam_a/person_0006", *frames)
    return draw("prid")


def test_prid2011_with_the_splits_of_ilids_vid(prid: Path) -> None:
    # Rows number the people that count, the short one left out: 1, 3, 4, 5. The first half is to test.
    savemat(prid / "train_test_splits_prid.mat", {"ls_set": np.array([[4, 1, 2, 3], [2, 3, 1, 4]], np.uint8)})
    benchmark = open_benchmark(f"prid2011:{prid}")
    assert benchmark.splits == 2
    assert benchmark.truth is not None
    assert labels(benchmark.truth.train) == [(2, 0), (3, 0), (2, 1), (3, 1)]
    assert labels(benchmark.truth.query) == [(1, 0), (4, 0)]
    assert labels(benchmark.truth.gallery) == [(1, 1), (4, 1)]
    assert lengths(benchmark.train) == [27] * 4
    people = [Path(str(t.pictures[0])).parent.name for t in benchmark.query.tracklets]
    assert people == ["person_0001", "person_0005"]
    other = open_benchmark(f"prid2011@1:{prid}", "oracle-tracklets")
    assert [Path(str(t.pictures[0])).parent.name for t in other.query.tracklets] == ["person_0003", "person_0004"]


def test_prid2011_with_torchreids_splits(prid: Path) -> None:
    with pytest.raises(BenchmarkError, match="has no splits"):
        open_benchmark(f"prid2011:{prid}")
    splits = [{"train": ["person_0001", "person_0004"], "test": ["person_0003", "person_0005"]}]
    (prid / "splits_prid2011.json").write_text(json.dumps(splits))
    benchmark = open_benchmark(f"prid2011:{prid}")
    assert [Path(str(t.pictures[0])).parent.name for t in benchmark.gallery.tracklets] == ["person_0003", "person_0005"]
    with pytest.raises(BenchmarkError, match="splits 0 … 0, not 3"):
        open_benchmark(f"prid2011@3:{prid}")
    (prid / "splits_prid2011.json").write_text("[{}]")
    with pytest.raises(BenchmarkError, match="no list of splits with train, test"):
        open_benchmark(f"prid2011:{prid}")
    (prid / "splits_prid2011.json").write_text(json.dumps([{"train": ["person_0006"], "test": ["person_0001"]}]))
    with pytest.raises(BenchmarkError, match="person_0006, who is not in both cameras"):
        open_benchmark(f"prid2011:{prid}")


def test_ilids_vid(draw) -> None:
    for person in (1, 2, 9, 319):
        for camera in (1, 2):
            names = [f"cam{camera}_person{person:03d}_{frame:05d}.png" for frame in range(317, 317 + person % 5 + 2)]
            draw(f"ilids/i-LIDS-VID/sequences/cam{camera}/person{person:03d}", *names)
            draw(f"ilids/i-LIDS-VID/images/cam{camera}/person{person:03d}", names[0])
    splits = draw("ilids") / "train-test people splits"
    with pytest.raises(BenchmarkError, match="has no splits"):
        open_benchmark(f"ilids-vid:{draw('ilids')}")
    splits.mkdir()
    savemat(splits / "train_test_splits_ilidsvid.mat", {"ls_set": np.array([[2, 4, 3, 1]], np.uint16)})
    benchmark = open_benchmark(f"ilids-vid:{draw('ilids')}")
    assert benchmark.truth is not None
    assert labels(benchmark.truth.train) == [(1, 0), (3, 0), (1, 1), (3, 1)]
    assert lengths(benchmark.train) == [3, 6, 3, 6]
    assert labels(benchmark.truth.query) == [(2, 0), (4, 0)]
    assert labels(benchmark.truth.gallery) == [(2, 1), (4, 1)]
    savemat(splits / "train_test_splits_ilidsvid.mat", {"ls_set": np.array([[2, 4, 3, 1, 5, 6]], np.uint16)})
    with pytest.raises(BenchmarkError, match=r"splits 6 people and .* holds 4"):
        open_benchmark(f"ilids-vid:{draw('ilids')}")


@pytest.mark.parametrize("mark", ["", "_"])
def test_dukemtmc_videoreid(draw, tmp_path: Path, mark: str) -> None:
    def tracklet(part: str, person: int, number: str, camera: int, first: int, count: int) -> None:
        parts = [
            (f"{person:04d}", f"C{camera}", f"F{frame + 2:04d}", f"X{first + 12 * frame}.jpg") for frame in range(count)
        ]
        draw(f"duke/{part}/{person:04d}/{number}", *(mark.join(names) for names in parts))

    tracklet("train", 1, "0003", 6, 99_994, 3)
    tracklet("train", 2, "0004", 6, 100_000, 2)
    tracklet("train", 2, "0005", 2, 100_000, 2)
    tracklet("query", 5, "0001", 1, 50, 2)
    tracklet("gallery", 5, "0002", 2, 70, 4)
    tracklet("gallery", 7140, "2193", 2, 90, 1)
    benchmark = open_benchmark(f"dukemtmc-videoreid:{draw('duke')}")
    assert benchmark.truth is not None
    assert labels(benchmark.truth.train) == [(1, 2), (2, 2), (2, 1)]
    assert labels(benchmark.truth.query) == [(5, 0)]
    assert labels(benchmark.truth.gallery) == [(5, 1), (7140, 1)]
    first = next(iter(benchmark.train.tracklets))
    assert first.times.tolist() == [99_994 / 60, 100_006 / 60, 100_018 / 60]
    assert ["F0002" in str(first.pictures[0]), "F0004" in str(first.pictures[2])] == [True, True]
    data = TrackletDataset.build(tmp_path / "set", benchmark.train, 8, 4)
    assert data.source_tracklet[data.cannot_link].tolist() in ([[0, 1]], [[1, 0]])


def test_dukemtmc_is_said_to_be_withdrawn() -> None:
    from reid.benchmarks import images, videos

    for reader in (images.dukemtmc_reid, videos.dukemtmc_videoreid):
        assert "withdrawn" in (reader.__doc__ or "")
