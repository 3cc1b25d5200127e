"""A published set becomes a dataset, a test and a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid.training import TrainingError, preset, train_benchmark
from tests.reid import figures
from tests.reid.training.runs import lines, tiny


def test_without_labels_there_are_no_scores(data_folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng([0])
    for camera in range(2):
        for person in range(6):
            folder = tmp_path / "crops" / f"camera{camera}" / f"{person:02d}"
            folder.mkdir(parents=True)
            for frame in range(2):
                cv2.imwrite(str(folder / f"{frame}.jpg"), figures.figure(rng, person, camera, person))
    settings = replace(tiny(data_folder, "uga"), data=f"folder-of-tracklets:{tmp_path / 'crops'}")
    result = train_benchmark(settings, tmp_path / "run")
    assert result.start is None and result.final is None
    assert Path(result.model).is_file()
    assert not any("association_precision" in line or "mAP" in line for line in lines(tmp_path / "run"))
    with pytest.raises(TrainingError, match="identities"):
        train_benchmark(replace(settings, config=preset("supervised")), tmp_path / "other")


def test_a_folder_of_another_run_is_refused_before_crops_are_cut(data_folder: Path, tmp_path: Path) -> None:
    settings = tiny(data_folder, "eea", epochs=1)
    train_benchmark(settings, tmp_path, crops=data_folder / "crops")
    with pytest.raises(TrainingError, match=r"config\.scale is 16\.0 there and 20\.0 here"):
        train_benchmark(tiny(data_folder, "eea", epochs=1, scale=20.0), tmp_path)
    assert not (tmp_path / "crops").exists()
