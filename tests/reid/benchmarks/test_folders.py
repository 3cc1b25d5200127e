"""Names of benchmarks, the clear word where something is missing, and anybody's own folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid.benchmarks import READERS, SPLIT_READERS, BenchmarkError, open_benchmark
from reid.tracklets import TrackletDataset


def test_folder_of_people(draw, tmp_path: Path) -> None:
    draw("place/hall/anna", "a.jpg", "b.jpg")
    draw("place/hall/bert", "a.jpg")
    folder = draw("place/gate/anna", "c.png").parents[1]
    for protocol in ("raw-tracklets", "oracle-tracklets"):
        benchmark = open_benchmark(f"folder-of-people:{folder}", protocol)
        assert benchmark.truth is not None
        data = TrackletDataset.build(tmp_path / "set", benchmark.train, 8, 4)
        train_labels = benchmark.truth.train.of(data)
        tracklets = sorted(zip(train_labels.people.tolist(), train_labels.cameras.tolist(), data.length.tolist()))
        assert tracklets == [(1, 0, 1), (1, 1, 2), (2, 1, 1)]
        assert data.camera_names == ("gate", "hall")
        np.testing.assert_array_equal(train_labels.cameras, data.tracklet_camera)
        assert not len(data.cannot_link)
        assert benchmark.truth.query is not None
        assert benchmark.truth.query.people.tolist() == [1, 1, 1, 2]


def test_folder_of_tracklets(draw, tmp_path: Path) -> None:
    draw("place/hall/0001", "1.jpg", "2.jpg")
    draw("place/hall/0002", "1.jpg")
    draw("place/gate/0001", "1.jpg", "2.jpg", "3.jpg")
    folder = draw("place")
    (folder / "hall" / "empty").mkdir()
    benchmark = open_benchmark(f"folder-of-tracklets:{folder}")
    assert (benchmark.truth, benchmark.query, benchmark.gallery) == (None, None, None)
    data = TrackletDataset.build(tmp_path / "set", benchmark.train, 8, 4)
    assert sorted(zip(data.tracklet_camera.tolist(), data.length.tolist())) == [(0, 3), (1, 1), (1, 2)]
    with pytest.raises(BenchmarkError, match="only raw-tracklets"):
        open_benchmark(f"folder-of-tracklets:{folder}", "oracle-tracklets")


@pytest.mark.parametrize("which", [*READERS, *SPLIT_READERS])
def test_a_missing_or_empty_folder_is_one_clear_sentence(which: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=f"{tmp_path / 'none'} is no folder"):
        open_benchmark(f"{which}:{tmp_path / 'none'}")
    with pytest.raises(BenchmarkError, match=str(tmp_path)):
        open_benchmark(f"{which}:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "protocol", "said"),
    [
        ("market1501", "raw-tracklets", "not of the form SET:FOLDER"),
        ("", "raw-tracklets", "not of the form"),
        ("markt:{}", "raw-tracklets", "no benchmark 'markt': it is one of cuhk03-detected, "),
        ("market1501@1:{}", "raw-tracklets", "one split only: write market1501:"),
        ("market1501:{}", "all", "no protocol 'all': it is one of oracle-tracklets, raw-tracklets, sparse-tracklets"),
        ("market1501:{}", "raw-tracklets", "does not hold bounding_box_train, query, bounding_box_test"),
        ("msmt17:{}", "raw-tracklets", "does not hold list_train.txt"),
    ],
)
def test_wrong_names(name: str, protocol: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=said):
        open_benchmark(name.format(tmp_path), protocol)


def test_files_that_are_not_named_as_published(draw) -> None:
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        draw(f"market/{part}", "0002_c1s1_000451_03.jpg")
    draw("market/query", "anna.jpg")
    with pytest.raises(BenchmarkError, match=r"anna\.jpg is not named like 0002_c1s1"):
        open_benchmark(f"market1501:{draw('market')}")
    (draw("market/query") / "anna.jpg").unlink()
    for path in draw("market/query").iterdir():
        path.unlink()
    with pytest.raises(BenchmarkError, match="the query part holds nobody"):
        open_benchmark(f"market1501:{draw('market')}")
