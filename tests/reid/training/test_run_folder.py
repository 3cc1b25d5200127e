"""A run's folder is one run's, and says what came of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid.tracklets import TrackletDataset
from reid.training import Result, TrainingError
from reid.training.run_folder import alone_in, digest, finish, finished, keep_settings

SETTINGS = {"method": "eea", "config": {"scale": 16.0, "recipe": {"size": (64, 32)}}, "encoder": {}, "seed": 0}


def test_the_same_settings_claim_it_again(tmp_path: Path) -> None:
    keep_settings(tmp_path / "run", SETTINGS)
    written = (tmp_path / "run" / "settings.json").read_text()
    assert json.loads(written)["config"]["recipe"]["size"] == [64, 32]
    keep_settings(tmp_path / "run", SETTINGS)
    keep_settings(tmp_path / "run", {"method": "eea"})  # what is not named is not compared
    assert (tmp_path / "run" / "settings.json").read_text() == written


def test_two_do_not_train_into_it_at_once(tmp_path: Path) -> None:
    with alone_in(tmp_path / "run"):
        with pytest.raises(TrainingError, match="another process trains in"), alone_in(tmp_path / "run"):
            pass
        with alone_in(tmp_path / "other"):
            pass
    with alone_in(tmp_path / "run"):
        pass
    (tmp_path / "file").write_text("a file")
    with pytest.raises(TrainingError, match="can't be written"), alone_in(tmp_path / "file"):
        pass


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"config": {"scale": 20.0, "recipe": {"size": (64, 32)}}}, "config.scale is 16.0 there and 20.0 here"),
        ({"encoder": {"ghost": 4}}, "encoder.ghost is None there and 4 here"),
        ({"crops": "ab"}, "crops is None there and 'ab' here"),
    ],
)
def test_other_settings_are_refused_by_name(other: dict[str, object], said: str, tmp_path: Path) -> None:
    keep_settings(tmp_path, SETTINGS)
    with pytest.raises(TrainingError) as error:
        keep_settings(tmp_path, SETTINGS | other)
    assert said in str(error.value) and "give another --out" in str(error.value)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(TrainingError, match="can't be read"):
        keep_settings(tmp_path, SETTINGS)


def test_what_a_killed_writer_left_goes(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt.0a1b2c3d.part").touch()
    keep_settings(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_the_digest_changes_with_what_is_learned_from(dataset: TrackletDataset) -> None:
    others = [
        replace(dataset, time=dataset.time + 1),
        replace(dataset, cannot_link=np.array([[0, 3]])),
        replace(dataset, camera_names=("a", "b", "d")),
        replace(dataset, crops=dataset.crops[:, :32]),
    ]
    assert len({digest(data) for data in (dataset, *others)}) == 5
    assert digest(dataset) == digest(replace(dataset))


def test_a_finished_run_knows_its_result(tmp_path: Path) -> None:
    result = Result("eea", "raw-tracklets", 2, 8, 96, 1.5, 100.0, {"mAP": 0.1}, {"mAP": 0.3}, "model")
    assert finished(tmp_path) is None
    finish(tmp_path, result)
    assert finished(tmp_path) == result
