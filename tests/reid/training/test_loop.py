"""Whole trainings of a tiny encoder on coloured figures: they learn, and go on where they were stopped."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from reid.benchmarks import open_benchmark
from reid.methods import LearningMethod
from reid.methods.eea import EEA
from reid.tracklets import TrackletDataset
from reid.training import Diverged, Result, Settings, checkpoint, journal, loop, preset, train, train_benchmark
from reid.training.checkpoint import Checkpoint
from tests.reid.training.runs import METHODS, UNSUPERVISED, lines, same, tiny, weights

# -- they learn


@pytest.mark.parametrize("method", UNSUPERVISED)
def test_a_method_learns_from_unlabelled_tracklets(method: str, data_folder: Path, tmp_path: Path) -> None:
    """By the mean of three seeds: of so small a set one may gain by luck, or hang on the order of sums."""
    config = preset(method)
    config = replace(config, recipe=replace(config.recipe, batch=36, epoch="images", learning_rate=0.003))
    data, init = f"market1501:{data_folder / 'small'}", str(data_folder / "tiny.safetensors")
    gains = []
    for seed in range(3):
        settings = Settings(config, data, init=init, epochs=8, seed=seed)
        result = train_benchmark(settings, tmp_path / str(seed), crops=data_folder / "crops")
        assert result.start is not None and result.final is not None
        gains.append(result.final["mAP"] - result.start["mAP"])
    assert np.mean(gains) > 0.05, gains
    told = [line for line in lines(tmp_path / "0") if "epoch" in line]
    assert [line["epoch"] for line in told] == list(range(1, 9))
    assert told[-1]["associations"] > 0 and 0 <= told[-1]["association_precision"] <= 1
    assert any(name.startswith("loss/") for name in told[-1])
    assert ("fragment_similarity" in told[-1]) == (method == "utal")


# -- they go on


@pytest.mark.parametrize(
    ("method", "preset_name"),
    [
        *((m, "practical") for m in ("utal", "uga", "eea", "ssl", "supervised")),
        ("dal", "faithful"),
        ("utal", "faithful"),
    ],
)
def test_a_run_goes_on_from_any_checkpoint_to_the_last_bit(
    method: str, preset_name: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    saved: list[Path] = []
    save = Checkpoint.save

    def keep(self: Checkpoint) -> None:
        save(self)
        out = self.path.parent
        if out.name == "whole":
            saved.append(shutil.copytree(out, tmp_path / f"from-{self.state.step}"))

    monkeypatch.setattr(Checkpoint, "save", keep)
    settings = tiny(data_folder, method, preset_name=preset_name, recipe={"size": (64, 32)})
    whole = train_benchmark(settings, tmp_path / "whole", crops=data_folder / "crops")
    epoch = len(saved) // 2
    assert epoch >= 3
    for folder in (saved[epoch - 1], saved[epoch], saved[-1]):  # at an epoch's end, in the next one, at the very end
        part = train_benchmark(settings, folder, crops=data_folder / "crops")
        assert same(folder, tmp_path / "whole")
        assert (part.start, part.final) == (whole.start, whole.final)
        timeless = [
            [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in lines(out)]
            for out in (folder, tmp_path / "whole")
        ]
        assert timeless[0] == timeless[1]


@pytest.mark.parametrize("stops_at", [0, 2, 3, 5])
def test_a_progress_that_raises_stops_the_run_which_then_goes_on(
    stops_at: int, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first step, within an epoch, at its end and in the next one: what was saved before stays."""

    class Stopped(Exception):
        pass

    def progress(task: str, done: int, total: int | None = None, /) -> None:
        if task == "training steps" and done == stops_at:
            raise Stopped

    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    settings, stopped = tiny(data_folder, "eea"), tmp_path / "stopped"
    with pytest.raises(Stopped):
        train_benchmark(settings, stopped, crops=data_folder / "crops", progress=progress)
    left = stopped / "checkpoint.pt"
    steps = torch.load(left, weights_only=True)["state"]["step"] if left.is_file() else 0
    assert steps == max(stops_at - 1, 0) and not (stopped / "result.json").exists()
    train_benchmark(settings, stopped, crops=data_folder / "crops")
    train_benchmark(settings, tmp_path / "whole", crops=data_folder / "crops")
    assert same(stopped, tmp_path / "whole")
    assert [line["step"] for line in lines(stopped)] == [line["step"] for line in lines(tmp_path / "whole")]


class SlowMachine:
    """A clock on which each step takes 10 s, and a progress that ends the run after a step."""

    def __init__(self, last: int | None = None) -> None:
        self.now, self.last = 0.0, last

    def monotonic(self) -> float:
        return self.now

    def __call__(self, task: str, done: int, total: int | None = None, /) -> None:
        if task == "training steps" and done:
            self.now += 10.0
            if done == self.last:
                raise KeyboardInterrupt


@pytest.mark.parametrize(("method", "stage"), [("eea", 0), ("ssl", 0), ("uga", 2)])  # the epoch of the last stage
def test_a_run_by_time_ends_in_time_with_its_rates_at_their_end(
    method: str, stage: int, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    settings = tiny(data_folder, method, epochs=10, recipe={"tail": 0.1})
    dataset = TrackletDataset.build(tmp_path / "crops", open_benchmark(settings.data, settings.protocol).train, 64, 32)

    def learned(out: Path, last: int | None = None) -> Result:
        machine = SlowMachine(last)
        monkeypatch.setattr(journal, "time", machine)
        return train(dataset, settings, out, seconds=150.0, progress=machine)

    whole = learned(tmp_path / "whole")
    assert whole.steps == 15 and whole.completed == 0.5
    assert {line["epoch"] for line in lines(tmp_path / "whole") if "epoch" in line} == {1, 2, 3, 4, 5}
    rates = [line["learning_rate"] for line in lines(tmp_path / "whole") if "epoch" in line]
    progress = (140 / 150 * 10 - stage) / (10 - stage)
    assert rates[-1] == pytest.approx(settings.config.recipe.rate(progress)) and rates[-1] < 0.5 * rates[0]
    with pytest.raises(KeyboardInterrupt):
        learned(tmp_path / "stopped", last=7)
    assert learned(tmp_path / "stopped").steps == 15
    assert same(tmp_path / "stopped", tmp_path / "whole")


# -- what a step does


def test_parts_of_a_batch_reach_the_memories_together(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[torch.Tensor]] = {}
    monkeypatch.setattr(EEA, "after_step", lambda self, batch: seen[parts].append(batch.image))
    for parts in (1, 3):
        seen[parts] = []
        settings = replace(tiny(data_folder, "eea", epochs=1), accumulate=parts)
        train_benchmark(settings, tmp_path / str(parts), crops=data_folder / "crops")
    assert all(torch.equal(images, other) for images, other in zip(seen[1], seen[3], strict=True))


class Waits(TorchDispatchMode):
    """Counts what would make a step wait for a device: values and sizes that Python must know."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        names = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal")
        self.count += func.overloadpacket.__name__ in names
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", METHODS)
def test_no_step_waits_for_the_device(method: str, data_folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def progress(task: str, done: int, total: int | None = None, /) -> None:
        if task == "training steps" and done:
            assert total is not None
            seen.append(((done - 1) // (total // 2), waits.count))

    settings = tiny(data_folder, method, recipe={"optimiser": "sgd"})
    with Waits() as waits:  # Adam waits for its own counters on the CPU, not on CUDA
        train_benchmark(settings, tmp_path, crops=data_folder / "crops", progress=progress)
    assert waits.count > 0
    within = [later[1] - earlier[1] for earlier, later in pairwise(seen) if earlier[0] == later[0]]
    assert within == [0] * (len(seen) - 2)


def test_nothing_that_trains_sees_identities(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Made(Exception):
        pass

    def made(*arguments: Any) -> LearningMethod:
        raise Made(arguments[-1] is not None)

    monkeypatch.setattr(loop, "new_method", made)
    for method in METHODS:
        with pytest.raises(Made) as given:
            train_benchmark(tiny(data_folder, method), tmp_path / method, crops=data_folder / "crops")
        assert given.value.args == (method == "supervised",)


def test_the_moving_average_is_what_is_kept(data_folder: Path, tmp_path: Path) -> None:
    settings = tiny(data_folder, "dal", preset_name="faithful", recipe={"size": (64, 32)})
    train_benchmark(settings, tmp_path, crops=data_folder / "crops")
    written = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    kept = weights(tmp_path)
    assert all(torch.equal(kept[name], written["averaged"][name]) for name in kept)
    assert not all(torch.equal(kept[name], written["encoder"][name]) for name in kept)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: Any, data_folder: Path, tmp_path: Path) -> None:
    settings = replace(tiny(data_folder, "eea", epochs=1), precision=precision)
    result = train_benchmark(settings, tmp_path, crops=data_folder / "crops")
    assert result.final is not None and result.final["mAP"] > 0.05


def test_a_loss_that_is_no_number_ends_the_run(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    losses = LearningMethod.losses

    def broken(self: LearningMethod, batch: Any) -> dict[str, torch.Tensor]:
        parts = losses(self, batch)
        return {name: part * (torch.nan if self.epoch == 1 else 1.0) for name, part in parts.items()}

    monkeypatch.setattr(LearningMethod, "losses", broken)
    with pytest.raises(Diverged, match="learning_rate"):
        train_benchmark(tiny(data_folder, "eea"), tmp_path, crops=data_folder / "crops")
    written = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert written["state"]["step"] == 3
    assert all(part.isfinite().all() for part in written["encoder"].values())
    assert not (tmp_path / "model.safetensors").exists()
