"""The papers' size in given minutes: epochs that fit, the step's speed, and figures after each part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import papers_size
from bench.papers_size import epochs_that_fit, step_speed
from reid.encoder import EncoderConfig
from reid.training import Result, Settings


def result(method: str, epochs: int) -> Result:
    return Result(method, "raw-tracklets", epochs, 2.0 * epochs, 100.0, {"mAP": 0.1}, {"mAP": 0.2}, "model")


def test_as_many_epochs_as_fit() -> None:
    tried = result("eea", 1)  # 2 s an epoch
    assert epochs_that_fit(28.0, tried, wall=5.0) == 10  # 3 s around it, and epochs of 2.5 s
    assert epochs_that_fit(1.0, tried, wall=5.0) == 1


def test_a_step_has_a_speed() -> None:
    config = EncoderConfig(channels=(4, 4, 4, 4, 4), head="embedding-l2", dimensions=8, height=32, width=16)
    assert step_speed(config, "fp32", 4, 0.01, torch.device("cpu")) > 0


def test_figures_are_there_after_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, int, int]] = []

    def train(settings: Settings, out: Path, *, crops: Path, test_every: int = 0) -> Result:
        assert settings.epochs is not None and settings.backbone == "resnet50" and settings.size == (256, 128)
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures["images_per_second_of_a_step"] == {"bf16": 9.0, "fp32": 9.0}
        assert ("eea" in figures) == (settings.config.method == "merged")
        asked.append((settings.config.method, settings.epochs, test_every))
        return result(settings.config.method, settings.epochs)

    monkeypatch.setattr(papers_size, "train_benchmark", train)
    monkeypatch.setattr(papers_size, "step_speed", lambda *_: 9.0)
    options: list[Any] = ["--data", "market1501:DIR", "--out", tmp_path, "--minutes", 1]
    monkeypatch.setattr("sys.argv", ["papers_size", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        papers_size.main()
    assert ended.value.code == 0
    figures = json.loads(capsys.readouterr().out)
    assert [(method, epochs > 1) for method, epochs, _ in asked] == [
        ("eea", False), ("eea", True), ("merged", False), ("merged", True),
    ]  # fmt: skip
    assert figures["eea"]["final"] == {"mAP": 0.2} and figures["merged"]["epochs"] == asked[3][1]
    assert figures == json.loads((tmp_path / "figures.json").read_text())
