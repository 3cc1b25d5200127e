"""The command that compares methods: two of them on coloured figures, and going on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from reid import compare
from reid.compare import dealt
from reid.encoder import EncoderConfig, new_encoder, save_encoder
from reid.training import TrainingError
from tests.reid import figures

pytestmark = pytest.mark.usefixtures("one_thread")


def ended() -> int:
    with pytest.raises(SystemExit) as stopped:
        compare.main()
    return int(stopped.value.code or 0)


def test_methods_are_trained_under_one_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EncoderConfig(channels=(4, 4, 4, 4, 8), stripes=1, height=64, width=32)
    save_encoder(new_encoder(config, seed=0), tmp_path / "tiny.safetensors")
    data = f"market1501:{figures.market(tmp_path / 'market', people=4, tested=3, frames=2)}"
    arguments = ["--data", data, "--methods", "utal", "eea:scale=8.0,recipe.frames=2", "--seeds", "0", "1"]
    arguments += ["--epochs", "2", "--init", str(tmp_path / "tiny.safetensors"), "--set", "recipe.batch=12", "--json"]
    monkeypatch.setattr(sys, "argv", ["compare", *arguments, "--out", str(tmp_path / "out")])
    assert ended() == 0
    printed = capsys.readouterr().out
    report = json.loads(printed)
    assert list(report["runs"]) == ["utal", "eea:scale=8.0,recipe.frames=2"]
    assert [len(runs) for runs in report["runs"].values()] == [2, 2]
    for plot in report["plots"]:
        picture = cv2.imread(plot)
        assert picture is not None and picture.std() > 10
    text = Path(report["table"]).read_text(encoding="utf-8")
    assert text.count("±") == 1 + 5 + 6 + 6
    assert f"{data}, raw-tracklets; practical, from" in text and "2 epochs, seeds 0, 1;" in text
    logs = [path.read_text(encoding="utf-8").splitlines() for path in (tmp_path / "out").glob("*/log.jsonl")]
    lines = [[json.loads(line) for line in log] for log in logs]
    assert len(lines) == 4
    assert {log[-1]["step"] for log in lines} == {2 * 4}  # 48 images an epoch, 12 a step, whatever the method
    assert all("mAP" in line for log in lines for line in log)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a run that is done is not done again")

    monkeypatch.setattr("reid.training.loop.new_optimiser", never)
    assert ended() == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("label", ["udal", "eea:inter", "eea:intre=False"])
def test_a_method_that_is_wrong_is_told_before_the_first_run(
    label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--data",
        "market1501:nowhere",
        "--methods",
        "utal",
        label,
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", ["compare", *words])
    assert ended() == 2
    printed = capsys.readouterr()
    assert printed.err.count("Error: ") == 1 and not printed.out
    assert not list(tmp_path.iterdir())


def test_words_after_an_option_are_dealt_to_methods_and_seeds() -> None:
    assert dealt(["utal"], [4], ["eea:scale=8", "5", "uga"]) == (["utal", "eea:scale=8", "uga"], [4, 5])
    assert dealt(["utal"], [], []) == (["utal"], [0, 1, 2])
    with pytest.raises(TrainingError, match="3 is no method"):
        dealt(["utal"], [], ["3"])
