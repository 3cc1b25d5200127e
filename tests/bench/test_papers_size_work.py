"""The papers' size in given minutes: epochs that fit, the step's speed, and figures after each part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import papers_size_work
from bench.papers_size_work import Trial, epochs_that_fit, main, step_speed, trial_of
from reid.encoder import EncoderConfig
from reid.training import Result, Settings, TrainingError


def result(method: str, epochs: int) -> Result:
    return Result(
        method=method,
        protocol="raw-tracklets",
        epochs=epochs,
        steps=10 * epochs,
        images=600 * epochs,
        seconds=2.0 * epochs,
        images_per_second=100.0,
        start={"mAP": 0.1},
        final={"mAP": 0.2},
        model="model",
    )


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
    runs: list[tuple[str, int, int]] = []

    def train(settings: Settings, out: Path, *, crops: Path, test_every: int = 0) -> Result:
        assert settings.epochs is not None and settings.backbone == "resnet50" and settings.size == (256, 128)
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures["images_per_second_of_a_step"] == {"bf16": 9.0, "fp32": 9.0}
        assert ("eea" in figures["methods"]) == (settings.config.method == "merged")
        runs.append((settings.config.method, settings.epochs, test_every))
        return result(settings.config.method, settings.epochs)

    monkeypatch.setattr(papers_size_work, "train_benchmark", train)
    monkeypatch.setattr(papers_size_work, "step_speed", lambda *_: 9.0)
    words = ["--data", "market1501:DIR", "--out", str(tmp_path), "--minutes", "1"]
    monkeypatch.setattr("sys.argv", ["papers_size_work", *words])
    main()
    figures = json.loads(capsys.readouterr().out)
    assert [(method, epochs > 1) for method, epochs, _ in runs] == [
        ("eea", False), ("eea", True), ("merged", False), ("merged", True),
    ]  # fmt: skip
    methods = figures["methods"]
    assert methods["eea"]["final"] == {"mAP": 0.2} and methods["merged"]["epochs"] == runs[3][1]
    assert figures == json.loads((tmp_path / "figures.json").read_text())


def test_options_are_those_of_the_command() -> None:
    words = {"--data": "market1501:DIR", "--out": "RUN", "--minutes": "2", "--size": "64x32", "--batch": "8"}
    assert trial_of([word for pair in words.items() for word in pair]) == Trial(
        data="market1501:DIR", out=Path("RUN"), minutes=2.0, size="64x32", batch=8
    )
    with pytest.raises(TrainingError, match="no option --bach"):
        trial_of(["--bach", "8"])


def test_neither_typer_nor_rich_is_needed() -> None:
    code = "import sys; sys.modules.update(typer=None, rich=None); import bench.papers_size_work"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
