"""The command that trains: its result, and what it says where it can't start."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reid import train
from reid.encoder import load_encoder
from reid.training import Result

pytestmark = pytest.mark.usefixtures("one_thread")


def command(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        train.main()
    return int(ended.value.code or 0)


def test_the_command_prints_its_result(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--data",
        f"market1501:{data_folder / 'tiny'}",
        "--method",
        "eea",
        "--protocol",
        "oracle-tracklets",
        "--json",
    ]
    arguments += ["--init", data_folder / "tiny.safetensors", "--epochs", 2, "--seed", 3, "--out", tmp_path / "run"]
    arguments += ["--set", "recipe.batch=24", "--set", "threshold=fixed"]
    assert command(monkeypatch, *arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result) == [entry.name for entry in dataclasses.fields(Result)]
    assert (result["method"], result["protocol"], result["epochs"]) == ("eea", "oracle-tracklets", 2)
    scores = ["mAP", "rank1", "rank5", "rank10", "rank20", "mINP", "queries", "gallery"]
    assert list(result["start"]) == list(result["final"]) == scores
    assert result["final"]["queries"] == 9 and result["final"]["gallery"] == 18
    assert load_encoder(Path(result["model"])).config.dimensions == 64
    assert command(monkeypatch, *arguments) == 0  # done: the same again, at once
    assert json.loads(capsys.readouterr().out) == result
    assert command(monkeypatch, *arguments, "--set", "scale=20.0") == 2
    said = capsys.readouterr().err
    assert "config.scale" in said and "20.0" in said and str(tmp_path / "run") in said.replace("\n", "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"--method": "udal"}, "no method is called 'udal'"),
        ({"--data": "market1501:nowhere"}, "nowhere is no folder"),
        ({"--data": "market"}, "SET:FOLDER"),
        ({"--set": "treshold=1"}, "there is no setting 'treshold'; there are threshold, fixed"),
        ({"--set": "recipe.batches=1"}, "there is no setting 'recipe.batches'; there are epochs, optimiser"),
        ({"--set": "scale=wide"}, "scale is 16.0 by default and can't be 'wide'"),
        ({"--set": "recipe.augment=wild"}, "can't be 'wild'; it is one of strong, mild, none"),
        ({"--init": "nothing.safetensors"}, "nothing.safetensors: there is no such file"),
        ({"--precision": "fp8"}, "'fp8' is not one of"),
        ({"--init": __file__}, "is no encoder"),
        ({"--init": "imagenet"}, "no ImageNet weights for light"),
        ({"--backbone": "resnet50"}, "has the backbone light, which is not the resnet50 asked for"),
        ({"--head": "round"}, "'round' is not one of 'stripes', 'fc'"),
        ({"--set": "encoder.ghosts=4"}, "there is no setting 'encoder.ghosts'"),
        ({"--set": "scale"}, "'scale' is not NAME=VALUE"),
        ({"--size": "100"}, "'100' is not HEIGHTxWIDTH, as 256x128"),
        ({"--size": "100x40"}, "crops of 100x40 px don't go through"),
        ({"--accumulate": "5"}, "can't be shared by 5"),
        ({"--epochs": "0"}, "at least 1"),
    ],
)
def test_what_can_not_start_says_so_in_one_sentence(
    wrong: dict[str, str],
    said: str,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {
        "--data": f"market1501:{data_folder / 'tiny'}",
        "--method": "eea",
        "--init": str(data_folder / "tiny.safetensors"),
    }
    options |= {"--epochs": "1", "--out": str(tmp_path / "run"), "--set": "recipe.batch=24"} | wrong
    assert command(monkeypatch, *(word for pair in options.items() for word in pair)) == 2
    printed = capsys.readouterr()
    assert said in " ".join(printed.err.split())
    assert printed.err.count("Error: ") == 1 and "Traceback" not in printed.err
    assert not printed.out and not (tmp_path / "run" / "model.safetensors").exists()
