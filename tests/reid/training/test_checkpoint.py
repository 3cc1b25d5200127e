"""A checkpoint appears whole or not at all, and never holds weights that are no numbers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from reid.training import Diverged, checkpoint, train_benchmark
from reid.training.checkpoint import Checkpoint, State
from tests.reid.training.runs import lines, same, tiny

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")


def test_state_and_parts_come_back(tmp_path: Path) -> None:
    layer = nn.Linear(3, 2)
    optimiser = torch.optim.SGD(layer.parameters(), 0.1, 0.9)
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state = State(step=7, images=70, seconds=2.5, start={"mAP": 0.1}, losses={"intra": 3.0})
    Checkpoint(tmp_path, state, {"layer": layer, "optimiser": optimiser}).save()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    other = nn.Linear(3, 2)
    again = Checkpoint(tmp_path, State(), {"layer": other, "optimiser": torch.optim.SGD(other.parameters(), 0.2, 0.9)})
    again.load(CPU)
    assert again.state == state
    assert torch.equal(other.weight, layer.weight)
    assert again.parts["optimiser"].state_dict()["param_groups"][0]["lr"] == 0.1


def test_without_a_file_nothing_is_loaded(tmp_path: Path) -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight.clone()
    empty = Checkpoint(tmp_path, State(), {"layer": layer})
    empty.load(CPU)
    assert empty.state == State() and torch.equal(layer.weight, before)


def test_it_is_due_when_the_last_one_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoint(tmp_path, State(), {"layer": nn.Linear(3, 2)})
    assert not kept.due
    kept.saved -= checkpoint.CHECKPOINT_SECONDS
    assert kept.due
    kept.save()
    assert not kept.due


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    layer = nn.Linear(3, 2)
    nn.init.constant_(layer.bias, torch.nan)
    with pytest.raises(Diverged, match="at step 5"):
        Checkpoint(tmp_path, State(step=5), {"layer": layer}).save()
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_a_run_that_goes_on(data_folder: Path, tmp_path: Path) -> None:
    """Killed at the worst moment: while the checkpoint of the fifth step is written."""
    settings, killed = tiny(data_folder, "uga"), tmp_path / "killed"
    code = f"""
import os, time, torch
from pathlib import Path
from reid.benchmarks.noise import Noise
from reid.methods.uga import UGAConfig
from reid.methods import Recipe
from reid.training import Settings, checkpoint, train_benchmark
torch.set_num_threads(1)
checkpoint.CHECKPOINT_SECONDS = 0.0
replace, saved = os.replace, []
def slow(part, path):
    saved.extend([path] * (path.name == "checkpoint.pt"))
    if len(saved) == 5:
        Path({str(tmp_path / "now")!r}).touch()
        time.sleep(300)
    replace(part, path)
os.replace = slow
train_benchmark({settings!r}, Path({str(killed)!r}), crops=Path({str(data_folder / "crops")!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    until = time.monotonic() + 120
    while not (tmp_path / "now").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(killed.glob("checkpoint.pt.*.part")) and not (killed / "result.json").exists()
    assert torch.load(killed / "checkpoint.pt", weights_only=True)["state"]["step"] == 4
    train_benchmark(settings, killed, crops=data_folder / "crops")
    train_benchmark(settings, tmp_path / "whole", crops=data_folder / "crops")
    assert same(killed, tmp_path / "whole") and not list(killed.glob("*.part"))
    assert [line["step"] for line in lines(killed)] == [line["step"] for line in lines(tmp_path / "whole")]
