"""Two methods against each other on coloured figures: the table's figures, the plots, and going on."""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from reid import compare as comparison
from reid.compare import Contender, compare, mean_and_spread, plots, table
from reid.encoder import EncoderConfig, new_encoder, save_encoder
from reid.run import TrainingError
from reid.train import Result, Settings
from tests.reid import figures


def contender(label: str, values: list[float], *, tested: bool = True) -> Contender:
    """Of two epochs; a seed's score grows by 0.1 in each."""

    def scores(value: float) -> dict[str, float]:
        return dict.fromkeys(("mAP", "rank1", "rank5", "rank10", "rank20", "mINP"), value)

    results, logs = [], []
    for value in values:
        final = scores(value) if tested else None
        results.append(Result(label, "raw-tracklets", 2, 20.0, 100.0, scores(0.1) if tested else None, final, "m"))
        lines: list[dict[str, Any]] = [{"epoch": n, "seconds": 10.0 * n, "associations": 10.0 * n} for n in (1, 2)]
        if tested:
            for number, line in enumerate(lines):
                line |= scores(value - 0.1 * (1 - number)) | {"association_precision": 0.5 * value}
        logs.append(lines)
    return Contender(label, results, logs)


def test_means_and_spreads() -> None:
    assert mean_and_spread([]) is None
    assert mean_and_spread([0.5]) == (0.5, 0.0)
    assert mean_and_spread([0.1, 0.2, 0.6]) == pytest.approx((0.3, statistics.stdev([0.1, 0.2, 0.6])))


def test_the_table() -> None:
    settings = Settings("", "market1501:somewhere", epochs=2)
    text = table([contender("eea", [0.3, 0.4]), contender("eea:inter=False", [0.25, 0.25])], settings, [0, 1])
    head, rule, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert head == "| method | mAP | rank-1 | rank-5 | rank-10 | mINP | true associations | seconds | images/s |"
    assert head.count("|") == rule.count("|") == rows[0].count("|")
    assert [row.split("|")[1:3] for row in rows] == [
        [" *untrained* ", " 10.0 ± 0.0 "],
        [" eea ", " 35.0 ± 7.1 "],
        [" eea:inter=False ", " 25.0 ± 0.0 "],
    ]
    assert rows[1].endswith("| 17.5 ± 3.5 | 20 | 100 |")
    assert "market1501:somewhere, raw-tracklets" in text and "2 epochs, seeds 0, 1" in text


def test_without_a_test_the_table_has_times_only() -> None:
    text = table([contender("eea", [0.3], tested=False)], Settings("", "folder-of-tracklets:x", epochs=2), [0])
    assert "| eea |  | 20 | 100 |" in text and "mAP" not in text


def test_curves_are_means_over_seeds(tmp_path: Path) -> None:
    found = contender("dal", [0.3, 0.5])
    np.testing.assert_allclose(found.curve("mAP"), [(1.0, 10.0, 0.3), (2.0, 20.0, 0.4)])
    assert found.curve("nothing") == []
    assert [path.name for path in plots([found], tmp_path)] == ["mAP.png", "associations.png"]
    assert [path.name for path in plots([contender("dal", [0.3], tested=False)], tmp_path)] == ["associations.png"]


def test_without_matplotlib_there_is_a_table_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert plots([contender("dal", [0.3])], tmp_path) == []
    source = Path(comparison.__file__).read_text(encoding="utf-8")
    assert not re.search(r"^(import|from) matplotlib", source, re.MULTILINE)


def test_methods_are_trained_under_one_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.set_num_threads(1)
    config = EncoderConfig(channels=(4, 4, 4, 4, 8), stripes=1, height=64, width=32)
    save_encoder(new_encoder(config, seed=0), tmp_path / "tiny.safetensors")
    data = f"market1501:{figures.market(tmp_path / 'market', people=4, tested=3, frames=2)}"
    asked = ["--data", data, "--methods", "utal", "eea:scale=8.0,recipe.frames=2", "--seeds", "0", "1"]
    asked += ["--epochs", "2", "--init", str(tmp_path / "tiny.safetensors"), "--set", "recipe.batch=12", "--json"]
    monkeypatch.setattr(sys, "argv", ["compare", *asked, "--out", str(tmp_path / "out")])
    comparison.main()
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert list(found["runs"]) == ["utal", "eea:scale=8.0,recipe.frames=2"]
    assert [len(runs) for runs in found["runs"].values()] == [2, 2]
    for plot in found["plots"]:
        picture = cv2.imread(plot)
        assert picture is not None and picture.std() > 10
    assert Path(found["table"]).read_text(encoding="utf-8").count("±") == 1 + 5 + 6 + 6
    logs = [path.read_text(encoding="utf-8").splitlines() for path in (tmp_path / "out").glob("*/log.jsonl")]
    lines = [[json.loads(line) for line in log] for log in logs]
    assert len(lines) == 4
    assert {log[-1]["step"] for log in lines} == {2 * 4}  # 48 images an epoch, 12 a step, whatever the method
    assert all("mAP" in line for log in lines for line in log)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a run that is done is not done again")

    monkeypatch.setattr("reid.train.make_optimiser", never)
    comparison.main()
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("label", ["udal", "eea:inter", "eea:intre=False"])
def test_a_method_that_is_wrong_is_told_before_the_first_run(label: str, tmp_path: Path) -> None:
    settings = Settings("", "market1501:nowhere", epochs=1)
    with pytest.raises(TrainingError):
        compare(settings, ["utal", label], [0], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_budget_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="epochs"):
        compare(Settings("", "market1501:nowhere"), ["utal"], [0], tmp_path)
