"""The benchmark of trackers on a scene that everybody can follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.errors import FootageError
from bench.tracking_accuracy import Contender, TruthSequence, measure, read_sequences
from trackers.motchallenge import FRAME, read_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two people who walk apart for 60 frames."""
    (tmp_path / "hall" / "gt").mkdir(parents=True)
    rows = [
        f"{frame},{person},{100 * person + 2 * frame},{20 * person},40,120,1,1,1.0"
        for frame in range(1, 61)
        for person in (1, 4)
    ]
    (tmp_path / "hall" / "gt" / "gt.txt").write_text("\n".join(rows))
    return tmp_path


def test_people_who_walk_apart_are_tracked_and_their_tracklets_pure(folder: Path) -> None:
    report = measure(read_sequences(folder, 30.0), {"bytetrack": Contender("bytetrack")}, seeds=2)
    assert report.sequences == ["hall"] and [len(values) for values in report.figures.values()] == [2]
    for figures in report.figures["bytetrack"]:
        assert figures.idf1 > 0.8
    assert set(report.purity) == {f"bytetrack, {form}" for form in ("uncut", "cut", "cut, matched in each frame")}
    for purity in report.purity["bytetrack, cut"]:
        assert purity.purity == 1.0 and purity.mixed == 0.0 and 0 < purity.kept <= 1


def test_every_third_frame_is_a_sequence_at_a_third_of_the_rate(folder: Path) -> None:
    (sequence,) = read_sequences(folder, 30.0)
    thinned = sequence.every(3)
    assert thinned.rate == 10.0
    assert np.unique(thinned.truth[:, FRAME]).tolist() == list(range(1, 21))
    assert len(sequence.truth) == len(read_rows(folder / "hall" / "gt" / "gt.txt"))  # as it was
    assert isinstance(thinned, TruthSequence)


def test_a_folder_without_truth_is_said(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="give the folder that holds the sequences"):
        read_sequences(tmp_path, 30.0)
